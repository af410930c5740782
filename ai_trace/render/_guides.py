"""
The lines that join the steps of a tree on a terminal to their parents.
"""

from __future__ import annotations

from ai_trace._tree import Place
from ai_trace.render._style import Span, Style, columns


_WIDEST_GUIDES = 120
_GUIDE_WIDTH = 3
_ON, _END = "│  ", "   "


class Guides:
    """
    The lines, as far as they fit on the screen.

    Args:
        style: What the output can show.
        start: What the line of a step without parents begins with.
    """

    def __init__(self, style: Style, start: Span | None = None) -> None:
        self._style = style
        self._start = start or Span("")
        # What is drawn below each step on the way to the current one.
        self._guides: list[str] = []
        width = min(style.width or _WIDEST_GUIDES, _WIDEST_GUIDES)
        self._levels = max(4, width // 2 // _GUIDE_WIDTH)

    def enter(self, place: Place) -> None:
        """Go on with the step at a place."""
        del self._guides[place.depth :]
        self._guides.append(_END if place.last else _ON)

    def first(self) -> Span:
        """Return the beginning of the step's first line."""
        level = len(self._guides) - 1
        if level <= 0:
            return self._start
        return self._span(level, "└─ " if self._guides[-1] == _END else "├─ ")

    def below(self) -> Span:
        """Return the beginning of the step's other lines."""
        if self._start.text:
            return Span(" " * columns(self._start.text))
        return self._span(len(self._guides), "")

    def more(self, count: int) -> str:
        """Return a line for the steps below that are not shown."""
        text = self._style.signs(f"… {count} more below")
        guide = self._span(len(self._guides), "└─ ")
        return self._style.line([guide, Span(text, "quiet")])

    def _span(self, stop: int, end: str) -> Span:
        # There may be ten thousand levels; only those on the screen are looked at.
        start = max(1, stop - self._levels)
        text = "".join(self._guides[start:stop])
        if start > 1:
            text = f"<{len(self._guides)}> {text}"
        return Span(self._style.signs(text + end), "quiet")
