"""
The files that one process writes its session to, one after the other.
"""

from __future__ import annotations

import os
from pathlib import Path

from ai_trace._interruption import interrupts
from ai_trace._losses import PartError
from ai_trace._names import SUFFIX
from ai_trace._parts import split_name
from ai_trace.sinks import _files
from ai_trace.sinks._append import AppendFile, make_file


class Parts:
    """
    Opens the files, the next one when one is full.

    Args:
        first: The first file; if others exist, the last one is gone on with.
        max_bytes: How large each may grow; ``None`` for any size.

    Attributes:
        first: The first file.
        path: The one that is written.
        number: Which one that is, from 1.
        trouble: Why the next one could not be opened, until somebody says so.
    """

    def __init__(self, first: Path, max_bytes: int | None) -> None:
        self._max_bytes = max_bytes
        self.first = self.path = first
        self.number = 1
        self.trouble: PartError | None = None
        while _files.is_there(self._next_path()):
            self.path = self._next_path()
            self.number += 1

    def _next_path(self) -> Path:
        number = self.number + 1
        return self.first.with_name(
            f"{self.first.stem}.part{number}{self.first.suffix}"
        )

    def open(self) -> AppendFile:
        """
        Open the file that is written.

        Raises:
            OSError: If it is no plain file, or cannot be opened.
        """
        return self.ready(make_file(self.path))

    def ready(self, file: AppendFile) -> AppendFile:
        """Return a file that was opened, with its limit and the lock that it needs."""
        file.room = self._max_bytes or file.room
        file.share()
        return file

    def next_after(self, file: AppendFile) -> AppendFile | None:
        """
        Open the next file; ``None`` if it cannot be, and this one has to go on.

        Args:
            file: The one that is full. It stays open: another thread may be just about
                to write to its descriptor, which the new one must not get.
        """
        path = self._next_path()
        try:
            descriptor = _files.open_to_append(path, _files.CREATE)
            next_file = self.ready(AppendFile(path, descriptor))
        except Exception as exc:
            # Whoever has more room on the stack writes the line.
            if interrupts(exc) or isinstance(exc, RecursionError):
                raise
            file.room = file.size + (self._max_bytes or 0)
            self.trouble = PartError(exc, "JSONLSink next part")
            return None
        self.path, self.number = path, self.number + 1
        return next_file

    def of_child(self) -> Parts:
        """Return the files of this process, a forked child of the one so far."""
        # A child's child stands beside its parent, not below it.
        split = split_name(self.first.stem + SUFFIX)
        stem = split[0] if split is not None else self.first.stem
        name = f"{stem}.p{os.getpid()}{self.first.suffix}"
        return Parts(self.first.with_name(name), self._max_bytes)
