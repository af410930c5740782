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


def plain_within(value: Any) -> Any:
    """Return the same of each item, if the value is a list."""
    return [plain(item) for item in value] if type(value) is list else plain(value)


_LEAVES = (int, type(None), str, float, bool)


def counts(value: Any) -> Any:
    """
    Return the same as ``plain``, sooner if there are but numbers and texts in a model.

    Or in the models that it holds. Tokens are counted like that in each answer, and to
    ask a library for their JSON takes five times as long.
    """
    if value is None or type(value) is dict:
        return value
    try:
        own, was_set = value.__dict__, value.__pydantic_fields_set__
        more = value.__pydantic_extra__
    except AttributeError:
        return plain(value)
    if more:
        return plain(value)
    made: Facts = {}
    for name, one in own.items():
        if name not in was_set:
            continue
        if type(one) in _LEAVES:
            made[name] = one
            continue
        inner = None if type(one) is dict else counts(one)
        if type(inner) is not dict:
            return plain(value)
        made[name] = inner
    return made


def extra(owner: Any, name: str) -> Any:
    """Return what a provider sent besides what its library has fields for."""
    if type(owner) is dict:
        return owner.get(name)
    more = getattr(owner, "model_extra", None)
    return more.get(name) if more else None
