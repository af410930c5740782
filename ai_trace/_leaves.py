"""
The leaves of a value, texts and numbers, as far as there is room for them.
"""

from __future__ import annotations

import math
from typing import Any

from ai_trace._encode import encode_text
from ai_trace._limits import Limits
from ai_trace._notes import Note, Notes
from ai_trace._objects import type_of, valid_unicode
from ai_trace._plain_words import PlainWords
from ai_trace._redact import MARGIN, Redaction


BIG = 1 << 64
SMALL = -(1 << 63)
"""Whole numbers from here to below ``BIG`` are written as numbers, others as text.

Many readers of JSON refuse others, or turn them into floats.
"""

_INFINITY = math.inf


class Leaves:
    """
    Copies leaves, notes what it did to them, and keeps track of the room.

    Args:
        limits: The bounds.
        redaction: What to take out; ``None`` takes nothing out.
        room: How many characters the JSON of all may take; by default as in the limits.
        words: Keys and texts that need no further look.
    """

    __slots__ = (
        "_key_rooms",
        "_limits",
        "_notes",
        "_redaction",
        "_room",
        "_say",
        "_words",
    )

    def __init__(
        self,
        limits: Limits,
        redaction: Redaction | None,
        room: int | None = None,
        words: PlainWords | None = None,
    ) -> None:
        self._limits = limits
        self._redaction = redaction
        self._room = limits.value_bytes if room is None else room
        self._notes = Notes()
        self._say = self._notes.say
        self._key_rooms: dict[str, int] = {}
        self._words = PlainWords(limits, redaction) if words is None else words

    def all_notes(self) -> list[Note]:
        """Return the notes on all that was copied."""
        return self._notes.all()

    def text_of(self, text: str, path: str) -> str:
        """Return a text without secrets, valid Unicode, and cut to limit and room."""
        limit = min(self._limits.string, max(self._room, 0))
        length = len(text)
        if self._redaction is not None:
            text, kinds = self._redaction.text(text, limit)
            for kind in kinds:
                self._say(path, "redacted", kind=kind)
        readable = self._unicode(text[:limit], path)
        kept = self._fitting(readable)
        is_cut = len(text) > limit or length > limit + MARGIN
        if is_cut or len(kept) < len(readable):
            self._say(path, "truncated", characters=length)
        return kept

    def _unicode(self, text: str, path: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._say(path, "replaced", what="surrogates")
            return valid_unicode(text)
        return text

    def _fitting(self, text: str) -> str:
        """Return as much of a text as there is room for, and take that room."""
        size = len(encode_text(text))
        while text and size > self._room:
            # In JSON some characters take six; most take one.
            share = len(text) * max(self._room, 0) // size
            text = text[: min(share, len(text) - 1)]
            size = len(encode_text(text))
        self._room -= size
        return text

    def _placeholder(self, text: str) -> str:
        self._room -= len(text) + 2
        return text

    def _number(self, value: float, path: str) -> Any:
        if type(value) is int:
            if not SMALL <= value < BIG:
                bits = value.bit_length()
                self._say(path, "replaced", what="integer", bits=bits)
                shown = str(value) if bits <= 1024 else f"<int of {bits} bits>"
                return self._placeholder(shown)
        elif not -_INFINITY < value < _INFINITY:
            self._say(path, "replaced", what="number")
            shown = "NaN" if value != value else f"{'-' * (value < 0)}Infinity"
            return self._placeholder(shown)
        self._room -= len(repr(value))
        return value

    def _opaque(self, value: Any, path: str) -> Any:
        self._say(path, "opaque", type=type_of(value))
        return self._placeholder(f"<{type_of(value)}>")

    def _bytes_summary(self, fields: dict[str, Any], path: str) -> dict[str, Any]:
        start = fields.pop("start")
        if self._redaction is None:
            return fields
        shown, kinds = self._redaction.bytes_summary(fields, start)
        for kind in kinds:
            self._say(path, "redacted", kind=kind)
        return shown

    def _rooms_of(self, by_name: dict[str, Any]) -> dict[str, int]:
        """Return the room of each plain key, with colon and comma; 0 for other keys."""
        rooms, words = self._key_rooms, self._words
        new = [key for key in by_name if key not in rooms]
        if new:
            if not words.keys.issuperset(new):
                words.learn(new)
            for key in new:
                is_plain = key in words.keys and words.shows(key)
                rooms[key] = len(encode_text(key)) + 2 if is_plain else 0
        return rooms
