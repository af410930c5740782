"""
The levels of durability by name, and what each of them survives when the power fails.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from faults import figures
from faults.crash_fs import CrashDisk
from faults.invariants import content
from faults.system_calls import intercepted
from recorded import read_file

from ai_trace import MemorySink, TraceConfigError, Tracer, reading, step


LEVELS = ("cache", "interval", "step")

Truth = dict[str, dict[str, Any]]


def run(disk: CrashDisk, directory: Path, level: str) -> Truth:
    """Run an agent on a disk; each step that has ended is promised."""
    memory = MemorySink()
    with intercepted(disk):
        with Tracer("agent", directory, sinks=[memory], durability=level) as tracer:
            for symbol in ("BTCUSDT", "ETHUSDT"):
                with step("session", symbol=symbol) as session:
                    for number in range(4):
                        with step(f"scan {number}", text="x" * 150 * number) as scan:
                            scan.log(signal=0.87)
                        disk.promise(("step", scan.id))
                disk.promise(("root", session.id))
                for save in (tracer.save, tracer.save_markdown):
                    path = save()
                    disk.promise(("document", path.name))
        disk.promise(("closed", tracer.path.name))
    return {record.id: content(record.to_dict()) for record in memory.records}


def check_image(image: Path, truth: Truth, promised: list[Any], level: str) -> None:
    """Check that what a level promises is in what the power loss has left."""
    recovered: Truth = {}
    for path in image.glob("*.jsonl"):
        session = reading.read(path)
        for record in session.steps:
            if record.outcome in ("ok", "error"):
                assert truth[record.id] == content(record.to_dict())
                recovered[record.id] = truth[record.id]
            else:
                assert record.outcome in ("unfinished", "missing")
        assert len(session.steps) == len({record.id for record in session.steps})
    wanted = durable(promised, truth, level)
    figures.counts[figures.CHECKED] += len(wanted)
    figures.counts[figures.LOST] += len(wanted - set(recovered))
    assert wanted <= set(recovered), "a step that was promised is lost"
    check_documents(image, promised)


def durable(promised: list[Any], truth: Truth, level: str) -> set[str]:
    """Return the steps that have to survive: each level has its own promise."""
    ended = {about for kind, about in promised if kind in ("step", "root")}
    if level == "step":
        return ended
    roots = {about for kind, about in promised if kind == "root"}
    in_roots = {i for i in ended if truth[i]["parent_id"] in roots} | roots
    return in_roots if level == "interval" else set()


def check_documents(image: Path, promised: list[Any]) -> None:
    """A document is whole, or not there yet; once saved, it is there on any level."""
    names = {about for kind, about in promised if kind == "document"}
    assert names <= {path.name for path in image.iterdir()}
    for path in image.glob("*.json"):
        steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
        assert {5, 10} >= {len(steps)}
    for path in image.glob("*.md"):
        assert "session" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("level", LEVELS)
def test_the_power_fails_at_any_moment(tmp_path: Path, level: str) -> None:
    """H4: whenever the power fails, what the level promises is there, and true."""
    disk = CrashDisk()
    source = tmp_path / "traces"
    source.mkdir()
    truth = run(disk, source, level)

    assert set() == disk.strangers, "not all calls go through ai_trace.sinks._system"

    for moment in range(len(disk.events) + 1):
        for seed in range(4):
            image = tmp_path / f"{moment}-{seed}"
            image.mkdir()
            promised = disk.lose_power(moment, Random(f"{moment}-{seed}"), image)
            try:
                check_image(image, truth, promised, level)
            except AssertionError as exc:
                raise AssertionError(f"moment {moment}, seed {seed}: {exc}") from exc

    assert len(disk.events) > 50, "the harness does not see the system calls"


def test_cache_never_syncs(tmp_path: Path) -> None:
    """On ``cache`` no step waits for the disk: nothing is synced but documents."""
    disk = CrashDisk()
    with intercepted(disk):
        with Tracer("agent", tmp_path) as tracer:
            make_ten(tracer)

    assert (0, 0) == (disk.syncs(".jsonl"), disk.syncs(".open"))


def make_ten(tracer: Tracer) -> None:
    """Make a root with nine steps inside."""
    with tracer.step("root"):
        for number in range(9):
            with tracer.step(f"step {number}"):
                pass


def test_step_syncs_every_line(tmp_path: Path) -> None:
    """On ``step`` each line costs one sync, and the file's name one more."""
    disk = CrashDisk()
    with intercepted(disk):
        with Tracer("agent", tmp_path, durability="step") as tracer:
            make_ten(tracer)
            assert 10 == disk.syncs(".jsonl")
            assert 1 == disk.directory_syncs()

    assert disk.syncs(".jsonl") <= 11


def test_interval_syncs_at_the_end_of_a_root(tmp_path: Path) -> None:
    """On ``interval`` steps inside a root wait for none; its end is one sync."""
    disk = CrashDisk()
    with intercepted(disk):
        with Tracer("agent", tmp_path, durability="interval") as tracer:
            with step("root"):
                for number in range(9):
                    with step(f"step {number}"):
                        pass
                inside = disk.syncs(".jsonl")
            after = disk.syncs(".jsonl")
            assert 1 == disk.directory_syncs()

    assert inside <= 1
    assert inside + 1 == after
    assert 10 == len(read_file(tracer.path))


def test_interval_syncs_inside_a_long_root(tmp_path: Path) -> None:
    """On ``interval`` no line waits for its sync longer than a second and a step."""
    disk = CrashDisk()
    with intercepted(disk):
        with Tracer("agent", tmp_path, durability="interval"), step("root"):
            before = disk.syncs(".jsonl")
            end = time.monotonic() + 15
            while disk.syncs(".jsonl") == before and time.monotonic() < end:
                with step("step"):
                    pass

            assert before + 1 == disk.syncs(".jsonl")


def test_interval_syncs_at_the_end(tmp_path: Path) -> None:
    """On ``interval`` closing the tracer syncs what is left."""
    disk = CrashDisk()
    with intercepted(disk):
        tracer = Tracer("agent", tmp_path, durability="interval")
        root = tracer.step("root").start()
        with tracer.step("child"):
            pass
        before = disk.syncs(".jsonl")
        tracer.close()

    assert "unfinished" == root.outcome
    assert disk.syncs(".jsonl") > before


def test_interval_syncs_before_the_next_part(tmp_path: Path) -> None:
    """On ``interval`` a part that is full is on the disk before the next one begins."""
    disk = CrashDisk()
    with intercepted(disk):
        with Tracer(
            "agent", tmp_path, durability="interval", max_bytes=3_000
        ) as tracer:
            with step("root"):
                while not list(tmp_path.glob("*part2*")):
                    before = disk.syncs(tracer.path.name)
                    with step("step", text="x" * 300):
                        pass
                after = disk.syncs(tracer.path.name)

    assert before + 1 == after


@pytest.mark.parametrize("level", LEVELS)
def test_the_file_says_its_level(tmp_path: Path, level: str) -> None:
    """The header states the level, so that a reader knows what a cut tail can mean."""
    with Tracer("agent", tmp_path, durability=level) as tracer, step("scan"):
        pass

    assert level == read_file(tracer.path)[0]["session"]["durability"]


@pytest.mark.parametrize("level", ["fast", "", None, 1, "STEP"])
def test_a_level_that_is_none(tmp_path: Path, level: Any) -> None:
    """A level that does not exist is refused; the message names those that do."""
    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path, durability=level)
    message = str(caught.value)

    assert repr(level) in message
    assert all(known in message for known in LEVELS)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_records_the_same(tmp_path: Path, level: str) -> None:
    """The levels differ in when a line is safe, never in what it says."""
    with Tracer("agent", tmp_path, durability=level) as tracer:
        make_ten(tracer)

    names = Counter(line["name"] for line in read_file(tracer.path))
    assert {"root": 1, **{f"step {number}": 1 for number in range(9)}} == names
    assert [tracer.path] == list(tmp_path.iterdir())
