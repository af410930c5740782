"""
Messages in the shape of OpenTelemetry's GenAI conventions: a role, and parts.

Whatever a provider calls them, inputs and outputs are recorded in these few forms, so
that one reader understands all of them. The forms are those of
``gen_ai.input.messages`` and ``gen_ai.output.messages`` in version 1.41.1 of the
semantic conventions; only ``refusal`` is our own.
"""

from __future__ import annotations

import json
from typing import Any

from ai_trace.integrations._fields import as_sent


Part = dict[str, Any]
Message = dict[str, Any]

_FINISH_REASONS = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "tool_call": "tool_call",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "error": "error",
    "failed": "error",
    # Gemini's and Cohere's.
    "STOP": "stop",
    "COMPLETE": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
}


def text(content: Any) -> Part:
    """Return a part of plain text."""
    return {"type": "text", "content": content}


def reasoning(content: Any) -> Part:
    """Return a part with what the model thought before it answered."""
    return {"type": "reasoning", "content": content}


def refusal(content: Any) -> Part:
    """Return a part in which the model refuses to answer."""
    return {"type": "refusal", "content": content}


def tool_call(name: Any, arguments: Any = None, call_id: Any = None) -> Part:
    """
    Return a part in which the model asks for a tool.

    Args:
        name: The tool's name.
        arguments: An object, or its JSON text.
        call_id: The id that the answer will refer to.
    """
    part = {"type": "tool_call", "name": name}
    if call_id is not None:
        part["id"] = call_id
    if arguments is not None:
        part["arguments"] = arguments_of(arguments)
    return part


def tool_call_response(response: Any, call_id: Any = None) -> Part:
    """Return a part that gives the model what a tool returned."""
    part = {"type": "tool_call_response", "response": response}
    if call_id is not None:
        part["id"] = call_id
    return part


def message(
    role: Any, parts: list[Part], *, name: Any = None, finish_reason: Any = None
) -> Message:
    """
    Return a message.

    Args:
        role: Who speaks: ``system``, ``user``, ``assistant``, ``tool``.
        parts: What it holds.
        name: The name of the participant, if the provider was given one.
        finish_reason: Why the model stopped, in the provider's words; for answers.
    """
    made: Message = {"role": role, "parts": parts}
    # A call of each answer's is saved: nearly every role is plain text.
    if type(role) is not str:
        made["role"] = as_sent(role)
    if name is not None:
        made["name"] = name
    if finish_reason is not None:
        made["finish_reason"] = finish_reason_of(finish_reason)
    return made


def tool(name: Any, description: Any = None, parameters: Any = None) -> dict[str, Any]:
    """Return the definition of a function that the model may call."""
    made = {"type": "function", "name": name}
    if description is not None:
        made["description"] = description
    if parameters is not None:
        made["parameters"] = parameters
    return made


def arguments_of(given: Any) -> Any:
    """Return the arguments of a tool call, as an object if they are its JSON text."""
    if type(given) is not str:
        return given
    try:
        parsed = json.loads(given)
    except (ValueError, RecursionError):
        return given
    return parsed if type(parsed) is dict else given


def finish_reasons(answers: list[Message]) -> list[Any]:
    """Return why the model stopped, for each answer that says so."""
    return [one["finish_reason"] for one in answers if "finish_reason" in one]


def finish_reason_of(given: Any) -> Any:
    """Return why the model stopped, in the words of the conventions if possible."""
    return _FINISH_REASONS.get(given, given) if type(given) is str else given
