"""
Which exceptions the root steps of a session have recorded.

No exception is kept: that would keep alive all the frames it came through, and all
that they hold.
"""

from __future__ import annotations

from collections import deque
from types import CodeType
from typing import Any

from ai_trace._interruption import traceback_of
from ai_trace._outcome import leaves_of


_MOST = 64
_MOST_CHARACTERS = 1_000

Mark = tuple[int, int, CodeType, int]

_args: Any = BaseException.__dict__["args"]


class Told:
    """
    Recognizes the exceptions that were recorded last.

    By identity, which may be another's once an exception is freed, and by the place
    it had come to: whatever was raised at that place was raised in that same step. One
    that had not been raised is recognized by the texts that it was made of: while these
    are kept, hardly any other exception of its class has the very same ones.
    """

    __slots__ = ("_made_of", "_marks")

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=_MOST)
        self._made_of: deque[tuple[tuple[int, int], object]] = deque(maxlen=_MOST)

    def add(self, exc: BaseException) -> None:
        """Remember an exception that a root step has ended with."""
        entry = traceback_of(exc)
        if entry is not None:
            self._marks.append(_mark(exc, entry))
        elif _is_made_of_texts(exc):
            self._made_of.append((_identity(exc), _args.__get__(exc)))

    def knows(self, exc: BaseException) -> bool:
        """
        Tell whether an exception was recorded, or each member of a group.

        Of one that had not been raised when it was recorded, that is known only if it
        was made of texts alone.
        """
        return next(leaves_of(exc, self._has), None) is None

    def _has(self, exc: BaseException) -> bool:
        now = _identity(exc), _args.__get__(exc)
        if any(was[0] == now[0] and was[1] is now[1] for was in [*self._made_of]):
            return True
        marks = list(self._marks)
        entry = traceback_of(exc)
        while entry is not None and marks:
            if _mark(exc, entry) in marks:
                return True
            entry = entry.tb_next
        return False


def _mark(exc: BaseException, entry: Any) -> Mark:
    return *_identity(exc), entry.tb_frame.f_code, entry.tb_lasti


def _identity(exc: BaseException) -> tuple[int, int]:
    return id(exc), id(type(exc))


def _is_made_of_texts(exc: BaseException) -> bool:
    # Nothing else may be kept; and no text at all is the same for all exceptions.
    given = _args.__get__(exc)
    are_texts = bool(given) and all(type(each) is str for each in given)
    return are_texts and sum(map(len, given)) <= _MOST_CHARACTERS
