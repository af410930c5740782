"""
Calls whose HTTP response the program reads itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import gzip
import json
import struct
import sys
from typing import Any, Callable

import anthropic
import openai
import pytest
from llm_replies import (
    QUESTION,
    block,
    chat_stream,
    choice,
    chunk,
    completion,
    message,
    message_events,
    message_stream,
    text_events,
)
from llm_server import LlmServer, Reply, answer, plain, stream

from ai_trace import StepRecord
from ai_trace.integrations import _body
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


AMAZON = "application/vnd.amazon.eventstream"
ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
ASKED_CLAUDE: dict[str, Any] = {**ASKED, "model": "claude", "max_tokens": 9}


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def text_of(record: StepRecord) -> str:
    """Return what the model had said."""
    return str(record.result["messages"][0]["parts"][0]["content"])


def test_raw(server: LlmServer, client: openai.OpenAI) -> None:
    """A raw response is the library's own, and its body is recorded."""
    server.will(answer(completion(choice()), x_request_id="r-1"))
    with capture() as steps:
        raw = client.chat.completions.with_raw_response.create(**ASKED)
        assert "Paris." == text_of(only(steps))

    assert "r-1" == raw.headers["x-request-id"]
    assert "Paris." == raw.parse().choices[0].message.content


def test_raw_of_anthropic(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """The same of Anthropic's."""
    server.will(answer(message(block())))
    with capture() as steps:
        raw = claude.messages.with_raw_response.create(**ASKED_CLAUDE)

    assert "Paris." == text_of(only(steps)) == raw.parse().content[0].text


def test_raw_stream(
    server: LlmServer, client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    """A stream behind a raw response is recorded as it is read."""
    server.will(chat_stream("Par", "is."), message_stream("Par", "is."))
    with capture() as steps:
        raw: Any = client.chat.completions.with_raw_response.create(
            **ASKED, stream=True
        )
        assert [] == list(steps)
        assert 5 == len(list(raw.parse()))
        raw = claude.messages.with_raw_response.create(**ASKED_CLAUDE, stream=True)
        list(raw.parse())

    assert ["ok", "ok"] == [step.outcome for step in steps]
    assert ["Paris.", "Paris."] == [text_of(step) for step in steps]
    assert ["stop", "stop"] == [step.result["finish_reasons"][0] for step in steps]


READS: dict[str, Callable[[Any], object]] = {
    "parse": lambda response: response.parse(),
    "read": lambda response: (response.read(), response.read()),
    "json": lambda response: response.json(),
    "text": lambda response: response.text(),
    "iter_bytes": lambda response: list(response.iter_bytes(5)),
    "iter_text": lambda response: list(response.iter_text()),
    "iter_lines": lambda response: list(response.iter_lines()),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_streaming_response(
    server: LlmServer, client: openai.OpenAI, read: Callable[[Any], object]
) -> None:
    """A body is recorded whichever way the program reads it."""
    server.will(answer(completion(choice())))
    with capture() as steps:
        with client.chat.completions.with_streaming_response.create(**ASKED) as given:
            read(given)
            assert ("ok", "Paris.") == (only(steps).outcome, text_of(steps[0]))

    assert 1 == len(steps)


def test_compressed(server: LlmServer, client: openai.OpenAI) -> None:
    """A body that comes compressed is recorded as the program sees it."""
    body = gzip.compress(json.dumps(completion(choice())).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    server.will(Reply(200, headers, (body[:20], body[20:])))
    with capture() as steps:
        with client.chat.completions.with_streaming_response.create(**ASKED) as given:
            given.read()

    assert "Paris." == text_of(only(steps))


def frame(event: Any) -> bytes:
    """Return an event in a frame of Amazon's; the checksums are none."""
    inner = base64.b64encode(json.dumps(event).encode()).decode()
    head, payload = b"\x04kind\x07\x00\x05chunk", json.dumps({"bytes": inner}).encode()
    size = 16 + len(head) + len(payload)
    return b"".join(
        [struct.pack(">III", size, len(head), 0), head, payload, b"\0\0\0\0"]
    )


def test_events_in_frames(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Events come in frames from Amazon's cloud, wherever the pieces are cut."""
    body = b"".join(map(frame, message_events(*text_events("Par", "is."))))
    pieces = (body[:5], body[5:100], body[100:-7], body[-7:])
    server.will(Reply(200, {"content-type": AMAZON}, pieces))
    call = claude.messages.with_streaming_response.create
    with capture() as steps, call(**ASKED_CLAUDE, stream=True) as given:
        assert body == given.read()

    assert ("ok", "Paris.") == (only(steps).outcome, text_of(steps[0]))
    assert 22 == steps[0].result["usage"]["input_tokens"]


@pytest.mark.parametrize(
    "body",
    [b"\0\0\0\0" * 9, b"\xff" * 90, b"{}", frame("no event"), frame({})[:-4] + b"junk"],
)
def test_frames_that_are_none(
    server: LlmServer, claude: anthropic.Anthropic, body: bytes
) -> None:
    """The program gets a body even if it is not what it claims to be."""
    server.will(Reply(200, {"content-type": AMAZON}, (body,)))
    call = claude.messages.with_streaming_response.create
    with capture() as steps, call(**ASKED_CLAUDE, stream=True) as given:
        assert body == given.read()

    assert "ok" == only(steps).outcome


def test_events_as_lines(server: LlmServer, client: openai.OpenAI) -> None:
    """Events that the program reads as lines are recorded, too."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        with client.chat.completions.with_streaming_response.create(
            **ASKED, stream=True
        ) as given:
            lines = list(given.iter_lines())

    assert "data: [DONE]" in lines
    assert ("ok", "Paris.") == (only(steps).outcome, text_of(steps[0]))


@pytest.mark.parametrize("kind", ["text/event-stream", AMAZON])
def test_long_events(server: LlmServer, claude: anthropic.Anthropic, kind: str) -> None:
    """A long event is searched once, however small the pieces that it comes in."""
    told = "Paris. " * 1_000_000
    events = message_events(*text_events(told))
    body = message_stream(told).pieces if kind != AMAZON else map(frame, events)
    server.will(Reply(200, {"content-type": kind}, (b"".join(body),)))
    call = claude.messages.with_streaming_response.create
    with capture() as steps, call(**ASKED_CLAUDE, stream=True) as given:
        for _ in given.iter_bytes(512):
            pass

    assert "ok" == only(steps).outcome
    assert text_of(steps[0]).startswith("Paris. Paris.")


FAILURES: dict[str, tuple[bytes, str]] = {
    "error": (b'data: {"error": {"message": "Overloaded."}}\n\n', "Overloaded."),
    "text": (b'data: {"error": "Overloaded."}\n\n', '"Overloaded."'),
    "no JSON": (b"data: {broken\n\n", "JSONDecodeError: "),
}


@pytest.mark.parametrize("read", ["parse", "iter_lines"])
@pytest.mark.parametrize(("last", "said"), FAILURES.values(), ids=FAILURES)
def test_error_inside_a_stream(
    server: LlmServer, client: openai.OpenAI, last: bytes, said: str, read: str
) -> None:
    """A stream that breaks is an error for whoever reads it, with what had come."""
    server.will(stream(chunk("Par"), b": so far\n\n", last))
    call = client.chat.completions.with_streaming_response.create
    with capture() as steps, call(**ASKED, stream=True) as given:
        with contextlib.suppress(openai.APIError, ValueError):
            for _ in getattr(given, read)():
                pass

    record = only(steps)
    assert ("error", "Par") == (record.outcome, text_of(record))
    assert str(record.error).startswith(said)


def test_error_in_a_frame(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """Amazon's cloud reports an error in a frame that holds no event."""
    payload = b'{"message": "Too many requests."}'
    head = struct.pack(">III", 16 + len(payload), 0, 0)
    body = frame(message_events()[0]) + head + payload + b"\0\0\0\0"
    server.will(Reply(200, {"content-type": AMAZON}, (body,)))
    call = claude.messages.with_streaming_response.create
    with capture() as steps, call(**ASKED_CLAUDE, stream=True) as given:
        given.read()

    assert ("error", "Too many requests.") == (only(steps).outcome, steps[0].error)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_ends_of_lines(
    server: LlmServer, client: openai.OpenAI, end: bytes, size: int
) -> None:
    """Lines of events may end in three ways, wherever the pieces are cut."""
    reply = chat_stream("Par", "is.")
    body = b"".join(one for one in reply.pieces if isinstance(one, bytes))
    server.will(reply._replace(pieces=(body.replace(b"\n", end),)))
    call = client.chat.completions.with_streaming_response.create
    with capture() as steps, call(**ASKED, stream=True) as given:
        for _ in given.iter_bytes(size):
            pass

    assert ("ok", "Paris.") == (only(steps).outcome, text_of(steps[0]))


def test_left(server: LlmServer, client: openai.OpenAI) -> None:
    """A body that is not read to its end is closed, with what had come."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        with client.chat.completions.with_streaming_response.create(
            **ASKED, stream=True
        ) as given:
            for line in given.iter_lines():
                if "Par" in line:
                    break

    assert "closed" == only(steps).outcome
    assert text_of(steps[0]).startswith("Par")


def test_unread(server: LlmServer, client: openai.OpenAI) -> None:
    """A body that nobody reads ends when it is closed or dropped."""
    server.will(answer(completion(choice())))
    server.will(chat_stream("Par"))
    create: Any = client.chat.completions.with_raw_response.create
    with capture() as steps:
        with client.chat.completions.with_streaming_response.create(**ASKED):
            pass
        create(**ASKED, stream=True)
        gc.collect()

    assert ["closed", "closed"] == [step.outcome for step in steps]


@pytest.mark.parametrize(
    ("reply", "recorded"),
    [
        (answer({"outcome": "42"}), {"outcome": "42"}),
        (plain("<html>busy</html>", "text/html"), "<html>busy</html>"),
    ],
    ids=["JSON", "page"],
)
@pytest.mark.parametrize("read", [True, False], ids=["raw", "streaming"])
def test_unknown_shape(
    server: LlmServer, client: openai.OpenAI, reply: Reply, recorded: Any, read: bool
) -> None:
    """A body of an unknown shape is recorded as it is, with a note."""
    server.will(reply)
    completions = client.chat.completions
    with capture() as steps:
        if read:
            completions.with_raw_response.create(**ASKED)
        else:
            with completions.with_streaming_response.create(**ASKED) as given:
                given.read()

    assert recorded == only(steps).result["response"]
    assert [{"path": "$.result.response", "note": "unknown shape"}] == list(
        steps[0].notes
    )


def test_too_large(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is too large to be kept until it can be read is said to be so."""
    monkeypatch.setattr(_body, "_MAX_BYTES", 100)
    reply = answer(completion(choice("Paris. " * 50)))
    server.will(reply)
    with capture() as steps:
        given = client.chat.completions.with_raw_response.create(**ASKED)
        assert "Paris. " * 50 == given.parse().choices[0].message.content

    size = sum(len(piece) for piece in reply.pieces if isinstance(piece, bytes))
    assert [{"path": "$.result", "note": "too large to read", "bytes": size}] == list(
        only(steps).notes
    )


@pytest.mark.parametrize("field", [b"data: ", b""])
def test_event_that_is_too_large(
    server: LlmServer,
    client: openai.OpenAI,
    monkeypatch: pytest.MonkeyPatch,
    field: bytes,
) -> None:
    """An event that does not end is not kept, and the others are read."""
    monkeypatch.setattr(_body, "_MAX_BYTES", 500)
    endless = b"data: " + field.join([b"Paris" * 50 + b"\n"] * 20)
    server.will(stream(chunk("Par"), endless, b"\n", chunk("is.")))
    call = client.chat.completions.with_streaming_response.create
    with capture() as steps, call(**ASKED, stream=True) as given:
        assert endless in b"".join(given.iter_bytes(50))

    record = only(steps)
    assert ("ok", "Paris.") == (record.outcome, text_of(record))
    size = len(endless.rstrip())
    assert [{"path": "$.result", "note": "too large to read", "bytes": size}] == list(
        record.notes
    )


def test_http_response(server: LlmServer, client: openai.OpenAI) -> None:
    """A call that is made below the resources is recorded too."""
    server.will(answer(completion(choice())))
    with capture() as steps:
        given = client.post("/chat/completions", cast_to=object, body=ASKED)

    assert "chat.completion" == given["object"]
    assert "Paris." == text_of(only(steps))


@pytest.mark.parametrize(
    ("last", "ended"),
    [(b"data: [DONE]\n\n", ("ok", None)), (FAILURES["error"][0], ("error", "Over"))],
)
def test_stream_that_was_read_before(
    openai_options: dict[str, Any], last: bytes, ended: tuple[str, Any]
) -> None:
    """Events are read as events, too, where a transport has read the body already."""
    kind = {"content-type": "text/event-stream"}
    body = b"data: " + json.dumps(chunk("Paris.")).encode() + b"\n\n" + last
    base = next(c for c in openai.DefaultHttpxClient.__mro__ if c.__name__ == "Client")
    http: Any = sys.modules[base.__module__.partition(".")[0]]

    def given(request: Any) -> Any:
        return http.Response(200, headers=kind, content=body)

    own = http.Client(transport=http.MockTransport(given))
    options = {**openai_options, "http_client": own}
    with wrap_openai(openai.OpenAI(**options)) as client, capture() as steps:
        client.chat.completions.with_raw_response.create(**ASKED, stream=True)

    record = only(steps)
    assert "Paris." == text_of(record)
    assert ended == (record.outcome, record.error and record.error[:4])


def test_async(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """Async bodies are recorded likewise."""
    server.will(answer(completion(choice())))

    async def main() -> None:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:
            completions: Any = client.chat.completions
            raw = await completions.with_raw_response.create(**ASKED)
            assert "Paris." == raw.parse().choices[0].message.content
            reading = completions.with_streaming_response
            async with reading.create(**ASKED) as given:
                assert "Paris." == (await given.parse()).choices[0].message.content
            server.will(chat_stream("Par", "is."))
            async with reading.create(**ASKED, stream=True) as given:
                assert 12 == len([line async for line in given.iter_lines()])
            async with reading.create(**ASKED, stream=True) as given:
                async for _ in given.iter_bytes():
                    break

    with capture() as steps:
        asyncio.run(main())

    assert ["ok", "ok", "ok", "closed"] == [step.outcome for step in steps]
    assert ["Paris."] * 3 == [text_of(step) for step in steps[:3]]
    assert {} == steps.tracer.health()
