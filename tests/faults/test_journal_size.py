"""
The journal of open steps stays as small as what is open, however long a session runs.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from faults.system_calls import Call, Proceed, ShortWrites, failing, intercepted
from recorded import read_file

from ai_trace import Tracer, propagate, reading, step
from ai_trace.sinks import _journal


LIMIT = 100_000


def size_of_journal(tracer: Tracer) -> int:
    """Return how many bytes the journal of a tracer's session has, in all its files."""
    assert tracer.path is not None
    files = tracer.path.parent.glob(f"{tracer.path.stem}.open*")
    return sum(path.stat().st_size for path in files)


def test_the_journal_stays_small(tmp_path: Path) -> None:
    """10,000 finished steps under one open root leave a journal under 100 kB."""
    sizes = set()
    with Tracer("agent", tmp_path) as tracer:
        with step("root", budget=7) as root:
            root.log(at="start")
            for number in range(10_000):
                with step("scan", number=number, text="x" * 100) as scan:
                    scan.log(signal=0.87)
                sizes.add(size_of_journal(tracer))
            (found,) = reading.read(tracer.path).roots

    assert max(sizes) < LIMIT
    assert ("running", {"budget": 7}) == (found.outcome, found.context)
    assert ["start"] == [entry["at"] for entry in found.logs]
    assert 10_001 == len(read_file(tracer.path))


def test_a_journal_that_may_have_no_second_file(tmp_path: Path) -> None:
    """Whose process may make no file any more, that journal stays as small in one."""
    sizes = set()
    with Tracer("agent", tmp_path) as tracer:
        with step("root"), failing("open", on=".open2", error=errno.EACCES) as failures:
            while failures.injected < 3:
                with step("scan", text="x" * 5_000):
                    pass
                sizes.add(size_of_journal(tracer))
            (found,) = reading.read(tracer.path).roots

    assert max(sizes) < LIMIT
    assert "running" == found.outcome
    assert {} == tracer.health()


def test_the_journal_is_as_large_as_what_is_open(tmp_path: Path) -> None:
    """Large open steps are kept whole, however much is finished beside them."""
    large = "y" * 50_000
    sizes = []
    with Tracer("agent", tmp_path) as tracer:
        with step("outer", large=large), step("inner", large=large):
            for _ in range(500):
                with step("scan", text="x" * 5_000) as scan:
                    scan.log(text="z" * 5_000)
                sizes.append(size_of_journal(tracer))
            found = reading.read(tracer.path)

    assert max(sizes) < 2 * len(large) * 2 + LIMIT
    assert [large, large] == [
        s.context["large"] for s in found.steps if s.outcome == "running"
    ]


def test_many_steps_are_open_at_once(tmp_path: Path) -> None:
    """A thousand steps open at once, in tasks and threads, are all known."""
    known: list[dict[str, Any]] = []

    async def one(number: int, all_open: asyncio.Event) -> None:
        with step("task", number=number) as made:
            made.log(number=number)
            await all_open.wait()

    async def main(tracer: Tracer) -> None:
        all_open = asyncio.Event()
        tasks = [asyncio.create_task(one(n, all_open)) for n in range(1000)]
        await asyncio.sleep(0)
        known.extend(
            {"outcome": record.outcome, **record.logs[0]}
            for record in reading.read(tracer.path).steps
        )
        all_open.set()
        await asyncio.gather(*tasks)

    with Tracer("agent", tmp_path) as tracer:
        asyncio.run(main(tracer))

    assert {"running"} == {each["outcome"] for each in known}
    assert list(range(1000)) == sorted(each["number"] for each in known)
    assert [tracer.path] == list(tmp_path.iterdir())


def test_threads_share_the_journal(tmp_path: Path) -> None:
    """Threads that start, log and finish at once leave a journal of what is open."""
    barrier, done, leave = threading.Barrier(8), threading.Barrier(9), threading.Event()

    def work(number: int) -> None:
        barrier.wait()
        with step("thread", number=number) as outer:
            for inner in range(150):
                with step("inner", text="x" * 500) as made:
                    made.log(inner=inner)
                outer.log(inner=inner)
            done.wait()
            leave.wait()

    with Tracer("agent", tmp_path) as tracer:
        threads = [
            threading.Thread(target=propagate(work), args=(n,)) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        done.wait()
        session = reading.read(tracer.path)
        leave.set()
        for thread in threads:
            thread.join()

    running = [record for record in session.steps if record.outcome == "running"]
    assert list(range(8)) == sorted(record.context["number"] for record in running)
    assert all(
        list(range(150)) == [entry["inner"] for entry in record.logs]
        for record in running
    )
    assert [] == list(session.problems)
    assert 8 * 151 == len(read_file(tracer.path))


def test_a_change_of_files_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When what is open cannot be written anew, it stays where it is, at any moment."""
    monkeypatch.setattr(_journal, "_COMPACT_BYTES", 2_000)
    known, disk = [], ShortWrites(".open2", room=100)

    def intercept(call: Call, proceed: Proceed) -> Any:
        done = disk(call, proceed)
        if call.name == "ftruncate":
            # Who is killed here leaves the files as they are.
            copy = tmp_path / f"copy{len(known)}"
            shutil.copytree(tmp_path / "traces", copy)
            (trace,) = copy.glob("*.jsonl")
            known.append({s.name for s in reading.read(trace).steps})
        return done

    with Tracer("agent", tmp_path / "traces") as tracer, step("root"), step("old"):
        with intercepted(intercept):
            while not disk.cut:
                with step("scan", text="x" * 100):
                    pass
            disk.room = 1_000_000
            changes = len(known)
            while len(known) < changes + 4:
                with step("scan", text="x" * 100):
                    pass

    assert all({"root", "old"} <= names for names in known)
    assert {"JSONLSink journal": {"ENOSPC": 1}} == tracer.health()
