"""
The long way of a value into the record: a bounded copy that says what it did.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ai_trace._encode import encode_strict
from ai_trace._known_types import UNKNOWN, describe, type_name
from ai_trace._limits import Limits
from ai_trace._redact import Redaction


Note = dict[str, Any]

BIG = 1 << 64
"""Whole numbers up to here are written as numbers, larger ones as text."""

_INFINITY = math.inf
_MAX_NOTES = 100


class Copy:
    """
    A bounded copy of one value in JSON's own types, with its notes.
    """

    __slots__ = ("_inside", "_limits", "_notes", "_redaction", "_room", "_unsaid")

    def __init__(self, limits: Limits, redaction: Redaction | None) -> None:
        self._limits = limits
        self._redaction = redaction
        self._room = limits.value_bytes
        self._inside: set[int] = set()
        self._notes: list[Note] = []
        self._unsaid = 0

    def all_notes(self) -> list[Note]:
        if self._unsaid:
            self._notes.append({"note": "more notes", "count": self._unsaid})
            self._unsaid = 0
        return self._notes

    def of(self, value: Any, path: str) -> Any:
        try:
            return self._leaf_or_container(value, path)
        except Exception as exc:
            # One bad leaf costs that leaf, never the step.
            self._say(path, "failed", error=type(exc).__name__)
            return f"<{_type_of(value)} failed: {type(exc).__name__}>"

    def _leaf_or_container(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text_of(value, path)
        if kind is int or kind is float:
            return self._number(value, path)
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, path)
        return self._other(value, path)

    def _other(self, value: Any, path: str) -> Any:
        described = describe(value)
        if described is not UNKNOWN:
            return self._described(value, described, path)
        for base in (str, int, float, dict, list, set, frozenset):
            if issubclass(type(value), base):
                return self._leaf_or_container_of(base, value, path)
        self._say(path, "opaque", type=type_name(type(value)))
        return f"<{type_name(type(value))}>"

    def _described(self, value: Any, described: Any, path: str) -> Any:
        if type(described) in (dict, list):
            return self._guarded(value, described, path)
        return self._leaf_or_container(described, path)

    def _leaf_or_container_of(self, base: type, value: Any, path: str) -> Any:
        """Read a value by its builtin base, past whatever its class overrides."""
        if base is str:
            return self.text_of(str.__getitem__(value, slice(None)), path)
        if base is int:
            return self._number(int.__int__(value), path)
        if base is float:
            return self._number(float.__float__(value), path)
        return self._guarded(value, value, path)

    def text_of(self, text: str, path: str) -> str:
        limit = min(self._limits.string, max(self._room, 0))
        length = len(text)
        if self._redaction is not None:
            text, kinds = self._redaction.text(text, limit)
            for kind in kinds:
                self._say(path, "redacted", kind=kind)
        if len(text) > limit:
            text = text[:limit]
            self._say(path, "truncated", characters=length)
        self._room -= len(text)
        return self._unicode(text, path)

    def _unicode(self, text: str, path: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._say(path, "replaced", what="surrogates")
            return text.encode("utf-8", "backslashreplace").decode()
        return text

    def _number(self, value: float, path: str) -> Any:
        self._room -= 8
        if type(value) is int:
            if -BIG < value < BIG:
                return value
            bits = value.bit_length()
            self._say(path, "replaced", what="integer", bits=bits)
            return str(value) if bits <= 1024 else f"<int of {bits} bits>"
        if -_INFINITY < value < _INFINITY:
            return value
        self._say(path, "replaced", what="number")
        return "NaN" if value != value else f"{'-' * (value < 0)}Infinity"

    def _container(self, value: Any, path: str) -> Any:
        return self._guarded(value, value, path)

    def _guarded(self, owner: Any, value: Any, path: str) -> Any:
        """Copy a container, unless it is inside itself or too deep."""
        key = id(owner)
        if key in self._inside:
            self._say(path, "cycle")
            return "<cycle>"
        if len(self._inside) >= self._limits.depth:
            self._say(path, "truncated", depth=self._limits.depth)
            return f"<{_type_of(owner)}>"
        self._inside.add(key)
        try:
            if issubclass(type(value), dict):
                return self._mapping(value, path)
            return self._sequence(value, path)
        finally:
            self._inside.discard(key)

    def _mapping(self, value: dict[Any, Any], path: str) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, child in self._first(dict.items(value), dict.__len__(value), path):
            name = self._key(key, path, copied)
            here = f"{path}.{name}"
            kind = self._redaction.key_kind(name, child) if self._redaction else None
            if kind is None:
                copied[name] = self.of(child, here)
            else:
                self._say(here, "redacted", kind=kind)
                copied[name] = f"[redacted:{kind}]"
        return copied

    def _key(self, key: Any, path: str, taken: dict[str, Any]) -> str:
        """Return a text for any key, different from all texts taken so far."""
        if type(key) is str:
            name = self.text_of(key, path)
        else:
            shown = self.of(key, path)
            name = shown if type(shown) is str else encode_strict(shown)
            self._say(path, "replaced", what="key", type=type_name(type(key)))
        if name not in taken:
            return name
        wanted, n = f"{name}#{type_name(type(key))}", 1
        name = wanted
        while name in taken:
            n += 1
            name = f"{wanted}{n}"
        return name

    def _sequence(self, value: Any, path: str) -> list[Any]:
        base = next(
            b for b in (list, tuple, set, frozenset) if b in type(value).__mro__
        )
        items = self._first(base.__iter__(value), base.__len__(value), path)
        copied = [self.of(child, f"{path}[{i}]") for i, child in enumerate(items)]
        if base is set or base is frozenset:
            copied.sort(key=encode_strict)
        return copied

    def _first(self, items: Iterable[Any], count: int, path: str) -> Iterator[Any]:
        """Yield items while there is room, from a copy that cannot change."""
        kept = list(islice(items, self._limits.items))
        for i, item in enumerate(kept):
            if self._room <= 0:
                self._say(path, "truncated", items=count, kept=i)
                return
            self._room -= 2
            yield item
        if count > len(kept):
            self._say(path, "truncated", items=count, kept=len(kept))

    def _say(self, path: str, note: str, **more: Any) -> None:
        if len(self._notes) < _MAX_NOTES:
            self._notes.append(make_note(path, note, **more))
        else:
            self._unsaid += 1


def make_note(path: str, note: str, **more: Any) -> Note:
    shown = path[:200].encode("utf-8", "backslashreplace").decode()
    return {"path": shown, "note": note, **more}


def _type_of(value: object) -> str:
    return type_name(type(value))
