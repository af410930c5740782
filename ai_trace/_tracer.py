"""
The tracer: one session of one agent, and the files that it writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable

from typing_extensions import Self

from ai_trace import _context
from ai_trace._capture import Capture
from ai_trace._context import Block, get_current, set_current
from ai_trace._environment import is_disabled
from ai_trace._limits import Limits
from ai_trace._live_recorders import remember
from ai_trace._live_step import LiveStep
from ai_trace._losses import Losses, warn
from ai_trace._muted import MutedStep, NoCapture
from ai_trace._record import StepRecord
from ai_trace._recorder import Recorder
from ai_trace._redact import Redaction
from ai_trace._session_end import record_end
from ai_trace._sources import SystemClock, check_sources, moment_of
from ai_trace._step import Step
from ai_trace._tracer_arguments import (
    check_arguments,
    checked_sinks,
    header_of,
    redaction_of,
    source_apart,
    with_text_keys,
)
from ai_trace.sinks import _files
from ai_trace.sinks._jsonl import JSONLSink
from ai_trace.sinks._memory import MemorySink
from ai_trace.sinks._writing import Writing
from ai_trace.typing import Clock, Durability, Ids, Sink


if TYPE_CHECKING:
    from ai_trace._tree import Session


class Tracer:
    """
    One session of one agent: it makes steps and writes what they saw.

    Use it as a context manager, and it is the current tracer inside the block and
    closed at its end; or call ``activate()`` once at the start of a service.

    Args:
        agent: The agent's name; it stands in file names and headers.
        trace_dir: Where files go; by default ``AI_TRACE_DIR``, else ``traces``.
        auto_save: Whether each finished step is appended to a JSONL file at
            once. Without it, all steps are kept in memory for ``save()``.
        meta: What to say about the session: model, version, run id.
        sinks: Further sinks, each told of every step.
        limits: How much of each value is kept.
        redact: Whether secrets are taken out; or a ``Redaction`` with further names
            and patterns; or a function ``(path, value) -> value``.
        durability: What survives a power loss. ``cache``: what the system has written
            back by then. ``interval``: each root step that has ended. ``step``: every
            step. When only the process dies, none of them loses a finished step.
        journal: Whether the steps in flight are kept in a journal, from which a
            reader tells where a killed process died.
        max_bytes: How large a trace file may grow before the session goes on in the
            next of several parts, which read as one; by default, without limit.
        clock: Where the time is read; for tests.
        ids: Where ids come from; for tests.

    Raises:
        TraceConfigError: If an argument is wrong or the directory is not writable.
            After construction a tracer raises nothing into the program.

    Attributes:
        agent: The agent's name.
        session_id: UTC start as ``YYYYmmdd_HHMMSS``, plus ``_2``, … when taken.
        trace_dir: Where files go.
        path: The JSONL file, the first if there are several, or ``None``.

    Example:
        >>> from ai_trace import Tracer, step
        >>> with Tracer("trading_agent", meta={"model": "claude-haiku-4-5"}) as tracer:
        ...     with step("market_scan", symbol="BTCUSDT") as scan:
        ...         _ = scan.log(signal=0.87)
        >>> tracer.summary()["ok"]
        1
    """

    def __init__(
        self,
        agent: str,
        trace_dir: str | os.PathLike[str] | None = None,
        auto_save: bool = True,
        meta: Mapping[str, Any] | None = None,
        *,
        sinks: Iterable[Sink] = (),
        limits: Limits | None = None,
        redact: bool | Redaction | Callable[[str, Any], Any] = True,
        durability: Durability = "cache",
        journal: bool = True,
        max_bytes: int | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        check_arguments(agent, meta, limits)
        described = with_text_keys(meta or {})
        check_sources(clock, ids)
        writing = Writing(durability, journal, max_bytes).checked("Tracer")
        given_sinks = checked_sinks(sinks)
        self.agent = agent
        muted = is_disabled()
        has_file = auto_save and not muted
        self.trace_dir = _files.directory_of(trace_dir, is_used=has_file)
        self.path: Path | None = None
        losses = Losses()
        kind = NoCapture if muted else Capture
        capture = kind(limits or Limits(), redaction_of(redact, losses))
        # Anyone who may read the directory can read the names of its files.
        self._file_agent = capture.text(agent, "$.agent", limit=len(agent))[0]
        started_at = moment_of(clock or SystemClock())
        wanted = time.strftime("%Y%m%d_%H%M%S", time.gmtime(started_at))
        self._memory = MemorySink()
        with ExitStack() as unless_made:
            if has_file:
                own: Sink = self._own_file(wanted, writing, unless_made)
            else:
                place = self.trace_dir, self._file_agent
                self.session_id = _files.free_session_id(*place, wanted)
                own = self._memory
            self._recorder = Recorder(
                header_of(
                    agent, self.session_id, described, capture, started_at, losses
                ),
                capture,
                source_apart("clock", clock, losses) or SystemClock(),
                source_apart("ids", ids, losses),
                losses,
                MutedStep if muted else LiveStep,
                muted=muted,
            )
            self._recorder.add(own, *given_sinks)
            unless_made.pop_all()
        self._recorder.tracer = self
        remember(self._recorder)
        _context.watch_orphans()

    def _own_file(
        self, wanted: str, writing: Writing, unless_made: ExitStack
    ) -> JSONLSink:
        """Reserve the session's id, and make the sink that its steps are read from."""
        self.session_id, self.path, descriptor = _files.reserve(
            self.trace_dir, self._file_agent, wanted
        )
        unless_made.callback(_files.remove_empty, self.path)
        with _files.needed(self.path):
            sink = JSONLSink.on_descriptor(self.path, descriptor, writing)
        unless_made.callback(sink.close)
        return sink

    # -- steps ---------------------------------------------------------------

    def step(self, name: str, /, **context: Any) -> Step:
        """
        Make a step; its parent is whatever step of this tracer is current.

        Args:
            name: What the step is called.
            context: What the agent sees, by name; captured now. ``kind`` is a name
                like any other: only ``traced`` sets the kind of a step.

        Returns:
            The step, to be used with ``with`` or by hand.

        Example:
            >>> tracer = Tracer("agent", auto_save=False)
            >>> with tracer.step("classify", text="BUY now") as step:
            ...     _ = step.log(label="spam", confidence=0.93)
        """
        recorder = self._recorder
        step: Step = recorder.step_class(recorder, name, context)
        return step

    @property
    def steps(self) -> Sequence[StepRecord]:
        """The steps finished so far, in order of their start, read from the file."""
        fenced = self._recorder.dispatch.fenced
        return fenced("steps", lambda: self._session().steps, ())

    def add_sink(self, sink: Sink) -> Self:
        """
        Add a sink; it is told of the steps that start or finish from now on.

        One that a closed tracer is given is told of nothing; that is said and counted.

        Args:
            sink: The sink.

        Returns:
            The tracer.

        Raises:
            TraceConfigError: If it is not a sink.
        """
        if self._recorder.closed:
            checked_sinks([sink])
            self._refuse("given a sink", "the sink will be told of nothing")
        else:
            self._recorder.add(sink)
        return self

    def summary(self) -> dict[str, Any]:
        """
        Return what the session came to so far.

        Returns:
            ``agent``, ``session_id``, ``steps``, ``ok``, ``errors``, the count of
            each other outcome, and ``avg_duration_ms``. Each process counts its own
            steps, a forked child from the fork on.
        """
        counts, milliseconds = self._recorder.tally.fold()
        steps = sum(counts.values())
        return {
            "agent": self.agent,
            "session_id": self.session_id,
            "steps": steps,
            "ok": counts.pop("ok"),
            "errors": counts.pop("error"),
            **counts,
            "avg_duration_ms": round(milliseconds / steps, 3) if steps else 0.0,
        }

    def health(self) -> dict[str, dict[str, int]]:
        """
        Return what was lost, by sink and cause; empty when nothing was.

        Each process counts what it has lost itself, a forked child from the fork on.

        Example:
            >>> Tracer("agent", auto_save=False).health()
            {}
        """
        return self._recorder.losses.counts()

    # -- documents -----------------------------------------------------------

    def save(self) -> Path:
        """
        Write the session so far as one JSON document.

        Returns:
            The path, ``<trace_dir>/<agent>_<session_id>.json``. If the file cannot
            be written, that is logged and counted, not raised.
        """

        def render(session: Session) -> Iterator[str]:
            from ai_trace.render import json

            return json.session(session, saved_at=self._now())

        return self._save(".json", render)

    def save_markdown(self) -> Path:
        """
        Write the session so far as a Markdown report.

        Returns:
            The path, ``<trace_dir>/<agent>_<session_id>.md``. If the file cannot be
            written, that is logged and counted, not raised.
        """

        def render(session: Session) -> Iterator[str]:
            from ai_trace.render import markdown

            return markdown.session(session)

        return self._save(".md", render)

    def _save(self, suffix: str, render: Callable[[Session], Iterator[str]]) -> Path:
        stem = f"{_files.slug(self._file_agent)}_{self.session_id}"
        path = self.trace_dir / f"{stem}{suffix}"
        if self._recorder.muted:
            return path

        def write() -> None:
            _files.make_directory(self.trace_dir)
            _files.write_atomically(path, render(self._session()))

        self._recorder.dispatch.fenced(f"save {suffix}", write, None)
        return path

    def _now(self) -> float:
        clock, fenced = self._recorder, self._recorder.dispatch.fenced
        return fenced("clock", lambda: moment_of(clock), SystemClock.time())

    def _session(self) -> Session:
        from ai_trace import reading
        from ai_trace._tree import fold

        if self.path is not None:
            return reading.read(self.path)
        return fold(self._memory.records, self._recorder.header)

    # -- being current -------------------------------------------------------

    def activate(self) -> Self:
        """
        Make this tracer the fallback of the whole process, until it is closed.

        For services and plain threads: wherever no tracer is current, steps become
        roots of this one. It takes the place of one that was activated before, which
        does not come back when this one is closed.

        Returns:
            The tracer.
        """
        if self._recorder.closed:
            self._refuse("activated", "it cannot be activated")
        else:
            _context.activate(Block(self._recorder, None))
        return self

    def _refuse(self, what: str, why: str) -> None:
        self._recorder.losses.count("tracer", f"{what} after it was closed")
        warn(f"Tracer {self.agent!r} is closed; {why}.")

    def close(self) -> None:
        """
        End the session: steps still open are recorded as ``unfinished``.

        Closing twice is harmless; whatever is open at the end of the program is
        closed then.
        """
        self._recorder.close()

    def __enter__(self) -> Self:
        """Make this tracer the current one."""
        set_current(Block(self._recorder, get_current()))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the current place back and close the tracer."""
        place = get_current()
        if isinstance(place, Block) and place.recorder is self._recorder:
            set_current(place.give_back())
        with ExitStack() as last_things:
            # For a step that was entered and never left: the close ends it.
            last_things.callback(_context.leave_what_is_over)
            last_things.callback(self.close)
            if exc is not None:
                record_end(self._recorder, exc)

    async def __aenter__(self) -> Self:
        """Make this tracer the current one."""
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the current place back and close the tracer."""
        self.__exit__(exc_type, exc, traceback)

    def __copy__(self) -> Self:
        """Return the tracer itself: what holds it may be copied, a tracer may not."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the tracer itself."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be pickled."""
        msg = (
            f"Tracer {self.agent!r} cannot be pickled: its files are open in this "
            "process. Make a tracer in the other one."
        )
        raise TypeError(msg)

    def __repr__(self) -> str:
        """Show the summary."""
        facts = ", ".join(f"{key}={value!r}" for key, value in self.summary().items())
        return f"<Tracer {facts}>"
