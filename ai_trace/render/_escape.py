"""
The choke points for untrusted text: nothing traced reaches an output around them.

Traced text may try to move the cursor, set the window's title, fill the clipboard,
turn the reading direction, forge a row, load an image or close a code block. For a
terminal, whatever does not print is shown as an escape. In Markdown, code spans and
fences are the only places where nothing at all is interpreted, not even mentions of
people and bare links; so all untrusted text stands in one of them.
"""

from __future__ import annotations

import re


_BREAK = "⏎"
# All that some program takes for the end of a line.
_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BACKTICKS = re.compile("`+")
_BEFORE_PIPE = re.compile(r"(\\*)\|")


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


def md_inline(text: str) -> str:
    """
    Put text into a Markdown code span, outside of tables.

    Args:
        text: Any text.

    Returns:
        The span: one more backtick than stand together anywhere in the text, which
        is on one line.
    """
    text = term(_BREAKS.sub(_BREAK, text))
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    ticks = "`" * (longest + 1)
    # A span's outer spaces are taken off when it has both, and a backtick at the
    # edge would join the span's own.
    pad = " " if not text or text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def md_cell(text: str) -> str:
    r"""
    Put text into a Markdown code span for a cell of a table.

    Args:
        text: Any text.

    Returns:
        The span, its pipes escaped. Readers differ on whether the backslash of
        ``\\|`` escapes the pipe, so backslashes before a pipe are doubled.
    """
    return _BEFORE_PIPE.sub(r"\1\1\|", md_inline(text))


def md_block(text: str, indent: str = "") -> str:
    """
    Put text into a fenced Markdown block.

    Args:
        text: Any text, of any number of lines.
        indent: Written before each line: the spaces of the list item it belongs to.

    Returns:
        The block, newline at the end included: its fence is one backtick longer than
        any run of them in the text.
    """
    # A lone CR ends a line in Markdown and would leave the indented item.
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    text = term(text, single_line=False)
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [f"{fence}text", *text.split("\n"), fence]
    return "".join(f"{indent}{line}\n" for line in lines)


def _visible(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_IN_LINE = {"\n": _BREAK, "\t": " "}
_IN_BLOCK = {"\n": "\n", "\t": "\t"}
