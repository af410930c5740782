"""
All that stands in the files of a session, line by line: steps, and what is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Union

from ai_trace._files import (
    HEAD_LINES,
    HEADER_MARK,
    header_from_name,
    header_of,
    journal_head,
)
from ai_trace._glance import Glance, Look, glancer
from ai_trace._lines import LINE_LIMIT, Line, decode_all, finish_line, open_file
from ai_trace._open_steps import Journals
from ai_trace._record import FORMAT, SessionHeader, StepRecord
from ai_trace._tree import Problem
from ai_trace.exceptions import TraceReadError


# To look at lines takes a while to prepare, so fewer bytes are decoded at once.
_WORTH_A_LOOK = 128 * 1024
# Lists of steps are handed on, not steps: each generator would take as long as a look.
# How many bytes their lines may have, about.
_BATCH = 64 * 1024
NOWHERE = -1
"""The offset of what stands in no line."""

_Item = tuple[int, int, Union[Glance, Problem]]
Found = tuple[int, list[_Item]]


class Walk:
    """
    The lines of a session's files, then what its journals hold beside them.

    Args:
        parts: The files.
        journals: The journals, read already.
    """

    def __init__(self, parts: Sequence[Path], journals: Journals) -> None:
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
        enough = sum(self._sizes) >= _WORTH_A_LOOK
        return self._found(glancer() if enough else None)

    def _found(self, look: Look | None) -> Iterator[Found]:
        several, heard = len(self._parts) > 1, bool(self._journals)
        for number, (path, size) in enumerate(zip(self._parts, self._sizes)):
            part = _Part(path, several, look)
            try:
                for batch in part.batches(size):
                    if heard:
                        self._finish(batch, path)
                    yield number, batch
            except TraceReadError as exc:
                if number == 0:
                    raise
                problem = Problem(path.name, str(exc), "file")
                yield number, [(NOWHERE, 0, problem)]
        for record in self._journals.records():
            yield 0, [(NOWHERE, 0, record)]
        for problem in self._journals.problems():
            yield 0, [(NOWHERE, 0, problem)]

    def _finish(self, batch: Iterable[_Item], path: Path) -> None:
        for _, _, item in batch:
            if not isinstance(item, Problem):
                self._journals.finish(item, path)


class _Part:
    # One file, and what its lines have said so far of its session.

    def __init__(self, path: Path, named: bool, look: Look | None) -> None:
        self._path = path
        self._prefix = f"{path.name}, " if named else ""
        self._look = look or _look_nowhere
        self._guessed = journal_head(path) or header_from_name(path)
        self._header = self._guessed

    def batches(self, end: int) -> Iterator[list[_Item]]:
        with open_file(self._path) as file:
            look, header = self._look, self._header
            offset = count = 0
            batch: list[_Item] = []
            full = _BATCH
            # The loop over a million lines; what is not plain is left to others.
            for data in iter(partial(file.readline, LINE_LIMIT + 1), b""):
                count += 1
                plain = look(data, header)
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

    def _decoded(self, line: Line, count: int) -> Iterator[_Item]:
        where = f"{self._prefix}line {count}, offset {line.offset}"
        if count <= HEAD_LINES or HEADER_MARK in line.data:
            for doubt in self._hear(header_of(line.data), where):
                yield line.offset, line.size, doubt
        if line.data.isspace():
            return
        for piece, item in decode_all(line, self._header):
            if isinstance(item, str):
                kind = "damaged" if line.ended else "torn"
                yield line.offset, line.size, Problem(where, item, kind)
                continue
            self._header = item.header or self._header
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
        if self._header is self._guessed:
            self._header = stated
        elif stated.session_id != self._header.session_id:
            what = (
                "Another session begins in this file; all its steps are in this tree."
            )
            yield Problem(where, what, "odd")


def _look_nowhere(line: bytes, header: SessionHeader | None) -> None:
    """See no line as plain."""


def _size(part: Path) -> int:
    try:
        return os.stat(part).st_size
    except (OSError, ValueError):
        return sys.maxsize
