"""
Which steps recorded a text.
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_trace._glance import Glance
from ai_trace._record import StepRecord


# JSON may write these as an escape, by RFC 8259, section 7, and any other as \u.
_ESCAPED = {'"', "\\", "/", *map(chr, range(0x20))}
# What numbers are made of, which JSON may write in another way than Python.
_OF_NUMBERS = set("0123456789.+-e")
_CONSTANTS = ("true", "false", "none", "-inf")


class Grep:
    """
    A search for a text in what steps recorded, whatever its case.

    Most lines are told from their bytes: to decode one takes ten times as long.

    Args:
        text: What to look for; it stands in each step if it is empty.
    """

    def __init__(self, text: str) -> None:
        self._text = text.casefold()
        self._escape = "\\" if _ESCAPED.intersection(text) else "\\u"
        self._is_unquoted = _OF_NUMBERS.issuperset(self._text) or any(
            self._text in constant for constant in _CONSTANTS
        )

    def __bool__(self) -> bool:
        """Tell whether there is anything to look for."""
        return bool(self._text)

    def __call__(self, step: Glance) -> bool:
        """Tell whether a step recorded the text."""
        return not self._text or (self._may_hold(step.line) and self._holds(step))

    def _may_hold(self, line: bytes) -> bool:
        if self._is_unquoted:
            return True
        try:
            shown = str(line, "utf-8").casefold()
        except UnicodeDecodeError:
            return True
        return self._text in shown or self._escape in shown

    def _holds(self, step: Glance) -> bool:
        full = step if isinstance(step, StepRecord) else StepRecord(step.line)
        recorded = [
            full.name,
            full.function or "",
            full.error or "",
            full.traceback or "",
            full.context,
            full.logs,
            full.result if full.has_result else "",
        ]
        return any(self._text in leaf.casefold() for leaf in _leaves(recorded))


def _leaves(value: object) -> Iterator[str]:
    # Not by recursion: a hostile file may nest as deeply as it likes.
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        else:
            yield str(item)
