"""
What a callable takes, told without running its annotations.
"""

from __future__ import annotations

import functools
import inspect
from types import CodeType, FunctionType, MethodType
from typing import Any


def signature_of(function: Any) -> inspect.Signature:
    """
    Return the signature of a callable, without its annotations.

    From Python 3.14 they are code that runs when they are first asked for, in whatever
    format: the program may not have defined yet what they name, or only for type
    checkers.

    Args:
        function: What can be called.

    Raises:
        ValueError: The callable does not tell what it takes, as some of C do not.
        TypeError: It cannot be called, or tells something that is no signature.
    """
    return inspect.signature(_bare(function))


def _bare(function: Any) -> Any:
    """Return what takes the same arguments and has no annotations to run."""
    function = inspect.unwrap(function, stop=_tells)
    if hasattr(function, "__signature__"):
        return function
    if isinstance(function, MethodType):
        return MethodType(_bare(function.__func__), function.__self__)
    if isinstance(function, functools.partial):
        given: functools.partial[Any] = function
        return functools.partial(_bare(given.func), *given.args, **given.keywords)
    if _is_python(function):
        return _without_annotations(function)
    call: Any = type(function).__call__
    return MethodType(_bare(call), function) if _is_python(call) else function


def _is_python(function: Any) -> bool:
    # PyPy's own functions are of the same type, with code that is not Python's.
    is_function = type(function) is FunctionType
    return is_function and type(function.__code__) is CodeType


def _tells(function: Any) -> bool:
    # As inspect.signature goes from a decorator's function to the one below.
    return isinstance(function, MethodType) or hasattr(function, "__signature__")


def _without_annotations(function: FunctionType) -> FunctionType:
    bare = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    bare.__kwdefaults__ = function.__kwdefaults__
    return bare
