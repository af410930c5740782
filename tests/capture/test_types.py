"""Each type of the standard library that programs carry around, and streams."""

from __future__ import annotations

import argparse
import array
import asyncio
import builtins
import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gzip
import hashlib
import io
import ipaddress
import json
import logging
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import types
import uuid
import weakref
import zoneinfo

import attrs
import pytest
import typing_extensions
from nasty_classes import TOUCHED, Colour, Hostile, Level, Point, Rights, Word

from ai_trace import Tracer, step, traced


UTC = datetime.timezone.utc
ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


class Price(float):
    def __repr__(self):
        return "dear"


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "another"


class Two(int, enum.Enum):
    TWO = 2


class Pair(tuple):
    __slots__ = ()


@dataclasses.dataclass
class Order:
    symbol: str
    legs: list
    note: str = dataclasses.field(default="", repr=False)
    factor: dataclasses.InitVar[int] = 2
    count = 0

    def __post_init__(self, factor):
        self.double = factor


TEXTS = [
    pytest.param(Colour.RED, "Colour.RED", id="Enum"),
    pytest.param(Level.HIGH, "Level.HIGH", id="IntEnum"),
    pytest.param(Word.BUY, "Word.BUY", id="text enum"),
    pytest.param(Two.TWO, "Two.TWO", id="int enum"),
    pytest.param(Rights.READ, "Rights.READ", id="Flag"),
    pytest.param(decimal.Decimal("1.10"), "1.10", id="Decimal"),
    pytest.param(decimal.Decimal("-Infinity"), "-Infinity", id="Decimal infinity"),
    pytest.param(fractions.Fraction(1, 3), "1/3", id="Fraction"),
    pytest.param(fractions.Fraction(4, 2), "2", id="whole Fraction"),
    pytest.param(uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005", id="UUID"),
    pytest.param(pathlib.PurePosixPath("/a/b"), "/a/b", id="Path"),
    pytest.param(datetime.date(2026, 1, 2), "2026-01-02", id="date"),
    pytest.param(
        datetime.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
        "2026-01-02T03:04:05",
        id="naive",
    ),
    pytest.param(
        datetime.datetime(2026, 1, 2, 3, tzinfo=ZONE),
        "2026-01-02T03:00:00+05:30",
        id="aware",
    ),
    pytest.param(
        datetime.datetime.max,  # noqa: DTZ901
        "9999-12-31T23:59:59.999999",
        id="max",
    ),
    pytest.param(
        datetime.datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00+00:00", id="min"
    ),
    pytest.param(datetime.time(1, 2, tzinfo=UTC), "01:02:00+00:00", id="time"),
    pytest.param(datetime.timedelta(days=-1, hours=1), "-1 day, 1:00:00", id="delta"),
    pytest.param(ZONE, "UTC+05:30", id="timezone"),
    pytest.param(zoneinfo.ZoneInfo("UTC"), "UTC", id="ZoneInfo"),
    pytest.param(ipaddress.ip_address("10.0.0.1"), "10.0.0.1", id="address"),
    pytest.param(ipaddress.ip_network("fe80::/10"), "fe80::/10", id="network"),
    pytest.param(ipaddress.ip_interface("::1/64"), "::1/64", id="interface"),
    pytest.param(1 + 2j, "(1+2j)", id="complex"),
    pytest.param(range(1, 9, 2), "range(1, 9, 2)", id="range"),
    pytest.param(slice(1, None), "slice(1, None, None)", id="slice"),
    pytest.param(..., "Ellipsis", id="Ellipsis"),
    pytest.param(len, "<function builtins.len>", id="builtin"),
    pytest.param([].append, "<function list.append>", id="builtin method"),
    pytest.param(dict.fromkeys, "<function dict.fromkeys>", id="builtin classmethod"),
    pytest.param(json.dumps, "<function json.dumps>", id="function"),
    pytest.param(
        json.JSONEncoder().encode,
        "<function json.encoder.JSONEncoder.encode>",
        id="method",
    ),
    pytest.param(dict, "<class dict>", id="class"),
    pytest.param(json.JSONEncoder, "<class json.encoder.JSONEncoder>", id="own class"),
    pytest.param(json, "<module json>", id="module"),
    pytest.param(ValueError("stale"), "ValueError: stale", id="exception"),
    pytest.param(KeyError(), "KeyError", id="empty exception"),
]


@pytest.mark.parametrize(("value", "shown"), TEXTS)
def test_types_that_have_one_text(show, value, shown):
    """F84, F102: what has one usual form as text is that text, without a note."""
    seen = show(value)

    assert shown == seen.value
    assert [] == seen.notes


STRUCTURES = [
    pytest.param(Point(1, None), {"x": 1, "y": None}, id="namedtuple"),
    pytest.param(Pair((1, 2)), [1, 2], id="tuple subclass"),
    pytest.param(Price(1.5), 1.5, id="float subclass"),
    pytest.param(Text("text"), "text", id="text subclass"),
    pytest.param({3, 1, 2}, [1, 2, 3], id="set"),
    pytest.param({"b", "a", 1, None}, ["a", "b", 1, None], id="mixed set"),
    pytest.param(frozenset({(2, 1), (1, 2)}), [[1, 2], [2, 1]], id="frozenset"),
    pytest.param(collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}, id="OrderedDict"),
    pytest.param(collections.Counter("aab"), {"a": 2, "b": 1}, id="Counter"),
    pytest.param(collections.deque([1, 2, 3], 2), [2, 3], id="deque"),
    pytest.param({"a": 1}.keys(), ["a"], id="keys"),
    pytest.param({"a": 1}.values(), [1], id="values"),
    pytest.param({"a": 1}.items(), [["a", 1]], id="items"),
    pytest.param(types.SimpleNamespace(a=1), {"a": 1}, id="namespace"),
    pytest.param(types.MappingProxyType({"a": (1,)}), {"a": [1]}, id="proxy"),
    pytest.param(
        Order("BTC", [(1,)]),
        {"symbol": "BTC", "legs": [[1]], "note": ""},
        id="dataclass",
    ),
]


@pytest.mark.parametrize(("value", "shown"), STRUCTURES)
def test_types_that_hold_others(show, value, shown):
    """F102: what holds other values is their list, or their dictionary by name."""
    seen = show(value)

    assert shown == seen.value
    assert [] == seen.notes


def python(major, minor, what):
    """Mark a test of what a later Python has."""
    return pytest.mark.skipif(
        sys.version_info < (major, minor),
        reason=f"NOT TRIED: {what} came with Python {major}.{minor}",
    )


@python(3, 14, "template strings")
def test_a_template_string(show):
    """Its text, and what was filled in by its expression: a name may say a secret."""
    names = {"user": {"name": "Ada"}, "password": "correct horse"}
    template = eval("t'Hello {user}: {password!r:>9}{1 + 1}'", names)
    seen = show(template)

    assert [
        "Hello ",
        {"user": {"name": "Ada"}},
        ": ",
        {"password": "[redacted:key]"},
        {"1 + 1": 2},
    ] == seen.value
    assert ["redacted"] == [note["note"] for note in seen.notes]
    assert [{"1 + 1": 2}] == show(template.interpolations[2:]).value


@python(3, 15, "sentinels")
def test_a_sentinel(show):
    """By its name: that says what was not given."""
    seen = show({"limit": builtins.sentinel("NO_LIMIT")})

    assert ({"limit": "NO_LIMIT"}, []) == (seen.value, seen.notes)


@pytest.mark.skipif(
    not hasattr(typing_extensions, "Sentinel"),
    reason="NOT TRIED: typing_extensions has sentinels from 4.14",
)
def test_a_sentinel_of_an_older_python(show):
    """The one of typing_extensions, by its name, too."""
    assert "NO_LIMIT" in show(typing_extensions.Sentinel("NO_LIMIT")).value


@python(3, 15, "frozen dictionaries")
def test_a_frozen_dictionary(show):
    """A dictionary, also inside of another and of a subclass."""
    frozen = builtins.frozendict
    kind = type("Frozen", (frozen,), {"items": None, "__iter__": None})
    seen = show(frozen(a=1, b=frozen({2: [3]}), c=kind(d=4)))

    assert {"a": 1, "b": {"2": [3]}, "c": {"d": 4}} == seen.value


def test_the_text_of_a_class_of_the_program_is_not_asked_for(show):
    """F102: a class made from one that is known by its text may say anything."""

    class Host(ipaddress.IPv4Address):
        def __str__(self):
            raise AssertionError

    assert "opaque" == show(Host("10.0.0.1")).note["note"]


def test_combined_flags(show):
    """F102: flags that are combined are told by name or by number."""
    assert show(Rights.READ | Rights.WRITE).value in (
        "Rights.READ|WRITE",
        "Rights(3)",
    )
    assert "Rights(0)" == show(Rights(0)).value


@pytest.mark.skipif(sys.version_info < (3, 11), reason="StrEnum came with 3.11")
def test_str_enum(show):
    """F102: a member of a StrEnum is named like any other."""
    cls = enum.StrEnum("Side", ["BUY"])

    assert "Side.BUY" == show(cls.BUY).value


@pytest.mark.skipif(sys.version_info < (3, 10), reason="slots=True came with 3.10")
def test_dataclass_with_slots(show):
    """F102: a frozen dataclass with slots is read from them; what is unset is left."""
    cls = dataclasses.make_dataclass(
        "Leg", ["name", ("side", int, dataclasses.field(init=False))], slots=True
    )

    assert {"name": "near"} == show(cls("near")).value


class Odd(datetime.tzinfo):
    """A time zone that does not know its time."""

    def utcoffset(self, when):
        raise OSError("no zone file")


def test_a_value_that_fails_costs_itself(show):
    """F104: a value whose own code raises is told by its type and the error's."""
    seen = show(datetime.datetime(2026, 1, 1, tzinfo=Odd()))

    assert "<datetime.datetime failed: OSError>" == seen.value
    assert {"path": "", "note": "failed", "error": "OSError"} == seen.note


class Stubborn(collections.UserDict):
    def __getitem__(self, key):
        raise RuntimeError

    def __iter__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (collections.UserDict(a=1), {"a": 1}),
        (Stubborn({"a": 1}), {"a": 1}),
        (collections.UserList([1, None]), [1, None]),
        (collections.UserString("text"), "text"),
        (collections.ChainMap({"a": 1}, {"a": 2}), {"maps": [{"a": 1}, {"a": 2}]}),
        (
            functools.partial(print, 1, end=""),
            {
                "func": "<function builtins.print>",
                "args": [1],
                "keywords": {"end": ""},
            },
        ),
        (
            array.array("d", [1.5, 2.5]),
            {"type": "array.array", "shape": [2], "dtype": "d", "head": [1.5, 2.5]},
        ),
    ],
)
def test_wrappers_are_shown_by_what_they_hold(show, value, shown):
    """What only holds other values is read without asking it."""
    seen = show(value)

    assert shown == seen.value
    assert [] == seen.notes


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (re.compile("x+"), {"pattern": "x+"}),
        (re.compile("x", re.I | re.M), {"pattern": "x", "flags": ["I", "M"]}),
        (
            re.search("(?P<a>x+)(y)?", "..xx"),
            {"match": "xx", "span": [2, 4], "groups": {"a": "xx", "2": None}},
        ),
        (argparse.Namespace(a=1, b=[2]), {"a": 1, "b": [2]}),
        (
            subprocess.CompletedProcess(["ls"], 1, b"out", "error"),
            {"args": ["ls"], "returncode": 1, "stdout": "out", "stderr": "error"},
        ),
    ],
)
def test_what_tools_give(show, value, shown):
    """What programs get from patterns, command lines and commands is shown by parts."""
    names = [re.RegexFlag[flag].name for flag in shown.get("flags", ())]
    seen = show(value)

    assert ({**shown, "flags": names} if names else shown) == seen.value
    assert [] == seen.notes


def test_secrets_in_what_tools_give(show):
    """Names say of what was matched, given or logged what they say elsewhere."""
    matched = re.search(r"(\w+):(?P<password>\S+)", "ada:hunter2hunter2 is in")
    given = argparse.Namespace(api_key="hunter2hunter2")
    record = logging.LogRecord("app", 30, "a.py", 7, "token=%s", ("a",), None)
    record.password = "hunter2hunter2"

    shown = show([matched, given, record]).value

    assert {"1": "ada", "password": "[redacted:key]"} == shown[0]["groups"]
    assert {"api_key": "[redacted:key]"} == shown[1]
    assert ("app", "WARNING", ["a"], "[redacted:key]") == tuple(
        shown[2][name] for name in ("name", "levelname", "args", "password")
    )


def test_the_message_of_a_log_record_is_not_made(show):
    """What a log record would fill in is not asked for its text."""
    record = logging.LogRecord("app", 30, "a.py", 7, "at %s", (), None)
    record.args = (object.__new__(Hostile),)
    TOUCHED.clear()

    assert ["<nasty_classes.Hostile>"] == show(record).value["args"]
    assert [] == TOUCHED


def test_large_matches_are_told_by_their_span(recording, measure_value):
    """Of groups that repeat a large text none is copied."""
    text = "x" * 3_000_000

    seen, held = measure_value(recording, re.match("(((x+)))", text))

    assert {"span": [0, 3_000_000]} == seen.value
    assert {"path": "", "note": "truncated", "characters": 3_000_000} == seen.note
    assert held < 500_000


def test_matches_of_what_is_no_text_are_named(show):
    """The text of a match may be any object that has bytes, or a class of its own."""
    assert "opaque" == show(re.match(b"a", bytearray(b"a"))).note["note"]
    assert "opaque" == show(re.match("a", Text("a"))).note["note"]
    assert "YQ==" == show(re.match(b"a", b"a")).value["match"]["head"]


@dataclasses.dataclass
class Output(collections.OrderedDict):
    """What models give: a dictionary of the fields that were set."""

    logits: list
    loss: float = None

    def __post_init__(self):
        self["logits"] = self.logits


@dataclasses.dataclass
class Basket(dict):
    owner: str = "ada"


@attrs.define(slots=False)
class Numbers(list):
    unit: str = "m"


@dataclasses.dataclass
class Tagged(str):
    tag: str = "en"

    def __new__(cls, text):
        return str.__new__(cls, text)

    def __init__(self, text):
        self.tag = "en"


def filled(container, *items, **named):
    """Return a container with items, past what its class makes of them."""
    if isinstance(container, dict):
        dict.update(container, named)
    else:
        list.extend(container, items)
    return container


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Output([1.5]), {"logits": [1.5], "loss": None}),
        (Basket(), {"owner": "ada"}),
        (filled(Basket(), a=1), {"fields": {"owner": "ada"}, "items": {"a": 1}}),
        (
            filled(Basket(), owner="eve"),
            {"fields": {"owner": "ada"}, "items": {"owner": "eve"}},
        ),
        (filled(Numbers(), 1, 2), {"fields": {"unit": "m"}, "items": [1, 2]}),
        (Tagged("hi"), {"fields": {"tag": "en"}, "value": "hi"}),
    ],
)
def test_fields_and_items_at_once(show, value, shown):
    """F102: a class of fields that is a container, too, loses neither."""
    seen = show(value)

    assert shown == seen.value
    assert [] == seen.notes


def test_a_container_of_fields_is_not_asked(show):
    """F80: its items are read past what its class overrides, and their keys, too."""

    class Odd(Basket):
        def keys(self):
            TOUCHED.append("keys")

        __iter__ = __getitem__ = items = copy = keys

    class Key:
        armed = False

        def __hash__(self):
            if self.armed:
                TOUCHED.append("hash")
            return 1

    value = filled(Odd(), a=1)
    dict.__setitem__(value, Key(), 2)
    TOUCHED.clear()
    Key.armed = True

    assert [1, 2] == list(show(value).value["items"].values())
    assert [] == TOUCHED


def test_a_container_of_fields_that_holds_itself(show):
    """F77: so does one that stands among its own items."""
    value = Basket()
    dict.update(value, me=value)

    assert {"fields": {"owner": "ada"}, "items": {"me": "<cycle>"}} == show(value).value


def test_a_long_array_is_cut_and_says_so(show):
    """Of an array of numbers the first five are kept."""
    seen = show(array.array("i", range(9)))

    assert [0, 1, 2, 3, 4] == seen.value["head"]
    assert {"path": "", "note": "truncated", "items": 9, "kept": 5} == seen.note


def test_a_secret_in_a_wrapper_is_taken_out(show):
    """The names in wrapped values say of secrets what they say elsewhere."""
    wrapped = show(collections.UserDict(password="hunter2hunter2")).value
    bound = show(functools.partial(print, api_key="hunter2hunter2")).value

    assert {"password": "[redacted:key]"} == wrapped
    assert {"api_key": "[redacted:key]"} == bound["keywords"]


def opaque_values():
    """Return values that are named and nothing else, and what closes them."""
    frame = sys._getframe()
    one, other = socket.socketpair()
    file = tempfile.TemporaryFile()  # noqa: SIM115
    loop = asyncio.new_event_loop()
    values = [
        threading.Lock(),
        threading.RLock(),
        threading.Event(),
        threading.current_thread(),
        one,
        file,
        io.StringIO("text"),
        gzip.GzipFile(fileobj=io.BytesIO(b""), mode="rb"),
        frame,
        frame.f_code,
        loop,
        loop.create_future(),
        contextvars.ContextVar("v"),
        contextvars.copy_context(),
        weakref.ref(opaque_values),
        property(print),
        object(),
        type("Own", (), {"__slots__": ("a",)})(),
        hashlib.sha256(b""),
        Tracer("agent", auto_save=False),
        traced(print),
    ]
    return values, [one.close, other.close, file.close, loop.close]


def test_what_has_no_data_to_show_is_named(show):
    """F84: locks, sockets, files, frames, loops and the like are named by type."""
    values, closers = opaque_values()
    try:
        for value in values:
            seen = show(value)

            assert seen.value.startswith("<") and seen.value.endswith(">")
            assert "opaque" == seen.note["note"]
            assert len(seen.line) < 3_000
    finally:
        for close in closers:
            close()


def generate():
    yield 1


async def generate_async():
    yield 1


async def later():
    return 1


STREAMS = {
    "list iterator": (lambda: iter([1]), lambda it: next(it)),
    "generator": (generate, lambda it: next(it)),
    "map": (lambda: map(int, ["1"]), lambda it: next(it)),
    "zip": (lambda: zip([1]), lambda it: next(it)[0]),
    "reversed": (lambda: reversed([1]), lambda it: next(it)),
    "file": (lambda: io.StringIO("1"), lambda it: int(it.read())),
    "async generator": (generate_async, lambda it: _first(it.__anext__())),
    "coroutine": (later, lambda it: _first(it)),
}


def _first(awaitable):
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_not_consumed(show, name):
    """F85: an iterator, generator, file or coroutine is named, and still whole."""
    make, take = STREAMS[name]
    stream = make()

    seen = show(stream)

    assert "opaque" == seen.note["note"]
    assert 1 == take(stream)


def test_a_slice_of_anything(show):
    """F84: the parts of a slice or range are values like any others."""
    shown = show(slice([1], 10**400)).value

    assert "slice" == shown["type"]
    assert [[1], "<int of 1329 bits>", None] == shown["parts"]


BYTES = [
    pytest.param(lambda data: data, "bytes", id="bytes"),
    pytest.param(bytearray, "bytearray", id="bytearray"),
    pytest.param(memoryview, "memoryview", id="memoryview"),
    pytest.param(lambda data: memoryview(data)[::2], "memoryview", id="every other"),
    pytest.param(
        lambda data: memoryview(data).cast("B", (len(data) // 4, 4)),
        "memoryview",
        id="table",
    ),
    pytest.param(
        lambda data: memoryview(array.array("d", [0.5] * (len(data) // 8))),
        "memoryview",
        id="doubles",
    ),
]


@pytest.mark.parametrize(("make", "kind"), BYTES)
@pytest.mark.parametrize("size", [0, 40, 4096, 10_485_760])
def test_bytes_are_measured_and_hashed(show_nested, make, kind, size):
    """F96: bytes are told by length, hash and first bytes; a cut leaves a note."""
    data = make(b"\x00\xff" * (size // 2)) if size or kind != "memoryview" else b""
    view = memoryview(data)

    seen = show_nested(data)

    shown = seen.value
    hashed = view.tobytes()[: shown.get("sha256_of_first", view.nbytes)]
    assert view.nbytes == shown["bytes"]
    assert hashlib.sha256(hashed).hexdigest() == shown["sha256"]
    assert len(hashed) in (view.nbytes, 4_194_304)
    cut = [{"path": "", "note": "truncated", "bytes": view.nbytes}]
    assert (cut if view.nbytes > 48 else []) == seen.notes
    assert len(seen.line) < 1_500


def test_a_bytearray_may_grow_while_it_is_captured(show_nested):
    """F96: no view of a bytearray is held, which would forbid others to resize it."""
    data = bytearray(b"abc")
    show_nested(data)
    data.extend(b"def")

    assert b"abcdef" == data


def test_a_released_view_costs_itself(show):
    """F96: a memoryview that was released is told as what it is."""
    view = memoryview(b"abc")
    view.release()

    assert "<memoryview failed: ValueError>" == show(view).value


def test_nothing_is_captured_that_was_not_given(recording, monkeypatch):
    """F106: no local variable, environment variable or argument of the process."""
    monkeypatch.setenv("DESK_CODE", "value-of-the-environment")
    monkeypatch.setattr(sys, "argv", ["agent", "value-of-an-argument"])

    def risky():
        local = "value-of-a-" + "local"
        raise ValueError(len(local))

    with pytest.raises(ValueError), step("decide"):
        risky()

    (path,) = recording.directory.glob("*.jsonl")
    for hidden in (b"value-of-the-environment", b"value-of-an-arg", b"value-of-a-l"):
        assert hidden not in path.read_bytes().replace(b'"value-of-a-" + ', b"")
