"""
Journals of open steps made by hand, and a writer that seems to be alive.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trace_lines import HEADER, STEM, encoded, fields, step_id


_END = ("finished_at", "duration_ms", "outcome", "error", "logs")


def header_line(**more: Any) -> bytes:
    """Return the first line of a journal."""
    return encoded({"session": {**HEADER, **more}})


def start(number: int, parent: int | None = None, **more: Any) -> bytes:
    """Return the line that says that a step has started."""
    line = {k: v for k, v in fields(number, parent).items() if k not in _END}
    return encoded({**line, **more})


def log(number: int, n: int, **entry: Any) -> bytes:
    """Return the line of a step's n-th log entry."""
    return encoded({"log": step_id(number), "n": n, "entry": entry})


def write_journal(
    directory: Path, *lines: bytes, stem: str = STEM, suffix: str = ".open"
) -> Path:
    """Write lines to a session's journal."""
    path = directory / f"{stem}{suffix}"
    path.write_bytes(b"".join(lines))
    return path


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Hold the lock that says that the writer of a journal lives."""
    descriptor = os.open(journal, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
