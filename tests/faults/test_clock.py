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
