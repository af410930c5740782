"""
``ai-trace`` over sessions that are being recorded, and over those that died.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyte
import pytest
from cli_runs import (
    COMMAND,
    environment,
    interrupt,
    next_complaint,
    next_line,
    restore_interrupts,
    run,
    start,
)
from journal_lines import header_line, held, log, write_journal
from journal_lines import start as started
from trace_lines import HEADER, START, STEM, encoded, fields, first_line, line, write


COLUMNS, ROWS = 60, 6


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A directory with one session, in which one step finished and two are open."""
    directory = tmp_path / "traces"
    directory.mkdir()
    write_journal(
        directory,
        header_line(),
        started(1, name="market_scan"),
        log(1, 0, _t=START + 4.25, signal=0.87),
        started(2, 1, name="order"),
    )
    write(directory, first_line(3, 1, name="fetch"))
    return directory


@pytest.fixture
def journal(traces: Path) -> Path:
    """The journal of the session."""
    return traces / f"{STEM}.open"


@pytest.fixture
def writer(journal: Path) -> Iterator[ExitStack]:
    """A living process that writes the session; it dies when it is closed."""
    with ExitStack() as stack:
        stack.enter_context(held(journal))
        yield stack


def append(traces: Path, data: bytes) -> None:
    """Finish a step."""
    with (traces / f"{STEM}.jsonl").open("ab") as file:
        file.write(data)


class Watched:
    """
    ``ai-trace`` on a terminal, watched while it runs.
    """

    def __init__(self, *words: str, cwd: Path, **env: str) -> None:
        self.screen = pyte.HistoryScreen(COLUMNS, ROWS, history=1_000)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        self.resize(COLUMNS)
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=cwd,
            env=environment(**{"TERM": "xterm", **env}),
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            preexec_fn=restore_interrupts,  # noqa: PLW1509  (it takes no lock)
        )
        os.close(slave)

    def resize(self, columns: int) -> None:
        """Give the terminal another width."""
        size = struct.pack("HHHH", ROWS, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        self.screen.resize(ROWS, columns)

    @property
    def rows(self) -> list[str]:
        """What stands on the screen, empty rows left out."""
        return [row.rstrip() for row in self.screen.display if row.strip()]

    @property
    def last(self) -> str:
        """The last row on the screen."""
        return self.rows[-1] if self.rows else ""

    @property
    def shown(self) -> str:
        """What was shown and stayed, with what has left the screen at its top."""
        gone = self.screen.history.top
        above = ["".join(row[n].data for n in sorted(row)) for row in gone]
        return "\n".join([*above, *self.rows])

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Watch until something is so."""
        while not condition():
            assert self._read(), self.shown

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def end(self) -> int:
        """Press Ctrl-C, watch to the end, and return the exit status."""
        self.process.send_signal(2)
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Start ``ai-trace`` on a terminal; it is ended with the test."""
    begun: list[Watched] = []

    def begin(*words: str, **env: str) -> Watched:
        begun.append(Watched(*words, cwd=tmp_path, **env))
        return begun[-1]

    yield begin
    for watched in begun:
        if watched.process.poll() is None:
            watched.process.kill()
            watched.end()


# --- tail, on a terminal -------------------------------------------------------------


def test_what_runs_stands_in_the_last_line(
    traces: Path, writer: ExitStack, watch: Callable[..., Watched]
) -> None:
    """The last line shows running steps and their time, rewritten in place."""
    watched = watch("tail")
    times: list[str] = []

    def has_grown() -> bool:
        found = re.search(r"… order for (.+?),", watched.last)
        if found and found[1] not in times:
            times.append(found[1])
        return len(times) > 2

    now = int(time.time())
    (traces / f"{STEM}.open").write_bytes(
        header_line()
        + started(1, name="market_scan", started_at=now - 5)
        + started(2, 1, name="order", started_at=now - 2)
    )
    watched.wait_for(has_grown)

    assert times == sorted(times, key=float_of)
    assert watched.rows[-1].startswith("… order for ")
    assert 3 == len(watched.rows)
    assert 2 == watched.screen.cursor.y


def float_of(text: str) -> float:
    """Return the number that a duration begins with."""
    return float(text.split(maxsplit=1)[0])


def test_a_terminal_that_gets_narrower(
    traces: Path, writer: ExitStack, watch: Callable[..., Watched]
) -> None:
    """Each step fits into the width that the terminal has when it finishes."""
    watched = watch("tail")
    watched.wait_for(lambda: "order for" in watched.last)
    watched.resize(30)
    append(traces, line(9, name="x" * 200))
    watched.wait_for(lambda: "order for" in watched.last and "xxx" in watched.shown)

    (shown,) = (row for row in watched.rows if "xxx" in row)
    assert shown.endswith("x…")
    assert 30 == len(shown)


def test_nothing_of_the_last_line_stays_behind(
    traces: Path, writer: ExitStack, watch: Callable[..., Watched]
) -> None:
    """However much is shown above it, the last line is never left in what scrolled."""
    watched = watch("tail")
    for number in range(10, 30):
        watched.wait_for(lambda: "order for" in watched.last)
        append(traces, line(number, name=f"later_{number}"))
        watched.wait_for(lambda n=number: f"later_{n}" in watched.shown)
    watched.wait_for(lambda: "order for" in watched.last)
    status = watched.end()

    assert 130 == status
    assert all(f"later_{number}" in watched.shown for number in range(10, 30))
    assert " for " not in watched.shown


def test_a_step_that_ends_leaves_the_last_line(
    traces: Path, writer: ExitStack, watch: Callable[..., Watched]
) -> None:
    """When its line comes, a running step is shown as finished, and runs no more."""
    watched = watch("tail")
    watched.wait_for(lambda: "order for" in watched.last)
    append(traces, line(2, 1, name="order"))
    watched.wait_for(lambda: "… market_scan for" in watched.last)

    assert "✔ order 500 ms" in watched.rows[-2]


def test_the_last_line_goes_when_the_process_dies(
    journal: Path, writer: ExitStack, watch: Callable[..., Watched]
) -> None:
    """When the process dies, what ran is shown as unfinished, and it is said once."""
    watched = watch("tail")
    watched.wait_for(lambda: "order for" in watched.last)
    writer.close()
    watched.wait_for(lambda: "died" in watched.shown)
    watched.end()

    shown = watched.shown.split("\n")
    said = [row for row in shown if "died" in row]
    assert 2 == len([row for row in shown if " unfinished after" in row])
    assert 1 == len(said)
    assert said[0].startswith("ai-trace: Process 7 on here died inside `order`, ")
    assert " for " not in watched.shown


@pytest.mark.parametrize("words", [("tail", "--json"), ("tail",)], ids=["json", "dumb"])
def test_no_last_line_where_it_is_not_wanted(
    traces: Path, writer: ExitStack, watch: Callable[..., Watched], words: list[str]
) -> None:
    """With --json, and on a terminal that cannot rewrite a line, there is none."""
    watched = watch(*words, TERM="xterm" if "--json" in words else "dumb")
    append(traces, line(8, name="later"))
    watched.wait_for(lambda: "later" in watched.shown)
    append(traces, line(9, name="latest"))
    watched.wait_for(lambda: "latest" in watched.shown)
    watched.end()

    assert b"order" not in watched.raw
    assert b"\x1b[K" not in watched.raw


# --- tail, in a pipe -----------------------------------------------------------------


def test_a_pipe_has_no_last_line(traces: Path, writer: ExitStack) -> None:
    """In a pipe, a step is shown only when it has finished."""
    with start("tail", cwd=traces.parent) as process:
        assert "fetch" in next_line(process)
        append(traces, line(2, 1, name="order"))
        assert "✔ order 500 ms" in next_line(process)
        printed, _ = interrupt(process)

    assert "" == printed


def test_a_death_is_said_once(traces: Path, writer: ExitStack) -> None:
    """A process that dies while it is followed is named once, and what it died in."""
    with start("tail", "--json", cwd=traces.parent) as process:
        next_complaint(process)
        next_line(process)
        writer.close()
        open_steps = [json.loads(next_line(process)) for _ in range(2)]
        said = next_complaint(process)
        assert 0 == run("recover", cwd=traces.parent).returncode
        append(traces, line(9, name="later"))
        later = json.loads(next_line(process))
        rest = interrupt(process)

    assert [("market_scan", "unfinished"), ("order", "unfinished")] == [
        (each["name"], each["outcome"]) for each in open_steps
    ]
    assert said.startswith(
        "ai-trace: Process 7 on here died inside `order`, last heard of 2024-03-0"
    )
    assert "later" == later["name"]
    assert ("", "") == rest


def test_a_list_tells_who_lives_and_who_died(traces: Path, writer: ExitStack) -> None:
    """A list says of each session whether it is running, died or has ended."""
    write(traces, first_line(1), stem="bot_20240301_160000")
    write(traces, first_line(1, outcome="unfinished"), stem="bot_20240301_170000")
    write(traces, first_line(1), stem="bot_20240301_180000")
    write_journal(traces, header_line(), stem="bot_20240301_180000")

    def states() -> list[str]:
        told = json.loads(run("list", "--json", cwd=traces.parent).stdout)["sessions"]
        rows = run("list", cwd=traces.parent).stdout.splitlines()
        took = [row.split()[4] for row in rows[1:]]
        assert took == [each["state"].replace("ended", "1.50") for each in told]
        return [each["state"] for each in told]

    assert ["died", "unfinished", "ended", "running"] == states()
    writer.close()

    assert ["died", "unfinished", "ended", "died"] == states()


def test_a_dead_session_is_said_to_be_dead(traces: Path) -> None:
    """What a process died in before it was followed is shown, and that it died."""
    with start("tail", "-n", "0", cwd=traces.parent) as process:
        shown = [next_line(process) for _ in range(2)]
        next_complaint(process)
        said = next_complaint(process)
        rest = interrupt(process)

    assert ["market_scan", "order"] == [row.split()[2] for row in shown]
    assert "died" in said
    assert ("", "") == rest


def test_the_last_steps_of_a_living_session(traces: Path, writer: ExitStack) -> None:
    """--no-follow shows what is running, and since when, after what has finished."""
    done = run("tail", "--no-follow", cwd=traces.parent)

    assert 0 == done.returncode
    assert ["✔ fetch", "… market_scan", "… order"] == [
        " ".join(row.split()[1:3]) for row in done.stdout.splitlines()
    ]
    assert " running for " in done.stdout.splitlines()[1]


def test_a_session_in_which_nothing_has_finished(traces: Path) -> None:
    """A session with open steps alone is not one without steps."""
    (traces / f"{STEM}.jsonl").write_bytes(b"")
    done = run("tail", "--no-follow", cwd=traces.parent)

    assert (0, 2) == (done.returncode, done.stdout.count("unfinished"))


# --- view ---------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [(), ("--depth", "9")], ids=["whole", "depth"])
def test_view_as_json_has_real_steps_alone(traces: Path, depth: tuple[str]) -> None:
    """``view --json`` lists what is recorded, by order of start: no placeholders."""
    child = {**fields(4, 77), "started_at": START - 9, "session": {**HEADER, "pid": 9}}
    path = traces / f"{STEM}.p9.jsonl"
    path.write_bytes(encoded(child))
    done = run("view", "--json", *depth, cwd=traces.parent)

    names = [step["name"] for step in json.loads(done.stdout)["steps"]]
    assert ["step 4", "market_scan", "order", "fetch"] == names


def test_view_names_the_dead_process(traces: Path) -> None:
    """The tree's header says which process died, when, and inside which step."""
    done = run("view", cwd=traces.parent)

    said = "process 7 on here died inside `order`, last heard of 2024-03-01 14:30:26"
    assert f"{said}+00:00\n" in done.stdout


# --- forked processes ---------------------------------------------------------------


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A closed session whose two forked workers were killed between their steps."""
    directory = tmp_path / "traces"
    directory.mkdir()
    write(directory, first_line(1))
    for pid in (98, 99):
        first = {**fields(pid), "session": {**HEADER, "pid": pid}}
        write(directory, encoded(first), stem=f"{STEM}.p{pid}")
        begun = header_line(pid=pid), started(pid)
        write_journal(directory, *begun, stem=f"{STEM}.p{pid}")
    return directory


def state_of(directory: Path) -> str:
    """Return what a list says of the one session of a directory."""
    done = run("--dir", str(directory), "list", "--json", cwd=directory)
    (session,) = json.loads(done.stdout)["sessions"]
    return str(session["state"])


def test_a_worker_that_was_killed_idle_is_no_death(pool: Path) -> None:
    """A pool kills idle workers when it ends: the session counts as ended."""
    shown = run("--dir", str(pool), "view", cwd=pool).stdout

    assert "ended" == state_of(pool)
    assert "\n2 forked processes ended between steps, without closing" in shown
    assert "process 9" not in shown


def test_idle_workers_have_one_line_in_the_diagnosis(pool: Path) -> None:
    """However many workers a pool has ended between steps, doctor counts them."""
    with (pool / f"{STEM}.p99.open").open("ab") as file:
        file.write(started(7, name="fetch"))
    write_journal(pool, header_line(pid=97), started(97), stem=f"{STEM}.p97")
    first = {**fields(97), "session": {**HEADER, "pid": 97}}
    write(pool, encoded(first), stem=f"{STEM}.p97")
    lines = run("--dir", str(pool), "doctor", cwd=pool).stdout.splitlines()

    assert 1 == sum(line.startswith("    process 99 on here died") for line in lines)
    said = "    2 forked processes ended between steps, without closing."
    assert 1 == lines.count(said)
    assert not any("process 97" in line or "process 98" in line for line in lines)


def test_a_worker_that_died_in_a_step_is_a_death(pool: Path) -> None:
    """A forked process that was killed inside a step has died, and is named."""
    with (pool / f"{STEM}.p99.open").open("ab") as file:
        file.write(started(7, name="fetch"))
    shown = run("--dir", str(pool), "view", cwd=pool).stdout

    assert "died" == state_of(pool)
    assert "\nprocess 99 on here died inside `fetch`, last heard of " in shown
    assert "\n1 forked process ended between steps, without closing" in shown


def test_a_worker_beside_a_dead_process_is_a_death(pool: Path) -> None:
    """Where the session's first process was killed, even between steps, it died."""
    write_journal(pool, header_line())

    assert "died" == state_of(pool)


def test_tail_is_silent_of_idle_workers(pool: Path) -> None:
    """Tail says nothing about workers that were killed between steps."""
    with (pool / f"{STEM}.p99.open").open("ab") as file:
        file.write(started(7, name="fetch"))
    with start("--dir", str(pool), "tail", STEM, cwd=pool) as process:
        said = next_complaint(process)
        _, rest = interrupt(process)

    assert said.startswith("ai-trace: Process 99 on here died")
    assert "" == rest


# --- recovered sessions -------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("view",), ("view", "--chat"), ("report", "-o", "-"), ("doctor",)]
)
def test_who_died_is_known_once_it_is_recovered(
    traces: Path, words: tuple[str, ...]
) -> None:
    """Which process died, when, and in which step: recovery takes nothing of that."""
    if "--chat" in words:
        messages = [{"role": "user", "content": "Buy?"}]
        append(traces, line(8, kind="llm", context={"messages": messages}))
    said = re.compile(r"[Pp]rocess 7 on here died inside `order`, last heard of .*")
    before = run(*words, cwd=traces.parent).stdout
    assert 0 == run("recover", cwd=traces.parent).returncode
    after = run(*words, cwd=traces.parent).stdout

    assert [] != said.findall(before)
    assert said.findall(before) == said.findall(after)


def test_a_list_tells_of_a_death_once_it_is_recovered(traces: Path) -> None:
    """A session in which a process died has died, recovered or not."""
    assert "died" == state_of(traces)
    assert 0 == run("recover", cwd=traces.parent).returncode

    assert "died" == state_of(traces)


def test_a_death_between_two_steps_is_forgotten_once_it_is_recovered(
    tmp_path: Path,
) -> None:
    """Where no step was open, the journal alone tells of a death."""
    traces = tmp_path / "traces"
    traces.mkdir()
    path = write(traces, first_line(1))
    write_journal(traces, header_line())
    before = state_of(traces), path.read_bytes()
    assert 0 == run("recover", cwd=tmp_path).returncode

    assert ("died", path.read_bytes()) == before
    assert "ended" == state_of(traces)


@pytest.mark.parametrize(("seconds", "agents"), [(4, ["bot"]), (5, [])])
def test_a_recovered_session_went_on_until_it_died(
    traces: Path, seconds: int, agents: list[str]
) -> None:
    """--since asks when the process was last heard of, not what finished last."""
    assert 0 == run("recover", cwd=traces.parent).returncode
    since = f"2024-03-01T14:30:{22 + seconds}Z"
    done = run("list", "--json", "--since", since, cwd=traces.parent)
    sessions = json.loads(done.stdout)["sessions"]

    assert agents == [each["agent"] for each in sessions]
    assert all(START + 4.25 == each["finished_at"] for each in sessions)


def test_a_session_that_waits_inside_a_step_goes_on(
    traces: Path, writer: ExitStack
) -> None:
    """--since keeps a session of a living process that has long written nothing."""
    for file in traces.iterdir():
        os.utime(file, (START, START))
    done = run("list", "--since", "1h", "--json", cwd=traces.parent)
    (session,) = json.loads(done.stdout)["sessions"]
    writer.close()

    assert "running" == session["state"]
    assert 1 == run("list", "--since", "1h", cwd=traces.parent).returncode
