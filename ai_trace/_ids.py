"""
Ids in the shape of OpenTelemetry, so that an export is a relabelling.

Unless the program gives a source of its own, all bits come from the operating system:
its ``random.seed()`` can never make two steps share an id.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container

from ai_trace._interruption import interrupts
from ai_trace._losses import Losses
from ai_trace._objects import short_name
from ai_trace.typing import Ids


_STEP_ID_BYTES = 8
_POOL_SIZE = 256
_HEX = frozenset("0123456789abcdef")


def _random_texts(size: int) -> list[str]:
    return os.urandom(size * _POOL_SIZE).hex(" ", size).split()


def _random_step_ids() -> list[str]:
    return _random_texts(_STEP_ID_BYTES)


def _random_trace_ends() -> list[str]:
    # Version 7 and 12 random bits; the variant and 62 random bits, two of them zero.
    return [f"7{text[:3]}8{text[3:]}" for text in _random_texts(9)]


class RandomIds:
    """
    The default source of ids, safe across threads and forks.

    Both are drawn from the operating system 256 at a time: 50 ns an id instead of
    350 ns for one ``os.urandom`` call each. Taking the last one off a list is a
    single operation of the interpreter, so two threads never get the same id: with
    the iterator of a list they do where there is no lock around the interpreter.
    """

    __slots__ = ("_millisecond", "_pool", "_trace_ends")

    def __init__(self) -> None:
        # When a millisecond begins, when it is over, and its text.
        self._millisecond = (0.0, 0.0, "")
        self.after_fork()

    def after_fork(self) -> None:
        """Forget the ids drawn before the fork, which the parent will use."""
        self._pool = _random_step_ids()
        self._trace_ends = _random_trace_ends()

    def step_id(self) -> str:
        """Return 16 lowercase hex digits, unique."""
        try:
            return self._pool.pop()
        except IndexError:
            fresh = _random_step_ids()
            step_id = fresh.pop()
            self._pool = fresh
            return step_id

    def trace_id(self) -> str:
        """
        Return a UUIDv7 as 32 lowercase hex digits, so that ids sort by time.

        Built here because ``uuid.uuid7`` exists from Python 3.14 only. The layout
        is RFC 9562, section 5.7: 48 bits of milliseconds, version, 12 random
        bits, variant, 62 random bits, of which two are left at zero.
        """
        now = time.time()
        begin, end, text = self._millisecond
        if not begin <= now < end:
            number = int(max(now, 0.0) * 1000)
            # A third of what formatting takes, and once for all steps of a millisecond.
            text = number.to_bytes(6, "big").hex()
            self._millisecond = (number / 1000, (number + 1) / 1000, text)
        try:
            return f"{text}{self._trace_ends.pop()}"
        except IndexError:
            fresh = _random_trace_ends()
            trace_id = f"{text}{fresh.pop()}"
            self._trace_ends = fresh
            return trace_id


class GivenIds(RandomIds):
    """
    Ids from the program's own source, replaced where they are not valid.

    Args:
        given: The source.
        open_steps: The steps that are open, by the ids that no other step may have.
        losses: Counts those that were replaced.
    """

    __slots__ = ("_given", "_losses", "_open_steps")

    def __init__(self, given: Ids, open_steps: Container[str], losses: Losses) -> None:
        super().__init__()
        self._given = given
        self._open_steps = open_steps
        self._losses = losses

    def step_id(self) -> str:
        """Return 16 lowercase hex digits."""
        return self._checked("step_id", 16) or super().step_id()

    def trace_id(self) -> str:
        """Return 32 lowercase hex digits."""
        return self._checked("trace_id", 32) or super().trace_id()

    def _checked(self, name: str, digits: int) -> str | None:
        try:
            given: object = getattr(self._given, name)()
            cause = "not hex digits"
        except RecursionError:
            raise
        except Exception as exc:
            if interrupts(exc):
                raise
            given, cause = None, short_name(type(exc))
        if type(given) is str and len(given) == digits and _HEX.issuperset(given):
            if given not in self._open_steps:
                return given
            cause = "of an open step"
        self._losses.count("ids", f"{name} replaced: {cause}")
        return None
