"""
A session as strict JSON.

A step's line is written as it is in the file, never decoded and encoded again, so that
nothing can change that a reader did not understand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ai_trace._interruption import interrupts
from ai_trace._record import StepRecord
from ai_trace._tree import Session


_NOT_ASCII = re.compile("[^\x00-\x7e]")


def session(session: Session, saved_at: float) -> Iterator[str]:
    """
    Render the snapshot that ``Tracer.save()`` writes.

    Args:
        session: The session.
        saved_at: Epoch seconds.

    Yields:
        Pieces of one JSON object: ``agent``, ``session_id``, ``saved_at``, ``meta``
        and ``steps`` in the order of their starts, one to a line.
    """
    head = {
        "agent": session.header.agent,
        "session_id": session.header.session_id,
        "saved_at": saved_at,
        "meta": dict(session.header.meta),
    }
    yield "{" + "".join(f'"{key}": {encode(value)}, ' for key, value in head.items())
    yield '"steps": ['
    between = "\n"
    for record in session.steps:
        if record.outcome != "missing":
            yield f"{between}{_text(record)}"
            between = ",\n"
    yield "\n]}\n"


def line(record: StepRecord) -> str:
    """
    Render one step for machines.

    Args:
        record: The step.

    Returns:
        One line of JSON in pure ASCII, without its newline.
    """
    return _ascii(_text(record))


def encode(value: Any, indent: int | None = None) -> str:
    """
    Encode a value as strict JSON in pure ASCII.

    Args:
        value: A value of JSON types, as decoded from a line.
        indent: Spaces for each level; ``None`` is one line.

    Returns:
        The JSON text. Infinities, for which JSON has no word, become strings.
    """
    try:
        return _ascii(json.dumps(value, indent=indent, allow_nan=False))
    except RecursionError:
        return json.dumps("(nested too deeply to show)")
    except ValueError as exc:
        if interrupts(exc):
            raise
        return encode(_finite(value), indent)


def _text(record: StepRecord) -> str:
    return record.line.decode("utf-8").strip()


def _ascii(text: str) -> str:
    # In valid JSON, such characters are found only in strings. DEL is ASCII, but it
    # moves a terminal's cursor.
    return _NOT_ASCII.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2])
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return value
