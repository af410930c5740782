"""
What an exception says about the step that it ended.
"""

from __future__ import annotations

import traceback


_CANCELLED = {
    ("asyncio.exceptions", "CancelledError"),
    ("trio", "Cancelled"),
    ("trio._core._exceptions", "Cancelled"),
}
_MAX_FRAMES = 100


def outcome_of(exc: BaseException) -> str:
    """
    Return the outcome of a step that an exception ended.

    Cancellation and closing are ordinary ends, not errors. The classes of asyncio
    and trio are known by name, so that asking imports neither.
    """
    if isinstance(exc, GeneratorExit):
        return "closed"
    if isinstance(exc, (KeyboardInterrupt, SystemExit)):
        return "interrupted"
    return "cancelled" if _is_cancellation(exc) else "error"


def _is_cancellation(exc: BaseException) -> bool:
    pending = [exc]
    while pending:
        one = pending.pop()
        # A group is cancelled when all its leaves are (Python 3.11, anyio, trio).
        inner = getattr(one, "exceptions", None) if _is_group(one) else None
        if inner:
            pending += inner
        elif not any(
            (base.__module__, base.__qualname__) in _CANCELLED
            for base in type(one).__mro__
        ):
            return False
    return True


def _is_group(exc: BaseException) -> bool:
    return any(base.__name__ == "BaseExceptionGroup" for base in type(exc).__mro__)


def error_text(exc: BaseException) -> str:
    """Return ``Type: message``, or the type alone where there is no message."""
    name = type(exc).__name__
    try:
        message = str(exc)
    except Exception as broken:
        message = f"<message cannot be shown: {type(broken).__name__}>"
    return f"{name}: {message}" if message else name


def traceback_text(exc: BaseException) -> str:
    """
    Return the full traceback with its chain of causes.

    Of a long stack the innermost 100 frames are kept: the outer ones stand in the
    steps further up, and a recursion of 1,000 levels would otherwise be written
    1,000 times.
    """
    lines = traceback.TracebackException(
        type(exc), exc, exc.__traceback__, limit=-_MAX_FRAMES
    ).format()
    return "".join(lines)
