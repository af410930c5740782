"""
Which exceptions the root steps of a session have told of.

Nothing is kept of an exception itself: whoever holds it holds all the frames that it
came through, and what they hold.
"""

from __future__ import annotations

from collections import deque
from types import CodeType
from typing import Any

from ai_trace._objects import traceback_of
from ai_trace._outcome import leaves_of


_MOST = 64

Mark = tuple[int, int, CodeType, int]


class Told:
    """
    Knows again the exceptions that were told of last.

    By its identity, which is another's once it is freed, and by where it stood then: an
    exception that was raised at that same place was raised in that same step.
    """

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=_MOST)

    def add(self, exc: BaseException) -> None:
        """Remember an exception that a root step has ended with."""
        entry = traceback_of(exc)
        if entry is not None:
            self._marks.append(_mark(exc, entry))

    def knows(self, exc: BaseException) -> bool:
        """
        Tell whether an exception was told of, or each member of a group.

        Of one that had been raised nowhere when it was told of, this is not known.
        """
        return next(leaves_of(exc, self._has), None) is None

    def _has(self, exc: BaseException) -> bool:
        marks = list(self._marks)
        entry = traceback_of(exc)
        while entry is not None and marks:
            if _mark(exc, entry) in marks:
                return True
            entry = entry.tb_next
        return False


def _mark(exc: BaseException, entry: Any) -> Mark:
    return id(exc), id(type(exc)), entry.tb_frame.f_code, entry.tb_lasti
