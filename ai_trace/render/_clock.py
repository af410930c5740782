"""
When the steps of a tree began: a column of times before it, and lines with the days.
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_trace._record import StepRecord
from ai_trace.render._style import Span, Style
from ai_trace.render._values import clock, local_time


# Narrower terminals have no room for milliseconds.
_ROOMY = 60
_MILLISECONDS = len(".123")
_DAY, _OFFSET = slice(0, len("2024-03-01")), slice(len("2024-03-01 14:30:22"), None)


class Clock:
    """
    The times of a tree's steps; local, like all times on a terminal.

    Args:
        style: What the output can show.

    Attributes:
        beside: The style for what is beside the times.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._cut = style.width is not None and style.width < _ROOMY
        self._blank = " " * len(self._column(0.0))
        self._day = ""
        width = style.width
        self.beside = style
        if width is not None:
            self.beside = style._replace(width=max(1, width - len(self._blank)))

    def add(self, record: StepRecord, lines: Iterator[str]) -> Iterator[str]:
        """
        Put the time before a step's lines, and above them the day if it has changed.

        Args:
            record: The step.
            lines: What is shown of it.

        Yields:
            Lines, without their newlines.
        """
        column = self._blank
        # The time of a missing step is not known, only those of its children.
        if record.outcome != "missing":
            yield from self._date(record.started_at)
            column = self._style.paint(self._column(record.started_at), "quiet")
        for line in lines:
            yield f"{column}{line}" if line else ""
            column = self._blank

    def indent(self, line: str) -> str:
        """
        Indent a line that does not belong to a step.

        Args:
            line: The line.
        """
        return f"{self._blank}{line}"

    def _date(self, when: float) -> Iterator[str]:
        moment = local_time(when)
        day = f"{moment[_DAY]} {moment[_OFFSET]}"
        if when and day != self._day:
            self._day = day
            yield self._style.line([Span(day, "quiet")])

    def _column(self, when: float) -> str:
        # 0.0 means that there is no time, not the year 1970.
        text = clock(when or None, utc=False)
        return f"{text[:-_MILLISECONDS] if self._cut else text} "
