"""
Bad input: refused at construction with the way out, survived ever after.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from recorded import read_directory

from ai_trace import (
    JSONLSink,
    JSONSink,
    MarkdownSink,
    MemorySink,
    Tracer,
    current_tracer,
    step,
    traced,
)
from ai_trace.exceptions import TraceConfigError, TraceError


class NoSink:
    """An object that lacks what a sink needs."""


class WrongSink:
    """An object whose ``on_finish`` is not callable."""

    on_finish = None


def check_message(error, *parts):
    """The message names the value and the rule, and says what to do, in sentences."""
    text = str(error)
    for part in parts:
        assert part in text, (part, text)
    assert isinstance(error, TraceError)
    assert text.rstrip().endswith((".", ")")), text
    assert len(text.split()) > 6, text


# -- construction -------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["", "   ", None, 42, b"agent", ["agent"]])
def test_agent_has_to_be_text(tmp_path, agent):
    """An agent that is empty or not text is refused; no file is left."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer(agent, tmp_path / "traces")

    check_message(caught.value, repr(agent), "agent")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("meta", ["model", 42, ["model"], [("model", "x")], {1, 2}])
def test_meta_has_to_be_a_mapping(tmp_path, meta):
    """A meta that is not a mapping is refused; no file is left."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", meta=meta)

    check_message(caught.value, repr(meta), "meta")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("trace_dir", [42, b"traces", ["traces"], object()])
def test_trace_dir_has_to_be_a_path(trace_dir):
    """A directory that is no path is refused."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", trace_dir)

    check_message(caught.value, "trace_dir")


def test_trace_dir_that_is_a_file(tmp_path):
    """A file where the directory should be is refused; the file stays as it was."""
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", file)

    check_message(caught.value, str(file))
    assert "mine" == file.read_text("utf-8")


@pytest.mark.parametrize("below", ["file", "a\0b", "x" * 300])
def test_trace_dir_that_cannot_be_made(tmp_path, below):
    """A directory that cannot be made is refused with the system's reason."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    directory = tmp_path / below / "traces"
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", directory)

    check_message(caught.value, "AI_TRACE_DIR")


@contextlib.contextmanager
def unprivileged():
    """Be a user whom file permissions bind; root is bound by none."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_trace_dir_that_is_not_writable():
    """A directory that this user may not write to is refused at construction."""
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        directory = Path(parent, "traces")
        directory.mkdir()
        directory.chmod(0o555)
        with unprivileged(), pytest.raises(TraceConfigError) as caught:
            Tracer("agent", directory)

    check_message(caught.value, str(directory), "AI_TRACE_DIR")


class Untold:
    """
    A key that cannot be made text.
    """

    def __str__(self):
        """Raise."""
        raise LookupError("no name")


class Unread(Mapping):
    """
    A mapping that cannot be read.
    """

    def __getitem__(self, key):
        """Raise."""
        raise LookupError("no name")

    def __iter__(self):
        """Yield one key."""
        yield "key"

    def __len__(self):
        """Return the number of keys."""
        return 1


@pytest.mark.parametrize("meta", [{Untold(): 1}, Unread()], ids=["key", "mapping"])
def test_meta_has_to_be_readable(tmp_path, meta):
    """A meta that raises as it is read is refused; no file is left."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", meta=meta)

    check_message(caught.value, "no name (LookupError)", "meta")
    assert [] == list(tmp_path.iterdir())


class RaisingSink:
    """
    A sink that raises when it is asked how it is told of a start.
    """

    asked = 0

    @property
    def on_start(self):
        """Raise, from the second time on."""
        self.asked += 1
        if self.asked > 1:
            raise LookupError("no more")
        return print

    def on_finish(self, record):
        """Do nothing."""


def test_no_file_of_a_tracer_that_could_not_be_made(tmp_path):
    """Whatever a constructor fails with, the file that it has made goes."""
    with pytest.raises(LookupError, match="no more"):
        Tracer("agent", tmp_path, sinks=[RaisingSink()])

    assert [] == list(tmp_path.iterdir())


def test_trace_dir_from_the_environment_is_checked_alike(tmp_path, monkeypatch):
    """A wrong AI_TRACE_DIR is refused at construction, with its value."""
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("AI_TRACE_DIR", str(file))
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent")

    check_message(caught.value, str(file))


@pytest.mark.parametrize(
    "sink", [NoSink(), WrongSink(), None, "sink", 42], ids=lambda sink: repr(sink)[:12]
)
def test_sinks_need_on_finish(tmp_path, sink):
    """A sink without ``on_finish`` is refused; no file is left."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", sinks=[sink])

    check_message(caught.value, "on_finish")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "sink", [MemorySink, JSONLSink], ids=lambda sink: sink.__name__
)
def test_a_class_is_no_sink(tmp_path, sink):
    """A sink's class is refused: each of its steps would be lost."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", sinks=[sink])

    check_message(caught.value, repr(sink), f"{sink.__name__}(")
    assert [] == list(tmp_path.iterdir())


class Awaited:
    """A sink that would have to be awaited at its end."""

    def on_finish(self, record):
        """Take a step."""

    async def close(self):
        """Send what was taken."""


class Yields:
    """A sink whose call runs nothing."""

    def on_finish(self, record):
        """Take a step once somebody asks for it."""
        yield record


@pytest.mark.parametrize(
    ("sink", "method"), [(Awaited(), "close"), (Yields(), "on_finish")]
)
def test_a_sink_is_not_awaited(tmp_path, sink, method):
    """What a call would not run is refused: each of its steps would be lost."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", sinks=[sink])

    check_message(caught.value, repr(sink), method)


def test_a_class_whose_methods_need_no_object_is_a_sink(tmp_path):
    """Static methods take the records of a class that nobody makes an object of."""
    names = []

    class Names:
        @staticmethod
        def on_finish(record):
            names.append(record.name)

    with Tracer("agent", tmp_path, sinks=[Names]), step("decide"):
        pass

    assert ["decide"] == names


@pytest.mark.parametrize(
    "sinks", [42, None, MemorySink()], ids=["number", "none", "one"]
)
def test_sinks_are_a_collection(tmp_path, sinks):
    """Sinks that are not a collection are refused with the value."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path, sinks=sinks)

    check_message(caught.value, "sinks")


@pytest.mark.parametrize("limits", [42, {"depth": 3}, "small"])
def test_limits_are_limits(tmp_path, limits):
    """Limits of another type are refused with the value."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path, limits=limits)

    check_message(caught.value, "imits")


class HalfClock:
    """A clock that knows the time of day alone."""

    def time(self):
        return 0.0


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({"clock": 42}, "time"),
        ({"clock": HalfClock()}, "monotonic"),
        ({"ids": 42}, "step_id"),
        ({"ids": ["a", "b"]}, "step_id"),
    ],
    ids=["clock", "half a clock", "ids", "list of ids"],
)
def test_clocks_and_ids_have_their_methods(tmp_path, given, lacking):
    """A clock or a source of ids that lacks a method is refused; no file is left."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / "traces", **given)

    ((name, value),) = given.items()
    check_message(caught.value, name, repr(value), lacking)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [42, None, b"x.md", ""])
@pytest.mark.parametrize("make", [JSONLSink, JSONSink, MarkdownSink])
def test_documents_have_a_path(make, path):
    """A sink's path that is none is refused with the value."""
    with pytest.raises(TraceConfigError) as caught:
        make(path)

    check_message(caught.value, make.__name__, repr(path))


# -- decoration ---------------------------------------------------------------------


@pytest.mark.parametrize("option", ["args", "exclude"])
def test_unknown_parameters(option):
    """An unknown parameter names itself, the function and the known ones."""
    with pytest.raises(TraceConfigError) as caught:

        @traced(**{option: ["symbl"]})
        def market_scan(symbol, depth):
            pass

    check_message(caught.value, "symbl", "market_scan", "symbol", "depth")


@pytest.mark.parametrize(
    "options",
    [
        {"args": "symbol"},
        {"exclude": "symbol"},
        {"args": 42},
        {"exclude": 42},
        {"args": [1]},
        {"args": [["symbol"]]},
        {"exclude": [["symbol"]]},
        {"kind": "banana"},
        {"kind": None},
        {"name": 42},
        {"name": ""},
    ],
    ids=str,
)
def test_wrong_options(options):
    """An option of the wrong type or value raises at decoration, never later."""
    with pytest.raises(TraceConfigError) as caught:

        @traced(**options)
        def market_scan(symbol):
            pass

    ((_, value),) = options.items()
    check_message(caught.value, repr(value))


# -- after construction -------------------------------------------------------------


class Hostile:
    """An object that fails whoever touches it."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __iter__(self):
        raise RuntimeError("no iteration")

    def __bool__(self):
        raise RuntimeError("no truth")

    def __eq__(self, other):
        raise RuntimeError("no equality")

    def __hash__(self):
        raise RuntimeError("no hash")

    def __len__(self):
        raise RuntimeError("no length")


class TextThatFails(str):
    """Text whose own methods fail."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


def cycle():
    made = {}
    made["self"] = [made]
    return made


def deep():
    made = []
    for _ in range(5_000):
        made = [made]
    return made


VALUES = {
    "hostile object": Hostile,
    "cycle": cycle,
    "deep": deep,
    "lone surrogate": lambda: "\ud800",
    "not a number": lambda: float("nan"),
    "huge number": lambda: 10**6_000,
    "long text": lambda: "x" * 5_000_000,
    "many items": lambda: list(range(200_000)),
    "bytes": lambda: b"\xff\x00",
    "odd keys": lambda: {(1, 2): 1, None: 2, frozenset(): 3, 1.5: 4},
    "colliding keys": lambda: {1: "a", "1": "b"},
    "lock": threading.Lock,
    "file": io.StringIO,
    "class": lambda: Hostile,
    "module": lambda: os,
    "exception": lambda: ValueError("x"),
    "failing text": lambda: TextThatFails("x"),
    "complex": lambda: 1j,
    "set": lambda: {1, "a"},
}


@pytest.fixture(params=sorted(VALUES))
def value(request):
    """A value that an encoder may stumble over."""
    return VALUES[request.param]()


def test_any_value_can_be_recorded(tmp_path, value):
    """Whatever is given as context, log, argument or result, nothing is raised."""

    @traced(name="traced")
    def give(value):
        return value

    with Tracer("agent", tmp_path, meta={"value": value}):
        with step("scan", value=value, nested={"list": [value]}) as scan:
            assert scan is scan.log(value=value)
            assert scan is scan.set_result(value)
            assert value is give(value)

    lines = read_directory(tmp_path)
    assert ["scan", "traced"] == sorted(line["name"] for line in lines)
    assert {"ok"} == {line["outcome"] for line in lines}
    assert max(len(str(line)) for line in lines) < 2_500_000


@pytest.mark.parametrize(
    "name",
    [None, 42, "", b"scan", ("a",), "a\nb\0c", "\ud800", "x" * 100_000, object()],
)
def test_any_step_name_can_be_recorded(tmp_path, name):
    """A step's name that is no name is recorded as well as it can be."""
    with Tracer("agent", tmp_path) as tracer:
        for make in (tracer.step, step):
            with make(name, symbol="BTCUSDT"):
                pass

    lines = read_directory(tmp_path)
    assert [{"symbol": "BTCUSDT"}] * 2 == [line["context"] for line in lines]
    assert all(isinstance(line["name"], str) for line in lines)
    assert all(len(line["name"]) < 10_000 for line in lines)


@pytest.mark.parametrize(
    "make", [lambda: None, lambda: 42, lambda: "banana", lambda: "", list, Hostile]
)
def test_any_outcome_can_be_given(tmp_path, make):
    """A step finished with an outcome that does not exist is ended, and told of."""
    outcome = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Tracer("agent", tmp_path) as tracer:
            tracer.step("scan").start().finish(outcome)

    (line,) = read_directory(tmp_path)
    assert line["outcome"] in ("ok", "error")
    assert line["notes"]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("timeout", "timeout"),
        (None, None),
        (ValueError("late"), "ValueError: late"),
        (42, "42"),
        ("", None),
    ],
)
def test_any_reason_can_be_given(tmp_path, reason, error):
    """A step fails for any reason; a reason that is an exception is told as one."""
    with Tracer("agent", tmp_path) as tracer:
        tracer.step("scan").start().fail(reason)

    (line,) = read_directory(tmp_path)
    assert "error" == line["outcome"]
    assert error == (line["error"] or None)


def test_hostile_reason(tmp_path):
    """A reason that fails whoever reads it ends the step all the same."""
    with Tracer("agent", tmp_path) as tracer:
        tracer.step("scan").start().fail(Hostile())

    (line,) = read_directory(tmp_path)
    assert "error" == line["outcome"]
    assert line["error"].startswith("<")
    assert line["error"].endswith("Hostile>")


def test_hostile_name(tmp_path):
    """A name that fails whoever reads it is told by its class."""
    with Tracer("agent", tmp_path) as tracer:
        tracer.step(Hostile()).start().finish()

    (line,) = read_directory(tmp_path)
    assert line["name"].startswith("<")
    assert line["name"].endswith("Hostile>")


def test_keys_that_are_not_names(tmp_path):
    """Context and log keys may be any text at all."""
    keys = ["", "a b", "ключ", "\n", "\0", "\ud800", "$.x", "__class__"]
    with Tracer("agent", tmp_path):
        with step("scan", **dict.fromkeys(keys, 1)) as scan:
            scan.log(**dict.fromkeys(keys, 1))

    (line,) = read_directory(tmp_path)
    assert len(keys) == len(line["context"])


class Broken:
    """A sink that fails at every event."""

    def on_finish(self, record):
        raise OSError(28, "No space left on device")

    def on_start(self, started):
        raise RuntimeError("start")

    def on_log(self, logged, entry):
        raise RuntimeError("log")

    def close(self):
        raise RuntimeError("close")


def test_broken_sink_hurts_nobody(tmp_path, caplog):
    """A sink that fails is told of once and counted; the others get every step."""
    seen = MemorySink()
    with Tracer("agent", tmp_path, sinks=[Broken(), seen]) as tracer:
        for number in range(10):
            with step("scan", number=number) as scan:
                scan.log(number=number)

    assert 10 == len(read_directory(tmp_path)) == len(seen.records)
    assert "Broken" in str(tracer.health())
    about = [record for record in caplog.records if record.name.startswith("ai_trace")]
    assert 0 < len(about) <= 4


def test_directory_that_vanishes(tmp_path, caplog):
    """When the directory vanishes the program goes on, and a save raises nothing."""
    with Tracer("agent", tmp_path / "traces") as tracer:
        with step("before"):
            pass
        for path in (tmp_path / "traces").iterdir():
            path.unlink()
        (tmp_path / "traces").rmdir()
        (tmp_path / "traces").write_text("a file now", encoding="utf-8")
        with step("after"):
            pass
        tracer.save()
        tracer.save_markdown()
        tracer.summary()
        list(tracer.steps)

    assert "a file now" == (tmp_path / "traces").read_text("utf-8")


def test_closed_tracer_answers_every_call(tmp_path):
    """After close every method answers without raising."""
    tracer = Tracer("agent", tmp_path)
    with tracer.step("scan"):
        pass
    tracer.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 1 == tracer.summary()["steps"]
        assert 1 == len(tracer.steps)
        assert tracer.save().exists()
        assert tracer.save_markdown().exists()
        assert "agent" in repr(tracer)
        tracer.health()
        tracer.activate()
        tracer.close()

    assert current_tracer() is None
