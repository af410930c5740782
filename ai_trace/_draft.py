"""
A step's record in the making: what was captured so far, and how it becomes a line.
"""

from __future__ import annotations

import json
from typing import Any

from ai_trace._copy import Note
from ai_trace._encode import encode_strict, encode_text
from ai_trace._header import SessionHeader
from ai_trace._interruption import interrupts
from ai_trace._objects import plain_text, type_of
from ai_trace._recorder import Recorder


_MAX_NOTES = 200
_MICROSECONDS = 1_000_000


class Draft:
    """
    What a step holds of its record until it ends.

    Everything it is given is captured on the spot, so it holds text of JSON and no
    reference to a value of the program.
    """

    __slots__ = (
        "_context",
        "_first",
        "_function",
        "_logs",
        "_logs_lost",
        "_named",
        "_noted",
        "_notes",
        "_notes_left",
        "_notes_lost",
        "_result",
        "_used",
        "duration_ms",
        "error",
        "id",
        "kind",
        "name",
        "outcome",
        "parent_id",
        "recorder",
        "seq",
        "started_at",
        "trace_id",
    )

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        context: dict[str, Any],
        kind: str,
        function: str | None,
    ) -> None:
        self.recorder = recorder
        self.name = name if type(name) is str else text_of(name)
        self.kind = kind
        self.id = ""
        self.parent_id: str | None = None
        self.trace_id = ""
        self.seq = 0
        self.started_at = 0.0
        self.outcome: str | None = None
        self.error: str | None = None
        self.duration_ms: float | None = None
        self._function = function
        self._first = ""
        self._logs: list[str] = []
        self._logs_lost = 0
        self._result: str | None = None
        self._named: list[Note] = []
        self._notes: list[Note] = []
        self._notes_left = recorder.capture.notes_room
        self._notes_lost = 0
        self._used = 0
        self._context = self.captured_fields(context, "$.context")
        self._used = len(self._context)

    # -- what goes in --------------------------------------------------------

    def captured(self, value: Any, path: str, room: int | None = None) -> str:
        """Capture one value as JSON text; its notes are kept."""
        capture = self.recorder.capture
        left = self.result_room()
        room = left if room is None else min(room, left)
        text = capture.plain(value)
        if text is None or len(text) > room:
            try:
                text, notes = capture.full(value, path, room)
            except Exception as exc:
                if interrupts(exc):
                    raise
                return self._failed(path, exc, "null")
            self._add_notes(notes)
        return text

    def _failed(self, path: str, exc: Exception, instead: str) -> str:
        """Note that capture failed as a whole: for want of memory, or by our fault."""
        note = {"path": path, "note": "failed", "error": type(exc).__name__}
        self._add_notes([note])
        return instead

    def captured_fields(
        self, given: dict[str, Any], path: str, number: int | None = None
    ) -> str:
        """Capture named values as one JSON object; their notes are kept."""
        capture = self.recorder.capture
        text = capture.plain(given)
        room = capture.logs_room - self._used
        if text is not None and len(text) <= room:
            return text
        if number is not None:
            path = f"{path}[{number}]"
        try:
            text, notes = capture.fields(given, path, room)
        except Exception as exc:
            if interrupts(exc):
                raise
            return self._failed(path, exc, "{}")
        self._add_notes(notes)
        return text

    def add_log(self, now: float, fields: dict[str, Any]) -> str | None:
        """
        Add one log entry.

        Args:
            now: Epoch seconds.
            fields: What to say, by name.

        Returns:
            The entry as JSON text, or ``None`` if the step is full.
        """
        stamp = f'{{"_t":{seconds_text(int(now * _MICROSECONDS + 0.5))}'
        self._used += len(stamp) + 2
        if self._used >= self.recorder.capture.logs_room:
            self._used -= len(stamp) + 2
            self._logs_lost += 1
            return None
        if "_t" in fields:
            fields = _without_stamp(fields)
        text = self.captured_fields(fields, "$.logs", len(self._logs))
        entry = f"{stamp}}}" if text == "{}" else f"{stamp},{text[1:]}"
        self._used += len(text)
        self._logs.append(entry)
        return entry

    def result_room(self) -> int:
        """How many characters a result may take."""
        taken = self._used - len(self._result or "")
        return self.recorder.capture.result_room - taken

    def give_result_text(self, text: str) -> None:
        """Take a result that is captured already."""
        self._used += len(text) - len(self._result or "")
        self._result = text

    def note(self, path: str, note: str, **more: Any) -> None:
        """Say in the record what was done to it."""
        self._add_notes([{"path": path, "note": note, **more}])

    def _add_notes(self, notes: list[Note]) -> None:
        for note in notes:
            self._notes_left -= len(encode_strict(note))
            if "path" not in note:
                self._notes_lost += note["count"]
            elif self._notes_left < 0 or len(self._notes) >= _MAX_NOTES:
                self._notes_lost += 1
            else:
                self._notes.append(note)

    # -- what can be read ----------------------------------------------------

    @property
    def context(self) -> dict[str, Any]:
        """What the step saw when it was made."""
        context: dict[str, Any] = json.loads(self._context)
        return context

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The log entries so far; ``_t`` is epoch seconds."""
        return [json.loads(entry) for entry in self._logs]

    @property
    def has_result(self) -> bool:
        """Whether a result was set."""
        return self._result is not None

    @property
    def header(self) -> SessionHeader:
        """The session that the step belongs to."""
        return self.recorder.header

    @property
    def log_entries(self) -> list[str]:
        """The log entries so far, as JSON text."""
        return self._logs

    @property
    def start_line(self) -> bytes:
        """The start as one line of JSON: a record without its end."""
        return f"{self._first}{self._noted}}}\n".encode()

    def notes_of_log(self, n: int) -> list[Note]:
        """Return what was done to the n-th log entry."""
        if not self._notes:
            return []
        path = f"$.logs[{n}]"
        return [note for note in self._notes if note["path"].startswith(path)]

    @property
    def logs_lost(self) -> int:
        """How many log entries found the step full."""
        return self._logs_lost

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the step so far, in the form of its record."""
        if not self._first:
            self.write_start()
        line: dict[str, Any] = json.loads(self.line())
        return line

    # -- the line ------------------------------------------------------------

    def line_of_failure(self, error: str | None, traceback: str | None) -> str:
        """Return the whole line, what went wrong included."""
        rest = ""
        if error is not None:
            # Half of what is left: the message stands in the traceback too.
            self.error = json.loads(self._captured_text(error, "$.error", share=2))
        if traceback is not None:
            rest = f',"traceback":{self._captured_text(traceback, "$.traceback")}'
        return self.line(rest)

    def _captured_text(self, text: str, path: str, share: int = 1) -> str:
        capture = self.recorder.capture
        room = (capture.error_room - self._used) // share
        shown, notes = capture.text(text, path, room=room)
        self._add_notes(notes)
        encoded = encode_text(shown)
        self._used += len(encoded)
        return encoded

    def write_start(self) -> None:
        """Compose the first part of the line, for the journal and the record."""
        head, named = self.recorder.head(self.name, self.kind, self._function)
        parent = f'"{self.parent_id}"' if self.parent_id else "null"
        at = seconds_text(int(self.started_at * _MICROSECONDS + 0.5))
        self._first = (
            f'{head}{self.id}","parent_id":{parent},"trace_id":"{self.trace_id}",'
            f'"seq":{self.seq},"context":{self._context},"started_at":{at}'
        )
        self._named = named
        self._used += len(self._first) - len(self._context)
        # Said once, for the journal: a start may be written again, later and the same.
        self._noted = self._notes_text(named) if named or self._notes else ""

    def write_bare_start(self, exc: Exception) -> None:
        """Write the start without what the step saw: memory did not suffice for it."""
        self._context = self._failed("$.context", exc, "{}")
        self._used = 0
        self.write_start()

    def line(self, rest: str = "") -> str:
        """
        Return what is known of the step as a line.

        Args:
            rest: Further fields, each after a comma.
        """
        ms, at, outcome = self.duration_ms, "null", "null"
        if ms is not None:
            finished_at = self.started_at + ms / 1000
            at = seconds_text(int(finished_at * _MICROSECONDS + 0.5))
        if self.outcome is not None:
            outcome = f'"{self.outcome}"'
        error = "null" if self.error is None else encode_text(self.error)
        if self._result is not None:
            rest = f'{rest},"result":{self._result}'
        if self._notes or self._named or self._logs_lost or self._notes_lost:
            rest += self._notes_text(self._named)
        return (
            f'{self._first},"finished_at":{at},"duration_ms":'
            f'{"null" if ms is None else ms},"outcome":{outcome},"error":{error},'
            f'"logs":[{",".join(self._logs)}]{rest}}}\n'
        )

    def _notes_text(self, named: list[Note]) -> str:
        notes = named + self._notes
        if self._logs_lost:
            lost = {"path": "$.logs", "note": "lost", "count": self._logs_lost}
            notes = [*notes, lost]
        if self._notes_lost:
            notes = [*notes, {"note": "more notes", "count": self._notes_lost}]
        return f',"notes":{encode_strict(notes)}' if notes else ""


def seconds_text(microseconds: int) -> str:
    """
    Write a time as seconds: integers take a third of the time that floats take.

    Args:
        microseconds: Since the epoch.
    """
    if microseconds < _MICROSECONDS:
        return f"{microseconds / _MICROSECONDS:.6f}"
    digits = str(microseconds)
    return f"{digits[:-6]}.{digits[-6:]}"


def text_of(value: object) -> str:
    """Return any object as text, whatever its class does."""
    try:
        return plain_text(str(value))
    except Exception as exc:
        if interrupts(exc):
            raise
        return f"<{type_of(value)}>"


def _without_stamp(fields: dict[str, Any]) -> dict[str, Any]:
    """Give a field of the program's own another name than that of the time."""
    name = "_t#given"
    while name in fields:
        name = f"{name}#given"
    return {(name if field == "_t" else field): fields[field] for field in fields}
