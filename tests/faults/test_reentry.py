"""
Tracing inside of tracing: signals, finalizers, sinks that trace, sinks that misbehave.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import programs
from faults.system_calls import Call, Proceed, intercepted
from recorded import parse_line, read_directory, read_file

from ai_trace import MemorySink, Step, StepRecord, Tracer, reading, step, traced
from ai_trace._draft import Draft


pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def on_signal() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Install what is done on SIGUSR1 for the time of a test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda do: signal.signal(signal.SIGUSR1, lambda *_: do())  # type: ignore[misc]
    signal.signal(signal.SIGUSR1, before)


def trace_one(name: str) -> None:
    """Make one step that logs."""
    with step(name) as made:
        made.log(at=name)


def trace_one_in(tracer: Tracer, name: str) -> None:
    """Make one step of a tracer that is not current."""
    tracer.step(name).start().finish()


def dropped(tracer: Tracer) -> int:
    """Return how many steps were counted as not recorded."""
    causes = tracer.health().get("step", {})
    return sum(count for cause, count in causes.items() if "not recorded" in cause)


def names_in(path: Path) -> list[str]:
    """
    Return the names of the steps in a file, and check where its header is.

    It is on the first line, whoever's that is. Where it is that of a handler, the line
    that was interrupted says it again: it was made before.
    """
    lines = [parse_line(line) for line in path.read_bytes().split(b"\n")[:-1]]
    headers = [line.get("session") for line in lines]
    count = sum(header is not None for header in headers)
    assert count >= 1
    assert [headers[0]] * count == headers[:count]
    return [line["name"] for line in lines]


@pytest.mark.parametrize("suffix", [".jsonl", ".open"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_inside_a_write(
    tmp_path: Path, on_signal: Any, suffix: str, when: str
) -> None:
    """F42: a handler that traces inside of a write hangs nothing, tears nothing."""
    handled = []

    def interrupted(call: Call, proceed: Proceed) -> Any:
        if call.name != "write" or not call.path.endswith(suffix) or len(handled) > 9:
            return proceed()
        if when == "before":
            signal.raise_signal(signal.SIGUSR1)
            return proceed()
        written = proceed()
        signal.raise_signal(signal.SIGUSR1)
        return written

    def handle() -> None:
        handled.append(None)
        trace_one(f"handler {len(handled)}")

    on_signal(handle)
    with Tracer("agent", tmp_path) as tracer:
        with intercepted(interrupted):
            with step("root"):
                for number in range(20):
                    trace_one(f"step {number}")

    assert handled
    names = names_in(tracer.path)
    steps = [name for name in names if name.startswith("step")]
    assert [f"step {number}" for number in range(20)] == steps
    assert 1 == names.count("root")
    assert len(handled) == len(names) - 21 + dropped(tracer)


@pytest.mark.parametrize("when", ["lock", "write"])
def test_a_signal_while_the_journal_is_made(
    tmp_path: Path, on_signal: Any, when: str
) -> None:
    """F42: what a handler starts then is in the journal, which is made once."""
    inner: list[Step] = []

    def interrupted(call: Call, proceed: Proceed) -> Any:
        if call.name == when and call.path.endswith(".open") and not inner:
            signal.raise_signal(signal.SIGUSR1)
        return proceed()

    tracer = Tracer("agent", tmp_path)
    on_signal(lambda: inner.append(tracer.step("inner").start()))
    with intercepted(interrupted):
        outer = tracer.step("outer").start()
    (session,) = reading.find(tmp_path)
    found = {each.name for each in reading.read(session.path).steps}

    assert {} == tracer.health()
    assert {"outer", "inner"} == found
    inner[0].finish()
    outer.finish()
    tracer.close()


@pytest.mark.parametrize("name", ["lseek", "write"])
@pytest.mark.parametrize("suffix", [".jsonl", ".open"])
def test_a_handler_that_closes_the_tracer(
    tmp_path: Path, on_signal: Any, name: str, suffix: str
) -> None:
    """A line that is about to be written goes to no file that is opened meanwhile."""
    tracer, others = Tracer("agent", tmp_path / "traces"), tmp_path / "others"
    assert tracer.path is not None
    trace_one_in(tracer, "first")
    opened: list[int] = []

    def close_and_open() -> None:
        tracer.close()
        first = os.open(others, os.O_CREAT | os.O_RDWR)
        # The high numbers that are free: those of our files, if they were closed.
        high = [fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, 200) for _ in range(3)]
        opened.extend([first, *high])

    def interrupted(call: Call, proceed: Proceed) -> Any:
        if call.name == name and call.path.endswith(suffix) and not opened:
            signal.raise_signal(signal.SIGUSR1)
        return proceed()

    on_signal(close_and_open)
    with intercepted(interrupted):
        trace_one_in(tracer, "late")
    for descriptor in opened:
        os.close(descriptor)

    assert b"" == others.read_bytes()
    assert ["first", "late"] == names_in(tracer.path)
    assert {} == tracer.health()
    assert [tracer.path] == list(tracer.path.parent.iterdir())


def test_signals_at_any_moment(tmp_path: Path) -> None:
    """F42: a handler that traces a thousand times at random moments loses no line."""
    done = programs.run(
        """
        import json, signal
        from ai_trace import Tracer, step

        handled = 0

        def handle(*_):
            global handled
            handled += 1
            if handled == 1_000:
                signal.setitimer(signal.ITIMER_REAL, 0)
            with step("handler") as made:
                made.log(handled=handled)

        made = 0
        with Tracer("agent", "traces") as tracer:
            signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            while handled < 1_000:
                with step("step", text="x" * 200) as one:
                    one.log(made=made)
                made += 1
        print(json.dumps([made, handled, tracer.health()]))
        """,
        cwd=tmp_path,
    )
    made, handled, health = json.loads(done.stdout)
    (path,) = (tmp_path / "traces").iterdir()
    names = names_in(path)
    lost = sum(count for causes in health.values() for count in causes.values())

    assert made == names.count("step")
    assert handled <= names.count("handler") + lost
    # A line of the journal may be lost, where its file is just being made.
    assert "step" not in health


class Late:
    """Traces when it is collected; it is part of a cycle, so that is at any time."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        trace_one("finalizer")


def test_a_finalizer_inside_a_write(tmp_path: Path) -> None:
    """F43: an object that traces when it is collected may be collected in a write."""
    made = []

    def collecting(call: Call, proceed: Proceed) -> Any:
        if call.name == "write" and len(made) < 10:
            made.append(None)
            Late()
            gc.collect()
        return proceed()

    gc.collect()
    with Tracer("agent", tmp_path) as tracer:
        with intercepted(collecting):
            for number in range(10):
                trace_one(f"step {number}")

    names = [line["name"] for line in read_file(tracer.path)]
    assert {f"step {n}" for n in range(10)} == {n for n in names if n[0] == "s"}
    assert len(made) == names.count("finalizer") + dropped(tracer)


class TracedSink:
    """A sink each of whose methods is itself traced."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @traced
    def on_start(self, started: Any) -> None:
        self.calls.append("start")

    @traced
    def on_log(self, started: Any, entry: str) -> None:
        self.calls.append("log")

    @traced
    def on_finish(self, record: StepRecord) -> None:
        self.calls.append(record.name)


def test_a_sink_that_is_traced(tmp_path: Path) -> None:
    """F44: steps made inside a sink are counted, not recorded, and call no sink."""
    sink = TracedSink()
    with Tracer("agent", tmp_path, sinks=[sink]) as tracer:
        trace_one("scan")

    assert ["start", "log", "scan"] == sink.calls
    assert ["scan"] == [line["name"] for line in read_file(tracer.path)]
    assert 3 == dropped(tracer)


class Rerunner:
    """A sink that runs a tracer of its own in a block, and traces behind it."""

    def on_finish(self, record: StepRecord) -> None:
        with Tracer("inner", auto_save=False) as inner, inner.step("inside"):
            pass
        trace_one("behind")


def test_a_sink_that_enters_a_tracer(tmp_path: Path) -> None:
    """F44: behind the block of another tracer, a sink is still inside of a sink."""
    with Tracer("agent", tmp_path, sinks=[Rerunner()]) as tracer:
        trace_one("scan")

    assert ["scan"] == [line["name"] for line in read_file(tracer.path)]
    assert 1 == dropped(tracer)


class Mirror:
    """A sink that makes a step of another tracer for each record."""

    def __init__(self) -> None:
        self.tracer: Any = None

    def on_finish(self, record: StepRecord) -> None:
        with self.tracer.step(f"mirrored {record.name}"):
            pass


def test_two_tracers_that_watch_each_other(tmp_path: Path) -> None:
    """F44: tracers that are sinks of each other stop after the first reflection."""
    one, two = Mirror(), Mirror()
    first = Tracer("first", tmp_path / "first", sinks=[one])
    second = Tracer("second", tmp_path / "second", sinks=[two])
    one.tracer, two.tracer = second, first
    with first, second:
        with first.step("scan"):
            pass

    assert ["scan"] == [line["name"] for line in read_directory(tmp_path / "first")]
    assert len(read_directory(tmp_path / "second")) <= 1


def test_a_note_that_cannot_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory ends while a note is taken, the note is lost, which is counted."""

    def out_of_memory(_: object) -> str:
        raise MemoryError

    monkeypatch.setattr("ai_trace._remarks.encode_strict", out_of_memory)
    with Tracer("agent", tmp_path) as tracer, tracer.step("decide", seen=object()):
        pass

    (line,) = read_file(tracer.path)
    assert "seen" in line["context"]
    assert {"step": {"note lost: MemoryError": 1}} == tracer.health()


def test_a_value_for_which_there_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory ends in the middle of capture, the record says where it did."""

    def out_of_memory(_: object) -> str:
        raise MemoryError

    monkeypatch.setattr("ai_trace._capture.encode_text", out_of_memory)
    monkeypatch.setattr("ai_trace._capture.encode_strict", out_of_memory)
    with Tracer("agent", tmp_path) as tracer:
        with tracer.step("decide", seen=object()) as decide:
            decide.log(seen=object())
            decide.set_result(object())
        health = tracer.health()

    (line,) = read_file(tracer.path)
    paths = ["$.context", "$.logs[0]", "$.result"]
    assert ({}, None) == (line["context"], line["result"])
    assert ["_t"] == [*line["logs"][0]]
    assert line["notes"] == [
        {"path": path, "note": "failed", "error": "MemoryError"} for path in paths
    ]
    assert {} == health


def test_an_end_for_which_there_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory ends as a line is made, that step is lost and counted, no other."""

    def out_of_memory(_: object) -> str:
        raise MemoryError

    with Tracer("agent", tmp_path) as tracer:
        with tracer.step("outer"):
            with monkeypatch.context() as patch:
                patch.setattr("ai_trace._draft.encode_text", out_of_memory)
                tracer.step("lost").start().fail("no")
            assert {"step": {"end lost: MemoryError": 1}} == tracer.health()

    assert ["outer"] == [line["name"] for line in read_file(tracer.path)]
    assert {"step": {"end lost: MemoryError": 1}} == tracer.health()


class Broken:
    """A sink that raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_finish(self, record: StepRecord) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), OSError(28, "full"), MemoryError(), RecursionError()]
)
def test_one_sink_of_three_raises(
    tmp_path: Path, said: Callable[[], list[str]], error: Exception
) -> None:
    """F45: the sinks around a broken one are called, once for each step."""
    before, after = MemorySink(), MemorySink()
    sinks = [before, Broken(error), after]
    with Tracer("agent", tmp_path, sinks=sinks) as tracer:
        for number in range(3):
            trace_one(f"step {number}")

    wanted = [f"step {number}" for number in range(3)]
    assert wanted == [record.name for record in before.records]
    assert wanted == [record.name for record in after.records]
    assert wanted == [line["name"] for line in read_file(tracer.path)]
    assert [3] == list(tracer.health()["Broken"].values())
    assert 1 == len(said())


class Refused(OSError):
    """As an HTTP client's error of a connection: no number, another text each time."""


class Numberless(OSError):
    """An error of the system that fails when it is asked for its number."""

    @property
    def errno(self) -> int:
        raise ValueError


class Placed(OSError):
    """An error that has a place of its own, which is none of ours."""

    where = ("a path", ["of", "lists"])


ERRORS = [Refused, OSError, partial(OSError, []), Numberless, Placed]


@pytest.mark.parametrize("error", ERRORS)
def test_a_sink_that_says_another_thing_each_time(
    tmp_path: Path, said: Callable[[], list[str]], error: Callable[[str], Exception]
) -> None:
    """One cause is counted as one, said once, and without what the sink says of it."""

    class Sending:
        def on_finish(self, record: StepRecord) -> None:
            raise error(f"no answer of /v1?api_key=hunter2 at {record.seq:#x}")

    after = MemorySink()
    with Tracer("agent", tmp_path, sinks=[Sending(), after]) as tracer:
        for number in range(150):
            trace_one(f"step {number}")

    assert [150] == list(tracer.health()["Sending"].values())
    assert "hunter2" not in repr(tracer.health())
    assert {"Sending"} == set(tracer.health())
    assert 150 == len(after.records)
    assert 1 == len(said())
    assert "hunter2" not in said()[0]


def test_a_sink_that_adds_a_sink(tmp_path: Path) -> None:
    """F45: a sink that is added while sinks are called is told of what comes after."""
    late = MemorySink()

    class Adding:
        def on_finish(self, record: StepRecord) -> None:
            if record.name == "first":
                tracer.add_sink(late)

    with Tracer("agent", tmp_path, sinks=[Adding()]) as tracer:
        for name in ("first", "second"):
            trace_one(name)

    assert "second" == late.records[-1].name
    assert ["first", "second"] == [line["name"] for line in read_file(tracer.path)]


def test_a_sink_that_closes_its_tracer(tmp_path: Path) -> None:
    """F45: a sink may end the session it watches; nothing is raised or torn."""

    class Closing:
        def on_finish(self, record: StepRecord) -> None:
            tracer.close()

    with Tracer("agent", tmp_path, sinks=[Closing()]) as tracer:
        with step("root"):
            trace_one("first")

    lines = {line["name"]: line["outcome"] for line in read_file(tracer.path)}
    assert "ok" == lines["first"]
    assert [tracer.path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("when", ["before", "after", "halfway"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_stop_inside_a_write(
    tmp_path: Path, stop: type[BaseException], when: str, number: int
) -> None:
    """F57: Ctrl-C in a write is counted and goes on; the line is there, and once."""
    writes: list[Call] = []
    stopped = stop("enough")

    def stopping(call: Call, proceed: Proceed) -> Any:
        if call.name != "write" or not call.path.endswith(".jsonl"):
            return proceed()
        writes.append(call)
        if len(writes) != number + 1:
            return proceed()
        if when == "after":
            proceed()
        if when == "halfway":
            os.write(call.arguments[0], call.arguments[1][:40])
        raise stopped

    others = MemorySink()
    wanted = ["first", "second", "third"]
    with Tracer("agent", tmp_path, sinks=[others]) as tracer:
        with intercepted(stopping):
            for name in wanted:
                with contextlib.suppress(stop):
                    trace_one(name)

    items = list(reading.records(tracer.path))
    named = [item.name for item in items if isinstance(item, StepRecord)]
    assert wanted == named
    assert wanted == [record.name for record in others.records]
    assert len(items) - len(named) == (when == "halfway")
    cause = f"interrupted: {stop.__name__}"
    assert {"JSONLSink": {cause: 1}} == tracer.health()
    assert [tracer.path] == list(tmp_path.iterdir())


def test_a_stop_is_the_same_object(tmp_path: Path) -> None:
    """F57: what interrupts a write goes on as it is."""
    stop = KeyboardInterrupt("enough")

    def stopping(call: Call, proceed: Proceed) -> Any:
        raise stop

    with Tracer("agent", tmp_path):
        with intercepted(stopping):
            with pytest.raises(KeyboardInterrupt) as caught:
                trace_one("first")

    assert stop is caught.value


def test_a_stop_while_a_line_is_made(tmp_path: Path, monkeypatch: Any) -> None:
    """F57: Ctrl-C before any sink was told leaves the step to the next one's end."""
    with Tracer("agent", tmp_path) as tracer:
        first = tracer.step("first").start()
        with monkeypatch.context() as patched:
            patched.setattr(Draft, "line", interrupted_line)
            with pytest.raises(KeyboardInterrupt):
                first.finish("cancelled")
        trace_one("second")

    lines = [(line["name"], line["outcome"]) for line in read_file(tracer.path)]
    assert [("first", "cancelled"), ("second", "ok")] == sorted(lines)
    assert [tracer.path] == list(tmp_path.iterdir())


def interrupted_line(*_: Any) -> str:
    """Stand for the making of a line in which Ctrl-C comes."""
    raise KeyboardInterrupt
