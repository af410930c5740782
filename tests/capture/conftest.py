"""
Shows a value to a tracer in each way there is, and reads what was recorded of it.
"""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any, Callable, NamedTuple

import pytest
from nasty_classes import TOUCHED
from recorded import Recording, parse_line

from ai_trace import Tracer, reading, step, traced


try:
    import orjson
except ImportError:
    orjson = None

WAYS = ("argument", "result", "log", "nested")


class Seen(NamedTuple):
    """What the record shows of a value, and its notes, their paths relative to it."""

    value: Any
    notes: list[dict[str, Any]]
    line: bytes

    @property
    def note(self) -> dict[str, Any]:
        """The only note."""
        (note,) = self.notes
        return note


def _as_argument(value):
    @traced(name="decide")
    def decide(value):
        return value is given

    given = value
    assert decide(value) is True
    return "$.context.value", lambda line: line["context"]["value"]


def _as_result(value):
    @traced(name="decide")
    def decide():
        return value

    assert decide() is value
    return "$.result", lambda line: line["result"]


def _as_log(value):
    with step("decide") as decide:
        decide.log(value=value)
    return "$.logs[0].value", lambda line: line["logs"][0]["value"]


def _as_nested(value):
    """Between others: what is wrong with one leaf costs no other."""
    before, after = "before", {"after": 1.5}
    with step("decide", value=[before, value, after]):
        pass

    def inside(line):
        shown = line["context"]["value"]
        assert [before, after] == [shown[0], shown[2]]
        assert 3 == len(shown)
        return shown[1]

    return "$.context.value[1]", inside


SHOW = dict(zip(WAYS, (_as_argument, _as_result, _as_log, _as_nested)))


def read_strictly(line: bytes) -> dict[str, Any]:
    """Decode a line by each strict parser there is; they agree."""
    parsed = parse_line(line)
    if orjson is not None:
        assert parsed == orjson.loads(line)
    return parsed


def read_last(directory) -> tuple[bytes, dict[str, Any]]:
    """Return the last line of the only trace file, as all readers understand it."""
    (path,) = directory.glob("*.jsonl")
    line = path.read_bytes().split(b"\n")[-2]
    parsed = read_strictly(line)
    session = reading.read(path)
    assert [] == list(session.problems)
    known = next(one for one in session.steps if one.id == parsed["id"])
    assert {key: parsed[key] for key in parsed if key != "session"} == known.to_dict()
    return line, parsed


def _relative(notes, root):
    return [
        {**note, "path": note["path"][len(root) :]} if "path" in note else note
        for note in notes
        if note.get("path", root).startswith(root)
    ]


class Shown:
    """Shows values in one way, each in a step of its own."""

    def __init__(self, way: str, recording: Recording) -> None:
        self.way = way
        self._recording = recording

    def __call__(self, value: Any) -> Seen:
        """Show a value; see what was recorded of it."""
        return self.seen(*self.record(value))

    def record(self, value: Any) -> tuple[str, Callable[[Any], Any]]:
        """Show a value; tell where in the record it stands, and how to find it."""
        return SHOW[self.way](value)

    def seen(self, root: str, inside: Callable[[Any], Any]) -> Seen:
        """See what was recorded of the value last shown."""
        line, parsed = read_last(self._recording.directory)
        assert "ok" == parsed["outcome"]
        notes = _relative(parsed.get("notes", []), root)
        assert len(notes) == len(parsed.get("notes", [])), "a note on something else"
        assert {} == self._recording.tracer.health()
        return Seen(inside(parsed), notes, line)


@pytest.fixture
def untouched():
    """No test with this may run code of the value that it shows, or load any of it."""
    TOUCHED.clear()
    yield
    assert [] == TOUCHED


@pytest.fixture
def recorder_of(tmp_path_factory):
    """Make a current tracer of one's own settings; give its recording."""
    open_tracers = []

    def make(**settings):
        directory = tmp_path_factory.mktemp("traces")
        tracer = Tracer("capture", trace_dir=directory, **settings)
        open_tracers.append(tracer.__enter__())
        return Recording(tracer, directory)

    yield make
    for tracer in reversed(open_tracers):
        tracer.__exit__(None, None, None)


@pytest.fixture
def recording(recorder_of):
    """A tracer that is current for the whole test."""
    return recorder_of()


@pytest.fixture(params=WAYS)
def show(request, recording):
    """Show a value as an argument, as a result, as a log field, and among others."""
    return Shown(request.param, recording)


@pytest.fixture
def show_nested(recording):
    """Show a value among others in a list, where one way is as good as all."""
    return Shown("nested", recording)


@pytest.fixture
def quiet_interpreter(monkeypatch):
    """Fail the test if anything was raised where nobody could catch it."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    yield
    assert [] == heard


@pytest.fixture
def show_value():
    """Show a value in one way to a recorder of one's own; see what was recorded."""

    def show_to(recording, value, way="argument"):
        return Shown(way, recording)(value)

    return show_to


@pytest.fixture
def measure_value():
    """Show a value as an argument; see what was recorded, and how many bytes it took.

    That is the most that was held at any moment, the value itself left out.
    """

    def measure(recording, value):
        shown = Shown("argument", recording)
        tracemalloc.start()
        try:
            place = shown.record(value)
            held = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return shown.seen(*place), held

    return measure
