"""
Objects of named fields: what is the same for all of a class is found out once.

A list of rows holds objects of one class: what reads them is made once for the class,
and does not search its bases again for each object.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

from ai_trace._objects import (
    class_attribute,
    class_dict,
    class_name,
    fields_reader,
    held,
    mro,
    plain_text,
    slot_reader,
)


UNKNOWN = object()
"""Returned for a value whose type nobody here knows."""


def unknown(_value: object) -> Any:
    """Read nothing: of this class nothing is known."""
    return UNKNOWN


class Sequence(NamedTuple):
    """
    The items of a value that is walked like a list.

    Attributes:
        walk: Begins a walk over the items.
        length: How many there are.
    """

    walk: Callable[[], Iterator[Any]]
    length: int


class Thing(NamedTuple):
    """
    An object that equals only itself, and so is no mere data: an account, for one.

    Attributes:
        fields: What it holds, by name.
        family: The first of its bases that has fields.
    """

    fields: dict[str, Any]
    family: type


class ByClass(NamedTuple):
    """
    What makes the reader of the values of a class.

    Attributes:
        of: Takes the class, and returns a function of a value.
    """

    of: Callable[[type], Callable[[Any], Any]]


# What a subclass holds, as of the builtin type.
_COPIES: dict[type, Callable[[Any], Any]] = {
    # Not ``dict.copy``, which runs code of the subclass.
    dict: MappingProxyType,
    list: list.copy,
    set: set.copy,
    frozenset: frozenset.copy,
    str: plain_text,
    int: int.__int__,
    float: float.__float__,
}


def dataclass_reader(cls: type) -> Callable[[Any], Any]:
    """Read instances of a dataclass by their fields."""
    fields = class_attribute(cls, "__dataclass_fields__")
    return _all_of(cls, fields) if type(fields) is dict else unknown


def attrs_reader(cls: type) -> Callable[[Any], Any]:
    """Read instances of a class made by attrs by their fields."""
    attributes = class_attribute(cls, "__attrs_attrs__")
    if not issubclass(type(attributes), tuple):
        return unknown
    names = [held(attribute, "name") for attribute in tuple.__iter__(attributes)]
    return _all_of(cls, names)


def _all_of(cls: type, names: Any) -> Callable[[Any], Any]:
    """Read fields, and what an instance of a builtin type holds besides them."""
    read_fields = fields_reader(cls, names)
    base: Any = next((base for base in _COPIES if issubclass(cls, base)), None)
    if base is None:
        family = _family_of(cls)
        if family is None:
            return read_fields
        return lambda value: Thing(read_fields(value), family)
    is_container = "__len__" in base.__dict__ and base is not str

    def read(value: Any) -> dict[str, Any]:
        fields = read_fields(value)
        if is_container and _adds_nothing(base, value, fields):
            return fields
        items = _COPIES[base](value)
        return {"fields": fields, "items" if is_container else "value": items}

    return read


def _family_of(cls: type) -> type | None:
    """Return the first base with fields, unless the class defines equality."""
    family = None
    for base in mro(cls)[:-1]:
        body = class_dict(base)
        if "__eq__" in body:
            return None
        if "__dataclass_fields__" in body or "__attrs_attrs__" in body:
            family = base
    return family


def _adds_nothing(base: Any, value: Any, fields: dict[str, Any]) -> bool:
    """Tell whether a container holds only its fields, as the outputs of models do."""
    count = base.__len__(value)
    if base is not dict or count > len(fields):
        return not count
    return all(
        type(key) is str and key in fields and fields[key] is item
        for key, item in dict.items(value)
    )


def struct_reader(cls: type) -> Callable[[Any], Any]:
    """Read the structs of msgspec by their fields."""
    return fields_reader(cls, held(cls, "__struct_fields__"))


def mapped_reader(cls: type) -> Callable[[Any], Any]:
    """Read what objects that SQLAlchemy maps have loaded; no database is asked."""
    manager = class_attribute(cls, "_sa_class_manager")
    if not issubclass(type(manager), dict):
        return unknown
    names = [name for name in dict.keys(manager) if type(name) is str]
    stored_in = slot_reader(cls, "__dict__")

    def read(value: Any) -> Any:
        stored = stored_in(value)
        if type(stored) is not dict:
            return UNKNOWN
        # One that has expired holds nothing, but is not an object without fields.
        return {name: stored[name] for name in names if name in stored} or UNKNOWN

    return read


def pydantic_reader(cls: type) -> Callable[[Any], Any]:
    """Read the models of pydantic by what they store, extra fields included."""
    if class_attribute(cls, "_sa_class_manager") is not None:
        return mapped_reader(cls)
    stored_in = slot_reader(cls, "__dict__")
    extra_in = slot_reader(cls, "__pydantic_extra__")

    def read(value: Any) -> dict[str, Any]:
        stored, more = stored_in(value), extra_in(value)
        fields = dict(stored) if type(stored) is dict else {}
        if type(more) is dict:
            fields.update(more)
        return fields

    return read


def enum_reader(cls: type) -> Callable[[Any], Any]:
    """Read the members of an enum by their names: ``Color.RED``."""
    stored_in = slot_reader(cls, "__dict__")
    shown = plain_text(class_name(cls)).rpartition("<locals>.")[2]

    def read(value: Any) -> str:
        stored = stored_in(value)
        if type(stored) is not dict:
            return shown
        name, raw = stored.get("_name_"), stored.get("_value_")
        if type(name) is str:
            return f"{shown}.{name}"
        # Combined flags, before Python 3.11.
        return f"{shown}({raw})" if type(raw) is int else shown

    return read


def tuple_reader(cls: type) -> Callable[[Any], Any]:
    """Read tuples, named ones by their fields."""
    names = class_attribute(cls, "_fields")
    is_named = type(names) is tuple and all(type(name) is str for name in names)

    def read(value: Any) -> Any:
        count = tuple.__len__(value)
        if is_named and len(names) == count:
            return dict(zip(names, tuple.__iter__(value)))
        return Sequence(partial(tuple.__iter__, value), count)

    return read


def data_reader(cls: type) -> Callable[[Any], Any]:
    """Read the wrappers of ``collections`` by the data inside them."""
    stored = _stored_reader(cls, "data")

    def read(value: Any) -> Any:
        data = stored(value)
        kind = type(data)
        # By identity: ``in`` would ask the metaclass.
        return data if kind is dict or kind is list or kind is str else UNKNOWN

    return read


def chain_reader(cls: type) -> Callable[[Any], Any]:
    """Read a ``collections.ChainMap`` by the mappings in it."""
    # Its mappings one by one: merging them would compare keys, which runs their code.
    stored = _stored_reader(cls, "maps")

    def read(value: Any) -> Any:
        maps = stored(value)
        return {"maps": maps} if type(maps) is list else UNKNOWN

    return read


def _stored_reader(cls: type, name: str) -> Callable[[Any], Any]:
    """Return what reads a value that instances store under a name."""
    stored_in = slot_reader(cls, "__dict__")

    def read(value: Any) -> Any:
        stored = stored_in(value)
        return stored.get(name) if type(stored) is dict else None

    return read


def partial_reader(cls: type) -> Callable[[Any], Any]:
    """Read a ``functools.partial`` by its function and the arguments it adds."""
    parts = [(part, slot_reader(cls, part)) for part in ("func", "args", "keywords")]
    return lambda value: {part: read(value) for part, read in parts}
