"""
Recovery: the steps that a process died in become lines of its trace file.

While a session lives, a journal beside its trace file holds the steps that have
started and not finished. It stays behind when the process is killed, and readers
merge it. ``recover`` makes the file whole without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_trace import _journal
from ai_trace._files import (
    find_journals,
    find_parts,
    header_from_name,
    journal_of,
)
from ai_trace._interruption import interrupts
from ai_trace._lines import PACKINGS, decode_all, open_file, read_lines
from ai_trace._names import SUFFIX
from ai_trace._open_steps import CAN_TELL, Journals
from ai_trace._parts import place_of
from ai_trace._record import StepRecord, encode_line
from ai_trace._tree import Writer
from ai_trace.exceptions import TraceError, TraceReadError
from ai_trace.sinks import _system
from ai_trace.sinks._locks import Locks
from ai_trace.sinks._plain_file import open_plain


__all__ = ["Recovery", "recover"]


_SHOWN = 200


@dataclass(frozen=True)
class Recovery:
    """
    What was done to a session.

    Attributes:
        path: The session's file.
        steps: The steps that were open and have lines now, in the order of start.
        removed: The files of the journal that were removed.
        damaged: How many lines of the journal could not be read; what they held is
            lost.
    """

    path: Path
    steps: Sequence[StepRecord]
    removed: Sequence[Path]
    damaged: int


def recover(path: str | os.PathLike[str]) -> Recovery:
    """
    Make ordinary lines of the steps that a dead process had open.

    Each step's line is appended to the trace file of its process, with the outcome
    ``unfinished``, its context and its logs so far; then the journal is removed. This
    may fail or be killed at any point: done again, it ends with the same lines, each
    of them once.

    Args:
        path: Any file of the session.

    Returns:
        What was done; nothing, if no journal was left behind.

    Raises:
        TraceReadError: If the session cannot be read.
        TraceError: If a process is still at work on the session, or its files cannot
            be written.

    Example:
        >>> for step in recover("traces/bot_20240301_143022.jsonl").steps:
        ...     print(step.name, step.outcome)  # doctest: +SKIP
        market_scan unfinished
    """
    first = find_parts(Path(path))[0]
    if first.suffix in _journal.SUFFIXES:
        msg = f"{first} is a journal; name the trace file beside it."
        raise TraceReadError(msg)
    journals = find_journals(first)
    found = [file for journal in journals for file in _files_of(journal)]
    if not found:
        open_file(first).close()
        return Recovery(first, [], [], 0)
    for part in find_parts(first):
        if part.name.endswith(PACKINGS):
            msg = f"{part} is compressed. Unpack it, then recover the session."
            raise TraceError(msg)
    open_file(first).close()
    if not CAN_TELL:  # pragma: no cover - Windows
        msg = "This system cannot tell whether a process is still writing a session."
        raise TraceError(msg)
    try:
        _refuse_living(journals, first)
        with Locks([first, *found]):
            return _recover(first, journals, found)
    except BlockingIOError as exc:
        msg = f"Another process is at work on {first}. Try again when it has ended."
        raise TraceError(msg) from exc
    except OSError as exc:
        if interrupts(exc):
            raise
        msg = (
            f"The session {first} is not recovered: {exc.strerror or exc}. No step is "
            "lost; when there is room and permission to write, recover it again."
        )
        raise TraceError(msg) from exc


def _files_of(journal: Path) -> list[Path]:
    paths = [journal.with_suffix(suffix) for suffix in _journal.SUFFIXES]
    return [path for path in paths if os.path.lexists(path)]


def _refuse_living(journals: Sequence[Path], first: Path) -> None:
    for writer in Journals(journals).writers():
        if writer.alive:
            msg = (
                f"{_name(writer)} is still writing {first}: what it has open is "
                "running. Recover the session when it has ended."
            )
            raise TraceError(msg)


def _name(writer: Writer) -> str:
    host = f" on {writer.host[:_SHOWN]}" if writer.host else ""
    return f"Process {writer.pid}{host}" if writer.pid else "A process"


def _recover(first: Path, journals: Sequence[Path], found: Sequence[Path]) -> Recovery:
    opened = {journal: Journals([journal], ended=True) for journal in journals}
    parts = find_parts(first)
    with_lines = set()
    for part in parts:
        for record in _records(part):
            with_lines.add(part)
            for each in opened.values():
                each.finish(record, part)
    traces = {journal_of(part): part for part in parts}
    steps: list[StepRecord] = []
    for journal, each in opened.items():
        # Of several parts the last one: there it would have been written.
        trace = traces.get(journal, journal.with_suffix(SUFFIX))
        records = list(_noted(each))
        _append(trace, records, begins=trace not in with_lines)
        steps += records
    for file in reversed(found):
        _system.unlink(file)
    damaged = sum(each.damaged for each in opened.values())
    return Recovery(first, steps, found, damaged)


def _records(part: Path) -> Iterator[StepRecord]:
    header = header_from_name(part)
    with open_file(part) as file:
        for line in read_lines(file):
            for _, item in decode_all(line, header):
                if isinstance(item, StepRecord):
                    yield item


def _noted(opened: Journals) -> Iterator[StepRecord]:
    # The journal goes, so the lines have to say what it alone tells.
    records = list(opened.records())
    heard_at = max((each.heard_at for each in opened.writers()), default=0.0)
    notes: list[dict[str, Any]] = [{"note": "recovered", "heard_at": heard_at}]
    if opened.damaged:
        notes.append({"note": "journal damaged", "lines": opened.damaged})
    for record in records:
        data = {**record.to_dict(), "notes": [*record.notes, *notes]}
        yield StepRecord.from_dict(data, record.header)
        del notes[1:]


def _append(trace: Path, records: Sequence[StepRecord], *, begins: bool) -> None:
    if not records and not trace.exists():
        return
    descriptor, is_whole = open_plain(trace)
    try:
        size = _system.fstat(descriptor).st_size
        lines = [record.line for record in records]
        if records and begins:
            lines[0] = _with_header(records[0], place_of(trace)[1])
        if records:
            _write(descriptor, (b"" if is_whole else b"\n") + b"".join(lines), size)
        # Whatever stands there, be it since an earlier attempt, has to be on the disk
        # before the journal goes.
        _system.fsync(descriptor)
    finally:
        _system.close(descriptor)
    if size == 0:
        _system.sync_directory(trace.parent)


def _write(descriptor: int, data: bytes, size: int) -> None:
    """Append all of the data with one write, or nothing of it."""
    written = 0
    try:
        while written < len(data):
            written += _system.write(descriptor, data[written:])
    except OSError:
        if _system.fstat(descriptor).st_size == size + written:
            _system.ftruncate(descriptor, size)
        raise


def _with_header(record: StepRecord, part: int) -> bytes:
    if record.header is None:
        return record.line
    data = record.header.to_dict()
    if part > 1:
        data["part"] = part
    try:
        header = encode_line(data)
    except (ValueError, RecursionError):
        return record.line
    return record.line[:-2] + b',"session":' + header[:-1] + b"}\n"
