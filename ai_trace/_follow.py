"""
Following the files of a session while they are written.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ai_trace._files import (
    HEADER_MARK,
    find_journals,
    find_parts,
    first_header,
    header_from_name,
    header_of,
    journal_head,
)
from ai_trace._interruption import interrupts
from ai_trace._lines import (
    LINE_LIMIT,
    Line,
    decode_all,
    open_anywhere,
    read_lines,
)
from ai_trace._lines_back import Choice, read_last, read_lines_back
from ai_trace._names import PACKINGS
from ai_trace._open_steps import Journals
from ai_trace._parts import by_process, place_of
from ai_trace._problem import in_file
from ai_trace._record import StepRecord
from ai_trace._tree import Problem
from ai_trace.exceptions import TraceReadError


if TYPE_CHECKING:
    from ai_trace._parts import Place

    _Ids = deque[str]

Report = Callable[[Problem], None]

# How many lines and steps of a file are remembered, and by how many of its bytes a line
# is: enough to include the id of its step.
_REMEMBERED = 4_096
_COMPARED = 4_096
# Of lines before the first yielded step, fewer are remembered: they may be large.
_REMEMBERED_AT_FIRST = 100


class Follower:
    """
    All files of one session, those of forked children included as they appear.

    Args:
        path: The session's file; it need not be there yet.
        report: Called for each damaged line.
        journals: Keeps track of its open steps, if that is wanted.
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
        # By place, not path: a file that is compressed meanwhile is still the same
        # part.
        self._cursors: dict[Place, _Cursor] = {}
        self._ids: _Ids = deque(maxlen=_REMEMBERED)

    def begin(self, last: int, only: Choice | None = None) -> list[StepRecord]:
        """
        Go to the end of the files.

        Args:
            last: How many steps to return.
            only: Tells which ones.

        Returns:
            The last steps, in the order of finishing.
        """
        found = by_process(find_parts(self._path))
        return merge_last([self._begin(parts, last, only) for parts in found], last)

    def _begin(
        self, parts: list[Path], last: int, only: Choice | None
    ) -> list[StepRecord]:
        steps: list[StepRecord] = []
        is_settled = False
        for path in reversed(parts):
            cursor = self._cursor(path)
            if path is not parts[-1] and len(steps) >= last and is_settled:
                cursor.end()
                continue
            steps[:0] = cursor.begin(last - len(steps), only)
            is_settled = is_settled or cursor.settle(self._journals)
        self._end_earlier()
        return steps

    def advance(self) -> Iterator[StepRecord]:
        """Yield the steps that came since the last look."""
        # First open steps, then finished ones: a step that is found as both has
        # finished, but the other way round it could be found as neither.
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
            self._cursors[place] = _Cursor(path, self._report, _Memory(self._ids))
        return self._cursors[place]

    def _end_earlier(self) -> None:
        # The last two parts of each process stay open: a thread that was about to write
        # to one when the next began has done so by the time that a third begins.
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
    # A position in one growing file. The file stays open, so that what was written just
    # before it was replaced can still be read.

    def __init__(self, path: Path, report: Report, memory: _Memory) -> None:
        self.path = path
        self._tell = report
        self._memory = memory
        self._ended = False
        self._header = header_from_name(path)
        self._file: BinaryIO | None = None
        self._offset = 0
        self._looked_at = -1

    def begin(self, last: int, only: Choice | None) -> list[StepRecord]:
        file = self._opened()
        if file is None:
            return []
        stated = first_header(file) or journal_head(self.path)
        self._header = stated or self._header
        steps, self._offset, problems = read_last(
            file, last, self._header, whole=True, only=only
        )
        self._memory.begin(file, self._offset, steps)
        for problem in problems:
            self._report(problem)
        return steps

    def _report(self, problem: Problem) -> None:
        # Always with the name of the file: another one may begin at any moment.
        self._tell(in_file(problem, self.path.name))

    def settle(self, journals: Journals | None) -> bool:
        if journals is None or self._file is None:
            return True
        return journals.settle(self.path, self._file)

    def end(self) -> None:
        """Stop reading it: nothing more will be written to it."""
        self._ended = True
        self._memory.forget()
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
        self._file, self._looked_at = None, -1

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            try:
                self._file = open_anywhere(self.path)
            except TraceReadError as exc:
                # To ask now whether it exists would be to ask about another moment.
                if not isinstance(exc.__context__, FileNotFoundError):
                    raise
        return self._file

    def _replaced(self, file: BinaryIO) -> bool:
        # A compressed file is finished, and what is read is a copy of its content.
        if self.path.name.endswith(PACKINGS):
            return False
        try:
            now = os.stat(self.path)
        except OSError as exc:
            if interrupts(exc):
                raise
            return False
        return not os.path.samestat(now, os.fstat(file.fileno()))

    def _new_steps(self, file: BinaryIO) -> Iterator[StepRecord]:
        size = os.fstat(file.fileno()).st_size
        if size == self._looked_at:
            return
        self._looked_at = size
        self._find_place(file, size)
        for line in read_lines(file, self._offset):
            if not line.ended and line.size <= LINE_LIMIT:
                return
            if line.offset == 0 or HEADER_MARK in line.data:
                self._header = header_of(line.data) or self._header
            self._offset += line.size
            if line.data.isspace():
                continue
            self._memory.add_line(line)
            for _, item in decode_all(line, self._header):
                if not isinstance(item, StepRecord):
                    self._report(Problem(f"offset {line.offset}", item))
                elif self._memory.is_new(item):
                    yield item

    def _find_place(self, file: BinaryIO, size: int) -> None:
        # Whatever was done to the file, even if a copy has taken its place, no step is
        # yielded twice.
        end = self._memory.end_in(file, size)
        if end is not None and self._offset <= size:
            return
        if end is None:
            what = (
                "It was replaced or cut short, so it is read from its beginning. Steps "
                "that were read before are skipped, if they are among the last "
                f"{_REMEMBERED}."
            )
        else:
            what = "It was cut short: the end of what was read is no longer in it."
        self._report(Problem(f"offset {end or 0}", what, "odd"))
        self._memory.go_back()
        self._offset = end or 0


class _Memory:
    # What was read last: where the lines of this file are, to find the position again;
    # and the steps of all files of the session, to skip them in another file, since a
    # tracer whose file is gone writes them again.

    def __init__(self, ids: _Ids) -> None:
        self._lines: deque[_Line] = deque(maxlen=_REMEMBERED)
        self._ids = ids
        self._known = frozenset(ids)

    def begin(self, file: BinaryIO, end: int, steps: Sequence[StepRecord]) -> None:
        self._ids.extend(step.id for step in steps)
        count = min(max(len(steps), _REMEMBERED_AT_FIRST), _REMEMBERED)
        for line in reversed(list(islice(read_lines_back(file, end), count))):
            self.add_line(line)

    def add_line(self, line: Line) -> None:
        if line.data:
            end, begins = line.offset + line.size, line.data[:_COMPARED]
            self._lines.append(_Line(line.offset, end, len(begins), hash(begins)))

    def is_new(self, step: StepRecord) -> bool:
        self._ids.append(step.id)
        return not step.id or step.id not in self._known

    def end_in(self, file: BinaryIO, size: int) -> int | None:
        """Return where the last remembered line ends that is still in the file."""
        if not self._lines:
            return 0
        while self._lines and self._lines[-1].end > size:
            self._lines.pop()
        if self._lines:
            last = self._lines[-1]
            # By way of the end: otherwise the buffer may answer with what it read
            # earlier.
            file.seek(0, os.SEEK_END)
            file.seek(last.offset)
            if hash(file.read(last.length)) == last.begins:
                return last.end
        self._lines.clear()
        return None

    def forget(self) -> None:
        self._lines.clear()
        self._known = frozenset()

    def go_back(self) -> None:
        """From now on, skip the steps that were read before."""
        self._known = frozenset(self._ids)


class _Line(NamedTuple):
    # Where a line is, and the hash of its first bytes.
    offset: int
    end: int
    length: int
    begins: int


def _finished(record: StepRecord) -> float:
    return record.started_at if record.finished_at is None else record.finished_at
