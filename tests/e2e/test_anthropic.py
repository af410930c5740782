"""
Anthropic's client and a real language model: what is recorded, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from local_servers import NAME, Servers

from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.testing import capture


ASKED: dict[str, Any] = {
    "model": NAME,
    "max_tokens": 32,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def options(servers: Servers) -> dict[str, Any]:
    """Return what makes a client ask the model."""
    return {"base_url": servers.talking, "api_key": "x", "max_retries": 0}


@pytest.fixture
def client(options: dict[str, Any]) -> Iterator[anthropic.Anthropic]:
    """Return a wrapped client."""
    with wrap_anthropic(anthropic.Anthropic(**options)) as client:
        yield client


def test_messages_and_streams(
    client: anthropic.Anthropic, options: dict[str, Any]
) -> None:
    """The answer is that of an unwrapped client, streamed or not, and is recorded."""
    with anthropic.Anthropic(**options) as plain, capture() as steps:
        one = plain.messages.create(**ASKED)
        other = client.messages.create(**ASKED)
        with client.messages.stream(**ASKED) as stream:
            texts = list(stream.text_stream)
            final = stream.get_final_message()

    assert "The capital of France is Paris." == one.content[0].text.strip()
    assert one.content == other.content
    assert one.content[0].text == final.content[0].text == "".join(texts)
    said = {"type": "text", "content": one.content[0].text}
    assert [[said], [said]] == [step.result["messages"][0]["parts"] for step in steps]
    usage = other.usage
    assert (
        usage.input_tokens + (usage.cache_read_input_tokens or 0)
        == (steps[0].result["usage"]["input_tokens"])
    )
    assert {} == steps.tracer.health()


def test_tool_loop(client: anthropic.Anthropic) -> None:
    """The model's call, what the tool gave, and the answer are told apart."""
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    asked = {**ASKED, "tools": [TOOL]}
    with capture() as steps:
        first = client.messages.create(**{**asked, "messages": messages})
        (call,) = [one for one in first.content if one.type == "tool_use"]
        given = {"type": "tool_result", "tool_use_id": call.id}
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{**given, "content": "Paris: sunny"}]},
        ]
        last = client.messages.create(**{**asked, "messages": messages})

    assert "sunny" in last.content[0].text
    one, other = steps
    (part,) = one.result["messages"][0]["parts"]
    assert ("get_weather", {"city": "Paris"}) == (part["name"], part["arguments"])
    assert ["tool_call"] == one.result["finish_reasons"]
    assert {
        "type": "tool_call_response",
        "response": "Paris: sunny",
        "id": call.id,
    } == other.context["messages"][2]["parts"][0]
