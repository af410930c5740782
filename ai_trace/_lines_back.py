r"""
The lines of trace files, read from their end.

A file may hold gigabytes of nothing, and compressed it may be small. So blank lines are
skipped together, and the search through damaged lines ends somewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from ai_trace._lines import LINE_LIMIT, Line, decode_all, hole_before
from ai_trace._problem import Problem, not_listed
from ai_trace._record import SessionHeader, StepRecord


_BLOCK = 64 * 1024
# From the newline of a line to that of the last blank one behind it.
_BLANK_LINES = re.compile(rb"\n\s*\n")
# How many are read before the search ends, unless more steps than that were found; and
# how many are named.
_DAMAGED_LINES = 100_000
_NAMED_LINES = 999
# The same for steps that are not wanted: decoding them takes a few seconds.
_OTHER_STEPS = 100_000

Choice = Callable[[StepRecord], bool]


def read_lines_back(file: BinaryIO, end: int) -> Iterator[Line]:
    """
    Read lines from an offset to the beginning of the file.

    Args:
        file: The open file.
        end: Where the last line to be read ends.

    Yields:
        The lines, the last one first; some of the blank ones are left out.
    """
    pieces: list[bytes] = []
    start = end
    while start > 0:
        size = min(_BLOCK, start)
        start -= size
        file.seek(start)
        block = file.read(size)
        if len(block) < size:
            return
        stop, blanks = size, _blank_lines(block)
        while True:
            if not pieces and blanks and blanks[-1][1] == stop:
                stop = blanks.pop()[0] + 1
                end = start + stop
            # The last byte of a line is its own newline, not that of the one before.
            cut = block.rfind(b"\n", 0, stop if pieces else stop - 1)
            if cut < 0:
                break
            pieces.append(block[cut + 1 : stop])
            stop = cut + 1
            yield _join(start + stop, end, pieces)
            end = start + stop
            pieces = []
        pieces.append(block[:stop])
        if end - start > LINE_LIMIT:
            del pieces[1:]
            if not block.strip(b"\0"):
                start = hole_before(file, start)
    if end > 0:
        yield _join(0, end, pieces)


def _blank_lines(block: bytes) -> list[tuple[int, int]]:
    # The position of each newline that blank lines follow, and where these end.
    if not block.isspace():
        return [found.span() for found in _BLANK_LINES.finditer(block)]
    first, last = block.find(b"\n"), block.rfind(b"\n")
    return [(first, last + 1)] if first < last else []


def _join(offset: int, end: int, pieces: Sequence[bytes]) -> Line:
    size = end - offset
    data = b"".join(reversed(pieces)) if size <= LINE_LIMIT else b""
    return Line(offset, size, data, pieces[0].endswith(b"\n"))


def read_last(
    file: BinaryIO,
    n: int,
    header: SessionHeader,
    *,
    whole: bool = False,
    only: Choice | None = None,
) -> tuple[list[StepRecord], int, list[Problem]]:
    """
    Read the last steps of a file from its end.

    Args:
        file: The open file.
        n: How many steps; damaged lines between them are skipped, unless there are
            too many.
        header: The session that the file belongs to.
        whole: Whether a last line without its newline is left out.
        only: Tells which steps are wanted; they are looked for among the last hundred
            thousand.

    Returns:
        The steps in the order of the file, where its last whole line ends, and what
        is wrong with the damaged lines.
    """
    search = _Search(header, only)
    size = resume = os.fstat(file.fileno()).st_size
    for line in read_lines_back(file, size):
        if not line.ended:
            resume = line.offset
            if whole:
                continue
        if len(search.steps) >= n:
            break
        if line.data.isspace():
            continue
        if search.gives_up(line):
            break
        search.add(line)
    problems = [*search.problems(), *_end_of_packed(file, size)]
    return search.steps[:n][::-1], resume, problems


class _Search:
    # What was found on the way from the end of a file; the last comes first.

    def __init__(self, header: SessionHeader, only: Choice | None) -> None:
        self._header = header
        self._only = only
        self.steps: list[StepRecord] = []
        self._problems: list[Problem] = []
        self._end: list[Problem] = []
        self._damaged = self._unlisted = self._others = 0

    def gives_up(self, line: Line) -> bool:
        if self._damaged >= max(_DAMAGED_LINES, len(self.steps)):
            self._end = [_given_up(line, self._damaged, "damaged lines")]
        elif self._others >= _OTHER_STEPS:
            self._end = [_given_up(line, self._others, "other steps")]
        return bool(self._end)

    def add(self, line: Line) -> None:
        found = [item for _, item in decode_all(line, self._header)]
        here = [item for item in reversed(found) if isinstance(item, StepRecord)]
        self._damaged += not here
        chosen = here if self._only is None else list(filter(self._only, here))
        self._others += len(here) - len(chosen)
        self.steps += chosen
        if len(here) < len(found):
            self._add_problems(line, [one for one in found if isinstance(one, str)])

    def _add_problems(self, line: Line, wrong: Sequence[str]) -> None:
        # Only those nearest to the end are named.
        room = _NAMED_LINES - len(self._problems)
        self._problems += [Problem(f"offset {line.offset}", it) for it in wrong[:room]]
        self._unlisted += len(wrong[room:])

    def problems(self) -> list[Problem]:
        more = [not_listed(self._unlisted)] if self._unlisted else []
        return [*self._end, *more, *reversed(self._problems)]


def _end_of_packed(file: BinaryIO, end: int) -> list[Problem]:
    problem = getattr(file, "problem", "")
    return [Problem(f"offset {end}", problem, "file")] if problem else []


def _given_up(line: Line, count: int, things: str) -> Problem:
    what = (
        f"{count} {things} come after this place; what comes before it is "
        "not looked at."
    )
    return Problem(f"offset {line.offset + line.size}", what)
