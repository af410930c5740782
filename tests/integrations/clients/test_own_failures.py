"""
What goes wrong inside an integration is counted, and the program does not notice.
"""

from __future__ import annotations

import logging
from typing import Any

import genai_prices
import openai
import pytest
from llm_replies import QUESTION, chat_stream, choice, completion
from llm_server import LlmServer, answer

from ai_trace.integrations import (
    _call,
    _client,
    _openai_streams,
    _prices,
    _stream,
)
from ai_trace.integrations._hooked_calls import with_cost
from ai_trace.integrations.openai import _LIBRARY, wrap_openai
from ai_trace.testing import CapturedSteps, SetClock, capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
WIRE = _LIBRARY.wires["/chat/completions"]


def broken(*args: Any, **kwargs: Any) -> Any:
    """Fail."""
    raise ZeroDivisionError


def use(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Replace functions of the endpoint for chat."""
    monkeypatch.setitem(_LIBRARY.wires, "/chat/completions", WIRE._replace(**functions))


def counted(steps: CapturedSteps) -> int:
    """Return how often it failed."""
    return steps.tracer.health()["integrations"]["ZeroDivisionError"]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Expect the one line of the log that says what failed."""
    caplog.set_level(logging.CRITICAL, "ai_trace")


class StoppedClock(SetClock):
    """A clock of the program's own that tells no time any more."""

    is_stopped = False

    def monotonic(self) -> float:
        """Return the seconds that have passed, or fail."""
        return broken() if self.is_stopped else super().monotonic()


def test_a_clock_that_fails_in_a_stream(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """What came is recorded, without the times that are not known."""
    clock = StoppedClock()
    server.will(chat_stream("Par", "is."))
    with capture(clock=clock) as steps:
        stream = client.chat.completions.create(**ASKED, stream=True)
        clock.is_stopped = True
        chunks = list(stream)
        clock.is_stopped = False
    (record,) = steps

    assert 5 == len(chunks)
    assert "Paris." == record.result["messages"][0]["parts"][0]["content"]
    assert not {"time_to_first_chunk", "time_to_first_content"} & set(record.result)
    assert {"step": {"time lost: ZeroDivisionError": 3}} == steps.tracer.health()


def test_reading_the_request(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the request cannot be read, the call goes through without a step."""
    server.will(answer(completion(choice())))
    use(monkeypatch, asked=broken)
    with capture() as steps:
        given = client.chat.completions.create(**ASKED)

    assert "Paris." == given.choices[0].message.content
    assert ([], 1) == (list(steps), counted(steps))


def test_reading_the_response(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the response cannot be read, the step has no result, and ends."""
    server.will(answer(completion(choice())))
    use(monkeypatch, answered=broken)
    with capture() as steps:
        given = client.chat.completions.create(**ASKED)

    assert "Paris." == given.choices[0].message.content
    assert [("ok", None)] == [(step.outcome, step.result) for step in steps]
    assert 1 == counted(steps)


def test_making_the_fold(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a stream cannot be followed, the program gets it as it is."""
    server.will(chat_stream("Par", "is."))
    use(monkeypatch, fold=broken)
    with capture() as steps:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))

    assert 5 == len(chunks)
    assert (["ok"], 1) == ([step.outcome for step in steps], counted(steps))


@pytest.mark.parametrize("method", ["add", "result"])
def test_folding(
    server: LlmServer,
    client: openai.OpenAI,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """Chunks that cannot be gathered still reach the program; the step ends."""
    server.will(chat_stream("Par", "is."))
    monkeypatch.setattr(_openai_streams.ChatFold, method, broken)
    with capture() as steps:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))

    assert 5 == len(chunks)
    assert ["ok"] == [step.outcome for step in steps]
    assert (5 if method == "add" else 1) == counted(steps)


def test_a_library_that_was_rebuilt(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a stream has not the parts that are known, it passes unseen."""
    server.will(chat_stream("Par", "is."))
    monkeypatch.setattr(_client, "_follow_stream", broken)
    with capture() as steps:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))

    assert 5 == len(chunks)
    assert (["ok"], 1) == ([step.outcome for step in steps], counted(steps))


def test_after_an_error(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the record of a failed call fails, the library's error comes out."""
    server.will(answer({}, 400))
    monkeypatch.setattr(_call.Call, "give", broken)
    with capture() as steps, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**ASKED)

    assert (["error"], 1) == ([step.outcome for step in steps], counted(steps))


def test_finding_out_the_cost(
    server: LlmServer,
    openai_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the price table fails, the step has its result, and says what it lacks."""
    monkeypatch.setattr(_prices, "_learnt", {})
    monkeypatch.setattr(genai_prices, "calc_price", broken)
    http = openai.DefaultHttpxClient(proxy=server.address)
    options = {**openai_options, "base_url": "http://api.openai.com/v1"}
    server.will(answer(completion(choice())))
    with capture() as steps, openai.OpenAI(**options, http_client=http) as hosted:
        wrap_openai(hosted).chat.completions.create(**ASKED)

    (record,) = steps
    assert ("ok", 20) == (record.outcome, record.result["usage"]["input_tokens"])
    assert "cost" not in record.result
    assert [{"path": "$.result.cost", "note": "failed"}] == record.notes
    assert 1 == counted(steps)


def test_finding_out_the_cost_of_a_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the price table fails in a hook, it is counted, and the result stays."""
    monkeypatch.setattr(_prices, "_learnt", {})
    monkeypatch.setattr(genai_prices, "calc_price", broken)
    result = {"model": "gpt-4o", "usage": {"input_tokens": 9, "output_tokens": 9}}
    with capture() as steps:
        told = with_cost(result, {"provider": "openai"})

    assert result == told
    assert {"cost": {"ZeroDivisionError": 1}} == steps.tracer.health()


def test_closing(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is closed even if what had come cannot be recorded."""
    server.will(chat_stream("Par", "is."))
    monkeypatch.setattr(_stream.Passing, "_result", broken)
    with capture() as steps:
        stream = client.chat.completions.create(**ASKED, stream=True)
        stream.close()

    assert stream.response.is_closed
    assert (["closed"], 1) == ([step.outcome for step in steps], counted(steps))
