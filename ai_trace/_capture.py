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

import _thread
from collections.abc import Collection
from typing import Any, NamedTuple

from ai_trace._copy import Copy
from ai_trace._encode import encode_strict, encode_text, plain_codec
from ai_trace._interruption import interrupts
from ai_trace._leaves import BIG, SMALL
from ai_trace._limits import Limits
from ai_trace._notes import Names, Note, below, make_note
from ai_trace._objects import plain_text, short_name, type_of
from ai_trace._plain_words import PlainWords
from ai_trace._redact import Redaction


# Takes no lock, unlike threading.active_count: a signal handler may hold that one.
_other_threads = _thread._count
_NO_LIMIT = 1 << 62
_NEAR = 1 << 30
"""Whole numbers nearer to zero than this are compared in half the time."""
_END = 200
"""More characters than the end of a line takes, its result and error left out."""
_NAME_LIMITS = Limits(string=1000)
_LEAST_ROOM = 40
"""A field for whose value there is less room than this is left out."""


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

    Attributes:
        logs_room: How long a step may be when a log entry is added.
        result_room: How long it may be with its result.
        error_room: How long it may be with its error and traceback.
        notes_room: How long its notes may be.
    """

    __slots__ = (
        "_decode",
        "_depth",
        "_encode",
        "_items",
        "_most",
        "_value_bytes",
        "_words",
        "error_room",
        "limits",
        "logs_room",
        "notes_room",
        "redaction",
        "result_room",
    )

    def __init__(self, limits: Limits, redaction: Redaction | None) -> None:
        self.limits = limits
        self.redaction = redaction
        self._encode, self._decode = plain_codec()
        self._depth = limits.depth
        self._items = limits.items
        self._value_bytes = limits.value_bytes
        # Where the program replaces values itself, none may go the short way.
        self._most = limits.value_bytes
        if redaction is not None and redaction.replace is not None:
            self._most = -1
        self._words = PlainWords(limits, redaction)
        # A step that is full still has room for how it ends.
        share = limits.step_bytes // 16
        self.logs_room = 12 * share
        self.result_room = 14 * share
        self.error_room = 15 * share - _END
        self.notes_room = share

    # One function, since every step takes this way and each call costs, and without
    # recursion, so that nested values take no room on the stack. Almost all keys were
    # seen before: to look three of them up takes 0.1 µs, where a search takes 1 µs.
    # Whatever fails, such as a container that changes under our hands or a text that is
    # not valid Unicode, goes the long way, whose notes say what it was. At the end of
    # the stack there is not even room to ask what failed. NaN and infinity are what
    # differs from nothing when it is taken from itself: one comparison instead of two.
    def plain(self, value: Any, room: int = _NO_LIMIT, own: int = 0) -> str | None:  # noqa: C901
        """
        Capture a value that is made of JSON's own types: the short way.

        Args:
            value: The value, or the dictionary of all values of a step.
            room: How many characters it may take, if fewer than the limit.
            own: How many levels of containers no other code can change.

        Returns:
            JSON text, or ``None`` if the value needs the long way.
        """
        if room > self._most:
            room = self._most
        given, left, depth, most = value, room, self._depth, self._items
        words = self._words
        plain_keys, known, reads_from = words.keys, words.texts, words.reads_from
        waiting: list[tuple[Any, int]] = []
        try:
            while True:
                kind = type(value)
                if kind is dict:
                    for key in value:
                        if type(key) is not str or key not in plain_keys:
                            if not words.are_plain(value):
                                return None
                            break
                    children: Collection[Any] = value.values()
                elif kind is list or kind is tuple:
                    children = value[: most + 1]
                    if len(children) > 1 and self._tells_secret(children):
                        return None
                else:
                    children, own = (value,), 1
                count = len(children)
                left -= count
                if count > most or left < 0:
                    return None
                for child in children:
                    kind = type(child)
                    if kind is str:
                        size = len(child)
                        if size >= reads_from:
                            left -= size
                            if left < 0 or (child not in known and words.barred(child)):
                                return None
                    elif kind is float:
                        if child - child != 0.0:
                            return None
                    elif kind is int:
                        if not -_NEAR < child < _NEAR and not SMALL <= child < BIG:
                            return None
                    elif depth > 1 and (kind is dict or kind is list or kind is tuple):
                        waiting.append((child, depth - 1))
                    elif child is not None and kind is not bool:
                        return None
                if not waiting:
                    break
                value, depth = waiting.pop()
            data = self._encode(given)
            if self._depth - depth >= own and _other_threads():
                return self._looked_at_again(data, room)
            text = data.decode()
        except RecursionError:
            return None
        except Exception as exc:
            if interrupts(exc):
                raise
            return None
        return text if len(text) <= room else None

    def _looked_at_again(self, data: bytes, room: int) -> str | None:
        # Another thread may have put a secret in between the look and the encoder, so
        # what was written is looked at, too. It takes as long as the rest, and is not
        # needed for a flat context, whose dictionary was made for the call.
        return self.plain(self._decode(data), room, _NO_LIMIT)

    def _tells_secret(self, items: Any) -> bool:
        if self.redaction is None or type(items[0]) is not str:
            return False
        return self.redaction.tells_secret(items)

    def full(self, value: Any, path: str, room: int = _NO_LIMIT) -> Captured:
        """
        Capture any value at all: the long way.

        Args:
            value: The value.
            path: Where it stands in the record, such as ``$.context.prompt``.
            room: How many characters its JSON may take, if fewer than the limit.

        Returns:
            JSON text, and the notes of what was done to the value.
        """
        limit = min(self._value_bytes, room)
        try:
            return self._within(limit, value, path)
        except Exception as exc:
            if interrupts(exc):
                raise
            # The last fence: of a value that defeats even the copy, the type is kept.
            note = make_note(path, "failed", error=short_name(type(exc)))
            return Captured(encode_text(f"<{type_of(value)}>"), [note])

    def _within(self, limit: int, value: Any, path: str) -> Captured:
        copy = Copy(self.limits, self.redaction, limit, self._words)
        text = encode_strict(copy.of(value, path))
        if len(text) <= limit:
            return Captured(text, copy.all_notes())
        # There is no room for even its shortest form.
        return Captured("null", [make_note(path, "truncated", characters=len(text))])

    def fields(
        self, given: dict[str, Any], path: str, room: int = _NO_LIMIT
    ) -> Captured:
        """
        Capture named values, each within its own limits: the long way.

        Args:
            given: The values by name.
            path: Where they stand in the record, such as ``$.context``.
            room: How many characters their JSON may take; by default, any number.

        Returns:
            The text of one JSON object, and the notes.
        """
        parts: list[str] = []
        notes: list[Note] = []
        names = Names()
        room -= 2
        for name, value in given.items():
            shown, said = self._name(plain_text(name), path)
            key = encode_text(names.distinct(shown, "name"))
            room -= len(key) + 2
            if room < _LEAST_ROOM or len(parts) == self._items:
                cut = {"items": len(given), "kept": len(parts)}
                notes.append(make_note(path, "truncated", **cut))
                break
            captured = self._named(plain_text(name), value, below(path, shown), room)
            room -= len(captured.text)
            parts.append(f"{key}:{captured.text}")
            notes += [*said, *captured.notes]
        return Captured("{" + ",".join(parts) + "}", notes)

    def _name(self, name: str, path: str) -> tuple[str, list[Note]]:
        copy = Copy(_NAME_LIMITS, self.redaction)
        return copy.text_of(name, path), copy.all_notes()

    def _named(self, name: str, value: Any, path: str, room: int) -> Captured:
        """Capture the value of one name, which may itself say it is a secret."""
        redaction = self.redaction
        kind = redaction.key_kind(name, value) if redaction is not None else None
        if kind is not None:
            note = make_note(path, "redacted", kind=kind)
            return Captured(encode_text(f"[redacted:{kind}]"), [note])
        text = self.plain(value, room)
        return self.full(value, path, room) if text is None else Captured(text, [])

    def text(
        self,
        text: str,
        path: str,
        *,
        limit: int | None = None,
        room: int | None = None,
    ) -> tuple[str, list[Note]]:
        """
        Bound and redact text of our own making, such as a traceback.

        Args:
            text: The text.
            path: Where it stands in the record.
            limit: How many characters are kept; by default as of any text.
            room: How many characters its JSON may take; by default as of any value.

        Returns:
            The text, safe to encode, and the notes.
        """
        limits = self.limits if limit is None else Limits(string=limit)
        copy = Copy(limits, self.redaction, room)
        return copy.words(plain_text(text), path), copy.all_notes()
