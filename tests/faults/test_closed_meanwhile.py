"""
A tracer that another thread closes in the middle of something.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from faults.system_calls import Call, Proceed, fail, intercepted
from recorded import read_file

from ai_trace import JSONLSink, StepRecord, Tracer
from ai_trace._draft import Draft
from ai_trace._recorder import Recorder
from ai_trace.sinks import _append, _journal


pytestmark = pytest.mark.timeout(20)


def closing(tracer: Tracer) -> None:
    """Close a tracer in another thread, and wait until that is done."""
    thread = threading.Thread(target=tracer.close)
    thread.start()
    thread.join()


def ends_of(tracer: Tracer) -> dict[str, str]:
    """Return how the steps in the trace file of a closed tracer ended."""
    assert tracer.path is not None
    assert [tracer.path] == list(tracer.path.parent.iterdir())
    return {line["name"]: line["outcome"] for line in read_file(tracer.path)}


def test_closed_before_a_start_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step whose tracer is closed while it starts is not recorded, and says so."""
    write_start = Draft.write_start

    def closed_first(self: Draft) -> None:
        if self.name == "late":
            closing(tracer)
        write_start(self)

    monkeypatch.setattr(Draft, "write_start", closed_first)
    tracer = Tracer("agent", tmp_path)
    with tracer.step("first"):
        pass
    with pytest.warns(RuntimeWarning, match="after the tracer was closed"):
        late = tracer.step("late").start()
    late.log(a=1).finish()

    assert {"first": "ok"} == ends_of(tracer)
    why = "not recorded: it was started after the tracer was closed"
    ignored = "log ignored: it was given a log entry while it was not open"
    assert {"step": {why: 1, ignored: 1}} == tracer.health()


class Closer:
    """
    A sink that has the tracer closed by another thread as a step starts.
    """

    tracer: Tracer

    def on_start(self, step: Any) -> None:
        """Close the tracer, before the sinks behind this one are told."""
        if step.name == "late":
            closing(self.tracer)

    def on_finish(self, record: StepRecord) -> None:
        """Do nothing."""


@pytest.mark.parametrize("before", [(), ("first",)])
def test_closed_before_the_journal_is_told(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    """A start that comes to a journal after its end makes no journal anew."""
    path, closer = tmp_path / "run.jsonl", Closer()
    tracer = closer.tracer = Tracer(
        "agent", tmp_path, auto_save=False, sinks=[closer, JSONLSink(path)]
    )
    tracer.path = path
    for name in before:
        tracer.step(name).start().finish()
    late = tracer.step("late").start()
    late.finish()

    assert {**dict.fromkeys(before, "ok"), "late": "unfinished"} == ends_of(tracer)
    assert {} == tracer.health()


class Gate(Closer):
    """
    A sink whose close waits until the step that starts meanwhile has started.
    """

    def __init__(self) -> None:
        self.is_closing, self.has_started = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []

    def on_start(self, step: Any) -> None:
        """Have the tracer closed, up to the sinks."""
        if step.name != "late":
            return
        thread = threading.Thread(target=self.tracer.close)
        self.threads.append(thread)
        thread.start()
        assert self.is_closing.wait(10)

    def close(self) -> None:
        """Let the step start, and wait for it."""
        self.is_closing.set()
        assert self.has_started.wait(10)


def test_closed_while_the_journal_is_told(tmp_path: Path) -> None:
    """A start that is journaled after its step has ended leaves no journal."""
    path, gate = tmp_path / "run.jsonl", Gate()
    tracer = gate.tracer = Tracer(
        "agent", tmp_path, auto_save=False, sinks=[gate, JSONLSink(path)]
    )
    tracer.path = path
    tracer.step("first").start().finish()
    late = tracer.step("late").start()
    gate.has_started.set()
    gate.threads[0].join()
    late.finish()

    assert {"first": "ok", "late": "unfinished"} == ends_of(tracer)
    assert {} == tracer.health()


@pytest.mark.parametrize("work", ["_make_anew", "_go_on"])
def test_closed_before_work_on_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """A journal that is closed just before it would be made anew stays closed."""
    monkeypatch.setattr(_journal, "_COMPACT_BYTES", 0)
    monkeypatch.setattr(_append, "_LOOK_EVERY_SECONDS", 0.0)
    tracer = Tracer("agent", tmp_path)
    tracer.step("first").start().finish()
    do_work = getattr(_journal.Journal, work)

    def closed_first(*given: Any) -> None:
        closing(tracer)
        do_work(*given)

    with monkeypatch.context() as patched:
        patched.setattr(_journal.Journal, work, closed_first)
        if work == "_go_on":
            (journal,) = tmp_path.glob("*.open")
            journal.unlink()
        late = tracer.step("late").start()
        late.finish()

    assert {"first": "ok", "late": "unfinished"} == ends_of(tracer)
    assert {} == tracer.health()


def test_threads_that_threading_does_not_know(tmp_path: Path) -> None:
    """A file stays open while a thread is about to write to it, whoever began it."""
    tracer, other = Tracer("agent", tmp_path / "traces"), tmp_path / "other.txt"
    assert tracer.path is not None
    about_to_write, is_closed, is_over = (threading.Event() for _ in range(3))

    def wait_with_the_line(call: Call, proceed: Proceed) -> Any:
        if call.name == "write" and call.path == str(tracer.path):
            about_to_write.set()
            assert is_closed.wait(10)
        return proceed()

    # The line with the header is written under a lock, for which the close waits.
    tracer.step("first").start().finish()

    def trace() -> None:
        tracer.step("late").start().finish()
        is_over.set()

    with intercepted(wait_with_the_line), other.open("wb") as file:
        _thread.start_new_thread(trace, ())
        assert about_to_write.wait(10)
        tracer.close()
        # The next high number that is free: that of the trace file, if it was closed.
        taken = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 200)
        is_closed.set()
        assert is_over.wait(10)
        os.close(taken)

    assert b"" == other.read_bytes()
    assert {"first": "ok", "late": "ok"} == ends_of(tracer)
    assert {} == tracer.health()


def test_a_close_that_fails_beside_other_threads(tmp_path: Path) -> None:
    """A thread that is not at work on the file keeps nobody from closing it at once."""
    tracer, is_over = Tracer("agent", tmp_path), threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()

    def failing(call: Call, proceed: Proceed) -> Any:
        if call.name == "close" and call.path == str(tracer.path):
            return fail(call, proceed, errno.EIO)
        return proceed()

    tracer.step("first").start().finish()
    with intercepted(failing):
        tracer.close()
    is_over.set()
    thread.join()

    assert {"first": "ok"} == ends_of(tracer)
    assert {"JSONLSink": {"EIO": 1}} == tracer.health()


class CountedEnds:
    """
    A sink that counts how often it is closed.
    """

    closed = 0

    def on_finish(self, record: StepRecord) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Count."""
        self.closed += 1


def test_closed_by_two_threads_at_once(tmp_path: Path) -> None:
    """Of two threads that close a tracer, one closes its sinks, whoever is first."""
    sink, barrier = CountedEnds(), threading.Barrier(2)

    class Hesitant(Recorder):
        """
        A recorder of which two threads ask at the same time whether it is closed.
        """

        @property
        def closed(self) -> bool:
            """Tell it to both at once."""
            told: bool = self.__dict__["closed"]
            if threading.current_thread() in threads:
                barrier.wait(10)
            return told

        @closed.setter
        def closed(self, value: bool) -> None:
            self.__dict__["closed"] = value

    threads: list[threading.Thread] = []
    tracer = Tracer("agent", tmp_path, sinks=[sink])
    tracer._recorder.__class__ = Hesitant
    threads += [threading.Thread(target=tracer.close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == sink.closed


class ClosedAtTheEnd(dict[str, Any]):
    """
    The open steps of a tracer that another thread closes as one of them ends.
    """

    tracer: Tracer

    def pop(self, *asked: Any) -> Any:
        """Take a step out, and have the tracer closed before it has ended."""
        found = super().pop(*asked)
        if found is not None and found.name == "late":
            closing(self.tracer)
        return found


def test_closed_while_a_step_ends(tmp_path: Path) -> None:
    """The step that is about to end is written, and takes the journal with it."""
    tracer = Tracer("agent", tmp_path)
    tracer._recorder.open_steps = steps = ClosedAtTheEnd()
    steps.tracer = tracer
    with tracer.step("first"):
        pass
    tracer.step("late").start().finish()

    assert {"first": "ok", "late": "ok"} == ends_of(tracer)
    assert {} == tracer.health()
