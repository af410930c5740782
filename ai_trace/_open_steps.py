"""
The open steps of a session, and whether their process is still at work on them.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ai_trace import _journal
from ai_trace._files import find_parts, journal_of
from ai_trace._glance import Glance
from ai_trace._interruption import interrupts
from ai_trace._journal import OpenSteps
from ai_trace._lines import (
    LINE_LIMIT,
    Line,
    decode_all,
    open_anywhere,
    open_file,
    read_lines,
)
from ai_trace._lines_back import read_lines_back
from ai_trace._parts import by_process, split_journal_name
from ai_trace._record import SessionHeader, StepRecord
from ai_trace._tree import Problem, Writer
from ai_trace.exceptions import TraceReadError


fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None

CAN_TELL = fcntl is not None
"""Whether this system has the locks that tell a living writer from a dead one."""

# Finished steps are cleared from a journal now and then. Going back in the trace, after
# so many lines of steps that are not in it, no earlier one can be in it.
_UNKNOWN_LINES = 1_000
_UNKNOWN_BYTES = 4 * LINE_LIMIT
# More steps than can finish between two looks at a journal.
_LATELY = 100_000
# A large journal is not read at every look: for each second that it took, so many pass
# before the next time. One that takes less time than this is read at each look.
_REST = 5
_QUICK = 0.1

_NOBODY = SessionHeader("", "")
_Stamp = tuple[int, int, int]


class Journals:
    """
    The journals of a session, one for each process that wrote to it.

    Args:
        paths: The first file of each.
        ended: Whether their processes are known to have ended; if not, it is found out.
    """

    def __init__(self, paths: Iterable[Path], *, ended: bool = False) -> None:
        self._journals: dict[Path, _Journal] = {}
        self._ended = ended
        self.look(paths)

    def __bool__(self) -> bool:
        """Tell whether there is any journal."""
        return bool(self._journals)

    def look(self, paths: Iterable[Path]) -> None:
        """
        Read what has changed since the last look.

        Args:
            paths: The first file of each journal that is there now.
        """
        before = self._journals
        looked_at = {path: before.get(path) or self._new(path) for path in paths}
        self._journals = {
            path: journal
            for path, journal in looked_at.items()
            if journal.look(ended=self._ended)
        }

    def _new(self, path: Path) -> _Journal:
        # It may be one of those that are known, under another name.
        others = self._journals.values()
        return _Journal(path, {step_id for one in others for step_id in one.known()})

    def finish(self, record: Glance, trace: Path) -> None:
        """
        Note that a step has a line in a trace file, so that it is no longer open.

        Args:
            record: The step.
            trace: The file.
        """
        if not self._journals:
            return
        own = self._journals.get(journal_of(trace))
        if own is not None:
            own.hear(record)
        for journal in self._journals.values():
            journal.finish(record.id)

    def settle(self, trace: Path, file: BinaryIO) -> bool:
        """
        Note which open steps have a line in a trace file, by its last lines.

        Args:
            trace: The file's path.
            file: The file.

        Returns:
            Whether there can be none in earlier lines, nor in earlier parts.
        """
        known = [journal for journal in self._journals.values() if journal.steps]
        if not known:
            return True
        lines, size = 0, 0
        for line in read_lines_back(file, os.fstat(file.fileno()).st_size):
            records = _records(line)
            if not any(r.id in one.steps for r in records for one in known):
                lines, size = lines + 1, size + line.size
            for record in records:
                self.finish(record, trace)
            if lines > _UNKNOWN_LINES or size > _UNKNOWN_BYTES:
                return True
        return False

    def records(self) -> Iterator[StepRecord]:
        """Yield the steps that are still open, as ``running`` or ``unfinished``."""
        for journal in self._journals.values():
            yield from journal.records()

    @property
    def damaged(self) -> int:
        """How many lines could not be read."""
        return sum(journal.steps.damaged for journal in self._journals.values())

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for each journal that cannot be read in full."""
        for journal in self._journals.values():
            if journal.unreadable:
                yield Problem(journal.path.name, journal.unreadable, "journal")
            if journal.steps.damaged:
                count = journal.steps.damaged
                lines = "line" if count == 1 else "lines"
                what = f"{count} damaged {lines} in the journal of open steps."
                yield Problem(journal.path.name, what, "journal")

    def writers(self) -> list[Writer]:
        """Return the processes whose session has not ended in order."""
        journals = self._journals.values()
        return [journal.writer() for journal in journals if journal.says_anything()]


def left_open(trace: Path) -> Writer | None:
    """
    Tell who died inside steps whose journal stands beside a trace file.

    Args:
        trace: The file.

    Returns:
        The dead process; ``None`` if every step of the journal has a line.
    """
    journals = Journals([journal_of(trace)], ended=True)
    for parts in by_process(find_parts(trace)):
        for part in reversed(parts):
            try:
                with open_anywhere(part) as file:
                    if journals.settle(part, file):
                        break
            except TraceReadError:
                # A process that finished nothing has no file.
                continue
    is_damaged = journals.damaged > 0
    dead = (each for each in journals.writers() if each.open or is_damaged)
    return next(dead, None)


class _Journal:
    # The journal of one process, which may still be writing it.

    def __init__(self, path: Path, finished: Iterable[str]) -> None:
        self.path = path
        self.steps = OpenSteps()
        self.unreadable = ""
        self._files = [path.with_suffix(suffix) for suffix in _journal.SUFFIXES]
        self._seen: list[_Stamp | None] = []
        self._alive = False
        self._touched_at = 0.0
        self._ended_at = 0.0
        self._rests_until = 0.0
        self._lately = deque(finished, maxlen=_LATELY)
        self._finished: set[str] = set()

    def look(self, *, ended: bool) -> bool:
        """Read the journal if it has changed; tell whether there is one."""
        # First whether the writer lives: the journal is then at least as recent as
        # that, and a step that ends in between has its line.
        self._alive = not ended and writer_lives(self.path)
        seen = [_stamp(path) for path in self._files]
        if not any(seen):
            return False
        began = time.monotonic()
        rests = self._alive and began < self._rests_until
        if seen != self._seen and not rests:
            self._seen = seen
            self._touched_at = max(stamp[2] for stamp in seen if stamp) / 1e9
            self._read()
            took = time.monotonic() - began
            self._rests_until = began + (took * _REST if took > _QUICK else 0)
        return True

    def _read(self) -> None:
        self.steps = OpenSteps()
        self.unreadable = ""
        # The writer uses the two files in turns. If it went back to the first one while
        # the second was read, the first is read again.
        first, second = self._files
        self._add(first)
        self._add(second)
        if _stamp(first) != self._seen[0]:
            self._add(first)
        finished = self._finished.union(self._lately)
        self._finished = {step_id for step_id in finished if step_id in self.steps}
        self._lately.clear()
        for step_id in self._finished:
            self.steps.finish(step_id)

    def _add(self, path: Path) -> None:
        try:
            with open_file(path) as file:
                for line in read_lines(file):
                    if line.ended and not line.data.isspace():
                        self.steps.add(line.data)
        except TraceReadError as exc:
            # It may just have been deleted, as when a session ends.
            if os.path.lexists(path):
                self.unreadable = str(exc)

    def hear(self, record: Glance) -> None:
        if record.finished_at is not None:
            self._ended_at = max(self._ended_at, record.finished_at)

    def known(self) -> Iterator[str]:
        """Yield the ids of steps that have finished."""
        yield from self._finished
        yield from self._lately

    def finish(self, step_id: str) -> None:
        self._lately.append(step_id)
        self.steps.finish(step_id)

    def records(self) -> Iterator[StepRecord]:
        outcome = "running" if self._alive else "unfinished"
        return self.steps.records(outcome, self._heard_at())

    def _heard_at(self) -> float:
        # Not by the times of the files, which change when they are copied.
        if self._alive:
            return time.time()
        return max(self.steps.heard_at, self._ended_at) or self._touched_at

    def says_anything(self) -> bool:
        # A journal that was just created is still empty.
        steps = self.steps
        return bool(steps.header or steps or steps.damaged)

    def writer(self) -> Writer:
        header = self.steps.header
        return Writer(
            pid=header.pid if header else 0,
            host=header.host if header else "",
            alive=self._alive,
            heard_at=self._heard_at(),
            open=len(self.steps),
            inside=self.steps.innermost(),
            journal=self.path,
            forked=_is_forked(self.path),
        )


def _is_forked(journal: Path) -> bool:
    split = split_journal_name(journal.name)
    return split is not None and split[1] > 0


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _records(line: Line) -> list[StepRecord]:
    found = (item for _, item in decode_all(line, _NOBODY))
    return [item for item in found if isinstance(item, StepRecord)]


def writer_lives(journal: Path) -> bool:
    """
    Tell whether the process that writes a journal is alive.

    It holds an advisory lock on each of its files, which the system releases however
    the process dies. A process id proves nothing: it may belong to another process by
    now.

    Args:
        journal: The first file of the journal.
    """
    return any(_is_locked(journal.with_suffix(suffix)) for suffix in _journal.SUFFIXES)


def _is_locked(path: Path) -> bool:
    if fcntl is None:
        return False
    try:
        with open_file(path) as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except (TraceReadError, OSError) as exc:
        if interrupts(exc):
            raise
        return False
    return False
