"""
The trace file is deleted, renamed or truncated, or its descriptor taken, by others.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import programs
from faults.losses import has_lines, make, make_until, notes_of, stated_losses
from faults.system_calls import (
    Call,
    Proceed,
    ShortWrites,
    fail,
    failing,
    intercepted,
)
from recorded import parse_line, read_file

from ai_trace import JSONLSink, Tracer, reading
from ai_trace.sinks import _system


def names(path: Path) -> list[str]:
    """Return the names of the lines of a file that begins with a header."""
    return [line["name"] for line in read_file(path)]


def noted(line: dict[str, Any]) -> set[str]:
    """Return what the notes of a line say."""
    return {note["note"] for note in notes_of(line)}


def last_line_has_notes(path: Path) -> Callable[[], bool]:
    """Return a function that tells whether the last line of a file has notes."""

    def look() -> bool:
        with path.open("rb") as file:
            file.seek(-min(4_000, path.stat().st_size), os.SEEK_END)
            return b'"notes":' in file.read().rstrip(b"\n").rpartition(b"\n")[2]

    return look


def test_the_file_is_deleted(tmp_path: Path) -> None:
    """F10: a new file of the name is begun and says so; no line is lost silently."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.unlink(tracer.path)
        made = make_until(tracer, has_lines(tracer.path))
        make(tracer, "last")

    # What stood in the deleted file may come along: it can be read back from there.
    lines = read_file(tracer.path)
    assert "last" == lines[-1]["name"]
    assert "reopened" in noted(lines[0])
    missing = {*made, "last"} - {line["name"] for line in lines}
    assert len(missing) <= stated_losses(tracer, lines)


def test_the_file_is_deleted_again_and_again(tmp_path: Path) -> None:
    """F10: however often it is deleted, every line since the last time is there."""
    with Tracer("agent", tmp_path) as tracer:
        for _ in range(20):
            os.unlink(tracer.path)
            made = make_until(tracer, has_lines(tracer.path))

    found = names(tracer.path)
    assert made == found[-len(made) :]
    assert len(found) == len(reading.read(tracer.path).steps)


def test_a_step_outlives_the_file(tmp_path: Path) -> None:
    """F10: a step that was open when the file was deleted ends in the new one."""
    with Tracer("agent", tmp_path) as tracer:
        root = tracer.step("root").start()
        make(tracer, "first")
        os.unlink(tracer.path)
        make_until(tracer, has_lines(tracer.path))
        root.finish()

    assert "root" == names(tracer.path)[-1]


def test_the_file_is_renamed(tmp_path: Path) -> None:
    """F11: each line ends in the old file or in the new one, which says so."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        aside = tracer.path.with_suffix(".jsonl.1")
        os.rename(tracer.path, aside)
        made = make_until(tracer, has_lines(tracer.path))
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
        made = make_until(tracer, has_lines(tracer.path))
        make(tracer, "last")

    assert ["first", *made, "last"] == names(aside) + names(tracer.path)


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOENT])
def test_the_file_is_out_of_reach(tmp_path: Path, error: int) -> None:
    """A process that gave up its rights, or its root, goes on in the file it has."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        with failing("lstat", "stat", "open", "mkdir", error=error) as failures:
            made = make_until(tracer, lambda: failures.injected > 30)
        make(tracer, "last")

    lines = read_file(tracer.path)
    assert ["first", *made, "last"] == [line["name"] for line in lines]
    assert [] == [note for line in lines for note in notes_of(line)]
    assert {} == tracer.health()


def test_a_renamed_file_goes_on_until_there_is_another(tmp_path: Path) -> None:
    """F11: while no new file can be opened, the lines go to the renamed one."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        aside = tracer.path.with_suffix(".jsonl.1")
        os.rename(tracer.path, aside)
        with failing("open", on=".jsonl", error=errno.EMFILE) as failures:
            before = make_until(tracer, lambda: failures.injected > 3)
        after = make_until(tracer, has_lines(tracer.path))

    assert ["first", *before, *after] == names(aside) + names(tracer.path)
    assert {"reopened"} == noted(read_file(tracer.path)[0])
    assert {} == tracer.health()


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOENT])
def test_a_file_that_is_deleted_out_of_reach(tmp_path: Path, error: int) -> None:
    """F10: what would go to a deleted file is counted, until there is another."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.unlink(tracer.path)
        with failing("lstat", "stat", "open", "mkdir", error=error) as failures:
            made = make_until(tracer, lambda: failures.injected > 30)
        make(tracer, "last")

    lines = read_file(tracer.path)
    missing = {"first", *made, "last"} - {line["name"] for line in lines}
    assert "last" == lines[-1]["name"]
    assert len(missing - {"first"}) <= stated_losses(tracer, lines)


def test_the_new_file_has_a_torn_tail(tmp_path: Path) -> None:
    """F15: a file whose last line is torn gets a newline before ours."""
    torn = b'{"id":"x","text":"to'
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.rename(tracer.path, tracer.path.with_suffix(".jsonl.1"))
        tracer.path.write_bytes(torn)
        tracer.path.chmod(0o600)
        make_until(tracer, lambda: tracer.path.stat().st_size > len(torn))
        make(tracer, "last")

    fragment, *lines = tracer.path.read_bytes().splitlines()
    assert torn == fragment
    assert "last" == [parse_line(line) for line in lines][-1]["name"]
    assert 1 == len(reading.read(tracer.path).problems)


def test_a_sink_goes_on_behind_a_torn_tail(tmp_path: Path) -> None:
    """F15: a session that is appended to a torn file costs the fragment alone."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"id":"x","text":"to')
    path.chmod(0o600)
    sink = JSONLSink(path)
    with Tracer("agent", tmp_path, auto_save=False, sinks=[sink]) as tracer:
        make(tracer, "first", "second")

    _, *lines = path.read_bytes().splitlines()
    assert ["first", "second"] == [parse_line(line)["name"] for line in lines]


def test_the_file_is_truncated(tmp_path: Path) -> None:
    """F12: lines go on at the beginning, behind no hole, and it is said."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.truncate(tracer.path, 0)
        made = make_until(tracer, last_line_has_notes(tracer.path))
        make(tracer, "last")

    lines = [parse_line(line) for line in tracer.path.read_bytes().splitlines()]
    assert [*made, "last"] == [line["name"] for line in lines]
    assert 1 == sum(bool(noted(line)) for line in lines)
    assert [*made, "last"] == [s.name for s in reading.read(tracer.path).steps]


def test_the_file_is_truncated_behind_its_first_line(tmp_path: Path) -> None:
    """F12: so it is where nobody had looked at the file since its first line."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.truncate(tracer.path, 0)
        make(tracer, "second", "third")

    lines = read_file(tracer.path)
    assert ["second", "third"] == [line["name"] for line in lines]
    assert [{"truncated by another"}, set()] == [noted(line) for line in lines]
    assert {} == tracer.health()


def test_the_file_is_truncated_to_make_room(tmp_path: Path) -> None:
    """F12: where the disk was full and the file was cut for that, both are said."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        with failing("write", on=".jsonl"):
            make(tracer, "lost")
        os.truncate(tracer.path, 0)
        make(tracer, "third", "fourth")

    lines = read_file(tracer.path)
    assert ["third", "fourth"] == [line["name"] for line in lines]
    assert [{"truncated by another", "gap"}, set()] == [noted(line) for line in lines]


def test_the_file_is_deleted_before_the_end(tmp_path: Path) -> None:
    """F10: a line that went into a deleted file is read back at the close at last."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.unlink(tracer.path)
        make(tracer, "third")

    lines = read_file(tracer.path)
    assert "third" == lines[-1]["name"]
    assert {"reopened"} == noted(lines[0])
    assert {} == tracer.health()


def test_the_file_is_truncated_before_the_end(tmp_path: Path) -> None:
    """F12: what no line could say any more is said by the tracer."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.truncate(tracer.path, 0)

    assert {"JSONLSink": {"not said in the file: truncated by another": 1}} == (
        tracer.health()
    )


def test_the_file_is_cut_inside_a_line(tmp_path: Path) -> None:
    """F12, F15: where the file was cut inside a line, no more than one more is lost."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.truncate(tracer.path, os.path.getsize(tracer.path) - 10)
        make(tracer, "third", "fourth", "fifth")

    session = reading.read(tracer.path)
    steps = [record.name for record in session.steps]
    assert steps[:1] + steps[-2:] == ["first", "fourth", "fifth"]
    assert 1 == len(session.problems)


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
    assert {path, path.with_suffix(".json")} == set((tmp_path / "traces").iterdir())


EARLY = TAKEN.replace(
    """        with step("before"):
            pass
""",
    "",
)


def test_our_descriptors_are_taken_before_the_first_line(tmp_path: Path) -> None:
    """F28: that nothing was written yet makes the file of another no more ours."""
    programs.run(EARLY, cwd=tmp_path)
    contents = {path.read_bytes() for path in tmp_path.glob("db*.bin")}
    lines = read_file(programs.the_trace(tmp_path / "traces"))

    assert {b"mine"} == contents
    assert [*[f"step {n}" for n in range(100)], "open"] == [n["name"] for n in lines]


@pytest.mark.parametrize("before", [20, 40, 60])
def test_the_idle_journal_is_looked_at_before_it_is_emptied(
    tmp_path: Path, before: int
) -> None:
    """F28: a long session's second journal, taken from us, empties nobody's file."""
    done = programs.run(
        """
        import fcntl, json, os, sys
        from ai_trace import Tracer

        with Tracer("agent", "traces") as tracer:
            with tracer.step("root"):
                for n in range(int(sys.argv[1])):
                    with tracer.step("before", text="x" * 3_000):
                        pass
                os.closerange(3, 1_000)
                for n in range(6):
                    mine = os.open(f"mine{n}.bin", os.O_RDWR | os.O_CREAT)
                    os.write(mine, b"precious")
                    fcntl.fcntl(mine, fcntl.F_DUPFD, 200)
                for n in range(60):
                    with tracer.step("after", text="x" * 3_000):
                        pass
        print(json.dumps(tracer.health()))
        """,
        str(before),
        cwd=tmp_path,
    )
    lines = read_file(programs.the_trace(tmp_path / "traces"))

    assert {b"precious"} == {path.read_bytes() for path in tmp_path.glob("mine*.bin")}
    assert ["before"] * before + ["after"] * 60 + ["root"] == [n["name"] for n in lines]
    assert {} == json.loads(done.stdout)


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


@pytest.mark.parametrize("leave", ["close", "next part"])
def test_a_file_is_left_while_another_thread_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    """A line goes into its own file, never into one that got the same descriptor."""
    tracer = Tracer("agent", tmp_path, max_bytes=2_000 if leave != "close" else None)
    make(tracer, "first")
    about_to_write, may_write = threading.Event(), threading.Event()
    real_write = _system.write

    def write(descriptor: int, line: bytes) -> int:
        if b'"name":"late"' in line and b'"finished_at"' in line:
            about_to_write.set()
            assert may_write.wait(30)
        return real_write(descriptor, line)

    monkeypatch.setattr(_system, "write", write)
    thread = threading.Thread(target=make, args=(tracer, "late"))
    thread.start()
    assert about_to_write.wait(30)
    if leave == "close":
        tracer.close()
    else:
        make(tracer, *["more"] * 10)
        assert 1 < len(list(tmp_path.glob("*.jsonl")))
    # What the program opens now gets the lowest number that is free.
    mine = [os.dup(os.open(tmp_path / "mine", os.O_CREAT | os.O_WRONLY))]
    while mine[-1] < 300:
        mine.append(os.dup(mine[0]))
    may_write.set()
    thread.join()
    for descriptor in mine:
        os.close(descriptor)
    tracer.close()

    assert b"" == (tmp_path / "mine").read_bytes()
    assert "late" in [record.name for record in reading.read(tracer.path).steps]


def test_a_torn_line_stands_in_the_deleted_file(tmp_path: Path) -> None:
    """F10: half a line in a file that is gone costs no line after it."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.unlink(tracer.path)
        with intercepted(ShortWrites(".jsonl", 30)):
            make(tracer, "torn")
        make(tracer, "last")

    lines = read_file(tracer.path)
    assert ["second", "last"] == [line["name"] for line in lines]
    assert 1 == stated_losses(tracer, lines)


def test_what_is_read_back_cannot_be_written(tmp_path: Path) -> None:
    """F10: lines of the deleted file for which the disk is full are each counted."""

    def is_full(call: Call, proceed: Proceed) -> Any:
        if call.name == "write" and call.path.endswith(".jsonl"):
            return fail(call, proceed, errno.ENOSPC)
        return proceed()

    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first", "second")
        os.unlink(tracer.path)
        with intercepted(is_full):
            made = make_until(tracer, tracer.path.exists)
        make(tracer, "last")

    lines = read_file(tracer.path)
    assert ["last"] == [line["name"] for line in lines]
    assert len(["second", *made]) == stated_losses(tracer, lines)
