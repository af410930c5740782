"""
Anthropic's messages and content blocks in the common shape.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import field, fields, plain
from ai_trace.integrations._media import (
    added,
    as_it_is,
    beside,
    blob,
    from_file,
    from_url,
    modality_of,
    text_or_as_it_is,
)
from ai_trace.integrations._messages import (
    Message,
    Part,
    message,
    reasoning,
    text,
    tool,
    tool_call,
    tool_call_response,
)


# Signatures are useful only to the provider; "parsed_output" is what the library made
# of the text.
_TAKEN = frozenset(
    "type text thinking signature name input id content tool_use_id is_error source "
    "title parsed_output arguments response modality".split()
)
_TAKEN_OF_TOOL = frozenset(("type", "name", "description", "input_schema"))


def anthropic_messages(given: Any) -> Any:
    """Return the messages of a request; anything but a list stays as it is."""
    if type(given) not in (list, tuple):
        return given
    made: list[Message] = []
    for one in given:
        facts = one if type(one) is dict else fields(one)
        role, content = facts.get("role"), facts.get("content")
        if type(role) is type(content) is str:
            # A quick way: most messages are like that, and a history has many.
            made.append({"role": role, "parts": [{"type": "text", "content": content}]})
        elif one and not facts:
            # It is not a message, and the server will refuse it; record what was sent.
            made.append(message(None, [as_it_is(one)]))
        else:
            made.append(message(role, block_parts(content)))
    return made


def block_parts(content: Any) -> list[Part]:
    """Return the parts of a content: a text, or a list of blocks."""
    if content is None:
        return []
    if type(content) not in (list, tuple):
        return [text_or_as_it_is(content)]
    parts: list[Part] = []
    for one in content:
        facts = one if type(one) is dict else fields(one)
        kind: Any = facts.get("type")
        read = _BLOCKS.get(kind)
        part = as_it_is(one) if read is None else read(one)
        if read is not None and any(map(facts.get, facts.keys() - _TAKEN)):
            part = added(part, beside(facts, _TAKEN))
        parts.append(part)
    return parts


def answer_message(content: Any, stop_reason: Any) -> list[Message]:
    """Return the only answer of a call; none if nothing came."""
    parts = block_parts(content)
    if not parts and stop_reason is None:
        return []
    return [message("assistant", parts, finish_reason=stop_reason)]


def anthropic_tools(given: Any) -> Any:
    """Return the definitions of tools; anything but a list stays as it is."""
    if type(given) not in (list, tuple):
        return given
    return [_tool(one) for one in given]


def _tool(given: Any) -> Any:
    if field(given, "type") not in ("custom", None) or not field(given, "name"):
        return plain(given)
    made = tool(
        field(given, "name"), field(given, "description"), field(given, "input_schema")
    )
    return added(made, beside(fields(given), _TAKEN_OF_TOOL))


def _text(given: Any) -> Part:
    return text(field(given, "text"))


def _thinking(given: Any) -> Part:
    return reasoning(field(given, "thinking"))


def _tool_use(given: Any) -> Part:
    return tool_call(field(given, "name"), field(given, "input"), field(given, "id"))


def _tool_result(given: Any) -> Part:
    content = field(given, "content")
    parts = block_parts(content)
    if len(parts) == 1 and parts[0]["type"] == "text":
        content = parts[0]["content"]
    elif type(content) is not str:
        content = parts
    part = tool_call_response(content, field(given, "tool_use_id"))
    if field(given, "is_error"):
        part["is_error"] = True
    return part


def _source(given: Any) -> Part:
    """Return an image or a document from any kind of source."""
    source = field(given, "source")
    kind = field(source, "type")
    modality = "image" if field(given, "type") == "image" else "document"
    if kind == "base64":
        mime_type = field(source, "media_type")
        if modality != "image":
            modality = modality_of(mime_type)
        part = blob(modality, mime_type, field(source, "data"))
    elif kind == "url":
        part = from_url(modality, field(source, "url"))
    elif kind == "file":
        part = from_file(modality, field(source, "file_id"))
    elif kind == "text":
        part = text(field(source, "data"))
    else:
        return as_it_is(given)
    if field(given, "title"):
        part["title"] = field(given, "title")
    return part


_BLOCKS = {
    "text": _text,
    "thinking": _thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "image": _source,
    "document": _source,
}
