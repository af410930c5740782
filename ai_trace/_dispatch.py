"""
The fence around sinks.

What a sink raises is counted, logged once for each cause, and gets no further than this
file; only what interrupts the program goes on. The other sinks are told all the same.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable
from functools import partial
from types import FunctionType
from typing import Any, Callable, TypeVar

from ai_trace._context import Unrecorded
from ai_trace._interruption import interrupts
from ai_trace._losses import Losses, PartError, cause_of, say
from ai_trace._outcome import message_of
from ai_trace._record import StepRecord
from ai_trace.exceptions import TraceConfigError
from ai_trace.sinks._patience import Patience
from ai_trace.typing import OpenStep, Sink


T = TypeVar("T")

# What a call of these returns has yet to be run.
_WAITING = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)

Show = Callable[[str, str], "tuple[str, list[Any]]"]
"""Takes a text and its path; returns it without secrets, and the notes on that."""


class _Call:
    """
    One method of one sink.
    """

    __slots__ = ("method", "ours", "sink")

    def __init__(self, sink: str, method: Callable[..., Any], *, ours: bool) -> None:
        self.sink = sink
        self.method = method
        self.ours = ours


_NOBODY = (_Call("", lambda *_event: None, ours=True),)


class Dispatch:
    """
    Hands step events to sinks; if it is muted, it only closes them.

    The tuples are replaced, never changed, so threads that iterate over them need no
    lock.

    Attributes:
        start: Takes a step that has started. While the trace file is the only sink,
            this and the next two are the file's own methods, and it is given the line
            of a finished step instead of a record, which saves 1.5 µs a step. What
            they raise is for ``failed``.
        log: Takes a step and its log entry, as JSON text.
        finish: Takes the line of a finished step, and the step.
    """

    __slots__ = (
        "_alone",
        "_inside",
        "_muted",
        "_patience",
        "_several",
        "_show",
        "_undelivered",
        "finish",
        "log",
        "losses",
        "on_finish",
        "on_log",
        "on_start",
        "sinks",
        "start",
    )

    def __init__(self, losses: Losses, show: Show, *, muted: bool) -> None:
        self.losses = losses
        self._show = show
        self._muted = muted
        self._inside = Unrecorded("a sink", losses)
        self._patience: Patience | None = None
        self._undelivered: deque[tuple[_Call, tuple[object, ...]]] = deque()
        self._alone: tuple[_Call, ...] = ()
        self._several = (self.tell_start, self.tell_log, self.tell_finish)
        self.start: Callable[[OpenStep], object] = self.tell_start
        self.log: Callable[[OpenStep, str], object] = self.tell_log
        self.finish: Callable[[bytes, OpenStep], object] = self.tell_finish
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
        self._subscribe(sink)

    def _subscribe(self, sink: Sink) -> None:
        if self._muted:
            return
        on_start = self._calls(sink, "on_start")
        on_log = self._calls(sink, "on_log")
        lines = self._calls(sink, "on_line")
        is_alone = len(self.sinks) == 1 and bool(lines) and lines[0].ours
        its_own = (*(on_start or _NOBODY), *(on_log or _NOBODY), *lines)
        self._alone = its_own if is_alone else ()
        self.on_start += on_start
        self.on_log += on_log
        self.on_finish += self._calls(sink, "on_finish")
        self._choose()

    def _choose(self) -> None:
        """Call the trace file directly while it is the only sink and no event waits."""
        if self._alone:
            start, log, finish = self._alone
            self.start, self.log, self.finish = start.method, log.method, finish.method
        # Last, since another thread may just have left an event for want of stack.
        if self._undelivered or not self._alone:
            self.start, self.log, self.finish = self._several

    def hurry(self, patience: Patience) -> None:
        """Give the program's own sinks this much time from now on, and no more."""
        self._patience = patience
        self.on_start = self.on_log = self.on_finish = ()
        for sink in self.sinks:
            self._subscribe(sink)

    def tell_start(self, step: OpenStep) -> None:
        """Tell all sinks that a step has started."""
        self.tell(self.on_start, step)

    def tell_log(self, step: OpenStep, entry: str) -> None:
        """Tell all sinks of a log entry, as JSON text."""
        self.tell(self.on_log, step, entry)

    def tell_finish(self, line: bytes, step: OpenStep) -> None:
        """Tell all sinks of a finished step."""
        record = StepRecord(line, step.header, step.id, step.parent_id)
        self.tell(self.on_finish, record)

    def failed(self, told: object, exc: BaseException, *event: object) -> None:
        """
        Keep what ``start``, ``log`` or ``finish`` has raised away from the program.

        Args:
            told: The one of them that was called.
            exc: What it raised; it goes on if it interrupts the program.
            event: What it was called with.
        """
        for call in self._alone:
            if call.method is told:
                break
        else:
            # It has a fence of its own: what gets past that is for the program.
            raise exc
        if isinstance(exc, RecursionError):
            # Written out: there is no room on the stack to call ``_choose``.
            self._undelivered.append((call, event))
            self.start, self.log, self.finish = self._several
        else:
            self._settle(call, exc)

    def tell(self, calls: Iterable[_Call], *event: object) -> None:
        """
        Tell sinks of an event, each behind the fence.

        Args:
            calls: ``on_start``, ``on_log`` or ``on_finish``.
            event: The step, or the step and the entry as JSON text, or the record.
        """
        if self._undelivered:
            try:
                self._deliver()
            except RecursionError:
                # Nothing was delivered: there was no room even for the call.
                pass
            except BaseException:
                # Ctrl-C in the middle goes on once this event is told, too.
                self.tell(calls, *event)
                raise
        rest = iter(calls)
        for call in rest:
            try:
                call.method(*event)
            except BaseException as exc:
                if call.ours and type(exc) is RecursionError:
                    # Our own sink had no room on the stack, and has done nothing: the
                    # next event with more room delivers this one, too.
                    self._undelivered.append((call, event))
                    self.start, self.log, self.finish = self._several
                    continue
                try:
                    self._settle(call, exc)
                except BaseException:
                    # Ctrl-C inside one sink goes on once the others have been told.
                    self.tell(rest, *event)
                    raise

    def _settle(self, call: _Call, exc: BaseException) -> None:
        """Keep what a sink raised from the program, unless it interrupts it."""
        if interrupts(exc):
            self.losses.count(call.sink, f"interrupted: {type(exc).__name__}")
            raise exc
        self.report(call.sink, exc)

    def _deliver(self) -> None:
        waiting = self._undelivered
        while waiting:
            try:
                call, event = waiting.popleft()
            except IndexError:
                # Another thread has taken it.
                break
            try:
                call.method(*event)
            except RecursionError:
                waiting.appendleft((call, event))
                return
            except BaseException as exc:
                self._settle(call, exc)
        self._choose()

    def lose_log(self, step: OpenStep) -> None:
        """Tell the sinks that keep a journal that a full step lost a log entry."""
        self._tell_each("on_log_lost", step)

    def close(self) -> None:
        """Close the sinks that can be closed."""
        self._tell_each("close")

    def after_fork(self) -> None:
        """Tell the sinks that keep something open that this is a child process."""
        self._undelivered.clear()
        self._choose()
        self._tell_each("after_fork")

    def _tell_each(self, name: str, *event: object) -> None:
        # All at once: where one is interrupted, the others are told all the same.
        calls = [call for sink in self.sinks for call in self._calls(sink, name)]
        self.tell(calls, *event)

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
            if interrupts(exc):
                raise
            self.report(where, exc)
            return otherwise

    def report(self, where: str, exc: BaseException) -> None:
        """
        Count what failed; the first time of each cause, say so.

        Args:
            where: The sink or part in which it failed.
            exc: What was raised there.
        """
        cause = cause_of(exc)
        self.losses.count(exc.where if type(exc) is PartError else where, cause)
        if self.losses.is_new(where, cause):
            say(
                f"{where} failed: {type(exc).__name__}: "
                f"{self._said(exc).removesuffix('.')}. The program goes on; further "
                "losses of this cause are counted in Tracer.health().",
            )

    def _calls(self, sink: Sink, name: str) -> tuple[_Call, ...]:
        method = getattr(sink, name, None)
        if method is None:
            return ()
        ours = getattr(sink, "traces_nothing", False) is True
        if not ours:
            if self._patience is not None:
                method = partial(self._patience.call, method)
            method = partial(self._inside.run, method)
        return (_Call(type(sink).__name__, method, ours=ours),)

    def _said(self, exc: BaseException) -> str:
        # It may hold a secret, such as a database's address with the password in it,
        # and programs keep their logs for years.
        try:
            return self._show(message_of(exc), "$.message")[0]
        except Exception as broken:
            if interrupts(broken):
                raise
            return "<message cannot be shown>"


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
    if (
        isinstance(sink, type)
        and type(inspect.getattr_static(sink, "on_finish")) is FunctionType
    ):
        name = sink.__name__
        msg = f"sinks: {sink!r} is a class. Make a sink of it: sinks=[{name}(...)]."
        raise TraceConfigError(msg)
    for name in ("on_finish", "on_start", "on_log", "close"):
        method = getattr(sink, name, check_sink)
        if not callable(method) or any(waits(method) for waits in _WAITING):
            msg = (
                f"sinks: {sink!r} has an attribute {name!r} that cannot be called, or "
                "that would have to be awaited or iterated. Make it a plain method, "
                "which may hand the step to a queue or a task, or leave it out."
            )
            raise TraceConfigError(msg)
