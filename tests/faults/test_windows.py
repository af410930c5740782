"""
What works on Windows, tried on a process that lacks what Python lacks there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import programs


PRELUDE = """
    # The standard library's own modules choose by system as they are imported.
    import argparse, asyncio, gzip, json, logging, multiprocessing, os, pathlib
    import random, shutil, subprocess, sys, tempfile, threading, zlib
    from importlib import resources
    from faults import windows

    windows.pretend()
    import ai_trace
    from ai_trace import Tracer, reading, step, traced
    from ai_trace.sinks import _journal

    def work(tracer):
        for number in range(30):
            with step("scan", number=number, text="é\\n" * 50) as scan:
                scan.log(signal=0.87)

    def names(directory):
        return sorted(path.name.split(".", 1)[1] for path in directory.iterdir())
"""


def run(source: str, directory: Path, *words: str) -> Any:
    """
    Run a program there, on a console of code page 1252.

    Args:
        source: Its text, behind the prelude.
        directory: Where it runs.
        words: Its arguments.

    Returns:
        What it says on its last line.
    """
    done = subprocess.run(
        [sys.executable, str(programs.write(directory, PRELUDE + source)), *words],
        cwd=directory,
        env=programs.environment(PYTHONIOENCODING="cp1252"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="cp1252",
        timeout=programs.PATIENCE,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_recording(tmp_path: Path) -> None:
    """Files are written as bytes, journals go, documents are replaced."""
    said = run(
        """
    _journal._COMPACT_BYTES = 2_000
    with Tracer("agent", "traces", max_bytes=4_000) as tracer:
        with step("root"):
            work(tracer)
            tracer.save()
            tracer.save()
            during = [s.outcome for s in reading.read(tracer.path).roots]
        tracer.save_markdown()
    data = b"".join(path.read_bytes() for path in tracer.trace_dir.iterdir())
    session = reading.read(tracer.path)
    print(json.dumps([
        tracer.health(), during, names(tracer.trace_dir)[:3], len(session.steps),
        len(session.problems), windows.as_text, b"\\r" in data,
    ]))
    """,
        tmp_path,
    )

    first = ["json", "jsonl", "md"]
    # No lock tells there that the writer lives.
    assert [{}, ["unfinished"], first, 31, 0, [], False] == said


def test_a_journal_that_another_thread_may_write(tmp_path: Path) -> None:
    """The journal of a program of several threads goes, too."""
    said = run(
        """
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with Tracer("agent", "traces") as tracer:
        work(tracer)
    left = names(tracer.trace_dir)
    done.set()
    thread.join()
    print(json.dumps([tracer.health(), left]))
    """,
        tmp_path,
    )

    assert [{}, ["jsonl"]] == said


def test_a_document_that_cannot_be_written(tmp_path: Path) -> None:
    """The reason is counted, and the half document goes."""
    said = run(
        """
    from ai_trace.sinks import _system

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with Tracer("agent", "traces") as tracer:
        work(tracer)
        _system.fsync = full
        tracer.save()
    print(json.dumps([tracer.health(), names(tracer.trace_dir)]))
    """,
        tmp_path,
    )

    assert [{"save .json": {"ENOSPC": 1}}, ["jsonl"]] == said


def test_a_tracer_that_cannot_be_made(tmp_path: Path) -> None:
    """Its file goes."""
    said = run(
        """
    class Sink:
        asked = 0

        @property
        def on_start(self):
            self.asked += 1
            if self.asked > 1:
                raise LookupError
            return print

        def on_finish(self, record):
            pass

    try:
        Tracer("agent", "traces", sinks=[Sink()])
    except LookupError:
        print(json.dumps(names(pathlib.Path("traces"))))
    """,
        tmp_path,
    )

    assert [] == said


VERBS = """
    from ai_trace.cli import main

    with Tracer("agent", "traces") as tracer:
        work(tracer)
        with step("late"):
            pathlib.Path("dead").mkdir()
            for path in tracer.trace_dir.iterdir():
                pathlib.Path("dead", path.name).write_bytes(path.read_bytes())
    # What was written within the last hour may still be, for all that is known.
    os.utime(tracer.path, (tracer._recorder.header.started_at - 7_200,) * 2)
    where = sys.argv[1]
    status = main(["--dir", where, *sys.argv[2:]])
    print()
    print(json.dumps([status, names(pathlib.Path(where)), windows.as_text]))
"""

DEAD = ["jsonl", "open"]


@pytest.mark.parametrize(
    ("words", "status", "left"),
    [
        ("dead list", 0, DEAD),
        ("dead view", 0, DEAD),
        ("dead stats", 0, DEAD),
        ("dead tail --no-follow", 0, DEAD),
        ("dead report", 0, ["jsonl", "md", "open"]),
        ("dead doctor", 3, DEAD),
        # Without locks, nothing tells that its writer is dead.
        ("dead recover", 1, DEAD),
        ("traces compress", 0, ["jsonl.gz"]),
        ("traces prune --max-size 1B --yes", 0, []),
    ],
)
def test_the_command_line(
    tmp_path: Path, words: str, status: int, left: list[str]
) -> None:
    """Each verb but one does there what it does elsewhere."""
    assert [status, left, []] == run(VERBS, tmp_path, *words.split())
