"""
Calls that fail, and streams that break.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anthropic
import openai
import pytest
from cancelled_tasks import cancelled_after_a_chunk
from llm_replies import (
    QUESTION,
    block,
    chat_stream,
    choice,
    chunk,
    completion,
    message,
    message_events,
    text_events,
)
from llm_server import LlmServer, Reply, answer, stream

from ai_trace import StepRecord
from ai_trace.integrations import _call
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
ASKED_CLAUDE: dict[str, Any] = {**ASKED, "model": "claude", "max_tokens": 9}
BUSY = answer({"error": {"message": "Slow down."}}, 429, retry_after="0.01")
BROKEN = answer({"error": {"message": "Sorry."}}, 500, retry_after_ms="1")


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def test_retries_that_succeed(
    server: LlmServer, openai_options: dict[str, Any]
) -> None:
    """A call that is tried again is one step, with the count of retries."""
    server.will(BUSY, BROKEN, answer(completion(choice())))
    client = openai.OpenAI(**{**openai_options, "max_retries": 3})
    with wrap_openai(client), capture() as steps:
        client.chat.completions.create(**ASKED)

    record = only(steps)
    assert ("ok", 2) == (record.outcome, record.result["retries"])
    assert "Paris." == record.result["messages"][0]["parts"][0]["content"]


def test_retries_that_fail(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """When the last retry fails, the error is the library's, and retries are seen."""
    server.will(BUSY)
    client = openai.OpenAI(**{**openai_options, "max_retries": 2})
    with wrap_openai(client), capture() as steps:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**ASKED)

    record = only(steps)
    assert ("error", {"retries": 2}) == (record.outcome, record.result)
    assert f"RateLimitError: {caught.value}" == record.error
    assert "Slow down." in str(record.error)
    assert 3 == len(server.requests)


def test_retries_of_anthropic(
    server: LlmServer, anthropic_options: dict[str, Any]
) -> None:
    """Retries of Anthropic's client are counted, of streams and async calls too."""
    server.will(
        BUSY,
        stream(*message_events(*text_events("Paris.")), done=False),
        BROKEN,
        answer(message(block())),
    )
    options = {**anthropic_options, "max_retries": 3}

    async def main() -> None:
        async with wrap_anthropic(anthropic.AsyncAnthropic(**options)) as client:
            await client.messages.create(**ASKED_CLAUDE)

    with capture() as steps:
        with wrap_anthropic(anthropic.Anthropic(**options)) as client:
            list(client.messages.create(**ASKED_CLAUDE, stream=True))
        asyncio.run(main())

    assert [("ok", 1), ("ok", 1)] == [
        (step.outcome, step.result["retries"]) for step in steps
    ]


def test_calls_inside_calls(server: LlmServer, client: openai.OpenAI) -> None:
    """A call that another one makes on its way counts its own attempts alone."""
    server.will(BUSY, BUSY, answer(completion(choice())))
    inner = client.with_options(max_retries=3)
    prepare = client._prepare_request

    def asking(request: Any) -> None:
        inner.chat.completions.create(**{**ASKED, "model": "inner"})
        prepare(request)

    with capture() as steps, pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_prepare_request", asking)
        client.chat.completions.create(**ASKED)

    assert [2, None] == [step.result.get("retries") for step in steps]
    assert _call.in_flight.get() is None


@pytest.mark.parametrize("is_async", [False, True])
def test_requests_inside_calls(
    server: LlmServer, openai_options: dict[str, Any], is_async: bool
) -> None:
    """A request that is no call of a model is no attempt of the one it is made in."""
    server.will(answer({}), answer(completion(choice())))
    helper = wrap_openai(openai.OpenAI(**openai_options))

    def key() -> str:
        helper.post("/token", cast_to=object, body={})
        return "sk-test"

    async def later() -> str:
        return key()

    async def main() -> None:
        options = {**openai_options, "api_key": later}
        async with wrap_openai(openai.AsyncOpenAI(**options)) as client:
            await client.chat.completions.create(**ASKED)

    with capture() as steps, helper:
        if is_async:
            asyncio.run(main())
        else:
            options = {**openai_options, "api_key": key}
            with wrap_openai(openai.OpenAI(**options)) as client:
                client.chat.completions.create(**ASKED)

    assert 2 == len(server.requests)
    assert "retries" not in only(steps).result
    assert _call.in_flight.get() is None


def test_no_retries_are_not_counted(server: LlmServer, client: openai.OpenAI) -> None:
    """An error without retries has no result at all."""
    server.will(BROKEN)
    with capture() as steps, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ASKED)

    assert ("error", None) == (only(steps).outcome, only(steps).result)


def test_the_error_is_the_same_object(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library raises comes out as the identical exception."""
    raised: list[BaseException] = []
    make = client._make_status_error

    def kept(*args: Any, **kwargs: Any) -> Any:
        raised.append(make(*args, **kwargs))
        return raised[0]

    monkeypatch.setattr(client, "_make_status_error", kept)
    server.will(BROKEN)
    with capture(), pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**ASKED)

    assert caught.value is raised[0]


def test_timeout(server: LlmServer, client: openai.OpenAI) -> None:
    """A call that takes too long is an error, and the traceback is kept."""
    never = threading.Event()
    server.will(Reply(200, {}, (never,)))
    try:
        with capture() as steps, pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.05).embeddings.create(model="m", input="a")
    finally:
        never.set()

    record = only(steps)
    assert ("error", "embedding") == (record.outcome, record.kind)
    assert str(record.error).startswith("APITimeoutError: ")


def test_no_server(openai_options: dict[str, Any]) -> None:
    """A server that is not there is an error like any other."""
    options = {**openai_options, "base_url": "http://127.0.0.1:9/v1"}
    with wrap_openai(openai.OpenAI(**options)) as client, capture() as steps:
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(**ASKED)

    assert "error" == only(steps).outcome


def test_broken_stream(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream that is not JSON raises what it raised, with what had come."""
    server.will(stream(chunk("Par"), b"data: {broken\n\n"))
    with capture() as steps, pytest.raises(ValueError, match="property name"):
        list(client.chat.completions.create(**ASKED, stream=True))

    record = only(steps)
    assert "error" == record.outcome
    assert str(record.error).startswith("JSONDecodeError: ")
    assert "Par" == record.result["messages"][0]["parts"][0]["content"]
    assert 1 == record.result["chunks"]


def test_stream_that_breaks_off(server: LlmServer, client: openai.OpenAI) -> None:
    """A connection that breaks in the middle is an error, with what had come."""
    server.will(chat_stream("Par", "is", cut=True))
    stream = client.chat.completions.create
    with capture() as steps:
        with pytest.raises(Exception, match=r"incomplete|Connection error"):
            list(stream(**ASKED, stream=True))

    record = only(steps)
    assert "error" == record.outcome
    assert "Paris" == record.result["messages"][0]["parts"][0]["content"]


def test_stream_that_ends_early(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream that just stops is read to its end; no finish reason says it."""
    server.will(stream(chunk("Par"), done=False))
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, stream=True))

    record = only(steps)
    assert "ok" == record.outcome
    assert "finish_reasons" not in record.result


def test_error_inside_a_stream(server: LlmServer, client: openai.OpenAI) -> None:
    """An error that the server sends as an event ends the step as an error."""
    server.will(stream(chunk("Par"), {"error": {"message": "Overloaded."}}))
    with capture() as steps, pytest.raises(openai.APIError, match="Overloaded"):
        list(client.chat.completions.create(**ASKED, stream=True))

    record = only(steps)
    assert ("error", "APIError: Overloaded.") == (record.outcome, record.error)
    assert 1 == record.result["chunks"]


def test_error_inside_a_stream_of_anthropic(
    server: LlmServer, claude: anthropic.Anthropic
) -> None:
    """The same of Anthropic's: an overload in the middle is an error."""
    overload = {"type": "overloaded_error", "message": "Overloaded"}
    *some, _, _, _ = message_events(*text_events("Par"))
    server.will(stream(*some, {"type": "error", "error": overload}, done=False))
    with capture() as steps, pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(**ASKED_CLAUDE) as helper:
            helper.until_done()

    record = only(steps)
    assert "error" == record.outcome
    assert "Overloaded" in str(record.error)
    assert "Par" == record.result["messages"][0]["parts"][0]["content"]


def test_cancelled_call(server: LlmServer, openai_options: dict[str, Any]) -> None:
    """A call whose task is cancelled is recorded as cancelled."""
    never = threading.Event()
    server.will(Reply(200, {}, (never,)))

    async def main() -> None:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:
            call = asyncio.create_task(client.chat.completions.create(**ASKED))
            await asyncio.to_thread(server.asked.wait)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with capture() as steps:
        try:
            asyncio.run(main())
        finally:
            never.set()

    assert "cancelled" == only(steps).outcome


@pytest.mark.parametrize("helper", [False, True], ids=["create", "helper"])
def test_cancelled_stream(
    server: LlmServer, openai_options: dict[str, Any], helper: bool
) -> None:
    """A stream whose consumer is cancelled is cancelled, with what had come."""
    never = threading.Event()
    server.will(stream(chunk("Par"), never, done=False))

    async def consume(client: openai.AsyncOpenAI, came: asyncio.Event) -> None:
        if helper:
            async with client.chat.completions.stream(**ASKED) as events:
                async for _ in events:
                    came.set()
        else:
            async for _ in await client.chat.completions.create(**ASKED, stream=True):
                came.set()

    record = only(cancelled_after_a_chunk(consume, openai_options, never))
    assert "cancelled" == record.outcome
    assert "Par" == record.result["messages"][0]["parts"][0]["content"]


def test_interrupted(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during a call ends its step as interrupted, and is raised."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(client._client, "send", interrupted)
    with capture() as steps, pytest.raises(KeyboardInterrupt):
        client.chat.completions.create(**ASKED)

    assert "interrupted" == only(steps).outcome
