"""
The system calls that writing a trace needs, under one roof.

They are looked up here at each call, so that the tests can make any one of them
fail, and measure what that costs.
"""

from __future__ import annotations

import os
from typing import Any


fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None

open = os.open
write = os.write
lseek = os.lseek
fstat = os.fstat
lstat = os.lstat
close = os.close
ftruncate = os.ftruncate
replace = os.replace
unlink = os.unlink
fsync = os.fsync
fdatasync = getattr(os, "fdatasync", os.fsync)


def lock(descriptor: int) -> None:
    """
    Take the advisory lock that tells readers that the writer lives.

    Raises:
        OSError: If another process holds it.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def out_of_the_way(descriptor: int) -> int:
    """
    Move a descriptor to a high number, and return it.

    Programs that become daemons close their low descriptors, and the next file
    they open gets the lowest free number: a high one is rarely theirs.
    """
    if fcntl is None:  # pragma: no cover - Windows
        return descriptor
    try:
        number: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    except OSError:
        return descriptor
    close(descriptor)
    return number


_HIGH = 200
