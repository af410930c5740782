"""
Which exceptions the root steps of a session have told of.

Nothing is kept of an exception itself: whoever holds it holds all the frames that it
came through, and what they hold.
"""

from __future__ import annotations

from collections import deque
from types import CodeType
from typing import Any

from ai_trace._outcome import members_of


_MOST = 64

_code: Any = SystemExit.__dict__["code"]
_traceback: Any = BaseException.__dict__["__traceback__"]

Mark = tuple[int, int, CodeType, int]


def ends_well(exc: BaseException) -> bool:
    """Tell whether an exception is how a program ends that ends by itself."""
    kind = type(exc)
    if not issubclass(kind, SystemExit):
        return issubclass(kind, GeneratorExit)
    code = _code.__get__(exc)
    return code is None or (type(code) in (int, bool) and code == 0)


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
        entry = _traceback.__get__(exc)
        if entry is not None:
            self._marks.append(_mark(exc, entry))

    def knows(self, exc: BaseException) -> bool:
        """
        Tell whether an exception was told of, or each member of a group.

        Of one that had been raised nowhere when it was told of, this is not known.
        """
        pending = [exc]
        seen: set[int] = set()
        while pending:
            one = pending.pop()
            if id(one) in seen or self._has(one):
                continue
            # Before Python 3.11 a group may be made to hold itself.
            seen.add(id(one))
            members = members_of(one)
            if not members:
                return False
            pending += members
        return True

    def _has(self, exc: BaseException) -> bool:
        marks = list(self._marks)
        entry = _traceback.__get__(exc)
        while entry is not None and marks:
            if _mark(exc, entry) in marks:
                return True
            entry = entry.tb_next
        return False


def _mark(exc: BaseException, entry: Any) -> Mark:
    return id(exc), id(type(exc)), entry.tb_frame.f_code, entry.tb_lasti
