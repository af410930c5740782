r"""
What a tracer writes, as regular expressions: plain lines, which are not decoded.

No two ways lead through any of them, so a match that fails takes linear time as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_trace._header import FORMAT


# Of objects in the objects of a step.
_LEVELS = 2

ESCAPED = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
UNESCAPED = r'"[^"\x00-\x1f]*"'
# What may be there or not stands as a choice between it and nothing, here and below:
# as a repeat it would take a tenth of the time of all.
_NUMBER = r"-?(?!0[0-9])[0-9]{1,400}(?:\.[0-9]{1,400}|)(?:[eE][-+]?[0-9]{1,400}|)"
TIME = r"(?!0[0-9])[0-9]{1,12}(?:\.[0-9]{1,9}|)"
THIS_TIME = r"[1-9][0-9]{9}(?:\.[0-9]{1,9}|)"
"""A time from 2001 to 2286, so of several the latest is the one that sorts last."""
_COUNT = r"(?!0[0-9])[0-9]{1,15}"
_WORD = "[a-z]{1,40}"
_ID = "[0-9a-f]{16}"


def texts_like(text: str) -> str:
    """Return the expression of the texts in a line, or in several."""
    return ESCAPED if "\\" in text else UNESCAPED


def plain_step(text: str, asked: Sequence[str], time: str = TIME) -> str:
    """
    Write the expression of a step as tracers write it, without its newline.

    Args:
        text: The expression of a text with its quotes, see ``texts_like``.
        asked: What becomes a group; groups stand in the order of the line.
        time: The expression of when it started and finished.

    Returns:
        The expression.
    """

    def part(key: str, form: str) -> str:
        return f"({form})" if key in asked else form

    value = _value(text, _LEVELS)
    objects = _array(_object(text, value))
    return (
        rf'\{{"name":"{part("name", text[1:-1])}","kind":"{part("kind", _WORD)}",'
        rf'(?:"function":{text},|)"id":"{part("id", _ID)}",'
        rf'"parent_id":(?:null|"{part("parent_id", _ID)}"),'
        rf'"trace_id":"[0-9a-f]{{32}}","seq":{part("seq", _COUNT)},'
        rf'"context":{_object(text, value)},"started_at":{part("started_at", time)},'
        rf'"finished_at":{part("finished_at", time)},'
        rf'"duration_ms":{part("duration_ms", TIME)},'
        rf'"outcome":"{part("outcome", _WORD)}","error":(?:null|{text}),'
        rf'"logs":{objects}(?:,"traceback":{text}|)(?:,"result":{value}|)'
        rf'(?:,"notes":{objects}|)\}}'
    )


def plain_header(text: str) -> str:
    """
    Write the expression of what a tracer puts behind the first step of a file.

    Args:
        text: The expression of a text with its quotes, see ``texts_like``.

    Returns:
        The expression, with groups for the agent, the session's id, the version and
        the start, none of which is escaped or empty.
    """
    plain = r'"([^"\\\x00-\x1f]+)"'
    return (
        rf',"session":\{{"format":{FORMAT},"agent":{plain},"session_id":{plain},'
        rf'"meta":{_object(text, _value(text, 1))},"pid":{_COUNT},"host":{text},'
        rf'"python":{text},"version":{plain},"started_at":({THIS_TIME})'
        rf'(?:,"durability":{text}|)(?:,"part":{_COUNT}|)\}}\}}'
    )


def _value(text: str, levels: int) -> str:
    # Each level of objects in objects doubles the expression.
    value = _either(text, _NUMBER, "true|false|null")
    for _ in range(levels):
        inner = _object(text, value), _array(value)
        value = _either(text, _NUMBER, "true|false|null", *inner)
    return value


def _either(*expressions: str) -> str:
    return f"(?:{'|'.join(expressions)})"


def _object(text: str, value: str) -> str:
    return rf"\{{(?:{text}:{value}(?:,|(?=\}})))*(?<!,)\}}"


def _array(value: str) -> str:
    return rf"\[(?:{value}(?:,|(?=\])))*(?<!,)\]"
