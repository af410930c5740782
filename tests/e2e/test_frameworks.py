"""
Agents with one tool, made with each framework, and a real language model.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest


# Else LiteLLM asks the network for a table of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from agents import Agent as OpenAIAgent
from agents import (
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_trace_processors,
)
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from local_servers import NAME, Servers
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from weather_chat import parents

from ai_trace import step, traced
from ai_trace.integrations.langchain import LangChainSteps
from ai_trace.integrations.litellm import LiteLLMSteps
from ai_trace.integrations.openai_agents import OpenAIAgentsSteps
from ai_trace.integrations.opentelemetry import OpenTelemetrySteps
from ai_trace.testing import CapturedSteps, capture


QUESTION = "What is the weather in Paris?"
CALL = f"chat {NAME}"

# What the frameworks themselves leave open, and warn of.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::UserWarning",
)


@traced
def look_up(city: str) -> str:
    """Stand for what the tool does."""
    return f"{city}: sunny"


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return look_up(city)


def check(steps: CapturedSteps) -> None:
    """See that the loop was recorded: a call, the tool it asked for, a call."""
    assert {} == steps.tracer.health()
    assert {"ok"} == {record.outcome for record in steps}
    first, second = [record for record in steps if record.kind == "llm"]
    called = steps.named("get_weather")
    assert [called.id] == [r.parent_id for r in steps if r.name == "look_up"]
    (asked,) = first.result["messages"][0]["parts"]
    assert ("get_weather", {"city": "Paris"}) == (asked["name"], asked["arguments"])
    assert {"city": "Paris"} == called.context["arguments"]
    assert "Paris: sunny" == called.result
    (given,) = second.context["messages"][-1]["parts"]
    assert (asked["id"], "Paris: sunny") == (given["id"], given["response"])
    for call in (first, second):
        assert call.result["usage"]["input_tokens"] > 0
        assert call.result["usage"]["output_tokens"] > 0
    assert "sunny" in second.result["messages"][0]["parts"][0]["content"]


def test_pydantic_ai(servers: Servers) -> None:
    """Pydantic AI, by the spans that it gives OpenTelemetry."""
    provider = TracerProvider()
    provider.add_span_processor(OpenTelemetrySteps())

    async def asks() -> Any:
        async with AsyncOpenAI(base_url=f"{servers.talking}/v1", api_key="x") as client:
            model = OpenAIChatModel(NAME, provider=OpenAIProvider(openai_client=client))
            agent = Agent(model, name="weather", tools=[get_weather])
            return (await agent.run(QUESTION)).output

    plain = asyncio.run(asks())
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    try:
        with capture() as steps, step("question"):
            recorded = asyncio.run(asks())
    finally:
        Agent.instrument_all(False)

    assert plain == recorded
    check(steps)
    assert [
        ("step", "question", None),
        ("agent", "weather", "question"),
        ("llm", CALL, "weather"),
        ("tool", "get_weather", "weather"),
        ("step", "look_up", "get_weather"),
        ("llm", CALL, "weather"),
    ] == parents(steps)


def test_openai_agents(servers: Servers) -> None:
    """The OpenAI Agents SDK, by its trace processors."""

    async def asks() -> str:
        async with AsyncOpenAI(base_url=f"{servers.talking}/v1", api_key="x") as client:
            model = OpenAIChatCompletionsModel(NAME, client)
            agent = OpenAIAgent(
                "weather", model=model, tools=[function_tool(get_weather)]
            )
            return str((await Runner.run(agent, QUESTION)).final_output)

    set_trace_processors([])
    plain = asyncio.run(asks())
    set_trace_processors([OpenAIAgentsSteps()])
    try:
        with capture() as steps, step("question"):
            recorded = asyncio.run(asks())
    finally:
        set_trace_processors([])

    assert plain == recorded
    check(steps)
    assert [
        ("step", "question", None),
        ("step", "Agent workflow", "question"),
        ("agent", "weather", "Agent workflow"),
        ("llm", CALL, "weather"),
        ("tool", "get_weather", "weather"),
        ("step", "look_up", "get_weather"),
        ("llm", CALL, "weather"),
    ] == parents(steps)


def test_langgraph(servers: Servers) -> None:
    """LangGraph, by its callbacks."""
    model = ChatOpenAI(model=NAME, base_url=f"{servers.talking}/v1", api_key="x")
    agent = create_agent(model, [tool(get_weather)], name="weather")

    def asks(**config: Any) -> Any:
        return agent.invoke({"messages": [("user", QUESTION)]}, config)["messages"][-1]

    plain = asks()
    with capture() as steps, step("question"):
        recorded = asks(callbacks=[LangChainSteps()])

    assert plain.content == recorded.content
    check(steps)
    assert [
        ("step", "question", None),
        ("agent", "weather", "question"),
        ("step", "model", "weather"),
        ("llm", CALL, "model"),
        ("step", "tools", "weather"),
        ("tool", "get_weather", "tools"),
        ("step", "look_up", "get_weather"),
        ("step", "model", "weather"),
        ("llm", CALL, "model"),
    ] == parents(steps)


@pytest.mark.usefixtures("current_loop")
@pytest.mark.parametrize("is_stream", [False, True])
def test_litellm(servers: Servers, is_stream: bool) -> None:
    """LiteLLM, by its callbacks, which come after the call."""
    ended = threading.Event()

    class Tells:
        def on_finish(self, record: object) -> None:
            ended.set()

    def asks() -> str:
        found = litellm.completion(
            model=f"openai/{NAME}",
            messages=[{"role": "user", "content": "What is the capital of France?"}],
            api_base=f"{servers.talking}/v1",
            api_key="x",
            stream=is_stream,
        )
        if not is_stream:
            return str(found.choices[0].message.content)
        return "".join(one.choices[0].delta.content or "" for one in found)

    plain = asks()
    litellm.callbacks = [LiteLLMSteps()]
    try:
        with capture() as steps:
            steps.tracer.add_sink(Tells())
            recorded = asks()
            assert ended.wait(20)
    finally:
        litellm.callbacks = []

    assert plain == recorded
    (call,) = steps
    assert ("llm", CALL, "ok") == (call.kind, call.name, call.outcome)
    assert [recorded] == [
        part["content"] for part in call.result["messages"][0]["parts"]
    ]
    assert call.result["usage"]["output_tokens"] > 0
