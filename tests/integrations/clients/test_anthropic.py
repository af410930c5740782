"""
What is recorded of Anthropic's messages.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from enum import Enum
from typing import Any

import anthropic
from llm_replies import (
    MESSAGE_USAGE,
    QUESTION,
    begun,
    block,
    delta,
    message,
    message_events,
    message_stream,
    text_events,
    tool_use,
)
from llm_server import LlmServer, answer, stream

from ai_trace import StepRecord
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 9,
    "messages": QUESTION,
}
USAGE = {
    "input_tokens": 22,
    "output_tokens": 8,
    "cache_read_input_tokens": 16,
    "cache_creation_input_tokens": 2,
}
PARIS = [{"type": "text", "content": "Paris."}]


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def recorded(claude: anthropic.Anthropic, **asked: Any) -> StepRecord:
    """Ask, and return the one step that it made."""
    with capture() as steps:
        claude.messages.create(**{**ASKED, **asked})
    return only(steps)


def test_the_whole_record(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A call is one step that holds what was asked, answered and used."""
    server.will(answer(message(block())))

    record = recorded(claude, system="Be short.", stop_sequences=["!"])

    assert ("chat claude-haiku-4-5", "llm", "ok") == (
        record.name,
        record.kind,
        record.outcome,
    )
    assert {
        "provider": "anthropic",
        "operation": "chat",
        "server": server.address.removeprefix("http://"),
        "model": "claude-haiku-4-5",
        "system": [{"type": "text", "content": "Be short."}],
        "messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is the capital of France?"}
                ],
            }
        ],
        "parameters": {"max_tokens": 9, "stop_sequences": ["!"]},
    } == record.context
    assert () == tuple(record.notes)
    assert {
        "model": "claude-haiku-4-5-20251001",
        "id": "msg_1",
        "messages": [{"role": "assistant", "parts": PARIS, "finish_reason": "stop"}],
        "finish_reasons": ["stop"],
        "usage": USAGE,
        "raw_usage": MESSAGE_USAGE,
    } == record.result


def test_blocks(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Thoughts, parallel tool calls and unknown blocks are parts."""
    new = {"type": "dream", "about": "sheep"}
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    server.will(
        answer(message(thinking, tool_use(0), tool_use(1), new, reason="tool_use"))
    )
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"name": "get_weather", "description": "Weather.", "input_schema": schema}

    record = recorded(claude, tools=[tool])

    call = {"type": "tool_call", "name": "get_weather"}
    arguments = {"arguments": {"city": "Paris"}}
    assert [
        {"type": "reasoning", "content": "Hm."},
        {**call, "id": "toolu_0", **arguments},
        {**call, "id": "toolu_1", **arguments},
        new,
    ] == record.result["messages"][0]["parts"]
    assert ["tool_call"] == record.result["finish_reasons"]
    assert [
        {
            "type": "function",
            "name": "get_weather",
            "description": "Weather.",
            "parameters": schema,
        }
    ] == record.context["tools"]


def test_tool_loop(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """What a tool gave is in the next call, with the id of the model's call."""
    server.will(
        answer(message(tool_use(), reason="tool_use")), answer(message(block("Sunny.")))
    )
    messages: list[Any] = list(QUESTION)
    with capture() as steps:
        first = claude.messages.create(**{**ASKED, "messages": messages})
        messages.append({"role": "assistant", "content": first.content})
        result = {
            "type": "tool_result",
            "tool_use_id": "toolu_0",
            "content": [block("sunny")],
            "is_error": True,
        }
        messages.append({"role": "user", "content": [result]})
        claude.messages.create(**{**ASKED, "messages": messages})

    one, other = steps
    assert one.result["messages"][0]["parts"] == other.context["messages"][1]["parts"]
    assert [
        {
            "type": "tool_call_response",
            "response": "sunny",
            "id": "toolu_0",
            "is_error": True,
        }
    ] == other.context["messages"][2]["parts"]


def test_media(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Images and documents are recorded by type, size and hash, never inline."""
    picture = b"\x89PNG picture"
    encoded = base64.b64encode(picture).decode()
    source = {"type": "base64", "media_type": "image/png", "data": encoded}
    paper = {"type": "base64", "media_type": "application/pdf", "data": encoded}
    facts = {"bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
    server.will(answer(message(block())))
    content = [
        {"type": "image", "source": source},
        {"type": "document", "source": paper, "title": "A paper"},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
    ]

    record = recorded(claude, messages=[{"role": "user", "content": content}])

    assert [
        {"type": "blob", "modality": "image", "mime_type": "image/png", **facts},
        {
            "type": "blob",
            "modality": "document",
            "mime_type": "application/pdf",
            **facts,
            "title": "A paper",
        },
        {"type": "uri", "modality": "image", "uri": "https://a.example/b.png"},
    ] == record.context["messages"][0]["parts"]
    assert encoded not in str(record.to_dict())


class Words(str, Enum):
    """Texts that a program has names for."""

    USER = "user"
    SAID = "Where?"


def test_texts_of_subclasses(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """An enum of texts is recorded as it is sent."""
    server.will(answer(message(block())))
    record = recorded(claude, messages=[{"role": Words.USER, "content": Words.SAID}])

    said = {"role": "user", "parts": [{"type": "text", "content": "Where?"}]}
    assert [said] == record.context["messages"]


def test_refusal(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A refusal shows in the finish reason; a message may be empty."""
    server.will(answer(message(reason="refusal")))

    assert ["content_filter"] == recorded(claude).result["finish_reasons"]


def test_unknown_shape(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A response of another shape is recorded as it is, with a note."""
    server.will(answer({"outcome": "42"}))

    record = recorded(claude)

    assert {"response": {"outcome": "42"}} == record.result
    assert ["unknown shape"] == [note["note"] for note in record.notes]


def test_messages_that_are_an_iterator(
    server: LlmServer, claude: anthropic.Anthropic
) -> None:
    """Messages that can be read only once are sent whole, and not read before."""
    server.will(answer(message(block())))

    record = recorded(claude, messages=iter(QUESTION))

    assert QUESTION == server.requests[0].body["messages"]
    assert ["opaque"] == [note["note"] for note in record.notes]


def test_count_tokens(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Counting tokens is a plain step; what it counts is not counted as used."""
    server.will(answer({"input_tokens": 12}))
    with capture() as steps:
        claude.messages.count_tokens(model="claude-haiku-4-5", messages=QUESTION)

    record = only(steps)
    assert ("count_tokens claude-haiku-4-5", "step") == (record.name, record.kind)
    assert {"input_tokens": 12} == record.result


def test_batches_are_left_alone(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Making a batch is not a call of a model."""
    server.will(answer({"id": "msgbatch_1", "type": "message_batch"}))
    with capture() as steps:
        claude.messages.batches.create(requests=[])

    assert [] == list(steps)


def test_beta_messages(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """The messages of the beta are recorded like the others."""
    server.will(answer(message(block())))
    with capture() as steps:
        claude.beta.messages.create(**ASKED)

    assert PARIS == only(steps).result["messages"][0]["parts"]


# -- streams -----------------------------------------------------------------


def test_stream(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A stream that was read to its end is one step with all that came."""
    server.will(message_stream("Par", "is."))
    with capture() as steps:
        events = claude.messages.create(**ASKED, stream=True)
        count = len(list(events))
    record = only(steps)
    times = [
        record.result.pop(f"time_to_first_{what}") for what in ("chunk", "content")
    ]

    assert anthropic.Stream is type(events)
    assert {
        "model": "claude-haiku-4-5-20251001",
        "id": "msg_1",
        "messages": [{"role": "assistant", "parts": PARIS, "finish_reason": "stop"}],
        "finish_reasons": ["stop"],
        "usage": USAGE,
        "raw_usage": MESSAGE_USAGE,
        "chunks": count,
    } == record.result
    assert 0 < times[0] <= times[1] <= record.duration_ms / 1000


def test_stream_helper(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """The helper gives its texts, events and final message, and is one step."""
    server.will(message_stream("Par", "is."))
    with capture() as steps:
        with claude.messages.stream(**ASKED) as helper:
            texts = list(helper.text_stream)
            final = helper.get_final_message()
            assert 200 == helper.response.status_code
        with claude.messages.stream(**ASKED) as helper:
            kinds = [event.type for event in helper]

    assert anthropic.MessageStream is type(helper)
    assert (["Par", "is."], "Paris.") == (texts, final.content[0].text)
    assert "text" in kinds
    assert ["ok", "ok"] == [step.outcome for step in steps]
    assert PARIS == steps[0].result["messages"][0]["parts"]


def test_blocks_in_pieces(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Thoughts and arguments that come in pieces are put together."""
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    events = message_events(
        begun(empty, 0),
        delta("thinking_delta", 0, thinking="H"),
        delta("thinking_delta", 0, thinking="m."),
        delta("signature_delta", 0, signature="c2ln"),
        begun({**tool_use(), "input": {}}, 1),
        delta("input_json_delta", 1, partial_json=""),
        delta("input_json_delta", 1, partial_json='{"city": '),
        delta("input_json_delta", 1, partial_json='"Paris"}'),
        begun({"type": "dream", "about": "sheep"}, 2),
        reason="tool_use",
    )
    server.will(stream(*events, done=False))
    with capture() as steps:
        list(claude.messages.create(**ASKED, stream=True))

    assert [
        {"type": "reasoning", "content": "Hm."},
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "toolu_0",
            "arguments": {"city": "Paris"},
        },
        {"type": "dream", "about": "sheep"},
    ] == only(steps).result["messages"][0]["parts"]


def streamed(
    server: LlmServer, claude: anthropic.Anthropic, *events: dict[str, Any]
) -> Any:
    """Return what is recorded of a stream of these events of its blocks."""
    server.will(stream(*message_events(*events), done=False))
    with capture() as steps:
        list(claude.beta.messages.create(**ASKED, stream=True))
    return only(steps).result


def test_compaction_in_pieces(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """What a conversation was made into comes after the block that holds it."""
    empty = {"type": "compaction", "content": None}
    told = {"content": "Of Paris.", "encrypted_content": "opaque"}
    result = streamed(
        server, claude, begun(empty, 0), delta("compaction_delta", 0, **told)
    )

    assert [{"type": "compaction", **told}] == result["messages"][0]["parts"]


def test_fallback_in_a_stream(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """If another model goes on with an answer, it is the one that answered."""
    other = {"model": "claude-opus-4-8"}
    block = {"type": "fallback", "from": {"model": "claude-haiku-4-5"}, "to": other}
    result = streamed(server, claude, begun(block, 0), *text_events("Par", index=1))

    assert "claude-opus-4-8" == result["model"]
    assert block == result["messages"][0]["parts"][0]


def test_stream_that_is_left(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """What had come of a stream that was left is kept, even half an argument."""
    call = begun({**tool_use(), "input": {}}, 1)
    half = delta("input_json_delta", 1, partial_json='{"city": "Pa')
    events = message_events(*text_events("Par"), call, half)
    server.will(stream(*events, done=False))
    with capture() as steps, claude.messages.stream(**ASKED) as helper:
        for event in helper:
            if event.type == "input_json":
                break

    record = only(steps)
    assert "closed" == record.outcome
    text, cut = record.result["messages"][0]["parts"]
    assert ("Par", '{"city": "Pa') == (text["content"], cut["arguments"])
    assert "finish_reasons" not in record.result


def test_output_of_a_stream_that_is_left(
    server: LlmServer, claude: anthropic.Anthropic
) -> None:
    """Until a stream tells how much came out, it has only told a stand-in for it."""
    server.will(message_stream("Par", "is."))
    with capture() as steps, claude.messages.create(**ASKED, stream=True) as events:
        for event in events:
            if event.type == "content_block_delta":
                break

    result = only(steps).result
    counted = {name: n for name, n in USAGE.items() if name != "output_tokens"}
    assert counted == result["usage"]
    assert {**MESSAGE_USAGE, "output_tokens": 1} == result["raw_usage"]


def test_async(server: LlmServer, anthropic_options: dict[str, Any]) -> None:
    """Async streams, and their helper, are recorded likewise."""
    server.will(message_stream("Par", "is."))

    async def main() -> Any:
        async with wrap_anthropic(
            anthropic.AsyncAnthropic(**anthropic_options)
        ) as client:
            events = await client.messages.create(**ASKED, stream=True)
            count = len([event async for event in events])
            async with client.messages.stream(**ASKED) as helper:
                texts = [text async for text in helper.text_stream]
            async with client.messages.stream(**ASKED) as helper:
                final = await helper.get_final_message()
            return type(events), count, texts, final.content[0].text

    with capture() as steps:
        given = asyncio.run(main())

    assert anthropic.AsyncStream is given[0]
    assert (["Par", "is."], "Paris.") == given[2:]
    assert ["ok"] * 3 == [step.outcome for step in steps]
    assert [PARIS] * 3 == [step.result["messages"][0]["parts"] for step in steps]
