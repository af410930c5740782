"""
Names and creation of files: nothing is overwritten, nothing leaves its directory.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ai_trace import _journal
from ai_trace.exceptions import TraceConfigError


_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
_SLUG_BYTES = 80
_SUFFIXES = (".jsonl", ".json", ".md", *_journal.SUFFIXES)


def slug(agent: str) -> str:
    """
    Return the agent's name as a safe part of a file name.

    A name that has to be changed gets a short hash of the original, so that two
    names never become one.

    Example:
        >>> slug("trading_agent")
        'trading_agent'
        >>> slug("../etc/passwd")
        'etc_passwd-6ec16b0a'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", agent).strip("_-")[:_SLUG_BYTES]
    if safe == agent:
        return safe
    import hashlib

    digest = hashlib.sha256(agent.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{safe}-{digest}" if safe else digest


def make_directory(directory: Path) -> None:
    """
    Create the trace directory, for its owner only, unless it is there.

    Raises:
        TraceConfigError: If it cannot be made or is something else.
    """
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as exc:
        raise _unusable(directory, exc) from exc


def _unusable(path: Path, exc: OSError) -> TraceConfigError:
    return TraceConfigError(
        f"Cannot write to {str(path)!r}: {exc.strerror or exc}. Give another "
        "trace_dir, set AI_TRACE_DIR, or turn files off with auto_save=False."
    )


def open_new(path: Path) -> int:
    """
    Create a file for appending and return its descriptor.

    Raises:
        FileExistsError: If there is anything of that name, be it a link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), _FILE_MODE)


def reserve(directory: Path, agent: str, session_id: str) -> tuple[str, Path, int]:
    """
    Create the trace file of a new session.

    Args:
        directory: Where; it is created if need be.
        agent: The agent's name.
        session_id: The wanted id; ``_2``, ``_3`` is added when it is taken.

    Returns:
        The session's id, the path and an open descriptor.

    Raises:
        TraceConfigError: If the directory cannot be written to.
    """
    make_directory(directory)
    base = slug(agent)
    n = 1
    while True:
        wanted = session_id if n == 1 else f"{session_id}_{n}"
        path = directory / f"{base}_{wanted}.jsonl"
        n += 1
        if _taken(path):
            continue
        try:
            return wanted, path, open_new(path)
        except FileExistsError:
            continue
        except OSError as exc:
            raise _unusable(path, exc) from exc


def free_session_id(directory: Path, agent: str, session_id: str) -> str:
    """Return a session id that no file of the agent has yet; nothing is made."""
    n = 1
    while True:
        wanted = session_id if n == 1 else f"{session_id}_{n}"
        if not _taken(directory / f"{slug(agent)}_{wanted}.jsonl"):
            return wanted
        n += 1


def _taken(path: Path) -> bool:
    return any(os.path.lexists(path.with_suffix(suffix)) for suffix in _SUFFIXES)


def write_atomically(path: Path, pieces: Iterable[str]) -> None:
    """
    Write a document so that a reader sees the old one or the new one, never half.

    Args:
        path: The file; replaced if it is there.
        pieces: The text, in order.

    Raises:
        OSError: If it cannot be written; the old file is then untouched.
    """
    descriptor, temporary = tempfile.mkstemp(
        prefix=".ai_trace-", suffix=".tmp", dir=path.parent
    )
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
