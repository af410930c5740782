"""
``ai-trace completion``: what the real shells offer, and what that costs.
"""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from cli_runs import environment, run, step, write_session


Offered = Callable[[str], "list[str]"]

COLUMNS, ROWS = 100, 24
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(
            shutil.which(shell) is None, reason=f"{shell} is not installed"
        ),
    )
    for shell in ("bash", "fish")
]
TYPED = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(
            shutil.which(shell[0]) is None, reason=f"{shell[0]} is not installed"
        ),
        id=shell[0],
    )
    for shell in (("bash", "--norc", "--noprofile"), ("zsh", "-f"))
]

BASH = """
source <(ai-trace completion bash)
COMP_WORDS=({words}) COMP_CWORD={last}
_ai_trace
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = """
ai-trace completion fish | source
complete -C "{line}"
"""
INTERACTIVE = {
    "bash": 'PS1="> "; eval "$(ai-trace completion bash)"',
    "zsh": 'PS1="> "; autoload -Uz compinit; compinit -D -u; '
    'eval "$(ai-trace completion zsh)"',
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A place with a session of each of two agents, and names that are hostile."""
    traces = tmp_path / "traces"
    for agent, session_id in (
        ("trader", "20240301_143022"),
        ("scout", "20240302_143022"),
        ("$(touch oops)", "20240303_143022"),
        ("a`touch oops`;b", "20240304_143022"),
        ("--yes", "20240305_143022"),
    ):
        write_session(traces, agent, session_id, [step("one", 1)])
    write_session(tmp_path / "my traces", "keeper", "20240306_143022", [step("one", 1)])
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "ai-trace"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ai_trace "$@"\n')
    command.chmod(0o755)
    return tmp_path


def variables(here: Path) -> dict[str, str]:
    """Return the environment of a shell that finds the command."""
    path = os.pathsep.join((str(here / "bin"), os.environ["PATH"]))
    return environment(PATH=path, HOME=str(here), TERM="xterm")


@pytest.fixture(params=SHELLS)
def offered(request: pytest.FixtureRequest, here: Path) -> Offered:
    """What a shell offers behind a line, the names of files aside."""
    shell: str = request.param

    def offer(line: str) -> list[str]:
        words = line.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        code = BASH.format(words=quoted, last=len(words) - 1)
        if shell == "fish":
            code = FISH.format(line=line)
        options = {"bash": "--norc", "fish": "--no-config"}
        done = subprocess.run(
            [shell, options[shell], "-c", code],
            cwd=here,
            env=variables(here),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert "" == done.stderr
        found = [row.partition("\t")[0] for row in done.stdout.splitlines()]
        return [word for word in found if word and not word.endswith("/")]

    return offer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ai-trace vi", ["view"]),
        ("ai-trace co", ["completion", "compress"]),
        ("ai-trace view --er", ["--errors"]),
        ("ai-trace list --un", ["--until"]),
        ("ai-trace view --outcome c", ["cancelled", "closed"]),
        ("ai-trace stats --kind e", ["embedding", "eval"]),
        ("ai-trace completion z", ["zsh"]),
        ("ai-trace tail 202403", [f"2024030{n}_143022" for n in (1, 2, 3, 4, 5)]),
        ("ai-trace stats scout 20240301", ["20240301_143022"]),
        ("ai-trace view tr", ["trader"]),
        ("ai-trace list --agent s", ["scout"]),
        ("ai-trace view lat", ["latest"]),
        ("ai-trace --dir nowhere view 2024", []),
        ("ai-trace --dir ./traces view sc", ["scout"]),
        ("ai-trace view --dir ./traces sc", ["scout"]),
    ],
)
def test_words(offered: Offered, line: str, words: list[str]) -> None:
    """Verbs, options, values, sessions and agents are offered where they belong."""
    assert words == sorted(offered(line))


@pytest.mark.parametrize("offered", SHELLS[1:], indirect=True)
@pytest.mark.parametrize(
    "line",
    [
        "ai-trace --dir 'my traces' view ke",
        "ai-trace --dir my\\ traces view ke",
        "ai-trace --dir='my traces' view ke",
        "ai-trace view --dir=my\\ traces ke",
        "ai-trace list --dir ~/my\\ traces --agent=ke",
    ],
)
def test_quoted_words_in_fish(offered: Offered, line: str) -> None:
    """A directory may be quoted, and stand behind an equals sign."""
    assert ["keeper"] == [word.rpartition("=")[2] for word in offered(line)]


def test_no_hostile_name(offered: Offered, here: Path) -> None:
    """What a shell would take for more than a word is not offered, and not run."""
    words = [*offered("ai-trace view "), *offered("ai-trace list --agent ")]

    assert {"latest", "trader", "scout"} < set(words)
    assert [] == [word for word in words if "touch" in word or word == "--yes"]
    assert not (here / "oops").exists()


@pytest.mark.parametrize("program", TYPED)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ai-trace vi", "ai-trace view"),
        ("ai-trace view --erro", "ai-trace view --errors"),
        ("ai-trace view --outcome ca", "ai-trace view --outcome cancelled"),
        ("ai-trace view trad", "ai-trace view trader"),
        ("ai-trace stats scout trad", "ai-trace stats scout trader"),
        ("ai-trace list --agent sc", "ai-trace list --agent scout"),
        ("ai-trace --dir ./traces view sc", "ai-trace --dir ./traces view scout"),
        ("ai-trace view --dir ./traces sc", "ai-trace view --dir ./traces scout"),
        ("ai-trace completion fi", "ai-trace completion fish"),
        *(
            (f"ai-trace {line} ke", f"ai-trace {line} keeper")
            for line in (
                "--dir my\\ traces view",
                "--dir 'my traces' view",
                '--dir "my traces" view',
                '--dir="my traces" view',
                "--dir=my\\ traces view",
                "view --dir=my\\ traces",
                "view --dir ~/my\\ traces",
                "list --dir 'my traces' --agent",
            )
        ),
        ("ai-trace view --outcome=ca", "ai-trace view --outcome=cancelled"),
        ("ai-trace list --agent=sc", "ai-trace list --agent=scout"),
        ("ai-trace --dir=./traces view sc", "ai-trace --dir=./traces view scout"),
    ],
)
def test_typed(
    here: Path, program: tuple[str, ...], typed: str, completed: str
) -> None:
    """In a terminal, a word is completed as it is typed, also behind quoted ones."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shell = subprocess.Popen(
        [*program, "-i"],
        cwd=here,
        env=variables(here),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        ready = f"{INTERACTIVE[program[0]]}; clear; echo it is ready\n"
        os.write(master, ready.encode())
        shown: list[str] = []
        is_typed = False
        while f"> {completed}" not in shown:
            stream.feed(os.read(master, 65_536))
            shown = [row.rstrip() for row in screen.display]
            if not is_typed and shown[:2] == ["it is ready", ">"]:
                is_typed = True
                os.write(master, f"{typed}\t".encode())
    finally:
        shell.kill()
        shell.wait()
        os.close(master)


def test_beginning(here: Path) -> None:
    """The names are those that begin so, the newest session first."""
    done = run("completion", "sessions", "2024030", cwd=here)

    assert [f"2024030{n}_143022" for n in (5, 4, 3, 2, 1)] == done.stdout.splitlines()


def test_same_second(here: Path) -> None:
    """Of two sessions with one id, the names that tell them apart are offered."""
    write_session(here / "traces", "scout", "20240301_143022", [step("one", 1)])
    names = run("completion", "sessions", cwd=here).stdout.splitlines()

    assert {"scout_20240301_143022", "trader_20240301_143022"} < set(names)
    assert "20240301_143022" not in names


def test_many(tmp_path: Path) -> None:
    """Of very many sessions the newest are offered."""
    for number in range(300):
        session_id = f"20240301_{number // 60:02d}{number % 60:02d}00"
        write_session(tmp_path / "traces", "bot", session_id, [step("one", 1)])
    names = run("completion", "sessions", "2", cwd=tmp_path).stdout.splitlines()

    assert "20240301_045900" == names[0]
    assert 200 == len(names)


@pytest.mark.parametrize("what", ["sessions", "agents"])
def test_nothing_there(tmp_path: Path, what: str) -> None:
    """Where there are no names, nothing is printed: a shell would offer it."""
    missing = run("completion", what, cwd=tmp_path)
    (tmp_path / "traces").mkdir()
    empty = run("completion", what, cwd=tmp_path)

    for done in (missing, empty):
        assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
