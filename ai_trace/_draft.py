"""
A step's record in the making: what was captured so far, and how it becomes a line.
"""

from __future__ import annotations

import json
from typing import Any

from ai_trace._capture import Captured
from ai_trace._context import Place, Unrecorded
from ai_trace._encode import encode_text
from ai_trace._header import SessionHeader
from ai_trace._interruption import interrupts
from ai_trace._losses import Losses
from ai_trace._moments import (
    EPOCH,
    MICROSECONDS,
    THREE_DIGITS,
    Second,
    moment_text,
)
from ai_trace._notes import Note
from ai_trace._objects import plain_text, short_name, type_of
from ai_trace._recorder import Recorder
from ai_trace._remarks import Remarks
from ai_trace._step import Step


NEW, OPEN, DONE, DROPPED, FORKED = range(5)

LEFT: Place = Unrecorded("", Losses())
"""The place before, in a step that is not current or no longer is."""

_END_OF_START = b"}\n"

_STAMP = 30
"""More characters than the moment of a log entry takes, with its key."""

_LEAST_LOG = 70
"""A log entry for which there is less room than this is counted as lost."""


class Draft(Step):
    """
    What a step holds of its record until it ends.

    Everything it is given is captured on the spot, so it holds text of JSON and no
    reference to a value of the program.

    Attributes:
        start_line: The start as one line of JSON: a record without its end.
        log_entries: The log entries so far, as JSON text.
        remarks: What was done to what the step was given; ``None`` if nothing was.
    """

    __slots__ = (
        "_context",
        "_function",
        "_micro",
        "_origin",
        "_previous",
        "_result",
        "_second",
        "_size",
        "_state",
        "_took",
        "_used",
        "error",
        "id",
        "kind",
        "log_entries",
        "name",
        "outcome",
        "parent_id",
        "recorder",
        "remarks",
        "seq",
        "start_line",
        "trace_id",
    )

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        context: dict[str, Any],
        kind: str = "step",
        function: str | None = None,
    ) -> None:
        # The live step's, too: a constructor of its own would take 0.2 µs.
        self.recorder = recorder
        self.name = name if type(name) is str else text_of(name)
        self.kind = kind
        self.id = ""
        self.parent_id: str | None = None
        self.trace_id = ""
        self.seq = 0
        self.outcome: str | None = None
        self.error: str | None = None
        self.start_line = b""
        self.log_entries: list[str] = []
        self.remarks: Remarks | None = None
        self._function = function
        self._state = NEW
        self._previous: Place | None = LEFT
        self._origin = 0.0
        self._took: int | None = None
        self._second = EPOCH
        self._micro = 0
        self._result: str | None = None
        self._used = 0
        capture = recorder.capture
        text = capture.plain(context, capture.logs_room, 1)
        if text is None:
            text = self._long_way(context, "$.context")
        self._context = text
        self._used = len(text)

    def leave_to_parent(self) -> None:
        """Leave the step to the process that this one was forked from."""
        self._state = FORKED

    # -- what goes in --------------------------------------------------------

    def captured(self, value: Any, path: str, room: int) -> Captured:
        """Capture one value; its notes are not kept yet."""
        capture = self.recorder.capture
        room = min(room, capture.result_room - self._used)
        text = capture.plain(value, room)
        return self._in_full(value, path, room) if text is None else Captured(text, [])

    def _in_full(self, value: Any, path: str, room: int) -> Captured:
        """Capture one value the long way."""
        try:
            return self.recorder.capture.full(value, path, room)
        except Exception as exc:
            if interrupts(exc):
                raise
            # As a whole: out of memory, or by our own fault.
            note = {"path": path, "note": "failed", "error": type(exc).__name__}
            return Captured("null", [note])

    def _long_way(self, given: dict[str, Any], path: str) -> str:
        """Capture named values as one JSON object; their notes are kept."""
        capture = self.recorder.capture
        try:
            text, notes = capture.fields(given, path, capture.logs_room - self._used)
        except Exception as exc:
            if interrupts(exc):
                raise
            self.note(path, "failed", error=type(exc).__name__)
            return "{}"
        self.add_notes(notes)
        return text

    def see(self, context: dict[str, Any]) -> None:
        """Capture what the step saw once more, as it is known by now."""
        capture = self.recorder.capture
        text = capture.plain(context, capture.logs_room - self._used, 1)
        self._context = text or self._long_way(context, "$.context")
        self._used += len(self._context)

    def add_log(self, second: Second, micro: int, fields: dict[str, Any]) -> str | None:
        """
        Add one log entry.

        Args:
            second: The moment: where it is counted from.
            micro: Microseconds from there.
            fields: What to say, by name.

        Returns:
            The entry as JSON text, or ``None`` if the step is full.
        """
        capture = self.recorder.capture
        if self._used + _LEAST_LOG > capture.logs_room:
            self._remarks().logs_lost += 1
            return None
        self._used += _STAMP
        if "_t" in fields:
            fields = _without_stamp(fields)
        entries = self.log_entries
        text = capture.plain(fields, capture.logs_room - self._used, 1)
        if text is None:
            text = self._long_way(fields, f"$.logs[{len(entries)}]")
        at = moment_text(second, micro)
        entry = f'{{"_t":{at}}}' if text == "{}" else f'{{"_t":{at},{text[1:]}'
        self._used += len(text)
        entries.append(entry)
        return entry

    def result_room(self) -> int:
        """How many more characters a result may take."""
        return self.recorder.capture.result_room - self._used

    def give_result(self, value: Any) -> None:
        """Capture a result, in the place of the one before."""
        if self._result is not None:
            self._used -= len(self._result)
            self._forget_result()
        # Written out as in ``captured``: the call would take 0.1 µs.
        capture = self.recorder.capture
        room = capture.result_room - self._used
        text = capture.plain(value, room)
        if text is None:
            text, notes = self._in_full(value, "$.result", room)
            self.add_notes(notes)
        self._result = text
        self._used += len(text)

    def _forget_result(self) -> None:
        if self.remarks is not None:
            self.remarks.forget(self.remarks.below("$.result").__contains__)

    def give_result_text(self, text: str) -> None:
        """Take a result that is captured already."""
        self._used += len(text)
        self._result = text

    def note(self, path: str, note: str, **more: Any) -> None:
        """Say in the record what was done to it."""
        self.add_notes([{"path": path, "note": note, **more}])

    def add_notes(self, notes: list[Note]) -> None:
        if not notes:
            return
        try:
            self._remarks().add(notes)
        except Exception as exc:
            if interrupts(exc):
                raise
            self.recorder.losses.count("step", f"note lost: {type(exc).__name__}")

    def _lose_unless_interrupted(self, what: str, exc: BaseException) -> None:
        if interrupts(exc):
            raise exc
        self._lose(what, exc)

    def _lose(self, what: str, exc: BaseException) -> None:
        try:
            self.recorder.losses.count("step", f"{what} lost: {short_name(type(exc))}")
        except (RecursionError, MemoryError):
            return

    def _remarks(self) -> Remarks:
        remarks = self.remarks
        if remarks is None:
            remarks = self.remarks = Remarks(self.recorder.capture.notes_room)
        return remarks

    # -- what can be read ----------------------------------------------------

    @property
    def context(self) -> dict[str, Any]:
        """What the step saw when it was made."""
        context: dict[str, Any] = json.loads(self._context)
        return context

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The log entries so far; ``_t`` is epoch seconds."""
        return [json.loads(entry) for entry in self.log_entries]

    @property
    def started_at(self) -> float:
        """When it started, in epoch seconds."""
        return (self._second[0] * MICROSECONDS + self._micro) / MICROSECONDS

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds, once it has ended."""
        return None if self._took is None else self._took / 1000

    @property
    def has_result(self) -> bool:
        """Whether a result was set."""
        return self._result is not None

    @property
    def header(self) -> SessionHeader:
        """The session that the step belongs to."""
        return self.recorder.header

    @property
    def logs_lost(self) -> int:
        """How many log entries found the step full."""
        return 0 if self.remarks is None else self.remarks.logs_lost

    def notes_of_log(self, n: int) -> list[Note]:
        """Return what was done to the n-th log entry."""
        return [] if self.remarks is None else self.remarks.below(f"$.logs[{n}]")

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the step so far, in the form of its record."""
        if not self.start_line:
            self.write_start()
        line: dict[str, Any] = json.loads(self.line())
        return line

    # -- the line ------------------------------------------------------------

    def write_start(self) -> None:
        """Compose the first part of the line, for the journal and the record."""
        recorder, name, kind = self.recorder, self.name, self.kind
        known = recorder.heads.get((name, kind, self._function))
        head, on_name = known or recorder.new_head(name, kind, self._function)
        parent = f'"{self.parent_id}"' if self.parent_id else "null"
        # As ``moment_text`` writes it; the call would take 0.1 µs.
        milli, micro = divmod(self._micro, 1000)
        at = f"{self._second[1]}{THREE_DIGITS[milli]}{THREE_DIGITS[micro]}"
        context = self._context
        text = (
            f'{head}{self.id}","parent_id":{parent},"trace_id":"{self.trace_id}",'
            f'"seq":{self.seq},"context":{context},"started_at":{at}}}\n'
        )
        self._used += len(text) - len(context)
        self.start_line = line = text.encode()
        self._size = len(line) - len(_END_OF_START)
        if on_name:
            self._remarks().on_name(on_name)
        if self.remarks is not None:
            # For the journal alone, which may write this line again, byte for byte.
            notes = self.remarks.text().encode()
            self.start_line = line[: self._size] + notes + _END_OF_START

    def write_bare_start(self, exc: BaseException) -> None:
        """Write the start without what the step saw: there is no memory for that."""
        self.note("$.context", "failed", error=type(exc).__name__)
        self._context = "{}"
        self._used = 0
        self.write_start()

    def line(self, rest: str = "") -> bytes:
        """
        Return what is known of the step as a line.

        Args:
            rest: Further fields, each after a comma.
        """
        took, at, ms = self._took, "null", "null"
        if took is not None:
            at = moment_text(self._second, self._micro + took)
            ms = f"{took // 1000}.{THREE_DIGITS[took % 1000]}"
        outcome = f'"{self.outcome}"' if self.outcome is not None else "null"
        error = "null" if self.error is None else encode_text(self.error)
        if self._result is not None:
            rest = f'{rest},"result":{self._result}'
        if self.remarks is not None:
            rest += self.remarks.text()
        end = (
            f',"finished_at":{at},"duration_ms":{ms},"outcome":{outcome},'
            f'"error":{error},"logs":[{",".join(self.log_entries)}]{rest}}}\n'
        )
        return self.start_line[: self._size] + end.encode()

    def line_of_failure(self, error: str | None, traceback: str | None) -> bytes:
        """Return the whole line, what went wrong included."""
        rest = ""
        if error is not None:
            # Half of what is left: the traceback holds the message, too.
            self.error = json.loads(self._captured_text(error, "$.error", share=2))
        if traceback is not None:
            rest = f',"traceback":{self._captured_text(traceback, "$.traceback")}'
        return self.line(rest)

    def _captured_text(self, text: str, path: str, share: int = 1) -> str:
        capture = self.recorder.capture
        room = (capture.error_room - self._used) // share
        shown, notes = capture.text(text, path, room=room)
        self.add_notes(notes)
        encoded = encode_text(shown)
        self._used += len(encoded)
        return encoded


def text_of(value: object) -> str:
    """Return any object as text, whatever its class does."""
    try:
        return plain_text(str(value))
    except Exception as exc:
        if interrupts(exc):
            raise
        return f"<{type_of(value)}>"


def _without_stamp(fields: dict[str, Any]) -> dict[str, Any]:
    """Rename a field of the program's that is called what we call the time."""
    name = "_t#given"
    while name in fields:
        name = f"{name}#given"
    return {(name if field == "_t" else field): fields[field] for field in fields}
