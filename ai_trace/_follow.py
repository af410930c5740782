"""
Following the files of a session while they are written.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ai_trace._files import (
    HEADER_MARK,
    find_journals,
    find_parts,
    first_header,
    header_from_name,
    header_of,
    journal_head,
)
from ai_trace._lines import (
    LINE_LIMIT,
    PACKINGS,
    decode_all,
    open_anywhere,
    read_lines,
)
from ai_trace._lines_back import read_last
from ai_trace._open_steps import Journals
from ai_trace._parts import by_process, place_of
from ai_trace._record import StepRecord
from ai_trace._tree import Problem
from ai_trace.exceptions import TraceReadError


if TYPE_CHECKING:
    from ai_trace._parts import Place

Report = Callable[[Problem], None]


class Follower:
    """
    All files of one session, those of forked children included as they appear.

    Args:
        path: The session's file; it need not be there yet.
        report: Called for each damaged line, if given.
        journals: Which of its steps are open, if that is asked for.
    """

    def __init__(
        self,
        path: Path,
        report: Report | None = None,
        journals: Journals | None = None,
    ) -> None:
        self._path = path
        self._report: Report = report or (lambda _: None)
        self._journals = journals
        # By their places: a file that is compressed meanwhile stays the same part.
        self._cursors: dict[Place, _Cursor] = {}

    def begin(self, last: int) -> list[StepRecord]:
        """
        Go to the end of the files.

        Args:
            last: How many steps to return.

        Returns:
            The last steps, in the order of finishing.
        """
        found = by_process(find_parts(self._path))
        return merge_last([self._begin(parts, last) for parts in found], last)

    def _begin(self, parts: list[Path], last: int) -> list[StepRecord]:
        steps: list[StepRecord] = []
        is_settled = False
        for path in reversed(parts):
            cursor = self._cursor(path)
            if path is not parts[-1] and len(steps) >= last and is_settled:
                cursor.end()
                continue
            steps[:0] = cursor.begin(last - len(steps))
            is_settled = is_settled or cursor.settle(self._journals)
        self._end_earlier()
        return steps

    def advance(self) -> Iterator[StepRecord]:
        """Yield the steps that came since the last look."""
        # First what is open, then what has finished: a step that is in neither would
        # be lost, one that is in both has finished.
        if self._journals is not None:
            self._journals.look(find_journals(self._path))
        for path in find_parts(self._path):
            self._cursor(path)
        for _, cursor in sorted(self._cursors.items()):
            for record in cursor.advance():
                if self._journals is not None:
                    self._journals.finish(record, cursor.path)
                yield record
        self._end_earlier()

    def close(self) -> None:
        """Close the files."""
        for cursor in self._cursors.values():
            cursor.close()

    def _cursor(self, path: Path) -> _Cursor:
        place = place_of(path)
        if place not in self._cursors:
            self._cursors[place] = _Cursor(path, self._report)
        return self._cursors[place]

    def _end_earlier(self) -> None:
        # Of each process the last two parts stay open: who was about to write to the
        # one when the other began has done so by the time that a third begins.
        last = dict(sorted(self._cursors))
        for (pid, number), cursor in self._cursors.items():
            if number < last[pid] - 1:
                cursor.end()


def merge_last(files: Iterable[list[StepRecord]], n: int) -> list[StepRecord]:
    """
    Merge the last steps of a session's files.

    Args:
        files: The steps of each file, in its order, which is kept: clocks, which can
            be set back, decide between files only.
        n: How many to keep.

    Returns:
        The last of all, in the order of finishing.
    """
    merged = list(heapq.merge(*files, key=_finished))
    return merged[max(0, len(merged) - max(n, 0)) :]


class _Cursor:
    # A place in one growing file. The file is held open, so that what was written
    # just before it was replaced is still read.

    def __init__(self, path: Path, report: Report) -> None:
        self.path = path
        self._report = report
        self._ended = False
        self._header = header_from_name(path)
        self._file: BinaryIO | None = None
        self._offset = 0
        self._looked_at = -1

    def begin(self, last: int) -> list[StepRecord]:
        file = self._opened()
        if file is None:
            return []
        stated = first_header(file) or journal_head(self.path)
        self._header = stated or self._header
        steps, self._offset, problems = read_last(file, last, self._header, whole=True)
        for problem in problems:
            self._report(problem)
        return steps

    def settle(self, journals: Journals | None) -> bool:
        if journals is None or self._file is None:
            return True
        return journals.settle(self.path, self._file)

    def end(self) -> None:
        """Look at it no more: nothing is written to it any longer."""
        self._ended = True
        self.close()

    def advance(self) -> Iterator[StepRecord]:
        file = None if self._ended else self._opened()
        if file is None:
            return
        yield from self._new_steps(file)
        if self._replaced(file):
            self.close()
            file = self._opened()
            if file is not None:
                yield from self._new_steps(file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._offset, self._looked_at = None, 0, -1

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            try:
                self._file = open_anywhere(self.path)
            except TraceReadError as exc:
                # Asking again whether it is there would ask about another moment.
                if not isinstance(exc.__context__, FileNotFoundError):
                    raise
        return self._file

    def _replaced(self, file: BinaryIO) -> bool:
        # One that is compressed is finished, and what is read is a copy.
        if self.path.name.endswith(PACKINGS):
            return False
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        return not os.path.samestat(now, os.fstat(file.fileno()))

    def _new_steps(self, file: BinaryIO) -> Iterator[StepRecord]:
        size = os.fstat(file.fileno()).st_size
        if size < self._offset:
            self._offset = 0
        if size == self._looked_at:
            return
        self._looked_at = size
        for line in read_lines(file, self._offset):
            if not line.ended and line.size <= LINE_LIMIT:
                return
            if line.offset == 0 or HEADER_MARK in line.data:
                self._header = header_of(line.data) or self._header
            self._offset += line.size
            if line.data.isspace():
                continue
            for _, item in decode_all(line, self._header):
                if isinstance(item, StepRecord):
                    yield item
                else:
                    self._report(Problem(f"offset {line.offset}", item))


def _finished(record: StepRecord) -> float:
    return record.started_at if record.finished_at is None else record.finished_at
