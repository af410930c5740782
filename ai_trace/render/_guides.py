"""
The lines that join the steps of a tree on a terminal to their parents.
"""

from __future__ import annotations

from ai_trace._tree import Place
from ai_trace.render._style import Span, Style, columns


_WIDEST_GUIDES = 120
_GUIDE_WIDTH = 3


class Guides:
    """
    The lines, as far as they are on screen.

    Args:
        style: What the output can show.
        start: What a step without parents begins with.
    """

    def __init__(self, style: Style, start: Span | None = None) -> None:
        self._style = style
        self._start = start or Span("")
        self._open: list[bool] = []
        width = min(style.width or _WIDEST_GUIDES, _WIDEST_GUIDES)
        self._levels = max(4, width // 2 // _GUIDE_WIDTH)

    def enter(self, place: Place) -> None:
        """Go on with the step that stands at a place."""
        del self._open[place.depth :]
        self._open.append(not place.last)

    def first(self) -> Span:
        """Return what the step's first line begins with."""
        if len(self._open) <= 1:
            return self._start
        end = "├─ " if self._open[-1] else "└─ "
        return self._span(len(self._open) - 1, end)

    def below(self) -> Span:
        """Return what the step's other lines begin with."""
        if self._start.text:
            return Span(" " * columns(self._start.text))
        return self._span(len(self._open), "")

    def more(self, count: int) -> str:
        """Return a line for the steps below that are not shown."""
        text = self._style.signs(f"… {count} more below")
        guide = self._span(len(self._open), "└─ ")
        return self._style.line([guide, Span(text, "quiet")])

    def _span(self, stop: int, end: str) -> Span:
        # Of ten thousand levels only those on screen are looked at.
        start = max(1, stop - self._levels)
        opens = self._open[start:stop]
        text = "".join("│  " if is_open else "   " for is_open in opens)
        if start > 1:
            text = f"<{len(self._open)}> {text}"
        return Span(self._style.signs(text + end), "quiet")
