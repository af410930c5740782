"""
The trace file is deleted, renamed or truncated, or its descriptor taken, by others.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from faults import programs
from recorded import parse_line, read_file

from ai_trace import Tracer, reading


def make(tracer: Tracer, *names: str) -> None:
    """Make a step of each name."""
    for name in names:
        with tracer.step(name):
            pass


def names(path: Path) -> list[str]:
    """Return the names of the lines of a file that begins with a header."""
    return [line["name"] for line in read_file(path)]


def noted(line: dict[str, Any]) -> set[str]:
    """Return what the notes of a line say."""
    return {note["note"] for note in line.get("notes", [])}


def make_until(tracer: Tracer, path: Path) -> list[str]:
    """Make steps until a file has lines; a look at its name may take its time."""
    made: list[str] = []
    end = time.monotonic() + 15
    while not (path.exists() and path.stat().st_size) and time.monotonic() < end:
        made.append(f"step {len(made)}")
        make(tracer, made[-1])
    return made


def test_the_file_is_deleted(tmp_path: Path) -> None:
    """F10: the next line begins a new file of the same name, and says so."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.unlink(tracer.path)
        make(tracer, "second", "third")

    # What stood in the deleted file may come along: it is read back from there.
    lines = read_file(tracer.path)
    assert ["second", "third"] == [line["name"] for line in lines][-2:]
    assert "reopened" in noted(lines[0])
    assert {} == tracer.health()


def test_the_file_is_deleted_again_and_again(tmp_path: Path) -> None:
    """F10: however often it is deleted, every line since the last time is there."""
    with Tracer("agent", tmp_path) as tracer:
        for _ in range(20):
            os.unlink(tracer.path)
            made = make_until(tracer, tracer.path)

    found = names(tracer.path)
    assert made == found[-len(made) :]
    assert len(found) == len(reading.read(tracer.path).steps)


def test_the_file_is_renamed(tmp_path: Path) -> None:
    """F11: each line ends in the old file or in the new one, and the new one says so."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        aside = tracer.path.with_suffix(".jsonl.1")
        os.rename(tracer.path, aside)
        made = make_until(tracer, tracer.path)
        make(tracer, "last")

    assert ["first", *made, "last"] == names(aside) + names(tracer.path)
    assert {"reopened"} == noted(read_file(tracer.path)[0])
    assert {} == tracer.health()


def test_the_file_is_rotated(tmp_path: Path) -> None:
    """F11: a new, empty file that was put in its place is taken up."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        aside = tracer.path.with_suffix(".jsonl.1")
        os.rename(tracer.path, aside)
        tracer.path.touch(mode=0o600)
        made = make_until(tracer, tracer.path)
        make(tracer, "last")

    assert ["first", *made, "last"] == names(aside) + names(tracer.path)


def test_the_new_file_has_a_torn_tail(tmp_path: Path) -> None:
    """F15: a file whose last line is torn gets a newline before ours."""
    torn = b'{"id":"x","text":"to'
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.rename(tracer.path, tracer.path.with_suffix(".jsonl.1"))
        tracer.path.write_bytes(torn)
        tracer.path.chmod(0o600)
        end = time.monotonic() + 15
        while tracer.path.stat().st_size == len(torn) and time.monotonic() < end:
            make(tracer, "more")
        make(tracer, "last")

    fragment, *lines = tracer.path.read_bytes().splitlines()
    assert torn == fragment
    assert "last" == [parse_line(line) for line in lines][-1]["name"]
    assert 1 == len(reading.read(tracer.path).problems)


def test_the_file_is_truncated(tmp_path: Path) -> None:
    """F12: the next line stands at the beginning, behind no hole, and it is said."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.truncate(tracer.path, 0)
        make(tracer, "third", "fourth")

    third, fourth = map(parse_line, tracer.path.read_bytes().splitlines())
    assert ["third", "fourth"] == [third["name"], fourth["name"]]
    assert noted(third) or noted(fourth) or tracer.health()
    assert ["third", "fourth"] == [s.name for s in reading.read(tracer.path).steps]


def test_the_file_is_cut_inside_a_line(tmp_path: Path) -> None:
    """F12, F15: a file that was cut inside a line is fenced before the next one."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.truncate(tracer.path, os.path.getsize(tracer.path) - 10)
        make(tracer, "third")

    steps = [record.name for record in reading.read(tracer.path).steps]
    assert ["first", "third"] == steps


# What a program does that becomes a daemon: it closes all descriptors, and the files
# that it opens then get their numbers.
TAKEN = """
import json, os, sys
from ai_trace import Tracer, step

names = []
with Tracer("agent") as tracer:
    with step("open"):
        with step("before"):
            pass
        os.closerange(3, 1024)
        files = [os.open(f"db{n}.bin", os.O_RDWR | os.O_CREAT) for n in range(300)]
        for number in range(100):
            with step(f"step {number}", text="x" * 3_000) as made:
                made.log(number=number)
        tracer.save()
for number, descriptor in enumerate(files):
    os.pwrite(descriptor, b"mine", 0)
    os.fsync(descriptor)
    os.close(descriptor)
print(json.dumps(tracer.health()))
"""


def test_our_descriptors_belong_to_others(tmp_path: Path) -> None:
    """F28: not a byte goes into a file of the program, and its files stay open."""
    programs.run(TAKEN, cwd=tmp_path)
    contents = {path.read_bytes() for path in tmp_path.glob("db*.bin")}
    path = programs.the_trace(tmp_path / "traces")
    lines = read_file(path)

    assert {b"mine"} == contents
    wanted = ["before", *[f"step {n}" for n in range(100)], "open"]
    assert wanted == [line["name"] for line in lines]
    assert "reopened" in noted(lines[1])
    assert [path, path.with_suffix(".json")] == sorted((tmp_path / "traces").iterdir())


def test_closing_leaves_the_descriptors_of_others(tmp_path: Path) -> None:
    """F28: a tracer whose descriptors were taken closes none that is not its own."""
    done = programs.run(
        """
        import os
        from ai_trace import Tracer

        tracer = Tracer("agent")
        with tracer.step("first"):
            pass
        os.closerange(3, 1024)
        files = [os.open(f"db{n}.bin", os.O_RDWR | os.O_CREAT) for n in range(300)]
        tracer.close()
        del tracer
        for descriptor in files:
            os.write(descriptor, b"mine")
        print("all open")
        """,
        cwd=tmp_path,
    )

    assert "all open\n" == done.stdout


def test_an_open_step_survives_the_loss_of_descriptors(tmp_path: Path) -> None:
    """F28: a step in flight is recovered though the journal's descriptor was taken."""
    process = programs.start(
        """
        import json, os
        from ai_trace import Tracer, step

        with Tracer("agent") as tracer:
            with step("root", budget=7):
                os.closerange(3, 1024)
                files = [os.open(f"db{n}", os.O_RDWR | os.O_CREAT) for n in range(300)]
                with step("scan", symbol="BTCUSDT") as scan:
                    scan.log(signal=0.87)
                    print(json.dumps(sum(map(os.path.getsize, os.listdir(".")))))
                    input()
        """,
        cwd=tmp_path,
    )
    programs.next_line(process)
    programs.kill(process)
    session = reading.read(programs.the_trace(tmp_path / "traces"))
    scan = next(record for record in session.steps if record.name == "scan")

    assert {0} == {path.stat().st_size for path in tmp_path.glob("db*")}
    assert ("unfinished", {"symbol": "BTCUSDT"}) == (scan.outcome, scan.context)
    assert [0.87] == [entry["signal"] for entry in scan.logs]


def test_a_step_outlives_the_file(tmp_path: Path) -> None:
    """F10: a step that was open when the file was deleted ends in the new one."""
    with Tracer("agent", tmp_path) as tracer:
        root = tracer.step("root").start()
        make(tracer, "first")
        os.unlink(tracer.path)
        root.finish()
        make(tracer, "second")

    assert {"root", "second"} <= {s.name for s in reading.read(tracer.path).steps}
