"""
Tells what interrupts the program from what fails in our code.

Ctrl-C and ``SystemExit`` are known by their class. The ``TimeoutError`` of an alarm is
an ordinary exception, which a fence around our code would take for a failure of ours:
it is known by the signal handler in its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import CO_VARARGS
from types import FrameType
from typing import Any

from ai_trace._objects import traceback_of


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
    if code.co_argcount < 2 and not code.co_flags & CO_VARARGS:
        return
    values = frame.f_locals
    for name in code.co_varnames[: code.co_argcount]:
        yield values.get(name)
    if code.co_flags & CO_VARARGS:
        rest = values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount])
        if type(rest) is tuple:
            yield from rest
