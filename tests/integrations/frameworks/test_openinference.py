"""
Spans in the convention of OpenInference, made into steps.

The attributes are those that ``openinference-instrumentation-openai`` 0.1.66,
``-anthropic`` 3.1 and ``-langchain`` 0.1.80 give their spans.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider

from ai_trace import StepRecord
from ai_trace.integrations.opentelemetry import OpenTelemetrySteps
from ai_trace.testing import capture


@pytest.fixture
def tracer() -> otel.Tracer:
    """An instrumented library."""
    provider = TracerProvider()
    provider.add_span_processor(OpenTelemetrySteps())
    return provider.get_tracer("openinference.instrumentation.openai")


def made_of(tracer: otel.Tracer, kind: str, attributes: dict[str, Any]) -> StepRecord:
    """Return the step of a span whose kind is told at its end, as most tell it."""
    with capture() as steps, tracer.start_as_current_span("span") as span:
        span.set_attributes(attributes)
        span.set_attribute("openinference.span.kind", kind)
    (found,) = steps
    return found


OPENAI = {
    "llm.system": "openai",
    "input.value": '{"model": "gpt-5-mini", "messages": ["once more"]}',
    "input.mime_type": "application/json",
    "output.value": '{"id": "chatcmpl-1", "choices": ["once more"]}',
    "output.mime_type": "application/json",
    "llm.tools.0.tool.json_schema": json.dumps(
        {"type": "function", "function": {"name": "get_weather", "parameters": {}}}
    ),
    "llm.invocation_parameters": '{"model": "gpt-5-mini", "temperature": 0.5}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where?",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": (
        "data:image/png;base64,aGVsbG8="
    ),
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "call_0",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "get_weather",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": (
        '{"city": "Paris"}'
    ),
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "call_0",
    "llm.input_messages.3.message.name": "get_weather",
    "llm.input_messages.3.message.content": "sunny",
    "llm.model_name": "gpt-5-mini-2025-08-07",
    "llm.token_count.total": 28,
    "llm.token_count.prompt": 20,
    "llm.token_count.completion": 8,
    "llm.token_count.prompt_details.cache_read": 16,
    "llm.token_count.completion_details.reasoning": 3,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "It is sunny.",
    "llm.finish_reason": "stop",
    "session.id": "s1",
}


def test_call(tracer: otel.Tracer) -> None:
    """A call is an ``llm`` step like any other, and what has no place is kept."""
    found = made_of(tracer, "LLM", OPENAI)

    call = {"type": "tool_call", "name": "get_weather", "id": "call_0"}
    image = found.context["messages"][1]["parts"][1]
    assert "llm" == found.kind
    assert {
        "provider": "openai",
        "operation": "chat",
        "model": "gpt-5-mini",
        "parameters": {"temperature": 0.5},
        "messages": [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Where?"}, image]},
            {"role": "assistant", "parts": [{**call, "arguments": {"city": "Paris"}}]},
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_call_response", "response": "sunny", "id": "call_0"}
                ],
            },
        ],
        "tools": [{"type": "function", "name": "get_weather", "parameters": {}}],
        "attributes": {"session.id": "s1"},
        "otel": {"scope": "openinference.instrumentation.openai"},
    } == found.context
    assert ("blob", "image/png", 5) == (
        image["type"],
        image["mime_type"],
        image["bytes"],
    )
    assert {
        "model": "gpt-5-mini-2025-08-07",
        "messages": [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "It is sunny."}],
                "finish_reason": "stop",
            }
        ],
        "finish_reasons": ["stop"],
        "usage": {
            "input_tokens": 20,
            "output_tokens": 8,
            "cache_read_input_tokens": 16,
            "reasoning_output_tokens": 3,
        },
        "raw_usage": {
            "total": 28,
            "prompt": 20,
            "completion": 8,
            "prompt_details.cache_read": 16,
            "completion_details.reasoning": 3,
        },
    } == found.result


def test_blocks_of_anthropic(tracer: otel.Tracer) -> None:
    """A repeated call is recorded once; thoughts are, without their signature."""
    answer = "llm.output_messages.0.message."
    tool = {"name": "get_weather", "input_schema": {"type": "object"}}
    found = made_of(
        tracer,
        "LLM",
        {
            "llm.provider": "anthropic",
            "llm.request.model_name": "claude-haiku-4-5",
            "llm.response.model_name": "claude-haiku-4-5-20251001",
            "llm.model_name": "claude-haiku-4-5-20251001",
            "llm.tools.0.tool.json_schema": json.dumps(tool),
            f"{answer}role": "assistant",
            f"{answer}contents.0.message_content.type": "reasoning",
            f"{answer}contents.0.message_content.text": "Hm.",
            f"{answer}contents.0.message_content.signature": "abc",
            f"{answer}contents.1.message_content.type": "tool_use",
            f"{answer}contents.1.tool_call.id": "toolu_0",
            f"{answer}contents.1.tool_call.function.name": "get_weather",
            f"{answer}contents.1.tool_call.function.arguments": "{}",
            f"{answer}contents.2.message_content.type": "server_tool_use",
            f"{answer}contents.2.message_content.id": "srv_0",
            f"{answer}tool_calls.0.tool_call.id": "toolu_0",
            f"{answer}tool_calls.0.tool_call.function.name": "get_weather",
            f"{answer}tool_calls.0.tool_call.function.arguments": "{}",
            "llm.finish_reason": "tool_use",
        },
    )

    assert ("claude-haiku-4-5", "claude-haiku-4-5-20251001") == (
        found.context["model"],
        found.result["model"],
    )
    named = {"type": "function", "name": "get_weather"}
    assert [{**named, "parameters": {"type": "object"}}] == found.context["tools"]
    call = {"type": "tool_call", "name": "get_weather", "id": "toolu_0"}
    assert [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {**call, "arguments": {}},
                {"type": "server_tool_use", "id": "srv_0"},
            ],
            "finish_reason": "tool_call",
        }
    ] == found.result["messages"]


def test_call_without_messages(tracer: otel.Tracer) -> None:
    """A call without messages keeps its raw input and output, without media."""
    given = {"image": "data:image/png;base64,aGVsbG8="}
    found = made_of(
        tracer,
        "LLM",
        {"input.value": json.dumps(given), "output.value": "It is sunny."},
    )

    assert "blob" == found.context["input"]["image"]["type"]
    assert {"output": "It is sunny."} == found.result


def test_legacy_completion(tracer: otel.Tracer) -> None:
    """Prompts and choices are messages."""
    found = made_of(
        tracer,
        "LLM",
        {
            "llm.prompts.0.prompt.text": "Paris is",
            "llm.choices.0.completion.text": "sunny.",
        },
    )

    assert "text_completion" == found.context["operation"]
    (asked,) = found.context["messages"]
    (said,) = found.result["messages"]
    assert ("user", "Paris is") == (asked["role"], asked["parts"][0]["content"])
    assert ("assistant", "sunny.") == (said["role"], said["parts"][0]["content"])


def test_cost(tracer: otel.Tracer) -> None:
    """A given cost is kept; none is computed, as the server is unknown."""
    cost = {
        "llm.cost.total": 0.3,
        "llm.cost.prompt": 0.1,
        "llm.cost.completion": 0.2,
        "llm.cost.prompt_details.cache_read": 0.05,
    }
    found = made_of(tracer, "LLM", {**OPENAI, **cost})

    assert {"usd": 0.3, "input_usd": 0.1, "output_usd": 0.2} == found.result["cost"]
    assert 0.05 == found.context["attributes"]["llm.cost.prompt_details.cache_read"]
    assert "cost" not in made_of(tracer, "LLM", OPENAI).result


def test_embeddings(tracer: otel.Tracer) -> None:
    """Vectors are counted, and not kept."""
    found = made_of(
        tracer,
        "EMBEDDING",
        {
            "llm.system": "openai",
            "input.value": '{"input": "Paris"}',
            "output.value": '{"data": [{"embedding": [1.0, 2.0]}]}',
            "embedding.invocation_parameters": '{"model": "text-embedding-3-small"}',
            "embedding.embeddings.0.embedding.text": "Paris",
            "embedding.embeddings.0.embedding.vector": [1.0, 2.0],
            "embedding.model_name": "text-embedding-3-small",
            "llm.token_count.prompt": 7,
        },
    )

    assert ("embedding", ["Paris"], 1) == (
        found.kind,
        found.context["input"],
        found.context["count"],
    )
    assert {
        "model": "text-embedding-3-small",
        "count": 1,
        "dimensions": 2,
        "usage": {"input_tokens": 7},
        "raw_usage": {"prompt": 7},
    } == found.result


def test_tool(tracer: otel.Tracer) -> None:
    """A tool has its name, its arguments and what it returned."""
    given = {
        "tool.name": "get_weather",
        "tool.id": "call_0",
        "tool.description": "Says it.",
        "input.value": '{"city": "Paris"}',
        "output.value": "sunny",
    }
    found = made_of(tracer, "TOOL", given)

    assert ("get_weather", "tool", "sunny") == (found.name, found.kind, found.result)
    scope = found.context.pop("otel")
    assert {
        "call_id": "call_0",
        "description": "Says it.",
        "arguments": {"city": "Paris"},
    } == found.context
    assert {"scope": "openinference.instrumentation.openai"} == scope


def test_retriever(tracer: otel.Tracer) -> None:
    """A retriever has its query and its documents, in their order."""
    document = "retrieval.documents."
    found = made_of(
        tracer,
        "RETRIEVER",
        {
            "input.value": "Paris",
            "output.value": '{"documents": ["once more"]}',
            f"{document}10.document.content": "last",
            f"{document}9.document.content": "first",
            f"{document}9.document.metadata": '{"page": 1}',
            f"{document}9.document.score": 0.5,
        },
    )

    assert ("retrieval", "Paris") == (found.kind, found.context["query"])
    first = {"content": "first", "metadata": {"page": 1}, "score": 0.5}
    assert {"documents": [first, {"content": "last"}]} == found.result


@pytest.mark.parametrize(
    ("kind", "ours", "name"),
    [
        ("CHAIN", "step", "span"),
        ("AGENT", "agent", "weather"),
        ("GUARDRAIL", "guardrail", "span"),
        ("EVALUATOR", "eval", "span"),
        ("RERANKER", "step", "span"),
    ],
)
def test_other_kinds(tracer: otel.Tracer, kind: str, ours: str, name: str) -> None:
    """All others have what went in and what came out."""
    agent = {"agent.name": "weather"} if kind == "AGENT" else {}
    given = {"input.value": "[1]", "output.value": "[2]", "user.id": "ann", **agent}
    found = made_of(tracer, kind, given)

    assert (name, ours, [1], [2]) == (
        found.name,
        found.kind,
        found.context["input"],
        found.result,
    )
    assert {"user.id": "ann"} == found.context["attributes"]


@pytest.mark.parametrize(
    "odd",
    [
        {"llm.input_messages.first.message.role": "user"},
        {"llm.input_messages.0": "user"},
        {"llm.invocation_parameters": "[1]", "llm.provider": 7},
        {"llm.tools.0.tool.json_schema": "no JSON"},
        {"llm.token_count.prompt": "many"},
        {"llm.output_messages.0.message.contents.0.message_content": "what?"},
        {f"llm.input_messages.{'9' * 5000}.message.content": "late"},
    ],
)
def test_odd_attributes(tracer: otel.Tracer, odd: dict[str, Any]) -> None:
    """What was not expected is recorded somewhere, and nothing fails."""
    with capture() as steps, tracer.start_as_current_span("span") as span:
        span.set_attributes({**odd, "openinference.span.kind": "LLM"})

    (found,) = steps
    assert "llm" == found.kind
    assert {} == steps.tracer.health()
    recorded = json.dumps([found.context, found.result])
    assert all(str(value) in recorded for value in odd.values())
