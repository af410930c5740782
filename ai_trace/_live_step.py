"""
The step that a tracer records: from its start to its one end.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, cast

from typing_extensions import Self

from ai_trace import _context
from ai_trace._context import Place, Unrecorded, get_current, set_current
from ai_trace._draft import DONE, DROPPED, FORKED, LEFT, NEW, OPEN, Draft, text_of
from ai_trace._interruption import interrupts
from ai_trace._losses import warn
from ai_trace._objects import short_name
from ai_trace._outcome import error_text, outcome_of, traceback_text
from ai_trace._record import OUTCOMES
from ai_trace._sources import SystemClock
from ai_trace._step import Step
from ai_trace.typing import Outcome


_NEVER: Any = object()
"""The origin of a step whose clock failed when it started."""


class LiveStep(Draft):
    """
    A step that is recorded, while it lasts.
    """

    __slots__ = ("__weakref__",)

    def __dir__(self) -> list[str]:
        """Show what a step offers to the program; the rest is ours alone."""
        return dir(Step)

    # -- start ---------------------------------------------------------------

    def start(self) -> Self:
        """Start the step by hand, below whatever step is current."""
        try:
            recorder = self.recorder
            if self._state != NEW or recorder.closed:
                self._refuse_start()
                return self
            place = get_current() or _context.active
            if _context.inner is not None:
                place = _context.inner(place)
            if place is not None and place.recorder is recorder:
                self.parent_id = place.id
                self.trace_id = place.trace_id or recorder.ids.trace_id()
            elif isinstance(place, Unrecorded):
                self._drop(place.why, closed=False)
                return self
            else:
                self.trace_id = recorder.ids.trace_id()
            self.id = recorder.ids.step_id()
            self.open_at()
        except RecursionError:
            # No room on the stack for more than this.
            if self._state == NEW:
                self._state = DROPPED
                self.recorder.at_limit()
        except BaseException as exc:
            self._start_otherwise(exc)
        return self

    def _start_otherwise(self, exc: BaseException) -> None:
        has_number = self._state == NEW and self.seq > 0
        if has_number or not interrupts(exc):
            self._lose("start", exc)
        if interrupts(exc):
            raise exc
        if has_number:
            self._start_bare(exc)

    def _start_bare(self, exc: BaseException) -> None:
        """Start without what the step saw, or not at all: memory has run out."""
        # Its frames hold what they were making, and that memory is needed now.
        exc.__traceback__ = None
        try:
            self.write_bare_start(exc)
        except Exception as broken:
            self._state = DROPPED
            if interrupts(broken):
                raise
            return
        try:
            self._origin = self.recorder.monotonic()
        except Exception as broken:
            self._without_origin(broken)
        self._state = OPEN
        self.recorder.open_steps[self.id] = self

    def _refuse_start(self) -> None:
        if self._state == NEW:
            self._drop("it was started after the tracer was closed", closed=True)
        else:
            self._misused("was started twice; make a new step for each start")

    def open_at(self, at: float | None = None) -> None:
        """
        Open the step, whose place is settled, and tell the journal and the sinks.

        Args:
            at: When it started, in epoch seconds; by default now.
        """
        recorder = self.recorder
        try:
            now = recorder.time() if at is None else at
            self._second, self._micro = recorder.split(now)
        except Exception as exc:
            self._without_clock("$.started_at", exc, instead="the system's clock")
            self._second, self._micro = recorder.split(SystemClock.time())
        self.seq = recorder.next_seq()
        self.write_start()
        try:
            self._origin = recorder.monotonic()
        except Exception as exc:
            self._without_origin(exc)
        # Complete before others find it: any thread may close the tracer at any time.
        self._state = OPEN
        recorder.open_steps[self.id] = self
        if recorder.closed:
            # If it is gone, whoever closed the tracer has found it, and ends it.
            if recorder.open_steps.pop(self.id, None) is not None:
                self._state = NEW
                self._refuse_start()
            return
        # Written out here and below: a function for it would take 0.3 µs a step.
        tell = recorder.dispatch.start
        try:
            tell(self)
        except BaseException as exc:
            recorder.dispatch.failed(tell, exc, self)

    def _without_origin(self, exc: Exception) -> None:
        self._without_clock("$.duration_ms", exc)
        self._origin = _NEVER

    def _without_clock(self, path: str, exc: Exception, **more: str) -> None:
        """Note that the program's own clock failed; the step loses nothing else."""
        is_at_limit = isinstance(exc, RecursionError) and not self.recorder.closed
        if is_at_limit or interrupts(exc):
            raise exc
        self._lose("time", exc)
        self.note(path, "failed", error=short_name(type(exc)), **more)

    # -- inside --------------------------------------------------------------

    def log(self, /, **fields: Any) -> Self:
        """Add one entry, stamped with the time."""
        try:
            if self._state != OPEN:
                self._misused("was given a log entry while it was not open", lost="log")
                return self
            recorder = self.recorder
            try:
                passed = int((recorder.monotonic() - self._origin) * 1_000_000)
                passed = passed if passed > 0 else 0
            except Exception as exc:
                passed = 0
                self._without_clock(f"$.logs[{len(self.log_entries)}]._t", exc)
            entry = self.add_log(self._second, self._micro + passed, fields)
            if entry is None:
                recorder.dispatch.lose_log(self)
                return self
            tell = recorder.dispatch.log
            try:
                tell(self, entry)
            except BaseException as exc:
                recorder.dispatch.failed(tell, exc, self, entry)
        except Exception as exc:
            self._lose_unless_interrupted("log", exc)
        return self

    def set_result(self, value: Any) -> Self:
        """Record a result."""
        if self._state == OPEN:
            self.give_result(value)
        else:
            self._misused("was given a result while it was not open", lost="result")
        return self

    # -- end -----------------------------------------------------------------

    def finish(self, outcome: Outcome = "ok") -> Self:
        """End the step by hand."""
        given: object = outcome
        if type(given) is not str or given not in OUTCOMES:
            capture = self.recorder.capture
            was, notes = capture.text(text_of(given), "$.outcome", limit=100)
            self.note("$.outcome", "replaced", was=was)
            self.add_notes(notes)
            outcome = "ok"
        self._end(outcome)
        return self

    def fail(self, reason: object = None) -> Self:
        """End the step by hand with outcome ``error``."""
        # Not isinstance: it would ask the object itself, which may lie or raise.
        if issubclass(type(reason), BaseException):
            self._end_by(cast("BaseException", reason), "error")
        else:
            self._end("error", None if reason is None else text_of(reason))
        return self

    def _end_by(self, exc: BaseException, outcome: str | None = None) -> None:
        """End the step with what an exception says."""
        how, error = outcome or "error", ""
        try:
            how = outcome or outcome_of(exc)
            error = error_text(exc)
            self._end(how, error, traceback_text(exc))
            if self.parent_id is None and self._state != FORKED:
                self.recorder.told.add(exc)
        except BaseException as broken:
            # At the very end of the stack there is no room for the traceback. What
            # interrupts the program goes on, once the step is written.
            if self._state == OPEN:
                self._end(how, error or short_name(type(exc)))
            self._lose("traceback", broken)
            if interrupts(broken):
                raise

    def _end(
        self, outcome: str, error: str | None = None, traceback: str | None = None
    ) -> None:
        """End the step, and those further down that had no room on the stack to end."""
        recorder = self.recorder
        took: int | None = None
        failed: Exception | None = None
        try:
            took = int((recorder.monotonic() - self._origin) * 1_000_000 + 0.5)
        except Exception as exc:
            failed = exc
        try:
            if recorder.open_steps.pop(self.id, None) is None:
                # If its tracer ends just now, it has been quicker: that is no misuse.
                if outcome != "unfinished":
                    self._not_open("was finished")
                return
            # Never negative, whatever clock a test has set.
            self._took = took if took is None or took > 0 else 0
            self.outcome = outcome
            if failed is not None and self._origin is not _NEVER:
                self._without_clock("$.duration_ms", failed)
            self._emit(error, traceback)
        except BaseException as exc:
            no_room = isinstance(exc, RecursionError)
            if no_room or (self._state == OPEN and interrupts(exc)):
                # Left to the step that ends next, or to the close: further up there is
                # more stack. Written out, for want of room for a call.
                self._state, self.outcome = OPEN, None
                recorder.open_steps[self.id] = self
                recorder.deferred.append((self, (outcome, error, traceback)))
            if no_room:
                return
            self._lose_unless_interrupted("end", exc)
            self._state = DONE
        if recorder.deferred:
            try:
                recorder.end_deferred()
            except RecursionError:
                # No room here, either: they are left to the step that ends next.
                return

    def end_late(self, outcome: str, error: str | None, traceback: str | None) -> None:
        """End a step that was left to others, unless it has ended meanwhile."""
        if self._state == OPEN:
            self._end(outcome, error, traceback)

    def abandon(self) -> None:
        """End the step because its tracer ends; what comes after is ignored."""
        self._end("unfinished")
        self._state = DROPPED

    def _emit(self, error: str | None, traceback: str | None) -> None:
        if error is None and traceback is None:
            line = self.line()
        else:
            line = self.line_of_failure(error, traceback)
        recorder = self.recorder
        recorder.tally.add(self.outcome or "", self._took or 0)
        tell = recorder.dispatch.finish
        try:
            # Open until here: what interrupts it before can end it later.
            self._state = DONE
            tell(line, self)
        except BaseException as exc:
            recorder.dispatch.failed(tell, exc, line, self)

    # -- the current step ----------------------------------------------------

    def __enter__(self) -> Self:
        """Start the step and make it the current one."""
        try:
            try:
                self.start()
            except RecursionError:
                # There is no room even for that call; for the block there may be.
                self._state = DROPPED
                self.recorder.at_limit()
            if self._previous is LEFT and self._state != DROPPED:
                self._previous = get_current()
                set_current(self)
        except BaseException as exc:
            # The block does not begin, so it will not end the step either.
            if self._state == OPEN:
                self.__exit__(None, exc, None)
            raise
        return self

    def place_or(self, before: Place | None, inside: Place | None) -> Place | None:
        """Return the place inside, or the one before if this step is not recorded."""
        return before if self._state == DROPPED else inside

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the step by how the block ended; the exception goes on."""
        try:
            if self._state == OPEN:
                if exc is None:
                    self._end("ok")
                else:
                    self._end_by(exc)
            elif self._previous is LEFT:
                self._not_open("was left")
        except BaseException as late:
            if self._state == OPEN:
                self._end_by(late)
            raise
        finally:
            try:
                self._leave()
            except BaseException:
                self._leave()
                raise

    def _leave(self) -> None:
        inside = get_current()
        while inside is not self:
            # An interrupt kept what is over from being left. Else this is out of order,
            # or another task or thread: the step that is current here skips this one.
            if not isinstance(inside, LiveStep) or not inside.is_over():
                return
            inside = inside._previous
        previous = self._previous
        if previous is LEFT:
            # A signal handler has left it, just now.
            return
        while previous is not None and previous.is_over():
            previous = previous.give_back()
        set_current(previous)
        self._previous = LEFT

    def is_over(self) -> bool:
        """Tell whether the step has ended without having been left."""
        return self._state in (DONE, DROPPED) and self._previous is not LEFT

    def give_back(self) -> Place | None:
        """Return the place that was current before, for good."""
        previous, self._previous = self._previous, LEFT
        return previous

    # -- wrong uses ----------------------------------------------------------

    def _not_open(self, what: str) -> None:
        if self._state == OPEN or self._state == FORKED:
            # Another thread, or the process that this one was forked from, ends it.
            return
        when = "before it was started" if self._state == NEW else "twice"
        self._misused(f"{what} {when}")

    def _misused(self, what: str, lost: str | None = None) -> None:
        if self._state == FORKED:
            what = "belongs to the process that this one was forked from"
        if lost or self._state != DROPPED:
            self.recorder.losses.count("step", f"{lost or 'call'} ignored: it {what}")
        if self._state != DROPPED:
            warn(f"Step {self.name!r} {what}; the call is ignored.")

    def _drop(self, why: str, *, closed: bool) -> None:
        self._state = DROPPED
        first = self.recorder.losses.count("step", f"not recorded: {why}")
        if closed or first:
            warn(f"Step {self.name!r} is not recorded: {why}.")

    def __repr__(self) -> str:
        """Name the step and its state."""
        states = "new", "open", "done", "dropped", "forked"
        state = self.outcome or states[self._state]
        return f"<Step {self.name!r} {state} {self.id or '-'}>"
