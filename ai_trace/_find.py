"""
Finding sessions: which ones a directory holds, and which one a person means.

A directory may hold tens of thousands. The names of their files tell most of what is
asked, so a file is opened only when more of its session is needed.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import chain, islice

from ai_trace._files import (
    find_journals,
    find_parts,
    header_from_name,
    journal_head,
    read_head,
    trace_beside,
)
from ai_trace._names import JOURNAL
from ai_trace._parts import id_in, rank, session_stem, split_journal_name, split_name
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded for every look at a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Union

    from ai_trace._parts import Place
    from ai_trace._record import SessionHeader

    PathLike = Union[str, os.PathLike[str]]
    Trace = Union[str, os.PathLike[str], "SessionInfo"]

LATEST = "latest"
_LISTED = 5
_TO_THE_SECOND = len("20240301_143022")


class SessionInfo:
    """
    What is known of a session from the beginning of its file alone.

    Attributes:
        header: Who recorded it; from the file's name when the file does not say.
        size: Bytes, of all its files.
        stem: File name without ``.jsonl``.
        modified: Epoch seconds of the last write, to its journals too.
        problem: Why the file could not be read, as a sentence, or ``None``.
    """

    __slots__ = ("_journals", "_parts", "header", "modified", "problem", "size", "stem")

    def __init__(
        self,
        header: SessionHeader,
        size: int,
        stem: str,
        modified: float,
        parts: tuple[str, ...],
        problem: str | None = None,
        journals: tuple[str, ...] = (),
    ) -> None:
        self.header = header
        self.size = size
        self.stem = stem
        self.modified = modified
        self.problem = problem
        self._parts = parts
        self._journals = journals

    @property
    def files(self) -> tuple[str, ...]:
        """What ``parts`` are, as texts."""
        return self._parts

    @property
    def path(self) -> Path:
        """The session's file (the first of several)."""
        return _paths(self._parts[:1])[0]

    @property
    def parts(self) -> tuple[Path, ...]:
        """All files of the session, in order: those of forked children come last."""
        return _paths(self._parts)

    @property
    def journals(self) -> tuple[Path, ...]:
        """The journals of open steps, one for each process that has one."""
        return _paths(self._journals)

    @property
    def has_journals(self) -> bool:
        """Whether there is any journal of open steps."""
        return bool(self._journals)

    def __repr__(self) -> str:
        """Name the session's file."""
        return f"<SessionInfo {self._parts[0]}>"


def _paths(names: Iterable[str]) -> tuple[Path, ...]:
    from pathlib import Path

    return tuple(map(Path, names))


def parts_of(trace: Trace) -> list[Path]:
    """
    Return the files of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it, which spares another look
            at the directory.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.parts)
    return find_parts(*_paths([os.fspath(trace)]))


def journals_of(trace: Trace) -> list[Path]:
    """
    Return the journals of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.journals)
    return find_journals(*_paths([os.fspath(trace)]))


class Directory:
    """
    The sessions of a directory, newest first, each looked at when it is come to.

    Args:
        path: The trace directory; files that are no traces are left out.

    Attributes:
        ids: How many sessions have which id, by the names of their files.

    Raises:
        TraceReadError: If the directory does not exist or cannot be listed.
    """

    def __init__(self, path: PathLike) -> None:
        self._parts: dict[str, dict[Place, os.DirEntry[str]]] = {}
        self._journals: dict[str, set[tuple[int, str]]] = {}
        self._scan(path)
        # A name that no tracer gives may be that of anything: one has to look.
        self._odd: dict[str, SessionInfo] = {}
        by_second: dict[str, list[str]] = {}
        self.ids: Counter[str] = Counter()
        for stem in self._parts:
            session_id = id_in(stem)
            if not session_id:
                info = self._look(stem)
                if info is None:
                    continue
                self._odd[stem] = info
                session_id = info.header.session_id
            self.ids[session_id] += 1
            by_second.setdefault(session_id[:_TO_THE_SECOND], []).append(stem)
        self._by_second = by_second

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return sum(map(len, self._by_second.values()))

    def __iter__(self) -> Iterator[SessionInfo]:
        """Look at one session after the other, the newest first."""
        for second in sorted(self._by_second, reverse=True):
            stems = self._by_second[second]
            found = [info for info in map(self.look, stems) if info is not None]
            found.sort(key=lambda info: (info.header.started_at, info.stem))
            yield from reversed(found)

    @property
    def stems(self) -> list[str]:
        """The names of the sessions, the newest first, by the second."""
        seconds = sorted(self._by_second.items(), reverse=True)
        return list(chain.from_iterable(sorted(s, reverse=True) for _, s in seconds))

    def look(self, stem: str) -> SessionInfo | None:
        """
        Look at one session.

        Args:
            stem: Its name.

        Returns:
            What is known of it; ``None`` if it is gone, or no session after all.
        """
        return self._odd.get(stem) or self._look(stem)

    def _scan(self, path: PathLike) -> None:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._add(entry)
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or exc
            msg = (
                f"The trace directory {os.fspath(path)} cannot be listed: {reason}. "
                "Give another one, or run an agent that writes there."
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
        directory: The trace directory; files that are no traces are left out.
        limit: How many at most; no others are opened. ``None`` is all.

    Returns:
        One entry a session.

    Raises:
        TraceReadError: If the directory does not exist or cannot be listed.
    """
    return list(islice(Directory(directory), limit))


def resolve(directory: PathLike, session: str | None = None) -> Path:
    """
    Find the file of a session that a person named.

    Args:
        directory: The trace directory.
        session: A path, a file name, a session id, a unique part of a file name, or
            ``latest``; ``None`` is the latest.

    Returns:
        The session's file.

    Raises:
        TraceReadError: If nothing or more than one session matches; the message
            names the nearest ones.
    """
    wanted = None if session in ("", LATEST) else session
    if wanted is not None and os.path.isfile(wanted):
        return trace_beside(*_paths([wanted]))
    try:
        found = Directory(directory)
    except TraceReadError as exc:
        if wanted is None:
            raise
        msg = _is_directory(wanted) or f"There is no file {wanted!r}. {exc}"
        raise TraceReadError(msg) from exc
    newest = next(iter(found), None)
    if newest is None:
        msg = (
            f"There are no sessions in {os.fspath(directory)}. "
            "Run an agent with a tracer, or give another directory."
        )
        raise TraceReadError(msg)
    if wanted is None:
        return newest.path
    return _match(found, wanted, directory).path


def _is_directory(session: str) -> str:
    is_one = os.path.isdir(session)
    return f"{session!r} is a directory: name it with --dir." if is_one else ""


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # Who looks at it is told why it cannot be read.
        return True


def _info(
    stem: str, group: dict[Place, os.DirEntry[str]], journals: list[tuple[int, str]]
) -> SessionInfo | None:
    parts = tuple(group[place].path for place in sorted(group))
    problem, head = None, None
    sizes, written = [], []
    for entry in group.values():
        try:
            status = entry.stat()
        except FileNotFoundError:
            # It went a moment ago; if it was the only one, so did the session.
            continue
        except OSError as exc:
            problem = f"{entry.path} cannot be read: {exc.strerror or exc}."
            continue
        sizes.append(status.st_size)
        written.append(status.st_mtime)
    if not sizes and problem is None:
        return None
    try:
        head = read_head(parts[0])
    except TraceReadError as exc:
        problem = problem or str(exc)
    if head is None and problem is None and not id_in(stem):
        return None
    directory = os.path.dirname(parts[0])
    opened = tuple(os.path.join(directory, name) for _, name in journals)
    if head is None and opened:
        head = journal_head(parts[0])
    return SessionInfo(
        header=head or header_from_name(parts[0]),
        size=sum(sizes),
        stem=stem,
        modified=max([0.0, *written, *map(_modified, opened)]),
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
        except OSError:
            continue
    return max(times)


def _match(found: Directory, wanted: str, directory: PathLike) -> SessionInfo:
    name = os.path.basename(wanted)
    stem = session_stem(name) or name
    stems = found.stems
    exact = [each for each in stems if stem in (each, id_in(each))]
    # Who gives a path means that file, and not another with a part of its name.
    whole = not stem or os.path.dirname(wanted)
    near = exact or [each for each in stems if not whole and stem in each]
    if len(near) > 1:
        raise _ambiguous(wanted, near)
    info = found.look(near[0]) if near else None
    return info or _match_header(found, stem, wanted, directory)


def _match_header(
    found: Directory, stem: str, wanted: str, directory: PathLike
) -> SessionInfo:
    # A file that somebody gave another name has kept the id of its session.
    infos = list(found)
    near = [info for info in infos if info.header.session_id == stem]
    if len(near) == 1:
        return near[0]
    if near:
        raise _ambiguous(wanted, [info.stem for info in near])
    if _is_directory(wanted):
        raise TraceReadError(_is_directory(wanted))
    import difflib

    msg = f"There is no session {wanted!r} in {os.fspath(directory)}."
    names = [info.stem for info in infos]
    ids = {info.header.session_id: info.stem for info in reversed(infos)}
    close = difflib.get_close_matches(stem, [*names, *ids], n=1, cutoff=0.5)
    if close:
        msg += f" Did you mean {ids.get(close[0], close[0])}?"
    else:
        msg += f" The newest are {_listed(names)}."
    raise TraceReadError(msg)


def _ambiguous(wanted: str, names: list[str]) -> TraceReadError:
    fits = f"{wanted!r} fits {len(names)} sessions: {_listed(names)}"
    return TraceReadError(f"{fits}. Give more of the name.")


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
