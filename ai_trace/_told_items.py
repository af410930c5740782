"""
What the items of a list say of each other.

A header names its value, an option the word behind it; the first line of a private key
says what the lines behind it are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from ai_trace._patterns import compiled
from ai_trace._secret_commands import secret_words
from ai_trace._secret_shapes import PEM, PEM_CUT


def told_items(items: Sequence[Any], count: int) -> Iterable[object]:
    """
    Return for each item of a list what those before it say that it is, or ``None``.

    Args:
        items: The first items.
        count: How many there are in all.
    """
    # As plain does, without a call for each item.
    words = [str.__str__(i) if issubclass(type(i), str) else i for i in items]
    # Few lists say anything.
    return _told(words, count) if count == 2 or _may_tell(words) else repeat(None)


def _may_tell(items: Sequence[object]) -> bool:
    """Tell quickly whether items may say of each other what they are."""
    return any(
        type(item) is str and "-" in item and (item[0] == "-" or "--" in item)
        for item in items
    ) or any(type(item) is bytes and item[:1] == b"-" for item in items)


def _told(items: Sequence[object], count: int) -> Iterator[object]:
    before: object = None
    in_key = False
    secrets = secret_words(items) if any(map(_is_short_option, items)) else ()
    for n, item in enumerate(items):
        text = item if type(item) is str else ""
        in_key = in_key and bool(text) and _is_of_key(text)
        if in_key:
            yield "private key"
        elif n in secrets:
            yield "password"
        else:
            yield before if count == 2 or _is_option(before) else None
        in_key = "-----END" not in text and (in_key or _begins_key(text))
        before = None if n in secrets else item


def _is_option(item: object) -> bool:
    if type(item) is not str or item.startswith("---"):
        return False
    # Some programs have one hyphen before long options, too: -password
    return item.startswith("--") or (item.startswith("-") and len(item) > 4)


def _is_short_option(item: object) -> bool:
    if type(item) is bytes:
        return item[:1] == b"-"
    return type(item) is str and item[:1] == "-"


def _begins_key(text: str) -> bool:
    return "-----BEGIN" in text and compiled(PEM).search(text) is not None


def _is_of_key(text: str) -> bool:
    return compiled(PEM_CUT).fullmatch(text) is not None
