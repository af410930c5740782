"""
Recorded values, durations and times as text for people; nothing here is escaped.
"""

from __future__ import annotations

import json

from ai_trace._interruption import interrupts


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Any


_PREVIEW_DEPTH = 3
_LONGEST_INDENTED = 2_000_000
_LINE = 88
_NO_NUMBER = '"[{'
_SO_FAR = {"running": "for ", "unfinished": "after at least "}
_BYTES = ("kB", "MB", "GB", "TB")
_THOUSAND = 1_000
# Longer ones come from damaged files; in days they would be a line of digits.
_LONGEST = 1e15
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def brief(value: Any, limit: int) -> str:
    """
    Show a value on one line, however large it is.

    Args:
        value: A value of JSON types.
        limit: Characters to show; the cost does not depend on what follows.

    Returns:
        The text, with ``…`` where it was cut; it may hold line breaks of the value.
    """
    return _gather(_tokens(value, _PREVIEW_DEPTH, limit), limit)


def brief_fields(fields: Mapping[str, Any], limit: int) -> str:
    """
    Show named values on one line, as ``symbol='BTCUSDT' size=3``.

    Args:
        fields: The values by their names.
        limit: Characters to show.

    Returns:
        The text, with ``…`` where it was cut.
    """
    return _gather(_field_tokens(fields, limit), limit)


def pretty(value: Any) -> str:
    """
    Show a value whole, on as many lines as it needs.

    Args:
        value: A value of JSON types.

    Returns:
        A string as it is. Anything else as indented JSON in which what fits on one line
        is on one line; or all on one line, if it is so large or deep that most of the
        text would be indents.
    """
    if isinstance(value, str):
        return value
    try:
        return _indented(value) or json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"


def _indented(value: Any) -> str | None:
    pieces: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
            pieces.append(piece)
            size += len(piece)
            if size > _LONGEST_INDENTED:
                return None
    except RecursionError:
        return None
    return "\n".join(_folded("".join(pieces).split("\n")))


def _folded(lines: Iterable[str]) -> list[str]:
    # A bracket at the edge of a line belongs to JSON: strings have their quotes there.
    folded: list[str] = []
    # Where each open object or list begins; None if it has to be on several lines.
    opened: list[int | None] = []
    for line in lines:
        folded.append(line)
        if line[-1] in "[{":
            opened.append(len(folded) - 1)
        elif line.lstrip()[0] in "]}":
            start = opened.pop()
            if start is not None:
                folded[start:] = _fitted(folded[start:])
            if opened and (start is None or len(folded) - start > 1):
                opened[-1] = None
    return folded


def _fitted(lines: list[str]) -> list[str]:
    # Long columns of numbers are hard to read, so they are put into rows.
    first, *inside, last = lines
    words = [line.strip() for line in inside]
    line = f"{first}{' '.join(words)}{last.strip()}"
    if len(line) <= _LINE:
        return [line]
    if any(word[0] in _NO_NUMBER for word in words):
        return lines
    rows = [inside[0]]
    for word in words[1:]:
        if len(rows[-1]) + 1 + len(word) <= _LINE:
            rows[-1] += f" {word}"
        else:
            rows.append(inside[0][: -len(words[0])] + word)
    return [first, *rows, last]


def duration(milliseconds: float | None) -> str:
    """
    Show a duration to three digits or two units: ``850 µs``, ``4.21 s``, ``3 m 12 s``.

    Args:
        milliseconds: The duration; ``None`` is an empty text.
    """
    if milliseconds is None:
        return ""
    if not 0 <= milliseconds < _LONGEST:
        return f"{milliseconds:g} ms"
    if milliseconds < 0.9995:
        return f"{milliseconds * 1_000:.0f} µs"
    if milliseconds < 999.5:
        return f"{_three_digits(milliseconds)} ms"
    seconds = milliseconds / 1_000
    if seconds < 59.95:
        return f"{_three_digits(seconds)} s"
    whole = round(seconds)
    for large, large_name, small, small_name in _UNITS:
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {large_name} {rest} {small_name}"
    return f"{whole} s"


def lasted(outcome: str, milliseconds: float | None) -> str:
    """
    Show how long a step took, or has taken so far.

    Args:
        outcome: How it ended, if it has.
        milliseconds: The duration; ``None`` is an empty text.

    Returns:
        ``4.21 s``; ``for 4.21 s`` while it runs; ``after at least 4.21 s`` if its end
        is unknown.
    """
    shown = duration(milliseconds)
    if outcome == "unfinished" and not milliseconds:
        return ""
    return f"{_SO_FAR.get(outcome, '')}{shown}" if shown else ""


def counted(number: int, thing: str) -> str:
    """
    Say how many there are of something: ``1 step``, ``1,812 steps``.

    Args:
        number: How many.
        thing: The word for one, to which an s is added for several.
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """
    Show a number of bytes: ``412 B``, ``3.2 kB``, ``326.0 MB``.

    Args:
        count: The bytes.
    """
    if count < _THOUSAND:
        return f"{count} B"
    power = 0
    while count >= _THOUSAND - 0.05 and power < len(_BYTES):
        count /= _THOUSAND
        power += 1
    return f"{count:.1f} {_BYTES[power - 1]}"


def moment(epoch: Any) -> datetime | None:
    """
    Turn a recorded time into a point in time.

    Args:
        epoch: Epoch seconds, or whatever was recorded instead.

    Returns:
        The time in UTC; ``None`` if it is not a time.
    """
    from datetime import datetime, timezone

    if isinstance(epoch, bool) or not isinstance(epoch, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(epoch, tz=timezone.utc)
    except (OverflowError, OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return None


def clock(epoch: Any, *, utc: bool) -> str:
    """
    Show a time of day to the millisecond.

    Args:
        epoch: Epoch seconds, or whatever was recorded instead.
        utc: Whether in UTC, marked ``Z``, or in local time.

    Returns:
        ``14:30:22.100Z`` or ``15:30:22.100``; dashes if it is not a time.
    """
    when = moment(epoch)
    if when is None:
        return "--:--:--.---"
    if not utc:
        when = _local(when)
    return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}{'Z' if utc else ''}"


def local_time(epoch: Any, unit: str = "seconds") -> str:
    """
    Show a point in time in local time with its offset.

    Args:
        epoch: Epoch seconds, or whatever was recorded instead.
        unit: The smallest unit to show, in the words of ``datetime.isoformat``.

    Returns:
        ``2024-03-01 15:30:22+01:00``; ``unknown`` if it is not a time.
    """
    when = moment(epoch)
    return "unknown" if when is None else _local(when).isoformat(" ", unit)


def _local(when: datetime) -> datetime:
    try:
        return when.astimezone()
    except (OverflowError, OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return when


def _three_digits(number: float) -> str:
    if number < 9.995:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def _gather(tokens: Iterable[str], limit: int) -> str:
    text = ""
    for token in tokens:
        text += token
        if len(text) > limit:
            return text[: max(0, limit - 1)] + "…"
    return text


def _field_tokens(fields: Mapping[str, Any], limit: int) -> Iterator[str]:
    between = ""
    for name, value in fields.items():
        start = f"{between}{name[: limit + 1]}="
        if isinstance(value, str):
            yield f"{start}'{value[: limit + 1]}'"
        elif isinstance(value, (dict, list)):
            yield start
            yield from _tokens(value, _PREVIEW_DEPTH, limit)
        else:
            yield f"{start}{value!r}"
        between = " "


def _tokens(value: Any, depth: int, limit: int) -> Iterator[str]:
    if isinstance(value, str):
        yield f"'{value[: limit + 1]}'"
    elif isinstance(value, dict):
        yield from _inside("{", value.items(), "}", depth, limit)
    elif isinstance(value, list):
        yield from _inside("[", (("", item) for item in value), "]", depth, limit)
    else:
        yield repr(value)


def _inside(
    opening: str,
    items: Iterable[tuple[str, Any]],
    closing: str,
    depth: int,
    limit: int,
) -> Iterator[str]:
    yield opening
    between = ""
    for name, item in items:
        if depth <= 0:
            yield "…"
            break
        yield f"{between}{name[: limit + 1]}: " if name else between
        yield from _tokens(item, depth - 1, limit)
        between = ", "
    yield closing
