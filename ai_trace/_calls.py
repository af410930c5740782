"""
The calls of traced functions: one body for each flavour of function.

Each body has one ``except BaseException`` around the user's call, and nothing of
ours stands inside that ``try``. A generator's step is current only while its
frame runs; the value found is put back right after each resume.

What to do where the stack is full is written out in each body: there may be no room
to call a function that they share.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, Callable

from ai_trace import _context
from ai_trace._context import Place, get_current, set_current
from ai_trace._current import call_is_orphan, refused
from ai_trace._definition import Definition
from ai_trace._draft import OPEN
from ai_trace._interruption import interrupts
from ai_trace._items import Items
from ai_trace._live_step import LiveStep
from ai_trace._recorder import Recorder


Body = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

_LATER: dict[str, type] = {
    "coroutine": Coroutine,
    "generator": Generator,
    "async generator": AsyncGenerator,
}


def _step_of(
    definition: Definition,
    place: Place,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> LiveStep | None:
    """
    Capture the arguments of a call in a new step.

    Returns ``None`` where nothing is to be recorded; that is counted. Raises
    ``RecursionError`` where there is no room on the stack even for that.
    """
    recorder = place.recorder
    if not isinstance(recorder, Recorder):
        refused(place)
        return None
    try:
        context = definition.bind(instance, args, kwargs)
        if context is None:
            redaction = recorder.capture.redaction
            context = definition.as_given(instance, args, kwargs, redaction)
        if context is None:
            recorder.losses.count("step", "not recorded: arguments do not fit")
            return None
        step: LiveStep = recorder.step_class(
            recorder, definition.name, context, definition.kind, definition.function
        )
    except RecursionError:
        raise
    except Exception as exc:
        if interrupts(exc):
            raise
        recorder.losses.count("step", f"not recorded: {type(exc).__name__}")
        return None
    return step


def _end_with(step: LiveStep, definition: Definition, value: Any) -> None:
    """End a step with the value that its function returned, and leave it."""
    if definition.result and step._result is None:
        step.set_result(value)
    step._end("ok")
    step._leave()


# -- functions ---------------------------------------------------------------


def _sync_body(definition: Definition) -> Body:  # noqa: C901
    def call(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        place = get_current() or _context.active
        place = place or (_context.inner and _context.inner(None))
        if place is None:
            if _context.orphans_unsaid:
                call_is_orphan()
            return wrapped(*args, **kwargs)
        before = get_current()
        try:
            step = _step_of(definition, place, instance, args, kwargs)
            if step is not None:
                step.__enter__()
        except RecursionError:
            # Until the function is called: there is no room for a frame of ours.
            place.recorder.at_limit()
            step = None
        if step is None:
            return wrapped(*args, **kwargs)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as exc:
            try:
                step.__exit__(None, exc, None)
            except RecursionError:
                how = ("error", type(exc).__name__, None)
                step.recorder.deferred.append((step, how))
                set_current(before)
            raise
        try:
            _end_with(step, definition, result)
        except RecursionError:
            step.recorder.deferred.append((step, ("ok", None, None)))
            set_current(before)
        except BaseException as exc:
            # Interrupted while it ends: the exception goes on.
            step.__exit__(None, exc, None)
            raise
        return result

    return call


def _deferred_body(definition: Definition, drive: Callable[..., Any]) -> Body:
    """Make the body of a function whose own body runs later, in a driver."""

    def call(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        place = get_current() or _context.active
        place = place or (_context.inner and _context.inner(None))
        if place is None:
            if _context.orphans_unsaid:
                call_is_orphan()
            return wrapped(*args, **kwargs)
        try:
            step = _step_of(definition, place, instance, args, kwargs)
        except RecursionError:
            place.recorder.at_limit()
            step = None
        if step is None:
            # One reason is a call that does not fit: its TypeError is raised here
            # and now, as without us, not when the driver first runs.
            return wrapped(*args, **kwargs)
        run, runs = wrapped, wrapped
        if definition.only_says:
            runs = _called_now(step, wrapped, args, kwargs)
            if not issubclass(type(runs), _LATER[definition.flavour]):
                _end_now(step, definition, runs)
                return runs
            run, args, kwargs = (lambda: runs), (), {}
        awaited = drive is _drive_generator and _can_be_awaited(runs)
        driver = (_drive_awaited if awaited else drive)(
            definition, step, run, args, kwargs
        )
        for name in ("__name__", "__qualname__"):
            # A proxy may answer to any name, with something that is no text.
            found = getattr(wrapped, name, None)
            setattr(driver, name, found if type(found) is str else definition.name)
        return driver

    return call


def _called_now(
    step: LiveStep, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call what only says that it runs later; it may be done when it returns."""
    try:
        return wrapped(*args, **kwargs)
    except BaseException as exc:
        step.start()._end_by(exc)
        raise


def _end_now(step: LiveStep, definition: Definition, value: Any) -> None:
    """End the step of a function that is done: a decorator below took its items."""
    try:
        _end_with(step.start(), definition, value)
    except RecursionError:
        step.recorder.deferred.append((step, ("ok", None, None)))
    except BaseException as exc:
        if step._state == OPEN:
            step._end_by(exc)
        raise


def _can_be_awaited(generator: Any) -> bool:
    """Tell whether a generator, or the function of one, is of ``types.coroutine``."""
    code = getattr(generator, "gi_code", None) or getattr(generator, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_ITERABLE_COROUTINE)


async def _drive_coroutine(
    definition: Definition,
    step: LiveStep,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    before = get_current()
    step.__enter__()
    try:
        coroutine = wrapped(*args, **kwargs)
        # From here on only the function's own frame holds them, and may let go.
        del args, kwargs
        result = await coroutine
    except BaseException as exc:
        try:
            step.__exit__(None, exc, None)
        except RecursionError:
            how = ("error", type(exc).__name__, None)
            step.recorder.deferred.append((step, how))
            set_current(before)
        raise
    try:
        _end_with(step, definition, result)
    except RecursionError:
        step.recorder.deferred.append((step, ("ok", None, None)))
        set_current(before)
    except BaseException as exc:
        step.__exit__(None, exc, None)
        raise
    return result


# -- generators --------------------------------------------------------------


def _drive_generator(
    definition: Definition,
    step: LiveStep,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Generator[Any, Any, Any]:
    generator = wrapped(*args, **kwargs)
    del args, kwargs
    items = Items(step, shown=definition.result)
    step.start()
    send = generator.send
    resume, sent = send, None
    inside: Place | None = step
    while True:
        before = get_current()
        set_current(step.place_or(before, inside))
        try:
            item = resume(sent)
        except StopIteration as stop:
            set_current(before)
            try:
                items.returned(stop.value)
            except RecursionError:
                step.recorder.deferred.append((step, ("ok", None, None)))
            # It may be an exception whose traceback holds this frame: together they
            # would be freed late, by the collector.
            sent = None
            return stop.value
        except BaseException as exc:
            set_current(before)
            try:
                items.raised(exc)
            except RecursionError:
                how = ("error", type(exc).__name__, None)
                step.recorder.deferred.append((step, how))
            sent = None
            raise
        # The body may stand in a step of its own; that is where it goes on.
        inside = get_current()
        set_current(before)
        try:
            items.add(item)
        except BaseException as exc:
            # Interrupted in the middle of capture, as the body might be at its yield.
            resume, sent, item = generator.throw, exc, None
            items.thrown(exc)
            continue
        # What the program lets go of while it waits here is to go: hold nothing of it.
        sent = None
        try:
            sent = yield (item, item := None)[0]
            resume = send
        except BaseException as exc:
            resume, sent = generator.throw, exc
            items.thrown(exc)


# The same for what ``types.coroutine`` has made, which marks the code of a function.
_drive_awaited: Callable[..., Any] = types.coroutine(
    types.FunctionType(_drive_generator.__code__, globals(), "_drive_awaited")
)


async def _drive_async_generator(
    definition: Definition,
    step: LiveStep,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> AsyncGenerator[Any, Any]:
    generator = wrapped(*args, **kwargs)
    del args, kwargs
    items = Items(step, shown=definition.result)
    step.start()
    resume, awaitable = generator.asend, _first_of(generator)
    inside: Place | None = step
    while True:
        before = get_current()
        set_current(step.place_or(before, inside))
        try:
            item = await awaitable
        except StopAsyncIteration:
            set_current(before)
            try:
                items.returned(None)
            except RecursionError:
                step.recorder.deferred.append((step, ("ok", None, None)))
            awaitable = None
            return
        except BaseException as exc:
            set_current(before)
            try:
                items.raised(exc)
            except RecursionError:
                how = ("error", type(exc).__name__, None)
                step.recorder.deferred.append((step, how))
            awaitable = None
            raise
        inside = get_current()
        set_current(before)
        try:
            items.add(item)
        except BaseException as exc:
            # Interrupted in the middle of capture, as the body might be at its yield.
            awaitable, item = generator.athrow(exc), None
            items.thrown(exc, in_loop=True)
            continue
        # It holds what was sent or thrown in.
        awaitable = None
        try:
            awaitable = resume((yield (item, item := None)[0]))
        except BaseException as exc:
            items.thrown(exc, in_loop=True)
            awaitable = generator.athrow(exc)


def _first_of(generator: AsyncGenerator[Any, Any]) -> Any:
    """
    Ask for the first item without telling the event loop of the inner generator.

    The loop knows the driver, which closes the inner one. Were both known, the
    loop would close them at the same time at its end, and log the clash.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _leave_to_driver)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave_to_driver(_: AsyncGenerator[Any, Any]) -> None:
    """
    Do nothing for an inner generator that is freed.

    Where the collector frees it together with its driver, the interpreter would
    close it there and then if nobody claimed it: outside of the event loop, where its
    cleanup may not await, and before the loop has the driver close it.
    """


BODIES: dict[str, Callable[[Definition], Body]] = {
    "sync": _sync_body,
    "coroutine": lambda known: _deferred_body(known, _drive_coroutine),
    "generator": lambda known: _deferred_body(known, _drive_generator),
    "async generator": lambda known: _deferred_body(known, _drive_async_generator),
}
