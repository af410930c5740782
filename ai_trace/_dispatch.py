"""
The fence around sinks, and the count of what was lost.

No exception of a sink gets past this file: it is logged once for each cause,
counted, and the other sinks are served all the same.
"""

from __future__ import annotations

import errno
import threading
import warnings
from functools import partial
from typing import Any, Callable, NamedTuple, TypeVar

from ai_trace._context import InSink, current
from ai_trace._record import StepRecord
from ai_trace.exceptions import TraceConfigError
from ai_trace.typing import OpenStep, Sink


T = TypeVar("T")


class _Call(NamedTuple):
    """
    One method of one sink.
    """

    sink: str
    method: Callable[..., Any]
    guarded: bool


class Losses:
    """
    Counts losses by place and cause, and says each cause once.
    """

    __slots__ = ("_counts", "_lock", "_said")

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}
        self._said: set[tuple[str, str]] = set()
        self.after_fork()

    def after_fork(self) -> None:
        """Make the lock anew: another thread may have held it at the fork."""
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
            return {where: dict(causes) for where, causes in self._counts.items()}


class Dispatch:
    """
    Hands step events to sinks.

    The tuples are replaced, never changed, so that the threads that go through
    them need no lock.
    """

    __slots__ = ("_inside", "losses", "on_finish", "on_log", "on_start", "sinks")

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self._inside = InSink(self._refuse)
        self.sinks: tuple[Sink, ...] = ()
        self.on_start: tuple[_Call, ...] = ()
        self.on_log: tuple[_Call, ...] = ()
        self.on_finish: tuple[_Call, ...] = ()

    def add(self, sink: Sink) -> None:
        """
        Subscribe a sink.

        Raises:
            TraceConfigError: If it has no ``on_finish``, or a method of a sink
                that cannot be called.
        """
        check_sink(sink)
        self.sinks += (sink,)
        self.on_start += _calls(sink, "on_start")
        self.on_log += _calls(sink, "on_log")
        self.on_finish += _calls(sink, "on_finish")

    def start(self, step: OpenStep) -> None:
        """Tell sinks that a step has started."""
        for call in self.on_start:
            self._tell(call, step)

    def log(self, step: OpenStep, entry: str) -> None:
        """Tell sinks of a log entry, as JSON text."""
        for call in self.on_log:
            self._tell(call, step, entry)

    def finish(self, record: StepRecord) -> None:
        """Tell sinks that a step has finished."""
        for call in self.on_finish:
            self._tell(call, record)

    def close(self) -> None:
        """Close the sinks that can be closed."""
        for sink in self.sinks:
            for call in _calls(sink, "close"):
                self._tell(call)

    def after_fork(self) -> None:
        """Tell the sinks that keep something open that this is a child process."""
        for sink in self.sinks:
            for call in _calls(sink, "after_fork"):
                self._tell(call)

    def fenced(self, where: str, call: Callable[[], T], otherwise: T) -> T:
        """
        Do something for the user that must not raise into the program.

        Args:
            where: What is done, for the count of losses.
            call: Does it.
            otherwise: Returned in its place when it fails.
        """
        try:
            return call()
        except Exception as exc:
            self._report(where, exc)
            return otherwise

    def _refuse(self) -> None:
        self.losses.count("step", "not recorded: it was made inside a sink")

    def _tell(self, call: _Call, *event: object) -> None:
        sink, method, guarded = call
        if guarded:
            method = partial(self._inside_of_sink, method)
        try:
            method(*event)
        except Exception as exc:
            self._report(sink, exc)

    def _inside_of_sink(self, method: Callable[..., Any], *event: object) -> None:
        before = current.get()
        current.set(self._inside)
        try:
            method(*event)
        finally:
            current.set(before)

    def _report(self, sink: str, exc: Exception) -> None:
        cause = cause_of(exc)
        self.losses.count(getattr(exc, "where", sink), cause)
        if self.losses.is_new(sink, cause):
            say(
                f"{sink} failed: {type(exc).__name__}: {_text_of(exc)}. The program "
                "goes on; further losses of this cause are counted in "
                "Tracer.health().",
            )


def check_sink(sink: object) -> None:
    """
    Refuse what is not a sink.

    Raises:
        TraceConfigError: If it has no ``on_finish(record)``.
    """
    if not callable(getattr(sink, "on_finish", None)):
        msg = (
            f"sinks: {sink!r} is not a sink: it has no on_finish(record) method. "
            "Give it one, or use JSONLSink, JSONSink, MarkdownSink or MemorySink."
        )
        raise TraceConfigError(msg)
    for name in ("on_start", "on_log", "close"):
        if not callable(getattr(sink, name, check_sink)):
            msg = (
                f"sinks: {sink!r} has an attribute {name!r} that cannot be called. "
                "Make it a method, or leave it out."
            )
            raise TraceConfigError(msg)


def _calls(sink: Sink, name: str) -> tuple[_Call, ...]:
    method = getattr(sink, name, None)
    if method is None:
        return ()
    guarded = not getattr(sink, "traces_nothing", False)
    return (_Call(type(sink).__name__, method, guarded),)


def cause_of(exc: BaseException) -> str:
    """Return the cause of a loss in a word: ``ENOSPC``, ``ValueError``."""
    if not isinstance(exc, OSError):
        return type(exc).__name__
    return errno.errorcode.get(exc.errno or 0) or str(exc) or type(exc).__name__


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return "<message cannot be shown>"


def say(message: str) -> None:
    """Log one warning about ourselves; whatever goes wrong with it stays here."""
    import logging

    try:
        logging.getLogger("ai_trace").warning(message)
    except Exception:
        return


def warn(message: str, *, stacklevel: int = 3) -> None:
    """
    Warn the user about a wrong use of a step.

    Where warnings are turned into errors, the error is logged instead: a wrong
    use of the recorder must not end the program that it watches.
    """
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
    except Exception:
        say(message)
