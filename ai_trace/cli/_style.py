"""
The style in which renders draw for an output.
"""

from __future__ import annotations

from ai_trace.cli._terminal import Terminal
from ai_trace.render._style import Style


def fitting(terminal: Terminal) -> Style:
    """
    Return the style that fits an output.

    Args:
        terminal: The output.
    """
    return Style.fitting(
        terminal.encoding, colour=terminal.colour, width=terminal.width
    )
