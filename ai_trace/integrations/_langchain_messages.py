"""
LangChain's messages and answers in the common shape.

LangChain translates the content of each provider into standard blocks, which are read
here. Its classes are recognized by their attributes, so that nothing is imported.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

from ai_trace.integrations._fields import field, fields, items
from ai_trace.integrations._media import (
    as_it_is,
    beside,
    blob,
    from_file,
    from_url,
    without_media,
)
from ai_trace.integrations._messages import (
    Message,
    Part,
    finish_reasons,
    message,
    reasoning,
    text,
    tool_call,
    tool_call_response,
)
from ai_trace.integrations._usage import Usage, openai_usage, usage
from ai_trace.integrations._wire import Facts, present, without_use


_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_MEDIA = ("image", "audio", "video", "file")
# The numbers of a block are LangChain's own.
_TAKEN_OF_TEXT = frozenset(("type", "text", "id", "index", "content"))


def is_message(value: Any) -> bool:
    """Tell whether something is one of LangChain's messages."""
    kind = type(value)
    return hasattr(kind, "content_blocks") and hasattr(kind, "pretty_repr")


def readable(value: Any) -> Any:
    """Return the input or output of a run, with messages in the common shape."""
    return without_media(value, _read)


def _read(value: Any, within: Callable[[Any], Any]) -> Any:
    if is_message(value):
        return message_of(value)
    held = _held_by(value)
    if held is None:
        return value
    return {name: within(one) for name, one in held.items()}


def _held_by(value: Any) -> Facts | None:
    """Return the fields of a command, or of a state that holds messages."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        held = {one.name: field(value, one.name) for one in dataclasses.fields(kind)}
    else:
        held = fields(value) if hasattr(kind, "model_fields") else {}
    if (kind.__module__, kind.__name__) == ("langgraph.types", "Command"):
        return {name: one for name, one in held.items() if not _says_nothing(one)}
    return held if any(map(_holds_messages, held.values())) else None


def _says_nothing(value: Any) -> bool:
    return value is None or (type(value) is tuple and not value)


def _holds_messages(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(map(is_message, value))
    return is_message(value)


def messages_of(given: Any) -> list[Message]:
    """Return the messages of a call."""
    return [message_of(one) for one in items(given)]


def message_of(given: Any, finish_reason: Any = None) -> Message:
    """
    Return one message.

    Args:
        given: A message of LangChain.
        finish_reason: Why the model stopped, if this is its answer.
    """
    kind = field(given, "type")
    role = field(given, "role") if kind == "chat" else _ROLES.get(kind, kind)
    parts = [_tool_response(given)] if kind == "tool" else _parts_of(given)
    # The names of tools and agents are in all their messages, and say nothing new.
    name = field(given, "name") if kind == "human" else None
    return message(role, parts, name=name, finish_reason=finish_reason)


def _parts_of(given: Any) -> list[Part]:
    """
    Return the parts of a message, including those that LangChain leaves out.

    For Anthropic's models, the standard blocks lack texts that are not blocks, and tool
    calls that are not in the content.
    """
    parts = [_part(block) for block in given.content_blocks]
    content = given.content
    told = [*parts]
    for one in items(content):
        if type(one) is not str or not one:
            continue
        if text(one) in told:
            told.remove(text(one))
        else:
            parts.insert(_first_call(parts), text(one))
    ids = {part.get("id") for part in parts if part["type"] == "tool_call"}
    calls = items(field(given, "tool_calls"))
    return parts + [_call(one) for one in calls if field(one, "id") not in ids]


def _first_call(parts: list[Part]) -> int:
    kinds = [part["type"] for part in parts]
    return kinds.index("tool_call") if "tool_call" in kinds else len(kinds)


def _tool_response(given: Any) -> Part:
    content = given.content
    response = content if type(content) is str else content_of(given)
    part = tool_call_response(response, field(given, "tool_call_id"))
    if field(given, "status") == "error":
        part["is_error"] = True
    return part


def content_of(given: Any) -> Any:
    """Return the text of a message, or its parts if it is not only text."""
    if type(given.content) is str:
        return given.content
    return _parts_of(given)


def _part(block: Any) -> Part:
    kind = field(block, "type")
    read = _PARTS.get(kind)
    if read is not None:
        return read(block)
    return _media(kind, block) if kind in _MEDIA else as_it_is(block)


def _text(block: Any) -> Part:
    return {**text(field(block, "text")), **beside(fields(block), _TAKEN_OF_TEXT)}


def _reasoning(block: Any) -> Part:
    return reasoning(field(block, "reasoning"))


def _call(block: Any) -> Part:
    return tool_call(field(block, "name"), field(block, "args"), field(block, "id"))


_PARTS: dict[Any, Callable[[Any], Part]] = {
    "text": _text,
    "reasoning": _reasoning,
    "tool_call": _call,
    "invalid_tool_call": _call,
}


def _media(kind: str, block: Any) -> Part:
    modality = "document" if kind == "file" else kind
    if field(block, "base64") is not None:
        return blob(modality, field(block, "mime_type"), field(block, "base64"))
    if field(block, "url") is not None:
        return from_url(modality, field(block, "url"))
    return from_file(modality, field(block, "file_id"))


# -- answers ---------------------------------------------------------------------


def answer_of(response: Any) -> Facts:
    """
    Return the result of a call.

    Args:
        response: An ``LLMResult``.
    """
    generations = [one for batch in items(response.generations) for one in batch]
    messages = [_answer(one) for one in generations]
    last = field(generations[-1], "message") if generations else None
    about = field(last, "response_metadata") or field(response, "llm_output") or {}
    reasons = finish_reasons(messages)
    counted = field(last, "usage_metadata")
    raw = about.get("token_usage") or about.get("usage")
    found = present(
        model=about.get("model_name") or about.get("model"),
        id=about.get("id"),
        messages=messages,
        finish_reasons=reasons or None,
        usage=usage_of(counted) or openai_usage(raw) or None,
        raw_usage=counted if raw is None else raw,
        service_tier=about.get("service_tier"),
    )
    # This is how LangChain marks an answer from its cache.
    return without_use(found) if field(counted, "total_cost") == 0 else found


def _answer(generation: Any) -> Message:
    given = field(generation, "message")
    info = field(generation, "generation_info") or {}
    if given is None:
        parts = [text(field(generation, "text"))]
        return message("assistant", parts, finish_reason=info.get("finish_reason"))
    about = {**info, **(field(given, "response_metadata") or {})}
    reason = about.get("finish_reason") or about.get("stop_reason")
    made = message_of(given, reason)
    if about.get("logprobs"):
        made["logprobs"] = about["logprobs"]
    return made


def usage_of(counted: Any) -> Usage:
    """Return the counts of ``usage_metadata``, which all providers share."""
    went_in = field(counted, "input_token_details")
    written = _count(went_in, "cache_creation")
    for_minutes = field(went_in, "ephemeral_5m_input_tokens")
    for_an_hour = field(went_in, "ephemeral_1h_input_tokens")
    if not written and (for_minutes or for_an_hour):
        # Anthropic counts these by how long they are kept, and then not in total.
        written = (for_minutes or 0) + (for_an_hour or 0)
    return usage(
        field(counted, "input_tokens"),
        field(counted, "output_tokens"),
        _count(went_in, "cache_read"),
        written,
        _count(field(counted, "output_token_details"), "reasoning"),
    )


def _count(details: Any, name: str) -> Any:
    """Return a count, which has a different name in each tier of OpenAI."""
    found = (field(details, prefix + name) for prefix in ("", "flex_", "priority_"))
    return next((one for one in found if one is not None), None)
