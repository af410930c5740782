"""
Steps that the hooks of a framework start and end, and how they find their parents.

A framework has its own notion of what is current. An integration tells this module how
to ask for it (``look_for``). From then on, a new step goes below whichever is deeper:
our current step, or what the framework has open inside it. No context is changed for
that, so none has to be restored.
"""

from __future__ import annotations

import functools
import sys
import weakref
from contextvars import ContextVar
from typing import Any, Callable, TypeVar, cast

from typing_extensions import Self

from ai_trace import _context
from ai_trace._context import Place, Unrecorded, get_current
from ai_trace._current import call_is_orphan
from ai_trace._interruption import interrupts
from ai_trace._live_step import LiveStep
from ai_trace._losses import cause_of, say
from ai_trace._recorder import Recorder


Hook = TypeVar("Hook", bound=Callable[..., Any])

_MAX_DEPTH = 1000
_COUNTED = "counted_below"
_IS_TOLD_BY_CLIENT = "is_told_by_client"
# A framework's report of a call that its client has recorded is named as a total is.
_TOTALS = {"usage": "total_usage", "cost": "total_cost"}
_said: set[tuple[str, str]] = set()

_reported: ContextVar[weakref.ref[ForeignStep] | None] = ContextVar(
    "ai_trace_reported", default=None
)
"""The step that reports the call made here, if a framework has named one."""


class ForeignStep(LiveStep):
    """
    A step whose start and end, and perhaps id and times, come from outside.

    It is made by ``begin``. Ending it again, or after its tracer was closed, does
    nothing, since the framework cannot know.

    Attributes:
        outer: Our current place when it began.
        facts: What the integration remembers about it until its end.
    """

    __slots__ = ("_lasted", "_passing", "facts", "outer")

    facts: dict[str, Any]
    outer: Place | None
    _lasted: int | None
    _passing: int

    def stand_below(self, place: Place, step_id: str, trace_id: str) -> None:
        """Take a parent and ids; empty ids are replaced by new ones."""
        recorder = self.recorder
        self._lasted = None
        self.facts = {}
        self._passing = id(sys.exc_info()[1])
        self.outer = get_current()
        self.parent_id = place.id
        self.trace_id = place.trace_id or trace_id or recorder.ids.trace_id()
        is_free = step_id and step_id not in recorder.open_steps
        self.id = step_id if is_free else recorder.ids.step_id()

    def is_open(self) -> bool:
        """Tell whether it has started and not ended."""
        return self.recorder.open_steps.get(self.id) is self

    def is_place(self) -> bool:
        """Tell whether steps stand below it: what goes on after its end does, too."""
        return not self.recorder.closed

    def retell(self, name: str, kind: str, context: dict[str, Any]) -> None:
        """
        Replace what was said at the start, now that more is known.

        Args:
            name: What it is called.
            kind: One of the kinds of steps.
            context: What it saw; captured now.
        """
        self._used -= len(self.start_line[: self._size].decode())
        if self.remarks is not None:
            self.remarks.forget(_is_of_context)
        self.name, self.kind = name, kind
        self.see(context)
        self.write_start()

    def is_counted_below(self, usage: dict[str, Any]) -> None:
        """
        Remember that a call made inside this step was recorded, too.

        Args:
            usage: What that call used.
        """
        self.facts.setdefault(_COUNTED, []).append(_tokens(usage))

    def is_told_by_client(self) -> None:
        """Remember that the client's own step, still open, will count this call."""
        self.facts[_IS_TOLD_BY_CLIENT] = True

    def set_result(self, value: Any) -> Self:
        """Record a result; what a client's own step counts is not counted again."""
        if type(value) is dict and self._is_counted(value.get("usage")):
            value = {_TOTALS.get(key, key): value[key] for key in value}
        return super().set_result(value)

    def _is_counted(self, usage: Any) -> bool:
        if _IS_TOLD_BY_CLIENT in self.facts:
            return True
        sent, came = _tokens(usage)
        # What a framework makes of a stream may lack the count of what went in.
        return any(
            came == output and sent in (0, given)
            for given, output in self.facts.get(_COUNTED, ())
        )

    def log_at(self, at: float, fields: dict[str, Any]) -> None:
        """
        Add a log entry with a given time.

        Args:
            at: Epoch seconds.
            fields: The values to log, by name.
        """
        if not self.is_open():
            return
        entry = self.add_log(*self.recorder.split(at), fields)
        if entry is not None:
            self.recorder.dispatch.tell_log(self, entry)

    def end(
        self,
        outcome: str = "ok",
        error: str | None = None,
        traceback: str | None = None,
        *,
        seconds: float | None = None,
    ) -> None:
        """
        End the step.

        Args:
            outcome: One of the outcomes of steps.
            error: What went wrong.
            traceback: Where, as text.
            seconds: How long it took; by default, until now.
        """
        if seconds is not None:
            self._lasted = int(max(seconds, 0.0) * 1_000_000 + 0.5)
        if self.is_open():
            self._end(outcome, error, traceback)

    def end_by(self, exc: BaseException) -> None:
        """End the step with what an exception says."""
        if self.is_open():
            self._end_by(exc)

    def left_by(self) -> BaseException | None:
        """
        Return the exception that is being handled while the step is ended by a hook.

        If the framework does not report an error, Python still knows it. An exception
        that was already being handled when the step began does not count.
        """
        passing = sys.exc_info()[1]
        return None if id(passing) == self._passing else passing

    def end_as_left(self, passing: BaseException | None) -> None:
        """End the step: well, or with the exception that ``left_by`` returned."""
        if passing is None:
            self.end()
        else:
            self.end_by(passing)

    def _emit(self, error: str | None, traceback: str | None) -> None:
        if self._lasted is not None:
            self._took = self._lasted
        super()._emit(error, traceback)


def begin(
    name: str,
    kind: str,
    context: dict[str, Any],
    *,
    below: ForeignStep | None = None,
    step_id: str = "",
    trace_id: str = "",
    at: float | None = None,
) -> ForeignStep | None:
    """
    Start a step from outside, in any thread.

    Args:
        name: What it is called.
        kind: One of the kinds of steps.
        context: What it saw; captured now.
        below: The step that the framework names as its parent.
        step_id: 16 hex digits, used as the id unless an open step has it.
        trace_id: 32 hex digits, used as the trace id of a root.
        at: When it started, in epoch seconds; by default now.

    Returns:
        The step; ``None`` if nothing is recorded.
    """
    place = _place_for(below)
    if isinstance(place, Unrecorded):
        place.refuse()
        return None
    if place is None and kind != "step" and _context.orphans_unsaid:
        call_is_orphan()
    recorder = place.recorder if place is not None else None
    if place is None or not isinstance(recorder, Recorder) or recorder.muted:
        return None
    if recorder.closed:
        recorder.losses.count("step", "not recorded: its tracer is closed")
        return None
    step = ForeignStep(recorder, name, context, kind)
    step.stand_below(place, step_id, trace_id)
    step.open_at(recorder.time() if at is None else at)
    return step


def _place_for(named: ForeignStep | None) -> Place | None:
    """Return the deepest place inside the parent that the framework names."""
    place = _context.here()
    if named is None or not named.is_place() or _is_inside(place, named):
        return place
    return named


def _is_inside(place: Place | None, outer: LiveStep) -> bool:
    steps = outer.recorder.open_steps
    for _ in range(_MAX_DEPTH):
        if place is outer or not isinstance(place, LiveStep):
            break
        # The outer one may have ended, and is then not among those that are open.
        is_next = place.parent_id == outer.id
        place = outer if is_next else steps.get(place.parent_id or "")
    return place is outer


def report_call(step: ForeignStep) -> None:
    """
    Say that a step reports the call that is made next in this context.

    Args:
        step: The step of a framework that does not let us ask what call is current.
    """
    _reported.set(weakref.ref(step))


def reporter_of(call: LiveStep) -> ForeignStep | None:
    """
    Return the open step in which a framework reports the call of a client, if any does.

    Args:
        call: The call that the client makes.
    """
    above = call.recorder.open_steps.get(call.parent_id or "")
    if isinstance(above, ForeignStep) and above.kind == call.kind:
        return above
    held = _reported.get()
    step = None if held is None else held()
    is_same = step is not None and step.is_open() and step.kind == call.kind
    return step if is_same else None


def _tokens(usage: Any) -> tuple[Any, Any]:
    """Return the two counts that every framework passes on as the client has them."""
    given = usage if type(usage) is dict else {}
    return given.get("input_tokens"), given.get("output_tokens")


def _is_of_context(note: dict[str, Any]) -> bool:
    return str(note.get("path", "")).startswith("$.context")


# -- what frameworks have open ---------------------------------------------------

_lookups: tuple[Callable[[], ForeignStep | None], ...] = ()


def look_for(lookup: Callable[[], ForeignStep | None]) -> None:
    """
    From now on, ask an integration at the start of each step what it has open here.

    Args:
        lookup: Returns the innermost step that is current for the framework; called
            often, in every thread.
    """
    global _lookups
    if lookup not in _lookups:
        _lookups += (lookup,)
    _context.inner = _innermost


def _innermost(place: Place | None) -> Place | None:
    """
    Return the deepest place here: our current one, or a foreign step inside it.

    A foreign step is inside our place if it began there; it may have ended, since tasks
    go on after what started them, as ours do. If nothing of ours is current,
    as in a thread to which only the framework's context was carried, it is all there
    is.
    """
    own = get_current()
    deepest: ForeignStep | None = None
    for lookup in _lookups:
        found = _asked(lookup)
        if found is None or not found.is_place():
            continue
        if own is not None and found.outer is not own:
            continue
        if deepest is None or found.seq > deepest.seq:
            deepest = found
    return deepest or place


def _asked(lookup: Callable[[], ForeignStep | None]) -> ForeignStep | None:
    try:
        return lookup()
    except Exception as exc:
        report(lookup.__module__, exc)
        return None


# -- the fence around hooks ------------------------------------------------------


def hook(method: Hook) -> Hook:
    """
    Keep exceptions in a hook of ours from the framework that calls it.

    They are counted in ``Tracer.health()`` if a tracer is current, and reported once.
    """

    @functools.wraps(method)
    def fenced(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as exc:
            report(method.__qualname__, exc)

    return cast("Hook", fenced)


def report(where: str, exc: Exception) -> None:
    """Count an exception, if a tracer is current; what interrupts is raised again."""
    if interrupts(exc):
        raise exc
    place = get_current() or _context.active
    recorder = place.recorder if place is not None else None
    if isinstance(recorder, Recorder):
        recorder.dispatch.report(where, exc)
        return
    cause = cause_of(exc)
    if (where, cause) not in _said:
        _said.add((where, cause))
        # Not the message: what a secret is, a tracer knows.
        say(f"{where} failed: {type(exc).__name__}. The program goes on.")
