"""
The messages of an LLM call as lines for a terminal; nothing here is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_trace.render._conversation import Call, Known, Message, Part
from ai_trace.render._fields import INDENT, PREVIEW, block, compact_field, field
from ai_trace.render._style import Span
from ai_trace.render._values import brief, brief_fields, counted, pretty, size


_SHOWN_MESSAGES = 6
_SHOWN_PARTS = 6
_SHOWN_HASH = 12
_USUAL_ENDS = ("", "stop", "tool_call")
# What a result holds besides answers; most of it is told in the line of the step.
_BESIDE_ANSWERS = frozenset(
    "cache_hit chunks cost finish_reasons id model raw_usage retries service_tier "
    "time_to_first_chunk time_to_first_content total_cost total_usage usage".split()
)


def glance(call: Call, known: Known, room: int | None) -> Iterator[Span]:
    """
    Show what is new in a call, with a line for each part of a message.

    Args:
        call: The call.
        known: What of it is known from the call before it.
        room: The columns of a line; ``None`` for a default.

    Yields:
        The lines; if there are many messages, those of the last ones.
    """
    limit = PREVIEW if room is None else room
    if call.system and not known.system:
        yield from _glances("system", call.system, limit, "quiet")
    new = call.messages[known.messages :]
    shown = new[-_SHOWN_MESSAGES:]
    told = summary(known.messages, len(new), len(shown))
    if told:
        yield Span(told, "quiet")
    for message in shown:
        quiet = "quiet" if message.role in ("system", "developer") else ""
        speaker = _speaker(message)
        yield from _glances(speaker, message.parts, limit, quiet, message.rest)
    for answer in call.answers[:_SHOWN_MESSAGES]:
        yield from _glances(
            f"→ {_speaker(answer, _USUAL_ENDS)}", answer.parts, limit, "", answer.rest
        )
    other = unread(call)
    if other is not None:
        is_named = isinstance(other, dict)
        shown_other = brief_fields(other, limit) if is_named else _bare(other, limit)
        yield Span(f"→ {shown_other}")
    if len(call.answers) > _SHOWN_MESSAGES:
        yield Span(f"… {len(call.answers) - _SHOWN_MESSAGES} more answers", "quiet")


def unread(call: Call) -> Any:
    """
    Return the result of a call in which no answer could be read.

    Args:
        call: The call.

    Returns:
        The result, without what is told elsewhere; ``None`` if nothing else is there.
    """
    if call.answers or not isinstance(call.result, dict):
        return None if call.answers else call.result
    kept = {
        name: value
        for name, value in call.result.items()
        if name not in _BESIDE_ANSWERS and (value or name != "messages")
    }
    return kept or None


def preview(call: Call, room: int) -> str:
    """
    Show a call on one line: the last message, and the first answer.

    Args:
        call: The call.
        room: Columns to show.
    """
    sides = [
        (message.role, said[which])
        for messages, which in ((call.messages[-1:], -1), (call.answers[:1], 0))
        for message in messages
        for said in [[part for part in message.parts if part.what != "reasoning"]]
        if said
    ]
    most = max(0, room // (len(sides) or 1))
    return " → ".join(f"{role}: {part_at_a_glance(part, most)}" for role, part in sides)


def summary(known: int, new: int, shown: int) -> str:
    """
    Say how many messages a call has, and how many of them are new.

    Args:
        known: How many are known from an earlier call of the conversation.
        new: How many are new.
        shown: How many of the new ones follow.

    Returns:
        ``… 4 earlier messages, +2``; empty if all are new and follow.
    """
    last = f", the last {shown}:" if shown < new else ""
    if not known:
        return f"… {counted(new, 'message')}{last}" if last else ""
    return f"… {counted(known, 'earlier message')}, +{new}{last}"


def whole(
    messages: Sequence[Message],
    level: int = 0,
    *,
    fold: bool = False,
    ends: bool = True,
) -> Iterator[Span]:
    """
    Show messages whole.

    Args:
        messages: The messages.
        level: How far the lines are indented.
        fold: Whether to show only the length of reasoning.
        ends: Whether to show why the model stopped.

    Yields:
        The lines.
    """
    for message in messages:
        speaker = _speaker(message if ends else message._replace(finish_reason=""))
        yield Span(INDENT * level + (speaker or "(no message)"), "name")
        yield from parts(message.parts, level + 1, fold=fold)
        yield from _rest(message.rest, level + 1)


def parts(said: Sequence[Part], level: int, *, fold: bool = False) -> Iterator[Span]:
    """
    Show the parts of a message whole.

    Args:
        said: The parts.
        level: How far the lines are indented.
        fold: Whether to show only the length of reasoning.

    Yields:
        The lines.
    """
    for part in said:
        yield from _part(part, level, fold=fold)
        if part.what != "media":
            yield from _rest(part.rest, level + 1)


def part_at_a_glance(part: Part, room: int) -> str:
    """
    Show a part of a message on one line.

    Args:
        part: The part.
        room: Columns to show.
    """
    if part.what == "text":
        return _cut(part.value, room)
    if part.what == "reasoning":
        return reasoning(part)
    if part.what == "refusal":
        return f"refuses: {_cut(part.value, room)}"
    if part.what == "call":
        return f"{_cut(part.name, room)}({_arguments(part.value, room)})"
    if part.what == "answer":
        return f"{_cut(part.name or 'result', room)} → {_bare(part.value, room)}"
    return media(part.value) if part.what == "media" else brief(part.value, room)


def reasoning(part: Part) -> str:
    """Say how much reasoning there is."""
    return f"(reasoning, {counted(len(part.value), 'character')})"


def media(fields: Mapping[str, Any]) -> str:
    """
    Say what an image, a sound or a file is, by its type, size and hash.

    Args:
        fields: What was recorded of it.
    """
    words = []
    kinds = (fields.get(key) for key in ("mime_type", "modality", "type"))
    words.append(next((kind for kind in kinds if isinstance(kind, str) and kind), ""))
    count = fields.get("bytes")
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**63:
        words.append(size(count))
    words += [
        _cut(value, PREVIEW)
        for value in (fields.get("uri"), fields.get("file_id"))
        if isinstance(value, str) and value
    ]
    digest = fields.get("sha256")
    if isinstance(digest, str) and digest:
        words.append(f"sha256 {digest[:_SHOWN_HASH]}")
    return f"[{', '.join(_cut(word, PREVIEW) for word in words)}]"


def _glances(
    speaker: str,
    said: Sequence[Part],
    room: int,
    role: str,
    rest: Mapping[str, Any] = {},
) -> Iterator[Span]:
    before = f"{speaker}: " if speaker else ""
    if not said and rest:
        yield Span(before + brief_fields(rest, room), role)
    elif not said:
        yield Span(f"{before}(nothing)", "quiet")
    for part in said[:_SHOWN_PARTS]:
        text = part_at_a_glance(part, room)
        yield Span(before + text, "quiet" if part.what == "reasoning" else role)
    if len(said) > _SHOWN_PARTS:
        yield Span(f"{before}… {len(said) - _SHOWN_PARTS} more parts", "quiet")


def _speaker(message: Message, ends_left_out: Sequence[str] = ("",)) -> str:
    who = _cut(message.role, PREVIEW)
    if message.name:
        who += f" {_cut(message.name, PREVIEW)}"
    if message.finish_reason not in ends_left_out:
        who += f" ({_cut(message.finish_reason, PREVIEW)})"
    return who


def _part(part: Part, level: int, *, fold: bool) -> Iterator[Span]:
    indent = INDENT * level
    if part.what == "text":
        yield from block(part.value, level)
    elif part.what == "reasoning":
        yield Span(indent + reasoning(part), "quiet")
        yield from block("" if fold else part.value, level + 1, "quiet")
    elif part.what == "refusal":
        yield Span(f"{indent}refuses:", "odd")
        yield from block(part.value, level + 1)
    elif part.what == "call":
        yield Span(f"{indent}calls {part.name}{_id(part)}")
        yield from _given(part.value, level + 1)
    elif part.what == "answer":
        yield Span(f"{indent}{part.name or 'a tool'} answers{_id(part)}")
        shown = brief(part.value, PREVIEW)
        is_text = isinstance(part.value, str)
        whole_text = pretty(part.value) if is_text or "…" in shown else shown
        yield from block(whole_text, level + 1)
    elif part.what == "media":
        yield Span(indent + media(part.value))
        for name, value in part.value.items():
            if name != "type":
                yield from compact_field(name, value, level + 1)
    else:
        yield from block(pretty(part.value), level)


def _given(arguments: Any, level: int) -> Iterator[Span]:
    if not isinstance(arguments, dict):
        yield from block("" if arguments is None else pretty(arguments), level)
        return
    for name, value in arguments.items():
        yield from field(name, value, level)


def _rest(fields: Mapping[str, Any], level: int) -> Iterator[Span]:
    for name, value in fields.items():
        yield from compact_field(name, value, level)


def _id(part: Part) -> str:
    return f"  {part.call_id}" if part.call_id else ""


def _arguments(value: Any, room: int) -> str:
    if isinstance(value, dict):
        return brief_fields(value, room)
    return "" if value is None else _bare(value, room)


def _bare(value: Any, room: int) -> str:
    return _cut(value, room) if isinstance(value, str) else brief(value, room)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"
