"""
When a step started and ended: to the microsecond, whatever the clock says.
"""

from __future__ import annotations

import pytest

from ai_trace import Tracer, step
from ai_trace.testing import SetClock, capture


SECOND = 1_700_000_000.0
# What the clock says, one after the other, and what is recorded.
MOMENTS = [
    (SECOND + 0.25, SECOND + 0.25),
    (SECOND, SECOND),
    (1_700_000_000.999999, 1_700_000_000.999999),
    (1_700_000_000.1234567, 1_700_000_000.123457),
    (1_700_000_000.9999998, SECOND + 1),
    (SECOND - 0.5, SECOND - 0.5),
    (-5.0, 0.0),
    (0.5, 0.5),
]


def test_a_start_is_told_to_the_microsecond() -> None:
    """A step starts when the clock says, rounded, and never before the epoch."""
    clock = SetClock()
    with capture(clock=clock) as steps:
        for now, _ in MOMENTS:
            clock.set(now)
            with step("scan"):
                pass

    assert [told for _, told in MOMENTS] == [record.started_at for record in steps]


@pytest.mark.parametrize("begin", [0.0, 0.25, 0.999999])
@pytest.mark.parametrize("took", [0.0, 0.000001, 0.0015, 0.749999, 0.75, 1.0, 2.5])
def test_an_end_is_the_start_and_what_it_took(begin: float, took: float) -> None:
    """Ends and logs stand where start and duration add up to, beyond a second too."""
    clock = SetClock(SECOND + begin)
    with capture(clock=clock) as steps:
        with step("scan") as scan:
            # A little more, so that no binary fraction falls short of a microsecond.
            clock.advance(took + 0.0000002)
            scan.log(at="end")

    (record,) = steps
    end = round(SECOND + begin + took, 6)
    assert (end, end) == (record.finished_at, record.logs[0]["_t"])
    assert round(took * 1000, 3) == record.duration_ms == scan.duration_ms


def test_a_step_that_has_not_started_has_no_time() -> None:
    """Before its start a step says neither when it began nor how long it took."""
    scan = Tracer("agent", auto_save=False).step("scan")

    assert (0.0, None) == (scan.started_at, scan.duration_ms)
    assert (0.0, None) == tuple(
        scan.to_dict()[key] for key in ("started_at", "finished_at")
    )
