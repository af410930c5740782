"""
What was done to what a step was given: cut, redacted, replaced, lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ai_trace._encode import encode_strict
from ai_trace._notes import Note


_MAX_NOTES = 200


class Remarks:
    """
    The notes of one step; most steps have none.

    Args:
        room: How many characters they may take.

    Attributes:
        logs_lost: How many log entries found the step full.
    """

    __slots__ = ("_lost", "_notes", "_on_name", "_room", "logs_lost")

    def __init__(self, room: int) -> None:
        self._room = room
        self._on_name: list[Note] = []
        self._notes: list[Note] = []
        self._lost = 0
        self.logs_lost = 0

    def add(self, notes: Iterable[Note]) -> None:
        """Add notes while there is room; the others are counted."""
        for note in notes:
            self._room -= len(encode_strict(note))
            if "path" not in note:
                self._lost += note["count"]
            elif self._room < 0 or len(self._notes) >= _MAX_NOTES:
                self._lost += 1
            else:
                self._notes.append(note)

    def on_name(self, notes: list[Note]) -> None:
        """Take the notes on the step's name, which are kept for all of that name."""
        self._on_name = notes

    def forget(self, is_over: Callable[[Note], bool]) -> None:
        """Drop the notes on what is about to be recorded anew."""
        self._room += sum(len(encode_strict(n)) for n in self._notes if is_over(n))
        self._notes = [note for note in self._notes if not is_over(note)]

    def below(self, path: str) -> list[Note]:
        """Return the notes on what stands at a path, or inside of it."""
        return [note for note in self._notes if note["path"].startswith(path)]

    def text(self) -> str:
        """Return all notes as a field of a line, after a comma; empty for none."""
        notes = self._on_name + self._notes
        if self.logs_lost:
            notes.append({"path": "$.logs", "note": "lost", "count": self.logs_lost})
        if self._lost:
            notes.append({"note": "more notes", "count": self._lost})
        return f',"notes":{encode_strict(notes)}' if notes else ""
