r"""
The lines of trace files, and the records in them, in bounded memory.

Lines end at ``\n`` alone and are decoded one by one, so that damage costs only the
damaged line. Records are decoded in one place, ``decode``.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
from itertools import islice

from ai_trace._interruption import interrupts
from ai_trace._named import NamedTuple
from ai_trace._names import PACKINGS as PACKINGS
from ai_trace._names import SUFFIX
from ai_trace._record import (
    SessionHeader,
    StepRecord,
    TraceLineError,
    read_header,
)
from ai_trace.exceptions import TraceReadError


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LINE_LIMIT = 16 * 1024 * 1024
TOO_LARGE = "too large for the memory"
"""The reason given for a line for which there is not enough memory."""

# Without O_NONBLOCK, opening a named pipe would wait for a writer.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BLOCK = 64 * 1024
_BOM = b"\xef\xbb\xbf"
# How each line of a tracer begins.
_BEGINNING = r'\{"name": ?"(?:[^"\\]|\\.){0,8000}", ?"kind": ?"[^"\\]{1,100}",'
_MARK = b'{"name":'
# Not lines that are too large or too deep: to try again would cost as much again.
_IS_BROKEN = "(?:damaged|torn after .*): not (?:JSON|UTF-8) "
# How many beginnings are tried in a damaged line, and how much of it is decoded.
_SALVAGE_TRIES = 16
_SALVAGE_CHARACTERS = 2 * LINE_LIMIT


class Line(NamedTuple):
    """
    One line of a file.

    Attributes:
        offset: Where it begins, in bytes.
        size: Its bytes in the file.
        data: The bytes, newline included; of a line over ``LINE_LIMIT``, none.
        ended: Whether its newline is there.
    """

    offset: int
    size: int
    data: bytes
    ended: bool


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """
    Open a trace file.

    Args:
        path: The file.

    Returns:
        The open file, buffered. A compressed one is unpacked and can only be read
        forwards; one that was compressed since it was found is opened, too.

    Raises:
        TraceReadError: If it is missing, unreadable or not a regular file.
    """
    try:
        file = _open_raw(path)
    except TraceReadError:
        packed = _packed_since(path)
        if packed is None:
            raise
        return open_anywhere(packed)
    if not os.fspath(path).endswith(PACKINGS):
        return file
    # Most sessions are not compressed, so what unpacks them is loaded only here.
    from ai_trace import _packed

    try:
        return _packed.unpacking(file, path)
    except TraceReadError:
        file.close()
        raise


def open_anywhere(path: str | os.PathLike[str]) -> BinaryIO:
    """
    Open a trace file to read it in any order.

    Args:
        path: The file.

    Returns:
        The open file, buffered; for a compressed one, a file with what was unpacked.

    Raises:
        TraceReadError: If it is missing, unreadable or not a regular file.
    """
    file = open_file(path)
    if not os.fspath(path).endswith(PACKINGS):
        return file
    from ai_trace import _packed

    return _packed.unpacked(file)


def read_short(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """
    Read a whole file at once, if it is short; this takes a third of the usual time.

    Args:
        path: The file.
        limit: The most bytes that a short file has.

    Returns:
        Its content; ``None`` if it is longer, or has been compressed.

    Raises:
        TraceReadError: If it is missing, unreadable or not a regular file.
    """
    if os.fspath(path).endswith(PACKINGS):
        return None
    try:
        descriptor, size = _descriptor(path)
    except TraceReadError:
        if _packed_since(path) is None:
            raise
        return None
    try:
        data = os.read(descriptor, size) if size <= limit else b""
    finally:
        os.close(descriptor)
    return data if len(data) == size else None


def _packed_since(path: str | os.PathLike[str]) -> str | None:
    # The file of a trace that was compressed after it was found.
    name = os.fspath(path)
    is_gone = name.endswith(SUFFIX) and not os.path.lexists(name)
    packed = (name + packing for packing in PACKINGS if is_gone)
    return next(filter(os.path.isfile, packed), None)


def _open_raw(path: str | os.PathLike[str]) -> BinaryIO:
    return open(_descriptor(path)[0], "rb")


def _descriptor(path: str | os.PathLike[str]) -> tuple[int, int]:
    # With the size of the file in bytes.
    try:
        descriptor = os.open(path, _READING)
    except FileNotFoundError:
        msg = f"There is no file {os.fspath(path)}."
        raise TraceReadError(msg) from None
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        reason = getattr(exc, "strerror", None) or exc
        msg = f"{os.fspath(path)} cannot be read: {reason}."
        raise TraceReadError(msg) from exc
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        msg = f"{os.fspath(path)} is not a regular file; give a session's .jsonl file."
        raise TraceReadError(msg)
    return descriptor, status.st_size


def read_lines(file: BinaryIO, offset: int = 0) -> Iterator[Line]:
    """
    Read lines from an offset to the end of the file.

    Args:
        file: The open file.
        offset: Where a line begins.

    Yields:
        The lines.
    """
    file.seek(offset)
    while data := file.readline(LINE_LIMIT + 1):
        line = finish_line(file, offset, data)
        yield line
        offset += line.size


def finish_line(file: BinaryIO, offset: int, data: bytes) -> Line:
    """
    Read the rest of a line that may be too long.

    Args:
        file: The open file.
        offset: Where the line begins.
        data: Its first ``LINE_LIMIT + 1`` bytes, or all of it if it is shorter.

    Returns:
        The line.
    """
    size, ended = len(data), data.endswith(b"\n")
    if size > LINE_LIMIT:
        data = b""
        while not ended and (more := file.readline(_BLOCK)):
            size, ended = size + len(more), more.endswith(b"\n")
            if not ended and more[-1] == 0:
                size += _pass_hole(file)
    return Line(offset, size, data, ended)


def _pass_hole(file: BinaryIO) -> int:
    # A sparse file may have a hole of any size, which is read as zeros.
    begin = file.tell()
    return file.seek(_next_data(file, begin)) - begin


def hole_before(file: BinaryIO, end: int) -> int:
    """
    Return where the hole of a sparse file begins that ends at an offset.

    Args:
        file: The open file.
        end: The offset; it is returned if there is no hole, or no way to tell.
    """
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        if _next_data(file, middle) < end:
            low = middle + 1
        else:
            high = middle
    return low


def _next_data(file: BinaryIO, offset: int) -> int:
    # The offset itself, unless it lies in a hole.
    seek_data = getattr(os, "SEEK_DATA", None)
    if seek_data is None or not isinstance(getattr(file, "raw", None), io.FileIO):
        return offset
    descriptor = file.fileno()
    # The buffered file must not notice: its position has to stay what it was.
    before = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        return os.lseek(descriptor, offset, seek_data)
    except OSError as exc:
        if interrupts(exc):
            raise
        from errno import ENXIO

        # With this error, the hole reaches to the end of the file.
        return os.fstat(descriptor).st_size if exc.errno == ENXIO else offset
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)


def decode(line: Line, header: SessionHeader) -> StepRecord | str:
    """
    Decode a line.

    Args:
        line: The line.
        header: The session that its file belongs to.

    Returns:
        The record, or what is wrong with the line, as one sentence.
    """
    if line.size > LINE_LIMIT:
        return f"The line has {line.size} bytes; no more than {LINE_LIMIT} are read."
    try:
        if not line.data.strip(b"\0\r\n"):
            return f"{line.size} zero bytes: the end was lost, as when power fails."
        return StepRecord.from_line(strip_bom(line.data), header)
    except MemoryError:
        reason = TOO_LARGE
    except RecursionError:
        reason = "nested too deeply"
    except TraceLineError as exc:
        reason = str(exc)
    if line.ended:
        return f"The line is damaged: {reason}."
    return f"The last line is torn after {line.size} bytes: {reason}."


def decode_all(
    line: Line, header: SessionHeader
) -> Iterator[tuple[Line, StepRecord | str]]:
    """
    Decode a line, or if it is damaged, the whole steps in it.

    Args:
        line: The line.
        header: The session that its file belongs to.

    Yields:
        The line and its record; or the line and what is wrong with it, then where each
        whole step in it stands, and the step.
    """
    item = decode(line, header)
    if isinstance(item, StepRecord):
        yield line, item
        return
    found = _salvage(line, header) if re.search(_IS_BROKEN, item) else []
    if found:
        one = "A whole step in it is"
        count = one if len(found) == 1 else f"{len(found)} whole steps in it are"
        item = f"{item} {count} read."
    yield line, item
    yield from found


def _salvage(line: Line, header: SessionHeader) -> list[tuple[Line, StepRecord]]:
    # Where a file was cut inside a line, the next step follows the fragment. A step has
    # to begin or end with the line, or end where another step begins: an object inside
    # a fragment may look like a step.
    if _MARK not in line.data:
        return []
    try:
        return _whole_steps(line, line.data.decode("utf-8", "surrogateescape"), header)
    except MemoryError:
        return []


def _whole_steps(
    line: Line, text: str, header: SessionHeader
) -> list[tuple[Line, StepRecord]]:
    found: list[tuple[Line, StepRecord]] = []
    beginning = re.compile(_BEGINNING)
    behind, room = 0, _SALVAGE_CHARACTERS
    for begin in islice(beginning.finditer(text), _SALVAGE_TRIES):
        start = begin.start()
        if start < behind:
            continue
        room -= len(text) - start
        end = _end_of_object(text, start) if room > 0 else 0
        if end and (not start or not text[end:].strip() or beginning.match(text, end)):
            parts = text[:start], text[start:end]
            before, inside = (part.encode("utf-8", "surrogateescape") for part in parts)
            piece = Line(line.offset + len(before), len(inside), inside, True)
            record = decode(piece, read_header(inside) or header)
            if isinstance(record, StepRecord):
                found.append((piece, record))
                behind = end
    return found


def _end_of_object(text: str, start: int) -> int:
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError, MemoryError) as exc:
        if interrupts(exc):
            raise
        return 0


def strip_bom(data: bytes) -> bytes:
    """Return the bytes without the mark that some editors put first."""
    return data[len(_BOM) :] if data.startswith(_BOM) else data
