"""
Housekeeping: which sessions may go, or get smaller, and doing that.

Nothing here touches a session that is being written, or a directory in which there is
anything but traces.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ai_trace._files import find_parts
from ai_trace._interruption import interrupts
from ai_trace._names import DOCUMENTS, PACKED, SUFFIX
from ai_trace._open_steps import CAN_TELL
from ai_trace._packed import unpacking
from ai_trace._parts import (
    by_process,
    id_in,
    place_of,
    session_stem,
    split_journal_name,
    trace_stem,
)
from ai_trace.exceptions import TraceError
from ai_trace.sinks import _files, _system
from ai_trace.sinks._locks import Locks


__all__ = ["Stored", "compress", "compressible", "delete", "prunable", "survey"]

_GZIP = PACKED[0]
_SHOWN = 5
_QUIET_SECONDS = 3600.0
_WRITTEN = "is being written"
_BLOCK = 1 << 20
_LEVEL = 6


@dataclass(frozen=True)
class Stored:
    """
    A session as it lies on the disk.

    Attributes:
        stem: The beginning that the names of its files share.
        files: All of them: traces, journals, documents; traces last.
        size: Their bytes.
        modified: Epoch seconds of the last write to one of them.
    """

    stem: str
    files: tuple[Path, ...]
    size: int
    modified: float

    @property
    def traces(self) -> tuple[Path, ...]:
        """The files that hold steps: one for each process, compressed or not."""
        return tuple(path for path in self.files if trace_stem(path.name))

    @property
    def journals(self) -> tuple[Path, ...]:
        """The journals of steps that are open, or were when their process died."""
        return tuple(path for path in self.files if split_journal_name(path.name))

    @property
    def written(self) -> tuple[Path, ...]:
        """What a process at work on the session holds: of many parts the last."""
        # Of which there may be a copy that somebody has compressed.
        last = {place_of(parts[-1]) for parts in by_process(self.traces)}
        held = (path for path in self.traces if place_of(path) in last)
        return (*held, *self.journals)

    def is_being_written(self) -> bool:
        """
        Tell whether a process is at work on the session, or may be.

        Tracers hold a lock as long as they live. On a system without such locks, a
        session that was written to within the last hour may still be.
        """
        return self.hindrance() is not None

    def hindrance(self) -> str | None:
        """Say in a few words why the session has to be left alone, if it has to."""
        if not CAN_TELL:  # pragma: no cover - Windows
            is_quiet = time.time() - self.modified >= _QUIET_SECONDS
            return None if is_quiet else _WRITTEN
        try:
            with Locks(self.written):
                return None
        except BlockingIOError:
            return _WRITTEN
        except FileNotFoundError:
            # Somebody else is at work here.
            return "changed a moment ago"
        except OSError as exc:
            if interrupts(exc):
                raise
            return f"cannot be opened for writing ({exc.strerror or exc})"


def survey(directory: str | os.PathLike[str]) -> list[Stored]:
    """
    List what a trace directory holds.

    Args:
        directory: The trace directory.

    Returns:
        Its sessions, newest first.

    Raises:
        TraceError: If it cannot be listed, or holds anything that is no trace; the
            message names the first of these.
    """
    groups: dict[str, list[os.DirEntry[str]]] = {}
    foreign: list[str] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                stem = _stem_of(entry)
                if stem is not None:
                    groups.setdefault(stem, []).append(entry)
                elif not entry.name.startswith("."):
                    foreign.append(entry.name)
        stored = [_stored(stem, group) for stem, group in groups.items()]
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        reason = getattr(exc, "strerror", None) or exc
        msg = f"The trace directory {os.fspath(directory)} cannot be listed: {reason}."
        raise TraceError(msg) from exc
    if foreign:
        raise TraceError(_refusal(directory, sorted(foreign)))
    there = [session for session in stored if session.files]
    return sorted(there, key=_newest, reverse=True)


def _stem_of(entry: os.DirEntry[str]) -> str | None:
    """Return the session that a file belongs to, if it is one of ours by its name."""
    stem = session_stem(entry.name)
    beginning, suffix = os.path.splitext(entry.name)
    if stem is None and suffix in DOCUMENTS:
        stem = beginning
    if stem is None or not id_in(stem):
        return None
    return stem if entry.is_file(follow_symlinks=False) else None


def _stored(stem: str, group: Sequence[os.DirEntry[str]]) -> Stored:
    # Traces last: what is deleted half is still a session, and found again.
    ordered = sorted(
        group, key=lambda entry: (bool(trace_stem(entry.name)), entry.name)
    )
    files: list[Path] = []
    size, modified = 0, 0.0
    for entry in ordered:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            # Sessions end, and others prune and compress, at any moment.
            continue
        files.append(Path(entry.path))
        size += status.st_size
        modified = max(modified, status.st_mtime)
    return Stored(stem, tuple(files), size, modified)


def _newest(session: Stored) -> tuple[str, int, str]:
    # The tenth session of a second is newer than the second one.
    date, clock, *number = id_in(session.stem).split("_")
    return f"{date}_{clock}", int(number[0]) if number else 1, session.stem


def _refusal(directory: str | os.PathLike[str], foreign: Sequence[str]) -> str:
    shown = ", ".join(foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    return (
        f"{os.fspath(directory)} holds what is no trace: {shown}{more}. Nothing was "
        "touched. Name the directory of the traces, or move those files elsewhere."
    )


def prunable(
    sessions: Sequence[Stored],
    *,
    before: float | None = None,
    keep_last: int | None = None,
    max_size: int | None = None,
) -> list[tuple[Stored, str]]:
    """
    Choose the sessions that may go.

    A session goes if it was last written before a moment, or if it is among the oldest
    and all together are too large. The newest ones are kept whatever else is asked;
    with nothing else asked, only they are.

    Args:
        sessions: What ``survey`` has found, newest first.
        before: Epoch seconds.
        keep_last: How many of the newest are kept.
        max_size: How many bytes all that is kept may have.

    Returns:
        Those that may go, oldest first, each with the reason. Who is still writing is
        not looked at.
    """
    kept = sessions[: keep_last or 0]
    rest = sessions[len(kept) :]
    alone = before is None and max_size is None
    room = None if max_size is None else max_size - sum(each.size for each in kept)
    chosen = []
    for session in rest:
        reason = f"not among the newest {keep_last}" if alone else ""
        if before is not None and session.modified < before:
            reason = "old"
        elif room is not None:
            room -= session.size
            reason = "too large together" if room < 0 else ""
        if reason:
            chosen.append((session, reason))
    return chosen[::-1]


def delete(session: Stored) -> None:
    """
    Delete a session.

    Args:
        session: What ``survey`` has found.

    Raises:
        TraceError: If it is being written, or a file cannot be deleted; what is left
            of it then is still a session.
    """
    with _held(session, "{} cannot be deleted: {}."):
        for path in session.files:
            _remove(path)


def _remove(path: Path) -> None:
    try:
        _system.unlink(path)
    except FileNotFoundError:
        return


@contextmanager
def _held(session: Stored, failure: str) -> Generator[None, None, None]:
    why = session.hindrance()
    try:
        if why is None:
            with Locks(session.written):
                # Asked only now: from here on, nobody goes on from what is held.
                if not _has_grown(session):
                    yield
                    return
    except OSError as exc:
        if interrupts(exc):
            raise
        raise TraceError(failure.format(session.stem, exc.strerror or exc)) from exc
    msg = f"{session.stem} {why or _WRITTEN}; it was left alone."
    raise TraceError(msg)


def _has_grown(session: Stored) -> bool:
    # By a part, or a forked child, since it was looked at.
    there = {path for trace in session.traces[:1] for path in find_parts(trace)}
    return not there <= set(session.traces)


def compressible(
    sessions: Iterable[Stored],
    *,
    before: float | None = None,
    with_journals: bool = False,
) -> Iterator[Stored]:
    """
    Choose the sessions that can be made smaller.

    Args:
        sessions: What ``survey`` has found.
        before: Epoch seconds: only those that were last written before.
        with_journals: Also those that would be, were they not being written, or had
            what their process died in been recovered.

    Yields:
        Those with a trace that is not compressed, and without journals.
    """
    for session in sessions:
        is_plain = any(path.name.endswith(SUFFIX) for path in session.traces)
        is_old = before is None or session.modified < before
        if is_plain and is_old and (with_journals or not session.journals):
            yield session


def compress(session: Stored) -> int:
    """
    Compress the traces of a session; they read the same.

    The compressed file is complete, read back and on the disk before the original goes,
    so that whatever interrupts this leaves the original.

    Args:
        session: What ``survey`` has found.

    Returns:
        How many bytes less it takes.

    Raises:
        TraceError: If it is being written, or there is no room; the original is left.
    """
    with _held(session, "{} cannot be compressed: {}. The original is left as it was."):
        return sum(
            _compress_file(path)
            for path in session.traces
            if path.name.endswith(SUFFIX)
        )


def _compress_file(path: Path) -> int:
    status = os.stat(path)
    target = path.with_name(f"{path.name[: -len(SUFFIX)]}{_GZIP}")
    if target.exists() and not _holds_the_same(path, target):
        msg = f"{target.name} is there already and holds something else"
        raise OSError(errno.EEXIST, msg)
    temporary = path.with_name(f"{_files.TEMPORARY}{os.urandom(8).hex()}.tmp")
    try:
        _pack(path, temporary)
        _check(path, temporary)
        _system.replace(temporary, target)
        # Not before: what is unfinished and old is swept away.
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        # It has its name by now, unless something came between.
        _remove(temporary)
    _system.sync_directory(path.parent)
    _system.unlink(path)
    return status.st_size - os.stat(target).st_size


def _pack(source: Path, target: Path) -> None:
    descriptor = _files.open_to_append(target, _files.CREATE)
    with open(descriptor, "wb") as raw, open(source, "rb") as plain:
        with gzip.GzipFile(
            filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0
        ) as packed:
            shutil.copyfileobj(plain, packed, _BLOCK)
        raw.flush()
        _give_to_owner(plain.fileno(), raw.fileno())
        _system.fsync(raw.fileno())


def _give_to_owner(source: int, target: int) -> None:
    # Who could read the one, though another compresses it, can read the other.
    if hasattr(os, "fchown"):
        status = os.fstat(source)
        try:
            os.fchown(target, status.st_uid, status.st_gid)
        except PermissionError as exc:
            msg = (
                "this user may not make a file of the original's owner and group "
                f"({status.st_uid} and {status.st_gid}); root may"
            )
            raise OSError(exc.errno, msg) from exc
        os.fchmod(target, stat.S_IMODE(status.st_mode))


def _check(source: Path, packed: Path) -> None:
    if not _holds_the_same(source, packed):
        raise OSError(errno.EIO, "the compressed file does not read back the same")


def _holds_the_same(source: Path, packed: Path) -> bool:
    # As readers do, who do not unpack without bounds.
    with open(source, "rb") as plain, unpacking(open(packed, "rb"), _GZIP) as unpacked:
        return _digest(plain) == _digest(unpacked)


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.blake2b()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()
