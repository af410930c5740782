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
_MOST_CHARACTERS = 1_000

Mark = tuple[int, int, CodeType, int]

_args: Any = BaseException.__dict__["args"]


class Told:
    """
    Knows again the exceptions that were told of last.

    By its identity, which is another's once it is freed, and by where it stood then: an
    exception that was raised at that same place was raised in that same step. One that
    had been raised nowhere is known by the texts that it was made of: while they are
    kept, another of its class hardly has these very ones.
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
        Tell whether an exception was told of, or each member of a group.

        Of one that had been raised nowhere when it was told of, this is not known
        unless it was made of texts alone.
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
