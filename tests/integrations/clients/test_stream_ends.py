"""
Each stream is one step, whatever ends it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

import anthropic
import openai
import pytest
from cancelled_tasks import cancelled_after_a_chunk
from llm_replies import QUESTION, chat_stream, chunk, chunk_of, message_stream
from llm_server import LlmServer, Reply, stream

from ai_trace import StepRecord, Tracer, step, traced
from ai_trace.integrations.openai import wrap_openai
from ai_trace.sinks import MemorySink
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION, "stream": True}
# A call takes the library a millisecond: the newest one has the long run.
STREAMS = 10_000 if openai.__version__.startswith("3.") else 1_000
ASKED_CLAUDE: dict[str, Any] = {**ASKED, "model": "claude", "max_tokens": 9}


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def text_of(record: StepRecord) -> str:
    """Return what the model had said."""
    return str(record.result["messages"][0]["parts"][0]["content"])


def first_two(client: openai.OpenAI) -> Any:
    """Return a stream of which two chunks are read."""
    stream = client.chat.completions.create(**ASKED)
    next(stream)
    next(stream)
    return stream


@pytest.mark.parametrize(
    "close",
    [
        lambda stream: stream.close(),
        lambda stream: stream.response.close(),
        lambda stream: stream.__exit__(None, None, None),
    ],
    ids=["close", "response", "with"],
)
def test_closed(
    server: LlmServer, client: openai.OpenAI, close: Callable[[Any], object]
) -> None:
    """A stream that is closed early ends at once, however it is closed."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        stream = first_two(client)
        close(stream)
        assert ("closed", "Par") == (only(steps).outcome, text_of(steps[0]))
        assert stream.response.is_closed
        close(stream)

    assert 1 == len(steps)


def test_closed_before_the_first_chunk(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """A stream of which nothing was read can be closed, too."""
    server.will(chat_stream("Par"))
    with capture() as steps:
        client.chat.completions.create(**ASKED).close()

    assert ("closed", 0) == (only(steps).outcome, only(steps).result["chunks"])


def test_left_by_an_exception(server: LlmServer, client: openai.OpenAI) -> None:
    """An error of the consumer is not one of the stream, which is closed by it."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps, pytest.raises(ZeroDivisionError):
        with client.chat.completions.create(**ASKED) as stream:
            for _ in stream:
                raise ZeroDivisionError

    assert ("closed", None) == (only(steps).outcome, only(steps).error)


def test_break_then_go_on(server: LlmServer, client: openai.OpenAI) -> None:
    """A loop may be left and another one begun: it is one stream, and one step."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        stream = client.chat.completions.create(**ASKED)
        for _ in stream:
            break
        next(stream)
        gc.collect()
        assert [] == list(steps)
        rest = list(stream)

    assert (3, "ok", "Paris.") == (len(rest), only(steps).outcome, text_of(steps[0]))


def test_dropped(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream that was dropped is closed when it is collected."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        response = first_two(client).response
        gc.collect()
        assert ("closed", "Par") == (only(steps).outcome, text_of(steps[0]))

    assert response.is_closed


def test_dropped_without_a_cycle(
    server: LlmServer, claude: anthropic.Anthropic
) -> None:
    """Anthropic's streams are freed at once when they are dropped, and closed."""
    server.will(message_stream("Par", "is."))
    gc.disable()
    try:
        with capture() as steps:
            for event in claude.messages.create(**ASKED_CLAUDE):
                if event.type == "content_block_delta":
                    break
            del event
            assert ("closed", "Par") == (only(steps).outcome, text_of(steps[0]))
    finally:
        gc.enable()


@pytest.mark.parametrize("left", [True, False], ids=["left", "being read"])
def test_tracer_that_ends_before(
    server: LlmServer, client: openai.OpenAI, left: bool
) -> None:
    """When the tracer ends first, the step holds what had come by then.

    A stream whose loop was left is closed; one that is still read is unfinished.
    """
    server.will(chat_stream("Par", "is."))
    memory = MemorySink()
    with Tracer("agent", auto_save=False, sinks=[memory]):
        if left:
            stream = client.chat.completions.create(**ASKED)
            for chunk_ in stream:
                if chunk_.choices[0].delta.content:
                    break
        else:
            stream = first_two(client)
    (record,) = memory.records
    rest = list(stream)

    assert ("closed" if left else "unfinished", "Par") == (
        record.outcome,
        text_of(record),
    )
    assert 3 == len(rest)
    assert 1 == len(memory.records)


def test_read_after_the_tracer(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream that outlives its tracer is read to its end without a word."""
    server.will(chat_stream("Par", "is."))
    with capture() as steps:
        stream = first_two(client)

    assert 3 == len(list(stream))
    assert {} == steps.tracer.health()


def test_steps_between_chunks(server: LlmServer, client: openai.OpenAI) -> None:
    """Steps that the consumer makes between chunks are beside the call."""

    @traced
    def show(piece: Any) -> None:
        return

    server.will(chat_stream("Par"))
    with capture() as steps, step("agent"):
        for piece in client.chat.completions.create(**ASKED):
            show(piece.id)

    children = steps.children(steps.named("agent"))
    names = [child.name for child in children]
    assert ["chat gpt-5-mini", *["show"] * 4] == names


def test_chunks_are_handed_on_as_they_come(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """Each chunk is there for the program before the next one is sent."""
    more = threading.Event()
    server.will(stream(chunk("Par"), more, chunk("is.")))
    with capture() as steps:
        stream_ = client.chat.completions.create(**ASKED)
        assert "Par" == next(stream_).choices[0].delta.content
        more.set()
        assert 1 == len(list(stream_))

    assert "Paris." == text_of(only(steps))


def test_async_ends(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """Async streams are closed by close, by with, by break and by being dropped."""
    server.will(chat_stream("Par", "is."))

    async def main() -> None:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:

            async def begun() -> Any:
                stream = await client.chat.completions.create(**ASKED)
                await stream.__anext__()
                await stream.__anext__()
                return stream

            await (await begun()).close()
            async with await begun():
                pass
            await (await begun()).response.aclose()
            async for _ in await begun():
                break
            await begun()
            gc.collect()
            await asyncio.sleep(0.01)

    with capture() as steps:
        asyncio.run(main())

    assert ["closed"] * 5 == [step.outcome for step in steps]
    assert [*["Par"] * 4, "Paris."] == sorted(text_of(step) for step in steps)
    assert {} == steps.tracer.health()


async def by_with(client: openai.AsyncOpenAI, came: asyncio.Event) -> None:
    """Read a stream up to its first chunk in a block, and wait there."""
    async with await client.chat.completions.create(**ASKED) as events:
        async for _ in events:
            came.set()
            await asyncio.Event().wait()


async def by_close(client: openai.AsyncOpenAI, came: asyncio.Event) -> None:
    """Do the same with a stream that is closed by hand."""
    events = await client.chat.completions.create(**ASKED)
    try:
        await events.__anext__()
        came.set()
        await asyncio.Event().wait()
    finally:
        await events.close()


async def by_lines(client: openai.AsyncOpenAI, came: asyncio.Event) -> None:
    """Do the same with the lines of a body."""
    call = client.chat.completions.with_streaming_response.create
    async with call(**ASKED) as given:
        async for _ in given.iter_lines():
            came.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize("consume", [by_with, by_close, by_lines])
def test_cancelled_between_two_chunks(
    server: LlmServer, openai_options: dict[str, Any], consume: Any
) -> None:
    """A task that is cancelled while it deals with a chunk has not left its stream."""
    goes_on = threading.Event()
    server.will(stream(chunk("Par"), goes_on, chunk("is.")))

    steps = cancelled_after_a_chunk(consume, openai_options, goes_on)

    assert "cancelled" == only(steps).outcome
    assert "Par" == text_of(steps[0])


def test_nothing_is_left_on_the_objects(
    server: LlmServer, client: openai.OpenAI, openai_options: dict[str, Any]
) -> None:
    """When a stream is over, its response is as it would have been."""
    server.will(chat_stream("Par", "is."))
    with capture(), openai.OpenAI(**openai_options) as plain:
        one = client.chat.completions.create(**ASKED)
        other = plain.chat.completions.create(**ASKED)
        list(one), list(other)

    assert vars(other.response).keys() == vars(one.response).keys()
    assert vars(other).keys() == vars(one).keys()


def without_socket(
    reply: Reply, pieces: Callable[[], Iterator[bytes]] | None = None
) -> Any:
    """
    Return an HTTP client that has the reply at once: 10,000 calls in seconds.

    Args:
        reply: The reply.
        pieces: Makes its body, if it is to come piece by piece.
    """
    base = next(c for c in openai.DefaultHttpxClient.__mro__ if c.__name__ == "Client")
    http: Any = sys.modules[base.__module__.partition(".")[0]]
    body = b"".join(piece for piece in reply.pieces if isinstance(piece, bytes))

    content = pieces or (lambda: body)

    def given(request: Any) -> Any:
        return http.Response(reply.status, headers=reply.headers, content=content())

    return http.Client(transport=http.MockTransport(given))


def test_read_while_it_is_read(openai_options: dict[str, Any]) -> None:
    """A reader who is refused, because another one reads, does not end the step."""
    streams: list[Any] = []

    def body() -> Iterator[bytes]:
        for piece in chat_stream("Par", "is.").pieces:
            assert isinstance(piece, bytes)
            yield piece
            if streams:
                with pytest.raises(ValueError, match="already executing"):
                    next(streams[0])

    reply = chat_stream()
    http = without_socket(reply, body)
    with wrap_openai(openai.OpenAI(**openai_options, http_client=http)) as client:
        with capture() as steps:
            streams.append(client.chat.completions.create(**ASKED))
            assert 5 == len(list(streams[0]))
    record = only(steps)

    assert "ok" == record.outcome
    assert "Paris." == text_of(record)


def test_awaited_while_it_is_awaited(
    server: LlmServer, openai_options: dict[str, Any]
) -> None:
    """A task that is refused, because another one reads, does not end the step."""
    goes_on = threading.Event()
    server.will(stream(chunk("Par"), goes_on, chunk("is."), chunk(None, "stop")))

    async def read() -> int:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:
            stream = await client.chat.completions.create(**ASKED)
            await stream.__anext__()
            reading = asyncio.ensure_future(stream.__anext__())
            # It runs as soon as this task lets it, up to what has not come yet.
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already running"):
                await stream.__anext__()
            goes_on.set()
            await reading
            return len([one async for one in stream])

    with capture() as steps:
        assert 1 == asyncio.run(read())
    record = only(steps)

    assert "ok" == record.outcome
    assert "Paris." == text_of(record)


@pytest.mark.timeout(120)
def test_many_streams(openai_options: dict[str, Any]) -> None:
    """Thousands of streams leave nothing behind: no object, no open step."""
    # The endpoint with the least work for the library.
    piece = chunk_of(choices=[{"index": 0, "text": "Par", "finish_reason": None}])
    http = without_socket(stream(piece, piece))
    client = wrap_openai(openai.OpenAI(**openai_options, http_client=http))
    tracer = Tracer("agent", journal=False)

    def run(count: int) -> int:
        for number in range(count):
            begun = client.completions.create(model="m", prompt="p", stream=True)
            if number % 10:
                for _ in begun:
                    pass
            else:
                begun.close()
        gc.collect()
        return len(gc.get_objects())

    with tracer, client:
        before = run(200)
        after = run(STREAMS)
        assert {} == tracer._recorder.open_steps
        assert STREAMS + 200 == tracer.summary()["steps"]

    assert after - before < 100
