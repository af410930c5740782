"""
What is recorded of OpenAI's streams, and what the program gets of them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from llm_replies import (
    CHAT_USAGE,
    QUESTION,
    asked_for_tool,
    chat_stream,
    chunk,
    chunk_of,
    response,
    response_events,
    said,
)
from llm_server import LlmServer, stream

from ai_trace import StepRecord
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def test_the_whole_record(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream that was read to its end is one step with all that came."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        stream = client.chat.completions.create(**ASKED, stream=True)
        chunks = list(stream)
        assert 1 == len(steps)
    record = only(steps)
    times = [
        record.result.pop(f"time_to_first_{what}") for what in ("chunk", "content")
    ]

    assert openai.Stream is type(stream)
    assert 5 == len(chunks)
    assert "ok" == record.outcome
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
        "chunks": 5,
    } == record.result
    assert 0 < times[0] <= times[1] <= record.duration_ms / 1000


def test_chunks_are_the_same(
    server: LlmServer, client: openai.OpenAI, openai_options: dict[str, Any]
) -> None:
    """The chunks are those that an unwrapped client gives."""
    server.will(chat_stream("Par", "is."))
    with openai.OpenAI(**openai_options) as other, capture():
        expected = list(other.chat.completions.create(**ASKED, stream=True))
        given = list(client.chat.completions.create(**ASKED, stream=True))

    assert expected == given


def test_stream_helper(server: LlmServer, client: openai.OpenAI) -> None:
    """The helper that gathers events is recorded as one step."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps, client.chat.completions.stream(**ASKED) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()

    assert "Paris." == final.choices[0].message.content
    assert "content.delta" in kinds
    assert "Paris." == only(steps).result["messages"][0]["parts"][0]["content"]


def test_tool_calls_in_pieces(server: LlmServer, client: openai.OpenAI) -> None:
    """Tool calls that come in pieces, side by side, are put together."""

    def piece(index: int, arguments: str, **more: Any) -> dict[str, Any]:
        call = {"index": index, "function": {"arguments": arguments, **more}}
        if more:
            call.update(id=f"call_{index}", type="function")
        return chunk(None, tool_calls=[call])

    server.will(
        stream(
            piece(0, "", name="get_weather"),
            piece(0, '{"city":'),
            piece(1, "", name="get_time"),
            piece(0, ' "Paris"}'),
            piece(1, "{}"),
            chunk(None, "tool_calls"),
        )
    )
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, stream=True))

    (message,) = only(steps).result["messages"]
    assert [
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_0",
            "arguments": {"city": "Paris"},
        },
        {"type": "tool_call", "name": "get_time", "id": "call_1", "arguments": {}},
    ] == message["parts"]
    assert "tool_call" == message["finish_reason"]


def test_other_calls_in_pieces(server: LlmServer, client: openai.OpenAI) -> None:
    """Calls of the old form, and of tools that take text, are put together too."""
    custom = {"index": 0, "id": "call_0", "type": "custom"}
    server.will(
        stream(
            chunk(None, function_call={"name": "old", "arguments": '{"a"'}),
            chunk(None, function_call={"arguments": ": 1}"}),
            chunk(
                None, tool_calls=[{**custom, "custom": {"name": "sh", "input": "l"}}]
            ),
            chunk(None, tool_calls=[{"index": 0, "custom": {"input": "s"}}]),
        )
    )
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, stream=True))

    (message,) = only(steps).result["messages"]
    assert [
        {"type": "tool_call", "name": "old", "arguments": {"a": 1}},
        {"type": "tool_call", "name": "sh", "id": "call_0", "arguments": "ls"},
    ] == message["parts"]


def test_choices_thoughts_and_refusals(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """Mixed choices are kept apart, and so are thoughts and refusals."""
    server.will(
        stream(
            chunk("A", index=0),
            chunk(None, index=1, reasoning_content="Hm."),
            chunk("a", index=0),
            chunk("B", index=1),
            chunk(None, "stop", index=1),
            chunk(None, "content_filter", index=0, refusal="No."),
            chunk_of(),
        )
    )
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, n=2, stream=True))

    assert [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "Aa"},
                {"type": "refusal", "content": "No."},
            ],
            "finish_reason": "content_filter",
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "text", "content": "B"},
            ],
            "finish_reason": "stop",
        },
    ] == only(steps).result["messages"]


def test_chunks_of_other_servers(server: LlmServer, client: openai.OpenAI) -> None:
    """What other servers do otherwise is understood: nothing is lost or doubled."""

    def called(number: int, **function: Any) -> dict[str, Any]:
        return {"index": 0, "id": f"call_{number}", "function": function}

    thought = {"reasoning": "Hm.", "reasoning_content": "Hm."}
    in_parts: Any = [{"type": "text", "text": "Now."}]
    server.will(
        stream(
            chunk(None, **thought),
            # A text and a call in one chunk; two calls under one index; an id a piece.
            chunk("Wait. ", tool_calls=[called(0, name="a", arguments="{}")]),
            chunk(in_parts, tool_calls=[called(1, name="b", arguments='{"n"')]),
            chunk(None, tool_calls=[called(2, arguments=": 1}")]),
        )
    )
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, stream=True))

    assert [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Wait. Now."},
        {"type": "tool_call", "name": "a", "id": "call_0", "arguments": {}},
        {"type": "tool_call", "name": "b", "id": "call_1", "arguments": {"n": 1}},
    ] == only(steps).result["messages"][0]["parts"]


def test_chunks_of_unknown_shape(server: LlmServer, client: openai.OpenAI) -> None:
    """Unknown chunks are handed on and counted, and break nothing."""
    server.will(stream({"surprise": 1}, chunk("Paris."), {"choices": 3}))
    with capture() as steps:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))

    record = only(steps)
    assert 3 == len(chunks) == record.result["chunks"]
    assert "Paris." == record.result["messages"][0]["parts"][0]["content"]


def test_legacy_completions(server: LlmServer, client: openai.OpenAI) -> None:
    """Streams of legacy completions are gathered from their texts."""
    choices = [{"index": 0, "text": text, "finish_reason": None} for text in ("a", "b")]
    server.will(stream(*(chunk_of(choices=[choice]) for choice in choices)))
    with capture() as steps:
        list(client.completions.create(model="m", prompt="p", stream=True))

    (message,) = only(steps).result["messages"]
    assert [{"type": "text", "content": "ab"}] == message["parts"]


def test_async(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """Async streams, and their helper, are recorded likewise."""
    server.will(chat_stream("Par", "is."))

    async def main() -> Any:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:
            stream = await client.chat.completions.create(**ASKED, stream=True)
            count = len([chunk async for chunk in stream])
            async with client.chat.completions.stream(**ASKED) as helper:
                final = await helper.get_final_completion()
            return type(stream), count, final.choices[0].message.content

    with capture() as steps:
        assert (openai.AsyncStream, 5, "Paris.") == asyncio.run(main())

    assert ["ok", "ok"] == [step.outcome for step in steps]
    assert steps[0].result["messages"] == steps[1].result["messages"]
    assert {} == steps.tracer.health()


# -- responses ---------------------------------------------------------------

RESPONSE: dict[str, Any] = {"model": "gpt-5-mini", "input": "What is the capital?"}
PARIS = [{"type": "text", "content": "Paris."}]


def test_response_stream(server: LlmServer, client: openai.OpenAI) -> None:
    """The events of a response become one step, whole by its last event."""
    events = response_events("Par", "is.")
    server.will(stream(*events, done=False))
    with capture() as steps:
        given = list(client.responses.create(**RESPONSE, stream=True))

    record = only(steps)
    assert [event["type"] for event in events] == [event.type for event in given]
    assert "ok" == record.outcome
    assert [
        {"role": "assistant", "parts": PARIS, "finish_reason": "stop"}
    ] == record.result["messages"]
    assert 20 == record.result["usage"]["input_tokens"]
    assert len(events) == record.result["chunks"]


def test_response_stream_helper(server: LlmServer, client: openai.OpenAI) -> None:
    """The helper of responses is recorded as one step."""
    server.will(stream(*response_events("Par", "is."), done=False))
    with capture() as steps, client.responses.stream(**RESPONSE) as stream_:
        final = stream_.get_final_response()

    assert "Paris." == final.output_text
    assert PARIS == only(steps).result["messages"][0]["parts"]


def test_response_stream_that_is_left(server: LlmServer, client: openai.OpenAI) -> None:
    """The pieces of a response whose stream was closed early are kept."""
    *first, _, _, _ = response_events("Par", "is.")
    call = {**asked_for_tool(), "status": "in_progress", "arguments": ""}
    more = {"type": "response.output_item.added", "output_index": 1, "item": call}
    piece = {"output_index": 1, "item_id": "fc_1", "delta": '{"city": "Pa'}
    kind = "response.function_call_arguments.delta"
    server.will(stream(*first, more, {"type": kind, **piece}, done=False))
    with capture() as steps:
        with client.responses.create(**RESPONSE, stream=True) as events:
            for event in events:
                if event.type == kind:
                    break

    record = only(steps)
    assert "closed" == record.outcome
    assert [
        *PARIS,
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_0",
            "arguments": '{"city": "Pa',
        },
    ] == record.result["messages"][0]["parts"]


def test_failed_response(server: LlmServer, client: openai.OpenAI) -> None:
    """A response that failed at the provider says so in its result."""
    failure = {"code": "server_error", "message": "Out of luck."}
    failed = response(status="failed", error=failure)
    server.will(stream({"type": "response.failed", "response": failed}, done=False))
    with capture() as steps:
        list(client.responses.create(**RESPONSE, stream=True))

    assert failure == only(steps).result["error"]


def test_incomplete_response(server: LlmServer, client: openai.OpenAI) -> None:
    """A response that was cut short tells by what."""
    cut = response(
        said("Par"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )
    server.will(stream({"type": "response.incomplete", "response": cut}, done=False))
    with capture() as steps:
        list(client.responses.create(**RESPONSE, stream=True))

    assert ["length"] == only(steps).result["finish_reasons"]


ERROR = {"code": "server_error", "message": "Out of luck."}


@pytest.mark.parametrize(
    ("last", "recorded"),
    [
        (
            {
                "type": "response.failed",
                "response": response(status="failed", error=ERROR),
            },
            ERROR,
        ),
        ({"type": "error", **ERROR, "param": None, "sequence_number": 9}, ERROR),
        (
            {
                "type": "response.incomplete",
                "response": response(
                    status="incomplete",
                    incomplete_details={"reason": "max_output_tokens"},
                ),
            },
            None,
        ),
    ],
    ids=["failed", "error", "incomplete"],
)
def test_response_that_ends_badly(
    server: LlmServer, client: openai.OpenAI, last: dict[str, Any], recorded: Any
) -> None:
    """An end that tells only why it ended leaves what had come, and tells why."""
    *first, _, _, _ = response_events("Par", "is.")
    server.will(stream(*first, last, done=False))
    with capture() as steps:
        list(client.responses.create(**RESPONSE, stream=True))

    record = only(steps)
    reason = "error" if recorded else "length"
    assert ("ok", recorded) == (record.outcome, record.result.get("error"))
    assert [
        {"role": "assistant", "parts": PARIS, "finish_reason": reason}
    ] == record.result["messages"]


def test_code_that_is_left(server: LlmServer, client: openai.OpenAI) -> None:
    """Of a response that was left, no code is taken for text, and all is in order."""
    item = {"type": "code_interpreter_call", "id": "ci", "status": "in_progress"}
    at = {"output_index": 10, "item_id": "ci"}
    kind = "response.code_interpreter_call_code.delta"
    done = [
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": {**asked_for_tool(), "name": f"tool_{index}"},
        }
        for index in range(10)
    ]
    more = {"type": "response.output_item.added", "output_index": 10, "item": item}
    code = [{"type": kind, **at, "delta": piece} for piece in ("import ", "os")]
    server.will(stream(*done, more, *code, done=False))
    with capture() as steps:
        with client.responses.create(**RESPONSE, stream=True) as events:
            for _ in events:
                pass

    *calls, last = only(steps).result["messages"][0]["parts"]
    assert [f"tool_{index}" for index in range(10)] == [one["name"] for one in calls]
    assert {**item, "code": "import os"} == last
