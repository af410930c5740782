"""
Reading traces back: which sessions there are, and what is in them.

Everything here streams and treats the files as hostile: a damaged line is named
and the rest is read. Nothing here needs a tracer.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ai_trace._files import (
    HEAD_LINES,
    HEADER_MARK,
    find_journals,
    first_header,
    header_for,
    header_from_name,
    header_of,
    journal_head,
)
from ai_trace._find import (
    LATEST,
    PathLike,
    SessionInfo,
    Trace,
    find,
    journals_of,
    parts_of,
    resolve,
)
from ai_trace._follow import Follower, merge_last
from ai_trace._lines import (
    LINE_LIMIT,
    Line,
    LineStore,
    decode_all,
    open_file,
    read_last,
    read_lines,
)
from ai_trace._open_steps import Journals
from ai_trace._record import FORMAT, SessionHeader, StepRecord
from ai_trace._tree import Problem, Session, Writer, fold
from ai_trace.exceptions import TraceReadError


__all__ = [
    "LATEST",
    "Problem",
    "Session",
    "SessionInfo",
    "StepRecord",
    "Writer",
    "find",
    "follow",
    "read",
    "records",
    "resolve",
    "tail",
]


def read(path: Trace) -> Session:
    """
    Read a session, with the files of its forked children.

    A session that is still written is read as it is now. Steps that have started and
    not finished are ``running`` while their process lives, else ``unfinished``:
    ``Session.writers`` tells of the processes.

    The session keeps an index of the files in memory, not their contents, and loads
    a step when it is looked at.

    Args:
        path: Any file of the session, or what ``find`` said of it.

    Returns:
        The session.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    parts = parts_of(path)
    store = LineStore(parts)
    problems: list[Problem] = []
    journals = Journals(journals_of(path))
    sizes = _sizes(parts)
    header = header_for(parts[0], LINE_LIMIT)

    def steps() -> Iterator[StepRecord]:
        for part, line, item in _items(parts, sizes, journals):
            if isinstance(item, Problem):
                problems.append(item)
                continue
            if line is None:
                store.keep(item)
            else:
                store.add(part, line, item.header or header)
            yield item

    session = fold(steps(), header, path=parts[0], problems=problems, load=store.load)
    session.writers = journals.writers()
    return session


def records(path: Trace) -> Iterator[StepRecord | Problem]:
    """
    Read the steps of a session one by one, as they finished, in constant memory.

    Those that have not finished come last, as ``running`` or ``unfinished``.

    Args:
        path: Any file of the session, or what ``find`` said of it.

    Returns:
        An iterator over a record for each step and a problem for each damaged line.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    parts = parts_of(path)
    journals = Journals(journals_of(path))
    return (item for _, _, item in _items(parts, _sizes(parts), journals))


def tail(path: Trace, n: int) -> list[StepRecord]:
    """
    Return the last steps of a session, in the order of their finishing.

    Those that have not finished follow in the order of their start, as ``running`` or
    ``unfinished``, all of them.

    Reads from the end: the cost does not depend on the size of the file.

    Args:
        path: Any file of the session, or what ``find`` said of it.
        n: How many steps that have finished.

    Returns:
        The steps, fewer where the session has fewer.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    journals = Journals(journals_of(path))
    tails = []
    for part in parts_of(path):
        with open_file(part) as file:
            header = first_header(file) or journal_head(part) or header_from_name(part)
            tails.append(read_last(file, n, header)[0])
            journals.settle(part, file)
    return merge_last(tails, n) + list(journals.records())


def follow(
    path: PathLike,
    *,
    last: int = 0,
    poll: float = 0.2,
    stop: Callable[[], bool] | None = None,
    on_problem: Callable[[Problem], None] | None = None,
    on_open: Callable[[Sequence[StepRecord], Sequence[Writer]], None] | None = None,
) -> Iterator[StepRecord]:
    """
    Yield the steps of a session as they finish, for ever.

    The file need not be there yet, may be cut short or replaced, and a line is read
    only when it is whole. Files of forked children are followed from their beginning.

    Args:
        path: The session's file.
        last: How many of the steps already there to yield first.
        poll: Seconds between two looks at the files.
        stop: Asked before each look; once it returns true, what is there by then is
            still yielded, and the iterator ends.
        on_problem: Called for each damaged line.
        on_open: Called after each look with the steps that have not finished then,
            and with the processes that write the session, or died while they did.

    Yields:
        The steps, in the order of finishing.

    Raises:
        TraceReadError: If the file is there and cannot be read.
    """
    journals = None if on_open is None else Journals(find_journals(Path(path)))
    follower = Follower(Path(path), on_problem, journals)
    try:
        yield from follower.begin(last)
        while True:
            ending = stop is not None and stop()
            yield from follower.advance()
            if on_open is not None and journals is not None:
                on_open(list(journals.records()), journals.writers())
            if ending:
                return
            time.sleep(poll)
    finally:
        follower.close()


def _sizes(parts: list[Path]) -> list[int]:
    # Taken once the journals are read, so that both tell of one moment: a step that
    # starts and finishes later is in neither.
    sizes = []
    for part in parts:
        try:
            sizes.append(os.stat(part).st_size)
        except (OSError, ValueError):
            sizes.append(sys.maxsize)
    return sizes


def _items(
    parts: list[Path], sizes: list[int], journals: Journals
) -> Iterator[tuple[int, Line | None, StepRecord | Problem]]:
    for number, (path, size) in enumerate(zip(parts, sizes)):
        prefix = f"{path.name}, " if len(parts) > 1 else ""
        try:
            for line, item in _read_part(path, size, prefix):
                if isinstance(item, StepRecord):
                    journals.finish(item, path)
                yield number, line, item
        except TraceReadError as exc:
            if number == 0:
                raise
            yield number, None, Problem(path.name, str(exc), "file")
    for record in journals.records():
        yield 0, None, record
    for problem in journals.problems():
        yield 0, None, problem


def _read_part(
    path: Path, size: int, prefix: str
) -> Iterator[tuple[Line, StepRecord | Problem]]:
    named = header = journal_head(path) or header_from_name(path)
    with open_file(path) as file:
        for count, line in enumerate(read_lines(file), 1):
            if line.offset >= size:
                return
            where = f"{prefix}line {count}, offset {line.offset}"
            if count <= HEAD_LINES or HEADER_MARK in line.data:
                stated = header_of(line.data)
                for doubt in _doubts(
                    where, stated, None if header is named else header
                ):
                    yield line, doubt
                if stated is not None and header is named:
                    header = stated
            if line.data.isspace():
                continue
            for piece, item in decode_all(line, header):
                if isinstance(item, str):
                    kind = "damaged" if line.ended else "torn"
                    yield line, Problem(where, item, kind)
                    continue
                header = item.header or header
                yield piece, item
                if piece is line and not line.ended:
                    what = "The last line lacks its newline; it is read all the same."
                    yield line, Problem(where, what, "odd")


def _doubts(
    where: str, stated: SessionHeader | None, first: SessionHeader | None
) -> Iterator[Problem]:
    if stated is None:
        return
    if stated.format > FORMAT:
        what = (
            f"It is written by a newer ai_trace (format {stated.format}, this is "
            f"{FORMAT}); what is unknown here is kept as it is."
        )
        yield Problem(where, what, "newer")
    if first is not None and stated.session_id != first.session_id:
        what = "Another session begins in this file; all its steps are in this tree."
        yield Problem(where, what, "odd")
