"""
Reads classes and instances without running any code of theirs.

What a class says about itself can be a lie, a question to a database, or an
endless loop: ``isinstance``, ``hasattr``, ``getattr`` and ``==`` all ask it. The
descriptors of ``type`` itself, and those that hold an instance's slots, do not.
"""

from __future__ import annotations

import sys
import types
from typing import Any, Callable


_NAME_LIMIT = 200

mro = type.__dict__["__mro__"].__get__
"""The classes that a class is made of, itself first."""

class_dict = type.__dict__["__dict__"].__get__
"""What stands in the body of a class."""

class_name = type.__dict__["__qualname__"].__get__

short_name: Callable[[type], str] = type.__dict__["__name__"].__get__
"""The name of a class without its module."""

_str: Callable[[Any], str] = str.__dict__["__str__"]

_class_module = type.__dict__["__module__"].__get__

_HELD = (types.MemberDescriptorType, types.GetSetDescriptorType)


def plain_text(text: object) -> str:
    """Return text as exactly ``str``, past what a subclass overrides."""
    if type(text) is str:
        return text
    return _str(text) if issubclass(type(text), str) else "?"


def full_name(cls: type) -> str:
    """Return ``module.QualName`` as the class has it; it may be any text."""
    return f"{plain_text(_class_module(cls))}.{plain_text(class_name(cls))}"


def known_name(cls: type) -> str:
    """Return the full name of a class that its module has by that name, or ""."""
    name = full_name(cls)
    module, _, attribute = name.rpartition(".")
    is_it = instance_dict(sys.modules.get(module)).get(attribute) is cls
    return name if is_it else ""


def type_name(cls: type) -> str:
    """Return ``module.QualName`` to be shown: short, and valid Unicode."""
    name = full_name(cls)
    name = name[len("builtins.") :] if name.startswith("builtins.") else name
    return valid_unicode(name[:_NAME_LIMIT])


def valid_unicode(text: str) -> str:
    """Return text that can be written in UTF-8: lone surrogates become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def type_of(value: object) -> str:
    """Return the name of a value's type, to be shown."""
    return type_name(type(value))


def class_attribute(cls: type, name: str) -> Any:
    """Return an attribute of a class as it stands in a body, or ``None``."""
    for base in mro(cls):
        if name in class_dict(base):
            return class_dict(base)[name]
    return None


def keeps_elsewhere(value: object, base: type) -> bool:
    """
    Tell whether a container may keep its items elsewhere than its builtin base does.

    Sparse matrices of scipy do: they are dictionaries, and read as such they are empty.
    """
    count = base.__dict__.get("__len__")
    return (
        base is not str
        and count is not None
        and class_attribute(type(value), "__len__") is not count
        and not count(value)
    )


def slot_reader(cls: type, name: str) -> Callable[[object], Any]:
    """
    Return what reads a slot of a class's instances: ``None`` where there is none.

    A property of that name is not asked.
    """
    slot = class_attribute(cls, name)
    if type(slot) not in _HELD:
        return _nothing
    get = slot.__get__

    def read(value: object) -> Any:
        try:
            return get(value)
        except (AttributeError, TypeError):
            return None

    return read


def _nothing(_value: object) -> None:
    return None


def held(value: object, name: str) -> Any:
    """Return what an instance holds in a slot, or ``None``."""
    return slot_reader(type(value), name)(value)


def instance_dict(value: object) -> dict[str, Any]:
    """Return the attributes that an instance holds by name: not a copy."""
    found = held(value, "__dict__")
    return found if type(found) is dict else {}


def fields_reader(cls: type, names: Any) -> Callable[[object], dict[str, Any]]:
    """
    Return what reads the named fields, as far as an instance of a class holds them.

    Where a property or another descriptor answers for a field, the descriptor itself
    is returned: only asking it would tell what the program reads there.
    """
    stored_in = slot_reader(cls, "__dict__")
    slots = [(name, class_attribute(cls, name)) for name in names if type(name) is str]
    fields = [(name, slot, _kind_of_field(slot)) for name, slot in slots]

    def read(value: object) -> dict[str, Any]:
        stored = stored_in(value)
        if type(stored) is not dict:
            stored = {}
        found: dict[str, Any] = {}
        for name, slot, kind in fields:
            if name in stored:
                found[name] = stored[name]
            elif kind == _SLOT:
                try:
                    found[name] = slot.__get__(value)
                except (AttributeError, TypeError):
                    continue
            elif kind == _ASKED:
                found[name] = slot
        return found

    return read


_STORED, _SLOT, _ASKED = range(3)


def _kind_of_field(slot: object) -> int:
    if type(slot) is types.MemberDescriptorType:
        return _SLOT
    is_asked = class_attribute(type(slot), "__set__") is not None
    return _ASKED if is_asked else _STORED
