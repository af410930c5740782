"""
Answers that came, and that the library refused: what was seen is recorded.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
from llm_replies import QUESTION, choice, completion
from llm_server import LlmServer, Reply, answer, plain
from pydantic import BaseModel, ValidationError

from ai_trace import StepRecord
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
CUT = '{"id": "chatcmpl-1", "choi'
UNKNOWN = [{"path": "$.result.response", "note": "unknown shape"}]


class Weather(BaseModel):
    """
    What the model was asked to answer.
    """

    degrees: int


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, of a tracer that lost nothing."""
    (record,) = steps
    assert {} == steps.tracer.health()
    return record


def ask(client: Any) -> Any:
    """Ask either library."""
    if isinstance(client, openai.OpenAI):
        return client.chat.completions.create(**ASKED)
    return client.messages.create(**ASKED, max_tokens=9)


@pytest.mark.parametrize("name", ["client", "claude"])
def test_body_that_is_no_json(
    server: LlmServer, request: pytest.FixtureRequest, name: str
) -> None:
    """A body that cannot be read as JSON is in the step of the error it causes."""
    kind = {"content-type": "application/json"}
    server.will(Reply(200, kind, (CUT.encode(),)))
    with capture() as steps, pytest.raises(json.JSONDecodeError):
        ask(request.getfixturevalue(name))

    record = only(steps)
    assert ("error", {"response": CUT}) == (record.outcome, record.result)
    assert UNKNOWN == record.notes


def test_empty_body(server: LlmServer, client: openai.OpenAI) -> None:
    """If nothing came, there is no result."""
    server.will(Reply(200, {"content-type": "application/json"}, (b"",)))
    with capture() as steps, pytest.raises(json.JSONDecodeError):
        ask(client)

    assert ("error", None) == (only(steps).outcome, only(steps).result)


@pytest.mark.parametrize("library", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("reply", "seen"),
    [(plain("Hello.", "text/html"), "Hello."), (answer([1, 2]), [1, 2])],
)
def test_body_of_another_kind(
    server: LlmServer,
    openai_options: dict[str, Any],
    anthropic_options: dict[str, Any],
    library: str,
    reply: Reply,
    seen: Any,
) -> None:
    """What a client that is strict refuses is in the step of its error."""
    strict = {"_strict_response_validation": True}
    client: Any
    if library == "openai":
        client = wrap_openai(openai.OpenAI(**openai_options, **strict))
        refused: Any = openai.APIResponseValidationError
    else:
        client = wrap_anthropic(anthropic.Anthropic(**anthropic_options, **strict))
        refused = anthropic.APIResponseValidationError
    server.will(reply)
    with client, capture() as steps, pytest.raises(refused):
        ask(client)

    record = only(steps)
    assert ("error", {"response": seen}) == (record.outcome, record.result)


def test_body_of_an_error(server: LlmServer, client: openai.OpenAI) -> None:
    """The body of an error is in its message, and is not an answer."""
    server.will(answer({"error": {"message": "Sorry."}}, 400))
    with capture() as steps, pytest.raises(openai.BadRequestError):
        ask(client)

    assert only(steps).result is None
    assert "Sorry." in str(only(steps).error)


@pytest.mark.parametrize("is_async", [False, True])
def test_answer_that_does_not_fit(
    server: LlmServer, openai_options: dict[str, Any], is_async: bool
) -> None:
    """An answer that ``parse`` cannot use was answered, and paid for."""
    server.will(answer(completion(choice('{"degrees": "many"}'))))
    asked = {**ASKED, "response_format": Weather}

    async def main() -> None:
        async with wrap_openai(openai.AsyncOpenAI(**openai_options)) as client:
            await client.chat.completions.parse(**asked)

    with capture() as steps, pytest.raises(ValidationError):
        if is_async:
            asyncio.run(main())
        else:
            with wrap_openai(openai.OpenAI(**openai_options)) as client:
                client.chat.completions.parse(**asked)

    record = only(steps)
    assert "error" == record.outcome
    assert [{"type": "text", "content": '{"degrees": "many"}'}] == (
        record.result["messages"][0]["parts"]
    )
    assert 20 == record.result["usage"]["input_tokens"]


def test_answer_that_fits(server: LlmServer, client: openai.OpenAI) -> None:
    """An answer that ``parse`` can use is parsed as without us."""
    server.will(answer(completion(choice('{"degrees": 7}'))))
    with capture() as steps:
        given = client.chat.completions.parse(**ASKED, response_format=Weather)

    assert Weather(degrees=7) == given.choices[0].message.parsed
    assert "ok" == only(steps).outcome
