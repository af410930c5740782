"""
Clocks that are set, stand still, or repeat themselves.
"""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from recorded import read_file

from ai_trace import Tracer, reading, step, traced
from ai_trace.exceptions import TraceConfigError
from ai_trace.testing import SetClock


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set(tmp_path: Path, hours: int) -> None:
    """F107: durations are those of the monotonic clock, whatever is set meanwhile."""
    clock = SetClock()
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        with step("scan") as scan:
            clock.advance(0.25)
            clock.set(clock.now + hours * 3600)
            clock.advance(0.25)
            scan.log(at="end")

    (line,) = read_file(tracer.path)
    assert 500.0 == line["duration_ms"]
    assert line["started_at"] + 0.5 == line["finished_at"]
    assert line["started_at"] + 0.5 == line["logs"][0]["_t"]


class FailingClock(SetClock):
    """A clock of the program's own that fails at its n-th use, and never again."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.left = n

    def _use(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError("no such clock")

    def time(self) -> float:
        """Return the time, or fail."""
        self._use()
        return super().time()

    def monotonic(self) -> float:
        """Return the seconds that have passed, or fail."""
        self._use()
        return super().monotonic()


def failed(path: str, error: str, **more: str) -> dict[str, str]:
    """Return the note that a clock gave no time for what stands at a path."""
    return {"path": path, "note": "failed", "error": error, **more}


STARTED = {"instead": "the system's clock"}


@pytest.mark.parametrize(
    ("use", "notes", "measured"),
    [
        (1, [failed("$.started_at", "OSError", **STARTED)], True),
        (2, [failed("$.duration_ms", "OSError")], False),
        (3, [failed("$.logs[0]._t", "OSError")], True),
        (4, [failed("$.duration_ms", "OSError")], False),
    ],
    ids=["start", "origin", "log", "end"],
)
def test_a_clock_that_fails_once(
    tmp_path: Path, use: int, notes: list[dict[str, str]], *, measured: bool
) -> None:
    """A clock that fails costs one time of one step: all else is there, and counted."""
    clock = FailingClock(0)
    before = time.time()
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        clock.left = use
        with step("scan", symbol="BTCUSDT") as scan:
            if use != 2:
                scan.log(at="end")
        with step("next"):
            pass
        health = tracer.health()

    scanned, following = read_file(tracer.path)
    assert {"step": {"time lost: OSError": 1}} == health
    assert ({"symbol": "BTCUSDT"}, "ok", notes) == (
        scanned["context"],
        scanned["outcome"],
        scanned["notes"],
    )
    assert measured == (scanned["duration_ms"] is not None)
    assert measured == (scanned["finished_at"] is not None)
    assert (use == 1) == (scanned["started_at"] >= int(before))
    assert "notes" not in following
    assert [1, 2] == [scanned["seq"], following["seq"]]


class WrongClock(SetClock):
    """A clock of the program's own that answers what is no time, once it is told to."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer
        self.is_wrong = False

    def _answered(self, right: float) -> Any:
        if not self.is_wrong:
            return right
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def time(self) -> float:
        """Return the time, or what is none."""
        return self._answered(super().time())

    def monotonic(self) -> float:
        """Return the seconds that have passed, or what is no number of them."""
        return self._answered(super().monotonic())


ANSWERS = [
    float("nan"),
    float("inf"),
    float("-inf"),
    None,
    "now",
    1j,
    [],
    object(),
    Decimal("NaN"),
    ValueError("no such clock"),
    MemoryError(),
    StopIteration(),
]
TOO_BIG = [1e20, 1e305, 10**400]


def answer_id(answer: object) -> str:
    """Name an answer without its address or its length."""
    return type(answer).__name__ if len(repr(answer)) > 20 else repr(answer)


@traced
def decide(symbol: str) -> str:
    """Be a step between the others."""
    return symbol


@pytest.mark.parametrize("when", ["always", "at the end"])
@pytest.mark.parametrize("answer", ANSWERS, ids=answer_id)
def test_a_clock_that_tells_no_time(tmp_path: Path, answer: object, when: str) -> None:
    """Whatever a clock answers, the program goes on, and its steps are in the file."""
    clock = WrongClock(answer)
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        clock.is_wrong = when == "always"
        with pytest.raises(KeyError), step("failing") as failing:
            failing.log(a=1)
            clock.is_wrong = True
            raise KeyError
        assert "BTC" == decide("BTC")
        by_hand = tracer.step("by hand").start().log(b=2).finish()
        open_still = tracer.step("open still").start()
        health = tracer.health()

    names = ["failing", "decide", "by hand", "open still"]
    lines = read_file(tracer.path)
    assert names == [line["name"] for line in lines]
    assert ["error", "ok", "ok", "unfinished"] == [line["outcome"] for line in lines]
    for line in lines:
        assert line["duration_ms"] is line["finished_at"] is None
        assert 1 == [note["path"] for note in line["notes"]].count("$.duration_ms")
    assert [1] == [log["a"] for log in lines[0]["logs"]]
    assert by_hand.duration_ms is open_still.duration_ms is None
    assert 6 <= sum(health["step"].values())
    read = reading.read(tracer.path)
    assert names == [record.name for record in read.steps]
    assert [] == list(read.problems)
    assert tracer.save().exists()
    assert tracer.save_markdown().exists()
    assert 4 == tracer.summary()["steps"]
    assert {"step", "clock"} == set(tracer.health())


@pytest.mark.parametrize("answer", TOO_BIG, ids=answer_id)
def test_a_clock_beyond_all_time(tmp_path: Path, answer: object) -> None:
    """A number that no clock has is no reason to lose a step, or to be unreadable."""
    clock = WrongClock(answer)
    with Tracer("agent", tmp_path, clock=clock) as tracer, step("outer") as outer:
        clock.is_wrong = True
        outer.log(a=1)
        decide("BTC")

    lines = read_file(tracer.path)
    assert ["decide", "outer"] == [line["name"] for line in lines]
    read = reading.read(tracer.path)
    assert ["outer", "decide"] == [record.name for record in read.steps]
    assert [] == list(read.problems)
    assert tracer.save().exists()
    assert tracer.save_markdown().exists()


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_clock_without_room(tmp_path: Path, *, is_closed: bool) -> None:
    """A step whose clock finds no room on the stack ends later, as for our own code."""
    clock = WrongClock(RecursionError())
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        with step("scan"):
            clock.is_wrong = True
        assert ["running"] == [record.outcome for record in tracer.steps]
        with step("not started"):
            pass
        clock.is_wrong = is_closed
        tracer.step("next").start().finish()

    lines = read_file(tracer.path)
    names = ["scan"] if is_closed else ["next", "scan"]
    assert names == [line["name"] for line in lines]
    assert {"ok"} == {line["outcome"] for line in lines}
    scanned = lines[-1]
    assert is_closed == (scanned["duration_ms"] is None)
    lost = {"step": {"not recorded: RecursionError": 2 if is_closed else 1}}
    if is_closed:
        lost["step"]["time lost: RecursionError"] = 1
    assert lost == tracer.health()


@pytest.mark.parametrize("answer", [*ANSWERS, *TOO_BIG], ids=answer_id)
def test_a_clock_that_never_tells_the_time(tmp_path: Path, answer: object) -> None:
    """A tracer is not made with a clock that is wrong from the first."""
    clock = WrongClock(answer)
    clock.is_wrong = True

    with pytest.raises(TraceConfigError, match=r"its time\(\) tells no time"):
        Tracer("agent", tmp_path, clock=clock)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("seconds", [0.0, -3600.0])
def test_order_is_that_of_the_starts(tmp_path: Path, seconds: float) -> None:
    """F108: steps of equal or falling times stand in the order of their starts."""
    clock = SetClock()
    names = [f"step {number}" for number in range(20)]
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        for name in names:
            with step(name):
                clock.set(clock.now + seconds)

    assert names == [record.name for record in reading.read(tracer.path).steps]


class TracedClock(SetClock):
    """A clock whose own methods are traced."""

    @traced
    def time(self) -> float:
        """Return the time."""
        return super().time()

    @traced
    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return super().monotonic()


def test_a_clock_that_is_traced(tmp_path: Path) -> None:
    """A clock makes no steps, each of which would have to ask it again, without end."""
    with Tracer("agent", tmp_path, clock=TracedClock()) as tracer:
        with step("scan") as scan:
            scan.log(at="end")

    (line,) = read_file(tracer.path)
    assert "scan" == line["name"]
    assert {"not recorded: it was made inside a clock"} == set(tracer.health()["step"])
