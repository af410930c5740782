"""
Recorded values with their names, on as many lines as they need; nothing is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ai_trace.render._style import Span
from ai_trace.render._values import brief, brief_fields, clock, pretty


PREVIEW = 160
INDENT = "  "


def field(name: str, value: Any, level: int = 1) -> Iterator[Span]:
    """
    Show one value whole.

    Args:
        name: Its name.
        value: A value of JSON types.
        level: How far the lines are indented.

    Yields:
        One line if the value is short; else the name, and the value below it.
    """
    if _is_small(value):
        yield Span(INDENT * level + f"{name}: {brief(value, PREVIEW)}")
        return
    yield Span(INDENT * level + f"{name}:")
    yield from block(pretty(value), level + 1)


def compact_field(name: str, value: Any, level: int = 1) -> Iterator[Span]:
    """
    Show one value whole; objects and lists, too, on one line if they fit.

    Args:
        name: Its name.
        value: A value of JSON types.
        level: How far the lines are indented.

    Yields:
        The lines.
    """
    shown = brief(value, PREVIEW)
    if isinstance(value, (dict, list)) and "…" not in shown:
        yield Span(INDENT * level + f"{name}: {shown}")
    else:
        yield from field(name, value, level)


def log_entry(entry: Mapping[str, Any]) -> Iterator[Span]:
    """
    Show a log entry whole.

    Args:
        entry: What was logged, with its time.

    Yields:
        The lines.
    """
    fields = {key: value for key, value in entry.items() if key != "_t"}
    when = clock(entry.get("_t"), utc=False)
    small = all(map(_is_small, fields.values()))
    words = brief_fields(fields, PREVIEW * len(fields)) if small else ""
    yield Span(f"{INDENT}{when}  {words}")
    if not small:
        for name, value in fields.items():
            yield from field(name, value, 2)


def block(text: str, level: int, role: str = "") -> Iterator[Span]:
    """
    Show a text of any number of lines.

    Args:
        text: The text.
        level: How far the lines are indented.
        role: What it is, which decides its colour.

    Yields:
        The lines.
    """
    lines = text.rstrip("\n").split("\n") if text else []
    for line in lines:
        yield Span(INDENT * level + line.rstrip("\r"), role)


def _is_small(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= PREVIEW - len("''") and "\n" not in value
    return not isinstance(value, (dict, list)) or not value
