"""
Finding sessions: which ones a directory holds, and which one a person means.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, Union

from ai_trace import _journal
from ai_trace._files import (
    SUFFIX,
    find_journals,
    find_parts,
    header_from_name,
    is_session_stem,
    journal_head,
    read_head,
    split_journal_name,
    split_name,
)
from ai_trace._record import SessionHeader
from ai_trace.exceptions import TraceReadError


Trace = Union[str, "os.PathLike[str]", "SessionInfo"]
PathLike = Union[str, "os.PathLike[str]"]
LATEST = "latest"
_LISTED = 5


class SessionInfo(NamedTuple):
    """
    What is known of a session from the beginning of its file alone.

    Attributes:
        path: The session's file (the first of them, after a fork).
        header: Who recorded it; from the file's name when the file does not say.
        size: Bytes, of all its files.
        stem: File name without ``.jsonl``.
        modified: Epoch seconds of the last write, to its journals too.
        parts: All files of the session: one, and one more for each forked child.
        problem: Why the file could not be read, as a sentence, or ``None``.
        journals: The journals of open steps, one for each process that has one.
    """

    path: Path
    header: SessionHeader
    size: int
    stem: str
    modified: float
    parts: tuple[Path, ...] = ()
    problem: str | None = None
    journals: tuple[Path, ...] = ()


def parts_of(trace: Trace) -> list[Path]:
    """
    Return the files of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it, which spares another look
            at the directory.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.parts or (trace.path,))
    return find_parts(Path(trace))


def journals_of(trace: Trace) -> list[Path]:
    """
    Return the journals of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.journals)
    return find_journals(Path(trace))


def find(directory: PathLike) -> list[SessionInfo]:
    """
    List the sessions in a trace directory, newest first.

    Args:
        directory: The trace directory; files that are no traces are left out.

    Returns:
        One entry a session.

    Raises:
        TraceReadError: If the directory does not exist or cannot be listed.
    """
    parts: dict[str, dict[int, os.DirEntry[str]]] = {}
    journals: dict[str, set[tuple[int, str]]] = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                split = split_name(entry.name)
                journal = split_journal_name(entry.name)
                if split is not None and _may_be_file(entry):
                    parts.setdefault(split[0], {})[split[1]] = entry
                elif journal is not None:
                    journals.setdefault(journal[0], set()).add(journal[1:])
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        msg = (
            f"The trace directory {os.fspath(directory)} cannot be listed: {reason}. "
            "Give another one, or run an agent that writes there."
        )
        raise TraceReadError(msg) from exc
    found = [
        _info(stem, group, sorted(journals.get(stem, ())))
        for stem, group in parts.items()
    ]
    return sorted(
        (info for info in found if info is not None), key=_newest, reverse=True
    )


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
    if session not in (None, "", LATEST) and os.path.isfile(session):
        return _trace_of(Path(session))
    infos = find(directory)
    if not infos:
        msg = (
            f"There are no sessions in {os.fspath(directory)}. "
            "Run an agent with a tracer, or give another directory."
        )
        raise TraceReadError(msg)
    if session in (None, "", LATEST):
        return infos[0].path
    return _match(infos, session, directory).path


def _trace_of(path: Path) -> Path:
    # Who names the journal means the session.
    if split_journal_name(path.name) is None:
        return path
    trace = path.with_suffix(SUFFIX)
    return trace if trace.is_file() else path


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # Who looks at it is told why it cannot be read.
        return True


def _info(
    stem: str, group: dict[int, os.DirEntry[str]], journals: list[tuple[int, str]]
) -> SessionInfo | None:
    paths = [Path(group[pid].path) for pid in sorted(group)]
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
        head = read_head(paths[0])
    except TraceReadError as exc:
        problem = problem or str(exc)
    if head is None and problem is None and not is_session_stem(stem):
        return None
    opened = tuple(paths[0].with_name(name) for _, name in journals)
    if head is None and opened:
        head = journal_head(paths[0])
    return SessionInfo(
        path=paths[0],
        header=head or header_from_name(paths[0]),
        size=sum(sizes),
        stem=stem,
        modified=max([0.0, *written, *map(_modified, opened)]),
        parts=tuple(paths),
        problem=problem,
        journals=opened,
    )


def _modified(journal: Path) -> float:
    times = [0.0]
    for suffix in _journal.SUFFIXES:
        try:
            times.append(journal.with_suffix(suffix).stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _newest(info: SessionInfo) -> tuple[str, float, str]:
    # The name's time first: it is there for damaged files too.
    named = header_from_name(info.path).session_id or info.header.session_id
    return named[:15], info.header.started_at, info.stem


def _match(infos: list[SessionInfo], wanted: str, directory: PathLike) -> SessionInfo:
    name = os.path.basename(wanted)
    stem = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name
    exact = [info for info in infos if stem in (info.stem, info.header.session_id)]
    near = exact or [info for info in infos if stem and stem in info.stem]
    if len(near) == 1:
        return near[0]
    if near:
        msg = (
            f"{wanted!r} fits {len(near)} sessions: {_listed(near)}. "
            "Give more of the name."
        )
        raise TraceReadError(msg)
    import difflib

    msg = f"There is no session {wanted!r} in {os.fspath(directory)}."
    names = [info.stem for info in infos]
    ids = {info.header.session_id: info.stem for info in reversed(infos)}
    close = difflib.get_close_matches(stem, [*names, *ids], n=1, cutoff=0.5)
    if close:
        msg += f" Did you mean {ids.get(close[0], close[0])}?"
    else:
        msg += f" The newest are {_listed(infos)}."
    raise TraceReadError(msg)


def _listed(infos: list[SessionInfo]) -> str:
    names = [info.stem for info in infos[:_LISTED]]
    rest = len(infos) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")
