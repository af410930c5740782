"""
The long way of a value into the record: a bounded copy that says what it did.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Callable

from ai_trace._arrays import Summary
from ai_trace._cells import HIDDEN, shown_cells
from ai_trace._encode import encode_strict, encode_text
from ai_trace._field_types import UNKNOWN, Sequence, Thing
from ai_trace._interruption import interrupts
from ai_trace._known_types import is_digits, is_enum, reader_of
from ai_trace._leaves import BIG, SMALL, Leaves
from ai_trace._limits import Limits
from ai_trace._notes import Names, below
from ai_trace._objects import keeps_elsewhere, plain_text, short_name, type_of
from ai_trace._plain_words import PlainWords
from ai_trace._redact import FAILED, Redaction
from ai_trace._secret_names import told_value, word_of
from ai_trace._told_items import told_items


_MAX_WALKS = 5
_OTHER: Any = object()


class Copy(Leaves):
    """
    A bounded copy of one value in JSON's own types, with its notes.

    Args:
        limits: The bounds.
        redaction: What to take out; ``None`` takes nothing out.
        room: How many characters its JSON may take; by default as in the limits.
            What stands last may go a little beyond.
        words: Keys and texts that need no further look.
    """

    __slots__ = (
        "_classes",
        "_family",
        "_inside",
        "_readers",
        "_replace",
        "_texts",
    )

    def __init__(
        self,
        limits: Limits,
        redaction: Redaction | None,
        room: int | None = None,
        words: PlainWords | None = None,
    ) -> None:
        super().__init__(limits, redaction, room, words)
        self._replace = redaction.replace if redaction is not None else None
        self._inside: set[int] = set()
        self._readers: dict[int, Callable[[Any], Any]] = {}
        # What reads the values of a class as text, and whether that text is sure to
        # hold no secret.
        self._texts: dict[int, tuple[Callable[[Any], Any], bool]] = {}
        self._classes: list[type] = []
        self._family: type | None = None

    def of(self, value: Any, path: str) -> Any:
        """Return the copy of a value, after the program's own redactor."""
        copied = self._copied(value, path)
        if self._replace is None or type(copied) in (dict, list):
            return copied
        return self._replaced(copied, path)

    def words(self, text: str, path: str) -> str:
        """Copy text of our own making, which stays text."""
        copied: Any = self.text_of(text, path)
        if self._replace is not None:
            copied = self._replaced(copied, path)
        return copied if type(copied) is str else encode_strict(copied)

    def _replaced(self, leaf: Any, path: str) -> Any:
        """Return what the program's own redactor makes of a leaf; it fails closed."""
        replace, self._replace = self._replace, None
        try:
            given = replace(path, leaf) if replace is not None else leaf
            if given is leaf:
                return leaf
            self._say(path, "redacted", kind="replace")
            return self._leaf_or_container(given, path)
        except Exception as exc:
            if interrupts(exc):
                raise
            self._say(path, "failed", what="redaction", error=short_name(type(exc)))
            return self._placeholder(FAILED)
        finally:
            self._replace = replace

    def _copied(self, value: Any, path: str) -> Any:
        try:
            return self._leaf_or_container(value, path)
        except Exception as exc:
            if interrupts(exc):
                raise
            # One bad leaf costs that leaf, never the step.
            error = short_name(type(exc))
            self._say(path, "failed", error=error)
            return self._placeholder(f"<{type_of(value)} failed: {error}>")

    def _leaf_or_container(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            self._room -= 5
            return value
        if kind is str:
            return self.text_of(value, path)
        if kind is int or kind is float:
            return self._number(value, path)
        if kind is dict:
            return self._guarded(value, path, partial(self._mapping, value))
        if kind is list or kind is tuple:
            return self._guarded(value, path, partial(self._sequence, value))
        return self._other(value, path)

    def _other(self, value: Any, path: str) -> Any:
        read = self._readers.get(id(type(value)))
        if read is None:
            read = self._learned(type(value))
            shown = self._leaf(value)
            if shown is not _OTHER:
                return shown
        described = read(value)
        if described is not UNKNOWN:
            return self._described(value, described, path)
        for base in (str, int, float, dict, list, set, frozenset):
            if issubclass(type(value), base) and not keeps_elsewhere(value, base):
                return self._by_base(base, value, path)
        return self._opaque(value, path)

    def _learned(self, kind: type) -> Callable[[Any], Any]:
        """Find out once how the values of a class are read."""
        read = self._readers[id(kind)] = reader_of(kind)
        # Keeps the class alive, so that no other one gets its identity meanwhile.
        self._classes.append(kind)
        redaction = self._redaction
        is_bare = redaction is None or not redaction.knows_more
        is_safe = is_bare and is_digits(kind)
        if is_safe or is_enum(kind):
            self._texts[id(kind)] = (read, is_safe)
        return read

    def _described(self, value: Any, described: Any, path: str) -> Any:
        kind = type(described)
        if kind is Summary:
            described, cut, note, names = described
            if cut:
                self._say(path, note, **cut)
            if names:
                cells, at = described["head"], f"{path}.head"
                described["head"] = shown_cells(cells, names, at, self._is_secret)
            if issubclass(type(value), (bytes, bytearray, memoryview)):
                described = self._bytes_summary(described, path)
            kind = type(described)
        if kind is Thing:
            return self._thing(value, described, path)
        if kind is Sequence:
            walk = partial(self._items, described.walk, described.length)
            return self._guarded(value, path, walk)
        if issubclass(kind, dict):
            return self._guarded(value, path, partial(self._mapping, described))
        return self._leaf_or_container(described, path)

    def _thing(self, value: Any, thing: Thing, path: str) -> Any:
        """Copy a thing; of others inside it, those of another family are only named."""
        around = self._family
        if around is not None and around is not thing.family:
            # A cancel scope of trio, for one, leads to all tasks of the program.
            return self._opaque(value, path)
        self._family = thing.family
        try:
            return self._guarded(value, path, partial(self._mapping, thing.fields))
        finally:
            self._family = around

    def _by_base(self, base: type, value: Any, path: str) -> Any:
        """Read a value by its builtin base, past whatever its class overrides."""
        if base is str:
            return self.text_of(plain_text(value), path)
        if base is int:
            return self._number(int.__int__(value), path)
        if base is float:
            return self._number(float.__float__(value), path)
        copy = self._mapping if base is dict else self._sequence
        return self._guarded(value, path, partial(copy, value))

    def _guarded(self, owner: Any, path: str, copy: Callable[[str], Any]) -> Any:
        """Copy a container, unless it is inside itself or too deep."""
        key = id(owner)
        if key in self._inside:
            self._say(path, "cycle")
            return self._placeholder("<cycle>")
        if len(self._inside) >= self._limits.depth:
            self._say(path, "truncated", depth=self._limits.depth)
            return self._placeholder(f"<{type_of(owner)}>")
        self._inside.add(key)
        self._room -= 2
        try:
            return copy(path)
        finally:
            self._inside.discard(key)

    # About most leaves there is nothing to say: 1,000 rows of 10 columns, a datetime
    # among them, take 13 ms this way, and 45 ms if each leaf is given its path.
    def _leaf(self, value: Any) -> Any:
        """Copy a leaf about which there is nothing to say; ``_OTHER`` for all else."""
        kind = type(value)
        if kind is str:
            if not self._words.shows(value):
                return _OTHER
            room = self._room - len(encode_text(value))
        elif kind is int or kind is float:
            # NaN and infinity minus themselves are NaN.
            if value - value != 0 or not (kind is float or SMALL <= value < BIG):
                return _OTHER
            room = self._room - len(repr(value))
        elif value is None or kind is bool:
            room = self._room - 5
        else:
            value = self._as_text(kind, value)
            if value is _OTHER:
                return _OTHER
            room = self._room - len(encode_text(value))
        if room < 0:
            return _OTHER
        self._room = room
        return value

    def _as_text(self, kind: type, value: Any) -> Any:
        read, is_safe = self._texts.get(id(kind), _NO_TEXT)
        try:
            text = read(value)
        except Exception as exc:
            if interrupts(exc):
                raise
            return _OTHER
        if type(text) is not str:
            return _OTHER
        if is_safe and len(text) <= self._limits.string:
            return text
        return text if self._words.shows(text) else _OTHER

    def _mapping(self, value: dict[Any, Any], path: str) -> dict[str, Any]:
        count = dict.__len__(value)
        items = self._kept(lambda: iter(dict.items(value)), path)
        # A key that is text keeps its name, whatever other key is shown the same.
        by_name = {key: child for key, child in items if type(key) is str}
        rooms = self._rooms_of(by_name)
        leaf = self._leaf if self._replace is None else _no_leaf
        words = by_name
        if len(by_name) < len(items):
            words = {word_of(key) or "": child for key, child in items}
        told = told_value(words)
        if told:
            rooms = {**rooms, **dict.fromkeys(told, 0)}
        names = None
        copied: dict[str, Any] = {}
        for key, child in items:
            room = self._room
            needed = rooms[key] if type(key) is str else 0
            if 0 < needed <= room:
                self._room = room - needed
                name = key
                shown = leaf(child)
                if shown is _OTHER:
                    shown = self.of(child, below(path, name))
            else:
                names = names or Names(set(by_name))
                self._room = room - 2
                name = self._key(key, path, names)
                word = word_of(key) or name
                said = told.get(word) or word
                shown = self._unless_secret(said, child, below(path, name))
            if self._room < 0:
                self._room = min(room, 0)
                break
            copied[name] = shown
        if len(by_name) < len(items):
            self._say_renamed((key for key, _ in items[: len(copied)]), path)
        self._say_cut(len(copied), len(items), count, path)
        return copied

    def _unless_secret(self, key: Any, value: Any, path: str) -> Any:
        """Copy a value, unless what names it says that it is a secret."""
        if self._is_secret(key, value, path):
            return self._placeholder(HIDDEN)
        shown = self._leaf(value) if self._replace is None else _OTHER
        return self.of(value, path) if shown is _OTHER else shown

    def _is_secret(self, key: Any, value: Any, path: str) -> bool:
        word = word_of(key)
        if self._redaction is None or word is None:
            return False
        kind = self._redaction.key_kind(word, value)
        if kind is not None:
            self._say(path, "redacted", kind=kind)
        return kind is not None

    def _key(self, key: Any, path: str, names: Names) -> str:
        """Return a text for any key, different from all others in its mapping."""
        room = self._room
        if type(key) is str:
            shown = self.text_of(key, path)
            if shown == key:
                return shown
        elif issubclass(type(key), str):
            shown = self.text_of(plain_text(key), path)
        else:
            copied = self._copied(key, path)
            shown = copied if type(copied) is str else encode_strict(copied)
        name = names.distinct(shown, type_of(key))
        self._room = room - len(encode_text(name))
        return name

    def _sequence(self, value: Any, path: str) -> list[Any]:
        if type(value) is list or type(value) is tuple:
            # A slice is made in one go, whatever other threads do.
            return self._copies(value[: self._limits.items], len(value), path)
        bases = (list, tuple, set, frozenset)
        base: Any = next(base for base in bases if issubclass(type(value), base))
        walk = partial(base.__iter__, value)
        copied = self._items(walk, base.__len__(value), path)
        if base is set or base is frozenset:
            copied.sort(key=encode_strict)
        return copied

    def _items(
        self, walk: Callable[[], Iterator[Any]], count: int, path: str
    ) -> list[Any]:
        return self._copies(self._kept(walk, path), count, path)

    def _copies(self, kept: Any, count: int, path: str) -> list[Any]:
        copied: list[Any] = []
        leaf = self._leaf if self._replace is None else _no_leaf
        for i, (key, child) in enumerate(zip(told_items(kept, count), kept)):
            room = self._room
            self._room = room - 1
            shown = leaf(child) if key is None else _OTHER
            if shown is _OTHER and key is None:
                shown = self.of(child, f"{path}[{i}]")
            elif shown is _OTHER:
                shown = self._unless_secret(key, child, f"{path}[{i}]")
            if self._room < 0:
                self._room = min(room, 0)
                break
            copied.append(shown)
        self._say_cut(len(copied), len(kept), count, path)
        return copied

    def _kept(self, walk: Callable[[], Iterator[Any]], path: str) -> list[Any]:
        """Return the first items, in a list that nobody else can change."""
        most = min(self._limits.items, sys.maxsize)
        for _ in range(_MAX_WALKS):
            try:
                return list(islice(walk(), most))
            except RecursionError:
                raise
            except RuntimeError as exc:
                if interrupts(exc):
                    raise
                # Another thread has added or removed items.
                self._say(path, "changed")
        return list(islice(walk(), most))

    def _say_cut(self, copied: int, kept: int, count: int, path: str) -> None:
        """Say how many items of a container are in the record, if not all of them."""
        if copied < kept or count > kept == self._limits.items:
            self._notes.say_cut(path, items=count, kept=copied)

    def _say_renamed(self, keys: Iterable[Any], path: str) -> None:
        others = (key for key in keys if not issubclass(type(key), str))
        for kind, count in Counter(map(type_of, others)).items():
            self._say(path, "replaced", what="keys", type=kind, count=count)


def _no_leaf(_value: object) -> Any:
    return _OTHER


_NO_TEXT = (_no_leaf, False)
