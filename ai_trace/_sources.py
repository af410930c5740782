"""
Where a tracer gets its moments and its ids: a clock, and a source of ids.
"""

from __future__ import annotations

import time

from ai_trace._interruption import interrupts
from ai_trace._objects import short_name
from ai_trace._outcome import message_of
from ai_trace.exceptions import TraceConfigError
from ai_trace.typing import Clock


SOURCES = {"clock": ("time", "monotonic"), "ids": ("step_id", "trace_id")}
"""The methods of each, by the name of the tracer's argument."""


class SystemClock:
    """
    The clocks of the operating system.
    """

    monotonic = staticmethod(time.perf_counter)
    time = staticmethod(time.time)


def check_sources(clock: object, ids: object) -> None:
    """Refuse a clock or a source of ids that lacks a method."""
    for name, given in (("clock", clock), ("ids", ids)):
        lacking = [m for m in SOURCES[name] if not callable(getattr(given, m, None))]
        if given is not None and lacking:
            msg = (
                f"Tracer({name}={given!r}): it has no method {lacking[0]}(). Give an "
                f"object with {' and '.join(SOURCES[name])}, or leave it out."
            )
            raise TraceConfigError(msg)


def moment_of(clock: Clock) -> float:
    """Read a clock for the first time; refuse one that tells no time."""
    try:
        now = float(clock.time())
        time.gmtime(now)
    except Exception as exc:
        if interrupts(exc):
            raise
        msg = (
            f"Tracer(clock={clock!r}): its time() tells no time: {message_of(exc)} "
            f"({short_name(type(exc))}). Give one that returns seconds since "
            "the epoch, as time.time() does, or leave it out."
        )
        raise TraceConfigError(msg) from exc
    return now
