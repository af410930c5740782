"""
A session of more processes than files that a shell lets a program hold open.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cli_runs import COMMAND, environment, interrupt, next_line, start
from journal_lines import header_line, write_journal
from journal_lines import start as start_line
from trace_lines import HEADER, STEM, encoded, fields, first_line, line, write


PROCESSES, FILES = 60, 40
IN_SHELL = ("sh", "-c", f'ulimit -Sn {FILES} && exec "$@"', "sh", *COMMAND)
AGED = ("--older-than", "0s")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session with forked children, each of which died in a step."""
    traces = tmp_path / "traces"
    traces.mkdir()
    for pid in range(1, PROCESSES):
        stem, number = f"{STEM}.p{pid}", 10 * pid
        done = {**fields(number), "session": {**HEADER, "pid": pid}}
        write(traces, encoded(done), stem=stem)
        left = (header_line(pid=pid), start_line(number + 1))
        write_journal(traces, *left, stem=stem)
    return write(traces, first_line(1))


def run(session: Path, *words: str) -> str:
    """Run the command where few files may be open, and return what it printed."""
    done = subprocess.run(
        [*IN_SHELL, *words],
        cwd=session.parent.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_recover(session: Path) -> None:
    """What each process was doing is added to its file."""
    printed = run(session, "recover")

    assert f"{PROCESSES - 1} steps" in printed
    assert [] == list(session.parent.glob("*.open"))


def test_housekeeping(session: Path) -> None:
    """All files of the session are locked at once, and then packed or deleted."""
    run(session, "recover")

    run(session, "compress", *AGED)
    assert PROCESSES == len(list(session.parent.glob("*.gz")))
    run(session, "prune", "--yes", *AGED)
    assert [] == list(session.parent.iterdir())


def test_tail(session: Path) -> None:
    """All files of the session are followed."""
    run(session, "recover")
    words = ("tail", session.stem, "-n", "1")
    with start(*words, cwd=session.parent.parent, command=IN_SHELL) as process:
        assert "step" in next_line(process)
        with session.open("ab") as file:
            file.write(line(5000, name="later"))
        assert "later" in next_line(process)
        _, complaints = interrupt(process)

    assert "" == complaints
