"""
Several tracers that write to one file by one sink.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faults import programs

from ai_trace import JSONLSink, Tracer, reading
from ai_trace.render.stats import collect


pytestmark = pytest.mark.timeout(30)


def tracer_of(agent: str, sink: JSONLSink, **settings: Any) -> Tracer:
    """Make a tracer that writes nothing but this sink's file."""
    return Tracer(agent, auto_save=False, sinks=[sink], **settings)


def told(path: Path) -> list[tuple[str, str | None]]:
    """Return the name of each step of a file, and whose header its line has."""
    lines = map(json.loads, path.read_bytes().splitlines())
    return [(line["name"], line.get("session", {}).get("agent")) for line in lines]


def test_one_after_the_other(tmp_path: Path) -> None:
    """The first line of each session has its header, and reading says there are two."""
    path = tmp_path / "run.jsonl"
    sink = JSONLSink(path)
    for agent in ("first", "second"):
        with tracer_of(agent, sink) as tracer:
            for name in ("scan", "decide"):
                with tracer.step(name):
                    assert 1 == reading.read(path).outcomes["running"]
        assert {} == tracer.health()
        assert [path] == list(tmp_path.iterdir())

    expected = [("scan", "first"), ("decide", None)]
    assert [*expected, ("scan", "second"), ("decide", None)] == told(path)
    session = reading.read(path)
    assert 4 == len(session.steps)
    assert ["Another session begins in this file"] == [
        problem.what.split(";")[0] for problem in session.problems
    ]
    assert 0 == collect([reading.records(path)]).problems


def test_at_the_same_time(tmp_path: Path) -> None:
    """Each session says once whose it is; the last to end closes file and journal."""
    path = tmp_path / "run.jsonl"
    sink = JSONLSink(path)
    first = tracer_of("first", sink)
    with first.step("one"):
        pass
    second = tracer_of("second", sink)
    with first.step("two"), second.step("three"):
        pass
    still_open = second.step("four").start()
    tracer_of("without a step", sink).close()
    first.close()
    assert 1 == reading.read(path).outcomes["running"]
    still_open.finish()
    second.close()

    assert {} == {**first.health(), **second.health()}
    assert [path] == list(tmp_path.iterdir())
    assert [
        ("one", "first"),
        ("three", "second"),
        ("two", None),
        ("four", None),
    ] == told(path)


def test_killed_in_the_second_session(tmp_path: Path) -> None:
    """What the process was killed in is told, though the first session has ended."""
    programs.run(
        """
        import os, signal
        from ai_trace import JSONLSink, Tracer

        sink = JSONLSink("run.jsonl")
        first = Tracer("first", auto_save=False, sinks=[sink])
        second = Tracer("second", auto_save=False, sinks=[sink])
        step = second.step("decide").start()
        with first.step("scan"):
            pass
        first.close()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        cwd=tmp_path,
        status=-9,
    )

    session = reading.read(tmp_path / "run.jsonl")
    assert {"scan": "ok", "decide": "unfinished"} == {
        step.name: step.outcome for step in session.steps
    }


def test_a_sink_that_no_tracer_has(tmp_path: Path) -> None:
    """A sink that is used by hand is closed by the first call, and goes on after it."""
    path = tmp_path / "run.jsonl"
    with Tracer("agent", auto_save=False) as tracer:
        with tracer.step("scan"):
            pass
        (record,) = tracer.steps
    sink = JSONLSink(path)
    for _ in range(2):
        sink.on_finish(record)
        sink.close()
        sink.close()

    assert ["scan", "scan"] == [name for name, _ in told(path)]
