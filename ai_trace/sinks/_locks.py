"""
Locks on the files of a session, for those who change them while no tracer does.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

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
        self._descriptors: list[int] = []
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
            self._descriptors.append(descriptor)
            if not stat.S_ISREG(_system.fstat(descriptor).st_mode):
                raise OSError(errno.EEXIST, f"{path} is not a plain file")
            _system.lock(descriptor)
            if _system.KEEPS_OPEN_FILES:
                # There are no locks either: who has the file open holds it.
                _system.close(self._descriptors.pop())

    def __enter__(self) -> Locks:
        """Hold the first files."""
        try:
            self.add(self._first)
        except OSError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Let go of all files."""
        for descriptor in self._descriptors:
            try:
                _system.close(descriptor)
            except OSError:
                # Nothing was written through it; the lock is gone all the same.
                continue
