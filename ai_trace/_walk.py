"""
All that stands in the files of a session, line by line: steps, and what is wrong.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import chain

from ai_trace._files import (
    HEAD_LINES,
    HEADER_MARK,
    header_from_name,
    header_of,
    journal_head,
)
from ai_trace._lines import LINE_LIMIT, PACKINGS, decode_all, finish_line, open_file
from ai_trace._problem import Problem
from ai_trace._record import FORMAT, StepRecord
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded for every look at a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO, Union

    from ai_trace._glance import Glance, Look
    from ai_trace._lines import Line
    from ai_trace._open_steps import Journals
    from ai_trace._record import SessionHeader

    Item = tuple[int, int, Union[Glance, Problem]]
    Found = tuple[int, list[Item]]

# To look at lines takes a while to prepare, so fewer bytes are decoded at once.
_WORTH_A_LOOK = 128 * 1024
# Lists of steps are handed on, not steps: each generator would take as long as a look.
# How many bytes their lines may have, about.
_BATCH = 64 * 1024
_KEY = b'"session"'
NOWHERE = -1
"""The offset of what stands in no line."""


# What looks at lines, once that was worth its while.
_look: Look | None = None


def prepare(size: int) -> None:
    """
    Get ready to look at lines, if that is worth its while.

    Args:
        size: How many bytes are going to be read, of however many sessions.
    """
    global _look
    if _look is None and size >= _WORTH_A_LOOK:
        from ai_trace._glance import glancer

        _look = glancer()


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
        for _, batch in self._found(None):
            for _, _, item in batch:
                if isinstance(item, (StepRecord, Problem)):
                    yield item

    def glances(self) -> Iterator[Glance | Problem]:
        """
        Do what ``records`` does, and decode no more of each line than has to be.

        Returns:
            An iterator over what each step says at a glance, and what is wrong.
        """
        batches = ([item for _, _, item in batch] for _, batch in self.places())
        return chain.from_iterable(batches)

    def places(self) -> Iterator[Found]:
        """
        Tell of all steps where they stand.

        Yields:
            The index of a file, and of some of its lines: where each begins, its size,
            and what it says at a glance; ``NOWHERE`` for what stands in no line.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        prepare(sum(self._sizes))
        return self._found(_look)

    def _found(self, look: Look | None) -> Iterator[Found]:
        several = len(self._parts) > 1
        for number, (path, size) in enumerate(zip(self._parts, self._sizes)):
            part = _Part(path, several, look)
            try:
                for batch in part.batches(size):
                    if self._journals:
                        _finish(self._journals, batch, path)
                    yield number, batch
            except TraceReadError as exc:
                if number == 0:
                    raise
                problem = Problem(os.path.basename(path), str(exc), "file")
                yield number, [(NOWHERE, 0, problem)]
        if self._journals:
            for record in self._journals.records():
                yield 0, [(NOWHERE, 0, record)]
            for problem in self._journals.problems():
                yield 0, [(NOWHERE, 0, problem)]


def _finish(journals: Journals, batch: Iterable[Item], path: str | Path) -> None:
    from pathlib import Path

    trace = Path(path)
    for _, _, item in batch:
        if not isinstance(item, Problem):
            journals.finish(item, trace)


class _Part:
    # One file, and what its lines have said so far of its session.

    def __init__(self, path: str | Path, named: bool, look: Look | None) -> None:
        self._path = path
        self._prefix = f"{os.path.basename(path)}, " if named else ""
        self._look = look or _look_nowhere
        self._is_stated = False
        self._header: SessionHeader | None = None

    def batches(self, end: int) -> Iterator[list[Item]]:
        with open_file(self._path) as file:
            look, header = self._look, None
            offset = count = 0
            batch: list[Item] = []
            full = _BATCH
            # The loop over a million lines; what is not plain is left to others.
            for data in iter(partial(file.readline, LINE_LIMIT + 1), b""):
                count += 1
                plain = look(data, header) if count > 1 else None
                if plain is not None and offset < end:
                    size = len(data)
                    batch.append((offset, size, plain))
                    offset += size
                    if offset < full:
                        continue
                yield batch
                batch, full = [], offset + _BATCH
                if offset >= end:
                    return
                if plain is None:
                    line = finish_line(file, offset, data)
                    for item in self._decoded(line, count):
                        yield [item]
                    header = self._header
                    offset += line.size
            yield batch
            yield from self._ended(file, offset)

    def _ended(self, file: BinaryIO, offset: int) -> Iterator[list[Item]]:
        if not os.fspath(self._path).endswith(PACKINGS):
            return
        from ai_trace._packed import problem_of

        problem = problem_of(file)
        if problem:
            where = f"{self._prefix}offset {offset}"
            yield [(offset, 0, Problem(where, problem, "file"))]

    def _decoded(self, line: Line, count: int) -> Iterator[Item]:
        where = f"{self._prefix}line {count}, offset {line.offset}"
        if HEADER_MARK in line.data or (count <= HEAD_LINES and _KEY in line.data):
            for doubt in self._hear(header_of(line.data), where):
                yield line.offset, line.size, doubt
        header = self._header
        if header is None:
            header = journal_head(self._path) or header_from_name(self._path)
            self._header = header
        if line.data.isspace():
            return
        for piece, item in decode_all(line, header):
            if isinstance(item, str):
                kind = "damaged" if line.ended else "torn"
                yield line.offset, line.size, Problem(where, item, kind)
                continue
            if item.header is not header:
                self._header, self._is_stated = item.header, True
            yield piece.offset, piece.size, item
            if piece is line and not line.ended:
                what = "The last line lacks its newline; it is read all the same."
                yield line.offset, line.size, Problem(where, what, "odd")

    def _hear(self, stated: SessionHeader | None, where: str) -> Iterator[Problem]:
        if stated is None:
            return
        if stated.format > FORMAT:
            what = (
                f"It is written by a newer ai_trace (format {stated.format}, this is "
                f"{FORMAT}); what is unknown here is kept as it is."
            )
            yield Problem(where, what, "newer")
        if self._header is None or not self._is_stated:
            self._header, self._is_stated = stated, True
        elif stated.session_id != self._header.session_id:
            what = (
                "Another session begins in this file; all its steps are in this tree."
            )
            yield Problem(where, what, "odd")


def _look_nowhere(line: bytes, header: SessionHeader | None) -> None:
    """See no line as plain."""


def _size(part: str | Path) -> int:
    if os.fspath(part).endswith(PACKINGS):
        return sys.maxsize
    try:
        return os.stat(part).st_size
    except (OSError, ValueError):
        return sys.maxsize
