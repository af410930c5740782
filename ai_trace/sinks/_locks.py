"""
Locks on the files of a session, for those who change them while no tracer does.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ai_trace._interruption import interrupts
from ai_trace.sinks import _system


class Locks:
    """
    Holds files, so that no tracer and nobody else of us is at work on them.

    The locks are advisory: tracers take them on what they write. Closing the files
    gives them back.

    Args:
        paths: The files.

    Raises:
        BlockingIOError: On entry, if one of them is held by another.
        OSError: On entry, if one cannot be opened, or is no plain file.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._held: list[tuple[Path, int]] = []
        self._first = paths

    def add(self, paths: Sequence[Path]) -> None:
        """
        Hold further files.

        Raises:
            BlockingIOError: If one of them is held by another.
            OSError: If one cannot be opened, or is no plain file.
        """
        # Nothing is written through it.
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
        for flag in ("O_NONBLOCK", "O_NOFOLLOW"):
            flags |= getattr(os, flag, 0)
        for path in paths:
            descriptor = _system.open(path, flags)
            self._held.append((path, descriptor))
            if not stat.S_ISREG(_system.fstat(descriptor).st_mode):
                raise OSError(errno.EEXIST, f"{path} is not a plain file")
            _system.lock(descriptor)
            if _system.KEEPS_OPEN_FILES:
                # There are no locks either: who has the file open holds it.
                _system.close(self._held.pop()[1])

    def have_one_name_each(self) -> bool:
        """
        Tell whether each still has the name by which it was opened, and no other.

        Raises:
            OSError: If one cannot be looked at.
        """
        return all(_has_one_name(path, held) for path, held in self._held)

    def __enter__(self) -> Locks:
        """Hold the first files."""
        try:
            self.add(self._first)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Let go of all files."""
        with ExitStack() as last_things:
            for _, descriptor in self._held:
                last_things.callback(_let_go, descriptor)


def _has_one_name(path: Path, descriptor: int) -> bool:
    try:
        there = _system.lstat(path)
    except FileNotFoundError:
        return False
    return there.st_nlink == 1 and os.path.samestat(there, _system.fstat(descriptor))


def _let_go(descriptor: int) -> None:
    try:
        _system.close(descriptor)
    except OSError as exc:
        # Nothing was written through it; the lock is gone all the same.
        if interrupts(exc):
            raise
