"""
Values that attack whoever records them, alone and in any mix.

``nasty_values()`` is a Hypothesis strategy of them; each class here notes in
``TOUCHED`` whenever code of its own was run, which nobody who only records may do.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import math
import pathlib
import threading
import types
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Callable
from unittest import mock

from hypothesis import strategies as st


TOUCHED: list[str] = []
"""What of the classes here was run, in order."""


class Touched(Exception):
    """Raised by each method that should not have been called."""


def _tripwire(name: str, raised: Callable[[], BaseException]) -> Callable[..., Any]:
    def touched(*args, **kwargs):
        TOUCHED.append(name)
        raise raised()

    return touched


WATCHED = tuple(
    f"__{name}__"
    for name in (
        "repr str format bytes bool len iter next contains getitem setitem eq ne lt le "
        "gt ge hash getattr call int float index complex abs neg add mul enter exit "
        "reversed length_hint missing await aiter anext copy deepcopy reduce reduce_ex "
        "getstate sizeof dir fspath json dict"
    ).split()
)

PLAIN_METHODS = (
    "keys items values get pop copy encode dict json model_dump asdict _asdict "
    "to_dict tolist isoformat item read as_dict __json__ __html__ _repr_html_"
).split()


def all_tripwires(raised: Callable[[], BaseException] = Touched) -> dict[str, Any]:
    """Return the body of a class whose every method says that it was called."""
    return {name: _tripwire(name, raised) for name in (*WATCHED, *PLAIN_METHODS)}


def hostile_class(
    name: str = "Hostile",
    bases: tuple[type, ...] = (),
    raised: Callable[[], BaseException] = Touched,
    metaclass: type = type,
) -> type:
    """Make a class all of whose methods and attributes are tripwires."""
    body = all_tripwires(raised)
    body["__class__"] = property(_tripwire("__class__", raised))
    body["__dict__"] = property(_tripwire("__dict__", raised))
    body["__getattribute__"] = _tripwire("__getattribute__", raised)
    return metaclass(name, bases, body)


class HostileMeta(type):
    """A metaclass that runs code whenever a class of its is asked anything."""

    __getattribute__ = _tripwire("meta __getattribute__", Touched)
    __instancecheck__ = _tripwire("meta __instancecheck__", Touched)
    __subclasscheck__ = _tripwire("meta __subclasscheck__", Touched)
    __eq__ = _tripwire("meta __eq__", Touched)
    __hash__ = _tripwire("meta __hash__", Touched)
    __repr__ = _tripwire("meta __repr__", Touched)
    __len__ = _tripwire("meta __len__", Touched)
    __iter__ = _tripwire("meta __iter__", Touched)
    __contains__ = _tripwire("meta __contains__", Touched)
    __call__ = type.__call__


Hostile = hostile_class()
WithHostileMeta = HostileMeta("WithHostileMeta", (), {})
HostileStr = hostile_class("HostileStr", (str,))
HostileInt = hostile_class("HostileInt", (int,))
HostileFloat = hostile_class("HostileFloat", (float,))
HostileDict = hostile_class("HostileDict", (dict,))
HostileList = hostile_class("HostileList", (list,))
HostileTuple = hostile_class("HostileTuple", (tuple,))
HostileSet = hostile_class("HostileSet", (set,))
HostileBytes = hostile_class("HostileBytes", (bytes,))

HOSTILE_BUILTINS: dict[str, tuple[Callable[[], Any], Any]] = {
    "str": (lambda: str.__new__(HostileStr, "text"), "text"),
    "int": (lambda: int.__new__(HostileInt, 7), 7),
    "float": (lambda: float.__new__(HostileFloat, 0.5), 0.5),
    "list": (lambda: _filled(list, HostileList, [1, "a"]), [1, "a"]),
    "dict": (lambda: _filled(dict, HostileDict, {"a": 1}), {"a": 1}),
    "tuple": (lambda: tuple.__new__(HostileTuple, (1, "a")), [1, "a"]),
    "set": (lambda: _filled(set, HostileSet, {1}), [1]),
}
"""Of each builtin type a value whose class overrides everything, and its data."""


def _filled(base: Any, cls: type, data: Any) -> Any:
    made = base.__new__(cls)
    base.__init__(made, data)
    return made


class Lazy(Mapping):
    """A mapping that asks a database for each key, and counts how often."""

    def __init__(self) -> None:
        self.queries = 0

    def __getitem__(self, key):
        self.queries += 1
        return key

    def __iter__(self):
        self.queries += 1
        return iter(("a", "b"))

    def __len__(self):
        self.queries += 1
        return 2

    def __repr__(self):
        self.queries += 1
        return "Lazy"


class Rows(Sequence):
    """What an ORM calls a query: it runs when it is looked at."""

    def __init__(self) -> None:
        self.queries = 0

    def _run(self, *_args):
        self.queries += 1
        return 1

    __getitem__ = __len__ = __bool__ = _run

    def __getattr__(self, name):
        # Not for the protocols of those who made this object.
        if not name.startswith("__"):
            self.queries += 1
        raise AttributeError(name)

    def __repr__(self):
        self.queries += 1
        return "Rows"


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    BUY = "buy"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Node:
    name: str
    parent: Any = None
    children: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    __slots__ = ("other", "price")
    price: float
    other: Any


class Unprintable(Exception):
    """An exception that cannot print itself."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


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
    10**5000,
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
}
"""Makers of single nasty objects, by name."""


def nasty_text() -> st.SearchStrategy[str]:
    """Return a strategy of text: any at all, lone surrogates included."""
    any_text = st.text(st.characters(exclude_categories=()), max_size=20)
    return st.sampled_from(NASTY_TEXT) | any_text


def nasty_leaves() -> st.SearchStrategy[Any]:
    """Return a strategy of values that hold no other generated value."""
    objects = st.sampled_from(sorted(NASTY_OBJECTS)).map(
        lambda name: NASTY_OBJECTS[name]()
    )
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        nasty_text(),
        st.binary(max_size=60),
        st.sampled_from(NASTY_NUMBERS),
        objects,
    )


def nasty_keys() -> st.SearchStrategy[Any]:
    """Return a strategy of dictionary keys of any type, many of which look alike."""
    return st.one_of(
        nasty_text(),
        st.sampled_from(("1", 1, 1.5, "1.5", True, "true", None, "null", "1#int")),
        st.sampled_from((Colour.RED, (1, "a"), "[1,'a']", frozenset({1}), b"k", 0, "")),
        st.builds(object),
    )


def nasty_values(max_leaves: int = 25) -> st.SearchStrategy[Any]:
    """
    Return a strategy of values that attack whoever records them.

    Args:
        max_leaves: About how many leaves one value has at most.
    """
    return st.recursive(
        nasty_leaves(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=6),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(nasty_keys(), inner, max_size=6),
            st.builds(Node, nasty_text(), inner, st.lists(inner, max_size=3)),
            st.builds(Frozen, st.floats(), inner),
        ),
        max_leaves=max_leaves,
    )
