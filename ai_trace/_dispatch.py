"""
The fence around sinks.

No exception of a sink gets past this file: it is logged once for each cause,
counted, and the other sinks are served all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import partial
from inspect import getattr_static
from types import FunctionType
from typing import Any, Callable, TypeVar

from ai_trace._context import Unrecorded
from ai_trace._interruption import interrupts
from ai_trace._losses import Losses, PartError
from ai_trace._losses import cause_of as cause_of
from ai_trace._losses import say as say
from ai_trace._losses import warn as warn
from ai_trace._outcome import message_of
from ai_trace._record import StepRecord
from ai_trace.exceptions import TraceConfigError
from ai_trace.sinks._patience import Patience
from ai_trace.typing import OpenStep, Sink


T = TypeVar("T")

Show = Callable[[str, str], "tuple[str, list[Any]]"]
"""Takes the secrets out of a text that stands at a path, and says so."""


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
    Hands step events to sinks.

    The tuples are replaced, never changed, so that the threads that go through
    them need no lock.

    Attributes:
        start: Told of a step that has started. While the trace file is the only sink,
            this and the next two are its own methods, and of a finished step it takes
            the line; no record is made: 1.5 µs a step. What they raise is for
            ``failed``.
        log: Told of a step and its log entry, as JSON text.
        finish: Told of the line of a finished step, and the step.
    """

    __slots__ = (
        "_alone",
        "_inside",
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

    def __init__(self, losses: Losses, show: Show) -> None:
        self.losses = losses
        self._show = show
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
        """Let the trace file be told itself while it is alone and owed nothing."""
        if self._alone:
            start, log, finish = self._alone
            self.start, self.log, self.finish = start.method, log.method, finish.method
        # Asked last: meanwhile another thread may have found no room on its stack.
        if self._undelivered or not self._alone:
            self.start, self.log, self.finish = self._several

    def hurry(self, patience: Patience) -> None:
        """Let the sinks of the program have so much time from now on, and no more."""
        self._patience = patience
        self.on_start = self.on_log = self.on_finish = ()
        for sink in self.sinks:
            self._subscribe(sink)

    def tell_start(self, step: OpenStep) -> None:
        """Tell any sinks that a step has started."""
        self.tell(self.on_start, step)

    def tell_log(self, step: OpenStep, entry: str) -> None:
        """Tell any sinks of a log entry, as JSON text."""
        self.tell(self.on_log, step, entry)

    def tell_finish(self, line: bytes, step: OpenStep) -> None:
        """Tell any sinks of a finished step."""
        record = StepRecord(line, step.header, step.id, step.parent_id)
        self.tell(self.on_finish, record)

    def failed(self, told: object, exc: BaseException, *event: object) -> None:
        """
        Keep from the program what ``start``, ``log`` or ``finish`` has raised.

        Args:
            told: Which of them, as it was called.
            exc: What it raised; it goes on if it interrupts the program.
            event: What it was told.
        """
        for call in self._alone:
            if call.method is told:
                break
        else:
            # Any sinks were told behind the fence: what gets past it goes on.
            raise exc
        if isinstance(exc, RecursionError):
            # Not by ``_choose``: there is no room on the stack.
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
                # Nothing was taken out: not even the call had room.
                pass
        rest = iter(calls)
        for call in rest:
            try:
                call.method(*event)
            except BaseException as exc:
                if call.ours and type(exc) is RecursionError:
                    # Our sinks had no room on the stack to begin with: whoever has
                    # more of it tells them.
                    self._undelivered.append((call, event))
                    self.start, self.log, self.finish = self._several
                    continue
                try:
                    self._settle(call, exc)
                except BaseException:
                    # Ctrl-C inside of one sink goes on once the others are told.
                    self.tell(rest, *event)
                    raise

    def _settle(self, call: _Call, exc: BaseException) -> None:
        """Keep what a sink raised from the program, unless it interrupts it."""
        if interrupts(exc):
            self.losses.count(call.sink, f"interrupted: {type(exc).__name__}")
            raise exc
        self._report(call.sink, exc)

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
            except Exception as exc:
                if interrupts(exc):
                    raise
                self._report(call.sink, exc)
        self._choose()

    def lose_log(self, step: OpenStep) -> None:
        """Tell the sinks that keep a journal that a log entry found the step full."""
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
        for sink in self.sinks:
            self.tell(self._calls(sink, name), *event)

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
            self._report(where, exc)
            return otherwise

    def _calls(self, sink: Sink, name: str) -> tuple[_Call, ...]:
        method = getattr(sink, name, None)
        if method is None:
            return ()
        ours = bool(getattr(sink, "traces_nothing", False))
        if not ours:
            if self._patience is not None:
                method = partial(self._patience.call, method)
            method = partial(self._inside.run, method)
        return (_Call(type(sink).__name__, method, ours=ours),)

    def _report(self, sink: str, exc: BaseException) -> None:
        cause = cause_of(exc)
        self.losses.count(exc.where if type(exc) is PartError else sink, cause)
        if self.losses.is_new(sink, cause):
            say(
                f"{sink} failed: {type(exc).__name__}: {self._said(exc)}. The program "
                "goes on; further losses of this cause are counted in "
                "Tracer.health().",
            )

    def _said(self, exc: BaseException) -> str:
        # The address of a database, say, with its password: the program may keep its
        # log for years.
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
        and type(getattr_static(sink, "on_finish")) is FunctionType
    ):
        name = sink.__name__
        msg = f"sinks: {sink!r} is a class. Make a sink of it: sinks=[{name}(...)]."
        raise TraceConfigError(msg)
    for name in ("on_start", "on_log", "close"):
        if not callable(getattr(sink, name, check_sink)):
            msg = (
                f"sinks: {sink!r} has an attribute {name!r} that cannot be called. "
                "Make it a method, or leave it out."
            )
            raise TraceConfigError(msg)
