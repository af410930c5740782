"""
LLM calls as integrations record them, and conversations made of such calls.
"""

from __future__ import annotations

import copy
from typing import Any

from trace_lines import fields, record

from ai_trace._record import StepRecord


PRICES = "genai-prices 0.0.77"


def text(role: str, content: str, **more: Any) -> dict[str, Any]:
    """Return a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def asks(name: str, call_id: str, **arguments: Any) -> dict[str, Any]:
    """Return a message in which the model calls a tool."""
    part = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
    return {"role": "assistant", "parts": [part]}


def tells(call_id: str, response: Any) -> dict[str, Any]:
    """Return a message with what a tool answered."""
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    return {"role": "tool", "parts": [part]}


def chat(
    number: int,
    messages: list[Any],
    *answers: Any,
    parent: int | None = None,
    usage: Any = None,
    cost: float | None = None,
    context: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the object of a call's line."""
    given = {"provider": "openai", "model": "toy-1", "messages": messages}
    got: dict[str, Any] = {"model": "toy-1-2026", "messages": list(answers)}
    if usage is not None:
        got["usage"] = usage
    if cost is not None:
        got["cost"] = {"usd": cost, "prices": PRICES}
    line = {
        "name": "chat toy-1",
        "kind": "llm",
        "context": {**given, **(context or {})},
        "result": {**got, **(result or {})},
        **more,
    }
    return copy.deepcopy(fields(number, parent, **line))


def call(number: int, messages: list[Any], *answers: Any, **more: Any) -> StepRecord:
    """Return the record of a call."""
    return record_of(chat(number, messages, *answers, **more))


def record_of(line: dict[str, Any]) -> StepRecord:
    """Return the record of a line's object."""
    return record(0, **line)


WEATHER = [
    text("system", "Be brief."),
    text("user", "Is it warm in Paris?"),
    asks("get_weather", "call_1", city="Paris"),
    tells("call_1", {"celsius": 21}),
    text("assistant", "It is 21 degrees."),
    text("user", "And in Rome?"),
    text("assistant", "Warmer."),
]


def weather(first: int = 1, parent: int | None = None) -> list[dict[str, Any]]:
    """Return a conversation of three calls: a tool call, its answer, one more turn."""
    cuts = ((2, "tool_call"), (4, "stop"), (6, "stop"))
    return [
        chat(
            first + place,
            WEATHER[:cut],
            {**WEATHER[cut], "finish_reason": end},
            parent=parent,
            usage={
                "input_tokens": 100 * (place + 1),
                "output_tokens": 10,
                "cache_read_input_tokens": 50 * place,
                "reasoning_output_tokens": 0,
            },
            cost=0.001,
        )
        for place, (cut, end) in enumerate(cuts)
    ]
