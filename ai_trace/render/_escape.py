"""
The choke point for untrusted text on a terminal: nothing traced reaches one around it.

Traced text may try to move the cursor, set the window's title, fill the clipboard,
turn the reading direction or forge a row: whatever does not print is shown as an
escape. What it may do to a Markdown page besides, _page_escape.py prevents.
"""

from __future__ import annotations


BREAK = "⏎"
"""What stands for the end of a line inside of one."""


def term(text: str, single_line: bool = True) -> str:
    r"""
    Make text safe for a terminal.

    Args:
        text: Any text.
        single_line: Whether a newline becomes ``⏎`` and a tab a space; otherwise
            both are kept.

    Returns:
        The text, with every other character that does not print as a visible
        ``\x1b``, ``\u202e`` or ``\U000e0041``.
    """
    if text.isprintable():
        return text
    kept = _IN_LINE if single_line else _IN_BLOCK
    text = text.replace("\r\n", "\n")
    return "".join(
        char if char.isprintable() else kept.get(char) or _visible(char)
        for char in text
    )


def _visible(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_IN_LINE = {"\n": BREAK, "\t": " "}
_IN_BLOCK = {"\n": "\n", "\t": "\t"}
