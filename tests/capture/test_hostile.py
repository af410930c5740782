"""Values whose classes run code, or lie, whenever they are asked anything."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
import types
import weakref
from unittest import mock

import attrs
import pytest
from nasty_classes import (
    HOSTILE_BUILTINS,
    TOUCHED,
    Hostile,
    HostileBytes,
    HostileMeta,
    HostileStr,
    Lazy,
    Node,
    Rows,
    Touched,
    WithHostileMeta,
    hostile_class,
)


pytestmark = pytest.mark.usefixtures("untouched")


def opaque(seen, cls):
    """Tell whether a value is shown by the name of its class alone, and noted."""
    name = f"{type.__dict__['__module__'].__get__(cls)}.{cls.__qualname__}"
    assert f"<{name}>" == seen.value
    assert {"path": "", "note": "opaque", "type": name} == seen.note
    return True


RAISED = [
    Touched,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    MemoryError,
    RecursionError,
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda cls: cls.__name__)
def test_unknown_classes_are_named_and_not_run(show, raised):
    """F79 to F82: of a class that nobody knows, no method and no attribute is run."""
    cls = hostile_class(raised=raised)

    assert opaque(show(object.__new__(cls)), cls)


def test_hostile_representations_are_not_asked_for(show):
    """F79, F82: no ``__repr__`` is run, be it slow, huge, or of the wrong type."""

    class Huge:
        def __repr__(self):
            TOUCHED.append("huge")
            return "x" * 2**30

    class Slow:
        def __repr__(self):
            TOUCHED.append("slow")
            time.sleep(10)

    class Wrong:
        def __repr__(self):
            TOUCHED.append("wrong")
            return 7

    class Waits:
        held = threading.Lock()

        def __repr__(self):
            TOUCHED.append("waits")
            with self.held:
                return "never"

    with Waits.held:
        for cls in (Huge, Slow, Wrong, Waits):
            assert opaque(show(cls()), cls)


@pytest.mark.parametrize("name", HOSTILE_BUILTINS)
def test_builtins_are_read_past_their_subclass(show, name):
    """F80, F102: a subclass of a builtin type that overrides all is read as data."""
    make, data = HOSTILE_BUILTINS[name]

    seen = show(make())

    assert data == seen.value
    assert [] == seen.notes


def test_bytes_are_read_past_their_subclass(show):
    """F96: a subclass of bytes that overrides everything is read as its bytes."""
    seen = show(bytes.__new__(HostileBytes, b"abc"))

    assert ("YWJj", 3) == (seen.value["head"], seen.value["bytes"])


def test_hostile_metaclasses_are_not_asked(show):
    """F80: neither a class with a hostile metaclass nor its instances run it."""
    instance = object.__new__(WithHostileMeta)
    name = "nasty_classes.WithHostileMeta"

    assert f"<class {name}>" == show(WithHostileMeta).value
    assert f"<{name}>" == show(instance).value


def test_hostile_metaclasses_are_not_compared(show):
    """F80: whatever stands where data are looked for, its class is told by identity."""
    hostile = object.__new__(WithHostileMeta)
    wrapped = collections.UserDict()
    wrapped.data = hostile

    shown = show([{hostile: 1}, wrapped, {hostile: 1}.items()]).value

    assert [{"<nasty_classes.WithHostileMeta>": 1}, "<collections.UserDict>"] == shown[
        :2
    ]


def test_hostile_metaclasses_under_secret_names(show):
    """F80: whether a secret is an empty container is told by identity."""
    secret = {"password": object.__new__(WithHostileMeta)}

    assert {"password": "[redacted:key]"} == show(secret).value


@pytest.mark.parametrize("base", [dict, list, tuple, set, str, int, float, bytes])
def test_builtins_with_hostile_metaclasses(show, base):
    """F80: a builtin type with a hostile metaclass on top is read as data."""
    value = base.__new__(HostileMeta("Odd", (base,), {}))

    assert "failed" not in str(show(value).value)


def test_methods_of_hostile_objects_are_named(show):
    """F80, F84: a bound method is named by its function, without asking its object."""
    hostile = HostileMeta("Odd", (list,), {})()

    seen = show(list.append.__get__(hostile))

    assert seen.value.startswith("<function ") and seen.value.endswith("Odd.append>")


class Liar:
    """A stranger that says it is of a known class, with all its marks."""

    __class__ = property(lambda self: Node)

    def __getattr__(self, name):
        TOUCHED.append(name)
        return lambda *args: {"lie": True}


def test_class_is_what_the_interpreter_knows(show):
    """F80: an object that only says that it is a dataclass is a stranger."""
    assert opaque(show(Liar()), Liar)


@pytest.mark.parametrize(
    "marks",
    [
        {"__dataclass_fields__": property(lambda self: TOUCHED.append("fields"))},
        {"__dataclass_fields__": Lazy()},
        {"__dataclass_fields__": {1: 2}},
        {"__attrs_attrs__": Rows()},
        {"__attrs_attrs__": (object.__new__(Hostile),)},
        {"_fields": Lazy()},
        {"__module__": str.__new__(HostileStr, "numpy")},
        {"__module__": "numpy", "__qualname__": "ndarray"},
        {"__module__": "pandas", "__qualname__": "DataFrame"},
        {"__module__": 7},
        {"__module__": property(lambda self: TOUCHED.append("module"))},
        {"__dict__": property(lambda self: TOUCHED.append("dict"))},
    ],
    ids=[f"forgery {number}" for number in range(12)],
)
def test_forged_marks_are_no_license(show, marks):
    """A class with the marks or the name of a known one is read as data, or named."""
    cls = type("Forged", (), dict(marks))

    shown = show(cls()).value

    assert shown == {} or (shown.startswith("<") and "failed" not in shown)


@pytest.mark.parametrize(
    "make",
    [
        mock.Mock,
        mock.MagicMock,
        mock.AsyncMock,
        lambda: mock.NonCallableMagicMock(spec=Node),
        lambda: mock.create_autospec(Node)("a"),
        lambda: mock.MagicMock(spec=dict),
        lambda: mock.MagicMock(name="x", keys=lambda: ["a"], shape=(1,)),
    ],
    ids=["Mock", "MagicMock", "AsyncMock", "spec", "autospec", "as dict", "set up"],
)
def test_mocks_are_named(show, make):
    """F83: a mock is named, and no attribute of its is made or called."""
    value = make()
    calls = list(value.mock_calls)

    seen = show(value)

    assert seen.value.startswith("<unittest.mock.")
    assert "opaque" == seen.note["note"]
    assert calls == value.mock_calls


@pytest.mark.parametrize("make", [Lazy, Rows], ids=["mapping", "query"])
def test_lazy_objects_load_nothing(show, make):
    """F86, F101: an object that loads when it is looked at is not looked at."""
    value = make()

    seen = show(value)

    assert 0 == value.queries
    assert opaque(seen, make)


def test_lazy_objects_behind_builtin_ones_load_nothing(show):
    """F86: neither does one behind a proxy, a wrapper or a chain of mappings."""
    lazy = Lazy()

    shown = show(
        [
            types.MappingProxyType(lazy),
            collections.ChainMap(lazy),
            collections.UserDict(),
            weakref.proxy(lazy),
            types.MappingProxyType({"a": 1}),
            {"a": lazy}.items(),
        ]
    ).value

    assert 0 == lazy.queries
    assert "<mappingproxy>" == shown[0]
    assert {"a": 1} == shown[4]
    assert [["a", "<nasty_classes.Lazy>"]] == shown[5]


def test_lazy_fields_of_known_objects_load_nothing(show):
    """F101: attributes that are computed are left out, those that are there shown."""

    @dataclasses.dataclass
    class Row:
        key: int
        owner: object = dataclasses.field(init=False)

        def __getattr__(self, name):
            TOUCHED.append(name)
            return "loaded"

    @attrs.define(slots=False)
    class Other:
        key: int
        owner: object = attrs.field(init=False)

        @property
        def total(self):
            TOUCHED.append("total")

    assert {"key": 1} == show(Row(1)).value
    assert {"key": 2} == show(Other(2)).value


class Column:
    """A descriptor that would ask a database."""

    def __get__(self, instance, owner=None):
        if instance is not None:
            TOUCHED.append("column")
        return 0

    def __set__(self, instance, value):
        pass


def test_a_field_that_a_descriptor_answers_for_is_named(show):
    """F101: a declared field that nobody reads is told as opaque, not left out."""

    @dataclasses.dataclass
    class Row:
        key: int
        owner: int = Column()

    seen = show(Row(1))

    name = f"{__name__}.Column"
    assert {"key": 1, "owner": f"<{name}>"} == seen.value
    assert {"path": ".owner", "note": "opaque", "type": name} == seen.note


@pytest.mark.parametrize("base", [dict, list, set])
def test_a_container_that_keeps_its_items_elsewhere_is_not_empty(show, base):
    """F102: what would read empty as its builtin base, and may be full, is opaque."""

    class Elsewhere(base):
        def __len__(self):
            TOUCHED.append("len")
            return 7

    assert opaque(show(Elsewhere()), Elsewhere)


def test_defaults_are_not_made(show):
    """F101: a dictionary that makes what is missing is left as it was."""
    value = collections.defaultdict(list, {"a": 1})

    assert {"a": 1} == show(value).value
    assert ["a"] == list(value)


def test_nothing_is_compared_or_hashed(show):
    """F80: two hostile objects beside each other meet in no set and in no sort."""
    one, other = object.__new__(Hostile), object.__new__(Hostile)

    seen = show([one, other, (one, {"a": other})])

    assert 4 == str(seen.value).count("Hostile>")


def test_hostile_keys_are_neither_compared_nor_hashed(show):
    """F80, F89: hostile keys of a dictionary are shown by their class, all of them."""

    class Key:
        armed = False

        def __hash__(self):
            if self.armed:
                TOUCHED.append("hash")
            return hash("price")

        def __eq__(self, other):
            if self.armed:
                TOUCHED.append("eq")
            return self is other

        def __repr__(self):
            TOUCHED.append("repr")
            return "Key"

    value = {Key(): 1, Key(): 2, "price": 3}
    Key.armed = True

    shown = show(value).value

    assert [1, 2, 3] == list(shown.values())
    assert "price" in shown
    assert 3 == len(set(shown))
