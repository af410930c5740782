"""
The journal of open steps: what a killed process was in the middle of.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ai_trace import _journal
from ai_trace._header import SessionHeader
from ai_trace._interruption import interrupts
from ai_trace._losses import PartError
from ai_trace._names import SUFFIX, SUFFIXES
from ai_trace._parts import split_name
from ai_trace.sinks import _files, _system
from ai_trace.sinks._append import AppendFile, make_file
from ai_trace.typing import OpenStep


_COMPACT_BYTES = 81_920
# No system gives a process so high an id: no forked child has such a name.
_BEYOND_PIDS = 10_000_000
_END_OF_PIDS = 10**10
_OUT_OF_REACH = (errno.EACCES, errno.ENOENT)


class Journal:
    """
    Appends each start and each log entry as it is made.

    A step that has finished needs no line here: it has one in the trace file. What
    is left of it goes when a step starts and the journal has grown to twice what is
    open, and at least 80 kB: what is open is then written to the other of two files,
    and the first one is emptied. A process may be killed at any point of that: the
    two files together always hold all that is open.

    Args:
        trace: The path of the trace file; the journal stands beside it.

    Attributes:
        open_steps: The steps that have started, by id. Whoever writes the line of a
            step takes it out.
    """

    def __init__(self, trace: Path) -> None:
        self._files: list[AppendFile] = []
        self._begin(trace)

    def _begin(self, trace: Path) -> None:
        self._trace = trace
        self._paths = [trace.with_suffix(suffix) for suffix in _journal.SUFFIXES]
        self._current: AppendFile | None = None
        self._left: list[AppendFile] = []
        self._header_line = b""
        self.open_steps: dict[str, OpenStep] = {}
        self._limit = _COMPACT_BYTES
        # Whether only both files together hold all that is open.
        self._is_split = False
        self._lock = threading.RLock()
        # For signal handlers, which may start a step in the middle of either.
        self._is_being_created = False
        self._being_made_anew = threading.Lock()

    # The next two end alike: a function for both would take 0.08 µs a line.
    def start(self, step: OpenStep) -> None:
        """
        Note that a step has started.

        Raises:
            PartError: If that cannot be written.
        """
        # First the list, then the file: another thread that makes the journal anew in
        # between finds the step in the list.
        self.open_steps[step.id] = step
        try:
            file = self._current
            if file is None:
                self._create(step)
            elif file.append_if_sound(step.start_line) is not None:
                self._go_on(step.start_line)
            elif file.size > self._limit:
                self._make_anew()
        except OSError as exc:
            if interrupts(exc):
                raise
            raise PartError(exc, "JSONLSink journal") from exc

    def log(self, step: OpenStep, entry: str) -> None:
        """
        Note a log entry of an open step, or without one how many found it full.

        Raises:
            PartError: If that cannot be written.
        """
        if entry:
            line = _journal.log_line(step, len(step.log_entries) - 1, entry)
        else:
            line = _journal.lost_line(step)
        try:
            file = self._current
            # The log of an open step is open itself: however much it is, it stays.
            if file is not None and file.append_if_sound(line) is not None:
                self._go_on(line)
        except OSError as exc:
            if interrupts(exc):
                raise
            raise PartError(exc, "JSONLSink journal") from exc

    def lose_log(self, step: OpenStep) -> None:
        """
        Note that a log entry of an open step found it full.

        Raises:
            PartError: If that cannot be written.
        """
        lost = step.logs_lost
        if lost & (lost - 1) == 0:
            self.log(step, "")

    def _create(self, first: OpenStep) -> None:
        """Make the journal with its first line, and the first start."""
        with self._lock:
            if self._current is None and first.outcome is not None:
                # Its tracer was closed while it started, and this with it.
                self.open_steps.pop(first.id, None)
                return
            if self._current is None and not self._files:
                if not self._is_being_created:
                    self._create_with(first.header)
                return
            file = self._current
        if file is not None:
            file.append(first.start_line)

    def _create_with(self, header: SessionHeader) -> None:
        # The header has the pid of the tracer's process; this may be a forked child.
        self._header_line = _journal.header_line(header._replace(pid=os.getpid()))
        self._is_being_created = True
        try:
            self._set_aside()
            self._current = file = self._new_file(self._header_line)
        finally:
            self._is_being_created = False
        # Other steps may have started meanwhile, and found no file to write to.
        file.append(self._all_open())

    def _set_aside(self) -> None:
        """Give the journal of a dead process another name, which readers know, too."""
        there = [path for path in self._paths if _files.is_there(path)]
        # Without locks nobody knows who is dead; what is left is our own.
        if not there or _system.KEEPS_OPEN_FILES or self._left:
            return
        # Most programs never come here.
        from ai_trace.sinks._locks import Locks

        with Locks(there) as held:
            if not held.have_one_name_each():
                msg = "it has a second name, or another process is making it anew"
                raise BlockingIOError(errno.EAGAIN, msg)
            aside = _place_aside(self._trace, there)
            # The first file goes last: where it is, the other one is complete.
            if aside is not None:
                for path in reversed(there):
                    _system.replace(path, aside.with_suffix(path.suffix))

    def _new_file(self, first_line: bytes = b"") -> AppendFile:
        file = make_file(self._paths[len(self._files)])
        # If it stayed when nobody holds the tracer any more, a reader would take the
        # process for dead.
        file.kept_for = self.open_steps
        try:
            file.lock()
            if first_line:
                file.append(first_line)
        except OSError:
            file.close()
            raise
        self._files.append(file)
        return file

    def _go_on(self, line: bytes) -> None:
        """Write all that is open again, after somebody removed or cut the file."""
        with self._lock:
            file = self._current
            # Without a file the journal was closed meanwhile: we removed it ourselves.
            if file is not None:
                _regain(file)
                file.append(self._all_lines() + line)

    def _make_anew(self) -> None:
        """Write what is open to the other file, and empty this one."""
        if not self._being_made_anew.acquire(blocking=False):
            return
        try:
            with self._lock:
                full = self._current
                # Without a file the journal was closed meanwhile.
                if full is not None:
                    self._change(full)
        finally:
            self._being_made_anew.release()

    def _change(self, full: AppendFile) -> None:
        if self._is_split:
            # The last change has failed: what it left in the other file is to go.
            full.append(self._all_lines())
            self._is_split = False
        if len(self._files) < len(self._paths) and not self._has_second_file():
            # Else it would grow for ever. A kill between these two loses what is open.
            full.empty()
            self._write_all(full)
            return
        other = self._files[1] if full is self._files[0] else self._files[0]
        _regain(other)
        other.empty()
        self._is_split = True
        self._current = other
        self._write_all(other)
        self._is_split = False
        _regain(full)
        full.empty()

    def _has_second_file(self) -> bool:
        """Make it, unless the process may not: it may have given up its rights."""
        try:
            self._new_file()
        except OSError as exc:
            if interrupts(exc) or exc.errno not in _OUT_OF_REACH:
                raise
            return False
        return True

    def _write_all(self, file: AppendFile) -> None:
        data = self._all_lines()
        file.append(data)
        self._limit = max(_COMPACT_BYTES, 2 * len(data))

    def _all_lines(self) -> bytes:
        return self._header_line + self._all_open()

    def _all_open(self) -> bytes:
        lines: list[bytes] = []
        for step in list(self.open_steps.values()):
            lines += _journal.all_lines(step)
        return b"".join(lines)

    def close(self) -> None:
        """
        Remove the journal, unless a step is just about to end.

        Raises:
            PartError: If it cannot be removed.
        """
        with self._lock:
            self._current = None
            files, self._files = self._files, []
        self._left = files
        with ExitStack() as last_things:
            for file in files:
                last_things.callback(file.close)
            self.remove_left()

    def remove_left(self) -> None:
        """
        Remove what was left of the journal when it was closed, once nothing is open.

        Raises:
            PartError: If it cannot be removed.
        """
        # Whoever ends a step takes it out, and may not have got that far.
        steps = list(self.open_steps.values()) if self._left else ()
        if not all(step.outcome for step in steps):
            return
        left, self._left = self._left, []
        try:
            with ExitStack() as last_things:
                for file in left:
                    last_things.callback(file.remove)
        except OSError as exc:
            if interrupts(exc):
                raise
            raise PartError(exc, "JSONLSink journal") from exc

    def move(self, trace: Path) -> None:
        """Leave the parent's journal, in a forked child, for one of its own."""
        files, self._files = self._files, []
        for file in files:
            file.kept_for = None
            file.close()
        self._begin(trace)


def _place_aside(trace: Path, there: Sequence[Path]) -> Path | None:
    """
    Return where a dead process's journal goes; ``None`` if it may stay.

    Args:
        trace: The trace file.
        there: The files of the journal.
    """
    split = split_name(trace.name)
    if split is None or split[1][1] > 1:
        return None
    # Loaded late, as the locks are.
    from ai_trace._open_steps import left_open

    writer = left_open(trace)
    if writer is None:
        return None
    # As a forked child's, with the id of the one that died, if that name is free.
    for number in range(writer.pid % _BEYOND_PIDS, _END_OF_PIDS, _BEYOND_PIDS):
        aside = trace.with_name(f"{split[0]}.p{number}{SUFFIX}")
        names = [*SUFFIXES, *(path.suffix for path in there)]
        if number and not any(_files.is_there(aside.with_suffix(s)) for s in names):
            return aside
    return None


def _regain(file: AppendFile) -> None:
    """Open a file again that somebody closed, removed or renamed: it was idle."""
    if file.look() == "gone":
        file.reopen()
        file.lock()
