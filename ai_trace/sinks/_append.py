"""
A file that is only ever appended to, whatever others do to it meanwhile.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from time import monotonic

from ai_trace._interruption import interrupts
from ai_trace.sinks import _files, _system
from ai_trace.sinks._plain_file import open_plain


# A look takes up to 15 µs, if the processor's caches hold other things by then.
_LOOK_EVERY_SECONDS = 0.1
_HERE = os.SEEK_CUR
_ENDLESS = 1 << 62
# Others may write behind a line before we look for it.
_LOOK_BACK_BYTES = 1024 * 1024


class AppendFile:
    """
    Appends whole lines, each with one ``write``.

    Before each line it makes sure that the descriptor is still its own: a program
    that closes all descriptors and opens a file of its own may get the same
    number, and must never find our lines in it. The descriptor's position tells that
    in 0.2 µs. At most ten times a second the path is asked, too, in 1 to 15 µs: lines
    that a deleted or renamed file has taken meanwhile are there, or written again.

    Args:
        path: The file's path.
        descriptor: The file, open for appending; taken over.

    Raises:
        OSError: If the descriptor cannot be used.

    Attributes:
        path: The file's path.
        kept_for: What the file is of use for. If it is forgotten and this is empty, the
            file is removed; with ``None`` it stays.
        room: How many bytes it may grow to; whoever writes to it sees to that.
        size: How many bytes it has, as far as is known: where the descriptor stands.
    """

    __slots__ = (
        "_descriptor",
        "_goes",
        "_identity",
        "_look_at",
        "_name",
        "_seen",
        "_torn",
        "kept_for",
        "path",
        "room",
        "size",
    )

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        # A path composes its text again for each use: 1 µs.
        self._name = os.fspath(path)
        self.room = _ENDLESS
        self.kept_for: Collection[str] | None = None
        self._torn = self._goes = False
        self._identity = (-1, -1)
        self._take(descriptor)

    def _take(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            self._descriptor = _system.out_of_the_way(descriptor)
            status = _system.fstat(self._descriptor)
            self.size = _system.lseek(self._descriptor, 0, os.SEEK_END)
        except BaseException:
            taken, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                # It may be closed already, if an alarm went off as it was moved.
                _system.close(taken)
            raise
        self._identity = (status.st_dev, status.st_ino)
        self._seen = self.size
        self._look_at = 0.0

    def append_if_sound(self, line: bytes) -> str | None:
        """
        Append one line, unless something happened to the file since the last one.

        Returns:
            ``None``; or what happened, and nothing was written: ``truncated``, or
            ``gone``: then ``reopen`` it.

        Raises:
            OSError: If the line could not be written whole.
        """
        descriptor = self._descriptor
        try:
            position = _system.lseek(descriptor, 0, _HERE)
        except OSError as exc:
            if interrupts(exc):
                raise
            return "gone"
        if position != self.size or monotonic() >= self._look_at:
            trouble = None if self._stands_at(position) else self.look()
            if trouble is None:
                self.append(line)
                self._look_at = monotonic() + _LOOK_EVERY_SECONDS
            return trouble
        # Written out as in ``append``: the call would take 0.1 µs. No torn line can be
        # before this one: the file would have been looked at.
        size = len(line)
        try:
            written = _system.write(descriptor, line)
            if written != size:
                self._write_rest(line, written)
        except BaseException as exc:
            self._complete_if_interrupted(line, exc)
            raise
        self.size = position + size
        return None

    def append(self, line: bytes) -> None:
        """
        Append one line.

        What interrupts the program meanwhile, such as Ctrl-C, goes on once the line
        is there.

        Raises:
            OSError: If it could not be written whole. What was written of it is
                fenced off with a newline before the next line.
        """
        if self._torn:
            line = b"\n" + line
        try:
            written = _system.write(self._descriptor, line)
            if written != len(line):
                self._write_rest(line, written)
        except BaseException as exc:
            self._complete_if_interrupted(line, exc)
            raise
        self._torn = False
        self.size += len(line)

    def _complete_if_interrupted(self, line: bytes, exc: BaseException) -> None:
        if interrupts(exc) or not isinstance(exc, OSError):
            self.complete(line)

    def _write_rest(self, line: bytes, written: int) -> None:
        self.fence()
        while written < len(line):
            written += _system.write(self._descriptor, line[written:])
        self._torn = False

    def complete(self, line: bytes) -> None:
        """Write a line unless it is there: an interrupted write may have done it."""
        try:
            size = _system.fstat(self._descriptor).st_size
            start = max(0, size - len(line) - _LOOK_BACK_BYTES)
            end = _system.pread(self._descriptor, size - start, start)
            if line in end:
                self._torn = False
                return
            torn = bool(end) and not end.endswith(b"\n")
            self._write_rest(b"\n" + line if torn else line, 0)
        except OSError:
            self.fence()

    def fence(self) -> None:
        """Let the next line start on a line of its own, after a torn one."""
        self._torn = True
        self._look_at = 0.0

    def lock(self) -> None:
        """
        Take the lock that says that the writer lives.

        Raises:
            OSError: If another process holds it.
        """
        _system.lock(self._descriptor)

    def share(self) -> None:
        """Say that the file is in use, to whoever would delete or compress it."""
        with _files.whatever_fails():
            # Without it nothing is lost: whoever deletes a file that is in use is
            # noticed, and what it held is read back.
            _system.share(self._descriptor)

    # -- what others do to it ------------------------------------------------

    def look(self) -> str | None:
        """Look at once, and tell what ``append_if_sound`` would tell."""
        # First what was seen before: that and where we stand can only have grown since.
        seen = self._seen
        try:
            position = _system.lseek(self._descriptor, 0, _HERE)
            status = _system.fstat(self._descriptor)
        except OSError as exc:
            if interrupts(exc):
                raise
            return "gone"
        # A process that has given up its rights may no longer look at its own file.
        unseen = status if status.st_nlink > 0 else None
        is_ours = (status.st_dev, status.st_ino) == self._identity
        if not is_ours or self._there(unseen) is None:
            return "gone"
        self._seen, self.size = status.st_size, position
        if status.st_size >= max(seen, position):
            return None
        # Otherwise the next look would report the same once more.
        self.size = _system.lseek(self._descriptor, 0, os.SEEK_END)
        return "truncated"

    def _stands_at(self, position: int) -> bool:
        """
        Tell by one call, where ``look`` takes three, that nothing has happened.

        The file of our name has every byte that was written, and the descriptor stands
        behind the last one: lines that went elsewhere would be missing in it.
        """
        if position == 0 or position != self.size:
            return False
        there = self._there()
        if there is None or there.st_size != position:
            return False
        self._seen = position
        return True

    def _is_ours(self) -> bool:
        try:
            status = _system.fstat(self._descriptor)
        except OSError as exc:
            if interrupts(exc):
                raise
            return exc.errno != errno.EBADF
        return (status.st_dev, status.st_ino) == self._identity

    def _there(self, unseen: os.stat_result | None = None) -> os.stat_result | None:
        """
        Return the status of the file of our name; ``None`` if it is not ours.

        Args:
            unseen: What to return if we may not look.
        """
        try:
            status = _system.lstat(self._name)
        except OSError as exc:
            if interrupts(exc):
                raise
            return unseen if exc.errno == errno.EACCES else None
        is_ours = (status.st_dev, status.st_ino) == self._identity
        return status if is_ours else None

    def reopen(self) -> bytes | None:
        """
        Go on in a file of the same name: the old one, or a new one.

        Returns:
            The lines that went into a file which somebody had deleted meanwhile.
            ``None`` if no file can be had but the one that is open, which has another
            name or is out of reach by its own, as after a ``chroot``.

        Raises:
            OSError: If no file can be had.
        """
        stranded, opened = b"", None
        if self._is_ours():
            status = _system.fstat(self._descriptor)
            if status.st_nlink > 0:
                if (opened := self._open_another()) is None:
                    return None
            elif (size := status.st_size - self._seen) > 0:
                stranded = _system.pread(self._descriptor, size, self._seen)
            descriptor, self._descriptor = self._descriptor, -1
            _system.close(descriptor)
        descriptor, whole = opened or open_plain(self.path)
        self._take(descriptor)
        self._torn = not whole
        return stranded

    def _open_another(self) -> tuple[int, bool] | None:
        """Open the file of our name; if that fails, keep the one that is open."""
        try:
            return open_plain(self.path)
        except OSError as exc:
            if interrupts(exc):
                raise
            self._seen = self.size = _system.lseek(self._descriptor, 0, os.SEEK_END)
            self._look_at = monotonic() + _LOOK_EVERY_SECONDS
            return None

    def empty(self) -> None:
        """
        Drop all lines.

        Raises:
            OSError: If the file cannot be cut.
        """
        _system.ftruncate(self._descriptor, 0)
        _system.lseek(self._descriptor, 0, os.SEEK_SET)
        self._seen = self.size = 0
        self._torn = False

    # -- the end -------------------------------------------------------------

    def sync(self) -> None:
        """
        Bring all lines to the disk.

        Raises:
            OSError: If the disk refuses; what it holds is then unknown.
        """
        _system.fdatasync(self._descriptor)

    def remove(self) -> None:
        """
        Remove the file from its directory, if it is still the one there.

        On Windows, where an open file stays, it goes as it is closed.

        Raises:
            OSError: If it cannot be removed.
        """
        if self._there() is None:
            return
        if _system.KEEPS_OPEN_FILES and self._descriptor >= 0:
            self._goes = True
        else:
            _system.unlink(self.path)

    def close(self) -> None:
        """
        Close the file, as soon as nobody is at work on it.

        A thread that has looked at the descriptor and not yet written would find
        whatever file has its number by then, one of the program's or of ours; so would
        this one, if a signal handler that closes the tracer came in between. Each
        holds this object meanwhile, so the last one to let go of it closes the file.
        """
        self._close(is_held=True)

    def _close(self, *, is_held: bool = False) -> None:
        """Close the file, if it is still ours to close."""
        descriptor, ours = self._descriptor, self._is_ours()
        # Who comes from now on finds none, who came before is seen at work.
        self._descriptor = -1
        if is_held and _is_within_append():
            self._descriptor = descriptor
            return
        if ours:
            _system.close(descriptor)
        if self._goes:
            _system.unlink(self.path)

    def __del__(self) -> None:
        """
        Close the descriptor of a file that was forgotten.

        Here instead of in the sink, which runs no code as its tracer dies where a full
        stack has no room for it.
        """
        if getattr(self, "_descriptor", -1) >= 0:
            with suppress(OSError):
                if self.kept_for is not None and not self.kept_for:
                    self.remove()
            with suppress(OSError):
                self._close()


_APPENDS = (AppendFile.append_if_sound.__code__, AppendFile.append.__code__)


def _is_within_append() -> bool:
    frames = [*sys._current_frames().values()]
    while frames and not any(frame.f_code in _APPENDS for frame in frames):
        frames = [above for frame in frames if (above := frame.f_back) is not None]
    return bool(frames)


def make_file(path: Path) -> AppendFile:
    """
    Open a trace file, its directory made if need be; a torn tail is fenced off.

    Raises:
        OSError: If it is no plain file, or cannot be opened.
    """
    descriptor, whole = open_plain(path)
    file = AppendFile(path, descriptor)
    if not whole:
        file.fence()
    return file
