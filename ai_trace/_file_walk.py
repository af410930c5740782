"""
One file of a session, line by line: its steps, and what is wrong with it.
"""

from __future__ import annotations

import io
import os
import sys
from itertools import accumulate

from ai_trace._files import (
    HEAD_LINES,
    HEADER_MARK,
    header_from_name,
    header_in,
    journal_head,
    without_header,
)
from ai_trace._header import newer
from ai_trace._interruption import interrupts
from ai_trace._lines import (
    LINE_LIMIT,
    Line,
    decode_all,
    finish_line,
    open_file,
    read_short,
    strip_bom,
)
from ai_trace._names import PACKINGS
from ai_trace._problem import Problem, not_listed
from ai_trace._record import StepRecord, TraceLineError, decode_line


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any, BinaryIO, Union

    from ai_trace._glance import Glance, Look
    from ai_trace._record import SessionHeader

    Item = tuple[int, int, Union[Glance, Problem]]
    # Where some lines begin, their sizes, and what is in them. Three lists, since one
    # list of tuples would take as long to make as all the rest.
    Batch = tuple[Sequence[int], Sequence[int], Sequence[Union[Glance, Problem]]]

# About how many bytes of lines are handed on together. Handing on steps one by one,
# each generator on the way would take as long as reading them.
BATCH = 64 * 1024
_KEY = b'"session"'
# How many damaged lines of a file are named one by one, and how many runs of further
# ones. Fewer than a session lists, so that the runs are listed, too.
_NAMED_LINES = 900
_NAMED_RUNS = 1_000
# Readers keep the headers of a file, which are as large as a hostile one likes: of
# further sessions, so many bytes of them; what comes then counts for the last of these.
_HEADERS = 16 * 1024 * 1024
# Every step has this key, perhaps with an escaped letter.
_STEPS_HAVE = (b'"name"', b"\\u")
_NEWLINE = ord("\n")


class FileWalk:
    """
    The lines of one file, and what they have said so far of its session.

    Args:
        path: The file.
        named: Whether problems begin with the name of the file.
        look: What looks at lines; without it they are decoded.
        before: What the file before it said of the session, for one that does not say.
        skip: Given where a block of lines begins, and the block, returns how many of
            the lines are skipped: all, or 0.
        block: About how many bytes a block has.

    Attributes:
        header: The session, once a line has been read.
    """

    def __init__(
        self,
        path: str | Path,
        named: bool,
        look: Look | None,
        before: SessionHeader | None,
        skip: Callable[[int, bytes], int] | None = None,
        block: int = BATCH,
    ) -> None:
        self._path = path
        self._before = before
        self._skip = skip
        self._block = block
        self._prefix = f"{os.path.basename(path)}, " if named else ""
        self._look = look or _look_nowhere
        self._count = 0
        self._named = 0
        # The run of lines that are not named: where it begins, and its length.
        self._junk_at = ""
        self._junk_offset = 0
        self._junk_lines = 0
        self._runs = 0
        self._doubts = 0
        self._is_stated = False
        self._header_room = _HEADERS
        self.header: SessionHeader | None = None

    def batches(self, end: int | None, begin: int = 0) -> Iterator[Batch]:
        """
        Tell where the steps are.

        Args:
            end: Where to end, in bytes; ``None`` for where the file ends now.
            begin: Where a line begins.

        Yields:
            Where some lines begin, their sizes, and what each says at a glance.

        Raises:
            TraceReadError: If the file cannot be read.
        """
        data = read_short(self._path, BATCH) if end is None else None
        if data is not None:
            if data:
                yield self._judged(data, 0)
            return
        with open_file(self._path) as file:
            if begin:
                file.seek(begin)
            if end is None:
                end = size_of(self._path)
            while begin < end:
                data = _whole_lines(file, min(self._block, end - begin))
                if not data:
                    break
                if self._is_junk(data):
                    self._add_junk(data, begin)
                    begin += len(data)
                    continue
                last = data.rfind(b"\n", 0, -1) + 1
                if len(data) - last > LINE_LIMIT:
                    if last:
                        yield self._judged(data[:last], begin)
                    line = finish_line(file, begin + last, data[last:])
                    begin += last + line.size
                    yield _listed(self._decoded(line))
                    continue
                yield self._judged(data, begin)
                begin += len(data)
            yield _listed(self._not_named())
            yield from self._ended(file, begin)

    def _is_junk(self, data: bytes) -> bool:
        # A small compressed file may hold half a billion damaged lines.
        if self._named < _NAMED_LINES or len(data) > LINE_LIMIT:
            return False
        return not any(mark in data for mark in _STEPS_HAVE)

    def _add_junk(self, data: bytes, begin: int) -> None:
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        self._add_to_run(lines, self._where(self._count + 1, begin), begin)
        self._count += lines

    def _add_to_run(self, lines: int, where: str, offset: int) -> None:
        if not self._junk_lines:
            self._junk_at, self._junk_offset = where, offset
        self._junk_lines += lines

    def _told_run(self) -> Iterator[Item]:
        # A step follows. The last run that may be named goes on after it.
        if not self._junk_lines or self._runs >= _NAMED_RUNS:
            return
        self._runs += 1
        count, self._junk_lines = self._junk_lines, 0
        what = f"None of {count} lines from here on is a step; they are not named."
        yield self._junk_offset, 0, Problem(self._junk_at, what)

    def _not_named(self) -> Iterator[Item]:
        yield from self._told_run()
        if self._junk_lines:
            what = f"{self._junk_lines} more lines from here on hold no step."
            yield self._junk_offset, 0, Problem(self._junk_at, what)
        if self._doubts:
            more = not_listed(self._doubts)
            yield 0, 0, more._replace(where=f"{self._prefix}{more.where}")

    def _where(self, line: int, offset: int) -> str:
        return f"{self._prefix}line {line}, offset {offset}"

    def _judged(self, data: bytes, begin: int) -> Batch:
        skipped = self._skip(begin, data) if self._skip else 0
        if skipped:
            self._count += skipped
            return (), (), ()
        if data.isspace():
            # A small compressed file may hold a billion empty lines.
            self._count += data.count(b"\n")
            return (), (), ()
        # Faster than split and splitlines, which look at each byte; and splitlines
        # would take a carriage return for the end of a line.
        lines = list(io.BytesIO(data))
        sizes = list(map(len, lines))
        offsets = list(accumulate(sizes, initial=begin))
        looked = self._look_at(data, lines)
        # A line that is not plain is None; every glance is true.
        plains: Any = looked
        if not all(looked):
            return _listed(self._mixed(zip(offsets, sizes, lines, looked)))
        self._count += len(lines)
        header = self.header or self._guessed()
        for line, plain in zip(lines, plains):
            plain.line, plain.header = line, header
        if self._junk_lines:
            return _listed([*self._told_run(), *zip(offsets, sizes, plains)])
        return offsets, sizes, plains

    def _look_at(self, data: bytes, lines: list[bytes]) -> Sequence[Glance | None]:
        # The first line of a file is like the others except for the header at its end.
        # Decoding it took as long as looking at the rest of a short session.
        is_first = self._count == 0 and self._look is not _look_nowhere
        parted = without_header(lines[0]) if is_first else None
        if parted is None:
            return self._look(data, lines)
        step, header = parted
        looked = self._look(step + data[len(lines[0]) :], [step, *lines[1:]])
        if looked[0] is not None:
            lines[0], self.header, self._is_stated = step, header, True
        return looked

    def _mixed(
        self, looked: Iterable[tuple[int, int, bytes, Glance | None]]
    ) -> Iterator[Item]:
        for offset, size, line, plain in looked:
            if plain is None:
                yield from self._decoded(Line(offset, size, line, line[-1:] == b"\n"))
                continue
            self._count += 1
            plain.line, plain.header = line, self.header or self._guessed()
            yield from self._told_run()
            yield offset, size, plain

    def _ended(self, file: BinaryIO, offset: int) -> Iterator[Batch]:
        if not os.fspath(self._path).endswith(PACKINGS):
            return
        from ai_trace._packed import problem_of

        problem = problem_of(file)
        if problem:
            where = f"{self._prefix}offset {offset}"
            yield [offset], [0], [Problem(where, problem, "file")]

    def _decoded(self, line: Line) -> Iterator[Item]:
        self._count += 1
        count = self._count
        where = self._where(count, line.offset)
        data = None
        if HEADER_MARK in line.data or (count <= HEAD_LINES and _KEY in line.data):
            data = _decoded_with_header(line)
            size = len(line.data) - line.data.rfind(HEADER_MARK)
            for doubt in self._hear(header_in(data), where, size):
                yield from self._named_doubt(line, doubt)
        header = self.header or self._guessed()
        if line.data.isspace():
            return
        if data is not None and line.ended:
            record = _record(data, header)
            if record is not None:
                yield from self._told_run()
                yield line.offset, line.size, record
                return
        for piece, item in decode_all(line, header):
            if isinstance(item, str):
                yield from self._named_damage(line, where, item)
                continue
            yield from self._told_run()
            if item.header is not header:
                self.header, self._is_stated = item.header, True
            yield piece.offset, piece.size, item
            if piece is line and not line.ended:
                what = "The last line lacks its newline; it is read all the same."
                yield line.offset, line.size, Problem(where, what, "odd")

    def _named_damage(self, line: Line, where: str, what: str) -> Iterator[Item]:
        if line.ended and self._named >= _NAMED_LINES:
            self._add_to_run(1, where, line.offset)
            return
        self._named += 1
        kind = "damaged" if line.ended else "torn"
        yield line.offset, line.size, Problem(where, what, kind)

    def _named_doubt(self, line: Line, doubt: Problem) -> Iterator[Item]:
        if self._named >= _NAMED_LINES:
            self._doubts += 1
            return
        self._named += 1
        yield line.offset, line.size, doubt

    def _guessed(self) -> SessionHeader:
        self.header = (
            self._before or journal_head(self._path) or header_from_name(self._path)
        )
        return self.header

    def _hear(
        self, stated: SessionHeader | None, where: str, size: int
    ) -> Iterator[Problem]:
        if stated is None:
            return
        if newer(stated):
            yield Problem(where, newer(stated), "newer")
        if self.header is None or not self._is_stated:
            self.header, self._is_stated = stated, True
        elif not _is_same(stated, self.header):
            what = (
                "Another session begins in this file; all its steps are in this tree."
            )
            yield Problem(where, what, "odd")
            self._header_room -= size
            if self._header_room > 0:
                self.header = stated


def _is_same(one: SessionHeader, other: SessionHeader) -> bool:
    # An id tells the second; tracers that share a file may have begun in the same one.
    return one[:2] == other[:2] and one.started_at == other.started_at


def _listed(found: Iterable[Item]) -> Batch:
    columns = list(zip(*found))
    return (columns[0], columns[1], columns[2]) if columns else ((), (), ())


def _decoded_with_header(line: Line) -> dict[str, Any] | None:
    # Once for both header and step: in a short session this takes most of the time.
    try:
        return decode_line(strip_bom(line.data))
    except (TraceLineError, MemoryError):
        return None


def _record(data: dict[str, Any], header: SessionHeader) -> StepRecord | None:
    try:
        return StepRecord.from_dict(
            {k: data[k] for k in data if k != "session"}, header
        )
    except TraceLineError:
        return None


def _whole_lines(file: BinaryIO, size: int) -> bytes:
    """Read some bytes and the rest of the last line, which may be too long."""
    data = file.read(size)
    if data and data[-1] != _NEWLINE:
        data += file.readline(LINE_LIMIT + 1)
    return data


def _look_nowhere(_: bytes, lines: Sequence[bytes]) -> Sequence[Glance | None]:
    """Take no line for a plain one."""
    return [None] * len(lines)


def size_of(part: str | Path) -> int:
    """Return the size of a file; where it is unknown, more than any file has."""
    if os.fspath(part).endswith(PACKINGS):
        return sys.maxsize
    try:
        return os.stat(part).st_size
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return sys.maxsize
