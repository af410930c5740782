"""
The lines of a journal: the steps of a session that have started and not finished.

``<stem>.open`` stands beside ``<stem>.jsonl`` while the session lives, or for ever
if its process died. It holds lines of four forms, in any order after the first::

    {"session": {...}}                           the header, on the first line
    {"name": "decide", "id": "…", "context": …}  a start: a record without its end
    {"log": "<id>", "n": 0, "entry": {…}}        the n-th log entry of a step

    {"log": "<id>", "lost": 4}                   so many entries found the step full

A start or a log entry of which something was cut has ``"notes"`` too. Of lost entries
a line is written at the first, second, fourth, eighth and so on.
A start whose step has a line in the ``.jsonl`` file is over and done with. A long
session has a second file, ``<stem>.open2``: the two take turns, and are read as one;
lines that say the same are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ai_trace._encode import encode_strict
from ai_trace._header import SessionHeader, is_in_range
from ai_trace._names import JOURNAL
from ai_trace._record import (
    StepRecord,
    TraceLineError,
    check_step,
    decode_line,
    encode_line,
)
from ai_trace.typing import OpenStep


SUFFIXES = JOURNAL

# A tracer's journal is a few times what is open: a larger one is not a tracer's.
_MAX_BYTES = 256 * 1024 * 1024
_LINE_OVERHEAD = 250
_MOST = 2**63

_WITHOUT_END: dict[str, Any] = {"finished_at": None, "duration_ms": None}
_AT_THE_END = ("traceback", "result", "function", "notes")


def header_line(header: SessionHeader) -> bytes:
    """Return the first line of a journal."""
    return encode_line({"session": header.to_dict()})


def log_line(step: OpenStep, n: int, entry: str) -> bytes:
    """
    Return the line of one log entry.

    Args:
        step: The step that it belongs to.
        n: Its number in the step, from 0.
        entry: The entry as JSON text.
    """
    if step.remarks is None:
        return f'{{"log":"{step.id}","n":{n},"entry":{entry}}}\n'.encode()
    notes = step.notes_of_log(n)
    noted = f',"notes":{encode_strict(notes)}' if notes else ""
    return f'{{"log":"{step.id}","n":{n},"entry":{entry}{noted}}}\n'.encode()


def lost_line(step: OpenStep) -> bytes:
    """Return the line that says how many log entries found the step full."""
    return f'{{"log":"{step.id}","lost":{step.logs_lost}}}\n'.encode()


def all_lines(step: OpenStep) -> Iterator[bytes]:
    """Yield all lines of an open step."""
    yield step.start_line
    for n, entry in enumerate(list(step.log_entries)):
        yield log_line(step, n, entry)
    if step.logs_lost:
        yield lost_line(step)


class OpenSteps:
    """
    Reads the lines of a journal, which may hold anything, in any order.

    The lines are kept as they are, so that what a hostile journal needs in memory is
    about what it has on disk.

    Attributes:
        header: The session, once its line was seen.
        damaged: How many lines could not be read, or were too many.
        heard_at: The latest time that a line names, in epoch seconds; 0.0 for none.
    """

    def __init__(self) -> None:
        self.header: SessionHeader | None = None
        self.damaged = 0
        self.heard_at = 0.0
        self._room = _MAX_BYTES
        self._starts: dict[str, dict[bytes, int]] = {}
        self._logs: dict[str, dict[bytes, int]] = {}
        self._lost: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many steps are open."""
        return len(self._starts)

    def __contains__(self, step_id: str) -> bool:
        """Tell whether a step is open."""
        return step_id in self._starts

    def add(self, line: bytes) -> None:
        """Take one line."""
        self._room -= len(line) + _LINE_OVERHEAD
        try:
            if self._room < 0:
                raise TraceLineError
            self._add(decode_line(line), line)
        except (TraceLineError, MemoryError):
            self.damaged += 1

    def _add(self, data: dict[str, Any], line: bytes) -> None:
        entry, number = data.get("entry"), data.get("n")
        if "session" in data:
            self.header = SessionHeader.from_dict(data["session"])
        elif isinstance(data.get("log"), str) and isinstance(entry, dict):
            of_step = self._logs.setdefault(data["log"], {})
            of_step[line] = number if isinstance(number, int) else len(of_step)
            self._hear(entry.get("_t"))
        elif isinstance(data.get("log"), str) and _is_count(data.get("lost")):
            self._lost[data["log"]] = max(data["lost"], self._lost.get(data["log"], 0))
        elif isinstance(data.get("id"), str):
            check_step({**data, **_WITHOUT_END, "outcome": "running", "logs": []})
            self._starts.setdefault(data["id"], {})[line] = data.get("seq", 0)
            self._hear(data.get("started_at"))
        else:
            raise TraceLineError

    def _hear(self, when: object) -> None:
        if isinstance(when, (int, float)) and is_in_range(when):
            self.heard_at = max(self.heard_at, float(when))

    def finish(self, step_id: str) -> None:
        """Take a step out that has a line of its own."""
        self._starts.pop(step_id, None)

    def records(self, outcome: str, until: float) -> Iterator[StepRecord]:
        """
        Yield the steps that are still open as records without an end.

        Args:
            outcome: ``running`` or ``unfinished``.
            until: When the writer was last heard of, in epoch seconds.

        Yields:
            The records, in order of their start; a damaged one is left out and
            counted.
        """
        for line in self._in_order():
            try:
                data = self._data(decode_line(line), outcome, until)
                yield StepRecord.from_dict(data, self.header)
            except (TraceLineError, MemoryError):
                self.damaged += 1

    def innermost(self) -> str | None:
        """Return the name of the open step that started last; ``None`` without one."""
        lines = self._in_order()
        return str(decode_line(lines[-1])["name"]) if lines else None

    def _in_order(self) -> list[bytes]:
        lines = {line: seq for of in self._starts.values() for line, seq in of.items()}
        return sorted(lines, key=lines.__getitem__)

    def _data(
        self, start: dict[str, Any], outcome: str, until: float
    ) -> dict[str, Any]:
        of_step = self._logs.get(start["id"], {})
        logs = [decode_line(line) for line in sorted(of_step, key=of_step.__getitem__)]
        notes = _objects(start.get("notes"))
        # By their text: to look for each among all takes seconds for a hostile journal.
        known = set(map(repr, notes))
        for note in (note for log in logs for note in _objects(log.get("notes"))):
            if repr(note) not in known:
                known.add(repr(note))
                notes.append(note)
        if start["id"] in self._lost:
            lost = self._lost[start["id"]]
            notes.append({"path": "$.logs", "note": "lost", "count": lost})
        lasted = max(0.0, until - start["started_at"]) if "started_at" in start else 0.0
        rest = {key: start[key] for key in _AT_THE_END if key in start}
        return {
            **{key: value for key, value in start.items() if key not in rest},
            **_WITHOUT_END,
            "duration_ms": round(lasted * 1000, 3),
            "outcome": outcome,
            "error": None,
            "logs": [log["entry"] for log in logs],
            **rest,
            **({"notes": notes} if notes else {}),
        }


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < _MOST


def _objects(value: object) -> list[dict[str, Any]]:
    listed = value if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, dict)]
