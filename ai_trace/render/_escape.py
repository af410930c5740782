"""
The choke point for untrusted text on a terminal: all traced text passes through it.

Traced text may try to move the cursor, set the window's title, fill the clipboard,
reverse the reading direction or forge a row, so characters that do not print are shown
as escapes. _page_escape.py prevents what it may do to a Markdown page.
"""

from __future__ import annotations

from ai_trace._visible import IN_LINE, visible


_IN_BLOCK = {"\n": "\n", "\t": "\t"}


def term(text: str, single_line: bool = True) -> str:
    r"""
    Make text safe for a terminal.

    Args:
        text: Any text.
        single_line: Whether a newline becomes ``⏎`` and a tab a space; otherwise
            both are kept.

    Returns:
        The text, with every other character that does not print as a visible escape:
        ``\x1b``, ``\u202e`` or ``\U000e0041``.
    """
    return visible(text, IN_LINE if single_line else _IN_BLOCK)
