"""
How long a step has been open, for times measured from its start.
"""

from __future__ import annotations

from ai_trace._interruption import interrupts
from ai_trace._live_step import LiveStep


def seconds_open(step: LiveStep) -> float | None:
    """
    Return how long ago a step started, to the microsecond.

    Returns:
        Seconds; ``None`` if a clock of the program's own fails.
    """
    try:
        return round(step.recorder.monotonic() - step._origin, 6)
    except Exception as exc:
        if interrupts(exc):
            raise
        step._lose("time", exc)
        return None
