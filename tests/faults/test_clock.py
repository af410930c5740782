"""
Clocks that are set, stand still, or repeat themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import read_file

from ai_trace import Tracer, reading, step
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


@pytest.mark.parametrize(
    ("what", "context", "notes"),
    [
        pytest.param("start", None, None, id="time"),
        pytest.param(
            "start",
            {},
            [{"path": "$.context", "note": "failed", "error": "OSError"}],
            id="origin",
        ),
    ],
)
def test_a_clock_that_fails_at_a_start(
    tmp_path: Path, what: str, context: object, notes: object
) -> None:
    """Without a clock a step is counted; it is bare where it was numbered already."""
    clock = FailingClock(0)
    with Tracer("agent", tmp_path, clock=clock) as tracer:
        clock.left = 1 if context is None else 2
        with step("scan", symbol="BTCUSDT"):
            pass
        with step("next"):
            pass
        health = tracer.health()

    lines = read_file(tracer.path)
    assert {"step": {f"{what} lost: OSError": 1}} == health
    assert (["next"] if context is None else ["scan", "next"]) == [
        line["name"] for line in lines
    ]
    assert (context is None) or (context, notes) == (
        lines[0]["context"],
        lines[0]["notes"],
    )


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
