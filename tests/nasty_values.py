"""
Values that attack whoever records them, alone and in any mix.

``nasty_values()`` is a Hypothesis strategy of them; their classes are those of
``nasty_classes``.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import email.message
import fractions
import http.cookies
import io
import logging
import math
import pathlib
import re
import threading
import types
import urllib.request
import uuid
from typing import Any, Callable
from unittest import mock

from hypothesis import strategies as st
from nasty_classes import (
    HOSTILE_BUILTINS,
    Basket,
    Colour,
    Frozen,
    Hostile,
    HostileBytes,
    Lazy,
    Level,
    Node,
    Point,
    Rights,
    Rows,
    Unprintable,
    WithHostileMeta,
    Word,
)


def cyclic_dict() -> dict[str, Any]:
    """Return a dictionary that holds itself."""
    value: dict[str, Any] = {"price": 1.5}
    value["self"] = value
    return value


def cyclic_list() -> list[Any]:
    """Return two lists that hold each other."""
    value: list[Any] = [1]
    value.append([value])
    return value


def family() -> Node:
    """Return a parent whose child knows its parent."""
    parent = Node("parent")
    parent.children.append(Node("child", parent))
    return parent


def nested(levels: int, kind: str = "list") -> Any:
    """Return that many containers, one in the other."""
    value: Any = []
    for _ in range(levels):
        value = {"in": value} if kind == "dict" else [value]
        value = tuple(value) if kind == "tuple" else value
    return value


def flatten(value: Any) -> None:
    """Take a deep value apart: the interpreter's own deallocator recurses."""
    while isinstance(value, (list, dict)) and value:
        value = value.pop() if isinstance(value, list) else value.pop("in")


def sharing(levels: int) -> list[Any]:
    """Return a list of a few objects that reads like 2 to the power of ``levels``."""
    value: list[Any] = ["leaf"]
    for _ in range(levels):
        value = [value, value]
    return value


def mail(parts: list[Any]) -> email.message.Message:
    """Return a mail of anything."""
    made = email.message.Message()
    made._headers = [("part", part) for part in parts[:2]]
    made._payload = parts
    return made


def log_record(parts: list[Any]) -> logging.LogRecord:
    """Return a log record of anything."""
    record = logging.LogRecord("desk", logging.INFO, "desk.py", 7, "", None, None)
    record.msg, record.args = parts[:1], tuple(parts)
    return record


def namespace(parts: list[Any]) -> argparse.Namespace:
    """Return the arguments of a command, of anything."""
    return argparse.Namespace(first=parts[:1], rest=parts)


def basket() -> Basket:
    """Return a dataclass that is a dictionary, and holds itself."""
    made = Basket("Ada")
    made["self"] = made
    return made


NASTY_TEXT = (
    "\ud83e",
    "a\udcffb",
    "\x00",
    "\x1b[2J",
    "\u2028\u2029\x85",
    '"\\',
    "\u202e",
    "\ufeff",
    "😀",
    "",
    "NaN",
    "<cycle>",
    "_t",
)

NASTY_NUMBERS = (
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    2**53 + 1,
    -(2**63) - 1,
    2**64,
    -(10**40),
)

NASTY_OBJECTS: dict[str, Callable[[], Any]] = {
    "hostile": lambda: object.__new__(Hostile),
    "hostile class": lambda: Hostile,
    "hostile metaclass": lambda: WithHostileMeta,
    "instance of it": lambda: object.__new__(WithHostileMeta),
    **{f"hostile {key}": make for key, (make, _) in HOSTILE_BUILTINS.items()},
    "hostile bytes": lambda: bytes.__new__(HostileBytes, b"abc"),
    "lazy": Lazy,
    "rows": Rows,
    "proxy of lazy": lambda: types.MappingProxyType(Lazy()),
    "object": object,
    "mock": mock.MagicMock,
    "lock": threading.Lock,
    "generator": lambda: (n for n in range(3)),
    "iterator": lambda: iter([1, 2]),
    "module": lambda: math,
    "function": lambda: len,
    "lambda": lambda: lambda: None,
    "file": lambda: io.StringIO("text"),
    "bytes": lambda: b"\xff" * 100,
    "bytearray": lambda: bytearray(3),
    "memoryview": lambda: memoryview(b"abc"),
    "Decimal": lambda: decimal.Decimal("NaN"),
    "Fraction": lambda: fractions.Fraction(1, 3),
    "UUID": lambda: uuid.UUID(int=5),
    "Path": lambda: pathlib.PurePosixPath("a/\udcff"),
    "datetime": lambda: datetime.datetime.max,  # noqa: DTZ901
    "aware": lambda: datetime.datetime.min.replace(tzinfo=datetime.timezone.utc),
    "timedelta": lambda: datetime.timedelta.max,
    "Enum": lambda: Colour.RED,
    "IntEnum": lambda: Level.HIGH,
    "text Enum": lambda: Word.BUY,
    "Flag": lambda: Rights.READ | Rights.WRITE,
    "namedtuple": lambda: Point(1, None),
    "dataclass": lambda: Frozen(1.5, {"a": {1, 2}}),
    "complex": lambda: 1j,
    "huge number": lambda: 10**5000,
    "range": lambda: range(3),
    "slice": lambda: slice(None, object.__new__(Hostile)),
    "Ellipsis": lambda: ...,
    "exception": lambda: Unprintable("x"),
    "OrderedDict": lambda: collections.OrderedDict(a=1),
    "Counter": lambda: collections.Counter("aab"),
    "deque": lambda: collections.deque([1, 2], 2),
    "view": lambda: {"a": 1}.items(),
    "cyclic dict": cyclic_dict,
    "cyclic list": cyclic_list,
    "family": family,
    "deep": lambda: nested(60),
    "sharing": lambda: sharing(8),
    "pattern": lambda: re.compile("(?P<a>x)", re.I),
    "match": lambda: re.match("(?P<a>x)(y)?", "xx"),
    "mail": lambda: mail([object.__new__(Hostile), Lazy()]),
    "cookie": lambda: http.cookies.SimpleCookie("a=b"),
    "request": lambda: urllib.request.Request("http://host/", b"\xff"),
    "basket": basket,
}
"""Makers of single nasty objects, by name."""


def nasty_text() -> st.SearchStrategy[str]:
    """Return a strategy of text: any at all, lone surrogates included."""
    any_text = st.text(st.characters(exclude_categories=()), max_size=20)
    return st.sampled_from(NASTY_TEXT) | any_text


class Maker:
    """
    Makes one nasty value, when called.

    Hypothesis asks the values that it hands out what they are; so it gets these.
    """

    def __init__(self, text: str, make: Callable[[], Any]) -> None:
        self.text = text
        self.make = make

    def __call__(self) -> Any:
        return self.make()

    def __repr__(self) -> str:
        return self.text


def constant(value: Any) -> Maker:
    """Return what makes a harmless value."""
    return Maker(ascii(value), lambda: value)


def made(kind: Callable[[list[Any]], Any]) -> Callable[[list[Maker]], Maker]:
    """Return what turns makers of parts into the maker of a whole."""
    return lambda parts: Maker(
        f"{kind.__name__}({parts})", lambda: kind([part() for part in parts])
    )


def dictionary(parts: list[Any]) -> dict[Any, Any]:
    """Return a dictionary of keys and values in turn."""
    return dict(zip(parts[::2], parts[1::2]))


def node(parts: list[Any]) -> Node:
    """Return a dataclass of text and whatever is given."""
    return Node("node", parts[:1], parts[1:])


def nasty_leaves() -> st.SearchStrategy[Maker]:
    """Return a strategy of what makes values that hold no other generated value."""
    objects = sorted(NASTY_OBJECTS)
    return st.one_of(
        st.none().map(constant),
        st.booleans().map(constant),
        st.integers().map(constant),
        st.floats().map(constant),
        nasty_text().map(constant),
        st.binary(max_size=60).map(constant),
        st.sampled_from(NASTY_NUMBERS).map(constant),
        st.sampled_from(objects).map(lambda name: Maker(name, NASTY_OBJECTS[name])),
    )


def nasty_keys() -> st.SearchStrategy[Any]:
    """Return a strategy of dictionary keys of any type, many of which look alike."""
    return st.one_of(
        nasty_text(),
        st.sampled_from(("1", 1, 1.5, "1.5", True, "true", None, "null", "1#int")),
        st.sampled_from((Colour.RED, (1, "a"), "[1,'a']", frozenset({1}), b"k", 0, "")),
        st.builds(object),
    )


def nasty_values(max_leaves: int = 25) -> st.SearchStrategy[Maker]:
    """
    Return a strategy of what makes values that attack whoever records them.

    Call what it gives for the value: each call makes a new one.

    Args:
        max_leaves: About how many leaves one value has at most.
    """
    keys = nasty_keys().map(constant)
    return st.recursive(
        nasty_leaves(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=6).map(made(list)),
            st.lists(inner, max_size=4).map(made(tuple)),
            st.lists(inner, max_size=4).map(made(node)),
            st.lists(inner, max_size=4).map(made(collections.deque)),
            st.lists(inner, max_size=3).map(made(mail)),
            st.lists(inner, max_size=3).map(made(log_record)),
            st.lists(inner, max_size=3).map(made(namespace)),
            st.lists(st.tuples(keys, inner), max_size=6)
            .map(lambda pairs: [part for pair in pairs for part in pair])
            .map(made(dictionary)),
        ),
        max_leaves=max_leaves,
    )
