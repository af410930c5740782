"""
The choke point for untrusted text on a Markdown page: all of it passes through here.

Traced text may try to load an image, forge a row of a table or close a code block. Only
in code spans and fences is nothing interpreted, not even mentions of people and bare
links; so all untrusted text is put into one of them.
"""

from __future__ import annotations

import re

from ai_trace._visible import BREAK
from ai_trace.render._escape import term


# Everything that any program takes for the end of a line.
_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BACKTICKS = re.compile("`+")
_BEFORE_PIPE = re.compile(r"(\\*)\|")


def md_inline(text: str) -> str:
    """
    Put text into a Markdown code span, outside tables.

    Args:
        text: Any text.

    Returns:
        The span, on one line: it is delimited by one more backtick than any run of them
        in the text.
    """
    text = term(_BREAKS.sub(BREAK, text))
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    ticks = "`" * (longest + 1)
    # One space is stripped from both ends of a span that has both, and a backtick at
    # the edge would join the delimiter.
    pad = " " if not text or text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def md_cell(text: str) -> str:
    r"""
    Put text into a Markdown code span for a cell of a table.

    Args:
        text: Any text.

    Returns:
        The span, with its pipes escaped. Readers differ on whether ``\\|`` escapes the
        pipe, so backslashes before a pipe are doubled.
    """
    return _BEFORE_PIPE.sub(r"\1\1\|", md_inline(text))


def md_block(text: str, indent: str = "") -> str:
    """
    Put text into a fenced Markdown block.

    Args:
        text: Any text, of any number of lines.
        indent: Written before each line: the indent of the list item it belongs to.

    Returns:
        The block, with a newline at its end. Its fence is one backtick longer than any
        run of them in the text.
    """
    # In Markdown a lone CR ends a line, so text after it would not be indented.
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    text = term(text, single_line=False)
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [f"{fence}text", *text.split("\n"), fence]
    return "".join(f"{indent}{line}\n" for line in lines)
