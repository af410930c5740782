"""
Trace lines made by hand, without the library: what a reader may find in a file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ai_trace._record import SessionHeader, StepRecord


START = 1709303422.0  # 2024-03-01 14:30:22 UTC
STEM = "bot_20240301_143022"
HEADER: dict[str, Any] = {
    "format": 1,
    "agent": "bot",
    "session_id": "20240301_143022",
    "meta": {"model": "m"},
    "pid": 7,
    "host": "here",
    "python": "3.11",
    "version": "1.0",
    "started_at": START,
}


def step_id(number: int) -> str:
    """Return the id of the step with this number."""
    return f"{number:016x}"


def fields(number: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """Return the object of one step's line."""
    line = {
        "name": f"step {number}",
        "kind": "step",
        "id": step_id(number),
        "parent_id": None if parent is None else step_id(parent),
        "trace_id": "0" * 32,
        "seq": number,
        "context": {"symbol": "BTCUSDT"},
        "started_at": START + number,
        "finished_at": START + number + 0.5,
        "duration_ms": 500.0,
        "outcome": "ok",
        "error": None,
        "logs": [],
    }
    return {**line, **more}


def encoded(line: dict[str, Any]) -> bytes:
    """Return one object as a line of a file."""
    return json.dumps(line).encode() + b"\n"


def first_line(number: int, parent: int | None = None, **more: Any) -> bytes:
    """Return a step's line with the session's header."""
    return encoded({**fields(number, parent, **more), "session": HEADER})


def line(number: int, parent: int | None = None, **more: Any) -> bytes:
    """Return a step's line."""
    return encoded(fields(number, parent, **more))


def record(number: int, parent: int | None = None, **more: Any) -> StepRecord:
    """Return a step's record."""
    return StepRecord.from_line(line(number, parent, **more))


def header(**more: Any) -> SessionHeader:
    """Return the session's header."""
    return SessionHeader.from_dict({**HEADER, **more})


def write(directory: Path, *lines: bytes, stem: str = STEM) -> Path:
    """Write lines to a session's file."""
    path = directory / f"{stem}.jsonl"
    path.write_bytes(b"".join(lines))
    return path
