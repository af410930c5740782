"""
Names and creation of files: nothing is overwritten, nothing leaves its directory.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ai_trace._environment import trace_directory
from ai_trace._interruption import interrupts
from ai_trace._names import DOCUMENTS, JOURNAL, SUFFIXES
from ai_trace.exceptions import TraceConfigError
from ai_trace.sinks import _system


OTHER_DIRECTORY = (
    "Give another trace_dir, set AI_TRACE_DIR, or turn files off with auto_save=False."
)
CREATE = os.O_CREAT | os.O_EXCL
GO_ON = os.O_CREAT | getattr(os, "O_NONBLOCK", 0)

# Readable, too: the lines of a file that somebody deleted are read back from it.
_APPEND = os.O_RDWR | os.O_APPEND
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Without it Windows writes two bytes for each newline.
_BINARY = getattr(os, "O_BINARY", 0)
_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
_MODE_ABOVE = 0o777
TEMPORARY = ".ai_trace-"
_STALE_SECONDS = 3600.0
_PAUSES = (0.05, 0.1)
_BLOCK = 1 << 16
_SLUG_BYTES = 80
# If any of these exists, the session's id is taken: of two files of one name a reader
# would see only one.
_TAKEN = (*SUFFIXES, *DOCUMENTS, *JOURNAL)


def slug(agent: str) -> str:
    """
    Return the agent's name as a safe part of a file name.

    A name that has to be changed gets a short hash of the original, so that no two
    names become one.

    Example:
        >>> slug("trading_agent")
        'trading_agent'
        >>> slug("../etc/passwd")
        'etc_passwd-7fef78f5'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", agent).strip("_-")[:_SLUG_BYTES]
    if safe == agent:
        return safe
    import hashlib

    digest = hashlib.sha256(agent.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{safe}-{digest}" if safe else digest


def path_of(sink: str, given: object) -> Path:
    """
    Return the path that a sink was given.

    It stays where it is when the program goes to another directory.

    Args:
        sink: The sink's name, for the error.
        given: What stands in the path's place.

    Raises:
        TraceConfigError: If it is no path, or one from a directory that is gone.
    """
    if not isinstance(given, (str, os.PathLike)) or not str(given):
        msg = f"{sink}(path={given!r}): path is the path of a file. Give one."
        raise TraceConfigError(msg)
    try:
        return Path(given).absolute()
    except OSError as exc:
        if interrupts(exc):
            raise
        msg = (
            f"{sink}(path={given!r}): the program's own directory is gone: "
            f"{exc.strerror or exc}. Give the whole path."
        )
        raise TraceConfigError(msg) from exc


@contextmanager
def needed(path: Path, way_out: str = OTHER_DIRECTORY) -> Generator[None, None, None]:
    """
    Say which place cannot be written to, if that fails in a block.

    Args:
        path: The place.
        way_out: What to do then.

    Raises:
        TraceConfigError: Instead of what the system says; an alarm goes on as it is.
    """
    try:
        yield
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        reason = getattr(exc, "strerror", None) or exc
        msg = f"Cannot write to {str(path)!r}: {reason}. {way_out}"
        raise TraceConfigError(msg) from exc


@contextmanager
def whatever_fails() -> Generator[None, None, None]:
    """Pass over what the system cannot do in a block, but no alarm."""
    try:
        yield
    except OSError as exc:
        if interrupts(exc):
            raise


def make_directory(directory: Path, mode: int = _DIRECTORY_MODE) -> None:
    """
    Create a directory, for its owner only, and those above it, unless it is there.

    ``os.makedirs`` would take the ``TimeoutError`` of an alarm for an answer of the
    system, and go on.

    Raises:
        OSError: If it cannot be made or is something else.
    """
    try:
        _make_one(directory, mode)
    except FileNotFoundError as exc:
        if interrupts(exc) or directory.parent == directory:
            raise
        make_directory(directory.parent, _MODE_ABOVE)
        _make_one(directory, mode)


def _make_one(directory: Path, mode: int) -> None:
    try:
        _system.mkdir(directory, mode)
    except FileNotFoundError:
        raise
    except OSError as exc:
        if interrupts(exc) or not _is_directory(directory):
            raise


def _is_directory(path: Path) -> bool:
    return stat.S_ISDIR(_mode_of(path))


def directory_of(given: object, *, is_used: bool) -> Path:
    """
    Return the trace directory: as given, of ``AI_TRACE_DIR``, or ``traces``.

    It stays where it is when the program goes to another directory.

    Args:
        given: The argument.
        is_used: Whether the session is written there, so that it has to be fit for it.
    """
    chosen = given if given is not None else trace_directory()
    if not isinstance(chosen, (str, os.PathLike)) or not str(chosen):
        msg = f"Tracer(trace_dir={given!r}): trace_dir is the path of a directory."
        raise TraceConfigError(msg)
    path = Path(chosen)
    if not is_used:
        with suppress(OSError, ValueError):
            path = path.absolute()
        return path
    with needed(path):
        is_other = is_no_directory(path)
    if is_other:
        msg = (
            f"Tracer(trace_dir={str(path)!r}): that is not a directory. Give "
            "another one, or set AI_TRACE_DIR."
        )
        raise TraceConfigError(msg)
    with needed(path):
        # The program's own directory may have been removed.
        return path.absolute()


def is_no_directory(path: Path) -> bool:
    """Tell whether a path leads to anything, and that is not a directory."""
    mode = _mode_of(path)
    return mode != 0 and not stat.S_ISDIR(mode)


def _mode_of(path: Path) -> int:
    """Return the mode of what a path leads to; 0 if that is nothing."""
    try:
        return _system.stat(path).st_mode
    except FileNotFoundError:
        return 0


def is_there(path: Path) -> bool:
    """Tell whether there is anything of that name, and be it a link to nothing."""
    try:
        _system.lstat(path)
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return False
    return True


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
    with needed(directory):
        make_directory(directory)
    while True:
        free_id, path = _free(directory, agent, session_id)
        with needed(path), suppress(FileExistsError):
            # Unless another process was quicker.
            return free_id, path, open_to_append(path, CREATE)


def free_session_id(directory: Path, agent: str, session_id: str) -> str:
    """Return a session id that no file of the agent has yet; nothing is made."""
    return _free(directory, agent, session_id)[0]


def _free(directory: Path, agent: str, session_id: str) -> tuple[str, Path]:
    base = slug(agent)
    free_id, n = session_id, 1
    while _taken(path := directory / f"{base}_{free_id}.jsonl"):
        n += 1
        free_id = f"{session_id}_{n}"
    return free_id, path


def _taken(path: Path) -> bool:
    return any(is_there(path.with_suffix(suffix)) for suffix in _TAKEN)


def remove_empty(path: Path) -> None:
    """Remove a file that was just made, if nothing stands in it."""
    with whatever_fails():
        if _system.lstat(path).st_size == 0:
            _system.unlink(path)


def open_to_append(path: Path, how: int) -> int:
    """
    Open a file for its owner alone, following no link.

    Args:
        path: The file.
        how: ``CREATE``, or ``GO_ON`` with what is there.

    Returns:
        The descriptor.

    Raises:
        OSError: If it cannot be opened.
    """
    return _system.open(path, _APPEND | _SAFELY | _BINARY | how, _FILE_MODE)


def check_document(path: Path) -> None:
    """
    Refuse a path that a document must not replace.

    Raises:
        OSError: If there is something else than a plain file.
    """
    try:
        mode = _system.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        msg = f"{str(path)!r} is a link, a directory or a device; it is left alone"
        raise OSError(errno.EEXIST, msg)


def write_atomically(path: Path, pieces: Iterable[str]) -> None:
    """
    Write a document so that a reader sees the old one or the new one, never half.

    Args:
        path: The file; replaced if it is there.
        pieces: The text, in order.

    Raises:
        OSError: If it cannot be written; the old file is then untouched. If only
            its name cannot be given, the message names the file that holds it.
    """
    check_document(path)
    sweep(path.parent)
    temporary = path.with_name(f"{TEMPORARY}{os.urandom(8).hex()}.tmp")
    descriptor = open_to_append(temporary, CREATE)
    with ExitStack() as unless_written:
        unless_written.callback(_system.unlink, temporary)
        try:
            _write_all(descriptor, pieces)
            _system.fsync(descriptor)
        finally:
            _system.close(descriptor)
        unless_written.pop_all()
    _name(temporary, path)
    _system.sync_directory(path.parent)


def _write_all(descriptor: int, pieces: Iterable[str]) -> None:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > _BLOCK:
            _write_block(descriptor, kept)
            kept, size = [], 0
    _write_block(descriptor, kept)


def _write_block(descriptor: int, pieces: list[str]) -> None:
    data = "".join(pieces).encode("utf-8", "backslashreplace")
    while data:
        data = data[_system.write(descriptor, data) :]


def _name(temporary: Path, path: Path) -> None:
    """Give a finished document its name; others may hold the old one for a moment."""
    for pause in _PAUSES:
        try:
            _system.replace(temporary, path)
        except OSError as exc:
            if interrupts(exc):
                raise
            time.sleep(pause)
        else:
            return
    try:
        _system.replace(temporary, path)
    except OSError as exc:
        if interrupts(exc):
            raise
        msg = f"{exc.strerror}: the new document stays in {str(temporary)!r}"
        raise OSError(exc.errno, msg) from exc


def sweep(directory: Path, *, remove: bool = True) -> dict[str, int]:
    """
    Remove our own files that were never finished: a crash left them over an hour ago.

    Args:
        directory: Where to look.
        remove: Whether to remove them.

    Returns:
        The names of those that went, or would go, and how many bytes each has.
    """
    gone: dict[str, int] = {}
    with whatever_fails():
        for name in _system.listdir(directory):
            if name.startswith(TEMPORARY) and name.endswith(".tmp"):
                with whatever_fails():
                    status = _system.lstat(directory / name)
                    if time.time() - status.st_mtime > _STALE_SECONDS:
                        if remove:
                            _system.unlink(directory / name)
                        gone[name] = status.st_size
    return gone
