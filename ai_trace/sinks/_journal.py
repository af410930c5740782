"""
The journal of open steps: what a killed process was in the middle of.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from ai_trace import _journal
from ai_trace._header import SessionHeader
from ai_trace.sinks import _system
from ai_trace.sinks._append import AppendFile, open_for_append
from ai_trace.typing import OpenStep


_COMPACT_BYTES = 65_536


class Journal:
    """
    Appends each start and each log entry as it is made.

    A step that has finished needs no line: it has one in the trace file. Its lines
    leave the journal when it is made anew, which happens whenever it has grown to
    twice what is open, and at least 64 kB.

    Args:
        path: The journal's path, ``<stem>.open``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new_path = path.with_suffix(_journal.NEW_SUFFIX)
        self._file: AppendFile | None = None
        self._header: SessionHeader | None = None
        self._open: dict[str, OpenStep] = {}
        self._bytes = 0
        self._limit = _COMPACT_BYTES
        self.after_fork()

    def after_fork(self) -> None:
        """Make the lock anew: another thread may have held it at the fork."""
        self._compacting = threading.Lock()

    def start(self, step: OpenStep, header: SessionHeader) -> None:
        """
        Note that a step has started.

        Raises:
            OSError: If that cannot be written.
        """
        self._open[step.id] = step
        if self._file is None:
            self._create(header)
        self._append(step.start_line)

    def log(self, step: OpenStep, entry: str) -> None:
        """
        Note a log entry of an open step.

        Raises:
            OSError: If that cannot be written.
        """
        self._append(_journal.log_line(step.id, len(step.log_entries) - 1, entry))

    def finish(self, step_id: str) -> None:
        """Forget a step that has a line of its own."""
        self._open.pop(step_id, None)

    def _append(self, line: bytes) -> None:
        file = self._file
        if file is None:
            return
        if file.trouble() == "gone":
            file.reopen()
            self._compact()
        file.append(line)
        self._bytes += len(line)
        if self._bytes > self._limit:
            self._compact()

    def _create(self, header: SessionHeader) -> None:
        with self._compacting:
            if self._file is None:
                self._header = header
                file = AppendFile(self.path, open_for_append(self.path))
                file.lock()
                file.append(_journal.header_line(header))
                self._file = file

    def _compact(self) -> None:
        """
        Make the journal anew, with the open steps alone.

        Without a lock on the way of a step: the new file is put behind the
        descriptor first, and what is open is written to it after. A step that
        starts meanwhile is in that list, or writes to the new file itself, or
        both.
        """
        if not self._compacting.acquire(blocking=False):
            return
        try:
            self._make_anew()
        finally:
            self._compacting.release()

    def _make_anew(self) -> None:
        file = self._file
        if file is None or self._header is None:
            return
        descriptor = _system.open(self._new_path, _NEW_FILE, 0o600)
        _system.lock(descriptor)
        old = file.swap(descriptor)
        try:
            lines = [_journal.header_line(self._header)]
            for step in list(self._open.values()):
                lines.append(step.start_line)
                lines += (
                    _journal.log_line(step.id, n, entry)
                    for n, entry in enumerate(step.log_entries)
                )
            data = b"".join(lines)
            file.append(data)
            _system.replace(self._new_path, self.path)
            self._bytes = len(data)
            self._limit = max(_COMPACT_BYTES, 2 * len(data))
        finally:
            _system.close(old)

    def close(self) -> None:
        """Remove the journal; if steps are still in it, leave it for the reader."""
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        if not self._open:
            _system.unlink(self.path)

    def abandon(self) -> None:
        """Let go of the parent's journal, in a forked child."""
        file, self._file = self._file, None
        self._open.clear()
        if file is not None:
            file.close()


_NEW_FILE = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | os.O_TRUNC
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
