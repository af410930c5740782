"""
Ids: unique, of one form, and in the order of time.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import time_machine
from recorded import read_file

from ai_trace import Tracer, step, traced
from ai_trace._ids import RandomIds
from ai_trace.testing import CountingIds


# More than are drawn at once.
MANY = 600
MOMENT = 1_709_303_422.123


def milliseconds(trace_id: str) -> int:
    """Return the time that a trace id begins with."""
    return int(trace_id[:12], 16)


def test_no_id_comes_twice() -> None:
    """However many are asked for, each id is another, of its form and full length."""
    ids = RandomIds()
    steps = {ids.step_id() for _ in range(MANY)}
    traces = {ids.trace_id() for _ in range(MANY)}

    assert (MANY, MANY) == (len(steps), len(traces))
    assert {16} == {len(bytes.fromhex(one)) * 2 for one in steps}
    assert {(7, uuid.RFC_4122)} == {
        (uuid.UUID(hex=one).version, uuid.UUID(hex=one).variant) for one in traces
    }
    assert MANY == len({one[12:] for one in traces})


@pytest.mark.parametrize("later", [0.0, 0.0004, 0.001, 0.5, 3600.0, -0.001, -3600.0])
def test_a_trace_id_tells_its_millisecond(later: float) -> None:
    """A trace id begins with its time, however soon after another it was made."""
    ids = RandomIds()
    with time_machine.travel(MOMENT, tick=False) as clock:
        first = ids.trace_id()
        clock.move_to(MOMENT + later)
        second = ids.trace_id()

    assert int(MOMENT * 1000) == milliseconds(first)
    assert int((MOMENT + later) * 1000) == milliseconds(second)


def test_a_clock_before_the_epoch_makes_ids_all_the_same() -> None:
    """A clock that says a time before 1970 is taken for that of the epoch."""
    with time_machine.travel(-5.0, tick=False):
        made = RandomIds().trace_id()

    assert 0 == milliseconds(made)
    assert 7 == uuid.UUID(hex=made).version


class WrongIds:
    """A source of ids that gives what is none, or fails."""

    def __init__(self, given: object) -> None:
        self.given = given

    def step_id(self) -> str:
        """Give what is no id."""
        if isinstance(self.given, Exception):
            raise self.given
        return self.given  # type: ignore[return-value]

    trace_id = step_id


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ('a"b\n', "not hex digits"),
        ('"' * 16, "not hex digits"),
        ("x" * 32, "not hex digits"),
        ("A" * 16, "not hex digits"),
        ("", "not hex digits"),
        (None, "not hex digits"),
        (5, "not hex digits"),
        (b"0" * 16, "not hex digits"),
        (ValueError("no ids"), "ValueError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_source_that_gives_no_ids(tmp_path: Path, given: object, cause: str) -> None:
    """What is no id never reaches the file: another stands there, and it is counted."""
    with Tracer("agent", tmp_path, ids=WrongIds(given)) as tracer:
        with step("outer"), step("inner"):
            pass

    inner, outer = read_file(tracer.path)
    assert ("inner", "outer") == (inner["name"], outer["name"])
    assert (inner["parent_id"], inner["trace_id"]) == (outer["id"], outer["trace_id"])
    assert {
        "ids": {f"step_id replaced: {cause}": 2, f"trace_id replaced: {cause}": 1}
    } == tracer.health()


def test_a_source_that_gives_the_id_of_an_open_step(tmp_path: Path) -> None:
    """No step takes the id of one that is open: each has its line and its parent."""
    with Tracer("agent", tmp_path, ids=WrongIds("0" * 16)) as tracer:
        with step("outer"), step("inner"):
            pass
        with step("later"):
            pass

    inner, outer, later = read_file(tracer.path)
    assert ("0" * 16, "0" * 16) == (outer["id"], later["id"])
    assert (inner["parent_id"], inner["id"] != outer["id"]) == (outer["id"], True)
    assert 1 == tracer.health()["ids"]["step_id replaced: of an open step"]


def test_a_source_whose_ids_are_ids(tmp_path: Path) -> None:
    """The ids that a program gives are those in the file."""
    with Tracer("agent", tmp_path, ids=CountingIds()) as tracer:
        with step("only"):
            pass

    (line,) = read_file(tracer.path)
    assert (f"{1:016x}", f"{1:032x}") == (line["id"], line["trace_id"])
    assert {} == tracer.health()


class TracedIds(CountingIds):
    """A source of ids whose own methods are traced."""

    @traced
    def step_id(self) -> str:
        """Return the next id of a step."""
        return super().step_id()

    @traced
    def trace_id(self) -> str:
        """Return the next id of a trace."""
        return super().trace_id()


def test_a_source_that_is_traced(tmp_path: Path) -> None:
    """A source of ids makes no steps, each of which would have to ask it again."""
    with Tracer("agent", tmp_path, ids=TracedIds()) as tracer:
        with step("only"):
            pass

    (line,) = read_file(tracer.path)
    assert ("only", f"{1:016x}") == (line["name"], line["id"])
    refused = "not recorded: it was made inside a source of ids"
    assert {"step": {refused: 2}} == tracer.health()
