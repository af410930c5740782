"""
What is recorded of OpenAI's responses and embeddings.
"""

from __future__ import annotations

import base64
import struct
from enum import Enum
from typing import Any

import openai
import pydantic
import pytest
from llm_replies import (
    RESPONSE_USAGE,
    asked_for_tool,
    embeddings,
    response,
    said,
)
from llm_server import LlmServer, answer

from ai_trace import StepRecord
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import capture


def recorded(client: openai.OpenAI, **asked: Any) -> StepRecord:
    """Ask for a response, and return the one step that it made."""
    with capture() as steps:
        client.responses.create(**{"model": "gpt-5-mini", "input": "Hi.", **asked})
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def test_the_whole_record(server: LlmServer, client: openai.OpenAI) -> None:
    """A response is a step of the same shape as a chat completion."""
    server.will(answer(response(said("Paris."))))

    record = recorded(
        client, instructions="Be short.", input="The capital?", temperature=0
    )

    assert ("chat gpt-5-mini", "llm") == (record.name, record.kind)
    assert {
        "provider": "openai",
        "operation": "chat",
        "server": server.address.removeprefix("http://"),
        "model": "gpt-5-mini",
        "system": [{"type": "text", "content": "Be short."}],
        "messages": [
            {"role": "user", "parts": [{"type": "text", "content": "The capital?"}]}
        ],
        "parameters": {"temperature": 0},
    } == record.context
    assert {
        "model": "gpt-5-mini-2025-08-07",
        "id": "resp_1",
        "messages": [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "Paris."}],
                "finish_reason": "stop",
            }
        ],
        "finish_reasons": ["stop"],
        "usage": {
            "input_tokens": 20,
            "output_tokens": 8,
            "cache_read_input_tokens": 16,
            "cache_creation_input_tokens": 0,
            "reasoning_output_tokens": 3,
        },
        "raw_usage": RESPONSE_USAGE,
    } == record.result


def test_items(server: LlmServer, client: openai.OpenAI) -> None:
    """Thoughts, tool calls and unknown items are parts of the answer."""
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
    }
    new = {"type": "dream", "id": "d_1", "about": "sheep"}
    server.will(answer(response(thought, asked_for_tool(), new)))

    result = recorded(client).result

    assert [
        {"type": "reasoning", "content": "Hm."},
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_0",
            "arguments": {"city": "Paris"},
        },
        new,
    ] == result["messages"][0]["parts"]
    assert ["tool_call"] == result["finish_reasons"]


def test_input_items(server: LlmServer, client: openai.OpenAI) -> None:
    """Input may be a list of messages, tool calls and what the tools gave."""
    server.will(answer(response(said("Sunny."))))
    image = {"type": "input_image", "image_url": "data:image/png;base64,aGk="}
    given = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi."}, image]},
        asked_for_tool(),
        {"type": "function_call_output", "call_id": "call_0", "output": "sunny"},
    ]
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}

    record = recorded(client, input=given, tools=[tool, {"type": "web_search"}])

    user, asked, given_back = record.context["messages"]
    assert ["text", "blob"] == [part["type"] for part in user["parts"]]
    assert ("assistant", "tool_call") == (asked["role"], asked["parts"][0]["type"])
    assert {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": "sunny", "id": "call_0"}],
    } == given_back
    assert [tool, {"type": "web_search"}] == record.context["tools"]


class Words(str, Enum):
    """Texts that a program has names for."""

    USER = "user"
    SAID = "Where?"


@pytest.mark.parametrize(
    "given", [Words.SAID, [{"role": Words.USER, "content": Words.SAID}]]
)
def test_texts_of_subclasses(
    server: LlmServer, client: openai.OpenAI, given: Any
) -> None:
    """An enum of texts is recorded as it is sent."""
    server.will(answer(response(said("Sunny."))))

    record = recorded(client, input=given)

    parts = [{"type": "text", "content": "Where?"}]
    assert [{"role": "user", "parts": parts}] == record.context["messages"]


class Capital(pydantic.BaseModel):
    """
    What an answer is parsed into.
    """

    city: str


def test_parse(server: LlmServer, client: openai.OpenAI) -> None:
    """A parsed response is recorded by its text."""
    server.will(answer(response(said('{"city": "Paris"}'))))
    with capture() as steps:
        parsed = client.responses.parse(model="m", input="Hi.", text_format=Capital)

    assert Capital(city="Paris") == parsed.output_parsed
    (part,) = steps[0].result["messages"][0]["parts"]
    assert {"type": "text", "content": '{"city": "Paris"}'} == part


def packed(*numbers: float) -> str:
    """Return a vector as OpenAI sends it."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize("given", ["one", ["one", "two"], [3, 4], [[3], [4]]])
def test_embeddings(server: LlmServer, client: openai.OpenAI, given: Any) -> None:
    """Embeddings keep input, count and dimensions, but not the vectors."""
    count = 2 if isinstance(given[0], list) or given == ["one", "two"] else 1
    vectors: Any = [packed(0.25, 0.5, 0.75)] * count
    server.will(answer(embeddings(*vectors)))
    with capture() as steps:
        result = client.embeddings.create(model="text-embedding-3-small", input=given)

    (record,) = steps
    assert [0.25, 0.5, 0.75] == result.data[0].embedding
    assert ("embeddings text-embedding-3-small", "embedding") == (
        record.name,
        record.kind,
    )
    assert ([given] if given == "one" else given) == record.context["input"]
    assert count == record.context["count"]
    assert {
        "model": "text-embedding-3-small",
        "count": count,
        "dimensions": 3,
        "usage": {"input_tokens": 7},
        "raw_usage": {"prompt_tokens": 7, "total_tokens": 7},
    } == record.result


needs_decisions = pytest.mark.skipif(
    not hasattr(openai.OpenAI, "decisions"), reason="from version 3 of the client on"
)


@needs_decisions
def test_decisions(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """What a model decided is its answer; its tokens have prices of their own."""
    choice = {
        "type": "choice",
        "name": "action",
        "choice": "hold",
        "confidence": 0.9,
        "probabilities": [{"value": "hold", "probability": 0.9}],
    }
    given = [choice, {"type": "refusal", "name": "why"}]
    server.will(
        answer({"answers": given, "model": "gpt-6-luna", "usage": RESPONSE_USAGE})
    )
    http = openai.DefaultHttpxClient(proxy=server.address)
    options = {**openai_options, "base_url": "http://api.openai.com/v1"}
    choices: Any = [{"value": "buy"}, {"value": "hold"}]
    question: Any = {"type": "choice", "instructions": "Act.", "choices": choices}
    with wrap_openai(openai.OpenAI(**options, http_client=http)) as client:
        with capture() as steps:
            found = client.decisions.create(
                model="gpt-6-luna", input="The quote is old.", questions=[question]
            )

    (record,) = steps
    assert "hold" == found.answers[0].choice
    assert ("decide gpt-6-luna", "llm") == (record.name, record.kind)
    assert {
        "provider": "openai",
        "operation": "decide",
        "model": "gpt-6-luna",
        "messages": [
            {
                "role": "user",
                "parts": [{"type": "text", "content": "The quote is old."}],
            }
        ],
        "parameters": {"questions": [question]},
    } == record.context
    assert [{"role": "assistant", "parts": given}] == record.result["messages"]
    assert 20 == record.result["usage"]["input_tokens"]
    assert "cost" not in record.result


def test_compaction(server: LlmServer, client: openai.OpenAI) -> None:
    """A conversation that the model made shorter is what it answered."""
    asked = {"type": "message", "role": "user", "content": "Where is Paris?"}
    short = {"type": "compaction", "id": "cmp_1", "encrypted_content": "opaque"}
    server.will(
        answer(
            {
                "id": "resp_1",
                "created_at": 1,
                "object": "response.compaction",
                "output": [asked, short],
                "usage": RESPONSE_USAGE,
            }
        )
    )
    with capture() as steps:
        client.responses.compact(model="gpt-5-mini", input=[asked])  # type: ignore[list-item]

    (record,) = steps
    assert ("compact gpt-5-mini", "llm") == (record.name, record.kind)
    assert [
        {"role": "user", "parts": [{"type": "text", "content": "Where is Paris?"}]},
        {"role": "assistant", "parts": [short]},
    ] == record.result["messages"]
    assert record.context["messages"] == record.result["messages"][:1]
    assert 8 == record.result["usage"]["output_tokens"]
