"""
Which sessions a directory holds.

There may be tens of thousands. The names of their files tell most of what is needed, so
a file is opened only if they do not.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from itertools import chain, islice

from ai_trace._files import start_of
from ai_trace._interruption import interrupts
from ai_trace._names import JOURNAL
from ai_trace._parts import (
    TO_THE_SECOND,
    agent_and_id,
    id_in,
    is_id,
    rank,
    split_journal_name,
    split_name,
)
from ai_trace._session_info import SessionInfo
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Union

    from ai_trace._parts import Place

    PathLike = Union[str, os.PathLike[str]]

_NEXT = (
    "Name another directory, on the command line with --dir, or record a first session "
    "with 'ai-trace demo'."
)


class Directory:
    """
    The sessions of a directory, newest first; each is looked at when it is its turn.

    Args:
        path: The trace directory; files that are not traces are left out.

    Attributes:
        ids: How many sessions have each id, by the names of their files.

    Raises:
        TraceReadError: If the directory does not exist or cannot be listed.
    """

    def __init__(self, path: PathLike) -> None:
        self._parts: dict[str, dict[Place, os.DirEntry[str]]] = {}
        self._journals: dict[str, set[tuple[int, str]]] = {}
        self._scan(path)
        # A file with a name that no tracer gives may be anything: it has to be opened.
        self._odd: dict[str, SessionInfo] = {}
        by_second: dict[str, list[str]] = {}
        ids: list[str] = []
        for stem in self._parts:
            session_id = second = id_in(stem)
            if not session_id:
                info = self._look(stem)
                if info is None or not info.is_stated:
                    continue
                self._odd[stem] = info
                session_id, second = info.header.session_id, _second(info)
            ids.append(session_id)
            by_second.setdefault(second[:TO_THE_SECOND], []).append(stem)
        self.ids = Counter(ids)
        self._by_second = by_second

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return sum(map(len, self._by_second.values()))

    def __iter__(self) -> Iterator[SessionInfo]:
        """Yield the sessions, the newest first."""
        return self._newest_first(self._by_second)

    def of_agent(self, agent: str) -> Iterator[SessionInfo]:
        """
        Yield the sessions of one agent, the newest first.

        Args:
            agent: Its name, as it is written in file names.
        """
        seconds = {
            second: [stem for stem in stems if self._agent(stem) == agent]
            for second, stems in self._by_second.items()
        }
        return self._newest_first(seconds)

    def of_one_second(self, stems: Iterable[str]) -> list[SessionInfo]:
        """
        Return sessions that began in the same second, the newest first.

        Args:
            stems: Their names.
        """
        found = [info for info in map(self.look, stems) if info is not None]
        if len(found) > 1:
            # The stems differ.
            found.sort(key=lambda i: (i.header.started_at, i.stem), reverse=True)
        return found

    @property
    def stems(self) -> list[str]:
        """The names of the sessions, the newest first, as far as names tell."""
        seconds = sorted(self._by_second.items(), reverse=True)
        inside = (sorted(s, key=_numbered, reverse=True) for _, s in seconds)
        return list(chain.from_iterable(inside))

    def look(self, stem: str) -> SessionInfo | None:
        """
        Look at one session.

        Args:
            stem: Its name.

        Returns:
            What is known of it; ``None`` if it is gone, or not a session after all.
        """
        return self._odd.get(stem) or self._look(stem)

    def _newest_first(
        self, by_second: Mapping[str, list[str]]
    ) -> Iterator[SessionInfo]:
        # No generator: what interrupts the end of one that is dropped is not raised.
        stems = map(by_second.__getitem__, sorted(by_second, reverse=True))
        return chain.from_iterable(map(self.of_one_second, stems))

    def _agent(self, stem: str) -> str:
        odd = self._odd.get(stem)
        return agent_and_id(stem)[0] if odd is None else odd.header.agent

    def _scan(self, path: PathLike) -> None:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._add(entry)
        except (OSError, ValueError) as exc:
            if interrupts(exc):
                raise
            reason = getattr(exc, "strerror", None) or exc
            msg = (
                f"The trace directory {os.fspath(path)} cannot be listed: {reason}. "
                f"{_NEXT}"
            )
            raise TraceReadError(msg) from exc

    def _add(self, entry: os.DirEntry[str]) -> None:
        split = split_name(entry.name)
        if split is not None and _may_be_file(entry):
            stem, place = split
            parts = self._parts.setdefault(stem, {})
            if place not in parts or rank(entry.name) < rank(parts[place].name):
                parts[place] = entry
            return
        journal = split_journal_name(entry.name)
        if journal is not None:
            self._journals.setdefault(journal[0], set()).add(journal[1:])

    def _look(self, stem: str) -> SessionInfo | None:
        return _info(stem, self._parts[stem], sorted(self._journals.get(stem, ())))


def find(directory: PathLike, limit: int | None = None) -> list[SessionInfo]:
    """
    List the sessions in a trace directory, newest first.

    Args:
        directory: The trace directory; files that are not traces are left out.
        limit: How many at most; others are not opened. ``None`` is all.

    Returns:
        An entry for each session.

    Raises:
        ValueError: If the limit is below 0.
        TraceReadError: If the directory does not exist or cannot be listed.
    """
    if limit is not None and limit < 0:
        msg = f"find(limit={limit!r}): limit is 0 or more, or None for all sessions."
        raise ValueError(msg)
    most = None if limit is None else min(limit, sys.maxsize)
    return list(islice(Directory(directory), most))


def no_sessions(directory: PathLike) -> TraceReadError:
    """
    Return an error that says that a directory holds no session, and what to do.

    Args:
        directory: The trace directory.

    Returns:
        What to raise.
    """
    return TraceReadError(f"There are no sessions in {os.fspath(directory)}. {_NEXT}")


def _numbered(stem: str) -> tuple[int, str, str]:
    # The second session of one second ends in _2: the tenth comes after the ninth.
    session_id = id_in(stem)
    return len(session_id), session_id, stem


def _second(info: SessionInfo) -> str:
    # What a file says of its start may be any number, but it cannot have begun after it
    # was last written.
    import time

    header = info.header
    began = header.started_at
    if not began and is_id(header.session_id):
        began = start_of(header.session_id)
    moment = time.gmtime(max(0.0, min(began, info.modified)))
    return time.strftime("%Y%m%d_%H%M%S", moment)


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError as exc:
        if interrupts(exc):
            raise
        # It is listed, so that whoever reads it learns what is wrong.
        return True


def _info(
    stem: str, group: dict[Place, os.DirEntry[str]], journals: list[tuple[int, str]]
) -> SessionInfo | None:
    parts = tuple([group[place].path for place in sorted(group)])
    problem = None
    size, modified, is_there = 0, 0.0, False
    for entry in group.values():
        try:
            status = entry.stat()
        except FileNotFoundError:
            # It was deleted a moment ago; if it was the only one, so was the session.
            continue
        except OSError as exc:
            if interrupts(exc):
                raise
            problem = f"{entry.path} cannot be read: {exc.strerror or exc}."
            continue
        is_there = True
        size += status.st_size
        modified = max(modified, status.st_mtime)
    if not is_there and problem is None:
        return None
    opened: tuple[str, ...] = ()
    if journals:
        directory = os.path.dirname(parts[0])
        opened = tuple(os.path.join(directory, name) for _, name in journals)
        modified = max(modified, *map(_modified, opened))
    return SessionInfo(
        size=size,
        stem=stem,
        modified=modified,
        parts=parts,
        problem=problem,
        journals=opened,
    )


def _modified(journal: str) -> float:
    stem = journal[: -len(JOURNAL[0])]
    times = [0.0]
    for suffix in JOURNAL:
        try:
            times.append(os.stat(stem + suffix).st_mtime)
        except OSError as exc:
            if interrupts(exc):
                raise
            continue
    return max(times)
