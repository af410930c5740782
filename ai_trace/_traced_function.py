"""
What stands in for a traced function: the function, in every respect but one.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import wrapt


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
        owner = copy.deepcopy(self._self_instance, memo)
        return self if owner is None else getattr(owner, self.__wrapped__.__name__)


def _found(module: str, qualified_name: str) -> Any:
    """Find a function of a class again, after pickling, by its name."""
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found


class TracedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]
    """
    A traced function: the function in every respect but that calls are recorded.

    wrapt keeps descriptors, signature and introspection; pickling by name and
    copying, which its proxies refuse, are added here, and the function's own name
    for whoever prints it.
    """

    __bound_function_wrapper__ = _BoundTracedFunction

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__qualname__

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self
