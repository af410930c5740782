"""
The decorator: what is known of a function is found out at decoration.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Callable, TypeVar, overload

from ai_trace._calls import BODIES
from ai_trace._definition import Definition, check_callable
from ai_trace._traced_function import stand_in
from ai_trace.exceptions import TraceConfigError
from ai_trace.typing import Kind


F = TypeVar("F", bound=Callable[..., Any])

# What Python turns plain functions of these names into.
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
    "__new__": staticmethod,
}


@overload
def traced(function: F, /) -> F: ...
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
) -> Callable[[F], F]: ...
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
    options = name, kind, _kept(args), _kept(exclude), result
    if function is None:
        return lambda function: _trace(function, *options)
    return _trace(function, *options)


def _kept(names: Any) -> Any:
    """Return names that can be read more than once."""
    return tuple(names) if isinstance(names, Iterator) else names


def _trace(function: Any, *options: Any) -> Any:
    if isinstance(function, property):
        return _trace_parts(function, *options)
    if inspect.isfunction(function) and function.__name__ in _BY_NAME:
        function = _BY_NAME[function.__name__](function)
    return _trace_function(function, *options)


def _trace_parts(whole: property, *options: Any) -> property:
    """Trace what a property calls; it stays a property, its documentation as well."""
    made = whole
    try:
        if whole.fget is not None:
            made = made.getter(_trace(whole.fget, *options))
        if whole.fset is not None:
            made = made.setter(_trace(whole.fset, *options))
        if whole.fdel is not None:
            made = made.deleter(_trace(whole.fdel, *options))
    except TypeError as exc:
        msg = (
            f"traced({whole!r}): a {type(whole).__name__} cannot be made anew, of "
            f"traced functions ({exc}). Put traced below it."
        )
        raise TraceConfigError(msg) from exc
    if made is not whole and type(whole) is not property:
        # A property of a subclass may keep more than its functions.
        getattr(made, "__dict__", {}).update(getattr(whole, "__dict__", {}))
    return made


def _trace_function(function: Any, name: str | None, kind: str, *chosen: Any) -> Any:
    check_callable(function, kind, name)
    definition = Definition(function, name, kind, *chosen)
    body = BODIES[definition.flavour](definition)
    again = _trace, (definition.name, kind, *chosen)
    return stand_in(function, body, again, takes_itself=definition.takes_itself)
