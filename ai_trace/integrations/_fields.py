"""
Reads what a library gave, be it a model of its own or a plain dictionary.
"""

from __future__ import annotations

from typing import Any


Facts = dict[str, Any]


def field(owner: Any, name: str) -> Any:
    """Return what an object or a dictionary holds under a name; ``None`` if nothing."""
    if type(owner) is dict:
        return owner.get(name)
    return getattr(owner, name, None)


def fields(owner: Any) -> Facts:
    """
    Return all that a library's model or a dictionary holds, by name.

    To look into a model for several names, most of which it has not, takes as long
    as all the rest of reading it: here it is looked into once.
    """
    if type(owner) is dict:
        return owner
    try:
        own: Facts = owner.__dict__
    except AttributeError:
        return {}
    # What a provider sent besides what its library has fields for.
    more = getattr(owner, "__pydantic_extra__", None)
    return {**own, **more} if more else own


def items(value: Any) -> list[Any]:
    """
    Return the items of a list or tuple; none of anything else.

    An iterator stays as it is: whoever gave it wants to run it.
    """
    return list(value) if type(value) in (list, tuple) else []


def plain(value: Any) -> Any:
    """Return the JSON that a model was made of; other values as they are."""
    dump = getattr(type(value), "model_dump", None)
    if dump is None:
        return value
    return dump(value, exclude_unset=True, warnings=False)


def extra(owner: Any, name: str) -> Any:
    """Return what a provider sent besides what its library has fields for."""
    if type(owner) is dict:
        return owner.get(name)
    more = getattr(owner, "model_extra", None)
    return more.get(name) if more else None
