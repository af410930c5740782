"""
The lines of a journal: the steps of a session that have started and not finished.

``<stem>.open`` stands beside ``<stem>.jsonl`` while the session lives, or for ever
if its process died. It holds lines of three forms, in any order after the first::

    {"session": {...}}                           the header, on the first line
    {"name": "decide", "id": "…", "context": …}  a start: a record without its end
    {"log": "<id>", "n": 0, "entry": {…}}        the n-th log entry of a step

A start whose step has a line in the ``.jsonl`` file is over and done with. A long
session has a second file, ``<stem>.open2``: the two take turns, and are read as one;
lines that say the same are one.
"""

from __future__ import annotations

from typing import Any

from ai_trace._header import SessionHeader
from ai_trace._record import StepRecord, TraceLineError, decode_line, encode_line


SUFFIXES = (".open", ".open2")

# A tracer keeps its journal at a few times what is open; more is not its work.
_MAX_BYTES = 256 * 1024 * 1024


def header_line(header: SessionHeader) -> bytes:
    """Return the first line of a journal."""
    return encode_line({"session": header.to_dict()})


def log_line(step_id: str, n: int, entry: str) -> bytes:
    """
    Return the line of one log entry.

    Args:
        step_id: The step that it belongs to.
        n: Its number in the step, from 0.
        entry: The entry as JSON text.
    """
    return f'{{"log":"{step_id}","n":{n},"entry":{entry}}}\n'.encode()


class OpenSteps:
    """
    Reads the lines of a journal, which may hold anything, in any order.

    Attributes:
        header: The session, once its line was seen.
        damaged: How many lines could not be read, or were too many.
    """

    def __init__(self) -> None:
        self.header: SessionHeader | None = None
        self.damaged = 0
        self._room = _MAX_BYTES
        self._starts: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, dict[int, dict[str, Any]]] = {}

    def add(self, line: bytes) -> None:
        """Take one line."""
        self._room -= len(line)
        try:
            if self._room < 0:
                raise TraceLineError
            self._add(decode_line(line))
        except TraceLineError:
            self.damaged += 1

    def _add(self, data: dict[str, Any]) -> None:
        if "session" in data:
            self.header = SessionHeader.from_dict(data["session"])
        elif isinstance(data.get("log"), str) and isinstance(data.get("entry"), dict):
            number = data.get("n")
            of_step = self._logs.setdefault(data["log"], {})
            of_step[number if isinstance(number, int) else len(of_step)] = data["entry"]
        elif isinstance(data.get("id"), str) and isinstance(data.get("name"), str):
            self._starts[data["id"]] = data
        else:
            self.damaged += 1

    def finish(self, step_id: str) -> None:
        """Take a step out that has a line of its own."""
        self._starts.pop(step_id, None)

    def records(self, outcome: str, until: float) -> list[StepRecord]:
        """
        Return the steps that are still open as records without an end.

        Args:
            outcome: ``running`` or ``unfinished``.
            until: When the writer was last heard of, in epoch seconds.

        Returns:
            The records, in order of their start; a damaged start is left out and
            counted.
        """
        found = []
        for step_id, start in self._starts.items():
            found += self._record(step_id, start, outcome, until)
        return sorted(found, key=lambda record: record.seq)

    def _record(
        self, step_id: str, start: dict[str, Any], outcome: str, until: float
    ) -> list[StepRecord]:
        logs = self._logs.get(step_id, {})
        times = [start.get("started_at"), *(entry.get("_t") for entry in logs.values())]
        said = [float(each) for each in times if isinstance(each, (int, float))]
        # The clock of the file system is coarser than ours: what a step itself has
        # said counts too.
        lasted = max(until, *said) - said[0] if said else 0.0
        data = {
            **start,
            "finished_at": None,
            "duration_ms": round(max(0.0, lasted) * 1000, 3),
            "outcome": outcome,
            "error": None,
            "logs": [logs[n] for n in sorted(logs)],
        }
        try:
            return [StepRecord.from_dict(data, self.header)]
        except TraceLineError:
            self.damaged += 1
            return []
