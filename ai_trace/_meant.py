"""
The session that somebody means by a path, a name, an id, an agent, or a part of these.
"""

from __future__ import annotations

import os

from ai_trace._files import header_from_name, trace_beside
from ai_trace._find import Directory, no_sessions
from ai_trace._interruption import interrupts
from ai_trace._lines import decode, open_file, read_lines
from ai_trace._names import DOCUMENTS, SUFFIX
from ai_trace._parts import id_in, session_stem
from ai_trace._record import StepRecord
from ai_trace._session_info import SessionInfo, paths
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from ai_trace._find import PathLike

LATEST = "latest"
_LISTED = 5
# Comparing a name with those of ten thousand sessions would take seconds.
_LIKELY = 500
_MORE = "Give more of the name, or an agent's whole name for its newest session."
_WHOLE = "Give the whole name of one."


def resolve(directory: PathLike, session: str | None = None) -> Path:
    """
    Find the file of a session by what somebody calls it.

    Args:
        directory: The trace directory.
        session: A path, a file name, a session id, the name of an agent for its
            newest session, a part of these that is unique, or ``latest``; ``None``
            is the latest.

    Returns:
        The session's file.

    Raises:
        TraceReadError: If no session or more than one matches; the message names the
            nearest ones.
    """
    wanted = None if session in ("", LATEST) else session
    named = None if wanted is None else _file_named(directory, wanted)
    if named is not None:
        return _no_document(trace_beside(*paths([named])))
    try:
        found = Directory(directory)
    except TraceReadError as exc:
        if wanted is None:
            raise
        if os.path.lexists(wanted) and not _is_directory(wanted):
            _refuse(wanted)
        msg = _is_directory(wanted) or f"There is no file {wanted!r}. {exc}"
        raise TraceReadError(msg) from exc
    newest = next(iter(found), None)
    if newest is None:
        raise _document_alone(directory, wanted) or no_sessions(directory)
    if wanted is None:
        return newest.path
    return _match(found, wanted, directory).path


def _file_named(directory: PathLike, wanted: str) -> str | None:
    # A path, or the name of a document: documents are not listed among the sessions.
    if os.path.isfile(wanted):
        return wanted
    document = os.path.join(directory, wanted)
    return document if wanted in _documents(directory, wanted) else None


def _documents(directory: PathLike, part: str) -> list[str]:
    """List the documents in a directory that have a part in their names."""
    try:
        names = sorted(os.listdir(directory))
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return []
    return [name for name in names if part in name and name.endswith(DOCUMENTS)]


def _no_document(path: Path) -> Path:
    if path.suffix not in DOCUMENTS:
        return path
    # It may be a trace that somebody gave such a name.
    with open_file(path) as file:
        for line in read_lines(file):
            if isinstance(decode(line, header_from_name(path)), StepRecord):
                return path
            break
    raise _without_trace(path)


def _document_alone(directory: PathLike, part: str | None) -> TraceReadError | None:
    for name in _documents(directory, part) if part else ():
        return _without_trace(*paths([os.path.join(directory, name)]))
    return None


def _without_trace(document: Path) -> TraceReadError:
    trace = document.with_suffix(SUFFIX).name
    return TraceReadError(
        f"{document} is a document made of a session. ai-trace reads the session "
        f"itself, {trace}, which is not beside it."
    )


def _refuse(path: str) -> None:
    if os.path.islink(path) and not os.path.exists(path):
        msg = f"{path} cannot be read: it is a broken link."
        raise TraceReadError(msg)
    open_file(path).close()


def _is_directory(session: str) -> str:
    is_one = os.path.isdir(session)
    return f"{session!r} is a directory: name it with --dir." if is_one else ""


def _match(found: Directory, wanted: str, directory: PathLike) -> SessionInfo:
    name = os.path.basename(wanted)
    stem = session_stem(name) or name
    stems = found.stems
    exact = [each for each in stems if stem in (each, id_in(each))]
    if len(exact) > 1:
        # They have the same id, whatever their agents.
        names = [info.stem for info in found.of_one_second(exact)]
        raise _ambiguous(wanted, names, _WHOLE)
    info = found.look(exact[0]) if exact else next(found.of_agent(wanted), None)
    if info is not None:
        return info
    # A path means that very file, not another one with a similar name.
    whole = not stem or os.path.dirname(wanted)
    near = [each for each in stems if not whole and stem in each]
    if len(near) > 1:
        raise _ambiguous(wanted, near, _MORE)
    info = found.look(near[0]) if near else None
    return info or _match_header(found, stem, wanted, directory)


def _match_header(
    found: Directory, stem: str, wanted: str, directory: PathLike
) -> SessionInfo:
    # A file that was renamed still holds the id of its session.
    infos = list(found)
    near = [info for info in infos if info.header.session_id == stem]
    if len(near) > 1:
        raise _ambiguous(wanted, [info.stem for info in near], _WHOLE)
    # File names hold only the plain letters of an agent's name.
    near = near or [info for info in infos if info.header.agent == wanted][:1]
    if not near and not os.path.dirname(wanted):
        near = [info for info in infos if wanted in info.header.agent]
    if len(near) > 1:
        raise _ambiguous(wanted, [info.stem for info in near], _MORE)
    if near:
        return near[0]
    raise _no_match(infos, stem, wanted, directory)


def _no_match(
    infos: list[SessionInfo], stem: str, wanted: str, directory: PathLike
) -> TraceReadError:
    if _is_directory(wanted):
        return TraceReadError(_is_directory(wanted))
    if os.path.lexists(wanted):
        # It exists but is not a file: a pipe, a device, or a link to nothing.
        _refuse(wanted)
    document = _document_alone(directory, wanted)
    return document or TraceReadError(_no_session(infos, stem, wanted, directory))


def _no_session(
    infos: list[SessionInfo], stem: str, wanted: str, directory: PathLike
) -> str:
    # Loaded only after a mistake.
    import difflib

    msg = f"There is no session {wanted!r} in {os.fspath(directory)}."
    names = [info.stem for info in infos]
    newest = infos[:_LIKELY]
    ids = {info.header.session_id: info.stem for info in reversed(newest)}
    agents = {info.header.agent: info.stem for info in reversed(newest)}
    called = {**agents, **ids}
    known = [*names[:_LIKELY], *called]
    close = difflib.get_close_matches(stem, known, n=1, cutoff=0.5)
    if close:
        return f"{msg} Did you mean {called.get(close[0], close[0])}?"
    return f"{msg} The newest are {_listed(names)}."


def _ambiguous(wanted: str, names: list[str], way_out: str) -> TraceReadError:
    fits = f"{wanted!r} fits {len(names)} sessions, newest first: {_listed(names)}"
    return TraceReadError(f"{fits}. {way_out}")


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
