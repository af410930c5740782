"""
OpenAI's client and a real language model: what is recorded, and that nothing changes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from local_servers import NAME, Servers

from ai_trace import reading
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import capture


EXAMPLES = Path(__file__).parent.parent.parent / "examples"
GREEDY: dict[str, Any] = {"model": NAME, "temperature": 0, "seed": 1}
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


@pytest.fixture
def options(servers: Servers) -> dict[str, Any]:
    """Return what makes a client ask the model."""
    return {"base_url": f"{servers.talking}/v1", "api_key": "x", "max_retries": 0}


@pytest.fixture
def client(options: dict[str, Any]) -> Iterator[openai.OpenAI]:
    """Return a wrapped client."""
    with wrap_openai(openai.OpenAI(**options)) as client:
        yield client


def test_chat(client: openai.OpenAI, options: dict[str, Any]) -> None:
    """The answer is that of an unwrapped client, and it is recorded with its usage."""
    with openai.OpenAI(**options) as plain, capture() as steps:
        one = plain.chat.completions.create(**GREEDY, messages=QUESTION)
        other = client.chat.completions.create(**GREEDY, messages=QUESTION)

    (record,) = steps
    (message,) = record.result["messages"]
    text = other.choices[0].message.content
    assert ANSWER == str(text).strip()
    assert one.choices == other.choices
    assert [{"type": "text", "content": text}] == message["parts"]
    assert (f"chat {NAME}", "llm", "ok") == (record.name, record.kind, record.outcome)
    assert other.usage is not None
    assert (other.usage.prompt_tokens, other.usage.completion_tokens) == (
        record.result["usage"]["input_tokens"],
        record.result["usage"]["output_tokens"],
    )
    assert {} == steps.tracer.health()


def test_stream(client: openai.OpenAI, options: dict[str, Any]) -> None:
    """The chunks are those of an unwrapped client, and make up what is recorded."""
    asked = {
        **GREEDY,
        "messages": QUESTION,
        "stream": True,
        "stream_options": {"include_usage": True},
    }

    def texts(client: openai.OpenAI) -> list[Any]:
        chunks = list(client.chat.completions.create(**asked))
        return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]

    with openai.OpenAI(**options) as plain, capture() as steps:
        one, other = texts(plain), texts(client)

    (record,) = steps
    (message,) = record.result["messages"]
    assert one == other
    assert [{"type": "text", "content": "".join(filter(None, other))}] == message[
        "parts"
    ]
    assert {"input_tokens", "output_tokens"} <= record.result["usage"].keys()
    assert 0 < record.result["time_to_first_content"] < record.duration_ms / 1000


def test_async_in_parallel(options: dict[str, Any]) -> None:
    """Calls that run at the same time are recorded apart, each with its own answer."""
    capitals = {"France": "Paris", "Spain": "Madrid", "Italy": "Rome"}

    async def ask(client: openai.AsyncOpenAI, country: str) -> Any:
        question = f"What is the capital of {country}?"
        messages: list[Any] = [{"role": "user", "content": question}]
        answer = await client.chat.completions.create(**GREEDY, messages=messages)
        return answer.choices[0].message.content

    async def main() -> list[Any]:
        async with wrap_openai(openai.AsyncOpenAI(**options)) as client:
            return await asyncio.gather(*(ask(client, one) for one in capitals))

    with capture() as steps:
        answers = asyncio.run(main())

    assert all(city in said for city, said in zip(capitals.values(), answers))
    for record in steps:
        asked = record.context["messages"][0]["parts"][0]["content"]
        said = record.result["messages"][0]["parts"][0]["content"]
        (city,) = [city for one, city in capitals.items() if one in asked]
        assert city in said
    assert len(capitals) == len(steps)


def test_embeddings(servers: Servers) -> None:
    """Of embeddings the texts, the count and the dimensions are recorded."""
    url = f"{servers.embedding}/v1"
    with wrap_openai(openai.OpenAI(base_url=url, api_key="x")) as client:
        with capture() as steps:
            given = client.embeddings.create(model=NAME, input=["Paris", "Rome"])

    (record,) = steps
    assert ["Paris", "Rome"] == record.context["input"]
    assert (2, len(given.data[0].embedding)) == (
        record.result["count"],
        record.result["dimensions"],
    )
    assert given.usage.prompt_tokens == record.result["usage"]["input_tokens"]


def test_error(client: openai.OpenAI) -> None:
    """A question that is too long for the model is the server's error."""
    long: list[Any] = [{"role": "user", "content": "word " * 9000}]
    with capture() as steps, pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**GREEDY, messages=long)

    (record,) = steps
    assert "error" == record.outcome
    assert "exceed" in str(record.error)


def test_example(servers: Servers, tmp_path: Path) -> None:
    """The agent of the example asks the model, runs its tool, and tells the weather."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "llm_agent.py")],
        cwd=tmp_path,
        env={
            **os.environ,
            "OPENAI_BASE_URL": f"{servers.talking}/v1",
            "OPENAI_API_KEY": "x",
            "OPENAI_MODEL": NAME,
            "AI_TRACE_DIR": str(tmp_path / "traces"),
        },
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "sunny" in done.stdout
    (info,) = reading.find(tmp_path / "traces")
    agent, first, tool, second = reading.read(info.path).steps
    assert ["agent", "llm", "tool", "llm"] == [
        step.kind for step in (agent, first, tool, second)
    ]
    assert {agent.id} == {step.parent_id for step in (first, tool, second)}
    (call,) = first.result["messages"][0]["parts"]
    assert ("get_weather", {"city": "Paris"}) == (call["name"], call["arguments"])
    assert call["id"] == tool.context["call_id"]
    (given,) = second.context["messages"][-1]["parts"]
    assert (call["id"], "Paris: sunny") == (given["id"], given["response"])
