"""
Records of lines that are plain, in less time than the strict decoder takes.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ai_trace._record import (
    SessionHeader,
    StepRecord,
    TraceLineError,
    may_be_too_deep,
)


def plain_record(line: bytes, header: SessionHeader) -> StepRecord | None:
    """
    Read one line as ``StepRecord.from_line`` does, where it is plain.

    Args:
        line: The bytes of the line.
        header: The session it belongs to.

    Returns:
        The record; ``None`` for what is to be read by ``from_line``.
    """
    if line[-2:] != b"}\n" or may_be_too_deep(line):
        return None
    data = plain_decoder()(line)
    if type(data) is not dict or "session" in data:
        return None
    try:
        return StepRecord.checked(data, line, header)
    except TraceLineError:
        return None


@functools.cache
def plain_decoder() -> Callable[[bytes], Any]:
    """
    Return what decodes plain JSON in half the time, by the extra ``fast``.

    What it returns is what the standard library makes of it, or ``None`` for what is
    to be looked at there: where a key stands twice, which msgspec passes over, a number
    is out of range, or a character is written as a number; and without the extra, for
    all. Asked for by who decodes a thousand lines: msgspec takes 10 ms to load.
    """
    try:
        import msgspec
    except ImportError:
        return lambda _: None
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    failures = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)

    def decoded(line: bytes) -> Any:
        if b"\\" in line and b"\\u" in line:
            return None
        try:
            value = decode(line)
            # Of two keys one is missing when it is written again, with its quotes.
            is_whole = encode(value).count(b'"') == line.count(b'"')
        except failures:
            return None
        return value if is_whole else None

    return decoded
