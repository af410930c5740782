"""
What the values that programs carry around look like as JSON.

Each function here takes a value of a type it knows and returns something
simpler, which capture then walks on. None of them runs code of the value's own
class where data can be read without it: fields are taken from the instance's
dictionary or its slots, never through ``getattr``.
"""

from __future__ import annotations

import base64
import datetime
import enum
import pathlib
import sys
import types
from collections import deque
from typing import Any, Callable


_HEAD_ITEMS = 5
_HEAD_BYTES = 48
_HASHED_BYTES = 4_194_304

UNKNOWN = object()
"""Returned for a value whose type nobody here knows."""

_mro = type.__dict__["__mro__"].__get__


def describe(value: object) -> Any:
    """
    Return a simpler form of a value, or ``UNKNOWN``.

    Args:
        value: Anything that is not one of JSON's own types.

    Returns:
        Text, a number, a list or a dictionary with text keys; its items are
        still as the value held them.
    """
    cls = type(value)
    known = _BY_TYPE.get(cls)
    if known is not None:
        return known(value)
    for base in _mro(cls):
        known = _BY_BASE.get(base) or _BY_NAME.get(_full_name(base))
        if known is not None:
            return known(value)
    for mark, known in _BY_MARK:
        if any(mark in _class_dict(base) for base in _mro(cls)):
            return known(value)
    return UNKNOWN


def type_name(cls: type) -> str:
    """Return ``module.QualName`` without running the class's own code."""
    name = _full_name(cls)
    return name[len("builtins.") :] if name.startswith("builtins.") else name


_class_dict = type.__dict__["__dict__"].__get__
_class_name = type.__dict__["__qualname__"].__get__
_class_module = type.__dict__["__module__"].__get__


def _full_name(cls: type) -> str:
    module = _class_module(cls)
    return f"{module if type(module) is str else '?'}.{_class_name(cls)}"


def _instance_dict(value: object) -> dict[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _class_attribute(value: object, name: str) -> Any:
    for base in _mro(type(value)):
        if name in _class_dict(base):
            return _class_dict(base)[name]
    return None


def _field_values(value: object, names: Any) -> dict[str, Any]:
    stored = _instance_dict(value)
    found = {}
    for name in names:
        if name in stored:
            found[name] = stored[name]
            continue
        slot = _class_attribute(value, name)
        if type(slot) is types.MemberDescriptorType:
            try:
                found[name] = slot.__get__(value)
            except AttributeError:
                continue
    return found


def _dataclass(value: Any) -> dict[str, Any]:
    return _field_values(value, _class_attribute(value, "__dataclass_fields__"))


def _attrs(value: Any) -> dict[str, Any]:
    attributes = _class_attribute(value, "__attrs_attrs__")
    return _field_values(value, [attribute.name for attribute in attributes])


def _struct(value: Any) -> dict[str, Any]:
    return _field_values(value, _class_attribute(value, "__struct_fields__"))


def _pydantic(value: Any) -> dict[str, Any]:
    extra = _class_attribute(value, "__pydantic_extra__")
    found = dict(_instance_dict(value))
    if hasattr(type(extra), "__get__"):
        more = extra.__get__(value)
        found.update(more if type(more) is dict else {})
    return found


def _enum(value: Any) -> str:
    name = _instance_dict(value).get("_name_")
    return f"{_class_name(type(value))}.{name}"


def _named_tuple(value: Any) -> Any:
    names = _class_attribute(value, "_fields")
    items = list(tuple.__iter__(value))
    if type(names) is tuple and len(names) == len(items):
        return dict(zip(names, items))
    return items


def _bytes(value: Any) -> dict[str, Any]:
    import hashlib

    view = memoryview(value)
    data = view if view.contiguous and view.ndim == 1 else memoryview(view.tobytes())
    data = data.cast("B")
    found: dict[str, Any] = {
        "type": type_name(type(value)),
        "bytes": len(data),
        "sha256": hashlib.sha256(data[:_HASHED_BYTES]).hexdigest(),
        "head": base64.b64encode(data[:_HEAD_BYTES]).decode(),
    }
    if len(data) > _HASHED_BYTES:
        found["sha256_of_first"] = _HASHED_BYTES
    return found


def _exception(value: Any) -> str:
    message = str(value)
    return f"{type_name(type(value))}: {message}" if message else type_name(type(value))


def _callable(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = f"{module}.{value.__qualname__}" if module else value.__qualname__
    return f"<function {name}>"


def _class(value: Any) -> str:
    return f"<class {type_name(value)}>"


def _module(value: Any) -> str:
    return f"<module {_instance_dict(value).get('__name__', '?')}>"


def _array(value: Any) -> dict[str, Any]:
    numpy = sys.modules["numpy"]
    flat = numpy.ndarray.reshape(numpy.asarray(value), -1)
    return {
        "type": type_name(type(value)),
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "head": flat[:_HEAD_ITEMS].tolist(),
    }


def _scalar(value: Any) -> Any:
    item = value.item()
    return item if type(item) is not type(value) else repr(item)


def _tensor(value: Any) -> dict[str, Any]:
    found = {
        "type": type_name(type(value)),
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "device": str(value.device),
    }
    # Reading from another device waits for all work that is queued there.
    if value.device.type == "cpu" and value.layout is sys.modules["torch"].strided:
        found["head"] = value.detach().reshape(-1)[:_HEAD_ITEMS].tolist()
    return found


def _frame(value: Any) -> dict[str, Any]:
    head = value.iloc[:_HEAD_ITEMS]
    return {
        "type": type_name(type(value)),
        "shape": list(value.shape),
        "dtypes": {str(name): str(kind) for name, kind in value.dtypes.items()},
        "head": [list(row) for row in head.itertuples(index=True, name=None)],
    }


def _series(value: Any) -> dict[str, Any]:
    return {
        "type": type_name(type(value)),
        "name": str(value.name),
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "head": value.iloc[:_HEAD_ITEMS].tolist(),
    }


def _text_by(module: str, name: str, value: Any) -> str:
    """Return a value's text by its known class, past what a subclass overrides."""
    text: str = getattr(sys.modules[module], name).__str__(value)
    return text


def _masked(_value: Any) -> str:
    return "**********"


_BY_TYPE: dict[type, Callable[[Any], Any]] = {
    types.FunctionType: _callable,
    types.BuiltinFunctionType: _callable,
    types.MappingProxyType: dict,
    range: repr,
    slice: repr,
    complex: repr,
    type(Ellipsis): repr,
    type(NotImplemented): repr,
    memoryview: _bytes,
    type({}.keys()): list,
    type({}.values()): list,
    type({}.items()): list,
}

_BY_BASE: dict[type, Callable[[Any], Any]] = {
    enum.Enum: _enum,
    types.ModuleType: _module,
    type: _class,
    BaseException: _exception,
    bytes: _bytes,
    bytearray: _bytes,
    tuple: _named_tuple,
    deque: lambda value: list(deque.__iter__(value)),
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.timedelta: datetime.timedelta.__str__,
    pathlib.PurePath: pathlib.PurePath.__str__,
}

# Types of modules that may not be loaded are known by name, so that neither asking
# nor answering ever imports one of them.
_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "decimal.Decimal": lambda value: _text_by("decimal", "Decimal", value),
    "fractions.Fraction": lambda value: _text_by("fractions", "Fraction", value),
    "uuid.UUID": lambda value: _text_by("uuid", "UUID", value),
    "numpy.ndarray": _array,
    "numpy.generic": _scalar,
    "torch.Tensor": _tensor,
    "torch._tensor.Tensor": _tensor,
    "pandas.core.frame.DataFrame": _frame,
    "pandas.DataFrame": _frame,
    "pandas.core.series.Series": _series,
    "pandas.Series": _series,
    "pydantic.types.SecretStr": _masked,
    "pydantic.types.SecretBytes": _masked,
    "pydantic.types._SecretBase": _masked,
    "pydantic.main.BaseModel": _pydantic,
    "pydantic.v1.main.BaseModel": _pydantic,
    "pydantic.v1.types.SecretStr": _masked,
    "pydantic.v1.types.SecretBytes": _masked,
}

_BY_MARK: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("__dataclass_fields__", _dataclass),
    ("__attrs_attrs__", _attrs),
    ("__struct_fields__", _struct),
)
