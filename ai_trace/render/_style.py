"""
What an output can show: columns, colours, signs. Colours come after escaping.
"""

from __future__ import annotations

from functools import lru_cache

from ai_trace._named import NamedTuple
from ai_trace.render._escape import term


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CODES = {
    "good": "32",
    "bad": "31",
    "odd": "33",
    "name": "1",
    "quiet": "2",
}
_MARKS = {
    "ok": ("✔", "+", "good"),
    "error": ("✘", "x", "bad"),
    "cancelled": ("⊘", "-", "odd"),
    "closed": ("◦", "o", "quiet"),
    "interrupted": ("!", "!", "bad"),
    "running": ("…", "~", "odd"),
    "unfinished": ("?", "?", "bad"),
    "missing": ("?", "?", "odd"),
}
_UNKNOWN_MARK = ("?", "?", "odd")
NOT_OK = ("cancelled", "interrupted", "unfinished", "running", "closed")
"""How else than well or in an error steps end, in the order in which it is told."""

_ASCII = {
    "…": "...",
    "⏎": "\\n",
    "→": "->",
    "µ": "u",
    "│": "|",
    "├": "|",
    "└": "`",
    "─": "-",
}
_TO_ASCII = str.maketrans(_ASCII)
_SIGNS = "".join([*_ASCII, *(mark for mark, _, _ in _MARKS.values())])
_LEAST = "ascii"
_RARE = "\U0010fffd"
# Some characters have no width, so columns alone do not limit the length of a line.
_CHARS_A_COLUMN = 4


class Span(NamedTuple):
    """
    A part of a line.

    Attributes:
        text: The text; escaped, if it is from a trace.
        role: What it is, which decides its colour; empty for plain text.
    """

    text: str
    role: str = ""


class Style(NamedTuple):
    """
    What the output can show.

    Attributes:
        colour: Whether ANSI colours may be used.
        width: Columns; lines are cut there. ``None`` never cuts.
        unicode: Whether the encoding has the marks and guides; else ASCII ones.
        encoding: The output's encoding if it lacks characters, which are written as
            escapes; empty if it has all.
    """

    colour: bool = False
    width: int | None = 80
    unicode: bool = True
    encoding: str = ""

    @classmethod
    def fitting(
        cls, encoding: str | None, *, colour: bool = False, width: int | None = 80
    ) -> Style:
        """
        Return the style for an output with some encoding.

        Args:
            encoding: Name of the encoding, such as ``utf-8``.
            colour: Whether ANSI colours may be used.
            width: Columns, or ``None``.
        """
        name = encoding or _LEAST
        name = name if _has(name, "") else _LEAST
        lacks = "" if _has(name, _RARE) else name
        return cls(colour, width, _has(name, _SIGNS), lacks)

    def clean(self, text: str, *, single_line: bool = True) -> str:
        """
        Make traced text safe for this output.

        Args:
            text: Any text.
            single_line: Whether a sign stands for each line break.
        """
        return self.signs(term(text, single_line))

    def signs(self, text: str) -> str:
        """
        Replace our signs and other characters that the output lacks.

        If they were replaced only when written, their width would be measured wrongly.

        Args:
            text: Text of ours, or escaped text.
        """
        if not self.unicode:
            text = text.translate(_TO_ASCII)
        if not self.encoding or text.isascii():
            return text
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def mark(self, outcome: str) -> Span:
        """
        Return the sign for an outcome.

        Args:
            outcome: How a step ended.
        """
        sign, plain, role = _MARKS.get(outcome, _UNKNOWN_MARK)
        return Span(sign if self.unicode else plain, role)

    def paint(self, text: str, role: str) -> str:
        """
        Colour a text.

        Args:
            text: Escaped text.
            role: What it is: ``good``, ``bad``, ``odd``, ``name`` or ``quiet``.
        """
        if not self.colour or not text or role not in _CODES:
            return text
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m"

    def line(self, spans: Iterable[Span], *, cut: bool = True) -> str:
        """
        Join the parts of a line, cut to the width and coloured.

        Args:
            spans: The parts.
            cut: Whether to cut at all.

        Returns:
            The line, without spaces at its end.
        """
        parts = list(spans)
        if cut and self.width is not None:
            parts = self._cut(parts, self.width)
        if not self.colour:
            return "".join([text for text, _ in parts]).rstrip()
        return "".join(self.paint(text, role) for text, role in parts).rstrip()

    def _cut(self, parts: list[Span], width: int) -> list[Span]:
        if sum(columns(text) for text, _ in parts) <= width and all(
            len(text) <= width * _CHARS_A_COLUMN for text, _ in parts
        ):
            return parts
        ellipsis = self.signs("…")[:width]
        room = max(0, width - len(ellipsis))
        kept = []
        for text, role in parts:
            shown = head(text, room)
            kept.append(Span(shown, role))
            room -= columns(shown)
            if len(shown) < len(text):
                break
        return [*kept, Span(ellipsis, "quiet")]


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns(text: str) -> int:
    """
    Count the columns that a text takes on a terminal.

    Args:
        text: Escaped text on one line.
    """
    return len(text) if text.isascii() else sum(map(_char_columns, text))


def head(text: str, room: int) -> str:
    """
    Return the beginning of a text that fits into some columns.

    Args:
        text: Escaped text on one line.
        room: The columns.
    """
    if text.isascii():
        return text[:room]
    used = 0
    for index, char in enumerate(text[: room * _CHARS_A_COLUMN]):
        used += _char_columns(char)
        if used > room:
            return text[:index]
    return text[: room * _CHARS_A_COLUMN]


# In a million lines, the characters that are not ASCII are the same few.
@lru_cache(maxsize=4096)
def _char_columns(char: str) -> int:
    # Loaded for the first text that is not ASCII.
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in ("W", "F") else 1
