"""
What all steps of one session share: identity, time, ids, limits, sinks, counts.

The tracer is what the program knows a recorder by; steps and calls know the recorder.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from contextlib import ExitStack
from typing import Any, Callable

from ai_trace import _context
from ai_trace._capture import Capture
from ai_trace._dispatch import Dispatch
from ai_trace._encode import encode_text
from ai_trace._header import SessionHeader
from ai_trace._ids import GivenIds, RandomIds
from ai_trace._limits import LONGEST_NAME
from ai_trace._losses import Losses
from ai_trace._moments import Moments
from ai_trace._tally import Tally
from ai_trace._told_exceptions import Told
from ai_trace.sinks._jsonl import shareable
from ai_trace.typing import Clock, Ids, Sink


_MAX_HEADS = 4096


class Recorder:
    """
    The engine of a tracer.

    Attributes:
        header: The session.
        capture: The choke point for values.
        losses: What was lost, by place and cause.
        open_steps: The steps that have started and not finished, by id. Taking a
            step out is what makes it finish only once, whoever tries.
        next_seq: Returns the number of the next start.
        split: Splits a moment into a whole second and microseconds.
        heads: The constant part of a step's line, and the notes on its name, by name,
            kind and function. To look it up takes 0.1 µs a step, to make it 0.9 µs.
        closed: Whether the session has ended.
        step_class: Makes a step of a recorder, a name and a context.
        told: Which exceptions root steps have ended with.
        muted: Whether nothing is recorded, by ``AI_TRACE_DISABLED``.
        tracer: What the program knows it by.
        deferred: Steps that had no room on the stack to end, and how they end.
    """

    def __init__(
        self,
        header: SessionHeader,
        capture: Capture,
        clock: Clock,
        ids: Ids | None,
        losses: Losses,
        step_class: Callable[..., Any],
        *,
        muted: bool = False,
    ) -> None:
        self.header = header
        self.capture = capture
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.losses = losses
        self.dispatch = Dispatch(losses, capture.text, muted=muted)
        self.open_steps: dict[str, Any] = {}
        self.ids = (
            RandomIds() if ids is None else GivenIds(ids, self.open_steps, losses)
        )
        self.deferred: deque[tuple[Any, tuple[Any, ...]]] = deque()
        self.at_limit = losses.at_limit
        self.closed = False
        self._closing = threading.Lock()
        self.muted = muted
        self.step_class = step_class
        self.tracer: Any = None
        self.tally = Tally()
        self.told = Told()
        self.next_seq: Callable[[], int] = itertools.count(1).__next__
        self.split = Moments().split
        self.heads: dict[tuple[str, str, str | None], tuple[str, list[Any]]] = {}

    def add(self, *sinks: Sink) -> None:
        """
        Subscribe sinks to the events of the session.

        Raises:
            TraceConfigError: If one is not a sink; then the session begins in none.
        """
        for sink in sinks:
            self.dispatch.add(sink)
        for sink in shareable(sinks):
            sink.begin(self.header)

    def new_head(
        self, name: str, kind: str, function: str | None
    ) -> tuple[str, list[Any]]:
        """Make the constant part of a step's line, and keep it for the next one."""
        shown, notes = self.capture.text(name, "$.name", limit=LONGEST_NAME)
        text = f'{{"name":{encode_text(shown)},"kind":{encode_text(kind)},'
        if function is not None:
            text = f'{text}"function":{encode_text(function)},'
        text = f'{text}"id":"'
        if len(self.heads) >= _MAX_HEADS:
            self.heads.clear()
        if len(name) <= LONGEST_NAME:
            self.heads[name, kind, function] = (text, notes)
        return text, notes

    def end_deferred(self) -> None:
        """End the steps that had no room on the stack to end, each exactly once."""
        # Taken away first: each of them, as it ends, would otherwise end the rest.
        waiting: deque[tuple[Any, tuple[Any, ...]]] = deque()
        while self.deferred:
            waiting.append(self.deferred.popleft())
        try:
            while waiting:
                step, how = waiting[0]
                step.end_late(*how)
                waiting.popleft()
        finally:
            self.deferred.extend(waiting)

    def close(self) -> None:
        """End the session, once: steps still open are recorded as ``unfinished``."""
        # Never released: of several threads that find it open, only one closes it.
        if self.closed or not self._closing.acquire(blocking=False):
            return
        self.closed = True
        if _context.active is not None and _context.active.recorder is self:
            _context.activate(None)
        # Each of these is done, even if Ctrl-C comes in the middle of another.
        with ExitStack() as last_things:
            last_things.callback(self.dispatch.close)
            for sink in shareable(self.dispatch.sinks):
                last_things.callback(sink.end, self.header)
            for step in reversed(list(self.open_steps.values())):
                last_things.callback(step.abandon)
            self.end_deferred()

    def after_fork(self) -> None:
        """Become the recorder of a child process: its own steps only."""
        self._closing = threading.Lock()
        for step in self.open_steps.values():
            step.leave_to_parent()
        self.open_steps.clear()
        self.deferred.clear()
        self.ids.after_fork()
        self.losses.after_fork()
        self.tally.after_fork()
        self.dispatch.after_fork()
