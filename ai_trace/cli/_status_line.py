"""
The last line of a terminal, rewritten in place: the steps that are running.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ai_trace._record import StepRecord
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.render import text


_NARROWEST = 20
_USUAL = 80
# Go to the first column, and erase the line from there.
_CLEAR = "\r\x1b[K"


class StatusLine:
    """
    Shows the running steps below everything else, only on a terminal.

    Call ``clear`` before anything else is written. As a context manager, it erases the
    line at the end.

    Args:
        terminal: Where to write.
        wanted: Whether to show it at all.
    """

    def __init__(self, terminal: Terminal, *, wanted: bool) -> None:
        is_able = terminal.is_terminal and os.environ.get("TERM") != "dumb"
        self._terminal = terminal
        self._wanted = wanted and is_able
        self._shown = ""

    def show(self, steps: Sequence[StepRecord]) -> None:
        """
        Show the steps that are running, and for how long.

        Args:
            steps: The steps, in the order of their start.
        """
        if not self._wanted:
            return
        # Some terminals begin a new line after the last column.
        width = max(_NARROWEST, (self._terminal.width or _USUAL) - 1)
        style = fitting(self._terminal)._replace(width=width)
        line = text.running(steps, time.time(), style)
        if line != self._shown:
            # Ctrl-C may come during the write: whatever is there is erased at the end.
            self._shown = line or self._shown
            self._write(_CLEAR + line)
        self._shown = line

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            self._write(_CLEAR)
        self._shown = ""

    def _write(self, text: str) -> None:
        self._terminal.write_pieces([text])
        self._terminal.flush()

    def __enter__(self) -> StatusLine:
        """Begin."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Erase the line, whatever has happened."""
        self.clear()
