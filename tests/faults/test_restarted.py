"""
A program that was killed inside a step is started again and writes to the same file.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from faults import figures, programs
from faults.system_calls import Call, Proceed, fail, intercepted, is_about
from journal_lines import header_line, held, start, write_journal
from trace_lines import first_line, line, write

from ai_trace import JSONLSink, Tracer, reading
from ai_trace.recovery import recover


pytestmark = pytest.mark.timeout(30)

RUN = """
import os, signal, sys
from ai_trace import JSONLSink, Tracer, step

sink = JSONLSink("run.jsonl", max_bytes=int(sys.argv[2]))
with Tracer("bot", auto_save=False, sinks=[sink]):
    for number in range(3):
        with step("scan"):
            pass
    with step(f"order {sys.argv[1]}"):
        if sys.argv[1] != "last":
            with step("charge"):
                os.kill(os.getpid(), signal.SIGKILL)
"""


def outcomes(path: Path) -> list[tuple[str, str]]:
    """Return each step that was not merely looked at, and how it ended, by name."""
    steps = reading.read(path).steps
    return sorted((s.name, s.outcome) for s in steps if s.name != "scan")


@pytest.mark.parametrize("max_bytes", [300, 1_000_000])
def test_all_that_died_are_told_and_recovered(tmp_path: Path, max_bytes: int) -> None:
    """However often it is killed and started, each death is told until the last."""
    for run in ("1", "2", "3"):
        programs.run(RUN, run, str(max_bytes), cwd=tmp_path, status=-9)
        figures.counts[figures.KILLS] += 1
    programs.run(RUN, "last", str(max_bytes), cwd=tmp_path)
    path = tmp_path / "run.jsonl"
    before, writers = outcomes(path), reading.read(path).writers
    recovery = recover(path)

    expected = [("charge", "unfinished")] * 3
    expected += [(f"order {run}", "unfinished") for run in (1, 2, 3)]
    assert sorted([*expected, ("order last", "ok")]) == before == outcomes(path)
    assert 3 == len({writer.pid for writer in writers})
    assert {"charge"} == {writer.inside for writer in writers}
    assert 6 == len(recovery.steps)
    assert [] == list(tmp_path.glob("*.open*"))
    assert 12 == sum(step.name == "scan" for step in reading.read(path).steps)


DIED = (header_line(pid=4711), start(1, name="order"), start(2, 1, name="charge"))
NO_HEADER = DIED[1:]
BOTH = {".open": (), ".open2": DIED}


@pytest.mark.parametrize(
    ("left", "taken", "moved"),
    [
        ({".open": DIED}, [], ["run.p4711.open"]),
        ({".open": DIED}, ["run.p4711.open"], ["run.p10004711.open"]),
        ({".open": DIED}, ["run.p4711.jsonl"], ["run.p10004711.open"]),
        ({".open": DIED}, ["run.p4711.jsonl.gz"], ["run.p10004711.open"]),
        # A crash between the two renames.
        ({".open": DIED}, ["run.p4711.open2"], ["run.p4711.open"]),
        (BOTH, [], ["run.p4711.open", "run.p4711.open2"]),
        (BOTH, ["run.p4711.open"], ["run.p10004711.open", "run.p10004711.open2"]),
        ({".open": NO_HEADER}, [], ["run.p10000000.open"]),
        ({".open": (*DIED, b"no line\n")}, [], ["run.p4711.open"]),
        ({".open": (header_line(pid=4711), start(3))}, [], []),
        ({".open": ()}, [], []),
    ],
)
@pytest.mark.parametrize("stem", ["run", "run.p99"])
def test_where_a_journal_goes(
    tmp_path: Path,
    left: dict[str, tuple[bytes, ...]],
    taken: list[str],
    moved: list[str],
    stem: str,
) -> None:
    """What a dead process has open gets a name of its own; what is over goes."""
    path = write(tmp_path, first_line(3), stem=stem)
    for suffix, lines in left.items():
        write_journal(tmp_path, *lines, stem=stem, suffix=suffix)
    for name in taken:
        (tmp_path / name).touch()
    with Tracer("bot", auto_save=False, sinks=[JSONLSink(path)]) as tracer:
        with tracer.step("mine"):
            journal = path.with_suffix(".open").read_bytes()

    found = {each.name for each in tmp_path.glob("*.open*")} - set(taken)
    assert set(moved) == found
    assert (True, False) == (b"mine" in journal, b"charge" in journal)
    assert {} == tracer.health()


def test_a_crash_between_two_renames(tmp_path: Path) -> None:
    """At any moment of the move, and when it fails, what was open is told."""
    path = write(tmp_path, first_line(3), stem="run")
    for suffix in (".open", ".open2"):
        write_journal(tmp_path, *DIED, stem="run", suffix=suffix)
    seen: list[list[tuple[str, str]]] = []

    def intercept(call: Call, proceed: Proceed) -> Any:
        if call.name == "replace" and seen:
            return fail(call, proceed, errno.EACCES)
        done = proceed()
        if call.name == "replace":
            seen.append(outcomes(path))
        return done

    sink = JSONLSink(path)
    with Tracer("bot", auto_save=False, sinks=[sink]) as tracer:
        with intercepted(intercept), tracer.step("unknown"):
            pass
        with tracer.step("mine"):
            names = {each.name for each in tmp_path.glob("*.open*")}

    died = {("charge", "unfinished"), ("order", "unfinished")}
    # The dead process's lock is held meanwhile.
    assert {name for name, _ in died} <= {name for name, _ in seen[0]}
    assert {"run.open", "run.p4711.open", "run.p4711.open2"} == names
    assert died <= set(outcomes(path))
    assert {"JSONLSink journal": {"EACCES": 1}} == tracer.health()


def test_the_journal_of_a_living_process_stays(tmp_path: Path) -> None:
    """While another process holds its journal, nothing is moved."""
    path = write(tmp_path, line(3), stem="run")
    journal = write_journal(tmp_path, *DIED, stem="run")
    with held(journal):
        with Tracer("bot", auto_save=False, sinks=[JSONLSink(path)]) as tracer:
            with tracer.step("mine"):
                pass

    assert b"".join(DIED) == journal.read_bytes()
    assert {"JSONLSink journal": {"EAGAIN": 1}} == tracer.health()


@pytest.mark.parametrize("name", ["open", "fstat", "lock", "lstat", "replace", "close"])
def test_an_interrupt_leaves_nothing_held(tmp_path: Path, name: str) -> None:
    """Whichever call of the move is interrupted, nobody holds the journal after."""
    path = write(tmp_path, first_line(3), stem="run")
    for suffix in (".open", ".open2"):
        write_journal(tmp_path, *DIED, stem="run", suffix=suffix)
    interrupted: list[str] = []

    def intercept(call: Call, proceed: Proceed) -> Any:
        is_second = not interrupted and call.name == name and is_about(call, ".open2")
        if is_second:
            interrupted.append(call.path)
            if name == "close":
                proceed()
            raise KeyboardInterrupt
        return proceed()

    with Tracer("bot", auto_save=False, sinks=[JSONLSink(path)]) as tracer:
        with intercepted(intercept), pytest.raises(KeyboardInterrupt):
            tracer.step("mine").__enter__()
        for each in tmp_path.glob("*.open*"):
            with held(each):
                pass

    assert interrupted
    died = {("charge", "unfinished"), ("order", "unfinished")}
    assert died <= set(outcomes(path))


@pytest.mark.parametrize("kind", ["link", "second name", "directory"])
def test_what_is_no_journal_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A link, a file of two names and a directory are neither moved nor written."""
    path = write(tmp_path, line(3), stem="run")
    other = write_journal(tmp_path, *DIED, stem="other", suffix=".txt")
    journal = tmp_path / "run.open"
    if kind == "directory":
        journal.mkdir()
    elif kind == "link":
        journal.symlink_to(other)
    else:
        os.link(other, journal)
    with Tracer("bot", auto_save=False, sinks=[JSONLSink(path)]) as tracer:
        with tracer.step("mine"):
            pass

    assert {"JSONLSink journal"} == set(tracer.health())
    assert ["run.open"] == [each.name for each in tmp_path.glob("*.open*")]
    assert b"".join(DIED) == other.read_bytes()
