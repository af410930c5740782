"""
Which exceptions the root steps of a session have recorded.

No exception is kept: that would keep alive all the frames it came through, and all
that they hold.
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
    Recognises the exceptions that were recorded last.

    By identity, which may be another's once an exception is freed, and by the place
    it had come to: whatever was raised at that place was raised in that same step.
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
        Tell whether an exception was recorded, or each member of a group.

        Of one that had not been raised when it was recorded, that is not known.
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
