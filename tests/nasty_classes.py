"""
Classes that run code, or lie, whenever they are asked anything.

Each notes in ``TOUCHED`` whenever code of its own was run, which nobody who only
records may do.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Callable


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


@dataclasses.dataclass
class Basket(dict):
    owner: str


class Unprintable(Exception):
    """An exception that cannot print itself."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__
