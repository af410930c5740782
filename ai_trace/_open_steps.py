"""
The steps that a session has open, and whether anybody is still at work on them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ai_trace import _journal
from ai_trace._journal import OpenSteps
from ai_trace._lines import open_file, read_lines
from ai_trace._record import StepRecord
from ai_trace._tree import Problem, Writer
from ai_trace.exceptions import TraceReadError


fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None


class _Part(NamedTuple):
    """
    The journal of one process.
    """

    path: Path
    steps: OpenSteps
    alive: bool
    heard_at: float


class Journals:
    """
    The journals of a session, one for each process that wrote to it.

    Args:
        parts: The session's trace files.
    """

    def __init__(self, parts: Iterable[Path]) -> None:
        self._parts = [part for part in map(_read, parts) if part is not None]

    def finish(self, step_id: str) -> None:
        """Take out a step that has a line in a trace file."""
        for part in self._parts:
            part.steps.finish(step_id)

    def records(self) -> Iterator[StepRecord]:
        """Yield the steps that are still open, as ``running`` or ``unfinished``."""
        for part in self._parts:
            outcome = "running" if part.alive else "unfinished"
            yield from part.steps.records(outcome, part.heard_at)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for each journal with damaged lines."""
        for part in self._parts:
            if part.steps.damaged:
                count = part.steps.damaged
                lines = "line" if count == 1 else "lines"
                what = f"{count} damaged {lines} in the journal of open steps."
                yield Problem(part.path.name, what)

    def writers(self) -> list[Writer]:
        """Return the processes whose session has not ended in order."""
        return [
            Writer(
                part.steps.header.pid if part.steps.header else 0,
                part.steps.header.host if part.steps.header else "",
                part.alive,
                part.heard_at,
            )
            for part in self._parts
        ]


def _read(trace: Path) -> _Part | None:
    paths = [trace.with_suffix(suffix) for suffix in _journal.SUFFIXES]
    steps = OpenSteps()
    heard: list[float] = []
    for path in paths:
        try:
            with open_file(path) as file:
                heard.append(os.fstat(file.fileno()).st_mtime)
                for line in read_lines(file):
                    if line.ended:
                        steps.add(line.data)
        except TraceReadError:
            continue
    if not heard:
        return None
    if writer_lives(paths[0]):
        return _Part(paths[0], steps, True, time.time())
    try:
        heard.append(os.stat(trace).st_mtime)
    except OSError:
        pass
    return _Part(paths[0], steps, False, max(heard))


def writer_lives(journal: Path) -> bool:
    """
    Tell whether the process that writes a journal is alive.

    It holds an advisory lock on the file, which the system takes back when it dies,
    however it dies. A process id proves nothing: it may be another's by now.

    Args:
        journal: The first file of the journal.
    """
    if fcntl is None:
        return False
    try:
        with open_file(journal) as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except (TraceReadError, OSError):
        return False
    return False
