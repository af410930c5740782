"""
Calls that may take only so long: those of the program's own sinks as it ends.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Callable

from ai_trace._losses import LossError


_AGAIN_SECONDS = 0.1


class _TooLong(BaseException):
    # Not an Exception: a sink that catches those has to end all the same.
    pass


class Patience:
    """
    How long the sinks of a program may take at its end, all of them together.

    A sink that waits for what never comes would keep the program from ending. The
    alarm signal gets it out of there, for no thread can be started so late. It is ours
    during these calls alone; where the system has none, on Windows, nothing is bounded.

    Args:
        seconds: How long, from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def call(self, method: Callable[..., Any], *event: object) -> None:
        """
        Call a method of a sink, for as long as there is time.

        Raises:
            LossError: If there is no time left, or it was not enough.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            msg = "not called: the program ends"
            raise LossError(msg)
        try:
            with _alarm(left):
                method(*event)
        except _TooLong:
            msg = "stopped: the program ends"
            raise LossError(msg) from None


@contextmanager
def _alarm(seconds: float) -> Generator[None, None, None]:
    before = _free_signal()
    if before is None:
        yield
        return
    is_armed = True

    def stop(*_: object) -> None:
        if is_armed:
            raise _TooLong

    rest = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        signal.signal(signal.SIGALRM, stop)
        # The time may be up before this call returns.
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        yield
    finally:
        is_armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *rest)


def _free_signal() -> Any:
    """Return what the alarm does now; ``None`` if it is not for us to set."""
    if not hasattr(signal, "setitimer"):  # pragma: no cover - Windows
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.getsignal(signal.SIGALRM)
