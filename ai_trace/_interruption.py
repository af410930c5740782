"""
Tells what interrupts the program from what fails in our code.

Ctrl-C and ``SystemExit`` are known by their class. The ``TimeoutError`` of an alarm is
an ordinary exception, which a fence around our code would take for a failure of ours:
it is known by the signal handler in its traceback.
"""

from __future__ import annotations

import sys


# Whatever reads a file asks, too, and a list of sessions loads as little as it can:
# inspect and typing take 10 ms.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any, Callable

_TAKES_FURTHER = 4
"""The flag of code with ``*args``: ``inspect.CO_VARARGS``."""

traceback_of: Callable[[BaseException], Any] = BaseException.__dict__[
    "__traceback__"
].__get__
"""Where an exception was raised, and what it came through; no code of its own runs."""


def interrupts(exc: BaseException) -> bool:
    """
    Tell whether an exception only passes through our code, on its way to the program.

    Args:
        exc: What a fence has caught.

    Returns:
        ``True`` if it is no ``Exception``, or was raised in a signal handler, or in
        what that has called.
    """
    kind = type(exc)
    if issubclass(kind, (RecursionError, MemoryError)):
        # There is hardly room to ask, and signal handlers do not raise them.
        return False
    if not issubclass(kind, Exception):
        return True
    signals: Any = sys.modules.get("signal")
    if signals is None:
        return False
    entry = traceback_of(exc)
    while entry is not None:
        if _is_of_signal(entry.tb_frame, signals):
            return True
        entry = entry.tb_next
    return False


def _is_of_signal(frame: FrameType, signals: Any) -> bool:
    # The interpreter calls a handler with the signal's number and the frame that was
    # interrupted, which is the frame below it on the stack: nobody else does that.
    number: object = None
    for value in _arguments(frame):
        if value is not None and value is frame.f_back and type(number) is int:
            known = 0 < number < signals.NSIG
            return known and callable(signals.getsignal(number))
        number = value
    return False


def _arguments(frame: FrameType) -> Iterator[object]:
    code = frame.f_code
    if code.co_argcount < 2 and not code.co_flags & _TAKES_FURTHER:
        return
    values = frame.f_locals
    for name in code.co_varnames[: code.co_argcount]:
        yield values.get(name)
    if code.co_flags & _TAKES_FURTHER:
        rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        if type(rest) is tuple:
            yield from rest
