"""
Characters that do not print, as visible escapes.
"""

from __future__ import annotations


# Type checkers know this name. Importing less makes ``ai-trace --help`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

BREAK = "⏎"
"""The sign for the end of a line, where text is shown on one line."""

IN_LINE = {"\n": BREAK, "\t": " "}


def visible(text: str, kept: Mapping[str, str] = IN_LINE) -> str:
    r"""
    Return text with each character that does not print as an escape.

    Args:
        text: Any text.
        kept: What stands for some of these characters instead.

    Returns:
        The text, with ``\x1b``, ``\u202e`` or ``\U000e0041`` for the others.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else kept.get(char) or _escape(char)
        for char in text.replace("\r\n", "\n")
    )


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
