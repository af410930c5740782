"""
Which tracer and step are current here, steps of that tracer, and ``propagate``.
"""

from __future__ import annotations

import contextvars
import functools
import sys
from typing import Any, Callable, TypeVar, cast

from typing_extensions import ParamSpec

from ai_trace import _context
from ai_trace._context import Place, Unrecorded, get_current, set_current
from ai_trace._definition import flavour_of
from ai_trace._live_recorders import live_recorders
from ai_trace._live_step import LiveStep
from ai_trace._losses import warn
from ai_trace._recorder import Recorder
from ai_trace._step import NO_STEP, Step
from ai_trace._tracer import Tracer
from ai_trace.exceptions import TraceConfigError


P = ParamSpec("P")
R = TypeVar("R")


def current_tracer() -> Tracer | None:
    """
    Return the tracer that the next step would go to, or ``None``.

    Example:
        >>> current_tracer() is None
        True
    """
    place = _context.here()
    recorder = place.recorder if place is not None else None
    return recorder.tracer if isinstance(recorder, Recorder) else None


def current_step() -> Step | None:
    """
    Return the step that the next one would be a child of, or ``None``.

    Example:
        >>> with Tracer("agent", auto_save=False) as tracer, tracer.step("decide"):
        ...     current_step().log(action="BUY").name
        'decide'
    """
    place = _context.here()
    return place if isinstance(place, LiveStep) else None


def step(name: str, /, **context: Any) -> Step:
    """
    Make a step of the current tracer; without one, a step that does nothing.

    Args:
        name: What the step is called.
        context: What the agent sees, by name; captured now. Any name will do, also
            ``kind``: only ``traced`` sets the kind of a step.

    Returns:
        The step, to be used with ``with`` or by hand.

    Example:
        >>> with step("decide", signal=0.87) as s:
        ...     _ = s.log(action="BUY")
    """
    place = get_current() or _context.active
    place = place or (_context.inner and _context.inner(None))
    if place is None:
        return NO_STEP
    recorder = place.recorder
    if isinstance(recorder, Recorder):
        made: Step = recorder.step_class(recorder, name, context)
        return made
    refused(place)
    return NO_STEP


def refused(place: Place) -> None:
    """Count a step that was made where nothing is recorded."""
    if isinstance(place, Unrecorded):
        place.refuse()


def call_is_orphan() -> None:
    """Warn once that a traced call found no tracer, while one exists."""
    one_is_open = any(not recorder.closed for recorder in live_recorders())
    _context.stop_watching_orphans(said=one_is_open)
    if one_is_open:
        warn(
            "A traced function or client was called where no tracer is current, so it "
            "is not recorded, though a Tracer exists. Use `with Tracer(...) as "
            "tracer:` around the call, or tracer.activate() once for the whole "
            "process; in threads, ai_trace.propagate(fn). This is said once.",
        )


def propagate(fn: Callable[P, R], /) -> Callable[P, R]:
    """
    Carry the current tracer and step into a thread, an executor or another loop.

    Threads start with an empty context. The function that comes back runs in a
    copy of the context of here and now, a fresh copy for each call, so that it
    can run in many threads at once. A coroutine function runs in the context of
    its task, to which only the current tracer and step are carried.

    Args:
        fn: A function or a coroutine function.

    Returns:
        A function of the same signature.

    Raises:
        TraceConfigError: If ``fn`` cannot be called, or is a generator function.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with Tracer("agent", auto_save=False) as tracer, tracer.step("scan"):
        ...     with ThreadPoolExecutor() as pool:
        ...         found = pool.submit(propagate(lambda: current_step().name))
        ...         found.result()
        'scan'
    """
    if not _can_be_carried(fn):
        msg = (
            f"propagate({fn!r}): give a function or a coroutine function. A "
            "generator runs where it is consumed: propagate the consumer."
        )
        raise TraceConfigError(msg)
    if flavour_of(_inner(fn)) == "coroutine":
        return cast("Callable[P, R]", _carried_coroutine(fn))
    context = contextvars.copy_context()

    @functools.wraps(fn)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(fn, *args, **kwargs)

    return carried


def _can_be_carried(fn: object) -> bool:
    return callable(fn) and flavour_of(_inner(fn)) in ("sync", "coroutine")


def _inner(fn: Any) -> Any:
    # Where there is a proxy, wrapt is loaded. To load it takes longer than all of ours,
    # so a program that traces no function need not wait for it.
    proxy = getattr(sys.modules.get("wrapt"), "ObjectProxy", ())
    return fn.__wrapped__ if isinstance(fn, proxy) else fn


def _carried_coroutine(fn: Callable[..., Any]) -> Callable[..., Any]:
    place = get_current()

    @functools.wraps(fn)
    async def carried(*args: Any, **kwargs: Any) -> Any:
        before = get_current()
        set_current(place)
        try:
            return await fn(*args, **kwargs)
        finally:
            set_current(before)

    return carried
