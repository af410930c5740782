"""
Records of lines that are plain, in less time than the strict decoder takes.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ai_trace._interruption import interrupts
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

    It gives what the standard library would, or ``None`` for what has to be decoded by
    that: a key that stands twice, which msgspec overlooks, a number out of range, a
    character that is written as a number; and without the extra, everything. Asked
    for by those who decode a thousand lines: msgspec takes 10 ms to load.
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
            # Of a key that stood twice, one is missing when it is written again.
            is_whole = encode(value).count(b'"') == line.count(b'"')
        except failures as exc:
            if interrupts(exc):
                raise
            return None
        return value if is_whole else None

    return decoded
