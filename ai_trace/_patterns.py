"""
When patterns are compiled, and what a program's own are held to.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ai_trace.exceptions import TraceConfigError


_BOUND = 4096
_WORK = 40_000
KIND_OF_OWN = r"[A-Za-z0-9_-]{1,40}\Z"
_WRITE_OUT = "Write what is repeated out, once for each time"
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


# Each when its sign is first met: all that are known take 30 ms, most agents need few.
@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of ours compiled, once."""
    return re.compile(pattern)


def checked_patterns(patterns: Any) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """
    Return a program's own patterns, each with its kind.

    Args:
        patterns: What the program gave: kinds to regular expressions.

    Raises:
        TraceConfigError: If they are of the wrong type, or one may not be used.
    """
    if not isinstance(patterns, Mapping):
        msg = (
            f"Redaction(patterns={patterns!r}): patterns is a mapping of kinds to "
            'regular expressions. Give one, such as {"badge": r"ACME-[0-9]{6}"}.'
        )
        raise TraceConfigError(msg)
    return tuple(
        (kind, _checked_pattern(kind, text)) for kind, text in patterns.items()
    )


def _checked_pattern(kind: Any, text: Any) -> re.Pattern[str]:
    where = f"Redaction(patterns={{{kind!r}: {text!r}}})"
    if not isinstance(kind, str) or not compiled(KIND_OF_OWN).match(kind):
        msg = (
            f"{where}: a kind is 1 to 40 letters, digits, - or _, because it is "
            "written in place of the secret. Rename it."
        )
        raise TraceConfigError(msg)
    if not isinstance(text, str):
        msg = f"{where}: a pattern is a regular expression as text. Give its text."
        raise TraceConfigError(msg)
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as exc:
        msg = (
            f"{where}: the pattern does not compile: {exc}. Correct it; re.escape() "
            "makes a pattern of plain text."
        )
        raise TraceConfigError(msg) from None
    if may_be_empty(text):
        msg = (
            f"{where}: the pattern may match the empty text, which is everywhere. Ask "
            "for at least one character: + instead of *."
        )
        raise TraceConfigError(msg)
    reason = why_not_linear(text)
    if reason is not None:
        msg = f"{where}: a search may take very long, because {reason}."
        raise TraceConfigError(msg)
    return pattern


def why_not_linear(pattern: str) -> str | None:
    """
    Return why a search for a pattern may take more than linear time.

    A repeat without bound makes a search quadratic if what follows it can fail, and
    exponential if it is itself repeated. So it may stand only at the end, and nothing
    of varying length may be repeated. The rule is stricter than it has to be; it can
    be told in one sentence, and followed.

    Args:
        pattern: A regular expression that compiles.

    Returns:
        The reason and what to do, or ``None``.
    """
    try:
        _work(_parsed(pattern), is_last=True, is_repeated=False)
    except ValueError as exc:
        return str(exc)
    return None


def may_be_empty(pattern: str) -> bool:
    """Tell whether a pattern that compiles may match without any character."""
    return int(_parsed(pattern).getwidth()[0]) == 0


def _parsed(pattern: str) -> Any:
    try:
        parser: Any = importlib.import_module("re._parser")
    except ImportError:
        parser = importlib.import_module("sre_parse")
    return parser.parse(pattern)


def _work(items: Any, is_last: bool, is_repeated: bool) -> int:
    """Return in how many ways a sequence may match at one place."""
    work = 1
    listed = list(items)
    for n, (kind, value) in enumerate(listed, 1):
        at_end = is_last and n == len(listed)
        work *= _work_of_one(repr(kind), value, at_end, is_repeated)
        if work > _WORK:
            msg = "the bounds of its repeats multiply to too much. Lower them"
            raise ValueError(msg)
    return work


def _work_of_one(kind: str, value: Any, is_last: bool, is_repeated: bool) -> int:
    if kind in _REPEATS:
        low, high, inner = value
        return _work_of_repeat(low, high, inner, is_last, is_repeated)
    if kind == "BRANCH":
        if is_repeated:
            msg = f"alternatives stand in a repeat. {_WRITE_OUT}"
            raise ValueError(msg)
        return sum(_work(branch, is_last, is_repeated) for branch in value[1])
    if kind == "SUBPATTERN":
        return _work(value[-1], is_last, is_repeated)
    if kind == "ATOMIC_GROUP":
        return _work(value, is_last, is_repeated)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _work(value[1], False, is_repeated)
    if kind == "GROUPREF_EXISTS":
        return sum(_work(branch or (), is_last, is_repeated) for branch in value[1:])
    return 1


def _work_of_repeat(
    low: int, high: int, inner: Any, is_last: bool, is_repeated: bool
) -> int:
    if is_repeated and low != high:
        msg = f"a repeat of varying length stands in another repeat. {_WRITE_OUT}"
        raise ValueError(msg)
    if high > _BOUND and not is_last:
        msg = (
            "a repeat without a bound stands before the end. Bound it: {0,64} "
            "instead of *"
        )
        raise ValueError(msg)
    work = _work(inner, False, is_repeated or high > 1)
    return work if is_last else work * (high - low + 1)
