"""
What is recorded of a chat completion.
"""

from __future__ import annotations

import base64
import hashlib
from enum import Enum
from typing import Any

import openai
import pydantic
import pytest
from llm_replies import CHAT_USAGE, QUESTION, choice, completion, tool_call
from llm_server import LlmServer, answer, plain

from ai_trace import StepRecord, step, traced
from ai_trace.testing import capture


TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
            },
        },
    }
]


def recorded(client: openai.OpenAI, **asked: Any) -> StepRecord:
    """Ask, and return the one step that it made."""
    with capture() as steps:
        client.chat.completions.create(
            **{"model": "gpt-5-mini", "messages": QUESTION, **asked}
        )
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def test_the_whole_record(server: LlmServer, client: openai.OpenAI) -> None:
    """A call is one step that holds what was asked, answered and used."""
    server.will(answer(completion(choice())))

    record = recorded(client, temperature=0, max_completion_tokens=9, seed=1)

    assert ("chat gpt-5-mini", "llm", "ok") == (
        record.name,
        record.kind,
        record.outcome,
    )
    assert {
        "provider": "openai",
        "operation": "chat",
        "server": server.address.removeprefix("http://"),
        "model": "gpt-5-mini",
        "messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is the capital of France?"}
                ],
            }
        ],
        "parameters": {"temperature": 0, "max_completion_tokens": 9, "seed": 1},
    } == record.context
    assert {
        "model": "gpt-5-mini-2025-08-07",
        "id": "chatcmpl-1",
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
            "reasoning_output_tokens": 3,
        },
        "raw_usage": CHAT_USAGE,
    } == record.result


def test_it_stands_below_the_current_step(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """A call is a child of the step that it was made in."""
    server.will(answer(completion(choice())))
    with capture() as steps, step("decide"):
        client.chat.completions.create(model="gpt-5-mini", messages=QUESTION)

    assert ["chat gpt-5-mini"] == [
        child.name for child in steps.children(steps.named("decide"))
    ]


def test_parallel_tool_calls(server: LlmServer, client: openai.OpenAI) -> None:
    """Each tool call is recorded, its arguments as the object that they are."""
    calls = [tool_call(0), tool_call(1, "not JSON")]
    server.will(answer(completion(choice(None, "tool_calls", tool_calls=calls))))

    record = recorded(client, tools=TOOLS)

    assert [{"type": "function", **TOOLS[0]["function"]}] == record.context["tools"]
    assert [
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_0",
            "arguments": {"city": "Paris"},
        },
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_1",
            "arguments": "not JSON",
        },
    ] == record.result["messages"][0]["parts"]
    assert ["tool_call"] == record.result["finish_reasons"]


def test_tool_loop(server: LlmServer, client: openai.OpenAI) -> None:
    """What a tool gave is in the next call; the tool's own step names the call's id."""

    @traced(kind="tool")
    def get_weather(city: str, call_id: str) -> str:
        return f"sunny in {city}"

    asked = choice(None, "tool_calls", tool_calls=[tool_call()])
    server.will(answer(completion(asked)), answer(completion(choice("Sunny."))))
    with capture() as steps, step("agent"):
        messages: list[Any] = list(QUESTION)
        first = client.chat.completions.create(
            model="gpt-5-mini", messages=messages, tools=TOOLS
        )
        messages.append(first.choices[0].message)
        call = first.choices[0].message.tool_calls[0]
        given = get_weather("Paris", call_id=call.id)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": given})
        client.chat.completions.create(
            model="gpt-5-mini", messages=messages, tools=TOOLS
        )

    one, tool, other = steps.children(steps.named("agent"))
    (asked_for,) = one.result["messages"][0]["parts"]
    assert (asked_for["id"], "tool") == (tool.context["call_id"], tool.kind)
    assert [
        {"role": "assistant", "parts": [asked_for]},
        {
            "role": "tool",
            "parts": [
                {
                    "type": "tool_call_response",
                    "response": "sunny in Paris",
                    "id": asked_for["id"],
                }
            ],
        },
    ] == other.context["messages"][1:]


def test_messages_are_recorded_as_they_were(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """A history that grows after the call is recorded as it was at the call."""
    server.will(answer(completion(choice())))
    messages: list[Any] = list(QUESTION)
    with capture() as steps:
        client.chat.completions.create(model="gpt-5-mini", messages=messages)
        messages[0]["content"] = "changed"
        messages.clear()

    (part,) = steps[0].context["messages"][0]["parts"]
    assert "What is the capital of France?" == part["content"]
    QUESTION[0]["content"] = part["content"]


class Words(str, Enum):
    """Texts that a program has names for."""

    MODEL = "gpt-5-mini"
    USER = "user"
    SAID = "Where?"


def test_texts_of_subclasses(server: LlmServer, client: openai.OpenAI) -> None:
    """An enum of texts is recorded as it is sent."""
    server.will(answer(completion(choice())))
    asked: Any = [
        {"role": Words.USER, "content": Words.SAID},
        {"role": Words.USER, "content": [{"type": "text", "text": "Where?"}]},
    ]

    record = recorded(client, model=Words.MODEL, messages=asked)

    assert ("chat gpt-5-mini", "gpt-5-mini") == (record.name, record.context["model"])
    said = {"role": "user", "parts": [{"type": "text", "content": "Where?"}]}
    assert [said, said] == record.context["messages"]
    assert ["user", "user"] == [
        one["role"] for one in server.requests[-1].body["messages"]
    ]


def test_several_choices(server: LlmServer, client: openai.OpenAI) -> None:
    """With n=2 there are two messages and two finish reasons."""
    server.will(answer(completion(choice("A"), choice("B", "length", 1))))

    result = recorded(client, n=2).result

    assert ["A", "B"] == [one["parts"][0]["content"] for one in result["messages"]]
    assert ["stop", "length"] == result["finish_reasons"]


def test_no_choices(server: LlmServer, client: openai.OpenAI) -> None:
    """An answer without choices has no messages, but has its usage."""
    server.will(answer(completion()))

    result = recorded(client).result

    assert [] == result["messages"]
    assert 20 == result["usage"]["input_tokens"]


def test_refusal_and_filter(server: LlmServer, client: openai.OpenAI) -> None:
    """A refusal is a part of its own; a filter shows in the finish reason."""
    server.will(
        answer(
            completion(
                choice(None, refusal="I cannot."), choice("", "content_filter", 1)
            )
        )
    )

    refused, filtered = recorded(client, n=2).result["messages"]

    assert [{"type": "refusal", "content": "I cannot."}] == refused["parts"]
    assert "content_filter" == filtered["finish_reason"]


def test_unknown_fields(server: LlmServer, client: openai.OpenAI) -> None:
    """Unknown fields break nothing; thoughts of other servers are kept."""
    new = choice("Paris.", "wandered_off", reasoning_content="Hm.", mood="good")
    usage = {**CHAT_USAGE, "joules": 3}
    server.will(answer(completion(new, usage=usage, weather="fine")))

    result = recorded(client).result

    (said,) = result["messages"]
    assert [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Paris."},
    ] == said["parts"]
    assert "wandered_off" == said["finish_reason"]
    assert usage == result["raw_usage"]


def test_unknown_shape(server: LlmServer, client: openai.OpenAI) -> None:
    """A response of another shape is recorded as it is, with a note."""
    server.will(answer({"outcome": "42"}))

    record = recorded(client)

    assert {"response": {"outcome": "42"}} == record.result
    assert [{"path": "$.result.response", "note": "unknown shape"}] == list(
        record.notes
    )


def test_no_json(server: LlmServer, client: openai.OpenAI) -> None:
    """A page where JSON was expected is recorded, and the program gets it as ever."""
    server.will(plain("<html>busy</html>", "text/html"))

    assert {"response": "<html>busy</html>"} == recorded(client).result


def test_media(server: LlmServer, client: openai.OpenAI) -> None:
    """Images, audio and files are recorded by type, size and hash, never inline."""
    picture, sound = b"\x89PNG picture", b"RIFF sound"
    encoded = base64.b64encode(picture).decode()
    server.will(answer(completion(choice())))
    content = [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{encoded}"},
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {
            "type": "input_audio",
            "input_audio": {
                "data": base64.b64encode(sound).decode(),
                "format": "wav",
            },
        },
        {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
        {"type": "hologram", "depth": 3},
    ]

    record = recorded(client, messages=[{"role": "user", "content": content}])

    assert [
        {"type": "text", "content": "What is this?"},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "bytes": len(picture),
            "sha256": hashlib.sha256(picture).hexdigest(),
        },
        {
            "type": "uri",
            "modality": "image",
            "uri": "https://example.com/cat.png",
        },
        {
            "type": "blob",
            "modality": "audio",
            "mime_type": "audio/wav",
            "bytes": len(sound),
            "sha256": hashlib.sha256(sound).hexdigest(),
        },
        {
            "type": "file",
            "modality": "document",
            "file_id": "file-1",
            "filename": "a.pdf",
        },
        {"type": "hologram", "depth": 3},
    ] == record.context["messages"][0]["parts"]
    assert encoded not in str(record.to_dict())


class Capital(pydantic.BaseModel):
    """
    What an answer is parsed into.
    """

    city: str


def test_parse(server: LlmServer, client: openai.OpenAI) -> None:
    """A parsed completion is recorded by its text."""
    server.will(answer(completion(choice('{"city": "Paris"}'))))
    with capture() as steps:
        parsed = client.chat.completions.parse(
            model="gpt-5-mini",
            messages=QUESTION,
            response_format=Capital,
        )

    assert Capital(city="Paris") == parsed.choices[0].message.parsed
    assert (
        '{"city": "Paris"}' == (steps[0].result["messages"][0]["parts"][0]["content"])
    )


def test_parse_of_a_cut_answer(server: LlmServer, client: openai.OpenAI) -> None:
    """When parsing fails, the error is the library's, and the answer is recorded."""
    server.will(answer(completion(choice('{"city": "Pa', "length"))))
    with capture() as steps, pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="gpt-5-mini",
            messages=QUESTION,
            response_format=Capital,
        )

    (record,) = steps
    assert "error" == record.outcome
    assert str(record.error).startswith("LengthFinishReasonError: ")
    assert ["length"] == record.result["finish_reasons"]


def test_extra_body(server: LlmServer, client: openai.OpenAI) -> None:
    """What the program adds to the body is among the parameters."""
    server.will(answer(completion(choice())))

    record = recorded(client, extra_body={"top_k": 5})

    assert {"top_k": 5} == record.context["parameters"]


def test_secrets_are_taken_out(server: LlmServer, client: openai.OpenAI) -> None:
    """Secrets in messages do not reach the record; counts of tokens do."""
    key = "sk-proj-" + "a1B2" * 12
    server.will(answer(completion(choice(f"Your key is {key}."))))

    record = recorded(
        client, messages=[{"role": "user", "content": f"my key: {key}"}], max_tokens=9
    )

    assert key not in str(record.to_dict())
    assert {"max_tokens": 9} == record.context["parameters"]


def test_legacy_completion(server: LlmServer, client: openai.OpenAI) -> None:
    """A legacy completion is of the operation text_completion, its prompt a message."""
    given = {"text": " Paris.", "index": 0, "finish_reason": "length", "logprobs": None}
    server.will(answer(completion(given, object="text_completion")))
    with capture() as steps:
        client.completions.create(model="babbage-002", prompt="The capital is")

    (record,) = steps
    assert "text_completion babbage-002" == record.name
    assert [
        {"role": "user", "parts": [{"type": "text", "content": "The capital is"}]}
    ] == record.context["messages"]
    assert [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": " Paris."}],
            "finish_reason": "length",
        }
    ] == record.result["messages"]
