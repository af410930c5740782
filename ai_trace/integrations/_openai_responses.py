"""
The input and output items of OpenAI's responses in the common shape.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import as_sent, field, items, plain
from ai_trace.integrations._media import as_it_is
from ai_trace.integrations._messages import (
    Message,
    Part,
    message,
    reasoning,
    text,
    tool_call,
    tool_call_response,
)
from ai_trace.integrations._openai_messages import content_parts


# With any other status, even an empty answer is recorded.
_SAYS_NOTHING = (None, "completed")


def input_messages(given: Any) -> Any:
    """Return the messages in the input of a response: text or a list of items."""
    given = as_sent(given)
    if type(given) is str:
        return [message("user", [text(given)])]
    if type(given) not in (list, tuple):
        return given
    return [_input_message(one) for one in given]


def _input_message(given: Any) -> Message:
    kind = field(given, "type")
    if kind in ("function_call_output", "custom_tool_call_output"):
        output = field(given, "output")
        given_back = output if type(output) is str else content_parts(output)
        return message(
            "tool", [tool_call_response(given_back, field(given, "call_id"))]
        )
    role = field(given, "role")
    if role is not None:
        return message(role, content_parts(field(given, "content")))
    return message("assistant", item_parts(given))


def item_parts(given: Any) -> list[Part]:
    """Return the parts that one output item becomes."""
    kind = field(given, "type")
    if kind == "message":
        return content_parts(field(given, "content"))
    if kind == "reasoning":
        said = [*items(field(given, "summary")), *items(field(given, "content"))]
        return [reasoning(field(one, "text")) for one in said]
    if kind == "function_call":
        return [_call(given, field(given, "arguments"))]
    if kind == "custom_tool_call":
        return [_call(given, field(given, "input"))]
    return [as_it_is(given)]


def _call(given: Any, arguments: Any) -> Part:
    return tool_call(field(given, "name"), arguments, field(given, "call_id"))


def output_messages(output: Any, status: Any, incomplete: Any) -> list[Message]:
    """
    Return the one answer of a response.

    Args:
        output: Its items.
        status: ``completed``, ``incomplete``, ``failed``, ...
        incomplete: The details that say why it is incomplete.
    """
    parts = [part for item in items(output) for part in item_parts(item)]
    if not parts and status in _SAYS_NOTHING:
        return []
    return [
        message("assistant", parts, finish_reason=_reason(parts, status, incomplete))
    ]


def beside_output(response: Any) -> dict[str, Any]:
    """Return why a response failed, and what the provider's tools used."""
    found = {name: field(response, name) for name in ("error", "tool_usage")}
    return {name: plain(one) for name, one in found.items() if one is not None}


def _reason(parts: list[Part], status: Any, incomplete: Any) -> Any:
    if status == "incomplete":
        return field(incomplete, "reason") or status
    if status == "completed" and any(part["type"] == "tool_call" for part in parts):
        return "tool_call"
    return status
