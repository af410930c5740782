"""
The one choke point for values: whatever a program hands over becomes JSON here.

A value is captured when it is given, so that the record shows what was seen,
not what became of it. Capturing never raises, never changes or consumes a
value, and runs no code of a class that it does not know.

Almost every value is made of JSON's own types: those take the short way, one
look and one call of the encoder in C. Everything else takes the long way: a
bounded copy, in which every replaced leaf leaves a note.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from ai_trace._copy import BIG, Copy, Note, make_note
from ai_trace._encode import encode_strict, encode_text, plain_encoder
from ai_trace._known_types import type_name
from ai_trace._limits import Limits
from ai_trace._redact import Redaction


_INFINITY = math.inf
_TOO_MUCH = -1


class Captured(NamedTuple):
    """
    A value as JSON text, and what was done to it on the way.
    """

    text: str
    notes: list[Note]


class Capture:
    """
    Turns values into JSON text within limits, secrets taken out.

    Args:
        limits: The bounds.
        redaction: What to take out; ``None`` takes nothing out.
    """

    __slots__ = (
        "_depth",
        "_encode",
        "_items",
        "_string",
        "_value_bytes",
        "limits",
        "redaction",
    )

    def __init__(self, limits: Limits, redaction: Redaction | None) -> None:
        self.limits = limits
        self.redaction = redaction
        self._encode = plain_encoder()
        self._depth = limits.depth
        self._items = limits.items
        self._string = limits.string
        self._value_bytes = limits.value_bytes

    def plain(self, value: Any) -> str | None:
        """
        Capture a value that is made of JSON's own types: the short way.

        Args:
            value: The value, or the dictionary of all values of a step.

        Returns:
            JSON text, or ``None`` if the value needs the long way.
        """
        try:
            if self._room_after(value, self._depth, self._value_bytes) < 0:
                return None
            text = self._encode(value)
            if not text.isascii():
                text.encode()
        except Exception:
            # A container that changes under our hands, a text that is no
            # Unicode, an interpreter at the end of its stack: the long way
            # says in its notes what it was.
            return None
        if len(text) > self._value_bytes:
            return None
        if self.redaction is not None and self.redaction.suspects(text):
            return None
        return text

    def _room_after(self, value: Any, depth: int, room: int) -> int:
        """Return the room left after a plain value; below zero if it is not plain."""
        kind = type(value)
        if kind is dict:
            # Raises TypeError unless all keys are text; the quickest way to ask:
            # 60 ns for three keys, where a generator with type() takes 400 ns.
            "".join(value)
            children: Iterable[Any] = value.values()
        elif kind is list or kind is tuple:
            children = value
        else:
            return room if self._plain_leaf(value) else _TOO_MUCH
        room -= len(value)
        if len(value) > self._items or depth == 0:
            return _TOO_MUCH
        for child in children:
            kind = type(child)
            if kind is str:
                if len(child) > self._string:
                    return _TOO_MUCH
            elif kind is float:
                if not -_INFINITY < child < _INFINITY:
                    return _TOO_MUCH
            elif kind is int:
                if not -BIG < child < BIG:
                    return _TOO_MUCH
            elif child is not None and kind is not bool:
                room = self._room_after(child, depth - 1, room)
                if room < 0:
                    return _TOO_MUCH
        return room

    def _plain_leaf(self, value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return len(value) <= self._string
        if kind is float:
            return bool(-_INFINITY < value < _INFINITY)
        if kind is int:
            return bool(-BIG < value < BIG)
        return value is None or kind is bool

    def full(self, value: Any, path: str) -> Captured:
        """
        Capture any value at all: the long way.

        Args:
            value: The value.
            path: Where it stands in the record, such as ``$.context.prompt``.

        Returns:
            JSON text, and the notes of what was done to the value.
        """
        copy = Copy(self.limits, self.redaction)
        try:
            return Captured(encode_strict(copy.of(value, path)), copy.all_notes())
        except Exception as exc:
            # The last fence: a value that defeats even the copy costs itself.
            note = make_note(path, "failed", error=type(exc).__name__)
            return Captured(encode_text(f"<{type_name(type(value))}>"), [note])

    def fields(self, given: dict[str, Any], path: str) -> Captured:
        """
        Capture named values, each within its own limits: the long way.

        Args:
            given: The values by name.
            path: Where they stand in the record, such as ``$.context``.

        Returns:
            The text of one JSON object, and the notes.
        """
        parts: list[str] = []
        notes: list[Note] = []
        for name, value in given.items():
            here = f"{path}.{name}"
            captured = self.named(name, value, here)
            parts.append(f"{self._name(name, here, notes)}:{captured.text}")
            notes += captured.notes
        return Captured("{" + ",".join(parts) + "}", notes)

    def named(self, name: str, value: Any, path: str) -> Captured:
        """Capture the value of one name, which may itself say it is a secret."""
        redaction = self.redaction
        kind = redaction.key_kind(name, value) if redaction is not None else None
        if kind is not None:
            note = make_note(path, "redacted", kind=kind)
            return Captured(encode_text(f"[redacted:{kind}]"), [note])
        return self.full(value, path)

    def _name(self, name: str, path: str, notes: list[Note]) -> str:
        copy = Copy(self.limits, self.redaction)
        text = encode_strict(copy.text_of(name, path))
        notes += copy.all_notes()
        return text

    def text(
        self, text: str, path: str, *, limit: int | None = None
    ) -> tuple[str, list[Note]]:
        """
        Bound and redact text of our own making, such as a traceback.

        Args:
            text: The text.
            path: Where it stands in the record.
            limit: How many characters are kept; by default as of any text.

        Returns:
            The text, safe to encode, and the notes.
        """
        limits = self.limits if limit is None else Limits(string=limit)
        copy = Copy(limits, self.redaction)
        return copy.text_of(text, path), copy.all_notes()
