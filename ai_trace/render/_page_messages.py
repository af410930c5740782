"""
The messages of an LLM call on a Markdown page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_trace.render._conversation import Call, Known, Message, Part
from ai_trace.render._messages import media, reasoning, summary
from ai_trace.render._page_escape import md_block, md_inline
from ai_trace.render._page_values import fields, value, word


_INSIDE = "  "


def context(call: Call, known: Known) -> Iterator[str]:
    """
    Render what a call saw besides messages, if it is new.

    Args:
        call: The call.
        known: What of it is known from the call before it.

    Yields:
        Items of a list.
    """
    new = [name for name in call.context if name not in known.context]
    yield from fields({name: call.context[name] for name in new}, "")
    same = [md_inline(name) for name in call.context if name in known.context]
    if call.system and known.system:
        same.append(md_inline("system"))
    if same:
        yield f"- as before: {', '.join(same)}\n"


def sent(call: Call, known: Known) -> Iterator[str]:
    """
    Render the messages of a call that are new.

    Args:
        call: The call.
        known: What of it is known from the call before it.

    Yields:
        Items of a list, one for each part of a message.
    """
    if call.system and not known.system:
        yield from _parts("**system**", call.system)
    new = call.messages[known.messages :]
    if known.messages:
        yield f"- {summary(known.messages, len(new), len(new))}\n"
    for message in new:
        yield from _message(message)


def answers(call: Call) -> Iterator[str]:
    """
    Render what the model answered.

    Args:
        call: The call.

    Yields:
        Items of a list.
    """
    for answer in call.answers:
        yield from _message(answer)


def result(call: Call) -> Iterator[str]:
    """
    Render the rest of a call's result.

    Args:
        call: The call.

    Yields:
        Items of a list.
    """
    if call.has_result and isinstance(call.result, dict):
        yield from fields(call.result, "")
    elif call.has_result:
        yield f"-{value(call.result, _INSIDE)}"


def _message(message: Message) -> Iterator[str]:
    speaker = f"**{word(message.role)}**" if message.role else "*no message*"
    if message.name:
        speaker += f" {md_inline(message.name)}"
    if message.finish_reason:
        speaker += f" ({word(message.finish_reason)})"
    yield from _parts(speaker, message.parts)
    if not message.parts:
        yield f"- {speaker}: nothing\n"
    yield from fields(message.rest, _INSIDE)


def _parts(speaker: str, parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        yield from _part(speaker, part)
        if part.what != "media":
            yield from fields(part.rest, _INSIDE)


def _part(speaker: str, part: Part) -> Iterator[str]:
    call_id = f" ({md_inline(part.call_id)})" if part.call_id else ""
    if part.what == "text":
        yield f"- {speaker}:{_text(part.value)}"
    elif part.what == "reasoning":
        # The only HTML on the page; it holds nothing traced.
        told = f"<summary>{reasoning(part)}</summary>"
        yield f"- {speaker}:\n\n{_INSIDE}<details>{told}\n\n"
        yield f"{md_block(part.value, _INSIDE)}\n{_INSIDE}</details>\n\n"
    elif part.what == "refusal":
        yield f"- {speaker} refuses:{_text(part.value)}"
    elif part.what == "call":
        yield f"- {speaker} calls {md_inline(part.name)}{call_id}"
        yield from _given(part.value)
    elif part.what == "answer":
        name = f" {md_inline(part.name)}" if part.name else ""
        yield f"- {speaker}{name} answers{call_id}:{value(part.value, _INSIDE)}"
    elif part.what == "media":
        yield f"- {speaker}: {md_inline(media(part.value))}\n"
        named = {key: part.value[key] for key in part.value if key != "type"}
        yield from fields(named, _INSIDE)
    else:
        yield f"- {speaker}:{value(part.value, _INSIDE)}"


def _given(arguments: Any) -> Iterator[str]:
    if isinstance(arguments, Mapping) and arguments:
        yield ":\n"
        yield from fields(arguments, _INSIDE)
    elif arguments is None or arguments == {}:
        yield "\n"
    else:
        yield f":{value(arguments, _INSIDE)}"


def _text(text: str) -> str:
    # Programs that show the page wrap spans, but not blocks.
    if "\n" in text or "\r" in text:
        return f"\n{md_block(text, _INSIDE)}"
    return f" {md_inline(text)}\n"
