"""
Reads what a library gave, whether a model of its own or a plain dictionary.
"""

from __future__ import annotations

from itertools import compress
from typing import Any

from ai_trace._objects import plain_text


Facts = dict[str, Any]
_LEAVES = (int, type(None), str, float, bool)


def field(owner: Any, name: str) -> Any:
    """Return what an object or a dictionary holds under a name; ``None`` if nothing."""
    if type(owner) is dict:
        return owner.get(name)
    return getattr(owner, name, None)


def fields(owner: Any) -> Facts:
    """
    Return all that a library's model or a dictionary holds, by name.

    Looking for several names in a model that has few of them takes as long as all the
    rest of reading it, so this looks once.
    """
    if type(owner) is dict:
        return owner
    try:
        own: Facts = owner.__dict__
    except AttributeError:
        return {}
    # Fields that the provider sent and its library does not know.
    more = getattr(owner, "__pydantic_extra__", None)
    return {**own, **more} if more else own


def as_sent(value: Any) -> Any:
    """Return a text as JSON has it: that of an enum of texts, not its name."""
    return plain_text(value) if issubclass(type(value), str) else value


def items(value: Any) -> list[Any]:
    """
    Return the items of a list or tuple; none of anything else.

    An iterator is left alone: the program wants to run it.
    """
    return list(value) if type(value) in (list, tuple) else []


def plain(value: Any) -> Any:
    """Return the JSON that a model was made from; other values as they are."""
    dump = getattr(type(value), "model_dump", None)
    if dump is None:
        return value
    return dump(value, by_alias=True, exclude_unset=True, warnings=False)


def plain_within(value: Any) -> Any:
    """Return the same of each item, if the value is a list."""
    return [plain(item) for item in value] if type(value) is list else plain(value)


def counts(value: Any) -> Any:
    """
    Return the same as ``plain``, faster for models that hold only numbers and texts.

    They may also hold other models of that kind. Every answer counts its tokens in such
    models, and asking the library for their JSON takes five times as long.
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
    # In C, as most fields were not set.
    made = dict(compress(own.items(), map(was_set.__contains__, own)))
    for name, one in made.items():
        if type(one) in _LEAVES:
            continue
        made[name] = inner = None if type(one) is dict else counts(one)
        if type(inner) is not dict:
            return plain(value)
    return made


def extra(owner: Any, name: str) -> Any:
    """Return a field that a provider sent and its library does not know."""
    if type(owner) is dict:
        return owner.get(name)
    more = getattr(owner, "model_extra", None)
    return more.get(name) if more else None


def rank(index: Any) -> int:
    """Return which place an index stands for: the first, if it is no number."""
    return index if type(index) is int else 0
