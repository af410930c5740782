"""
``ai-trace`` on a terminal, in a pipe, and where the output takes little or nothing.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyte
import pytest
from cli_runs import (
    COMMAND,
    STARTED,
    environment,
    interrupt,
    next_line,
    run,
    run_between,
    start,
    step,
    trading_steps,
    write_session,
)

from ai_trace import TraceReadError
from ai_trace.cli import _list
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import UsageError
from ai_trace.render._style import columns


SESSION_ID = "20240301_143022"

HOSTILE = {
    "title": "\x1b]0;pwned\x07",
    "title report": "\x1b[21t",
    "clear": "\x1b[2J\x1b[H✔ all is well",
    "carriage return": "rm -rf ~\rls -la    ",
    "link": "\x1b]8;;http://evil\x1b\\docs\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;Y3VybCBlIHxzaA==\x07",
    "C1": "\x9b2J\x9d0;x\x9c",
    "answer back": '\x1bP$q"p\x1b\\\x1b[6n\x05',
    "backspace": "secret\x08\x08\x08\x08\x08\x08ok",
    "bidi": "\u202egnp.exe\u2066",
    "invisible": "ok\u200b\U000e0049\U000e0047",
    "forged row": "a\n✔ session signed",
    "markup": "[link=http://evil]x[/link][/]",
    "surrogate": "\ud800",
}


class Shown(NamedTuple):
    """What a person sees after a command has run on a terminal."""

    screen: pyte.Screen
    raw: bytes
    status: int

    @property
    def lines(self) -> list[str]:
        """The lines on screen that hold anything."""
        return [row.rstrip() for row in self.screen.display if row.strip()]


def on_terminal(
    *words: str, cwd: Path, columns: int = 80, rows: int = 60, **changes: str
) -> Shown:
    """Run ``ai-trace`` with a terminal for its output, and look at the screen."""
    ours, theirs = open_terminal(columns, rows)
    variables = environment(**{"TERM": "xterm-256color", **changes})
    with ThreadPoolExecutor(1) as reader:
        raw = reader.submit(read_all, ours)
        with open(theirs, "w", encoding="utf-8") as out:
            with open(os.dup(theirs), "w", encoding="utf-8") as err:
                status = run_between([out, err], words, cwd, variables)
    return look_at(raw.result(), status, columns, rows)


def alone_on_terminal(*words: str, cwd: Path) -> Shown:
    """Do the same with a process of its own, as a shell would start it."""
    ours, theirs = open_terminal(80, 60)
    with ThreadPoolExecutor(1) as reader:
        raw = reader.submit(read_all, ours)
        with open(theirs, "wb") as terminal:
            done = subprocess.run(
                [*COMMAND, *words],
                cwd=cwd,
                env=environment(TERM="xterm-256color"),
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                timeout=60,
                check=False,
            )
    return look_at(raw.result(), done.returncode, 80, 60)


def open_terminal(columns: int, rows: int) -> tuple[int, int]:
    """Open a terminal of some size; return our side and the command's."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return ours, theirs


def look_at(raw: bytes, status: int, columns: int, rows: int) -> Shown:
    """Return the screen after everything was written."""
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(raw)
    return Shown(screen, raw, status)


def read_all(descriptor: int) -> bytes:
    """Read from a terminal until its other side has been closed, then close this."""
    raw = b""
    while True:
        try:
            more = os.read(descriptor, 65536)
        except OSError:
            # Linux says so when nobody has the other side open any more.
            more = b""
        if not more:
            os.close(descriptor)
            return raw
        raw += more


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A place whose trace directory has one session of one decision."""
    write_session(tmp_path / "traces", "trading_agent", SESSION_ID, trading_steps())
    return tmp_path


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A place whose one session holds hostile text wherever text may stand."""
    payloads = "".join(HOSTILE.values())
    traced = step(
        f"name {payloads}",
        1,
        kind=f"kind {payloads}",
        context={f"key {payloads}": payloads, "long": f"{payloads}\n" * 20},
        logs=[{"_t": STARTED, payloads: payloads}],
        result={payloads: [payloads]},
        outcome="error",
        error=f"Error: {payloads}",
        traceback=f"Traceback:\n  {payloads}\n",
        function=payloads,
        notes=[{"path": payloads, "note": payloads}],
    )
    first = {
        **traced,
        "session": {
            "agent": f"agent {payloads}",
            "session_id": payloads,
            "meta": {payloads: payloads},
            "started_at": STARTED,
        },
    }
    (tmp_path / "traces").mkdir()
    path = tmp_path / "traces" / f"agent_{SESSION_ID}.jsonl"
    path.write_text(json.dumps(first) + "\n" + payloads.split("\n")[0][:0] + "x\n")
    return tmp_path


class TestColour:
    """Colours, and when there are none."""

    @pytest.mark.parametrize("words", [["list"], ["view"]], ids=" ".join)
    def test_is_what_the_command_does(self, here: Path, words: list[str]) -> None:
        """A process of its own writes the same to its terminal, colours and all."""
        shown = on_terminal(*words, cwd=here)

        assert alone_on_terminal(*words, cwd=here).raw == shown.raw

    def test_on_a_terminal(self, here: Path) -> None:
        """On a terminal the tree is coloured, and what failed is red."""
        shown = on_terminal("view", cwd=here)
        (row,) = (
            number
            for number, text in enumerate(shown.screen.display)
            if "risk_check" in text
        )
        column = shown.screen.display[row].index("✘")

        assert "red" == shown.screen.buffer[row][column].fg

    def test_in_a_pipe(self, here: Path) -> None:
        """In a pipe there are no escape sequences."""
        for verb in ("list", "view", "stats"):
            assert "\x1b" not in run(verb, cwd=here).stdout

    @pytest.mark.parametrize(
        ("changes", "coloured"),
        [
            ({"FORCE_COLOR": "1"}, True),
            ({"FORCE_COLOR": ""}, False),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ],
    )
    def test_forced(self, here: Path, changes: dict[str, str], coloured: bool) -> None:
        """FORCE_COLOR colours a pipe too; NO_COLOR wins over it."""
        done = run("view", cwd=here, env=environment(**changes))

        assert coloured == ("\x1b[31m" in done.stdout)

    @pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_refused(self, here: Path, changes: dict[str, str]) -> None:
        """NO_COLOR and a dumb terminal get plain text."""
        shown = on_terminal("view", cwd=here, **changes)

        assert b"\x1b" not in shown.raw
        assert "risk_check" in shown.raw.decode()


class TestWidth:
    """How long lines may be."""

    @pytest.mark.parametrize("columns", [20, 40, 80, 200])
    @pytest.mark.parametrize("verb", ["list", "view", "stats", "tail"])
    def test_fits(self, here: Path, verb: str, columns: int) -> None:
        """On a terminal, each line of the output takes one line of the screen."""
        words = [verb, "--no-follow"] if verb == "tail" else [verb]
        shown = on_terminal(*words, cwd=here, columns=columns)
        written = shown.raw.decode().replace("\r\n", "\n")

        assert 0 == shown.status
        assert len(shown.lines) == len([x for x in written.split("\n") if x.strip()])

    def test_agent_gives_way(self, here: Path) -> None:
        """On 80 columns a session's row is whole, and a longer agent's name is cut."""
        name = "an_agent_with_a_name_that_is_long"
        write_session(here / "traces", name, "20240301_153022", [step("one", 1)])
        shown = on_terminal("list", cwd=here)

        assert ["SIZE", "B", "kB"] == [row.split()[-1] for row in shown.lines]
        assert "an_agent" in shown.lines[1]
        assert "…" in shown.lines[1]

    def test_wide_characters(self, here: Path) -> None:
        """Columns stay aligned below a name in characters of two columns."""
        write_session(
            here / "traces", "x", "20240301_153022", [step("one", 1)], agent="取引"
        )
        shown = on_terminal("list", cwd=here)
        ours, theirs = (
            "".join(shown.screen.buffer[row][column].data for column in range(32, 42))
            for row in (1, 2)
        )

        assert "2024-03-01" == ours
        assert "2024-03-01" == theirs

    def test_in_a_pipe(self, here: Path) -> None:
        """In a pipe, rows are not cut."""
        name = "an_agent_with_a_name_that_is_long" * 9
        write_session(
            here / "traces", "x", "20240301_153022", [step("one", 1)], agent=name
        )
        done = run("list", cwd=here)

        assert name in done.stdout

    def test_columns_in_a_pipe(self, here: Path) -> None:
        """COLUMNS cuts lines, wherever they go."""
        done = run("view", cwd=here, env=environment(COLUMNS="30"))

        assert 30 >= max(map(len, done.stdout.splitlines()))

    def test_more_columns_than_there_can_be(self, here: Path) -> None:
        """A number of COLUMNS that no terminal can have is ignored."""
        plain = run("view", cwd=here).stdout
        for wide in ("9" * 5_000, "0", "\u0660"):
            done = run("view", cwd=here, env=environment(COLUMNS=wide))

            assert plain == done.stdout

    def test_screenful(self, tmp_path: Path) -> None:
        """On a terminal list shows the newest 20, and says how many there are more."""
        for number in range(25):
            session_id = f"20240301_1430{number:02d}"
            write_session(
                tmp_path / "traces",
                "a",
                session_id,
                [step("one", 1)],
                started_at=STARTED + number,
            )

        shown = on_terminal("list", cwd=tmp_path)
        assert 22 == len(shown.lines)
        assert shown.lines[-1].startswith("5 older")
        assert 26 == len(on_terminal("list", "--all", cwd=tmp_path).lines)
        assert 26 == len(run("list", cwd=tmp_path).stdout.splitlines())

    def test_screenful_of_those_chosen(self, tmp_path: Path) -> None:
        """So it is with those that are asked for; that there are more is said."""
        for number in range(44):
            write_session(
                tmp_path / "traces",
                "a",
                f"20240301_1430{number:02d}",
                [step("one", 1, outcome="error" if number % 2 else "ok")],
                started_at=STARTED + number,
            )

        shown = on_terminal("list", "--errors", cwd=tmp_path)
        whole = on_terminal("list", "--errors", "--all", cwd=tmp_path)
        assert 22 == len(shown.lines)
        assert shown.lines[-1].startswith("There are older ones that match: add --all")
        assert 23 == len(whole.lines)
        assert {"1"} == {row.split()[7] for row in whole.lines[1:]}


class TestHostileText:
    """Traced text does not reach the terminal as anything but text."""

    @pytest.mark.parametrize(
        "words",
        [
            ["list"],
            ["view"],
            ["view", "--full"],
            ["view", "--step", "01"],
            ["view", "--json"],
            ["tail", "--no-follow"],
            ["tail", "--no-follow", "--full"],
            ["tail", "--no-follow", "--json"],
            ["stats"],
            ["stats", "--json"],
            ["list", "--json"],
        ],
    )
    def test_is_shown_as_text(self, hostile: Path, words: list[str]) -> None:
        """The output's only control characters are newlines, and ours for colours."""
        shown = on_terminal(*words, cwd=hostile, columns=200, rows=400)
        text = shown.raw.decode("utf-8")
        for code in (0, 1, 2, 31, 32, 33):
            text = text.replace(f"\x1b[{code}m", "")

        assert 0 == shown.status
        assert [] == [
            char for char in text if not char.isprintable() and char not in "\r\n"
        ]
        assert "" == shown.screen.title

    def test_forges_no_row(self, hostile: Path) -> None:
        """A newline in an agent's or a step's name does not begin another row."""
        listed = on_terminal("list", cwd=hostile, columns=4000, rows=9)
        viewed = on_terminal("view", cwd=hostile, columns=4000, rows=20)

        for shown in (listed, viewed):
            assert [] == [row for row in shown.lines if row.startswith("✔")]
        assert 3 >= len(listed.lines)


class TestPoorOutput:
    """Outputs that cannot show everything."""

    @pytest.fixture
    def foreign(self, tmp_path: Path) -> Path:
        """A place with a session in characters that many encodings lack."""
        traced = step("取引 é 😀", 1, context={"é": "取引"}, result="→ µ")
        write_session(tmp_path / "traces", "x", SESSION_ID, [traced], agent="取引")
        return tmp_path

    @pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "cp1252", "latin-1"])
    @pytest.mark.parametrize(
        "words",
        [
            ["list"],
            ["view"],
            ["view", "--full"],
            ["view", "--json"],
            ["tail", "--no-follow"],
            ["stats"],
            ["report", "-o", "-"],
            ["view", "取引"],
            ["view", "引取"],
            ["--help"],
        ],
        ids=" ".join,
    )
    def test_never_fails(self, foreign: Path, words: list[str], encoding: str) -> None:
        """A character that the encoding lacks is written as an escape."""
        env = environment(PYTHONIOENCODING=encoding)
        done = run(*words, cwd=foreign, env=env)

        assert (1 if "引取" in words else 0) == done.returncode
        assert "" != done.stdout + done.stderr

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "shift_jis"])
    @pytest.mark.parametrize(
        "words",
        [["list"], ["view"], ["tail", "--no-follow"], ["stats"]],
        ids=" ".join,
    )
    def test_lines_fit(self, foreign: Path, words: list[str], encoding: str) -> None:
        """The width of escapes counts when lines are cut and columns aligned."""
        env = environment(PYTHONIOENCODING=encoding)
        done = run(*words, cwd=foreign, env={**env, "COLUMNS": "40"})
        wide = run(*words, cwd=foreign, env=env)

        assert all(columns(line) <= 40 for line in done.stdout.splitlines())
        if words in (["list"], ["stats"]):
            head, row = wide.stdout.splitlines()[-2:]
            assert columns(head) == columns(row)

    @pytest.mark.parametrize(
        "words", [["view", "--full"], ["view", "引取"], ["--help"]], ids=" ".join
    )
    def test_plain_locale(self, foreign: Path, words: list[str]) -> None:
        """Nothing fails in a process whose locale has only ASCII, either."""
        plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=foreign,
            env=environment(PYTHONIOENCODING="", **plain),
            capture_output=True,
            check=False,
        )

        assert (1 if "引取" in words else 0) == done.returncode
        assert b"Traceback" not in done.stderr
        assert b"" != done.stdout + done.stderr

    def test_ascii_tree(self, here: Path) -> None:
        """Where the signs are missing, the tree is drawn in ASCII."""
        done = run("view", cwd=here, env=environment(PYTHONIOENCODING="ascii"))

        assert done.stdout.isascii()
        assert "`- x risk_check" in done.stdout.replace("`--", "`-")
        assert "\\u" not in done.stdout


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with a session whose output no pipe holds."""
    directory = tmp_path_factory.mktemp("long")
    steps = [step("a" * 80, number) for number in range(1, 1001)]
    write_session(directory / "traces", "long", SESSION_ID, steps)
    return directory


class TestEnds:
    """Outputs that end early."""

    @pytest.mark.parametrize(
        "words",
        [
            ["view"],
            ["view", "--full"],
            ["view", "--json"],
            ["tail", "--no-follow", "-n", "1000"],
            ["tail", "-n", "1000"],
            ["report", "-o", "-"],
        ],
        ids=" ".join,
    )
    def test_closed_pipe(self, long: Path, words: list[str]) -> None:
        """When the reader of a pipe goes, the command ends without a word."""
        with start(*words, cwd=long) as process:
            assert "" != next_line(process)
            assert process.stdout
            process.stdout.close()
            assert process.stderr
            complaints = process.stderr.read()

        assert 141 == process.returncode
        assert "" == complaints.replace(
            f"ai-trace: Following long_{SESSION_ID}.jsonl. Ctrl-C ends.\n", ""
        )

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize(
        "words",
        [["--help"], ["view", "--help"], ["--version"], ["list"], ["nothing"]],
        ids=" ".join,
    )
    def test_nobody_ever_read(
        self, here: Path, words: list[str], unbuffered: str
    ) -> None:
        """If nobody ever reads the output, there is no complaint."""
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.run(
            [*COMMAND, *words],
            cwd=here,
            env=environment(PYTHONUNBUFFERED=unbuffered),
            stdout=writing,
            stderr=writing,
            check=False,
        )
        os.close(writing)

        assert (2 if words == ["nothing"] else 141) == process.returncode

    def test_closed_output(self, here: Path) -> None:
        """Where standard output is closed, the command runs and says nothing."""
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "list"],
            cwd=here,
            env=environment(),
            capture_output=True,
            check=False,
        )

        assert (0, b"") == (done.returncode, done.stderr)

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize(
        "words", [["list"], ["--help"], ["view", "--help"], ["--version"]], ids=" ".join
    )
    def test_full_disk(self, here: Path, words: list[str], unbuffered: str) -> None:
        """Output that cannot be written is one sentence and not status 0."""
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*COMMAND, *words],
                cwd=here,
                env=environment(PYTHONUNBUFFERED=unbuffered),
                stdout=full,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                check=False,
            )

        assert (1, 1) == (done.returncode, done.stderr.count("\n"))
        assert "The output could not be written: No space left" in done.stderr

    @pytest.mark.parametrize(
        "failure",
        [
            TraceReadError("It changed."),
            UsageError("Not both."),
            MemoryError(),
            OSError(5, "It broke", "a file"),
        ],
        ids=repr,
    )
    def test_full_disk_before_a_failure(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        """So it is where the reading fails before that output is noticed."""

        def run(_: object, terminal: Terminal) -> int:
            terminal.write("what was found so far")
            raise failure

        monkeypatch.setattr(_list, "run", run)
        said = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        with open("/dev/full", "w") as full:
            status = run_between([full, said], ["list"], here, environment())
        said.seek(0)

        assert 1 == status
        assert "ai-trace: The output could not be written: No space" in said.read()

    def test_interrupt(self, here: Path) -> None:
        """Ctrl-C while waiting ends with status 130 and no traceback."""
        with start("tail", cwd=here) as process:
            for _ in range(6):
                next_line(process)
            printed, complaints = interrupt(process)

        assert (130, "") == (process.returncode, printed)
        assert 1 == complaints.count("\n")
