"""
Opens a trace file to go on with it, if it is a plain file.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from ai_trace.sinks import _files, _system


def open_plain(path: Path) -> tuple[int, bool]:
    """
    Open a trace file to go on with it, or create it.

    Returns:
        The descriptor, and whether the file is empty or its last line complete.

    Raises:
        OSError: If it cannot be opened, or is a link, a device or a pipe.
    """
    _files.make_directory(path.parent)
    descriptor = _files.open_to_append(path, _files.GO_ON)
    try:
        status = _system.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            msg = f"{str(path)!r} is not a plain file of one name"
            raise OSError(errno.EEXIST, msg)
        size = status.st_size
        whole = size == 0 or _system.pread(descriptor, 1, size - 1) == b"\n"
    except BaseException:
        _system.close(descriptor)
        raise
    return descriptor, whole
