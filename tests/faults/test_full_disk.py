"""
Writing that fails: full disks, broken disks, short writes, and what is said of it.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import programs
from faults.system_calls import ShortWrites, failing, intercepted
from recorded import parse_line

from ai_trace import MemorySink, Tracer, reading


def make(tracer: Tracer, *numbers: int, **context: Any) -> None:
    """Make a step for each number."""
    for number in numbers:
        with tracer.step(f"step {number}", **context):
            pass


def names(path: Path) -> list[str]:
    """Return the names of the steps that stand in a trace file, all of it whole."""
    return [parse_line(line)["name"] for line in path.read_bytes().splitlines()]


def numbered(*numbers: int) -> list[str]:
    """Return the names that ``make`` gives."""
    return [f"step {number}" for number in numbers]


def gaps(path: Path) -> list[tuple[str, int, str]]:
    """Return step, number lost and error of each gap note that is read back."""
    return [
        (record.name, note["lost"], note["error"])
        for record in reading.read(path).steps
        for note in record.notes
        if note["note"] == "gap"
    ]


@pytest.mark.parametrize(
    "error",
    [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG],
    ids=errno.errorcode.get,
)
def test_the_disk_is_full(tmp_path: Path, said: Callable[[], list[str]], error) -> None:
    """F1, F4: from the third line on none can be written; that is said and counted."""
    memory = MemorySink()
    with Tracer("agent", tmp_path, sinks=[memory]) as tracer:
        make(tracer, 1, 2)
        with failing("write", on=".jsonl", error=error):
            make(tracer, 3, 4, 5)

            assert [3] == list(tracer.health()["JSONLSink"].values())

    assert numbered(1, 2) == names(tracer.path)
    assert numbered(1, 2, 3, 4, 5) == [record.name for record in memory.records]
    assert 1 == len(said())


def test_space_comes_back(tmp_path: Path, said: Callable[[], list[str]]) -> None:
    """F2: the first line that can be written again says how many were lost, and why."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, 1, 2)
        with failing("write", on=".jsonl", error=errno.ENOSPC):
            make(tracer, 3, 4, 5)
        make(tracer, 6, 7)

    assert numbered(1, 2, 6, 7) == names(tracer.path)
    assert [("step 6", 3, "ENOSPC")] == gaps(tracer.path)
    assert [3] == list(tracer.health()["JSONLSink"].values())
    assert 1 == len(said())


def test_space_goes_twice(tmp_path: Path, said: Callable[[], list[str]]) -> None:
    """F2: each gap has its own note; the same cause is not said again."""
    with Tracer("agent", tmp_path) as tracer:
        for number in (1, 4):
            with failing("write", on=".jsonl", error=errno.ENOSPC):
                make(tracer, number, number + 1)
            make(tracer, number + 2)

    assert numbered(3, 6) == names(tracer.path)
    assert [("step 3", 2, "ENOSPC"), ("step 6", 2, "ENOSPC")] == gaps(tracer.path)
    assert [4] == list(tracer.health()["JSONLSink"].values())
    assert 1 == len(said())


def test_each_cause_is_said_once(tmp_path: Path, said: Callable[[], list[str]]) -> None:
    """F1: another cause is another warning and another count."""
    with Tracer("agent", tmp_path) as tracer:
        for error in (errno.ENOSPC, errno.EIO, errno.ENOSPC):
            with failing("write", on=".jsonl", error=error):
                make(tracer, 1, 2)

    assert [2, 4] == sorted(tracer.health()["JSONLSink"].values())
    assert 2 == len(said())


def test_a_gap_note_stands_beside_others(tmp_path: Path) -> None:
    """F2: a step that has notes of its own keeps them beside the gap note."""
    with Tracer("agent", tmp_path) as tracer:
        with failing("write", on=".jsonl", error=errno.ENOSPC):
            make(tracer, 1)
        make(tracer, 2, text="x" * 1_000_000)

    (step,) = reading.read(tracer.path).steps
    assert {"gap", "truncated"} == {note["note"] for note in step.notes}


def test_the_gap_at_the_beginning(tmp_path: Path) -> None:
    """F2: where the first line is lost, the first one written carries the header."""
    with Tracer("agent", tmp_path, meta={"model": "m"}) as tracer:
        with failing("write", on=".jsonl", error=errno.ENOSPC):
            make(tracer, 1)
        make(tracer, 2, 3)

    session = reading.read(tracer.path)
    assert {"model": "m"} == session.header.meta
    assert [("step 2", 1, "ENOSPC")] == gaps(tracer.path)
    first, second = map(parse_line, tracer.path.read_bytes().splitlines())
    assert ("session" in first, "session" in second) == (True, False)


@pytest.mark.parametrize("room", [1, 100, 250])
def test_a_short_write_is_finished(tmp_path: Path, room: int) -> None:
    """F3: where a write takes only a part, the rest is written behind it."""
    with Tracer("agent", tmp_path) as tracer:

        def some_at_a_time(call: Any, proceed: Callable[[], Any]) -> Any:
            return ShortWrites(".jsonl", room)(call, proceed)

        with intercepted(some_at_a_time):
            make(tracer, 1, 2, 3)

    assert numbered(1, 2, 3) == names(tracer.path)
    assert {} == tracer.health()


@pytest.mark.parametrize("room", [1, 200, 330])
def test_a_torn_line_is_fenced(tmp_path: Path, room: int) -> None:
    """F3, F15: a line of which only a part fits stands alone; the next one is whole."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, 1)
        with intercepted(ShortWrites(".jsonl", room)):
            make(tracer, 2, 3, 4, text="x" * 1000)
        make(tracer, 5, 6)

    session = reading.read(tracer.path)
    assert numbered(1, 5, 6) == [record.name for record in session.steps]
    assert [("step 5", 3, "ENOSPC")] == gaps(tracer.path)
    assert len(session.problems) <= 1


def test_a_real_limit_of_the_file(tmp_path: Path) -> None:
    """F3, H5: at a limit of the system lines are cut short; after it all is whole."""
    done = programs.run(
        """
        import json, resource
        from ai_trace import Tracer

        with Tracer("agent", journal=False) as tracer:
            def make(number):
                with tracer.step(f"step {number}", text="x" * 500):
                    pass
            make(1)
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
            for number in range(2, 12):
                make(number)
            health = tracer.health()
            infinity = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, infinity)
            make(12)
            make(13)
        print(json.dumps(health))
        """,
        cwd=tmp_path,
    )
    path = programs.the_trace(tmp_path / "traces")
    steps = [record.name for record in reading.read(path).steps]
    lost = 13 - len(steps)
    ((_, stated, error),) = gaps(path)

    assert numbered(*range(1, 12 - lost), 12, 13) == steps
    assert (lost, "EFBIG") == (stated, error)
    assert lost in json.loads(done.stdout)["JSONLSink"].values()
    assert 1 == done.stderr.count("JSONLSink")


def test_a_failed_sync_is_not_trusted(
    tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    """F5: after a failed sync the descriptor is given up, and durability is named."""
    with Tracer("agent", tmp_path, durability="step") as tracer:
        make(tracer, 1)
        with failing("fsync", "fdatasync", on=".jsonl", error=errno.EIO) as failures:
            make(tracer, 2)
            failed = failures.injected
        make(tracer, 3)

    assert 1 == failed, "a sync that failed was tried again, as if it could be trusted"
    assert numbered(1, 2, 3) == names(tracer.path)
    assert "durability" in json.dumps(tracer.health()).lower()
    assert 1 == len(said())


def test_a_target_that_does_not_take_it(tmp_path: Path) -> None:
    """F7: a write that would have to wait is a counted loss; the agent never waits."""
    with Tracer("agent", tmp_path) as tracer:
        with failing("write", on=".jsonl", error=errno.EAGAIN):
            make(tracer, 1, 2)
        make(tracer, 3)

    assert numbered(3) == names(tracer.path)
    assert [("step 3", 2, "EAGAIN")] == gaps(tracer.path)
    assert [2] == list(tracer.health()["JSONLSink"].values())


def test_the_journal_cannot_be_written(
    tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    """F1: a journal that fails costs itself alone; no finished step is lost."""
    with Tracer("agent", tmp_path) as tracer:
        with failing("write", on=".open", error=errno.ENOSPC) as failures:
            make(tracer, 1, 2, 3)
        make(tracer, 4)

    assert failures.injected > 0
    assert numbered(1, 2, 3, 4) == names(tracer.path)
    assert [] == gaps(tracer.path)
    assert tracer.health()
    assert 1 == len(said())
    assert [tracer.path] == list(tmp_path.iterdir())


def test_health_is_empty_when_all_is_well(tmp_path: Path) -> None:
    """A tracer that lost nothing has nothing to say."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, 1)

    assert {} == tracer.health()
