"""
Reading traces back: which sessions there are, and what is in them.

Everything here streams and treats the files as hostile: a damaged line is reported
and the rest is read. Nothing here needs a tracer.

What steps recorded is untrusted: it is text of users, models and tools. Show it and
measure it, but do not run or obey it, and mark it as data when you hand it to a model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai_trace._files import (
    find_journals,
    first_header,
    header_from_name,
    header_of_session,
    journal_head,
)
from ai_trace._find import find
from ai_trace._follow import Follower, merge_last
from ai_trace._glance import Glance
from ai_trace._line_store import LineStore
from ai_trace._lines import open_anywhere
from ai_trace._lines_back import read_last
from ai_trace._meant import LATEST, resolve
from ai_trace._open_steps import Journals
from ai_trace._parts import by_process, place_of
from ai_trace._problem import in_file
from ai_trace._record import StepRecord
from ai_trace._session_info import SessionInfo, journals_of, parts_of
from ai_trace._skipped import began_before
from ai_trace._tree import Problem, Said, Session, Writer
from ai_trace._unfolding import Unfolding, whole
from ai_trace._walk import Walk, worth_a_look


if TYPE_CHECKING:
    from ai_trace._session_info import Trace


__all__ = [
    "LATEST",
    "Problem",
    "Said",
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

# Of a session of so many bytes, the first steps are shown before the rest is read: to
# read a smaller one takes less than half a second.
_UNFOLDED = 16 * 1024 * 1024


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
    journals = Journals(journals_of(path))
    walk = Walk(parts, journals)
    session = whole(walk, header_of_session(parts), parts, LineStore(parts))
    session.writers = journals.writers()
    return session


def unfold(path: Trace) -> Unfolding | None:
    """
    Read a session from the beginning of its tree, if that is worth the effort.

    Args:
        path: Any file of the session, or what ``find`` said of it.

    Returns:
        The session; ``None`` if it is small, was not closed or is still being written,
        is compressed, was written by several processes, or does not say when it began.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    parts = parts_of(path)
    if any(place_of(part)[0] for part in parts):
        return None
    walk = Walk(parts, None)
    # The size of a compressed file is not known.
    if not _UNFOLDED <= walk.size < sys.maxsize or journals_of(path):
        return None
    header = header_of_session(parts)
    is_dated = bool(header.version and header.started_at)
    return Unfolding(walk, header, parts) if is_dated else None


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
    return Walk(parts_of(path), Journals(journals_of(path))).records()


def batches(
    path: Trace, since: float | None = None
) -> Iterator[Sequence[Glance | Problem]]:
    """
    Do what ``records`` does, without decoding the steps in full: enough to count.

    Args:
        path: Any file of the session, or what ``find`` said of it.
        since: Epoch seconds: steps that started earlier are not wanted. Some of them
            are yielded all the same, others are skipped unread.

    Returns:
        An iterator over lists, of what each step says at a glance and a problem for
        each damaged line.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    walk = Walk(parts_of(path), Journals(journals_of(path)))
    skip = None if since is None else began_before(since)
    return walk.batches(worth_a_look(walk.size), skip)


def tail(
    path: Trace,
    n: int,
    *,
    on_problem: Callable[[Problem], None] | None = None,
    only: Callable[[StepRecord], bool] | None = None,
) -> list[StepRecord]:
    """
    Return the last steps of a session, in the order of their finishing.

    All that have not finished follow, as ``running`` or ``unfinished``, in the order of
    their start.

    Reads from the end: the cost does not depend on the size of the file.

    Args:
        path: Any file of the session, or what ``find`` said of it.
        n: How many finished steps.
        on_problem: Called for each damaged line among them or after them.
        only: Tells which steps to return. They are looked for among the last hundred
            thousand of each file; if the search ends there, a problem says so.

    Returns:
        The steps, fewer where the session has fewer.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    journals = Journals(journals_of(path))
    parts = parts_of(path)
    named = len(parts) > 1

    def report(part: Path, problem: Problem) -> None:
        if on_problem is not None:
            on_problem(in_file(problem, part.name) if named else problem)

    tails = [_last_of(each, n, journals, report, only) for each in by_process(parts)]
    return merge_last(tails, n) + list(filter(only, journals.records()))


def _last_of(
    parts: Sequence[Path],
    n: int,
    journals: Journals,
    report: Callable[[Path, Problem], None],
    only: Callable[[StepRecord], bool] | None,
) -> list[StepRecord]:
    """Read the last finished steps of one process; they are no longer open."""
    steps: list[StepRecord] = []
    is_settled = False
    for part in reversed(parts):
        with open_anywhere(part) as file:
            header = first_header(file) or journal_head(part) or header_from_name(part)
            last, _, problems = read_last(file, n - len(steps), header, only=only)
            steps[:0] = last
            is_settled = is_settled or journals.settle(part, file)
        for problem in problems:
            report(part, problem)
        if len(steps) >= n and is_settled:
            break
    return steps


def follow(
    path: Trace,
    *,
    last: int = 0,
    poll: float = 0.2,
    stop: Callable[[], bool] | None = None,
    on_problem: Callable[[Problem], None] | None = None,
    on_open: Callable[[Sequence[StepRecord], Sequence[Writer]], None] | None = None,
    only: Callable[[StepRecord], bool] | None = None,
) -> Iterator[StepRecord]:
    """
    Yield the steps of a session as they finish; this never ends by itself.

    The file need not be there yet, and a line is read only when it is whole. Files of
    forked children are followed from their beginning. If a file is cut short or
    replaced by another one, that is a problem, unless what was read is still there.
    Of the steps in it, those are skipped that are among the last few thousand yielded.

    Args:
        path: The session's file, or what ``find`` said of it.
        last: How many of the steps already there to yield first.
        poll: Seconds between two looks at the files.
        stop: Called before each look; once it returns true, the steps that are there
            by then are still yielded, and the iterator ends.
        on_problem: Called for each damaged line, and for each file that was cut short
            or replaced.
        on_open: Called after each look with the steps that have not finished, and with
            the processes that write the session, or that died writing it.
        only: Tells which steps to yield. Those already there are looked for among the
            last hundred thousand.

    Yields:
        The steps, in the order of finishing.

    Raises:
        TraceReadError: If the file is there and cannot be read.
    """
    file = path.path if isinstance(path, SessionInfo) else Path(path)
    journals = None if on_open is None else Journals(find_journals(file))
    follower = Follower(file, on_problem, journals)
    try:
        yield from follower.begin(last, only)
        while True:
            ending = stop is not None and stop()
            yield from filter(only, follower.advance())
            if on_open is not None and journals is not None:
                on_open(list(journals.records()), journals.writers())
            if ending:
                return
            time.sleep(poll)
    finally:
        follower.close()
