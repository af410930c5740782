"""
What was lost: counted by place and cause, and each cause said once.
"""

from __future__ import annotations

import errno
import itertools
import sys
import threading
import warnings
from types import FrameType
from typing import Any

from ai_trace._interruption import interrupts
from ai_trace._visible import visible


_errno: Any = OSError.__dict__["errno"]

_ends_in: int | None = None


class LossError(OSError):
    """
    A loss whose cause is its message, in words of our own.
    """


class PartError(OSError):
    """
    A part of a sink failed, by which no finished step is lost.

    Attributes:
        where: Which part.
        cause: Why it failed, in a word.
    """

    def __init__(self, exc: Exception, where: str) -> None:
        self.where, self.cause = where, cause_of(exc)
        if isinstance(exc, OSError):
            super().__init__(exc.errno, exc.strerror)
        else:
            super().__init__(self.cause)


class Losses:
    """
    Counts losses by place and cause, and says each cause once.

    Attributes:
        at_limit: Counts a step for which there was no room on the stack, and so none
            for ``count``.
    """

    __slots__ = ("_at_limit", "_counts", "_lock", "_said", "at_limit")

    def __init__(self) -> None:
        self.at_limit = itertools.count().__next__
        self._at_limit = 0
        self._said: set[tuple[str, str]] = set()
        self.after_fork()

    def after_fork(self) -> None:
        """Count from nothing: what was lost before the fork, its parent has lost."""
        self._counts: dict[str, dict[str, int]] = {}
        # Another thread may have held the one of the parent.
        self._lock = threading.RLock()

    def count(self, where: str, cause: str, *, lost: int = 1) -> bool:
        """
        Count a loss.

        Args:
            where: The sink or part that lost something.
            cause: Why.
            lost: How many things were lost.

        Returns:
            Whether this is the first loss of that cause there.
        """
        with self._lock:
            causes = self._counts.setdefault(where, {})
            causes[cause] = causes.get(cause, 0) + lost
            return causes[cause] == lost

    def is_new(self, where: str, cause: str) -> bool:
        """Tell whether nobody has asked this before: each cause is said once."""
        with self._lock:
            known = (where, cause) in self._said
            self._said.add((where, cause))
            return not known

    def counts(self) -> dict[str, dict[str, int]]:
        """Return a copy of all counts."""
        with self._lock:
            # Asking the counter counts, too.
            lost = self.at_limit() - self._at_limit
            self._at_limit += lost + 1
            if lost:
                self.count("step", "not recorded: RecursionError", lost=lost)
            return {where: dict(causes) for where, causes in self._counts.items()}


def cause_of(exc: BaseException) -> str:
    """
    Return the cause of a loss in a word: ``ENOSPC``, ``ValueError``.

    Never the message of the program's own sink: it differs each time, by addresses,
    moments and secrets, and each would be a cause of its own.
    """
    kind = type(exc)
    if not issubclass(kind, OSError):
        return kind.__name__
    if type(exc) is PartError:
        return exc.cause
    number: object = _errno.__get__(exc)
    if type(number) is int and number in errno.errorcode:
        return errno.errorcode[number]
    return str(exc) if kind is LossError else kind.__name__


def say(message: str) -> None:
    """
    Log one warning about ourselves; whatever goes wrong with it stays here.

    Args:
        message: What to say. A sink may have written some of it, and a terminal would
            do what it says: what does not print is escaped.
    """
    try:
        _log(visible(message))
    except Exception as exc:
        if interrupts(exc):
            raise


def _log(message: str) -> None:
    try:
        import logging
    except (ImportError, OSError):
        # Without a free descriptor it cannot be loaded. A program that configures
        # logging has loaded it, so all it would do here is this.
        if sys.stderr is not None:
            sys.stderr.write(f"{message}\n")
        return
    logging.getLogger("ai_trace").warning(message)


def program_ends() -> None:
    """
    Say no more of what other threads do wrong: the program ends in this one.

    They are daemon threads, which go on until the interpreter stops them. Nothing tells
    them that the tracers are closed, so their late steps are no mistake of anybody.
    """
    global _ends_in
    _ends_in = threading.get_ident()


def warn(message: str) -> None:
    """
    Warn the user about a wrong use of a step, at the line of the program.

    Where warnings are turned into errors, the error is logged instead: a wrong
    use of the recorder must not end the program that it watches.
    """
    if _ends_in not in (None, threading.get_ident()):
        return
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=_level_of_program())
    except Exception as exc:
        if interrupts(exc):
            raise
        say(message)


def _level_of_program() -> int:
    """Return which frame is the program's, counted from the one that warns."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
        level += 1
    return level


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__")
    return type(name) is str and name.partition(".")[0] == __package__
