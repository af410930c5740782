"""
What stands in for a traced function: the function, in every respect but one.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import operator
import os
import sys
from types import FunctionType, MethodType
from typing import Any, Callable

import wrapt


Again = tuple[Callable[..., Any], tuple[Any, ...]]

_OPERATORS = (
    "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or"
).split()

_ABILITIES = frozenset(
    f"__{name}__"
    for name in (
        "abs aenter aexit bytes ceil complex contains delitem enter exit float floor "
        "getitem index int invert iter len neg pos reversed round setitem trunc"
    ).split()
)


# What the abstract classes and protocols of the standard library look for in a class.
_LOOKED_FOR = (
    "enter aenter len contains iter int float complex bytes index abs round"
).split()


class _Absent:
    """
    Stands for what a class does not have, though a base of it does.
    """

    def __get__(self, instance: object, owner: object) -> Any:
        if instance is None:
            raise AttributeError
        # The exit stacks of Python 3.15 find this in the class, whatever it says.
        return instance


class _OnlyCalled:
    """
    What wrapt's proxies can do and a function cannot is taken away from them here.

    They can do whatever the object inside may be able to. A program that looks for a
    container, a number or a context manager takes a function for one, and operators, by
    which pipelines are built, go on with the function inside, which nobody traces.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if name in _ABILITIES:
            msg = f"'function' object has no attribute {name!r}"
            raise AttributeError(msg)
        return super().__getattribute__(name)


def _left_to_the_other(*_: object) -> Any:
    return NotImplemented


def _take_away() -> None:
    for name in _OPERATORS:
        for side in ("", "r", "i"):
            setattr(_OnlyCalled, f"__{side}{name}__", _left_to_the_other)
    for name in _LOOKED_FOR:
        setattr(_OnlyCalled, f"__{name}__", None)
    for name in ("exit", "aexit"):
        # An exit stack asks the class.
        setattr(_OnlyCalled, f"__{name}__", _Absent())


_take_away()


class _BoundTracedFunction(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]
    """
    A traced method on its object; pickles as the attribute that it is.
    """

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        wrapped, owner = self.__wrapped__, self._self_instance
        if owner is not None:
            return getattr, (owner, wrapped.__name__)
        return _found, (wrapped.__module__, wrapped.__qualname__)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # As copy.deepcopy does with a method: the function, on a copy of its owner.
        instance = self._self_instance
        owner = copy.deepcopy(instance, memo)
        if owner is instance:
            return self
        return self._self_parent.__get__(owner, type(owner))


def _found(module: str, qualified_name: str) -> Any:
    """Find a function of a class again, after pickling, by its name."""
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found


class TracedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]
    """
    A traced function: the function in every respect but that calls are recorded.

    wrapt keeps descriptors, signature and introspection; pickling and copying, which
    its proxies refuse, are added here, and the function's own name for whoever prints
    it.

    Args:
        function: The function.
        body: What is called in its place.
        again: What traces a function in the same way, and its further arguments.
    """

    __bound_function_wrapper__ = _BoundTracedFunction

    def __init__(self, function: Any, body: Any, again: Again) -> None:
        super().__init__(function, body)
        self._self_again = again

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        wrapped = self.__wrapped__
        if self._self_is_found():
            return wrapped.__qualname__
        # Lambdas and local functions, for picklers that take a function apart; with
        # the others this fails as it does undecorated.
        trace, options = self._self_again
        return trace, (wrapped, *options)

    def _self_is_found(self) -> bool:
        try:
            found = _found(self.__wrapped__.__module__, self.__wrapped__.__qualname__)
        except (ImportError, AttributeError, TypeError, ValueError):
            return False
        return found is self

    def __copy__(self) -> Any:
        return self._self_around(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._self_around(copy.deepcopy(self.__wrapped__, memo))

    def _self_around(self, copied: Any) -> Any:
        # A function is its own copy; an object that is called may keep something.
        if copied is self.__wrapped__:
            return self
        trace, options = self._self_again
        return trace(copied, *options)


class _BoundTracedPlainFunction(_OnlyCalled, _BoundTracedFunction):
    """
    A traced function of Python code on its object.
    """


class TracedPlainFunction(_OnlyCalled, TracedFunction):
    """
    A traced function of Python code.
    """

    __bound_function_wrapper__ = _BoundTracedPlainFunction


class TracedMethod(TracedPlainFunction):
    """
    A traced function of a class, which is bound as a plain one is: by a method.

    A method of wrapt's has no function and cannot be made anew from one, as
    ``weakref.WeakMethod`` and those who send signals by it do.
    """

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)


class TracedObject(TracedFunction):
    """
    A traced object whose class says how it is called.
    """

    def __getattribute__(self, name: str) -> Any:
        if name != "__call__":
            return super().__getattribute__(name)
        # Frameworks ask this whether it is a coroutine function, and may call it.
        trace, options = self._self_again
        called: Any = self.__wrapped__
        return trace(called.__call__, *options)


# What wrapt's proxies do not pass on, and what stands for it in a class. They do pass
# on items, but not so that a sequence without a method for iteration can be iterated.
_PASSED_ON: dict[str, Callable[..., Any]] = {
    "__getitem__": operator.getitem,
    "__iter__": iter,
    "__next__": next,
    "__fspath__": os.fspath,
    "__aiter__": operator.methodcaller("__aiter__"),
    "__anext__": operator.methodcaller("__anext__"),
    "__await__": operator.methodcaller("__await__"),
}


@functools.cache
def _class_for(abilities: tuple[str, ...]) -> type[TracedObject]:
    """Return the class of traced objects that can do this too."""
    if not abilities:
        return TracedObject

    def passing_on(ask: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *given: ask(self.__wrapped__, *given)

    body = {name: passing_on(_PASSED_ON[name]) for name in abilities}
    made = type("TracedObject", (TracedObject,), body)
    _keep_annotations(made)
    return made


def _abilities(kind: type) -> tuple[str, ...]:
    """Return what objects of a class can do beside what wrapt passes on."""
    return tuple(
        name
        for name in _PASSED_ON
        # A class may take away by None what its base has.
        if next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), None)
    )


def _keep_annotations(*kinds: type) -> None:
    """
    Let classes have no annotations of their own.

    Up to Python 3.13 a class that is asked for its annotations, as protocols ask every
    class that is checked against them, keeps an empty dictionary of them from then on.
    In ours it would stand before what wrapt finds, the annotations of the function.
    """
    if sys.version_info >= (3, 14):
        return
    bases = reversed(wrapt.FunctionWrapper.__mro__)
    found = [vars(each)[_ANNOTATIONS] for each in bases if _ANNOTATIONS in vars(each)]
    for kind in kinds:
        # wrapt without its C extension keeps them in the object, which comes first.
        if found:
            setattr(kind, _ANNOTATIONS, found[0])


_ANNOTATIONS = "__annotations__"
_keep_annotations(
    TracedFunction,
    TracedObject,
    TracedPlainFunction,
    TracedMethod,
    _BoundTracedFunction,
    _BoundTracedPlainFunction,
)


def stand_in(function: Any, body: Any, again: Again, *, takes_itself: bool) -> Any:
    """
    Return what stands in for a function.

    Args:
        function: The function.
        body: What is called in its place.
        again: What traces a function in the same way, and its further arguments.
        takes_itself: Whether its first argument is what it is bound to.
    """
    kind = type(function)
    if (kind is classmethod or kind is staticmethod) and _is_plain(function.__func__):
        # The descriptor stays what it is, so that it binds as ever.
        inner = stand_in(function.__func__, body, again, takes_itself=takes_itself)
        return kind(inner)
    if not _is_plain(function):
        if _says_how_it_is_called(function):
            return _class_for(_abilities(type(function)))(function, body, again)
        # A decorator of wrapt's below has to be told what it is bound to.
        return TracedFunction(function, body, again)
    kind = TracedMethod if takes_itself else TracedPlainFunction
    return kind(function, body, again)


def _is_plain(function: Any) -> bool:
    return type(function) is FunctionType


def _says_how_it_is_called(function: Any) -> bool:
    return not inspect.isroutine(function) and inspect.isfunction(
        type(function).__call__
    )
