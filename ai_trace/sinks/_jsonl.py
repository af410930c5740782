"""
The trace file: one line for each finished step, with the system before we return.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Union

from ai_trace._header import SessionHeader
from ai_trace._interruption import interrupts
from ai_trace._losses import LossError, PartError, cause_of
from ai_trace._record import StepRecord, TraceLineError, encode_line
from ai_trace.sinks import _files, _system
from ai_trace.sinks._append import AppendFile
from ai_trace.sinks._journal import Journal
from ai_trace.sinks._parts import Parts
from ai_trace.sinks._writing import Writing
from ai_trace.typing import Durability, OpenStep


_INTERVAL_SECONDS = 1.0


Finished = Union[OpenStep, StepRecord]
"""What tells the id, the parent and the session that a line belongs to."""


class JSONLSink:
    """
    Appends each finished step to a file, as one line and with one write.

    The line is with the operating system when ``on_finish`` returns: it survives
    the death of the process. Nothing is kept in memory, no flush is ever needed.
    What is lost all the same, because a disk is full, is said in the next line
    that can be written.

    Several tracers may have one sink, one after the other or at the same time. The
    first line of each session then says whose it is; readers show all steps in one
    tree, and say that another session begins.

    Args:
        path: The file; if it exists, the session is appended to it.
        durability: What survives a power loss. ``cache``: what the system has written
            back by then. ``interval``: each root step that has ended, with all that
            ended inside it, and of an open root what ended before the last sync; a
            step that ends syncs when the last sync is a second old. ``step``: every
            step. See the page on reliability.
        journal: Whether steps that have not finished are kept in a journal beside
            the file, so that a reader can tell where a killed process died.
        max_bytes: How large the file may grow before the session goes on in the next
            of several parts, which read as one; by default, without limit. A line is
            never cut: one that is longer has a part to itself.

    Raises:
        TraceConfigError: If the file cannot be written, or is no plain file, or
            another argument is wrong.

    Example:
        >>> sink = JSONLSink("run.jsonl")  # doctest: +SKIP
        >>> Tracer("agent", auto_save=False, sinks=[sink])  # doctest: +SKIP
    """

    traces_nothing = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "cache",
        journal: bool = True,
        max_bytes: int | None = None,
    ) -> None:
        writing = Writing(durability, journal, max_bytes).checked("JSONLSink")
        first = _files.path_of("JSONLSink", path)
        with _files.needed(first, "Give the path of a plain file."):
            self._parts = Parts(first, max_bytes)
            file = self._parts.open()
        self._begin(file, writing)

    @classmethod
    def on_descriptor(cls, path: Path, descriptor: int, writing: Writing) -> JSONLSink:
        """Make a sink for a file that was just created and is open."""
        sink = cls.__new__(cls)
        # First of all: whatever happens now, somebody closes the descriptor.
        file = AppendFile(path, descriptor)
        sink._parts = Parts(path, writing.max_bytes)
        sink._begin(sink._parts.ready(file), writing)
        return sink

    @property
    def path(self) -> Path:
        """The file that is written; a forked child writes its own beside it."""
        return self._parts.path

    def _begin(self, file: AppendFile, writing: Writing) -> None:
        self._file: AppendFile | None = file
        self._durability = writing.durability
        self._syncs = writing.durability != "cache"
        self._synced = time.monotonic()
        self._named = False
        self._lock = threading.RLock()
        self._header: SessionHeader | None = None
        self._lost = 0
        self._cause = ""
        self._notes: list[dict[str, Any]] = []
        # Whether the next line needs more than to be written as it is.
        self._special = True
        self._needs_header = True
        # How many sessions are written here, and which are to say whose they are.
        self._sessions = 0
        self._untold: list[SessionHeader] = []
        self._journal = Journal(self._parts.first) if writing.journal else None
        if self._journal is not None:
            # The journal's own methods: two calls a step less, 0.2 µs.
            self.on_start = self._journal.start
            self.on_log = self._journal.log
            self.on_log_lost = self._journal.lose_log

    def begin(self, header: SessionHeader) -> None:
        """Have the first line of another session say whose it is, by its header."""
        with self._lock:
            self._sessions += 1
            self._untold.append(header)
            self._special = True

    def end(self, header: SessionHeader) -> None:
        """Take note that the session of a header is over; ``close`` follows."""
        with self._lock:
            self._sessions -= 1
            self._untold = [each for each in self._untold if each is not header]

    # -- events --------------------------------------------------------------

    def on_finish(self, record: StepRecord) -> None:
        """
        Append the record's line.

        Args:
            record: Of a step that has finished.

        Raises:
            OSError: If it cannot be written; the tracer counts that.
        """
        self.on_line(record.line, record)

    def on_line(self, line: bytes, step: Finished) -> None:
        """
        Append the line of a step.

        Raises:
            OSError: If it cannot be written; the tracer counts that.
        """
        file = self._file
        try:
            trouble: str | None = "special"
            if (
                file is not None
                and not self._special
                and file.size + len(line) <= file.room
            ):
                try:
                    trouble = file.append_if_sound(line)
                    if trouble is not None:
                        self._recover(trouble)
                except BaseException as exc:
                    trouble = self._despair_of(exc, file, line)
            if trouble is not None:
                self._write_specially(line, step)
        finally:
            if self._journal is not None:
                self._journal.open_steps.pop(step.id, None)
        if self._syncs:
            self._sync(step)

    def _despair_of(self, exc: BaseException, file: AppendFile, line: bytes) -> str:
        """Raise what went wrong with a write, unless the line may be written again."""
        if interrupts(exc):
            file.complete(line)
            raise exc
        if not isinstance(exc, OSError):
            raise exc
        if exc.errno != errno.EBADF:
            self._lose(exc)
            raise exc
        return "being reopened"

    def _lose(self, exc: OSError) -> None:
        with self._lock:
            self._lost += 1
            self._cause = cause_of(exc)
            self._special = True

    # -- lines that say more -------------------------------------------------

    def _write_specially(self, line: bytes, step: Finished) -> None:
        """Write a line that carries the header, or what was lost before it."""
        with self._lock:
            self._header = step.header
            try:
                self._look_before(line)
                self._append_dressed(self._file_for(line), line)
            except OSError as exc:
                if not interrupts(exc):
                    self._lose(exc)
                raise
            trouble, self._parts.trouble = self._parts.trouble, None
            if trouble is not None:
                raise trouble
            if self._journal is not None:
                # It may have been closed when the step was just about to end.
                self._journal.remove_left()

    def _look_before(self, line: bytes) -> None:
        """See what others did to the file; if that is interrupted, write the line."""
        try:
            if self._file is not None:
                self._recover(self._file.look())
        except BaseException as exc:
            if interrupts(exc):
                with suppress(OSError):
                    self._append_dressed(self._file_for(line), line)
            raise

    def _file_for(self, line: bytes) -> AppendFile:
        """Return the file to write to: the next one, if the line is too much."""
        file = self._file
        if file is None:
            file = self._file = self._parts.open()
        if file.size == 0 or file.size + len(line) <= file.room:
            return file
        if self._syncs:
            self._sync_now()
        next_file = self._parts.next_after(file)
        if next_file is None:
            return file
        self._file = next_file
        file.close()
        self._needs_header, self._named = True, False
        return next_file

    def _append_dressed(self, file: AppendFile, line: bytes) -> None:
        header = self._header
        line, lost, notes = self._dressed(line), self._lost, self._notes
        # Before the write: a signal handler that traces in the middle of it must not
        # say these again. The header it does say, since its line may come first.
        self._lost, self._notes = 0, []
        try:
            file.append(line)
        except BaseException as exc:
            if interrupts(exc) or not isinstance(exc, OSError):
                self._end_special(header)
            else:
                self._lost, self._notes = self._lost + lost, notes + self._notes
            raise
        self._end_special(header)

    def _end_special(self, told: SessionHeader | None) -> None:
        self._needs_header = False
        self._untold = [header for header in self._untold if header is not told]
        self._special = bool(self._lost or self._notes or self._untold)

    def _dressed(self, line: bytes) -> bytes:
        notes = list(self._notes)
        if self._lost:
            notes.append({"note": "gap", "lost": self._lost, "error": self._cause})
        if notes:
            data = StepRecord(line).to_dict()
            line = encode_line({**data, "notes": [*data.get("notes", ()), *notes]})
        is_told = all(header is not self._header for header in self._untold)
        if self._header is None or (is_told and not self._needs_header):
            return line
        header = encode_line(self._described(self._header))
        return line[:-2] + b',"session":' + header[:-1] + b"}\n"

    def _described(self, header: SessionHeader) -> dict[str, Any]:
        described = {**header.to_dict(), "durability": self._durability}
        part = {"part": self._parts.number} if self._parts.number > 1 else {}
        return {**described, "pid": os.getpid(), **part}

    def _recover(self, trouble: str | None) -> None:
        """Go on after somebody deleted, renamed, closed or cut the file."""
        with self._lock:
            file = self._file
            if file is None or trouble is None:
                return
            if trouble == "gone" and file.look() != trouble:
                return
            if trouble == "truncated":
                self._special = self._needs_header = True
                self._notes.append({"note": "truncated by another"})
                return
            stranded = file.reopen()
            if stranded is None:
                return
            self._special = True
            file.share()
            self._notes.append({"note": "reopened"})
            self._needs_header = file.size == 0
            self._named = False
            self._write_again(stranded)

    def _write_again(self, stranded: bytes) -> None:
        """Write the lines that went with their file; count those that cannot be."""
        lines = stranded.splitlines(keepends=True)[::-1]
        while lines:
            try:
                record = StepRecord.from_line(lines.pop(), self._header)
                self._write_specially(record.line, record)
            except TraceLineError:
                # Torn by a write that failed, and counted then.
                continue
            except OSError:
                self._lost += len(lines)
                self._special = True
                raise

    # -- durability ----------------------------------------------------------

    def _sync(self, step: Finished) -> None:
        if self._durability == "interval":
            now = time.monotonic()
            if now - self._synced < _INTERVAL_SECONDS and step.parent_id is not None:
                return
            self._synced = now
        self._sync_now()

    def _sync_now(self) -> None:
        file = self._file
        if file is None:
            return
        try:
            file.sync()
            if not self._named:
                _system.sync_directory(self.path.parent)
                self._named = True
        except OSError as exc:
            if interrupts(exc):
                raise
            # After a failed sync the system may have dropped what it could not
            # write and call the next one a success: nothing before is certain.
            with self._lock:
                note = {"note": "durability lost", "error": cause_of(exc)}
                self._notes.append(note)
                self._special = True
            raise PartError(exc, "JSONLSink durability") from exc

    # -- the end -------------------------------------------------------------

    def after_fork(self) -> None:
        """Leave the parent's files; the child's own are made at its first step."""
        self._lock = threading.RLock()
        self._let_go()
        self._parts = self._parts.of_child()
        self._special = self._needs_header = True
        self._named = False
        self._lost, self._notes = 0, []
        if self._journal is not None:
            self._journal.move(self.path)

    def close(self) -> None:
        """
        Close the file and remove the journal, unless another session goes on in them.

        Raises:
            OSError: If the last sync or the removal fails; the tracer counts it.
        """
        with ExitStack() as last_things:
            if not self._sessions:
                if self._journal is not None:
                    last_things.callback(self._journal.close)
                last_things.callback(self._let_go)
            self._last_look()

    def _last_look(self) -> None:
        if self._file is not None and not self._lost:
            self._recover(self._file.look())
        if self._syncs:
            self._sync_now()
        if self._notes and not self._sessions:
            msg = f"not said in the file: {self._notes[-1]['note']}"
            raise LossError(msg)

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def shareable(sinks: Iterable[object]) -> list[JSONLSink]:
    """Return those sinks that several sessions may have at the same time."""
    return [sink for sink in sinks if isinstance(sink, JSONLSink)]
