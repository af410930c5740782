"""
The JSON and Markdown documents: whole, the old one or the new one, and nobody else's.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import figures, programs
from faults.system_calls import Call, Proceed, failing, intercepted, refusal

from ai_trace import JSONSink, MarkdownSink, TraceConfigError, Tracer, step


HOUR = 3600.0


@pytest.fixture
def tracer(tmp_path: Path) -> Iterator[Tracer]:
    """A tracer with one step."""
    with Tracer("agent", tmp_path) as tracer:
        with step("first"):
            pass
        yield tracer


def saved_steps(path: Path) -> list[str]:
    """Return the names of the steps of a JSON document."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [step["name"] for step in document["steps"]]


def temporary(directory: Path) -> list[Path]:
    """Return the unfinished documents in a directory."""
    return list(directory.glob(".ai_trace-*.tmp"))


CRASHING = """
import os, signal
from ai_trace import Tracer
from ai_trace.sinks import _system

def crash(*_):
    os.kill(os.getpid(), signal.SIGKILL)

tracer = Tracer("agent", "traces")
with tracer.step("first"):
    pass
tracer.save()
with tracer.step("second"):
    pass
print(tracer.trace_dir / f"agent_{tracer.session_id}.json", flush=True)
_system.replace = crash
tracer.save()
"""


def test_a_crash_before_the_renaming(tmp_path: Path) -> None:
    """F20: the old document is whole; what the crash left is swept an hour later."""
    done = programs.run(CRASHING, cwd=tmp_path, status=-9)
    figures.counts[figures.KILLS] += 1
    directory = tmp_path / "traces"
    document = tmp_path / done.stdout.strip()
    (left,) = temporary(directory)
    foreign = directory / "notes.tmp"
    fresh = directory / ".ai_trace-fresh.tmp"
    for path, age in ((left, 2 * HOUR), (foreign, 2 * HOUR), (fresh, 0.0)):
        path.touch()
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))

    assert ["first"] == saved_steps(document)

    with Tracer("agent", directory) as tracer:
        with step("next"):
            pass
        tracer.save()

    assert {foreign, fresh} == set(directory.glob("*.tmp")) | set(temporary(directory))


def test_a_renaming_that_fails_twice(tracer: Tracer) -> None:
    """F21: a renaming that fails is tried three times."""
    tries = []

    def stubborn(call: Call, proceed: Proceed) -> Any:
        if call.name == "replace" and call.arguments[1].suffix == ".json":
            tries.append(call)
            if len(tries) < 3:
                raise refusal(errno.EACCES)
        return proceed()

    with intercepted(stubborn):
        path = tracer.save()

    assert 3 == len(tries)
    assert ["first"] == saved_steps(path)
    assert ({}, []) == (tracer.health(), temporary(tracer.trace_dir))


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EACCES], ids=errno.errorcode.get)
def test_a_renaming_that_fails(
    tracer: Tracer, said: Callable[[], list[str]], error: int
) -> None:
    """F21: after the last try the old one stays; the new one is kept, and named."""
    path = tracer.save()
    with step("second"):
        pass
    with failing("replace", on=".tmp", error=error) as failures:
        assert path == tracer.save()

    (kept,) = temporary(tracer.trace_dir)
    assert 3 <= failures.injected <= 4
    assert ["first"] == saved_steps(path)
    assert ["first", "second"] == saved_steps(kept)
    assert tracer.health()
    (text,) = said()
    assert str(kept) in text


def test_a_document_that_cannot_be_written(
    tracer: Tracer, said: Callable[[], list[str]]
) -> None:
    """F1: a full disk costs the new document; the old one stays, nothing lies about."""
    path = tracer.save()
    with step("second"):
        pass
    with failing("write", on=".tmp", error=errno.ENOSPC):
        tracer.save()
        tracer.save()

    assert ["first"] == saved_steps(path)
    assert [2] == [n for causes in tracer.health().values() for n in causes.values()]
    assert (1, []) == (len(said()), temporary(tracer.trace_dir))


@pytest.mark.parametrize("suffix", [".json", ".md"])
def test_a_link_in_place_of_the_document(
    tracer: Tracer, said: Callable[[], list[str]], suffix: str
) -> None:
    """F22: a symbolic link is neither followed nor replaced, and it is named."""
    mine = tracer.trace_dir / "mine"
    mine.write_text("mine")
    link = tracer.path.with_suffix(suffix)
    link.symlink_to(mine)
    (tracer.save if suffix == ".json" else tracer.save_markdown)()

    assert ("mine", True) == (mine.read_text(), link.is_symlink())
    assert tracer.health()
    (text,) = said()
    assert str(link) in text


@pytest.mark.parametrize("sink", [JSONSink, MarkdownSink])
def test_a_sink_refuses_a_link(tmp_path: Path, sink: Any) -> None:
    """F22: a sink whose path is a symbolic link is refused at once, dangling or not."""
    for number, target in enumerate([tmp_path / "mine", tmp_path / "nowhere"]):
        link = tmp_path / f"link {number}"
        link.symlink_to(target)

        with pytest.raises(TraceConfigError) as caught:
            sink(link)
        assert str(link) in str(caught.value)


def test_a_link_that_comes_later(tmp_path: Path) -> None:
    """F22: a link that takes the document's place before the end is not followed."""
    mine, document = tmp_path / "mine", tmp_path / "out.json"
    mine.write_text("mine")
    with Tracer("agent", tmp_path, sinks=[JSONSink(document)]) as tracer:
        with step("first"):
            pass
        document.symlink_to(mine)

    assert ("mine", True) == (mine.read_text(), document.is_symlink())
    assert tracer.health()


@pytest.mark.parametrize("suffix", [".json", ".md"])
def test_a_link_where_the_temporary_file_is_made(
    tracer: Tracer, said: Callable[[], list[str]], suffix: str
) -> None:
    """S36: a link that is planted under the temporary name is not written through."""
    mine = tracer.trace_dir / "mine"
    mine.write_text("mine")
    names = []

    def plant(call: Call, proceed: Proceed) -> Any:
        if call.name == "open" and call.path.endswith(".tmp"):
            names.append(call.path)
            os.symlink(mine, call.path)
        return proceed()

    with intercepted(plant):
        path = (tracer.save if suffix == ".json" else tracer.save_markdown)()
        (tracer.save if suffix == ".json" else tracer.save_markdown)()

    assert ("mine", False) == (mine.read_text(), path.exists())
    assert 2 == len(set(names)), "the temporary name can be guessed"
    assert tracer.health()
    assert 1 == len(said())


def test_documents_are_for_their_owner_alone(tracer: Tracer) -> None:
    """S37: whatever the umask says, nobody else reads a document."""
    before = os.umask(0)
    try:
        paths = [tracer.save(), tracer.save_markdown()]
    finally:
        os.umask(before)

    assert [0o600, 0o600] == [path.stat().st_mode & 0o777 for path in paths]


def test_documents_are_synced_before_they_are_named(tracer: Tracer) -> None:
    """F20: a document is with the disk before it gets its name, and its name after."""
    order: list[str] = []

    def note(call: Call, proceed: Proceed) -> Any:
        if call.name in ("fsync", "fdatasync"):
            order.append("directory" if os.path.isdir(call.path) else "file")
        elif call.name == "replace":
            order.append("name")
        return proceed()

    with intercepted(note):
        tracer.save()

    assert ["file", "name", "directory"] == order


@pytest.mark.parametrize("make", [JSONSink, MarkdownSink])
def test_a_document_of_two_sessions(
    tmp_path: Path, make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A document holds one session: another's steps are not put under its header."""
    shared = make(tmp_path / "page")
    with Tracer("first", tmp_path, sinks=[shared]):
        with step("mine"):
            pass
    with Tracer("second", tmp_path, sinks=[shared]) as second:
        for _ in range(2):
            with step("foreign"):
                pass

    assert {make.__name__: {"TraceError": 2}} == second.health()
    assert 1 == caplog.text.count(f"Give each tracer a {make.__name__} of its own. The")
    kept = (tmp_path / "page").read_text(encoding="utf-8")
    assert ("first" in kept, "mine" in kept) == (True, True)
    assert ("second" in kept, "foreign" in kept) == (False, False)
