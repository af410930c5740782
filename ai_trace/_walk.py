"""
All that stands in the files of a session, line by line: steps, and what is wrong.
"""

from __future__ import annotations

import io
import os
import sys
from functools import partial
from itertools import accumulate, chain

from ai_trace._files import (
    HEAD_LINES,
    HEADER_MARK,
    header_from_name,
    header_in,
    journal_head,
)
from ai_trace._header import newer
from ai_trace._lines import (
    LINE_LIMIT,
    PACKINGS,
    Line,
    decode_all,
    finish_line,
    open_file,
    strip_bom,
)
from ai_trace._parts import missing, place_of
from ai_trace._problem import Problem
from ai_trace._record import StepRecord, TraceLineError, decode_line
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded for every look at a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any, BinaryIO, Union

    from ai_trace._glance import Glance, Look
    from ai_trace._open_steps import Journals
    from ai_trace._passed import Passes
    from ai_trace._record import SessionHeader

    Item = tuple[int, int, Union[Glance, Problem]]
    # Of some lines where each begins, its size, and what is in it: three lists and not
    # one of tuples, which would take as long to make as all of this.
    Batch = tuple[Sequence[int], Sequence[int], Sequence[Union[Glance, Problem]]]
    Found = tuple[int, Batch]

# To look at lines takes a while to prepare, so fewer bytes are decoded at once.
_WORTH_A_LOOK = 128 * 1024
# Lists of steps are handed on, not steps: each generator would take as long as a look.
# How many bytes their lines may have, about.
_BATCH = 64 * 1024
_KEY = b'"session"'
_NEWLINE = ord("\n")
NOWHERE = -1
"""The offset of what stands in no line."""


def worth_a_look(size: int) -> Look | None:
    """
    Return what looks at lines, if that is worth its while.

    Args:
        size: How many bytes are going to be read, of however many sessions.

    Returns:
        For fewer bytes than it takes to get ready, ``None``: they are decoded.
    """
    if size < _WORTH_A_LOOK:
        return None
    from ai_trace._glance import glancer

    return glancer()


class Walk:
    """
    The lines of a session's files, then what its journals hold beside them.

    Args:
        parts: The files.
        journals: The journals, read already; ``None`` where there are none.
    """

    def __init__(self, parts: Sequence[str | Path], journals: Journals | None) -> None:
        self._parts = parts
        self._journals = journals
        # Taken once the journals are read, so that both tell of one moment: a step
        # that starts and finishes later is in neither.
        self._sizes = [_size(part) for part in parts]

    def records(self) -> Iterator[StepRecord | Problem]:
        """
        Decode every line.

        Yields:
            The step in it, or what is wrong with it.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        for _, (_, _, items) in self._found(None):
            for item in items:
                if isinstance(item, (StepRecord, Problem)):
                    yield item

    @property
    def size(self) -> int:
        """How many bytes are read; more than any file has where that is unknown."""
        return sum(self._sizes)

    def glances(
        self, look: Look | None = None, passes: Passes | None = None
    ) -> Iterator[Glance | Problem]:
        """
        Do what ``records`` does, and decode no more of each line than has to be.

        Args:
            look: What looks at lines, if it is there already.
            passes: What passes over blocks of lines, as ``places`` takes it.

        Returns:
            An iterator over what each step says at a glance, and what is wrong.
        """
        found = self._found(look) if look else self.places(passes)
        return chain.from_iterable(items for _, (_, _, items) in found)

    def places(
        self, passes: Passes | None = None, block: int = _BATCH
    ) -> Iterator[Found]:
        """
        Tell of all steps where they stand.

        Args:
            passes: Asked of each block of lines, before any of them is split off or
                decoded, how many lines are passed over: all of them, or none.
            block: How many bytes a block has, about.

        Yields:
            The index of a file, and of some of its lines: where each begins, its size,
            and what it says at a glance; ``NOWHERE`` for what stands in no line.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        return self._found(worth_a_look(self.size), passes, block)

    def between(self, number: int, begin: int, end: int) -> Iterator[Batch]:
        """
        Tell what stands in a part of a file, whose header is of no interest.

        Args:
            number: The index of the file.
            begin: Where a line begins.
            end: Where one ends.

        Returns:
            What ``places`` yields of it.

        Raises:
            TraceReadError: If the file cannot be read.
        """
        part = _Part(self._parts[number], False, worth_a_look(self.size), None)
        return part.batches(end, begin)

    def _found(
        self, look: Look | None, passes: Passes | None = None, block: int = _BATCH
    ) -> Iterator[Found]:
        several = len(self._parts) > 1
        for name, what in missing(self._parts) if several else ():
            yield 0, _nowhere(Problem(name, what, "file"))
        headers: dict[int, SessionHeader | None] = {}
        for number, path in enumerate(self._parts):
            pid = place_of(path)[0]
            passing = partial(passes, number) if passes else None
            part = _Part(path, several, look, headers.get(pid), passing, block)
            yield from self._batches(number, part)
            headers[pid] = part.header or headers.get(pid)
        if self._journals:
            for record in self._journals.records():
                yield 0, _nowhere(record)
            for problem in self._journals.problems():
                yield 0, _nowhere(problem)

    def _batches(self, number: int, part: _Part) -> Iterator[Found]:
        path = self._parts[number]
        try:
            for batch in part.batches(self._sizes[number]):
                if self._journals:
                    _finish(self._journals, batch, path)
                yield number, batch
        except TraceReadError as exc:
            if number == 0:
                raise
            problem = Problem(os.path.basename(path), str(exc), "file")
            yield number, _nowhere(problem)


def _nowhere(item: Glance | Problem) -> Batch:
    return [NOWHERE], [0], [item]


def _listed(found: Iterable[Item]) -> Batch:
    columns = list(zip(*found))
    return (columns[0], columns[1], columns[2]) if columns else ((), (), ())


def _finish(journals: Journals, batch: Batch, path: str | Path) -> None:
    from pathlib import Path

    trace = Path(path)
    for item in batch[2]:
        if not isinstance(item, Problem):
            journals.finish(item, trace)


class _Part:
    # One file, and what its lines have said so far of its session. Where it does not
    # say, what the part before it said holds.

    def __init__(
        self,
        path: str | Path,
        named: bool,
        look: Look | None,
        before: SessionHeader | None,
        passes: Callable[[int, bytes], int] | None = None,
        block: int = _BATCH,
    ) -> None:
        self._path = path
        self._before = before
        self._passes = passes
        self._block = block
        self._prefix = f"{os.path.basename(path)}, " if named else ""
        self._look = look or _look_nowhere
        self._count = 0
        self._is_stated = False
        self.header: SessionHeader | None = None

    def batches(self, end: int, begin: int = 0) -> Iterator[Batch]:
        with open_file(self._path) as file:
            if begin:
                file.seek(begin)
            while begin < end:
                data = _whole_lines(file, min(self._block, end - begin))
                if not data:
                    break
                last = data.rfind(b"\n", 0, -1) + 1
                if len(data) - last > LINE_LIMIT:
                    yield self._judged(data[:last], begin)
                    line = finish_line(file, begin + last, data[last:])
                    begin += last + line.size
                    yield _listed(self._decoded(line))
                    continue
                yield self._judged(data, begin)
                begin += len(data)
            yield from self._ended(file, begin)

    def _judged(self, data: bytes, begin: int) -> Batch:
        passed = self._passes(begin, data) if self._passes else 0
        if passed:
            self._count += passed
            return (), (), ()
        # Neither split nor splitlines, which look at each byte by itself; the latter
        # takes a carriage return for an end besides.
        lines = list(io.BytesIO(data))
        sizes = list(map(len, lines))
        offsets = list(accumulate(sizes, initial=begin))
        looked = self._look(data, lines)
        plains = [plain for plain in looked if plain is not None]
        if len(plains) < len(lines):
            return _listed(self._mixed(zip(offsets, sizes, lines, looked)))
        self._count += len(lines)
        header = self.header or self._guessed()
        for line, plain in zip(lines, plains):
            plain.line, plain.header = line, header
        return offsets, sizes, plains

    def _mixed(
        self, looked: Iterable[tuple[int, int, bytes, Glance | None]]
    ) -> Iterator[Item]:
        for offset, size, line, plain in looked:
            if plain is None:
                yield from self._decoded(Line(offset, size, line, line[-1:] == b"\n"))
                continue
            self._count += 1
            plain.line, plain.header = line, self.header or self._guessed()
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
        where = f"{self._prefix}line {count}, offset {line.offset}"
        data = None
        if HEADER_MARK in line.data or (count <= HEAD_LINES and _KEY in line.data):
            data = _decoded_with_header(line)
            for doubt in self._hear(header_in(data), where):
                yield line.offset, line.size, doubt
        header = self.header or self._guessed()
        if line.data.isspace():
            return
        if data is not None and line.ended:
            record = _record(data, header)
            if record is not None:
                yield line.offset, line.size, record
                return
        for piece, item in decode_all(line, header):
            if isinstance(item, str):
                kind = "damaged" if line.ended else "torn"
                yield line.offset, line.size, Problem(where, item, kind)
                continue
            if item.header is not header:
                self.header, self._is_stated = item.header, True
            yield piece.offset, piece.size, item
            if piece is line and not line.ended:
                what = "The last line lacks its newline; it is read all the same."
                yield line.offset, line.size, Problem(where, what, "odd")

    def _guessed(self) -> SessionHeader:
        self.header = (
            self._before or journal_head(self._path) or header_from_name(self._path)
        )
        return self.header

    def _hear(self, stated: SessionHeader | None, where: str) -> Iterator[Problem]:
        if stated is None:
            return
        if newer(stated):
            yield Problem(where, newer(stated), "newer")
        if self.header is None or not self._is_stated:
            self.header, self._is_stated = stated, True
        elif stated.session_id != self.header.session_id:
            what = (
                "Another session begins in this file; all its steps are in this tree."
            )
            yield Problem(where, what, "odd")


def _decoded_with_header(line: Line) -> dict[str, Any] | None:
    # Once, for the header and the step: of a short session this takes most of the time.
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
    """Read so many bytes, and the rest of the last line; that one may be too long."""
    data = file.read(size)
    if data and data[-1] != _NEWLINE:
        data += file.readline(LINE_LIMIT + 1)
    return data


def _look_nowhere(_: bytes, lines: Sequence[bytes]) -> Sequence[Glance | None]:
    """See no line as plain."""
    return [None] * len(lines)


def _size(part: str | Path) -> int:
    if os.fspath(part).endswith(PACKINGS):
        return sys.maxsize
    try:
        return os.stat(part).st_size
    except (OSError, ValueError):
        return sys.maxsize
