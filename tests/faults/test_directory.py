"""
The trace directory: refused at the start, or lost on the way; names and neighbours.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from faults import programs
from faults.losses import has_lines, make, make_until, stated_losses
from faults.system_calls import failing
from pyfakefs.fake_filesystem_unittest import Patcher
from recorded import read_directory, read_file

from ai_trace import (
    JSONLSink,
    JSONSink,
    MarkdownSink,
    TraceConfigError,
    Tracer,
    reading,
    step,
)
from ai_trace.testing import capture


def test_an_unwritable_directory_is_refused_at_once(tmp_path: Path) -> None:
    """F8: the refusal names the path, the reason and the way out."""
    with failing("open", on=".jsonl", error=errno.EACCES):
        with pytest.raises(TraceConfigError) as caught:
            Tracer("agent", tmp_path)

    message = str(caught.value)
    assert str(tmp_path) in message
    assert os.strerror(errno.EACCES) in message
    assert "AI_TRACE_DIR" in message


def test_another_user_may_not_write(tmp_path: Path) -> None:
    """F8: what the system itself denies to this user is refused the same way."""
    if os.geteuid() != 0:
        pytest.skip("Only root can become somebody else, and be denied.")
    tmp_path.chmod(0o755)
    (tmp_path / "closed").mkdir(mode=0o700)
    done = programs.run(
        """
        import os, sys
        from ai_trace import TraceConfigError, Tracer
        os.seteuid(65534)
        try:
            Tracer("agent", sys.argv[1])
        except TraceConfigError as exc:
            print(exc)
        """,
        "closed",
        cwd=tmp_path,
    )

    assert str(tmp_path / "closed") in done.stdout
    assert os.strerror(errno.EACCES) in done.stdout


@pytest.mark.parametrize("below", ["file", "file/traces"])
def test_a_file_is_not_a_directory(tmp_path: Path, below: str) -> None:
    """F8, F13: a directory that is a file, or below one, is refused."""
    (tmp_path / "file").write_text("mine")

    with pytest.raises(TraceConfigError) as caught:
        Tracer("agent", tmp_path / below)
    assert str(tmp_path / below) in str(caught.value)
    assert "mine" == (tmp_path / "file").read_text()


def test_a_link_to_nothing_may_become_a_directory(tmp_path: Path) -> None:
    """A tracer without a file of its own needs no directory before it saves."""
    place = tmp_path / "traces"
    place.symlink_to(tmp_path / "later")
    with Tracer("agent", place, auto_save=False) as tracer, tracer.step("scan"):
        pass
    (tmp_path / "later").mkdir()

    assert tracer.save().is_file()


@pytest.mark.parametrize("name", ["file/traces", "file", "n" * 300, "loop", "nul\0"])
@pytest.mark.parametrize("disabled", [False, True])
def test_a_directory_that_is_not_needed(
    tmp_path: Path, name: str, disabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes no file needs no directory that could hold one."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    if disabled:
        monkeypatch.setenv("AI_TRACE_DISABLED", "1")

    with Tracer("agent", tmp_path / name, auto_save=disabled) as tracer:
        with step("scan"):
            pass

    assert (0 if disabled else 1) == len(tracer.steps)
    assert {} == tracer.health()


def test_capture_needs_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a test, wherever the program would write."""
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("AI_TRACE_DIR", str(tmp_path / "file" / "traces"))

    with capture() as steps, step("scan"):
        pass

    assert ["scan"] == steps.names


def test_the_directory_is_removed(
    tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    """F9: it is made again, said once, and the next line says that it is new there."""
    directory = tmp_path / "traces"
    with Tracer("agent", directory) as tracer:
        make(tracer, "first")
        shutil.rmtree(directory)
        made = make_until(tracer, has_lines(tracer.path))
        make(tracer, "last")

    lines = read_file(tracer.path)
    assert "last" == lines[-1]["name"]
    assert {"reopened", "gap"} & {note["note"] for note in lines[0]["notes"]}
    missing = {*made, "last"} - {line["name"] for line in lines}
    assert len(missing) <= stated_losses(tracer, lines)
    assert len(said()) <= 1


def test_the_program_goes_to_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative trace directory is the one of the start, wherever the program goes."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Tracer("agent", "traces") as tracer:
        make(tracer, "first")
        monkeypatch.chdir(tmp_path / "elsewhere")
        make(tracer, *map(str, range(10_000)), "last")
        document = tracer.save()

    (path,) = (tmp_path / "traces").glob("*.jsonl")
    assert 10_002 == len(read_file(path))
    assert [] == list((tmp_path / "elsewhere").iterdir())
    assert 10_002 == len(json.loads(document.read_text())["steps"])
    assert [] == list((tmp_path / "traces").glob("*.open"))
    assert {} == tracer.health()


def test_the_program_goes_away_from_the_files_of_its_sinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink's relative path is the one of the start, too."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    sinks = (JSONLSink("run.jsonl"), JSONSink("run.json"), MarkdownSink("run.md"))
    with Tracer("agent", auto_save=False, sinks=sinks) as tracer:
        make(tracer, "first")
        monkeypatch.chdir(tmp_path / "elsewhere")
        make(tracer, "last")

    assert 2 == len(read_file(tmp_path / "run.jsonl"))
    assert [] == list((tmp_path / "elsewhere").iterdir())
    assert ["elsewhere", "run.json", "run.jsonl", "run.md"] == sorted(
        path.name for path in tmp_path.iterdir()
    )
    assert {} == tracer.health()


@pytest.mark.parametrize(
    "make_one",
    [lambda: Tracer("agent", "traces"), lambda: JSONLSink("run.jsonl")],
    ids=["tracer", "sink"],
)
def test_the_directory_where_the_program_stands_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_one: Callable[[], object]
) -> None:
    """A relative path that leads nowhere is refused at once."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(TraceConfigError, match=r"gone|directory"):
        make_one()


def test_a_file_system_that_is_made_up(said: Callable[[], list[str]]) -> None:
    """
    Programs are tested on one whose descriptors the system knows nothing of.

    That of pyfakefs does not say where a descriptor stands, so nothing can be written:
    that is counted and said, and the program goes on.
    """
    with Patcher():
        with Tracer("agent", "/made/up") as tracer:
            make(tracer, "first", "last")
        lines = read_file(tracer.path)

    assert 2 == tracer.summary()["steps"]
    assert 2 <= len(lines) + stated_losses(tracer, lines)
    # Which causes there are hangs on what else has a descriptor of the same number.
    assert len(set(said())) == len(said())


def test_the_directory_cannot_be_made_again(
    tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    """F9: where something else stands in its place, each line is a counted loss."""
    directory = tmp_path / "traces"
    with Tracer("agent", directory) as tracer:
        make(tracer, "first")
        shutil.rmtree(directory)
        directory.write_text("mine")
        made = make_until(tracer, lambda: "JSONLSink" in tracer.health())
        make(tracer, "last")

    assert len(made) + 1 <= stated_losses(tracer, [])
    assert "mine" == directory.read_text()
    assert 1 <= len(said()) <= sum(map(len, tracer.health().values()))


def test_a_directory_of_the_file_name_is_refused(tmp_path: Path) -> None:
    """F13: a sink whose path is a directory is refused at once."""
    for sink in (JSONLSink, JSONSink):
        with pytest.raises(TraceConfigError) as caught:
            sink(tmp_path)
        assert str(tmp_path) in str(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("sink", [JSONLSink, JSONSink])
def test_a_pipe_is_refused_without_waiting(tmp_path: Path, sink) -> None:
    """F14: a named pipe, on which opening would wait for ever, is refused."""
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)

    with pytest.raises(TraceConfigError) as caught:
        sink(pipe)
    assert str(pipe) in str(caught.value)


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    """F1, F14, H5: a device is no trace file."""
    with pytest.raises(TraceConfigError) as caught:
        JSONLSink(device)
    assert device in str(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_planted_link_is_not_followed(tmp_path: Path, plant: Callable) -> None:
    """S34, S35: a link of any kind in place of the trace is refused, and left alone."""
    target = tmp_path / "profile"
    target.write_text("theirs\n")
    path = tmp_path / "agent.jsonl"
    plant(target, path)

    with pytest.raises(TraceConfigError) as caught:
        JSONLSink(path)

    assert str(path) in str(caught.value)
    assert "theirs\n" == target.read_text()


@pytest.mark.parametrize("suffix", [".jsonl", ".open"])
def test_a_link_that_takes_the_place_of_a_file(tmp_path: Path, suffix: str) -> None:
    """S34: a link that comes later is not followed either; that is counted."""
    target = tmp_path / "profile"
    target.write_text("theirs\n")
    with Tracer("agent", tmp_path / "traces") as tracer:
        with tracer.step("root"):
            path = tracer.path.with_suffix(suffix)
            path.unlink(missing_ok=True)
            path.symlink_to(target)
            made = make_until(tracer, lambda: bool(tracer.health()))

    assert made
    assert "theirs\n" == target.read_text()


def test_a_pipe_takes_the_place_of_the_file(tmp_path: Path) -> None:
    """F14: a named pipe put where the file was is not waited for, nor written to."""
    with Tracer("agent", tmp_path) as tracer:
        make(tracer, "first")
        os.unlink(tracer.path)
        os.mkfifo(tracer.path)
        made = make_until(tracer, lambda: "JSONLSink" in tracer.health())
        make(tracer, "last")

    assert len(made) + 1 <= stated_losses(tracer, [])


NAMES = ["é" * 130, "a\0b", "a\nb", "../../x", ".", "CON", "-rf", "a" * 300, "🤖"]
NAMES += ["../../.ssh/authorized_keys", "/etc/x", "..\\..\\x", "a:b", "a/b", "~"]


@pytest.mark.parametrize("agent", NAMES)
def test_any_name_of_an_agent(tmp_path: Path, agent: str) -> None:
    """F26, S32: a name that no file can have becomes one; the header keeps it."""
    directory = tmp_path / "traces"
    with Tracer(agent, directory) as tracer:
        with tracer.step("scan"):
            pass

    assert [tracer.path] == list(directory.iterdir())
    assert [directory] == list(tmp_path.iterdir())
    assert len(os.fsencode(tracer.path.name)) <= 130
    assert agent == reading.read(tracer.path).header.agent


@pytest.mark.parametrize(
    ("one", "other"),
    [("\xe9", "e\u0301"), ("a:b", "a/b"), ("a b", "a_b"), ("x", "./x"), ("a", "a ")],
)
def test_names_that_look_alike(tmp_path: Path, one: str, other: str) -> None:
    """S33: two names that become one file name but for the hash have two files."""
    with Tracer(one, tmp_path) as first, Tracer(other, tmp_path) as second:
        stems = [
            tracer.path.stem.replace(tracer.session_id, "")
            for tracer in (first, second)
        ]

    assert 2 == len(set(stems))


PROCESS = """
import sys
from ai_trace import Tracer, step

sys.stdin.readline()
for _ in range(2):
    with Tracer("agent", "traces") as tracer:
        for number in range(60):
            with step(f"step {number}", text="x" * (100 if number % 10 else 300_000)):
                pass
print(tracer.session_id)
"""


def test_processes_side_by_side(tmp_path: Path) -> None:
    """F23, F24: processes that start at once have files of their own, all whole."""
    program = programs.write(tmp_path, PROCESS)
    running = [
        subprocess.Popen(
            [sys.executable, str(program)],
            cwd=tmp_path,
            env=programs.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=programs.PATIENCE)
    paths = sorted((tmp_path / "traces").iterdir())

    assert [0] * 4 == [process.returncode for process in running]
    assert 8 == len(paths)
    assert 8 * 60 == len(read_directory(tmp_path / "traces"))
    assert 8 == len({reading.read(path).header.session_id for path in paths})


def test_two_tracers_in_one_directory(tmp_path: Path) -> None:
    """F23: two tracers of one second and one name mix no lines."""
    with Tracer("agent", tmp_path) as one, Tracer("agent", tmp_path) as two:
        for number in range(10):
            with one.step(f"one {number}"), two.step(f"two {number}"):
                pass

    assert one.path != two.path
    for tracer, name in ((one, "one"), (two, "two")):
        assert {name} == {line["name"].split()[0] for line in read_file(tracer.path)}


def test_no_descriptors_are_left(tmp_path: Path) -> None:
    """F27: with every descriptor taken lines go on; what needs a new one is counted."""
    done = programs.run(
        """
        import json, os, resource
        from ai_trace import Tracer, step

        seen = []
        with Tracer("agent") as tracer:
            with step("open", text="x" * 10):
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (16, hard))
                try:
                    while True:
                        os.open(os.devnull, os.O_RDONLY)
                except OSError:
                    pass
                for number in range(200):
                    with step(f"step {number}", text="x" * 2_000):
                        seen.append(number)
                tracer.save()
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        print(json.dumps([len(seen), tracer.health()]))
        """,
        cwd=tmp_path,
    )
    seen, health = json.loads(done.stdout)

    assert 200 == seen
    assert 201 == len(read_directory(tmp_path / "traces"))
    assert "JSONLSink" not in health
    assert "The program goes on" in done.stderr
    assert any("save" in place for place in health)
