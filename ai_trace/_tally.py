"""
How many steps of a session ended in which way, and how long they took together.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from itertools import repeat, starmap

from ai_trace._record import OUTCOMES


_FOLD_AT = 512


class Tally:
    """
    Counts outcomes and durations without a lock on the way of a step.

    Appending to a deque is one operation of the interpreter; folding the deques
    into sums is done rarely, by whoever finds one long, and in C: 0.1 µs a step, not
    0.2 µs.
    """

    __slots__ = ("_counts", "_lock", "_microseconds", "_new")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Count from nothing: what was counted before the fork is the parent's."""
        self._new: dict[str, deque[int]] = {
            outcome: deque() for outcome in (*OUTCOMES, "unfinished")
        }
        self._counts: dict[str, int] = dict.fromkeys(self._new, 0)
        self._microseconds = 0
        # Another thread may have held the one of the parent.
        self._lock = threading.RLock()

    def add(self, outcome: str, microseconds: int) -> None:
        """Count a step that has finished."""
        new = self._new[outcome]
        new.append(microseconds)
        if len(new) >= _FOLD_AT:
            self.fold()

    def fold(self) -> tuple[dict[str, int], float]:
        """Return the count of each outcome and the sum of all durations in ms."""
        with self._lock:
            for outcome, new in self._new.items():
                taken: list[int] = []
                # A signal handler that folds meanwhile leaves less, or nothing.
                with suppress(IndexError):
                    taken.extend(starmap(new.popleft, repeat((), len(new))))
                # No call between reading a sum and writing it: there, a signal could
                # come in.
                count, together = len(taken), sum(taken)
                self._counts[outcome] += count
                self._microseconds += together
            return dict(self._counts), self._microseconds / 1000
