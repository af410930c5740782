"""
All files of a session, one after another: their steps, and what is wrong.
"""

from __future__ import annotations

import os
from functools import partial

from ai_trace._file_walk import BATCH, FileWalk, size_of
from ai_trace._parts import missing, place_of
from ai_trace._problem import Problem
from ai_trace._record import StepRecord
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ai_trace._file_walk import Batch
    from ai_trace._glance import Glance, Look
    from ai_trace._open_steps import Journals
    from ai_trace._record import SessionHeader
    from ai_trace._skipped import Skip

    Found = tuple[int, Batch]

# Getting ready to look at lines takes a while, so fewer bytes are simply decoded.
WORTH_A_LOOK = 128 * 1024
NOWHERE = -1
"""The offset of what has no line."""


def worth_a_look(size: int) -> Look | None:
    """
    Return what looks at lines, if that is worth it.

    Args:
        size: How many bytes are going to be read, in all sessions together.

    Returns:
        ``None`` if there are so few that decoding them is faster.
    """
    if size < WORTH_A_LOOK:
        return None
    from ai_trace._glance import glancer

    return glancer()


class Walk:
    """
    The lines of a session's files, and then what only its journals hold.

    Args:
        parts: The files.
        journals: The journals, already read; ``None`` if there are none.
    """

    def __init__(self, parts: Sequence[str | Path], journals: Journals | None) -> None:
        self._parts = parts
        self._journals = journals
        # Taken right after the journals were read, so that both are of one moment: a
        # step that starts and finishes later is in neither. Without journals, they are
        # taken when they are first needed, or else each file is read to its end.
        self._sizes = None if journals is None else self._measured()

    def _measured(self) -> list[int]:
        return [size_of(part) for part in self._parts]

    @property
    def size(self) -> int:
        """How many bytes are read; where unknown, more than any file has."""
        if self._sizes is None:
            self._sizes = self._measured()
        return sum(self._sizes)

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

    def batches(
        self, look: Look | None, skip: Skip | None = None
    ) -> Iterator[Sequence[Glance | Problem]]:
        """
        Do what ``records`` does, and decode no more of each line than has to be.

        Args:
            look: What looks at lines; without it they are decoded.
            skip: What skips blocks of lines, as for ``places``.

        Returns:
            An iterator over lists of what steps say at a glance, and what is wrong.
        """
        return (items for _, (_, _, items) in self._found(look, skip))

    def places(self, skip: Skip | None = None, block: int = BATCH) -> Iterator[Found]:
        """
        Tell where the steps are.

        Args:
            skip: Asked about each block of lines, before it is split or decoded, how
                many of them are skipped: all, or 0.
            block: About how many bytes a block has.

        Yields:
            The index of a file, and where some of its lines begin, their sizes, and
            what each says at a glance. What has no line is at ``NOWHERE``.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        return self._found(worth_a_look(self.size), skip, block)

    def between(self, number: int, begin: int, end: int) -> Iterator[Batch]:
        """
        Tell what is in a part of a file; its header does not matter.

        Args:
            number: The index of the file.
            begin: Where a line begins.
            end: Where one ends.

        Returns:
            What ``places`` yields of it.

        Raises:
            TraceReadError: If the file cannot be read.
        """
        part = FileWalk(self._parts[number], False, worth_a_look(self.size), None)
        return part.batches(end, begin)

    def _found(
        self, look: Look | None, skip: Skip | None = None, block: int = BATCH
    ) -> Iterator[Found]:
        several = len(self._parts) > 1
        for name, what in missing(self._parts) if several else ():
            yield 0, _nowhere(Problem(name, what, "file"))
        headers: dict[int, SessionHeader | None] = {}
        for number, path in enumerate(self._parts):
            pid = place_of(path)[0] if several else 0
            of_file = partial(skip, number) if skip else None
            part = FileWalk(path, several, look, headers.get(pid), of_file, block)
            yield from self._batches(number, part)
            headers[pid] = part.header or headers.get(pid)
        if self._journals:
            for record in self._journals.records():
                yield 0, _nowhere(record)
            for problem in self._journals.problems():
                yield 0, _nowhere(problem)

    def _batches(self, number: int, part: FileWalk) -> Iterator[Found]:
        path, sizes = self._parts[number], self._sizes
        try:
            for batch in part.batches(None if sizes is None else sizes[number]):
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


def _finish(journals: Journals, batch: Batch, path: str | Path) -> None:
    from pathlib import Path

    trace = Path(path)
    for item in batch[2]:
        if not isinstance(item, Problem):
            journals.finish(item, trace)
