"""
What is known of a traced function once and for all, at decoration.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable
from types import FunctionType
from typing import Any, Callable, Union

from ai_trace._binder import Binder, name_of_further
from ai_trace._objects import valid_unicode
from ai_trace._record import KINDS
from ai_trace._redact import Redaction
from ai_trace._signature import signature_of
from ai_trace.exceptions import TraceConfigError


_NEVER_SHOWN = ("self", "cls")
_PARTIALS_BIND = sys.version_info >= (3, 14)
_RUNS_LATER = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

Chosen = Union[bool, Iterable[str]]


class Definition:
    """
    A traced function: its names, what to show of its arguments, its flavour.

    Attributes:
        name: The step's name: the qualified name without ``<locals>`` parts.
        function: The full dotted name.
        kind: The kind of its steps.
        flavour: ``sync``, ``coroutine``, ``generator`` or ``async generator``.
        only_says: Whether the flavour is what the function says of itself, as a
            decorator does in the name of what is below it, and not what its code is.
        result: Whether the return value, or the items, are recorded.
        takes_itself: Whether the first argument of an unbound call is the object, or
            the class.
    """

    __slots__ = (
        "_bound",
        "_first_args",
        "_first_kwargs",
        "_free",
        "_hidden",
        "_is_partial",
        "_passes_on",
        "_show",
        "flavour",
        "function",
        "kind",
        "name",
        "only_says",
        "result",
        "takes_itself",
    )

    def __init__(
        self,
        wrapped: Any,
        name: str | None,
        kind: str,
        args: Chosen,
        exclude: Iterable[str],
        result: bool,
    ) -> None:
        function = _function_of(wrapped)
        own = _qualified_name(function)
        local = own.rpartition("<locals>.")[2]
        self.name = name or local
        full = f"{getattr(function, '__module__', None) or 'builtins'}.{own}"
        self.function = valid_unicode(full)
        self.kind = kind
        self._first_args, self._first_kwargs = _given_before(wrapped)
        self._is_partial = bool(self._first_args or self._first_kwargs)
        self.flavour = flavour_of(wrapped)
        self.only_says = not _runs_later(_code_of(wrapped))
        self.result = result
        parameters = _parameters(function)
        show = _shown(wrapped, parameters, args, exclude)
        self._show = show
        self._hidden = _object_of(function, local, parameters)
        without = _all_but(self._hidden, show)
        self._free = Binder(parameters, without)
        self._bound = Binder(
            self._without_object(function, parameters),
            without if self._is_partial else show,
        )
        self.takes_itself = _takes_itself(wrapped, local, parameters)
        # With the signature of another function, it may be called in another way.
        self._passes_on = hasattr(function, "__wrapped__") or hasattr(
            function, "__signature__"
        )

    def _without_object(
        self, function: Any, parameters: list[inspect.Parameter]
    ) -> list[inspect.Parameter]:
        # A method that is bound already tells its parameters without the object. A
        # partial object in a class is told of it from Python 3.13, and bound to it
        # from 3.14: behind what it adds to a call.
        if inspect.ismethod(function) or (self._is_partial and not _PARTIALS_BIND):
            return parameters
        first = len(self._first_args)
        return parameters[:first] + parameters[first + 1 :]

    def bind(
        self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any] | None:
        """
        Return the arguments by name, or ``None`` if the call does not fit.

        Args:
            instance: What the function is bound to, if it is a method.
            args: Positional arguments, without the instance.
            kwargs: Keyword arguments.
        """
        if self._is_partial:
            args = self._first_args + args
            kwargs = {**self._first_kwargs, **kwargs}
        if instance is not None:
            return self._bound.bind(args, kwargs)
        if self.takes_itself and args:
            return self._bound.bind(args[1:], kwargs)
        return self._free.bind(args, kwargs)

    def as_given(
        self,
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        redaction: Redaction | None,
    ) -> dict[str, Any] | None:
        """
        Return the arguments of a call that does not fit, without their names.

        A decorator that gives its function one argument more has the function's
        signature, and is called without that argument.

        Args:
            instance: What the function is bound to, if it is a method.
            args: Positional arguments, without the instance.
            kwargs: Keyword arguments.
            redaction: Tells by the names of parameters which values are secrets.

        Returns:
            The arguments; ``None`` where the call cannot succeed.
        """
        if not self._passes_on:
            return None
        args, kwargs = self._first_args + args, {**self._first_kwargs, **kwargs}
        has_object = self.takes_itself or (self._is_partial and self._hidden)
        if instance is None and has_object and self._hidden not in kwargs:
            args = args[1:]
        show, hidden = self._show, self._hidden
        shown = {
            name: kwargs[name]
            for name in kwargs
            if name != hidden and (show is None or show(name))
        }
        if args:
            is_open = show is None and not self._may_be_secret(args, redaction)
            shown["*args"] = args if is_open else f"[{len(args)} not shown]"
        return shown

    def _may_be_secret(
        self, args: tuple[Any, ...], redaction: Redaction | None
    ) -> bool:
        return redaction is not None and any(
            redaction.key_kind(name, value)
            for name in self._free.names
            for value in args
        )


def _function_of(wrapped: Any) -> Any:
    """Return the function inside descriptors and partial objects."""
    while True:
        if isinstance(wrapped, (staticmethod, classmethod)):
            wrapped = wrapped.__func__
        elif isinstance(wrapped, functools.partial):
            wrapped = wrapped.func
        else:
            return wrapped


def _given_before(wrapped: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that partial objects add to each call."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    while isinstance(wrapped, functools.partial):
        args, kwargs = wrapped.args + args, {**wrapped.keywords, **kwargs}
        wrapped = wrapped.func
    return args, kwargs


def _qualified_name(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


def _code_of(wrapped: Any) -> Any:
    """Return what runs when a callable is called."""
    function = _function_of(wrapped)
    if not inspect.isroutine(function) and not isinstance(function, type):
        return type(function).__call__
    return function


def _runs_later(function: Any) -> bool:
    """Tell whether the code of a function runs later than its call."""
    if inspect.ismethod(function):
        function = function.__func__
    is_plain = type(function) is FunctionType
    return is_plain and bool(function.__code__.co_flags & _RUNS_LATER)


def flavour_of(wrapped: Any) -> str:
    """Return how a callable runs, in the words of ``Definition.flavour``."""
    function = _code_of(wrapped)
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "sync"


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(signature_of(function).parameters.values())
    except (TypeError, ValueError):
        # Some builtins do not tell: show what is given by position and by name.
        kinds = inspect.Parameter
        return [
            kinds("args", kinds.VAR_POSITIONAL),
            kinds("kwargs", kinds.VAR_KEYWORD),
        ]


def _takes_itself(wrapped: Any, name: str, parameters: list[inspect.Parameter]) -> bool:
    """
    Tell whether the first argument of an unbound call is the object or the class.

    From Python 3.13 a classmethod hands a wrapped function its class as the first
    argument instead of binding it.
    """
    kind = type(wrapped)
    if kind is classmethod or kind is staticmethod:
        return kind is classmethod or name.endswith(".__new__")
    return _object_of(wrapped, name, parameters) is not None


def _object_of(
    function: Any, name: str, parameters: list[inspect.Parameter]
) -> str | None:
    """Return what a function of a class calls the object, where it takes one."""
    in_class = "." in name and inspect.isfunction(function)
    first = parameters[0].name if in_class and parameters else None
    return first if first in _NEVER_SHOWN else None


def _all_but(
    hidden: str | None, show: Callable[[str], bool] | None
) -> Callable[[str], bool] | None:
    if hidden is None:
        return show
    return lambda name: name != hidden and (show is None or show(name))


def _shown(
    wrapped: Any,
    parameters: list[inspect.Parameter],
    args: Chosen,
    exclude: Iterable[str],
) -> Callable[[str], bool] | None:
    hidden = _names("exclude", exclude)
    if isinstance(args, bool):
        chosen = None if args else frozenset[str]()
    else:
        chosen = _names("args", args)
    known = [p.name for p in parameters]
    further = name_of_further(parameters)
    for option, names in (("args", chosen or ()), ("exclude", hidden)):
        for name in names:
            if name not in known and not further:
                raise _unknown_parameter(wrapped, option, name, known)
    if chosen is None and not hidden:
        return None
    with_further = chosen is None or further in chosen

    def is_shown(name: str) -> bool:
        if name in hidden or (name not in known and further in hidden):
            return False
        if chosen is None or name in chosen:
            return True
        return name not in known and with_further

    return is_shown


def _names(option: str, given: object) -> frozenset[str]:
    names = None
    if isinstance(given, Iterable) and not isinstance(given, str):
        names = tuple(given)
    if names is None or not all(isinstance(name, str) for name in names):
        msg = (
            f"traced({option}={given!r}): give a list of parameter names, such as "
            f'{option}=["prompt"].'
        )
        raise TraceConfigError(msg)
    return frozenset(names)


def _unknown_parameter(
    wrapped: Any, option: str, name: object, known: list[str]
) -> TraceConfigError:
    what = _qualified_name(_function_of(wrapped))
    return TraceConfigError(
        f"traced({option}=[{name!r}]): {what}() has no parameter of that name. Its "
        f"parameters are: {', '.join(known) or 'none'}."
    )


def check_callable(wrapped: Any, kind: str, name: object) -> None:
    """Refuse what cannot be traced, an unknown kind, and a name that is no text."""
    if isinstance(wrapped, type):
        msg = (
            f"traced cannot wrap a class, and {wrapped.__qualname__} is one. "
            "Decorate its methods, __init__ or __call__ among them."
        )
        raise TraceConfigError(msg)
    if not callable(wrapped) and not isinstance(wrapped, (staticmethod, classmethod)):
        msg = f"traced({wrapped!r}): that cannot be called. Decorate a function."
        if isinstance(wrapped, str):
            msg += f" A name is given as name={wrapped!r}."
        raise TraceConfigError(msg)
    if kind not in KINDS:
        msg = f"traced(kind={kind!r}): the kinds are {', '.join(KINDS)}."
        raise TraceConfigError(msg)
    if name is not None and (not isinstance(name, str) or not name):
        msg = f"traced(name={name!r}): a name is text that is not empty."
        raise TraceConfigError(msg)
