"""
One session of a directory, before it is read.
"""

from __future__ import annotations

import os

from ai_trace._files import (
    find_journals,
    find_parts,
    header_from_name,
    journal_head,
    stated_header,
)
from ai_trace._parts import id_in
from ai_trace.exceptions import TraceReadError


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Union

    from ai_trace._header import SessionHeader

    Trace = Union[str, os.PathLike[str], "SessionInfo"]


class SessionInfo:
    """
    What is known of a session without reading it.

    Attributes:
        size: Bytes of all its trace files.
        stem: File name without ``.jsonl``.
        modified: Epoch seconds of the last write, including to its journals.
    """

    __slots__ = (
        "_head",
        "_is_stated",
        "_journals",
        "_parts",
        "_problem",
        "modified",
        "size",
        "stem",
    )

    def __init__(
        self,
        size: int,
        stem: str,
        modified: float,
        parts: tuple[str, ...],
        problem: str | None = None,
        journals: tuple[str, ...] = (),
    ) -> None:
        self._head: SessionHeader | None = None
        self._is_stated = False
        self.size = size
        self.stem = stem
        self.modified = modified
        self._problem = problem
        self._parts = parts
        self._journals = journals

    @property
    def header(self) -> SessionHeader:
        """Who recorded it; taken from the file's name if the file does not say."""
        return self._look()

    def _look(self) -> SessionHeader:
        # The file is opened only when this is needed: most callers read it anyway.
        if self._head is None:
            stated = self._stated()
            self._is_stated = stated is not None
            self._head = stated or header_from_name(self._parts[0])
        return self._head

    def _stated(self) -> SessionHeader | None:
        try:
            return stated_header(self._parts)
        except TraceReadError as exc:
            self._problem = self._problem or str(exc)
        return journal_head(self._parts[0]) if self._journals else None

    @property
    def is_stated(self) -> bool:
        """Whether the file, its journal or its name says which session it is."""
        self._look()
        return self._is_stated or bool(self._problem or id_in(self.stem))

    @property
    def problem(self) -> str | None:
        """Why the file could not be read, as a sentence, or ``None``."""
        self._look()
        return self._problem

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of ``parts`` as strings."""
        return self._parts

    @property
    def path(self) -> Path:
        """The session's file, the first if there are several."""
        return paths(self._parts[:1])[0]

    @property
    def parts(self) -> tuple[Path, ...]:
        """All files of the session, in order: those of forked children come last."""
        return paths(self._parts)

    @property
    def journals(self) -> tuple[Path, ...]:
        """The journals of open steps, one for each process that has one."""
        return paths(self._journals)

    @property
    def has_journals(self) -> bool:
        """Whether there is any journal of open steps."""
        return bool(self._journals)

    def __repr__(self) -> str:
        """Name the session's file."""
        return f"<SessionInfo {self._parts[0]}>"


def paths(names: Iterable[str]) -> tuple[Path, ...]:
    """Return names as paths; pathlib is loaded only when they are needed."""
    from pathlib import Path

    return tuple(map(Path, names))


def parts_of(trace: Trace) -> list[Path]:
    """
    Return the files of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it, which saves listing the
            directory again.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.parts)
    return find_parts(*paths([os.fspath(trace)]))


def journals_of(trace: Trace) -> list[Path]:
    """
    Return the journals of a session.

    Args:
        trace: Any file of it; or what ``find`` said of it.
    """
    if isinstance(trace, SessionInfo):
        return list(trace.journals)
    return find_journals(*paths([os.fspath(trace)]))
