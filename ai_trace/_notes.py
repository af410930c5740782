"""
What is said of a value that is not recorded as it was: notes, and the paths in them.
"""

from __future__ import annotations

from typing import Any

from ai_trace._objects import valid_unicode


Note = dict[str, Any]

_MAX_NOTES = 50
# Where other notes are only counted, it is still said that something was cut.
_MAX_CUTS = 100
_MAX_PATH = 200


class Notes:
    """
    The notes on one value, as many as are of use; others are counted.
    """

    __slots__ = ("_said", "_unsaid")

    def __init__(self) -> None:
        self._said: list[Note] = []
        self._unsaid = 0

    def all(self) -> list[Note]:
        """Return the notes; the last one counts those that were not kept."""
        if self._unsaid:
            self._said.append({"note": "more notes", "count": self._unsaid})
            self._unsaid = 0
        return self._said

    def say(self, path: str, note: str, **more: Any) -> None:
        """Say what was done to what stands at a path."""
        self._say(_MAX_NOTES, path, note, more)

    def say_cut(self, path: str, **more: Any) -> None:
        """Say that items of a container are missing."""
        self._say(_MAX_CUTS, path, "truncated", more)

    def _say(self, limit: int, path: str, note: str, more: dict[str, Any]) -> None:
        if len(self._said) < limit:
            self._said.append(make_note(path, note, **more))
        else:
            self._unsaid += 1


class Names:
    """
    Gives each name in one object of the record a text of its own.

    Args:
        taken: Texts that are given to others.
    """

    __slots__ = ("_again", "_taken")

    def __init__(self, taken: set[str] | None = None) -> None:
        self._taken = taken or set()
        self._again: dict[str, int] = {}

    def distinct(self, name: str, kind: str) -> str:
        """Return a name; if it is taken, with its kind and a number behind it."""
        if name in self._taken:
            wanted = name = f"{name}#{kind}"
            while name in self._taken:
                self._again[wanted] = self._again.get(wanted, 1) + 1
                name = f"{wanted}{self._again[wanted]}"
        self._taken.add(name)
        return name


def below(path: str, name: str) -> str:
    """Return the path of a named part of the value at a path; long names are cut."""
    return f"{path}.{name[:_MAX_PATH]}" if len(path) < _MAX_PATH else path


def make_note(path: str, note: str, **more: Any) -> Note:
    """Return a note as it stands in a record."""
    return {"path": valid_unicode(path[:_MAX_PATH]), "note": note, **more}
