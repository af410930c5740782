"""
Traced functions that travel to other processes, and that are copied.
"""

from __future__ import annotations

import copy
import functools
import pickle
from pathlib import Path
from typing import Any

import pytest
from faults import programs
from recorded import read_directory

from ai_trace import MemorySink, Tracer, reading, traced


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from ai_trace import Tracer, step, traced

@traced
def decide(signal):
    return signal * 2

class Agent:
    @traced
    def choose(self, signal):
        return signal + 1

def begin(directory):
    if directory:
        Tracer("worker", directory).activate()

def main(method):
    context = multiprocessing.get_context(method)
    inner = "" if method == "fork" else "traces"
    with Tracer("agent", "traces") as tracer, step("root"):
        with ProcessPoolExecutor(2, context, begin, (inner,)) as pool:
            print([pool.submit(decide, n).result() for n in range(4)])
            print([pool.submit(Agent().choose, n).result() for n in range(4)])
            print(list(pool.map(decide, range(4))))

if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes(tmp_path: Path, method: str) -> None:
    """F40: traced functions and methods run in pools and are recorded."""
    done = programs.run(POOL, method, cwd=tmp_path)

    assert ["[0, 2, 4, 6]", "[1, 2, 3, 4]", "[0, 2, 4, 6]"] == done.stdout.splitlines()
    names = [line["name"] for line in read_directory(tmp_path / "traces")]
    assert (8, 4, 1) == tuple(
        names.count(name) for name in ("decide", "Agent.choose", "root")
    )
    sessions = [reading.read(info.path) for info in reading.find(tmp_path / "traces")]
    assert {"ok"} == {step.outcome for found in sessions for step in found.steps}


def test_workers_that_are_ended_lose_nothing(tmp_path: Path) -> None:
    """F40: what workers of a pool recorded survives their abrupt end."""
    programs.run(
        """
        import multiprocessing
        from ai_trace import Tracer, reading, traced

        @traced
        def decide(number):
            return number

        if __name__ == "__main__":
            with Tracer("agent"):
                with multiprocessing.get_context("fork").Pool(3) as pool:
                    assert pool.map(decide, range(60), 5) == list(range(60))
        """,
        cwd=tmp_path,
    )

    lines = read_directory(tmp_path / "traces")
    assert list(range(60)) == sorted(line["result"] for line in lines)


@traced
def decide(signal: float) -> float:
    """Decide."""
    return signal


class Agent:
    """Holds a traced function, and has one."""

    def __init__(self) -> None:
        self.policy = decide
        self.later = functools.partial(decide, 1.0)

    @traced
    def choose(self, signal: float) -> float:
        """Choose."""
        return signal


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_traced_function_is_copied(duplicate) -> None:
    """F41: a copy of a traced function is that function, as for any other."""
    assert duplicate(decide) is decide


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_what_holds_a_traced_function_is_copied(tmp_path: Path, duplicate) -> None:
    """F41: an object that holds traced functions is copied, and its copy traces."""
    twin = duplicate(Agent())
    with Tracer("agent", tmp_path):
        results = (twin.policy(1.0), twin.later(), twin.choose(2.0))

    assert (1.0, 1.0, 2.0) == results
    assert ["decide", "decide", "Agent.choose"] == [
        line["name"] for line in read_directory(tmp_path)
    ]


class Holder:
    """An agent that keeps its tracer and its step."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.step = tracer.step("held").start()
        self.memory: list[int] = [1]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_what_holds_a_tracer(tmp_path: Path, copied: Any) -> None:
    """An agent that is copied goes on in the same session, in the same step."""
    with Tracer("agent", tmp_path) as tracer:
        one = Holder(tracer)
        other = copied(one)

        assert other is not one
        assert other.tracer is tracer
        other.step.log(a=1)
        assert one.step.finish() is other.step

    (line,) = read_directory(tmp_path)
    assert ("held", "ok") == (line["name"], line["outcome"])
    assert [1] == [log["a"] for log in line["logs"]]


def test_a_tracer_stays_in_its_process(tmp_path: Path) -> None:
    """A tracer is not pickled, and says what to do."""
    with Tracer("agent", tmp_path) as tracer:
        with pytest.raises(TypeError, match="Make a tracer in the other one"):
            pickle.dumps({"tracer": tracer})


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))]
)
def test_records_travel_as_well(tmp_path: Path, again: Any) -> None:
    """F40: what a sink was given may be copied, and sent to another process."""
    memory = MemorySink()
    with Tracer("agent", tmp_path, meta={"model": "m"}, sinks=[memory]) as tracer:
        with tracer.step("scan", symbol="BTC"):
            pass

    (given,) = memory.records
    for record in (given, *tracer.steps):
        other = again(record)
        assert (record, record.header) == (other, other.header)
        assert {"symbol": "BTC"} == other.context
    assert [given] == again(memory).records
