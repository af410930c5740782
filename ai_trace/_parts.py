"""
The parts of a session: what the names of its files say, and how they are ordered.

A session has a file for each process that wrote it. Where one grew too long, there are
several, which are read as one.
"""

from __future__ import annotations

import os
import re
from functools import cache

from ai_trace._names import JOURNAL, SUFFIX, SUFFIXES


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    AnyPath = str | os.PathLike[str]
    # The process id of a forked child, 0 for the first process; then the number of
    # the part, from 1.
    Place = tuple[int, int]

FIRST: Place = (0, 1)
"""The place of the file that a session begins with."""

# A child of a child may have the ids of both.
_PART = (
    r"(?P<stem>.+?)(?:(?:\.p\d{1,10})*\.p(?P<pid>\d{1,10}))?"
    r"(?:\.part(?P<part>[2-9]|[1-9]\d{1,8}))?"
)
_ID = r"\d{8}_\d{6}(?:_\d{1,9})?"
TO_THE_SECOND = len("20240301_143022")
"""So much of a session id is when it began."""
_STEM = re.compile(rf"(?P<agent>.+)_(?P<id>{_ID})", re.ASCII | re.DOTALL)
_LISTED = 5


def split_name(name: str) -> tuple[str, Place] | None:
    """
    Take apart the name of a session's file.

    Args:
        name: A file name.

    Returns:
        The session's stem, and the place of the file in it: the process id of a forked
        child, 0 for the first process, and the number of the part. ``None`` if the name
        is not that of a session's file.
    """
    stem = trace_stem(name)
    if not stem:
        return None
    part = _part_pattern().fullmatch(stem) if ".p" in stem else None
    if part is None:
        return stem, FIRST
    return part["stem"], (int(part["pid"] or 0), int(part["part"] or 1))


@cache
def _part_pattern() -> re.Pattern[str]:
    # Compiled late: most directories have no such names.
    return re.compile(_PART, re.ASCII | re.DOTALL)


def trace_stem(name: str) -> str | None:
    """
    Take the suffix off the name of a trace file, compressed or not.

    Args:
        name: A file name.

    Returns:
        The part before the suffix; ``None`` if it has no such suffix.
    """
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return None


def split_journal_name(name: str) -> tuple[str, int, str] | None:
    """
    Take apart the name of a file of a journal.

    Args:
        name: A file name.

    Returns:
        The session's stem, the process id of a forked child, 0 for the session's
        first process, and the name of the journal's first file; ``None`` if the name
        is not that of a journal. All parts of a process have one journal.
    """
    for suffix in JOURNAL:
        if not name.endswith(suffix):
            continue
        stem = name[: -len(suffix)]
        split = split_name(stem + SUFFIX)
        if split is not None and split[1][1] == 1:
            return split[0], split[1][0], stem + JOURNAL[0]
    return None


def session_stem(name: str) -> str | None:
    """
    Return the session that a file belongs to, by its name.

    Args:
        name: The name of a trace file or of a journal.

    Returns:
        The stem; ``None`` for the name of anything else.
    """
    split = split_name(name) or split_journal_name(name)
    return None if split is None else split[0]


def rank(name: str) -> int:
    """Rank the file of a part: if it has several, the lowest is read."""
    return next((n for n, suffix in enumerate(SUFFIXES) if name.endswith(suffix)), -1)


def agent_and_id(stem: str) -> tuple[str, str]:
    """Return agent and session id from a tracer's file name; empty for other names."""
    match = _STEM.fullmatch(stem)
    return (match["agent"], match["id"]) if match else ("", "")


def id_in(stem: str) -> str:
    """Return the session id from a tracer's file name; empty for other names."""
    match = _STEM.fullmatch(stem)
    return match["id"] if match else ""


def is_id(text: str) -> bool:
    """Tell whether a text has the form of a session id."""
    return bool(re.fullmatch(_ID, text, re.ASCII))


def journal_files(part: AnyPath) -> list[str]:
    """Return the paths that the files of a trace file's journal have, if it has one."""
    directory, name = os.path.split(part)
    stem = trace_stem(name) or os.path.splitext(name)[0]
    split = split_name(stem + SUFFIX)
    if split is not None and split[1][1] > 1:
        stem = stem[: stem.rindex(".part")]
    return [os.path.join(directory, stem + suffix) for suffix in JOURNAL]


def place_of(part: AnyPath) -> Place:
    """Return the place of a file in its session, by its name."""
    split = split_name(os.path.basename(part))
    return FIRST if split is None else split[1]


def by_process(parts: Iterable[Path]) -> list[list[Path]]:
    """
    Group the files of a session by the process that wrote them.

    Args:
        parts: The files of a session.

    Returns:
        The files of each process, in the order in which they were written.
    """
    processes: dict[int, list[Path]] = {}
    for part in sorted(parts, key=place_of):
        processes.setdefault(place_of(part)[0], []).append(part)
    return list(processes.values())


def missing(parts: Sequence[AnyPath]) -> list[tuple[str, str]]:
    """
    Tell which parts of a session are not there, though later ones are.

    Args:
        parts: The files of the session that are there.

    Returns:
        For each process that lacks any, the name of its last part, and a sentence that
        says what is missing.
    """
    there: dict[int, dict[int, str]] = {}
    for part in parts:
        pid, number = place_of(part)
        there.setdefault(pid, {})[number] = os.path.basename(part)
    found = []
    for numbers in there.values():
        last = max(numbers)
        if len(numbers) < last:
            found.append((numbers[last], _missing(numbers, last)))
    return found


def _missing(numbers: Iterable[int], last: int) -> str:
    gaps: list[str] = []
    before = 0
    for number in sorted(numbers):
        if number > before + 2:
            gaps.append(f"{before + 1} to {number - 1}")
        elif number > before + 1:
            gaps.append(str(before + 1))
        before = number
    listed = ", ".join(gaps[:_LISTED]) + (" and others" if gaps[_LISTED:] else "")
    is_one = len(gaps) == 1 and " " not in gaps[0]
    which, verb = ("Part", "is") if is_one else ("Parts", "are")
    return f"{which} {listed} of {last} {verb} missing; what stood there is not shown."
