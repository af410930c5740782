"""
The files of a session: where they are, and what the header of each says.
"""

from __future__ import annotations

import os
from functools import lru_cache

from ai_trace._header import newer
from ai_trace._interruption import interrupts
from ai_trace._lines import LINE_LIMIT, open_file, strip_bom
from ai_trace._names import DOCUMENTS, JOURNAL, SUFFIXES
from ai_trace._parts import (
    FIRST,
    agent_and_id,
    journal_files,
    rank,
    split_journal_name,
    split_name,
)
from ai_trace._record import SessionHeader, TraceLineError, decode_line, read_header
from ai_trace.exceptions import TraceReadError


# Type checkers know this name. Importing typing and pathlib would take as long as all
# the rest of listing a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any, BinaryIO

    AnyPath = str | os.PathLike[str]

HEAD_LINES = 3
HEADER_MARK = b'"session":{"format":'
"""What every line with a header contains, as tracers write it."""
_KEY_BEGINS = b',"session":'
HEADER_BEGINS = b"," + HEADER_MARK
"""How a header begins that follows a step."""
_LONG = 64 * 1024
_END_OF_TIME = 253_402_300_800.0  # the year 10000


def find_parts(path: Path) -> list[Path]:
    """
    Find the files of the session that a file belongs to.

    Args:
        path: One of them.

    Returns:
        The parts of the session's first process, then those of forked children, as far
        as they exist; the given file in any case.
    """
    split = split_name(path.name)
    if split is None:
        return [path]
    places = {split[1]: path}
    try:
        names = [name for name in os.listdir(path.parent) if name.startswith(split[0])]
    except OSError as exc:
        if interrupts(exc):
            raise
        names = []
    for name in sorted(names, key=rank):
        other = split_name(name)
        if other is not None and other[0] == split[0]:
            places.setdefault(other[1], path.with_name(name))
    return [places[place] for place in sorted(places)]


@lru_cache(maxsize=16)
def journal_of(trace: Path) -> Path:
    """Return the path of the first file of a trace file's journal."""
    return trace.with_name(os.path.basename(journal_files(trace)[0]))


def trace_beside(path: Path) -> Path:
    """
    Return the trace that a journal or a document belongs to.

    Args:
        path: Any file.

    Returns:
        The trace beside it, if there is one; otherwise the file itself.
    """
    journal = split_journal_name(path.name)
    if journal is not None:
        stem = journal[2][: -len(JOURNAL[0])]
    elif path.suffix in DOCUMENTS:
        stem = path.stem
    else:
        return path
    traces = (path.with_name(stem + suffix) for suffix in SUFFIXES)
    return next((trace for trace in traces if trace.is_file()), path)


def find_journals(path: Path) -> list[Path]:
    """
    Find the journals of the session that a file belongs to.

    Args:
        path: One of its trace files, which need not be there.

    Returns:
        The first file of each journal, in the order of ``find_parts``.
    """
    split = split_name(path.name)
    if split is None:
        return [journal_of(path)]
    found = set()
    try:
        names = os.listdir(path.parent)
    except OSError as exc:
        if interrupts(exc):
            raise
        return []
    for name in names:
        other = split_journal_name(name) if name.startswith(split[0]) else None
        if other is not None and other[0] == split[0]:
            found.add(other[1:])
    return [path.with_name(name) for _, name in sorted(found)]


def header_from_name(path: AnyPath) -> SessionHeader:
    """
    Tell what the name of a file says of its session.

    Args:
        path: The file.

    Returns:
        A header with the agent's name as it is written in paths, the session id, and
        the start, rounded to seconds.
    """
    name = os.path.basename(path)
    stem, (pid, _) = split_name(name) or (name, FIRST)
    agent, session_id = agent_and_id(stem)
    if not session_id:
        return SessionHeader(stem, "", pid=pid)
    return SessionHeader(agent, session_id, pid=pid, started_at=start_of(session_id))


def start_of(session_id: str) -> float:
    """
    Tell when a session began.

    Args:
        session_id: Its id.

    Returns:
        Epoch seconds; 0.0 if the id is not a date.
    """
    # Loaded only for files that do not say when they began.
    from datetime import datetime, timezone

    date, clock = session_id[:8], session_id[9:15]
    try:
        year, month, day = int(date[:4]), int(date[4:6]), int(date[6:])
        hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
        start = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        return start.timestamp()
    except (ValueError, OverflowError) as exc:
        if interrupts(exc):
            raise
        return 0.0


def read_head(path: AnyPath) -> SessionHeader | None:
    """
    Read the header of a file from its beginning.

    Args:
        path: The file.

    Returns:
        The header; ``None`` if the first lines have none, or one of them is too long.

    Raises:
        TraceReadError: If the file cannot be read.
    """
    with open_file(path) as file:
        return first_header(file)


def header_of_session(parts: Sequence[AnyPath]) -> SessionHeader:
    """
    Tell who recorded a session, by the first of its files that says so.

    Args:
        parts: The files, in order: the first may hold no step, as where only forked
            children recorded any.

    Returns:
        The header; if none is stated, what the name of the first file says.

    Raises:
        TraceReadError: If the first file cannot be read.
    """
    return stated_header(parts) or header_from_name(parts[0])


def stated_header(parts: Sequence[AnyPath]) -> SessionHeader | None:
    """
    Return what ``header_of_session`` does, or ``None`` if no header is stated.

    Args:
        parts: The files, in order.

    Raises:
        TraceReadError: If the first file cannot be read.
    """
    for number, part in enumerate(parts):
        try:
            header = read_head(part) or journal_head(part)
        except TraceReadError:
            if number == 0:
                raise
            continue
        if header is not None:
            return header
    return None


def journal_head(part: AnyPath) -> SessionHeader | None:
    """Return the header in the journal of a file, if there is one."""
    for path in journal_files(part):
        try:
            header = read_head(path)
        except TraceReadError:
            continue
        if header is not None:
            return header
    return None


def first_header(file: BinaryIO) -> SessionHeader | None:
    """
    Read the header of an open file from its beginning.

    Args:
        file: The file, at its beginning.

    Returns:
        The header; ``None`` if the first lines have none, or one of them is too long.
    """
    # It is on the first line, unless a crash tore that.
    for _ in range(HEAD_LINES):
        line = file.readline(LINE_LIMIT)
        header = header_of(line)
        if header is not None or not line.endswith(b"\n"):
            return header
    return None


def header_of(line: bytes) -> SessionHeader | None:
    """
    Read the header from the first line of a file.

    Args:
        line: The bytes of the line.

    Returns:
        The header; its start is 0.0 if the file has no valid one. ``None`` if the line
        is damaged or has no header.
    """
    # To decode all of a long line for its end would take most of the time of a list.
    parted = without_header(line) if len(line) > _LONG else None
    return parted[1] if parted else _with_a_time(read_header(strip_bom(line)))


def header_in(data: Mapping[str, Any] | None) -> SessionHeader | None:
    """
    Return the header in the object of a line, as ``header_of`` does.

    Args:
        data: The object; ``None`` for a damaged line.
    """
    if data is None or "session" not in data:
        return None
    return _with_a_time(SessionHeader.from_dict(data["session"]))


def without_header(line: bytes) -> tuple[bytes, SessionHeader] | None:
    """
    Take the header off the end of a line, where tracers put it.

    Args:
        line: The bytes of the line.

    Returns:
        The line without its header, and the header. If the first is a step's line, so
        was the whole. ``None`` if there is no header, or a problem with it.
    """
    at = line.rfind(HEADER_BEGINS)
    if at < 0 or not line.endswith(b"}}\n"):
        return None
    try:
        data = decode_line(line[at + len(_KEY_BEGINS) : -2])
    except (TraceLineError, MemoryError):
        return None
    header = _with_a_time(SessionHeader.from_dict(data))
    return None if header is None or newer(header) else (line[:at] + b"}\n", header)


def _with_a_time(header: SessionHeader | None) -> SessionHeader | None:
    if header is None or 0 <= header.started_at < _END_OF_TIME:
        return header
    return header._replace(started_at=0.0)
