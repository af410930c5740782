"""
Alarms whose function raises an ordinary exception, at any moment.
"""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import programs
from faults.system_calls import Call, Intercept, Proceed, intercepted
from recorded import read_file

import ai_trace
from ai_trace import (
    JSONLSink,
    JSONSink,
    MarkdownSink,
    MemorySink,
    StepRecord,
    Tracer,
    current_step,
    diagnosis,
    housekeeping,
    reading,
    step,
    traced,
)


pytestmark = pytest.mark.timeout(60)


class Overtime(Exception):
    """What a program's own alarm raises."""


ERRORS = [TimeoutError, Overtime, RuntimeError]
PACKAGE = str(Path(ai_trace.__file__).parent)
# All of them take 10 seconds, and were tried once.
LINES_APART = 7


def plain(error: Exception) -> Callable[..., None]:
    """Return a signal's function as most programs write it."""

    def on_alarm(number: int, frame: Any) -> None:
        raise error

    return on_alarm


def gathering(error: Exception) -> Callable[..., None]:
    """Return a signal's function that takes whatever it is given."""

    def on_alarm(*given: object) -> None:
        plain(error)(*given)

    return on_alarm


def bound(error: Exception) -> Callable[..., None]:
    """Return a method as a signal's function."""

    class Watch:
        def on_alarm(self, number: int, frame: Any) -> None:
            raise error

    return Watch().on_alarm


def partial(error: Exception) -> Callable[..., None]:
    """Return a partial of a function that raises in another one."""

    def on_alarm(wanted: Exception, number: int, frame: Any) -> None:
        plain(wanted)(0, None)

    return functools.partial(on_alarm, error)


@pytest.fixture
def alarm() -> Iterator[Callable[[Callable[..., None]], None]]:
    """Install the function of SIGUSR1 for the time of a test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda function: signal.signal(signal.SIGUSR1, function) and None
    signal.signal(signal.SIGUSR1, before)


class Ringing:
    """A value in whose text the alarm goes off."""

    def __str__(self) -> str:
        signal.raise_signal(signal.SIGUSR1)
        return "no alarm"

    __repr__ = __str__


class RingingSink:
    """A sink in which the alarm goes off."""

    def on_finish(self, record: StepRecord) -> None:
        signal.raise_signal(signal.SIGUSR1)


def in_a_name() -> None:
    """Let the alarm go off while a step is made."""
    with step(Ringing()):  # type: ignore[arg-type]
        pass


def in_a_reason() -> None:
    """Let it go off while the reason of a failure is put into words."""
    step("scan").start().fail(Ringing())


def in_a_message() -> None:
    """Let it go off while an exception is asked for its message."""

    class Late(Exception):
        __str__ = Ringing.__str__

    with step("scan"):
        raise Late


@pytest.mark.parametrize("made", [plain, gathering, bound, partial])
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_in_a_write(
    tmp_path: Path, alarm: Any, made: Any, kind: type[Exception], when: str
) -> None:
    """F57: an alarm in a write reaches the program as it is; no line is missing."""
    error = kind("late")
    alarm(made(error))
    rung: list[Call] = []

    def ringing(call: Call, proceed: Proceed) -> Any:
        if call.name != "write" or not call.path.endswith(".jsonl") or rung:
            return proceed()
        rung.append(call)
        if when == "after":
            proceed()
        signal.raise_signal(signal.SIGUSR1)
        return None

    others = MemorySink()
    with Tracer("agent", tmp_path, sinks=[others]) as tracer:
        with intercepted(ringing):
            with pytest.raises(kind) as caught:
                with step("first"):
                    pass
            with step("second"):
                pass
        health = tracer.health()

    assert error is caught.value
    assert ["first", "second"] == [line["name"] for line in read_file(tracer.path)]
    assert ["first", "second"] == [record.name for record in others.records]
    assert {"JSONLSink": {f"interrupted: {kind.__name__}": 1}} == health


def ringing_in(n: int, made: list[str]) -> Intercept:
    """Return what lets the alarm go off in the n-th system call, and notes them all."""

    def ringing(call: Call, proceed: Proceed) -> Any:
        made.append(call.name)
        if len(made) == n:
            signal.raise_signal(signal.SIGUSR1)
        return proceed()

    return ringing


def rung(
    n: int, kind: type[Exception], act: Callable[[], object]
) -> tuple[list[str], Exception | None]:
    """
    Do something, and let the alarm go off in its n-th system call.

    Returns:
        The system calls that were made, and what the program was given to catch.
    """
    made: list[str] = []
    with intercepted(ringing_in(n, made)):
        try:
            act()
        except kind as exc:
            return made, exc
    return made, None


def three_steps(tracer: Tracer) -> None:
    """Make three steps, the second one with a log entry, and a third inside of it."""
    with tracer.step("first"):
        pass
    with tracer.step("second") as second:
        second.log(n=1)
        with tracer.step("third"):
            pass


@pytest.mark.parametrize("kind", ERRORS)
def test_in_any_system_call(tmp_path: Path, alarm: Any, kind: type[Exception]) -> None:
    """F57: in whichever call it goes off, the program gets it, and nothing is lost."""
    error = kind("late")
    alarm(plain(error))
    for n in count(1):
        # A file that the round before was kept from closing is closed by the collector,
        # out of whose calls nothing reaches the program.
        gc.collect()
        others = MemorySink()
        with Tracer("agent", tmp_path / str(n), sinks=[others]) as tracer:
            made, caught = rung(n, kind, functools.partial(three_steps, tracer))

        names = [line["name"] for line in read_file(tracer.path)]
        assert names == [record.name for record in others.records], made[n - 1]
        assert current_step() is None
        if len(made) < n:
            break
        assert error is caught, f"{made[n - 1]} has kept it"

    assert n > 20, "the harness does not see the system calls"
    assert (["first", "third", "second"], None) == (names, caught)


MAKERS: dict[str, Callable[[Path], object]] = {
    "Tracer": lambda place: Tracer("agent", place / "traces"),
    "JSONLSink": lambda place: JSONLSink(place / "run.jsonl"),
    "JSONSink": lambda place: JSONSink(place / "run.json"),
    "MarkdownSink": lambda place: MarkdownSink(place / "run.md"),
}


def open_descriptors() -> int:
    """Return how many descriptors are open, once what is forgotten was collected."""
    gc.collect()
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("kind", ERRORS)
def test_while_something_is_made(
    tmp_path: Path, alarm: Any, kind: type[Exception], make: Callable[[Path], object]
) -> None:
    """F57: an alarm is no configuration that is wrong; nothing is left open behind."""
    error = kind("late")
    alarm(plain(error))
    before = open_descriptors()
    for n in count(1):
        made: list[object] = []
        place = tmp_path / str(n) / "deep"
        calls, caught = rung(
            n, kind, lambda made=made, place=place: made.append(make(place))
        )
        if len(calls) < n:
            break
        assert error is caught, f"{calls[n - 1]} has kept it"
        error.__traceback__ = None
        assert before == open_descriptors(), calls[n - 1]

    assert n > 2, "the harness does not see the system calls"
    assert made and caught is None


@pytest.mark.parametrize("act", ["save", "save_markdown", "close"])
@pytest.mark.parametrize("kind", ERRORS)
def test_while_it_is_saved(
    tmp_path: Path, alarm: Any, kind: type[Exception], act: str
) -> None:
    """F57: nor is it a document that cannot be written."""
    error = kind("late")
    alarm(plain(error))
    for n in count(1):
        place = tmp_path / str(n)
        with Tracer("agent", place, sinks=[JSONSink(place / "run.json")]) as tracer:
            with step("scan"):
                pass
            # What a crash left behind is looked at, too.
            (place / ".ai_trace-0.tmp").touch()
            gc.collect()
            calls, caught = rung(n, kind, getattr(tracer, act))
        if len(calls) < n:
            break
        assert error is caught, f"{calls[n - 1]} has kept it"
        assert ["scan"] == [line["name"] for line in read_file(tracer.path)]

    assert n > 5, "the harness does not see the system calls"
    assert caught is None


# Python drops what is raised in the callback of a weak reference, in a finalizer, and
# in what a buffered file asks when it is made.
DROPPED = ("_close_all", "__del__", "tell")


def rings_in_line(n: int, lines: list[str]) -> Callable[..., Any]:
    """Return what lets the alarm go off in the n-th line of ours, and notes them."""

    def watch(frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_name in DROPPED:
            return None
        if event == "line":
            lines.append(f"{code.co_filename}:{frame.f_lineno}")
            if len(lines) == n:
                sys.settrace(None)
                signal.raise_signal(signal.SIGUSR1)
        return watch

    return watch


def rung_in_many_a_line(error: Exception, act: Callable[[], Any]) -> None:
    """Let the alarm go off in every seventh line of ours, each time in a new run."""
    # Nothing is imported for the first time later on.
    act()
    for n in count(1, LINES_APART):
        lines: list[str] = []
        caught = None
        sys.settrace(rings_in_line(n, lines))
        try:
            act()
        except type(error) as exc:
            caught = exc.with_traceback(None)
        finally:
            sys.settrace(None)
        if len(lines) < n:
            break
        assert error is caught, f"{lines[n - 1]} has kept it"

    assert n > 100, "the harness does not see the lines"
    assert caught is None


# A file that had just been opened is closed by the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", ["save", "save_markdown"])
@pytest.mark.parametrize("kind", [TimeoutError, ValueError])
def test_in_many_a_line_of_saving(
    tmp_path: Path, alarm: Any, kind: type[Exception], act: str
) -> None:
    """F57: what reads the files does not take an alarm for a damaged one."""
    error = kind("late")
    alarm(plain(error))
    with Tracer("agent", tmp_path) as tracer, step("open", symbol="BTCUSDT") as opened:
        opened.log(signal=0.5)
        with step("scan"):
            pass
        rung_in_many_a_line(error, getattr(tracer, act))


def rings_at_look(n: int, looks: list[str]) -> Callable[..., Any]:
    """
    Return what lets the alarm go off where the interpreter looks for the n-th time.

    That is at the start of a function of ours, and after one in C that ours has called.
    Where a step is about to be left, nobody is there yet to see it.
    """

    def watch(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        looks_here = event == "c_return" or (
            event == "call" and code.co_name != "__exit__"
        )
        if looks_here and code.co_filename.startswith(PACKAGE):
            looks.append(f"{code.co_filename}:{frame.f_lineno}")
            if len(looks) == n:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGUSR1)

    return watch


def in_a_block() -> None:
    """Make steps by hand."""
    with step("outer", symbol="BTCUSDT"), step("inner") as inner:
        inner.log(signal=0.5)


@traced
def decide(signal: float) -> str:
    """Decide."""
    return "buy" if signal else "hold"


def in_a_call() -> None:
    """Make a step by a decorator."""
    decide(0.5)


@pytest.mark.parametrize("act", [in_a_block, in_a_call])
@pytest.mark.parametrize("kind", [TimeoutError, KeyboardInterrupt])
def test_whenever_it_looks_for_signals(
    tmp_path: Path, alarm: Any, act: Callable[[], None], kind: type[BaseException]
) -> None:
    """F57: no step stays current or open after it, and what is lost is counted."""
    error = kind("late")
    alarm(plain(error))  # type: ignore[arg-type]
    for n in count(1):
        looks: list[str] = []
        caught = None
        with Tracer("agent", tmp_path / str(n)) as tracer:
            with step("before"):
                pass
            sys.setprofile(rings_at_look(n, looks))
            try:
                act()
            except kind as exc:
                caught = exc.with_traceback(None)
            finally:
                sys.setprofile(None)
            where = looks[-1]
            assert current_step() is None, where
            with step("after"):
                pass
            found = {record.seq: record for record in tracer.steps}

        if len(looks) < n:
            break
        assert error is caught, where
        after = max(found.values(), key=lambda record: record.seq)
        assert ("after", None) == (after.name, after.parent_id), where
        lost = after.seq - len(found)
        assert lost <= sum(sum(kinds.values()) for kinds in tracer.health().values())
        assert not list(tracer.trace_dir.glob("*.open")), where

    assert n > 100, "the harness does not see the interpreter look"


READERS: dict[str, Callable[[Path], Any]] = {
    "records": lambda place: list(reading.records(reading.resolve(place))),
    "read": lambda place: list(reading.read(reading.resolve(place, "agent")).steps),
    "find": lambda place: [each.header for each in reading.find(place)],
    "tail": lambda place: reading.tail(reading.resolve(place), 2),
    "follow": lambda place: list(
        reading.follow(reading.resolve(place), stop=lambda: True)
    ),
    "survey": lambda place: [each.hindrance() for each in housekeeping.survey(place)],
    "examine": lambda place: diagnosis.examine(reading.resolve(place)),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", READERS.values(), ids=READERS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [TimeoutError, ValueError])
def test_in_many_a_line_of_reading(
    tmp_path: Path,
    alarm: Any,
    kind: type[Exception],
    packed: bool,
    act: Callable[[Path], Any],
) -> None:
    """F57: nor is it what is wrong with a file, and what reads it goes no further."""
    error = kind("late")
    alarm(plain(error))
    with Tracer("agent", tmp_path):
        for _ in range(3):
            with step("scan"):
                pass
    if packed:
        (stored,) = housekeeping.survey(tmp_path)
        housekeeping.compress(stored)
    rung_in_many_a_line(error, lambda: act(tmp_path))


class Ears(logging.Handler):
    """A log of the program's in which the alarm goes off."""

    def emit(self, record: logging.LogRecord) -> None:
        """Ring."""
        signal.raise_signal(signal.SIGUSR1)


class RingingError(Exception):
    """What a sink raises, in whose message the alarm goes off."""

    __str__ = Ringing.__str__


@pytest.mark.parametrize("error", [ValueError("no"), RingingError()])
def test_in_what_is_said(
    tmp_path: Path, alarm: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F57: so it is in the log of the program, and in what a sink has to say."""
    late = TimeoutError("late")
    alarm(plain(late))

    class Broken:
        def on_finish(self, record: StepRecord) -> None:
            raise error

    log = logging.getLogger("ai_trace")
    monkeypatch.setattr(log, "handlers", [Ears()])
    with Tracer("agent", tmp_path, sinks=[Broken()]) as tracer:
        with pytest.raises(TimeoutError) as caught, step("scan"):
            pass

    assert late is caught.value
    assert ["scan"] == [line["name"] for line in read_file(tracer.path)]


def test_in_a_warning(tmp_path: Path, alarm: Any) -> None:
    """F57: so it is where a program shows its warnings itself."""
    late = TimeoutError("late")
    alarm(plain(late))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_, **__: signal.raise_signal(signal.SIGUSR1)
        with Tracer("agent", tmp_path) as tracer:
            scan = tracer.step("scan").start().finish()
            with pytest.raises(TimeoutError) as caught:
                scan.finish()

    assert late is caught.value


@pytest.mark.parametrize("ring", [in_a_name, in_a_reason, in_a_message])
@pytest.mark.parametrize("kind", ERRORS)
def test_in_code_that_we_call(
    tmp_path: Path, alarm: Any, ring: Callable[[], None], kind: type[Exception]
) -> None:
    """F57: an alarm in a value's own code is no failure of that value."""
    error = kind("late")
    alarm(plain(error))
    with Tracer("agent", tmp_path):
        with pytest.raises(kind) as caught:
            ring()

    assert error is caught.value


@pytest.mark.parametrize("kind", ERRORS)
def test_in_a_sink(tmp_path: Path, alarm: Any, kind: type[Exception]) -> None:
    """F57: an alarm in a sink of the program goes on once the others are told."""
    error = kind("late")
    alarm(plain(error))
    after = MemorySink()
    with Tracer("agent", tmp_path, sinks=[RingingSink(), after]):
        with pytest.raises(kind) as caught:
            with step("scan"):
                pass
        current = current_step()

    assert error is caught.value
    assert ["scan"] == [record.name for record in after.records]
    assert current is None


@pytest.mark.parametrize("kind", ERRORS)
def test_what_is_no_alarm(tmp_path: Path, alarm: Any, kind: type[Exception]) -> None:
    """F45: the same exceptions are failures of a sink where no signal raised them."""
    error = kind("late")
    alarm(plain(error))

    class Broken:
        def on_finish(self, record: StepRecord) -> None:
            self.write(signal.SIGUSR1, None)

        def write(self, number: int, frame: Any) -> None:
            raise error

    with Tracer("agent", tmp_path, sinks=[Broken()]) as tracer:
        with step("scan"):
            pass

    assert ["Broken"] == list(tracer.health())


def test_at_any_moment(tmp_path: Path) -> None:
    """F57: of a thousand alarms at random moments each reaches the program."""
    done = programs.run(
        """
        import ast, gc, json, random, signal, unicodedata
        from ai_trace import Tracer, step, traced

        class Odd:
            pass

        @traced
        def same(value):
            return value

        def on_alarm(number, frame):
            kind = kinds[len(rung) % len(kinds)]
            rung.append(kind(f"alarm {len(rung)}"))
            raise rung[-1]

        kinds = [TimeoutError, ValueError, RuntimeError]
        rung, caught = [], []
        # Python itself loses what is raised inside of a collection.
        gc.disable()
        with Tracer("agent", "traces") as tracer:
            try:
                # Nothing is imported for the first time later on, as ``ast`` by
                # tracebacks: an import loses what is raised inside of it.
                with step("warm", odd=Odd(), some={1, 2}, raw=b"raw"):
                    same(Odd())
                    raise ValueError("warm")
            except ValueError:
                pass
            signal.signal(signal.SIGALRM, on_alarm)
            while len(rung) < 1_000:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 2e-4))
                    with step("work", odd=Odd(), some={1, 2}, raw=b"raw") as work:
                        work.log(odd=Odd())
                        same(Odd())
                except Exception as exc:
                    caught.append(exc)
                finally:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                    except Exception as exc:
                        caught.append(exc)
            print(json.dumps([str(one) for one in rung if one not in caught]))
        """,
        cwd=tmp_path,
    )

    assert [] == json.loads(done.stdout)
