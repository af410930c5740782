"""
How many steps of a session ended in which way, and how long they took together.
"""

from __future__ import annotations

import threading
from collections import deque

from ai_trace._record import OUTCOMES


_FOLD_AT = 512


class Tally:
    """
    Counts outcomes and durations without a lock on the way of a step.

    Appending to a deque is one operation of the interpreter; folding the deque
    into sums is done rarely, by whoever finds it long.
    """

    __slots__ = ("_counts", "_lock", "_microseconds", "_new")

    def __init__(self) -> None:
        self._new: deque[tuple[str, int]] = deque()
        self._counts: dict[str, int] = dict.fromkeys((*OUTCOMES, "unfinished"), 0)
        self._microseconds = 0
        self.after_fork()

    def after_fork(self) -> None:
        """Make the lock anew: another thread may have held it at the fork."""
        self._lock = threading.RLock()

    def add(self, outcome: str, microseconds: int) -> None:
        """Count a step that has finished."""
        new = self._new
        new.append((outcome, microseconds))
        if len(new) >= _FOLD_AT:
            self.fold()

    def fold(self) -> tuple[dict[str, int], float]:
        """Return the count of each outcome and the sum of all durations in ms."""
        with self._lock:
            while self._new:
                outcome, microseconds = self._new.popleft()
                self._counts[outcome] += 1
                self._microseconds += microseconds
            return dict(self._counts), self._microseconds / 1000
