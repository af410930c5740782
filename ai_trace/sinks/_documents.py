"""
Documents written when the tracer closes: the session as JSON or Markdown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ai_trace._record import SessionHeader, StepRecord
from ai_trace.exceptions import TraceError
from ai_trace.sinks import _files


if TYPE_CHECKING:
    from ai_trace._tree import Session


class _DocumentSink:
    """
    Collects the records of a session and writes one document at its end.
    """

    traces_nothing = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = self._first = _files.path_of(type(self).__name__, path)
        with _files.needed(self.path, "Give the path of a file."):
            _files.make_directory(self.path.parent)
            _files.check_document(self.path)
        self._records: list[StepRecord] = []

    def on_finish(self, record: StepRecord) -> None:
        """
        Keep the record until the session ends.

        Raises:
            TraceError: If it is of another session than the first, under whose header
                it would stand; the tracer counts that.
        """
        if self._records and record.header != self._records[0].header:
            msg = (
                f"{str(self.path)!r} is the document of one session; a step of another "
                f"is not in it. Give each tracer a {type(self).__name__} of its own."
            )
            raise TraceError(msg)
        self._records.append(record)

    def after_fork(self) -> None:
        """Leave the parent's document and records: the child has a file beside it."""
        name = f"{self._first.stem}.p{os.getpid()}{self._first.suffix}"
        self.path = self._first.with_name(name)
        self._records = []

    def close(self) -> None:
        """
        Write the document.

        Raises:
            OSError: If it cannot be written; the tracer counts that.
        """
        if self._records:
            from ai_trace._tree import fold

            header = self._records[0].header or SessionHeader("", "")
            _files.write_atomically(
                self.path, self._render(fold(self._records, header))
            )

    def _render(self, session: Session) -> Iterator[str]:
        raise NotImplementedError


class JSONSink(_DocumentSink):
    """
    Writes the session as one JSON document when the tracer closes.

    The records are kept in memory until then. For a session that may be long, or
    die, use ``JSONLSink`` and ``Tracer.save()``. A forked child writes a document of
    its own steps beside it, ``<stem>.p<pid>.json``.

    A document holds one session, so each tracer needs a sink of its own: steps of
    another session are left out, and counted in ``Tracer.health()``.

    Args:
        path: The file; it is replaced as a whole, never left half written.

    Raises:
        TraceConfigError: If the directory cannot be used.
    """

    def _render(self, session: Session) -> Iterator[str]:
        from ai_trace.render import json

        return json.session(session, saved_at=time.time())


class MarkdownSink(_DocumentSink):
    """
    Writes the session as a Markdown report when the tracer closes.

    The records are kept in memory until then. For a session that may be long, or
    die, use ``JSONLSink`` and ``Tracer.save_markdown()``. A forked child writes a
    document of its own steps beside it, ``<stem>.p<pid>.md``.

    A document holds one session, so each tracer needs a sink of its own: steps of
    another session are left out, and counted in ``Tracer.health()``.

    Args:
        path: The file; it is replaced as a whole, never left half written.

    Raises:
        TraceConfigError: If the directory cannot be used.
    """

    def _render(self, session: Session) -> Iterator[str]:
        from ai_trace.render import markdown

        return markdown.session(session)
