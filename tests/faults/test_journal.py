"""
The journal of open steps: what is in flight is known, and only that.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import figures, programs
from faults.system_calls import counted
from recorded import read_file

from ai_trace import Limits, Tracer, reading, step, traced
from ai_trace.sinks import _journal as sinks_journal


def journal_of(tracer: Tracer) -> Path:
    """Return where the journal of a tracer's session is."""
    assert tracer.path is not None
    return tracer.path.with_suffix(".open")


def ai_trace(directory: Path, *words: str) -> str:
    """Return what ``ai-trace`` prints over a directory."""
    done = subprocess.run(
        [sys.executable, "-m", "ai_trace", "--dir", str(directory), *words],
        env=programs.environment(PYTHONIOENCODING="utf-8"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=programs.PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


IN_FLIGHT = """
import os, sys
from ai_trace import Tracer, step

with Tracer("agent", "traces", meta={"model": "m"}) as tracer:
    with step("finished"):
        pass
    with step("market_scan", symbol="BTCUSDT", budget=7) as scan:
        scan.log(signal=0.87)
        with step("inner"):
            pass
        with step("order", side="buy") as order:
            order.log(attempt=1)
            order.log(attempt=2)
            print(os.getpid(), flush=True)
            sys.stdin.readline()
"""


class InFlight:
    """
    A program inside two nested steps, waiting.
    """

    def __init__(self, directory: Path) -> None:
        self.process = programs.start(IN_FLIGHT, cwd=directory)
        self.pid = int(programs.next_line(self.process))
        self.directory = directory / "traces"
        self.path = programs.the_trace(self.directory)

    def outcomes(self) -> dict[str, str]:
        """Return how each step stands, as it is read now."""
        return {s.name: s.outcome for s in reading.read(self.path).steps}

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        programs.kill(self.process)
        figures.counts[figures.KILLS] += 1


@pytest.fixture
def in_flight(tmp_path: Path) -> Any:
    """A program inside two nested steps; ended with the test."""
    return InFlight(tmp_path)


def test_running_while_the_writer_lives(in_flight: InFlight) -> None:
    """Steps in flight are running while their process lives, and unfinished after."""
    open_steps = ("market_scan", "order")
    before = in_flight.outcomes()
    in_flight.kill()
    after = in_flight.outcomes()

    assert ["ok", "running", "ok", "running"] == list(before.values())
    assert {"running"} == {before[name] for name in open_steps}
    assert {"unfinished"} == {after[name] for name in open_steps}


def test_what_a_step_in_flight_has(in_flight: InFlight) -> None:
    """A step in flight has its context, its place and each log entry so far."""
    in_flight.kill()
    session = reading.read(in_flight.path)
    scan, order = (
        next(s for s in session.steps if s.name == name)
        for name in ("market_scan", "order")
    )

    assert {"symbol": "BTCUSDT", "budget": 7} == scan.context
    assert [0.87] == [entry["signal"] for entry in scan.logs]
    assert [1, 2] == [entry["attempt"] for entry in order.logs]
    assert all(entry["_t"] >= order.started_at > 0 for entry in order.logs)
    assert (scan.id, scan.trace_id) == (order.parent_id, order.trace_id)
    assert None is order.finished_at
    assert (None, False) == (order.error, order.has_result)
    assert [1, 2, 3, 4] == [s.seq for s in session.steps]
    assert {"model": "m"} == session.header.meta
    assert [] == list(session.problems)


def test_every_reader_knows_what_was_in_flight(in_flight: InFlight) -> None:
    """View, list, tail, stats and the reading functions show what is unfinished."""
    in_flight.kill()
    view = ai_trace(in_flight.directory, "view")
    tail = ai_trace(in_flight.directory, "tail", "--no-follow")
    stats = ai_trace(in_flight.directory, "stats")
    streamed = [s.name for s in reading.records(in_flight.path)]
    last = [s.name for s in reading.tail(in_flight.path, 10)]

    assert "order" in view
    assert "unfinished" in view
    assert str(in_flight.pid) in view, "the tree does not name the process that died"
    assert "order" in tail
    assert "unfinished" in tail
    assert "unfinished" in stats
    assert "order" in streamed
    assert "order" in last


def test_view_of_a_living_session(in_flight: InFlight) -> None:
    """While its process lives, a step in flight is shown as running."""
    assert "running" in ai_trace(in_flight.directory, "view")


def test_a_copy_of_a_journal_is_dead(in_flight: InFlight, tmp_path: Path) -> None:
    """Running is told by the lock, never by the process id that the journal holds."""
    copied = tmp_path / "copy"
    shutil.copytree(in_flight.directory, copied)
    session = reading.read(copied / in_flight.path.name)

    assert {"ok", "unfinished"} == {s.outcome for s in session.steps}


def test_reading_leaves_the_lock(tmp_path: Path) -> None:
    """A tracer that reads its own session while it runs keeps its lock."""
    probe = "import sys; from ai_trace import reading; "
    probe += "print(reading.read(sys.argv[1]).steps[0].outcome)"
    with Tracer("agent", tmp_path) as tracer:
        with step("root"):
            own = [record.outcome for record in tracer.steps]
            own += [record.outcome for record in reading.read(tracer.path).steps]
            tracer.save()
            other = programs.run(probe, str(tracer.path), cwd=tmp_path).stdout

    assert {"running"} == set(own)
    assert "running\n" == other


def test_reading_changes_nothing(in_flight: InFlight) -> None:
    """A reader writes nothing: no trace, no journal, nothing beside them."""
    in_flight.kill()
    before = {path: path.read_bytes() for path in in_flight.directory.iterdir()}
    in_flight.outcomes()
    for verb in ("view", "list", "stats"):
        ai_trace(in_flight.directory, verb)

    assert before == {path: path.read_bytes() for path in in_flight.directory.iterdir()}


def test_a_step_ends_in_one_place(tmp_path: Path) -> None:
    """A finished step is a line, and is open no more."""
    with Tracer("agent", tmp_path) as tracer:
        with step("root"):
            with step("child"):
                inside = {s.name: s.outcome for s in reading.read(tracer.path).steps}
            after = {s.name: s.outcome for s in reading.read(tracer.path).steps}

    assert {"root": "running", "child": "running"} == inside
    assert {"root": "running", "child": "ok"} == after


def test_it_vanishes_on_a_clean_close(tmp_path: Path) -> None:
    """The journal is there while a step is open, and gone when the tracer is closed."""
    with Tracer("agent", tmp_path) as tracer:
        with step("scan"):
            there = journal_of(tracer).exists()

    assert there
    assert [tracer.path] == list(tmp_path.iterdir())


def test_closing_with_steps_open(tmp_path: Path) -> None:
    """Steps that are open when the tracer is closed become lines; the journal goes."""
    with Tracer("agent", tmp_path) as tracer:
        tracer.step("left open", symbol="BTCUSDT").start().log(signal=0.5)

    (line,) = read_file(tracer.path)
    assert ("left open", "unfinished") == (line["name"], line["outcome"])
    assert [0.5] == [entry["signal"] for entry in line["logs"]]
    assert [tracer.path] == list(tmp_path.iterdir())


def test_without_a_journal(tmp_path: Path) -> None:
    """``Tracer(journal=False)`` never makes one, and reads show what has finished."""
    with counted() as calls:
        with Tracer("agent", tmp_path, journal=False) as tracer:
            with step("root"):
                with step("child"):
                    pass
                files = list(tmp_path.iterdir())

    assert [tracer.path] == files
    # Only whether there is one of an earlier session is looked at.
    assert {"lstat"} == {call.name for call in calls if ".open" in call.path}
    assert ["child", "root"] == [line["name"] for line in read_file(tracer.path)]


def test_documents_without_a_journal(tmp_path: Path) -> None:
    """Saved inside an open root of which no journal tells, what has ended is there."""
    with Tracer("agent", tmp_path, journal=False) as tracer:
        with step("root") as root:
            with step("child", symbol="BTCUSDT"):
                pass
            page = tracer.save_markdown().read_text(encoding="utf-8")
            saved = json.loads(tracer.save().read_text(encoding="utf-8"))

    assert {} == tracer.health()
    assert "child" in page
    assert root.id in page
    assert ["child"] == [s["name"] for s in saved["steps"] if s["outcome"] == "ok"]


def test_generators_and_tasks_in_flight(tmp_path: Path) -> None:
    """Traced functions of every kind are known with their arguments while they run."""
    seen: list[dict[str, Any]] = []

    @traced
    def plain(n: int) -> None:
        seen.extend(s.to_dict() for s in reading.read(path).steps)

    @traced
    def generator(n: int) -> Any:
        yield plain(n + 1)

    @traced
    async def coroutine(n: int) -> None:
        for _ in generator(n + 1):
            pass

    with Tracer("agent", tmp_path) as tracer:
        path = tracer.path
        asyncio.run(coroutine(1))

    wanted = {"coroutine": 1, "generator": 2, "plain": 3}
    assert wanted == {s["name"]: s["context"]["n"] for s in seen}
    assert {"running"} == {s["outcome"] for s in seen}


def test_a_step_in_flight_names_its_function(tmp_path: Path) -> None:
    """A traced function that is running is known by its full dotted name."""

    @traced(name="decide")
    def inner() -> Any:
        return reading.read(tracer.path).steps[0].function

    with Tracer("agent", tmp_path) as tracer:
        function = inner()

    assert [function] == [line["function"] for line in read_file(tracer.path)]


def test_a_step_in_flight_says_what_was_cut(tmp_path: Path) -> None:
    """What was cut from the context or the logs of an open step is in its notes."""
    with Tracer("agent", tmp_path) as tracer:
        with step("scan", text="x" * 1_000_000) as scan:
            scan.log(text="y" * 1_000_000)
            (record,) = reading.read(tracer.path).steps
            notes = {note["path"]: note["note"] for note in record.notes}

    (line,) = read_file(tracer.path)
    assert {note["path"]: note["note"] for note in line["notes"]} == notes
    assert {"$.context.text", "$.logs[0].text"} == set(notes)


@pytest.mark.parametrize("written_anew", [False, True])
def test_what_a_step_in_flight_says_of_itself(
    tmp_path: Path, monkeypatch: Any, written_anew: bool
) -> None:
    """An open step has the notes that its line will have, whichever file it is in."""
    if written_anew:
        monkeypatch.setattr(sinks_journal, "_COMPACT_BYTES", 1)
    secret = "sk-ant-api03-" + "a" * 95
    with Tracer("agent", tmp_path, limits=Limits(step_bytes=20_000)) as tracer:
        with step(f"scan {secret}", key=secret, number=float("nan")) as scan:
            scan.log(token=secret)
            scan.log(note="plain")
            scan.log(odd={1: 2})
            for _ in range(16):
                scan.log(text="y" * 3_000)
            if written_anew:
                # Its start finds the journal too long.
                tracer.step("next").start().finish()
            journal = journal_of(tracer)
            assert journal.with_suffix(".open2").exists() == written_anew
            record = reading.read(tracer.path).steps[0]

    line = read_file(tracer.path)[-1]
    shown = json.dumps(record.to_dict())
    lost = [note for note in line["notes"] if note["note"] == "lost"]
    assert by_path(line["notes"]) == by_path(record.notes)
    assert len(lost) == 1
    assert 0 < count_of(record.notes) <= lost[0]["count"] < 2 * count_of(record.notes)
    assert secret not in shown


def count_of(notes: list[dict[str, Any]]) -> int:
    """Return how many log entries were lost, by the notes."""
    return sum(note["count"] for note in notes if note["note"] == "lost")


def by_path(notes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return what was done at which place."""
    return sorted((note["path"], note["note"]) for note in notes)


def test_permissions(tmp_path: Path) -> None:
    """Trace and journal are for their owner alone, whatever the umask says."""
    before = os.umask(0)
    try:
        with Tracer("agent", tmp_path / "traces") as tracer, step("scan"):
            modes = {
                path.suffix: oct(path.stat().st_mode & 0o777)
                for path in (tracer.path, journal_of(tracer), tracer.trace_dir)
            }
    finally:
        os.umask(before)

    assert {".jsonl": "0o600", ".open": "0o600", "": "0o700"} == modes


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("tail", [b"", b"\0" * 600, b'{"x', b"\xff\n", b"[[[[\n"])
def test_a_damaged_journal(in_flight: InFlight, cut: float, tail: bytes) -> None:
    """A journal that was cut or damaged costs no finished step, and no more than it."""
    in_flight.kill()
    (journal,) = in_flight.directory.glob("*.open")
    data = journal.read_bytes()
    journal.write_bytes(data[: int(len(data) * cut)] + tail)
    figures.counts[figures.TORN] += 1
    outcomes = in_flight.outcomes()

    assert ("ok", "ok") == (outcomes["finished"], outcomes["inner"])
    assert set(outcomes) <= {"finished", "inner", "market_scan", "order", "(missing)"}
    assert (cut < 1.0) or ("unfinished" == outcomes["order"])


def test_the_journal_is_what_it_says(in_flight: InFlight) -> None:
    """The journal is lines of strict JSON, the first with the session's header."""
    (journal,) = in_flight.directory.glob("*.open")
    lines = [json.loads(line) for line in journal.read_bytes().splitlines()]

    assert "agent" in json.dumps(lines[0])
    assert all(isinstance(line, dict) for line in lines)
