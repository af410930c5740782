"""
A file that is only ever appended to, whatever others do to it meanwhile.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from ai_trace.sinks import _files, _system


_LOOK_EVERY_SECONDS = 1.0


class AppendFile:
    """
    Appends whole lines, each with one ``write``.

    Before each write it makes sure that the descriptor is still its own: a program
    that closes all descriptors and opens a file of its own may get the same
    number, and must never find our lines in it. The position of the descriptor
    tells at 0.15 µs; only when it is not as we left it is ``fstat`` asked, at
    0.7 µs.

    Args:
        path: The file's path.
        descriptor: The file, open for appending.

    Attributes:
        path: The file's path.
    """

    __slots__ = (
        "_descriptor",
        "_identity",
        "_looked",
        "_position",
        "_seen",
        "_torn",
        "path",
    )

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._torn = False
        self._take(descriptor)

    def _take(self, descriptor: int) -> None:
        self._descriptor = _system.out_of_the_way(descriptor)
        status = _system.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._position = _system.lseek(self._descriptor, 0, os.SEEK_END)
        self._seen = self._position
        self._looked = time.monotonic()

    def append(self, line: bytes) -> None:
        """
        Append one line.

        Raises:
            OSError: If it could not be written whole. What was written of it is
                fenced off with a newline before the next line.
        """
        line = b"\n" + line if self._torn else line
        written = _system.write(self._descriptor, line)
        if written != len(line):
            self._write_rest(line, written)
        self._torn = False
        self._position += len(line)

    def _write_rest(self, line: bytes, written: int) -> None:
        self._torn = True
        while written < len(line):
            written += _system.write(self._descriptor, line[written:])

    def fence(self) -> None:
        """Let the next line start on a line of its own, after a torn one."""
        self._torn = True

    def lock(self) -> None:
        """
        Take the lock that says that the writer lives.

        Raises:
            OSError: If another process holds it.
        """
        _system.lock(self._descriptor)

    def trouble(self) -> str | None:
        """
        Tell what happened to the file since the last line.

        The path is looked at once a second: a file that was deleted or renamed
        takes writes like any other.

        Returns:
            ``None``, or ``truncated``, or ``gone``: then ``reopen`` it.
        """
        try:
            position = _system.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:
            return "gone"
        if position == self._position and not self._is_time_to_look():
            return None
        if not self._same_file() or not self.is_at_its_path():
            return "gone"
        return self._resynced()

    def _is_time_to_look(self) -> bool:
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_SECONDS:
            return False
        self._looked = now
        return True

    def _resynced(self) -> str | None:
        """Take the position as it is now; another thread may have written."""
        self._position = _system.lseek(self._descriptor, 0, os.SEEK_CUR)
        # In this order: what was seen before can only have grown since.
        seen = self._seen
        size = self._seen = _system.fstat(self._descriptor).st_size
        return "truncated" if size < seen else None

    def _same_file(self) -> bool:
        try:
            status = _system.fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def is_at_its_path(self) -> bool:
        """Tell whether the path still leads to this file."""
        try:
            status = _system.lstat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def reopen(self) -> None:
        """
        Go on in a file of the same name: the old one, or a new one.

        Raises:
            OSError: If neither can be had.
        """
        if self._same_file():
            _system.close(self._descriptor)
        _files.make_directory(self.path.parent)
        self._take(open_for_append(self.path))
        self._torn = self._torn or not ends_with_newline(self.path)

    def empty(self) -> None:
        """
        Drop all lines.

        Raises:
            OSError: If the file cannot be cut.
        """
        _system.ftruncate(self._descriptor, 0)
        _system.lseek(self._descriptor, 0, os.SEEK_SET)
        self._seen = self._position = 0
        self._torn = False

    def sync(self) -> None:
        """
        Bring all lines to the disk.

        Raises:
            OSError: If the disk refuses; what it holds is then unknown.
        """
        _system.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file, if it is still ours to close."""
        if self._descriptor >= 0 and self._same_file():
            _system.close(self._descriptor)
        self._descriptor = -1


def open_for_append(path: Path) -> int:
    """
    Open a trace file to go on with it, or create it.

    Raises:
        OSError: If it cannot be opened, or is a link, a device or a pipe.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = _system.open(path, flags, 0o600)
    status = _system.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        _system.close(descriptor)
        raise OSError(f"{str(path)!r} is not a plain file of one name")
    return descriptor


def ends_with_newline(path: Path) -> bool:
    """Tell whether a file is empty or its last line is complete."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return True
        file.seek(end - 1)
        return file.read(1) == b"\n"
