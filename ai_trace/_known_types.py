"""
What the values that programs carry around look like as JSON.

Each function here takes a value of a type it knows and returns something simpler,
which capture then goes on with. None of them runs code of the value's own class where
data can be read without it: fields are taken from the instance's dictionary or its
slots, never through ``getattr``.

What has one usual form as text, such as dates, decimals, paths and members of
enums, is recorded as that text, without a note.
"""

from __future__ import annotations

import base64
import datetime
import enum
import pathlib
import re
import sys
import types
from collections import deque
from functools import partial
from typing import Any, Callable

from ai_trace import _arrays
from ai_trace._arrays import Summary
from ai_trace._exchanges import readable
from ai_trace._field_types import (
    UNKNOWN,
    ByClass,
    Sequence,
    attrs_reader,
    chain_reader,
    data_reader,
    dataclass_reader,
    enum_reader,
    mapped_reader,
    partial_reader,
    tuple_reader,
    unknown,
)
from ai_trace._library_types import BY_NAME, text_by
from ai_trace._objects import (
    class_dict,
    held,
    instance_dict,
    known_name,
    mro,
    plain_text,
    type_name,
    type_of,
)
from ai_trace._outcome import message_of


_HEAD_BYTES = 48
_SEARCHED_BYTES = 1024
_HASHED_BYTES = 4_194_304
_BIG_BITS = 1024
_MOST_MATCHED = 4_194_304

Reader = Callable[[Any], Any]


def reader_of(cls: type) -> Reader:
    """
    Return what turns the values of a class into something simpler.

    Args:
        cls: A class that is none of JSON's own types.

    Returns:
        A function of a value that returns text, a number, a dictionary with text keys,
        a ``Sequence`` or a ``Summary``, whose items are still as the value held them;
        or ``UNKNOWN``.
    """
    # By identity: to look a class up in a dictionary is to ask its metaclass.
    read = _BY_TYPE.get(id(cls))
    if read is not None:
        return read
    if is_enum(cls):
        return enum_reader(cls)
    bases = mro(cls)
    for base in bases:
        known = _BY_BASE.get(id(base)) or _BY_NAME.get(known_name(base))
        if known is not None:
            return known.of(cls) if isinstance(known, ByClass) else known
    for mark, made in _BY_MARK:
        if any(mark in class_dict(base) for base in bases):
            return made.of(cls)
    return unknown


def is_digits(cls: type) -> bool:
    """Tell whether the text of a value is digits and signs, which hold no secret."""
    return known_name(cls) in _DIGITS


def is_enum(cls: type) -> bool:
    """Tell whether a class is an enum."""
    return any(base is enum.Enum for base in mro(cls))


def _deque(value: Any) -> Sequence:
    return Sequence(partial(deque.__iter__, value), deque.__len__(value))


def _view(value: Any) -> Sequence:
    return Sequence(partial(iter, value), len(value))


def _mapping_proxy(value: Any) -> Any:
    import gc

    # A proxy passes each question on to what it stands for, which may be lazy.
    behind = gc.get_referents(value)
    is_dict = len(behind) == 1 and issubclass(type(behind[0]), dict)
    return behind[0] if is_dict else UNKNOWN


def _frozen_dict(value: Any) -> dict[Any, Any]:
    """Thaw a frozen dictionary, which Python has from 3.15."""
    base: Any = sys.modules["builtins"]
    return dict(base.frozendict.items(value))


def _template(value: Any) -> list[Any]:
    """Return the parts of a template string, which Python has from 3.14."""
    return [part if type(part) is str else _interpolation(part) for part in value]


def _interpolation(value: Any) -> dict[str, Any]:
    # By the expression that was filled in: its name may say that it is a secret.
    return {value.expression: value.value}


def _bytes(value: Any) -> Summary:
    base = bytes if issubclass(type(value), bytes) else bytearray
    # A copy of the start: a view would keep a bytearray from growing meanwhile.
    start = bytes(base.__getitem__(value, slice(_HASHED_BYTES)))
    return _summary(value, base.__len__(value), start)


def _memory_view(value: memoryview) -> Summary:
    if value.ndim == 1 and value.itemsize:
        start = value[: _HASHED_BYTES // value.itemsize].tobytes()
    elif value.c_contiguous and value.format in ("B", "b", "c"):
        start = value.cast("B")[:_HASHED_BYTES].tobytes()
    else:
        start = value.tobytes() if value.nbytes <= _HASHED_BYTES else b""
    return _summary(value, value.nbytes, start)


def _summary(value: object, size: int, start: bytes) -> Summary:
    import hashlib

    fields: dict[str, Any] = {
        "type": type_of(value),
        "bytes": size,
        "sha256": hashlib.sha256(start).hexdigest(),
        "head": base64.b64encode(start[:_HEAD_BYTES]).decode(),
        # For a secret that begins in the head: what looks for it takes it away.
        "start": start[:_SEARCHED_BYTES],
    }
    if size > len(start):
        fields["sha256_of_first"] = len(start)
    return Summary(fields, {"bytes": size} if size > _HEAD_BYTES else {})


def _exception(value: Any) -> str:
    message = message_of(value)
    return f"{type_of(value)}: {message}" if message else type_of(value)


def _function(value: Any) -> str:
    module = plain_text(value.__module__)
    name = plain_text(value.__qualname__)
    return f"<function {name if module == '?' else f'{module}.{name}'}>"


def _builtin(value: Any) -> str:
    # Not by ``__qualname__``, which asks the class of what the function is bound to.
    owner = value.__self__
    place = plain_text(value.__module__)
    if owner is not None and type(owner) is not types.ModuleType:
        place = type_name(owner if type(owner) is type else type(owner))
    return f"<function {place}.{value.__name__}>"


def _method(value: Any) -> Any:
    function = value.__func__
    return _function(function) if type(function) is types.FunctionType else UNKNOWN


def _class(value: Any) -> str:
    return f"<class {type_name(value)}>"


def _module(value: Any) -> str:
    return f"<module {plain_text(instance_dict(value).get('__name__'))}>"


def _steps(value: Any) -> Any:
    """Describe a range or a slice, whose parts may be any objects."""
    parts = (value.start, value.stop, value.step)
    if all(part is None or _is_short(part) for part in parts):
        return repr(value)
    return {"type": type_of(value), "parts": list(parts)}


def _is_short(number: object) -> bool:
    return type(number) is int and number.bit_length() <= _BIG_BITS


def _fraction(value: Any) -> Any:
    parts = (held(value, "_numerator"), held(value, "_denominator"))
    if all(_is_short(part) for part in parts):
        return f"{parts[0]}/{parts[1]}" if parts[1] != 1 else str(parts[0])
    return {"type": type_of(value), "parts": list(parts)}


def _parted_url(value: Any) -> Any:
    """Put a URL together again: on its own, its password looks like any text."""
    parts = tuple(tuple.__iter__(value))
    urls: Any = sys.modules["urllib.parse"]
    return (urls.urlunsplit if len(parts) == 5 else urls.urlunparse)(parts)


def _stored(value: object) -> dict[str, Any]:
    return dict(instance_dict(value))


def _ended_process(value: object) -> dict[str, Any]:
    return {name: readable(part) for name, part in _stored(value).items()}


def _pattern(value: re.Pattern[Any]) -> dict[str, Any]:
    flags = [flag.name for flag in re.RegexFlag if value.flags & flag & ~re.UNICODE]
    return {"pattern": value.pattern, **({"flags": flags} if flags else {})}


def _match(value: re.Match[Any]) -> Any:
    text = value.string
    if type(text) is not str and type(text) is not bytes:
        return UNKNOWN
    spans = value.regs
    fields = {"span": list(spans[0])}
    if sum(end - start for start, end in spans) > _MOST_MATCHED:
        return Summary(fields, {"characters": spans[0][1] - spans[0][0]})
    # By name: that may say that what a group matched is a secret.
    names = {number: name for name, number in value.re.groupindex.items()}
    parts = [None if start < 0 else text[start:end] for start, end in spans]
    groups = {names.get(n, str(n)): parts[n] for n in range(1, len(parts))}
    return {"match": parts[0], **fields, "groups": groups}


def _itself(value: Any) -> Any:
    return value


_BY_TYPE: dict[int, Reader] = {
    # Part of a value that was summarised already.
    id(Summary): _itself,
    id(types.FunctionType): _function,
    id(types.BuiltinFunctionType): _builtin,
    id(types.MethodType): _method,
    id(types.MappingProxyType): _mapping_proxy,
    id(range): _steps,
    id(slice): _steps,
    id(complex): repr,
    id(type(Ellipsis)): repr,
    id(type(NotImplemented)): repr,
    id(memoryview): _memory_view,
    id(type({}.keys())): _view,
    id(type({}.values())): _view,
    id(type({}.items())): _view,
}

if sys.version_info >= (3, 14):
    from string.templatelib import Interpolation, Template

    _BY_TYPE[id(Interpolation)] = _interpolation
    _BY_TYPE[id(Template)] = _template

_BY_BASE: dict[int, Reader | ByClass] = {
    id(types.ModuleType): _module,
    id(type): _class,
    id(BaseException): _exception,
    id(bytes): _bytes,
    id(bytearray): _bytes,
    id(tuple): ByClass(tuple_reader),
    id(deque): _deque,
    id(types.SimpleNamespace): _stored,
    id(datetime.datetime): datetime.datetime.isoformat,
    id(datetime.date): datetime.date.isoformat,
    id(datetime.time): datetime.time.isoformat,
    id(datetime.timedelta): datetime.timedelta.__str__,
    id(pathlib.PurePath): pathlib.PurePath.__str__,
}

_DIGITS = (
    "datetime.datetime",
    "datetime.date",
    "datetime.time",
    "datetime.timedelta",
    "decimal.Decimal",
    "uuid.UUID",
)

# Types of modules that may not be loaded are known by name, so that neither asking
# nor answering ever imports one of them.
_BY_NAME: dict[str, Reader | ByClass] = {
    **BY_NAME,
    "argparse.Namespace": _stored,
    "array.array": _arrays.numbers,
    "builtins.frozendict": _frozen_dict,
    "collections.ChainMap": ByClass(chain_reader),
    "collections.UserDict": ByClass(data_reader),
    "collections.UserList": ByClass(data_reader),
    "collections.UserString": ByClass(data_reader),
    "decimal.Decimal": text_by("decimal", "Decimal"),
    "fractions.Fraction": _fraction,
    "functools.partial": ByClass(partial_reader),
    "logging.LogRecord": _stored,
    "re.Match": _match,
    "re.Pattern": _pattern,
    "subprocess.CompletedProcess": _ended_process,
    "urllib.parse.ParseResult": _parted_url,
    "urllib.parse.ParseResultBytes": _parted_url,
    "urllib.parse.SplitResult": _parted_url,
    "urllib.parse.SplitResultBytes": _parted_url,
    "uuid.UUID": text_by("uuid", "UUID"),
}

_BY_MARK: tuple[tuple[str, ByClass], ...] = (
    ("_sa_class_manager", ByClass(mapped_reader)),
    ("__dataclass_fields__", ByClass(dataclass_reader)),
    ("__attrs_attrs__", ByClass(attrs_reader)),
)
