"""
OpenAI's chat messages and completions in the common shape.

Many servers use the same protocol, and many libraries the same dictionaries.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import Facts, counts, field, fields, items, plain
from ai_trace.integrations._media import (
    added,
    as_it_is,
    beside,
    blob,
    from_file,
    from_url,
    text_or_as_it_is,
)
from ai_trace.integrations._messages import (
    Message,
    Part,
    finish_reason_of,
    message,
    reasoning,
    refusal,
    text,
    tool,
    tool_call,
    tool_call_response,
)
from ai_trace.integrations._usage import openai_usage
from ai_trace.integrations._wire import answer


_TOOL_ROLES = ("tool", "function")
# What is recorded elsewhere; "parsed" is what the library made of the content.
_TAKEN = frozenset(
    "role content name tool_call_id tool_calls function_call refusal audio images "
    "reasoning_content reasoning parsed parts finish_reason".split()
)
_TAKEN_OF_PART = frozenset(
    "type text refusal image_url input_audio file file_id file_data file_url filename "
    "parsed content modality thinking".split()
)
_URL = frozenset(("url",))
_TAKEN_OF_TOOL = frozenset(("type", "name", "description", "parameters"))
TAKEN_OF_CHOICE = frozenset(
    ("index", "message", "delta", "text", "finish_reason", "role", "parts", "name")
)


def chat_messages(given: Any) -> Any:
    """Return the messages of a request; anything but a list stays as it is."""
    if type(given) not in (list, tuple):
        return given
    return [chat_message(one) for one in given]


def chat_message(given: Any, finish_reason: Any = None) -> Message:
    """
    Return one message: of a request, or of a choice in a response.

    Args:
        given: The message.
        finish_reason: Why the model stopped, if this is its answer.
    """
    facts = given if type(given) is dict else fields(given)
    role, content = facts.get("role"), facts.get("content")
    is_of_tool = role in _TOOL_ROLES
    if (
        type(role) is type(content) is str
        and role
        and content
        and not is_of_tool
        and (len(facts) == 2 or _is_all(facts))
    ):
        # A quick way: most messages are like that, and a history has many.
        made = {"role": role, "parts": [{"type": "text", "content": content}]}
        if finish_reason is not None:
            made["finish_reason"] = finish_reason_of(finish_reason)
        return made
    if given and not facts:
        # It is not a message, and the server will refuse it; record what was sent.
        return message(None, [as_it_is(given)], finish_reason=finish_reason)
    name = facts.get("name")
    if is_of_tool:
        call_id = facts.get("tool_call_id") or name
        parts = [tool_call_response(_response(content), call_id)]
    else:
        parts = _thoughts(facts) + content_parts(content) + _asked(facts)
    made = message(role, parts, name=name, finish_reason=finish_reason)
    return {**made, **beside(facts, _TAKEN)}


def _is_all(facts: Facts) -> bool:
    """Tell whether a message holds only a role and a content."""
    for name, value in facts.items():
        if value is None or name == "content" or name == "role":
            continue
        # OpenAI sends an empty list of annotations with each answer.
        if name != "annotations" or value != []:
            return False
    return True


def _response(content: Any) -> Any:
    """Return what a tool returned: its text, if there is nothing else."""
    parts = content_parts(content)
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["content"]
    return parts


def _thoughts(given: Facts) -> list[Part]:
    # Not from OpenAI, but from DeepSeek, llama.cpp and others.
    thought = given.get("reasoning_content") or given.get("reasoning")
    return [reasoning(thought)] if type(thought) is str else []


def _asked(given: Facts) -> list[Part]:
    """Return what an assistant's message holds besides its content."""
    parts: list[Part] = []
    said = given.get("refusal")
    if said:
        parts.append(refusal(said))
    calls = given.get("tool_calls")
    if calls and type(calls) not in (list, tuple):
        parts.append(as_it_is(calls))
    parts += [_tool_call(one) for one in items(calls)]
    old = given.get("function_call")
    if old:
        parts.append(tool_call(field(old, "name"), field(old, "arguments")))
    audio = given.get("audio")
    if audio and field(audio, "data"):
        parts.append(blob("audio", None, field(audio, "data")))
        parts.append(text(field(audio, "transcript")))
    elif audio:
        parts.append(from_file("audio", field(audio, "id")))
    # Not from OpenAI: other servers send images beside the text.
    return parts + [content_part(one) for one in items(given.get("images"))]


def _tool_call(given: Any) -> Part:
    function = field(given, "function")
    call_id = field(given, "id")
    if function:
        return tool_call(field(function, "name"), field(function, "arguments"), call_id)
    custom = field(given, "custom")
    if custom:
        return tool_call(field(custom, "name"), field(custom, "input"), call_id)
    return as_it_is(given)


def content_parts(content: Any) -> list[Part]:
    """Return the parts of a message's content; empty text has none."""
    if content is None or content == "":
        return []
    if type(content) in (list, tuple):
        return [content_part(one) for one in content]
    return [text_or_as_it_is(content)]


def content_part(given: Any) -> Part:
    """Return one part of a message's content."""
    if type(given) is str:
        return text(given)
    read = _PARTS.get(field(given, "type"))
    if read is None:
        return as_it_is(given)
    return added(read(given), beside(fields(given), _TAKEN_OF_PART))


def _image(given: Any) -> Part:
    url = field(given, "image_url")
    more: Facts = {}
    if type(url) is not str:
        more = beside(fields(url), _URL)
        url = field(url, "url")
    if url is None:
        return {**from_file("image", field(given, "file_id")), **more}
    return {**from_url("image", url), **more}


def _audio(given: Any) -> Part:
    audio = field(given, "input_audio")
    kind = field(audio, "format")
    return blob("audio", f"audio/{kind}" if kind else None, field(audio, "data"))


def _file(given: Any) -> Part:
    file = field(given, "file") or given
    if field(file, "file_data"):
        part = from_url("document", field(file, "file_data"))
        if part["type"] == "uri":
            part = blob("document", None, field(file, "file_data"))
    elif field(file, "file_url"):
        part = from_url("document", field(file, "file_url"))
    else:
        part = from_file("document", field(file, "file_id"))
    if field(file, "filename"):
        part["filename"] = field(file, "filename")
    return part


def _text(given: Any) -> Part:
    return text(field(given, "text"))


def _refusal(given: Any) -> Part:
    return refusal(field(given, "refusal"))


def _thinking(given: Any) -> Part:
    # Not from OpenAI: Mistral sends what a model thought as parts of text.
    thought = field(given, "thinking")
    if type(thought) is str:
        return reasoning(thought)
    texts = [field(one, "text") for one in items(thought)]
    if not texts or set(map(type, texts)) != {str}:
        return as_it_is(given)
    return reasoning("".join(texts))


_PARTS = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "input_image": _image,
    "input_audio": _audio,
    "file": _file,
    "input_file": _file,
}


def tools(given: Any) -> Any:
    """Return the definitions of tools; anything but a list stays as it is."""
    if type(given) not in (list, tuple):
        return given
    return [_tool(one) for one in given]


def _tool(given: Any) -> Any:
    function = field(given, "function") or given
    if field(given, "type") not in ("function", None) or not field(function, "name"):
        return plain(given)
    made = tool(
        field(function, "name"),
        field(function, "description"),
        field(function, "parameters"),
    )
    return {**made, **beside(fields(function), _TAKEN_OF_TOOL)}


def choices(given: Any) -> list[Message]:
    """Return the answers of a chat completion, one for each choice."""
    said: list[Message] = []
    for one in given:
        facts = fields(one)
        made = chat_message(facts.get("message"), facts.get("finish_reason"))
        if any(map(facts.get, facts.keys() - TAKEN_OF_CHOICE)):
            made = {**made, **beside(facts, TAKEN_OF_CHOICE)}
        said.append(made)
    return said


def answer_with(
    response: Any, messages: list[Message], known: frozenset[str] | None = None
) -> Facts:
    """Return the result of a step: as ``answer`` does, with what a response counts."""
    usage = counts(field(response, "usage"))
    return answer(response, messages, openai_usage(usage), usage, known)


def completion_choices(given: Any) -> list[Message]:
    """Return the answers of a legacy completion, which are plain text."""
    return [
        {
            **message(
                "assistant",
                content_parts(field(one, "text")),
                finish_reason=field(one, "finish_reason"),
            ),
            **beside(fields(one), TAKEN_OF_CHOICE),
        }
        for one in items(given)
    ]
