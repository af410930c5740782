"""
A long session goes on in further parts: nothing is lost between them.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from faults import programs
from faults.invariants import parts_of
from faults.system_calls import Call, Proceed, intercepted, is_about

from ai_trace import JSONLSink, TraceConfigError, Tracer, reading


def write(tracer: Tracer, count: int) -> None:
    """Make steps of about 300 bytes each."""
    for number in range(count):
        with tracer.step("scan", number=number, text="x" * 50):
            pass


def numbers(path: Path) -> list[int]:
    """Return the number in the context of each line, all parts in their order."""
    lines = [line for part in parts_of(path) for line in part.read_bytes().splitlines()]
    return [json.loads(line)["context"]["number"] for line in lines]


def headers(path: Path) -> list[int | None]:
    """Return for the first line of each part which part its header says it is."""
    firsts = [part.read_bytes().splitlines()[0] for part in parts_of(path)]
    return [json.loads(line)["session"].get("part") for line in firsts]


def test_parts_are_no_larger_than_asked(tmp_path: Path) -> None:
    """No part is larger than ``max_bytes``, and each is used as far as lines fit."""
    with Tracer("agent", tmp_path, max_bytes=4_000) as tracer:
        write(tracer, 100)

    assert tracer.path is not None
    sizes = [part.stat().st_size for part in parts_of(tracer.path)]
    assert len(sizes) > 5
    assert max(sizes) <= 4_000
    assert min(sizes[:-1]) > 3_000
    assert [None, *range(2, len(sizes) + 1)] == headers(tracer.path)
    assert list(range(100)) == numbers(tracer.path)
    assert {} == tracer.health()


def test_parts_are_read_as_one(tmp_path: Path) -> None:
    """A reader shows the steps of all parts, parents in one and children in another."""
    with Tracer("agent", tmp_path, max_bytes=2_000) as tracer:
        with tracer.step("root", number=-1):
            write(tracer, 30)

    assert tracer.path is not None
    session = reading.read(tracer.path)
    assert [] == list(session.problems)
    assert ["root", *["scan"] * 30] == [record.name for record in session.steps]
    assert 31 == len(tracer.steps)
    assert [tracer.path] == [info.path for info in reading.find(tmp_path)]
    (root,) = [record for record in session.steps if record.name == "root"]
    assert {root.id, None} == {record.parent_id for record in session.steps}


def test_there_is_one_journal(tmp_path: Path) -> None:
    """The steps that are open stand in the journal of the first part, until the end."""
    with Tracer("agent", tmp_path, max_bytes=2_000) as tracer:
        with tracer.step("root", number=-1):
            write(tracer, 30)

            assert tracer.path is not None
            journals = sorted(tmp_path.glob("*.open*"))
            assert [tracer.path.with_suffix(".open")] == journals
            outcomes = {record.name: record.outcome for record in tracer.steps}
            assert "running" == outcomes["root"]
    assert [] == sorted(tmp_path.glob("*.open*"))


def test_a_line_is_never_cut(tmp_path: Path) -> None:
    """A line that is longer than a part has one to itself, whole."""
    with Tracer("agent", tmp_path, max_bytes=1_000) as tracer:
        for number, size in enumerate((10, 5_000, 10)):
            with tracer.step("scan", number=number, text="x" * size):
                pass

    assert tracer.path is not None
    assert 3 == len(parts_of(tracer.path))
    assert [0, 1, 2] == numbers(tracer.path)


def test_threads_share_the_parts(tmp_path: Path) -> None:
    """Steps of many threads stand in the parts once each, while parts change."""
    ready = threading.Barrier(8)

    def work(first: int) -> None:
        ready.wait()
        for number in range(first, first + 200):
            with tracer.step("scan", number=number):
                pass

    with Tracer("agent", tmp_path, max_bytes=3_000) as tracer:
        threads = [threading.Thread(target=work, args=(n * 200,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert tracer.path is not None
    assert list(range(1_600)) == sorted(numbers(tracer.path))
    assert {} == tracer.health()


def test_the_next_part_cannot_be_had(tmp_path: Path) -> None:
    """Where its name is taken, the session goes on in the part before, and says so."""
    with Tracer("agent", tmp_path, max_bytes=2_000) as tracer:
        assert tracer.path is not None
        tracer.path.with_name(f"{tracer.path.stem}.part2.jsonl").mkdir()
        write(tracer, 30)

    (line, *more) = [json.loads(line) for line in tracer.path.read_bytes().splitlines()]
    assert 30 == len([line, *more])
    assert ["JSONLSink next part"] == list(tracer.health())


@pytest.mark.parametrize("broken", [MemoryError, ZeroDivisionError, UnicodeError])
def test_the_next_part_fails_in_any_way(
    tmp_path: Path, broken: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever opening it raises, the steps after it stand in the part before."""

    def intercept(call: Call, proceed: Proceed) -> Any:
        if call.name == "open" and is_about(call, ".part2.jsonl"):
            raise broken
        return proceed()

    with intercepted(intercept), Tracer("agent", tmp_path, max_bytes=2_000) as tracer:
        write(tracer, 30)

    assert tracer.path is not None
    assert [tracer.path] == parts_of(tracer.path)
    assert list(range(30)) == numbers(tracer.path)
    (causes,) = tracer.health().values()
    assert [broken.__name__] == list(causes)
    assert ["JSONLSink next part"] == list(tracer.health())
    assert 1 == caplog.text.count(f"JSONLSink failed: PartError: {broken.__name__}.")


def test_a_sink_goes_on_in_the_last_part(tmp_path: Path) -> None:
    """A sink on a file with parts appends to the last of them."""
    path = tmp_path / "run.jsonl"
    for first in (0, 10):
        sink = JSONLSink(path, max_bytes=2_000)
        with Tracer("agent", auto_save=False, sinks=[sink]) as tracer:
            for number in range(first, first + 10):
                with tracer.step("scan", number=number, text="x" * 50):
                    pass

    assert list(range(20)) == numbers(path)
    assert sink.path == parts_of(path)[-1]


def test_a_forked_child_has_parts_of_its_own(tmp_path: Path) -> None:
    """A child that is forked in a later part names its files after the first one."""
    done = programs.run(
        """
        import os
        from ai_trace import Tracer

        def write(first):
            for number in range(first, first + 20):
                with tracer.step("scan", number=number, text="x" * 50):
                    pass

        with Tracer("agent", "traces", max_bytes=2_000) as tracer:
            write(0)
            child = os.fork()
            if child == 0:
                write(100)
                os._exit(0)
            os.waitpid(child, 0)
            write(20)
        print(child, tracer.path.stem)
        """,
        cwd=tmp_path,
    )
    child, stem = done.stdout.split()
    first = tmp_path / "traces" / f"{stem}.jsonl"
    of_child = first.with_name(f"{stem}.p{child}.jsonl")

    assert list(range(40)) == numbers(first)
    assert list(range(100, 120)) == numbers(of_child)
    assert len(parts_of(of_child)) > 2
    assert 60 == len(reading.read(first).steps)


def test_a_killed_session_in_parts(tmp_path: Path) -> None:
    """What was finished when the process was killed is there, and what was open."""
    done = programs.run(
        """
        import os, signal
        from ai_trace import Tracer

        tracer = Tracer("agent", "traces", max_bytes=2_000)
        with tracer.step("root"):
            for number in range(40):
                with tracer.step("scan", number=number, text="x" * 50) as scan:
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        cwd=tmp_path,
        status=-9,
    )
    assert "" == done.stdout
    (info,) = reading.find(tmp_path / "traces")
    session = reading.read(info)

    assert [] == list(session.problems)
    assert {"ok": 40, "unfinished": 1} == {
        k: n for k, n in session.outcomes.items() if n
    }


@pytest.mark.parametrize("size", [0, -1, 1.5, "1 GB", True])
def test_a_size_that_is_none_is_refused(tmp_path: Path, size: object) -> None:
    """A wrong ``max_bytes`` raises and names the value; no file is made."""
    for make in (
        lambda: Tracer("agent", tmp_path, max_bytes=size),
        lambda: JSONLSink(tmp_path / "run.jsonl", max_bytes=size),
    ):
        with pytest.raises(TraceConfigError, match="at least 1") as caught:
            make()
        assert f"max_bytes={size!r}" in str(caught.value)
    assert [] == list(tmp_path.iterdir())
