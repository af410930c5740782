"""
Recorded values on a Markdown page: in code spans and fences; single words bare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ai_trace.render._page_escape import md_block, md_inline
from ai_trace.render._values import brief, clock, pretty


# Some readers make a link of a word with a dot, an issue of one with a hyphen (GH-1),
# and a commit of hex digits alone.
_WORD = re.compile(r"(?=.*[G-Zg-z_])[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*", re.ASCII)
_WORD_LIMIT = 64
_INLINE_LIMIT = 200


def log_entry(entry: Mapping[str, Any]) -> Iterator[str]:
    """
    Render a log entry as an item of a list.

    Args:
        entry: What was logged, with its time.

    Yields:
        Pieces of the item.
    """
    logged = {key: value for key, value in entry.items() if key != "_t"}
    large = {key: value for key, value in logged.items() if not _fits(value)}
    small = {key: value for key, value in logged.items() if key not in large}
    shown = pairs({key: _quoted(value) for key, value in small.items()})
    yield f"- {md_inline(clock(entry.get('_t'), utc=True))} — {shown}\n"
    yield from fields(large, "  ")


def pairs(named: Mapping[str, Any]) -> str:
    """
    Render short values on one line; strings have no quotes.

    Args:
        named: The values by their names.
    """
    return ", ".join(md_inline(f"{key}={_bare(value)}") for key, value in named.items())


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else brief(value, _INLINE_LIMIT)


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else brief(value, _INLINE_LIMIT)


def fields(named: Mapping[str, Any], indent: str) -> Iterator[str]:
    """
    Render values as items of a list.

    Args:
        named: The values by their names.
        indent: What stands before each item.

    Yields:
        The items.
    """
    for name, recorded in named.items():
        yield f"{indent}- {md_inline(name)}:{value(recorded, indent + '  ')}"


def value(value: Any, indent: str, *, quoted: bool = True) -> str:
    """
    Render what follows a colon: the rest of its line, or a block below it.

    Args:
        value: A value of JSON types.
        indent: What stands before each line of a block.
        quoted: Whether a string gets quotes.
    """
    if not _fits(value):
        return f"\n{md_block(pretty(value), indent)}"
    if not isinstance(value, (str, dict, list)):
        return f" {value!r}\n"
    if not isinstance(value, str):
        return f" {md_inline(brief(value, _INLINE_LIMIT))}\n"
    mark = "'" if quoted else ""
    inline = f"{mark}{value}{mark}"
    return f" {inline if _is_word(value) else md_inline(inline)}\n"


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _INLINE_LIMIT and "\n" not in value
    # A value that is too deep for one line is cut like one that is too long.
    shown = brief(value, _INLINE_LIMIT)
    return len(shown) < _INLINE_LIMIT and "…" not in shown


def word(text: str) -> str:
    """
    Render a text, bare if no reader can make anything else of it.

    Args:
        text: Any text.
    """
    return text if _is_word(text) else md_inline(text)


def _is_word(text: str) -> bool:
    return len(text) <= _WORD_LIMIT and _WORD.fullmatch(text) is not None
