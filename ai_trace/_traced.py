"""
The decorator: one body for each flavour of function, chosen at decoration.

Each body has one ``except BaseException`` around the user's call, and nothing of
ours stands inside that ``try``. A generator's step is current only while its
frame runs; the value found is put back right after each resume.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import Any, Callable, TypeVar, overload

from typing_extensions import ParamSpec

from ai_trace import _context
from ai_trace._context import Place, get_current, set_current
from ai_trace._current import call_is_orphan, refused
from ai_trace._definition import Definition, check_callable
from ai_trace._interruption import interrupts
from ai_trace._items import Items
from ai_trace._step import Step
from ai_trace._traced_function import TracedFunction
from ai_trace._tracer import Tracer
from ai_trace.typing import Kind


P = ParamSpec("P")
R = TypeVar("R")
Body = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]

# Python makes class methods of these by their names, of plain functions only.
_OF_CLASSES = ("__init_subclass__", "__class_getitem__")


@overload
def traced(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def traced(
    function: None = None,
    /,
    *,
    name: str | None = None,
    kind: Kind = "step",
    args: bool | Iterable[str] = True,
    exclude: Iterable[str] = (),
    result: bool = True,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def traced(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    kind: Kind = "step",
    args: bool | Iterable[str] = True,
    exclude: Iterable[str] = (),
    result: bool = True,
) -> Any:
    """
    Record every call of a function as a step of the current tracer.

    Works on functions, coroutine functions, generators, async generators,
    methods, class and static methods in either order of decorators, callable
    objects and ``functools.partial``. What the function does, returns and raises,
    its signature and its type stay as they are. Without a current tracer it just
    runs.

    The bound arguments become the step's context, captured at the call; the
    return value becomes its result. A generator's result is the count of its
    items and the first of them.

    Args:
        function: The function, when used without parentheses.
        name: The step's name; by default the qualified name.
        kind: ``step``, ``agent``, ``llm``, ``tool``, ``retrieval``,
            ``embedding``, ``guardrail`` or ``eval``.
        args: Whether arguments are recorded, or the names of those that are.
        exclude: Names of arguments that are not recorded.
        result: Whether the return value is recorded.

    Returns:
        The function, traced.

    Raises:
        TraceConfigError: If it cannot be traced, or has no such parameter.

    Example:
        >>> @traced(kind="tool", exclude=["api_key"])
        ... def quote(symbol: str, api_key: str) -> float:
        ...     return 101.5
        >>> with Tracer("agent", auto_save=False) as tracer:
        ...     quote("BTCUSDT", "k-1")
        101.5
        >>> tracer.steps[0].context
        {'symbol': 'BTCUSDT'}
    """
    if function is None:
        return lambda function: _trace(function, name, kind, args, exclude, result)
    return _trace(function, name, kind, args, exclude, result)


def _trace(function: Any, *options: Any) -> Any:
    if isinstance(function, property):
        return _trace_parts(function, *options)
    if inspect.isfunction(function) and function.__name__ in _OF_CLASSES:
        function = classmethod(function)
    return _trace_function(function, *options)


def _trace_parts(whole: property, *options: Any) -> property:
    """Trace what a property calls; it stays a property, its documentation as well."""
    if whole.fget is not None:
        whole = whole.getter(_trace(whole.fget, *options))
    if whole.fset is not None:
        whole = whole.setter(_trace(whole.fset, *options))
    if whole.fdel is not None:
        whole = whole.deleter(_trace(whole.fdel, *options))
    return whole


def _trace_function(
    function: Any, name: str | None, kind: str, *chosen: Any
) -> TracedFunction:
    check_callable(function, kind, name)
    definition = Definition(function, name, kind, *chosen)
    return TracedFunction(function, _BODIES[definition.flavour](definition))


def _made(
    definition: Definition,
    place: Place,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Step | None:
    """
    Capture the arguments of a call in a new step.

    Returns ``None`` where nothing is to be recorded; that is counted. Raises
    ``RecursionError`` where there is no room on the stack even for that.
    """
    recorder = place.recorder
    if not isinstance(recorder, Tracer):
        refused(place)
        return None
    try:
        context = definition.bind(instance, args, kwargs)
        if context is None:
            recorder.losses.count("step", "not recorded: arguments do not fit")
            return None
        return recorder.step_class(
            recorder, definition.name, context, definition.kind, definition.function
        )
    except RecursionError:
        raise
    except Exception as exc:
        if interrupts(exc):
            raise
        recorder.losses.count("step", f"not recorded: {type(exc).__name__}")
        return None


def _end_with(step: Step, definition: Definition, value: Any) -> None:
    """End a step with the value that its function returned, and leave it."""
    try:
        if definition.result and step._result is None:
            step.set_result(value)
    except RecursionError:
        raise
    except BaseException as exc:
        # An interruption, in the middle of capture: it goes on.
        step.__exit__(None, exc, None)
        raise
    step._end("ok")
    step._leave()


# -- functions ---------------------------------------------------------------


def _sync_body(definition: Definition) -> Body:
    def call(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        place = get_current() or _context.active
        if place is None:
            if _context.orphans_unsaid:
                call_is_orphan()
            return wrapped(*args, **kwargs)
        before = get_current()
        try:
            step = _made(definition, place, instance, args, kwargs)
            if step is not None:
                step.__enter__()
        except RecursionError:
            # From here to the next call: no frame of ours has room on the stack.
            place.recorder.at_limit.append(None)
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
        return result

    return call


def _deferred_body(definition: Definition, drive: Callable[..., Any]) -> Body:
    """Make the body of a function whose own body runs later, in a driver."""

    def call(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        place = get_current() or _context.active
        if place is None:
            if _context.orphans_unsaid:
                call_is_orphan()
            return wrapped(*args, **kwargs)
        try:
            step = _made(definition, place, instance, args, kwargs)
        except RecursionError:
            place.recorder.at_limit.append(None)
            step = None
        if step is None:
            # Among them a call that does not fit: its TypeError is raised here
            # and now, as ever, not when the driver first runs.
            return wrapped(*args, **kwargs)
        driver = drive(definition, step, wrapped, args, kwargs)
        driver.__name__ = getattr(wrapped, "__name__", definition.name)
        driver.__qualname__ = getattr(wrapped, "__qualname__", definition.name)
        return driver

    return call


async def _drive_coroutine(
    definition: Definition,
    step: Step,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    before = get_current()
    step.__enter__()
    try:
        result = await wrapped(*args, **kwargs)
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
    return result


# -- generators --------------------------------------------------------------


def _drive_generator(
    definition: Definition,
    step: Step,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Generator[Any, Any, Any]:
    generator = wrapped(*args, **kwargs)
    items = Items(step, shown=definition.result)
    step.start()
    resume, sent = generator.send, None
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
            # A frame that keeps the exception which keeps the frame is freed by
            # the collector only, and late.
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
        items.add(item)
        try:
            sent = yield item
            resume = generator.send
        except BaseException as exc:
            resume, sent = generator.throw, exc
            items.thrown(exc)


async def _drive_async_generator(
    definition: Definition,
    step: Step,
    wrapped: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> AsyncGenerator[Any, Any]:
    generator = wrapped(*args, **kwargs)
    items = Items(step, shown=definition.result)
    step.start()
    awaitable = _first_of(generator)
    sent: Any = None
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
            sent = awaitable = None
            return
        except BaseException as exc:
            set_current(before)
            try:
                items.raised(exc)
            except RecursionError:
                how = ("error", type(exc).__name__, None)
                step.recorder.deferred.append((step, how))
            sent = awaitable = None
            raise
        inside = get_current()
        set_current(before)
        items.add(item)
        try:
            sent = yield item
            awaitable = generator.asend(sent)
        except BaseException as exc:
            sent = exc
            items.thrown(exc, in_loop=True)
            awaitable = generator.athrow(exc)


def _first_of(generator: AsyncGenerator[Any, Any]) -> Any:
    """
    Ask for the first item without telling the event loop of the inner generator.

    The loop knows the driver, which closes the inner one. Were both known, the
    loop would close them at the same time at its end, and log the clash.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


_BODIES: dict[str, Callable[[Definition], Body]] = {
    "sync": _sync_body,
    "coroutine": lambda known: _deferred_body(known, _drive_coroutine),
    "generator": lambda known: _deferred_body(known, _drive_generator),
    "async generator": lambda known: _deferred_body(known, _drive_async_generator),
}
