"""
The system calls that writing a trace needs, under one roof.

They are looked up here at each call, so that the tests can make any one of them
fail, and count what they cost.
"""

from __future__ import annotations

import os
from typing import Any

from ai_trace import _interruption


fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

open = os.open  # noqa: A001 - the system's own name, as all others here
close = os.close
write = os.write
lseek = os.lseek
ftruncate = os.ftruncate
fstat = os.fstat
lstat = os.lstat
fsync = os.fsync
fdatasync = getattr(os, "fdatasync", os.fsync)
replace = os.replace
unlink = os.unlink
mkdir = os.mkdir
stat = os.stat
listdir = os.listdir

_HIGH = 200

_DIRECTORY: int | None = getattr(os, "O_DIRECTORY", None)


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    # Where there is no such call, on Windows; the position tells what others did.
    position = lseek(descriptor, 0, os.SEEK_CUR)
    lseek(descriptor, offset, os.SEEK_SET)
    try:
        return os.read(descriptor, size)
    finally:
        lseek(descriptor, position, os.SEEK_SET)


pread = getattr(os, "pread", _pread)

KEEPS_OPEN_FILES = fcntl is None
"""Whether a file that is open can neither be removed nor replaced: on Windows."""


def lock(descriptor: int) -> None:
    """
    Take the advisory lock that tells readers that the writer lives.

    Raises:
        OSError: If another process holds it.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def share(descriptor: int) -> None:
    """
    Take an advisory lock that other writers may take too.

    Raises:
        OSError: If another process holds the file for itself.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def out_of_the_way(descriptor: int) -> int:
    """
    Move a descriptor to a high number, and return it.

    Programs that become daemons close their low descriptors, and the next file
    they open gets the lowest free number: a high one is rarely theirs.
    """
    if fcntl is None:  # Windows
        return descriptor
    try:
        number: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    except OSError as exc:
        if _interruption.interrupts(exc):
            raise
        return descriptor
    if number < _HIGH:
        # A file system of a test, whose descriptors the system does not know.
        return descriptor
    try:
        close(descriptor)
    except BaseException as exc:
        # It is closed all the same, whatever the system says of data it could not keep.
        if _interruption.interrupts(exc) or not isinstance(exc, OSError):
            close(number)
            raise
    return number


def sync_directory(directory: os.PathLike[str]) -> None:
    """
    Bring the names in a directory to the disk, where the system can.

    Raises:
        OSError: If the disk refuses.
    """
    if _DIRECTORY is None:  # Windows
        return
    descriptor = open(directory, os.O_RDONLY | _DIRECTORY)
    try:
        fsync(descriptor)
    finally:
        close(descriptor)
