"""
The spans that Anthropic's client makes of its own calls, beside those of a wrapped one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from llm_replies import QUESTION, block, message, message_stream
from llm_server import LlmServer, answer
from opentelemetry.sdk.trace import TracerProvider

from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.opentelemetry import OpenTelemetrySteps
from ai_trace.testing import CapturedSteps, capture


ASKED: dict[str, Any] = {"model": "claude-x", "messages": QUESTION, "max_tokens": 9}
USED = {"input_tokens": 22, "output_tokens": 8}


@pytest.fixture
def options(server: LlmServer) -> dict[str, Any]:
    """Return what makes a client ask this server, and say so in spans."""
    provider = TracerProvider()
    provider.add_span_processor(OpenTelemetrySteps())
    told = {"tracer_provider": provider, "traces": {"content_mode": "content"}}
    where = {"base_url": server.address, "api_key": "sk-test", "max_retries": 0}
    return {**where, "open_telemetry": told}


def counted(steps: CapturedSteps) -> list[tuple[str, dict[str, int]]]:
    """Return which steps have figures that are counted, and which."""
    found = ((one.name, (one.result or {}).get("usage")) for one in steps)
    return [(name, {key: used[key] for key in USED}) for name, used in found if used]


@pytest.mark.parametrize("streamed", [False, True])
def test_not_wrapped(
    server: LlmServer, options: dict[str, Any], streamed: bool
) -> None:
    """A client that nobody has wrapped is recorded by its spans."""
    server.will(message_stream("Pa", "ris") if streamed else answer(message(block())))
    with anthropic.Anthropic(**options) as claude, capture() as steps:
        said = claude.messages.create(**ASKED, stream=streamed)
        list(said)

    (found,) = steps
    assert ("llm", "ok") == (found.kind, found.outcome)
    assert [("anthropic.messages.create", USED)] == counted(steps)
    assert "user" == found.context["messages"][0]["role"]


@pytest.mark.parametrize("streamed", [False, True])
def test_wrapped(server: LlmServer, options: dict[str, Any], streamed: bool) -> None:
    """A call of a wrapped client is counted once, though its span is recorded too."""
    server.will(message_stream("Pa", "ris") if streamed else answer(message(block())))
    with wrap_anthropic(anthropic.Anthropic(**options)) as claude, capture() as steps:
        list(claude.messages.create(**ASKED, stream=streamed))

    assert {"anthropic.messages.create", "chat claude-x"} == set(steps.names)
    assert [("chat claude-x", USED)] == counted(steps)


def test_wrapped_async(server: LlmServer, options: dict[str, Any]) -> None:
    """The same with the asynchronous client, two calls at a time."""
    server.will(answer(message(block())))

    async def ask() -> None:
        async with wrap_anthropic(anthropic.AsyncAnthropic(**options)) as claude:
            create = claude.messages.create
            await asyncio.gather(create(**ASKED), create(**ASKED))

    with capture() as steps:
        asyncio.run(ask())

    assert 4 == len(steps)
    assert [("chat claude-x", USED)] * 2 == counted(steps)


def test_another_call_inside(server: LlmServer, options: dict[str, Any]) -> None:
    """What a wrapped client calls on the way, with another model, counts as well."""
    server.will(answer(message(block())))
    other = anthropic.Anthropic(**options)

    def check(request: Any, call_next: Any) -> Any:
        other.messages.create(**{**ASKED, "model": "guard-1"})
        return call_next(request)

    claude = anthropic.Anthropic(**options, middleware=[check])
    with other, wrap_anthropic(claude), capture() as steps:
        claude.messages.create(**ASKED)

    names = [name for name, _ in counted(steps)]
    assert ["anthropic.messages.create", "chat claude-x"] == names
