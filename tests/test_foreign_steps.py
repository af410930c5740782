"""
Steps that a framework starts and ends, seen from a framework of one context variable.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path

import pytest

from ai_trace import (
    Tracer,
    _context,
    current_step,
    reading,
    step,
    traced,
)
from ai_trace.integrations import _foreign_step
from ai_trace.integrations._foreign_step import ForeignStep, begin, hook, look_for
from ai_trace.testing import CapturedSteps, capture


held: ContextVar[ForeignStep | None] = ContextVar("held", default=None)


@contextmanager
def foreign(name: str, below: ForeignStep | None = None) -> Iterator[ForeignStep]:
    """Do what a framework does: begin, hold as current in a context of its own, end."""
    opened = begin(name, "step", {}, below=below or held.get())
    assert opened is not None
    token = held.set(opened)
    try:
        yield opened
    finally:
        held.reset(token)
        opened.end()


@pytest.fixture(autouse=True)
def framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the integration be there for one test."""
    monkeypatch.setattr(_foreign_step, "_lookups", ())
    monkeypatch.setattr(_context, "inner", None)
    look_for(held.get)


def parents(steps: CapturedSteps) -> dict[str, str | None]:
    """Return the parent's name of each step, by name."""
    names = {record.id: record.name for record in steps}
    return {r.name: names.get(r.parent_id or "", r.parent_id) for r in steps}


def test_parents_both_ways() -> None:
    """Steps of both sides stand inside each other as the program runs them."""
    with capture() as steps:
        with step("a"), foreign("b"), foreign("c"), step("d"), step("e"), foreign("f"):
            pass

    expected = {"a": None, "b": "a", "c": "b", "d": "c", "e": "d", "f": "e"}
    assert expected == parents(steps)
    assert 1 == len({record.trace_id for record in steps})


@pytest.mark.parametrize(
    ("counted_below", "sent", "expected"),
    [
        ([], 5, {"usage", "cost"}),
        ([(5, 2)], 5, {"total_usage", "total_cost"}),
        ([(9, 9), (5, 2)], 5, {"total_usage", "total_cost"}),
        # Another call, which the program made meanwhile.
        ([(5, 3)], 5, {"usage", "cost"}),
        # A stream, of which the framework has lost what went in.
        ([(5, 2)], 0, {"total_usage", "total_cost"}),
        ([(5, 3)], 0, {"usage", "cost"}),
    ],
)
def test_what_a_call_below_has_counted(
    counted_below: list[tuple[int, int]], sent: int, expected: set[str]
) -> None:
    """Where a client has recorded the same call, its figures are counted there."""
    with capture() as steps:
        opened = begin("chat", "llm", {})
        assert opened is not None
        for given, came in counted_below:
            opened.is_counted_below({"input_tokens": given, "output_tokens": came})
        usage = {"input_tokens": sent, "output_tokens": 2}
        opened.set_result({"usage": usage, "cost": {"usd": 1.0}})
        opened.end()

    (found,) = steps
    assert expected == set(found.result)


def test_beside_each_other() -> None:
    """What ended before is no parent of what comes after."""
    with capture() as steps:
        with step("a"):
            with foreign("b"), step("c"):
                pass
            with step("d"):
                pass
            with foreign("e"):
                pass

    assert {"a": None, "b": "a", "c": "b", "d": "a", "e": "a"} == parents(steps)


def test_named_parent_elsewhere() -> None:
    """A parent that the framework names holds, even if it began somewhere else."""
    with capture() as steps:
        with step("a"), foreign("b") as b:
            pass
        with foreign("c") as c:
            held.set(None)
            with step("d"), foreign("e", below=c):
                pass
            with step("f"), foreign("g", below=b):
                pass

    found = parents(steps)
    assert ("c", "b") == (found["e"], found["g"])
    assert found["d"] is None


@pytest.mark.parametrize("name_parent", [False, True])
def test_what_goes_on_after_its_parent(name_parent: bool) -> None:
    """What a task does after the end of what started it stands below that, too."""
    with capture() as steps, step("a"):
        with foreign("b") as b:
            later = copy_context()

        def work() -> None:
            with step("c"), foreign("d", below=b if name_parent else None), step("e"):
                pass
            with foreign("f", below=b if name_parent else None):
                pass

        later.run(work)

    expected = {"a": None, "b": "a", "c": "b", "d": "c", "e": "d", "f": "b"}
    assert expected == parents(steps)


def test_what_goes_on_after_its_tracer() -> None:
    """Where the tracer is closed as well, the next tracer has it."""
    with capture() as first:
        with foreign("a"):
            later = copy_context()

    def work() -> None:
        with capture() as steps, step("b"), foreign("c"):
            pass
        assert {"b": None, "c": "b"} == parents(steps)

    later.run(work)
    assert ["a"] == first.names


def test_consumer_of_a_generator() -> None:
    """A step that leaks out of a generator's frame collects no step of the consumer."""

    @traced
    def numbers() -> Iterator[int]:
        with foreign("inside"):
            yield 1

    with capture() as steps, step("consumer"):
        for _ in numbers():
            with step("between"):
                pass

    assert "consumer" == parents(steps)["between"]


def test_thread_with_the_frameworks_context_alone() -> None:
    """In a thread of the activated tracer, what the framework carried there counts."""
    with capture() as steps:
        with foreign("a") as carried:
            steps.tracer.activate()

            def work() -> None:
                held.set(carried)
                with step("b"):
                    pass

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    assert "a" == parents(steps)["b"]


def test_traced_in_a_thread_with_the_frameworks_context_alone() -> None:
    """So it does for a traced function of each kind, where no tracer is activated."""

    @traced
    def whole() -> None:
        pass

    @traced
    def items() -> Iterator[int]:
        yield 1

    def work() -> None:
        held.set(carried)
        with step("block"):
            pass
        whole()
        list(items())

    with capture() as steps:
        with foreign("a") as carried:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    names = [name.rpartition(".")[2] for name in parents(steps)]
    assert ["block", "whole", "items", "a"] == names
    assert ["a", "a", "a", None] == [*parents(steps).values()]


def test_two_frameworks() -> None:
    """Of what several frameworks have open, the one that began last is deepest."""
    other: ContextVar[ForeignStep | None] = ContextVar("other", default=None)
    look_for(other.get)
    with capture() as steps, foreign("a"):
        inner = begin("b", "step", {})
        assert inner is not None
        token = other.set(inner)
        with step("c"), foreign("d"):
            pass
        other.reset(token)
        inner.end()

    assert {"a": None, "b": "a", "c": "b", "d": "c"} == parents(steps)


def test_current_step_is_the_foreign_one() -> None:
    """``current_step`` is what the next step would be a child of."""
    with capture() as steps, step("a"), foreign("b"):
        found = current_step()
        assert found is not None
        found.log(seen=True)

    assert "b" == found.name
    assert [True] == [entry["seen"] for entry in steps.named("b").logs]


def test_ids_and_times_are_taken_over() -> None:
    """Ids, start and length are those that were given; a taken id is not used twice."""
    given, trace = "00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736"
    with capture() as steps:
        first = begin("a", "llm", {}, step_id=given, trace_id=trace, at=1000.5)
        second = begin("b", "llm", {}, step_id=given)
        assert first is not None
        assert second is not None
        first.log_at(1000.75, {"event": "chunk"})
        first.end(seconds=2.25)
        second.end("error", "KeyError: 'x'", "Traceback …", seconds=-1.0)

    a, b = steps
    assert (given, trace, 1000.5, 2250.0) == (
        a.id,
        a.trace_id,
        a.started_at,
        a.duration_ms,
    )
    assert [{"_t": 1000.75, "event": "chunk"}] == a.logs
    assert given != b.id
    assert ("error", "KeyError: 'x'", 0.0) == (b.outcome, b.error, b.duration_ms)


def test_told_anew() -> None:
    """The record says what is known at the end; notes on the first telling are gone."""
    with capture() as steps:
        told = begin("span", "step", {"object": object()})
        assert told is not None
        told.retell("chat gpt-5-mini", "llm", {"model": "gpt-5-mini"})
        told.set_result({"id": "r"})
        told.end()

    (record,) = steps
    assert ("chat gpt-5-mini", "llm") == (record.name, record.kind)
    assert {"model": "gpt-5-mini"} == record.context
    assert "notes" not in record.to_dict()


def test_told_anew_of_anything() -> None:
    """What is told anew is captured like all else, and so is where it went wrong."""
    with capture() as steps:
        told = begin("span", "step", {})
        assert told is not None
        told.retell("chat", "llm", {"model": {1, 2}})
        told.end("error", traceback="Traceback of another process")

    (record,) = steps
    assert {"model": [1, 2]} == record.context
    assert (None, "Traceback of another process") == (record.error, record.traceback)


def test_ends_once_and_silently() -> None:
    """Ending twice, or after the tracer, changes nothing and warns of nothing."""
    with warnings.catch_warnings(record=True) as said:
        with capture() as steps:
            twice = begin("twice", "step", {})
            late = begin("late", "step", {})
            assert twice is not None
            assert late is not None
            twice.end()
            twice.end("error", "no")
        late.end_by(ValueError("too late"))

    assert [("twice", "ok"), ("late", "unfinished")] == [
        (record.name, record.outcome) for record in steps
    ]
    assert [] == said


def test_in_flight_is_recovered(tmp_path: Path) -> None:
    """A reader sees a step that a framework has open, with what is known of it."""
    with Tracer("agent", tmp_path) as tracer:
        open_one = begin("chat", "llm", {"model": "m"})
        assert tracer.path is not None
        (found,) = reading.read(tracer.path).steps
        assert open_one is not None

    assert ("chat", "llm", {"model": "m"}) == (found.name, found.kind, found.context)
    assert "running" == found.outcome


def test_nothing_to_record_in() -> None:
    """Without a tracer, after it, inside a sink and when disabled nothing begins."""
    seen: list[object] = []

    class Traces:
        def on_finish(self, record: object) -> None:
            seen.append(begin("inside a sink", "step", {}))

    closed = Tracer("closed", auto_save=False)
    closed.close()
    assert begin("none", "step", {}) is None
    with closed:
        assert begin("closed", "step", {}) is None
    with Tracer("agent", auto_save=False, sinks=[Traces()]) as tracer:
        with tracer.step("a"):
            pass

    assert [None] == seen
    assert {"not recorded: it was made inside a sink": 1} == tracer.health()["step"]


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disabled tracer records no step of others either."""
    monkeypatch.setenv("AI_TRACE_DISABLED", "1")
    with Tracer("agent", auto_save=False):
        assert begin("a", "step", {}) is None


def test_broken_hooks(caplog: pytest.LogCaptureFixture) -> None:
    """What a hook of ours raises is counted, said once, and goes no further."""

    @hook
    def on_start() -> None:
        raise ValueError("not postgres://bot:hunter2@db")

    def lookup() -> ForeignStep | None:
        raise LookupError("unexpected")

    look_for(lookup)
    with capture() as steps:
        on_start()
        on_start()
        with step("a"):
            pass

    losses = steps.tracer.health()
    assert 2 == losses[on_start.__qualname__]["ValueError"]
    assert 1 == losses[__name__]["LookupError"]
    assert 2 == len(caplog.records)
    assert "not postgres://bot:[redacted:url-password]@db" in caplog.text

    caplog.clear()
    on_start()
    on_start()
    assert [f"{on_start.__qualname__} failed: ValueError. The program goes on."] == [
        each.getMessage() for each in caplog.records
    ]


def test_nothing_is_kept() -> None:
    """What has ended is not kept by anything of ours."""
    import weakref

    with capture() as steps:
        seen = [weakref.ref(begin(f"s{n}", "step", {})) for n in range(3)]  # type: ignore[arg-type, type-var]
        open_now = list(steps.tracer._recorder.open_steps.values())
        for one in open_now:
            one.end()
        del open_now, one
        assert [None] * 3 == [ref() for ref in seen]


def test_copied_contexts() -> None:
    """A task or thread that runs in a copy of the context finds the same parent."""
    with capture() as steps, step("a"), foreign("b"):

        def work() -> None:
            with step("c"):
                pass

        copy_context().run(work)

    assert "b" == parents(steps)["c"]
