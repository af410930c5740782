"""
H3: faults in the real system calls of real processes, injected with strace.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults import strace
from recorded import read_file

from ai_trace import reading


@pytest.fixture(autouse=True)
def tracing() -> None:
    """Skip loudly where strace is not to be had."""
    strace.need()


AGENT = """
import json
with Tracer("agent", "traces", clock=clock, durability=DURABILITY) as tracer:
    for number in range(1, 9):
        with step(f"step {number}"):
            pass
print(json.dumps(tracer.health()))
"""

CACHE, STEP = (AGENT.replace("DURABILITY", repr(level)) for level in ("cache", "step"))


def trace(directory: Path) -> Path:
    """Return the trace file."""
    return directory / "traces" / f"{strace.STEM}.jsonl"


def numbered(*numbers: int) -> list[str]:
    """Return names of steps."""
    return [f"step {number}" for number in numbers]


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_writes_fail_for_good(tmp_path: Path, error: str) -> None:
    """F1, F4: the agent ends as always; one warning, and the number of the lost."""
    done = strace.run(CACHE, f"write:error={error}:when=3+", on=".jsonl", cwd=tmp_path)

    assert (0, 6) == (done.status, json.loads(done.printed)["JSONLSink"].popitem()[1])
    assert numbered(1, 2) == [line["name"] for line in read_file(trace(tmp_path))]
    assert 1 == len(done.complaints.strip().splitlines())


def test_writes_fail_for_a_while(tmp_path: Path) -> None:
    """F2: the line after the gap says how many are missing."""
    done = strace.run(CACHE, "write:error=ENOSPC:when=3..5", on=".jsonl", cwd=tmp_path)
    steps = reading.read(trace(tmp_path)).steps

    assert (0, 3) == (done.status, done.injected)
    assert numbered(1, 2, 6, 7, 8) == [record.name for record in steps]
    assert [{"note": "gap", "lost": 3, "error": "ENOSPC"}] == [
        {key: note[key] for key in ("note", "lost", "error")}
        for record in steps
        for note in record.notes
    ]


def test_a_sync_fails(tmp_path: Path) -> None:
    """F5: a sync that fails loses no line; that the disk may not have it is said."""
    done = strace.run(STEP, "fdatasync:error=EIO:when=3", on=".jsonl", cwd=tmp_path)

    assert (0, 1) == (done.status, done.injected)
    assert numbered(*range(1, 9)) == [
        line["name"] for line in read_file(trace(tmp_path))
    ]
    assert "durability" in done.printed.lower()


def test_interrupted_writes(tmp_path: Path) -> None:
    """F6: a call that a signal interrupts is made again, and nobody notices."""
    done = strace.run(CACHE, "write:error=EINTR:when=2+3", on=".jsonl", cwd=tmp_path)

    assert (0, "{}\n", "") == (done.status, done.printed, done.complaints)
    assert done.injected > 1
    assert numbered(*range(1, 9)) == [
        line["name"] for line in read_file(trace(tmp_path))
    ]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_killed_at_line_n(tmp_path: Path, n: int) -> None:
    """F30: killed at the n-th line, n - 1 are there, and the n-th step is known."""
    strace.run(CACHE, f"write:signal=SIGKILL:when={n}", on=".jsonl", cwd=tmp_path)
    session = reading.read(trace(tmp_path))

    assert n - 1 == len(read_file(trace(tmp_path)))
    assert numbered(*range(1, n + 1)) == [record.name for record in session.steps]
    assert "unfinished" == session.steps[n - 1].outcome


SAVING = """
with Tracer("agent", "traces", clock=clock) as tracer:
    with step("first"):
        pass
    tracer.save()
    with step("second"):
        pass
    tracer.save()
"""


def test_killed_before_the_renaming(tmp_path: Path) -> None:
    """F20: killed in the second renaming, the first document is whole."""
    inject = "rename,renameat,renameat2:signal=SIGKILL:when=2"
    done = strace.run(SAVING, inject, on=None, cwd=tmp_path)
    document = tmp_path / "traces" / f"{strace.STEM}.json"

    steps = json.loads(document.read_text(encoding="utf-8"))["steps"]
    assert done.status != 0
    assert ["first"] == [step["name"] for step in steps]


@pytest.mark.parametrize(("program", "syncs"), [(CACHE, {0}), (STEP, {8, 9})])
def test_how_often_the_disk_is_waited_for(
    tmp_path: Path, program: str, syncs: set[int]
) -> None:
    """Cache never syncs its file; step syncs once for each line, seen from outside."""
    done = strace.run(program, "fsync,fdatasync", on=".jsonl", cwd=tmp_path)

    assert len([line for line in done.calls if "sync(" in line]) in syncs


def test_one_write_for_each_line(tmp_path: Path) -> None:
    """A line is one write of all its bytes: nobody else's can come between."""
    done = strace.run(CACHE, "write,pwrite64,writev", on=".jsonl", cwd=tmp_path)

    assert 8 == len([line for line in done.calls if "write" in line])
