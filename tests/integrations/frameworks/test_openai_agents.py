"""
Runs of the OpenAI Agents SDK, recorded by the processor that it has a place for.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

import agents
import pytest
import weather_chat as chat
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    custom_span,
    function_tool,
    mcp_tools_span,
    set_trace_processors,
    trace,
)
from llm_replies import response, said
from llm_server import LlmServer, answer, serving
from openai import AsyncOpenAI, AuthenticationError

from ai_trace import step, traced
from ai_trace.integrations.openai_agents import OpenAIAgentsSteps
from ai_trace.testing import capture


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """A model that asks for the weather, and tells it then."""
    with serving() as llm:
        llm.will(chat.ASKS, chat.TELLS)
        yield llm


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Register ours alone, so that nothing is sent to OpenAI."""
    set_trace_processors([OpenAIAgentsSteps()])
    yield
    set_trace_processors([])


clients: list[AsyncOpenAI] = []


def client(server: LlmServer) -> AsyncOpenAI:
    """Return a client that does not try again, and that is closed after the run."""
    made = AsyncOpenAI(
        base_url=f"{server.address}/v1", api_key="sk-of-the-test", max_retries=0
    )
    clients.append(made)
    return made


def run(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run at the same time; leave no connection and no loop behind."""

    async def main() -> list[Any]:
        try:
            return await asyncio.gather(*coroutines)
        finally:
            while clients:
                await clients.pop().close()

    return asyncio.run(main())


def weather_agent(server: LlmServer, **more: Any) -> Agent[Any]:
    """Return the agent with its one tool."""

    @traced
    def look_up(city: str) -> str:
        return chat.get_weather(city)

    @function_tool
    def get_weather(city: str) -> str:
        """Say what the weather is like."""
        return look_up(city)

    model = OpenAIChatCompletionsModel(chat.MODEL, client(server))
    return Agent("weather", instructions="Be nice.", model=model, tools=[get_weather])


def test_one_tool(server: LlmServer) -> None:
    """A run is a tree of agent, calls and tool; our steps are where they ran."""
    with capture() as steps, step("question"):
        (found,) = run(Runner.run(weather_agent(server), chat.QUESTION))

    assert chat.ANSWER == found.final_output
    assert {} == steps.tracer.health()
    assert [
        ("step", "question", None),
        ("step", "Agent workflow", "question"),
        ("agent", "weather", "Agent workflow"),
        ("llm", "chat gpt-5-mini", "weather"),
        ("tool", "get_weather", "weather"),
        ("step", "look_up", "get_weather"),
        ("llm", "chat gpt-5-mini", "weather"),
    ] == chat.parents(steps)
    assert {"ok"} == {record.outcome for record in steps}


def test_call(server: LlmServer) -> None:
    """A call holds messages, parameters, answer and usage in the common shape."""
    agent = weather_agent(server)
    agent.model_settings = ModelSettings(temperature=0.5)
    with capture() as steps:
        run(Runner.run(agent, chat.QUESTION))

    first, last = [record for record in steps if record.kind == "llm"]
    assert ("openai", "chat", chat.MODEL) == tuple(
        first.context[key] for key in ("provider", "operation", "model")
    )
    assert server.address.endswith(first.context["server"])
    assert {"temperature": 0.5} == first.context["parameters"]
    assert ["system", "user", "assistant", "tool"] == [
        message["role"] for message in last.context["messages"]
    ]
    part = first.result["messages"][0]["parts"][0]
    assert ("get_weather", {"city": "Paris"}) == (part["name"], part["arguments"])
    assert [chat.ANSWER] == chat.texts(last.result["messages"][0])
    assert chat.COUNTED.items() <= last.result["usage"].items()
    assert 28 == last.result["raw_usage"]["total_tokens"]
    tool = steps.named("get_weather")
    assert {"city": "Paris"} == tool.context["arguments"]
    assert chat.ANSWER == tool.result


def test_stream(server: LlmServer) -> None:
    """A streamed run is recorded as one that is not."""
    server.will(chat.STREAMS_ASK, chat.STREAMS)

    async def streams() -> str:
        streamed = Runner.run_streamed(
            weather_agent(server),
            chat.QUESTION,
            run_config=RunConfig(model_settings=ModelSettings(include_usage=True)),
        )
        async for _ in streamed.stream_events():
            pass
        return str(streamed.final_output)

    with capture() as steps:
        (found,) = run(streams())

    assert chat.ANSWER == found
    assert {} == steps.tracer.health()
    _, last = [record for record in steps if record.kind == "llm"]
    assert [chat.ANSWER] == chat.texts(last.result["messages"][0])
    assert 20 == last.result["usage"]["input_tokens"]


def test_responses(server: LlmServer) -> None:
    """The Responses API is read with its own items, instructions and tools."""
    server.will(answer(response(said("Hi."), instructions="Be nice.")))
    model = OpenAIResponsesModel(chat.MODEL, client(server))
    with capture() as steps:
        run(Runner.run(Agent("a", instructions="Be nice.", model=model), "Hello"))

    (call,) = [record for record in steps if record.kind == "llm"]
    assert f"chat {chat.ANSWERS_AS}" == call.name
    assert [{"type": "text", "content": "Be nice."}] == call.context["system"]
    assert [["Hello"]] == [chat.texts(one) for one in call.context["messages"]]
    assert ["Hi."] == chat.texts(call.result["messages"][0])
    assert "tools" not in call.context
    assert "resp_1" == call.result["id"]
    assert chat.COUNTED.items() <= call.result["usage"].items()


def test_tools_of_a_server() -> None:
    """What a server of tools offers is what came of asking it."""
    with capture() as steps, trace("outer"), mcp_tools_span("weather") as span:
        span.span_data.result = ["get_weather"]

    listed = steps.named("mcp_tools")
    assert {"server": "weather"} == listed.context
    assert ["get_weather"] == listed.result


def test_side_by_side(server: LlmServer) -> None:
    """Runs at the same time keep to themselves."""
    server.will(chat.TELLS)

    async def one(number: int) -> None:
        with step(f"question {number}"):
            await Runner.run(weather_agent(server), chat.QUESTION)

    with capture() as steps:
        run(*(one(number) for number in range(4)))

    questions = [record for record in steps if record.name.startswith("question")]
    for question in questions:
        same = [record for record in steps if record.trace_id == question.trace_id]
        assert ["step", "step", "agent", "llm"] == [
            kind for kind, _, _ in chat.parents(same)
        ]


def test_errors(server: LlmServer) -> None:
    """What the server refuses is the error of the call and of all above it."""
    server.will(chat.FAILS)
    with capture() as steps:
        with pytest.raises(AuthenticationError):
            run(Runner.run(weather_agent(server), chat.QUESTION))

    assert {"error"} == {record.outcome for record in steps}
    (call,) = [record for record in steps if record.kind == "llm"]
    assert "no such key" in str(call.error)


def test_tool_that_fails(server: LlmServer) -> None:
    """A tool that raises is an error of the tool alone; the run goes on."""

    @function_tool
    def get_weather(city: str) -> str:
        """Say what the weather is like."""
        raise ValueError("no weather")

    agent = weather_agent(server)
    agent.tools = [get_weather]
    with capture() as steps:
        run(Runner.run(agent, chat.QUESTION))

    assert ["get_weather"] == [r.name for r in steps if r.outcome == "error"]


def test_cancelled(server: LlmServer) -> None:
    """A run that is cancelled is recorded as cancelled, not as failed."""

    async def main() -> None:
        with trace("outer"), custom_span("waits", {"for": "ever"}):
            await asyncio.sleep(60)

    async def cancels() -> None:
        task = asyncio.ensure_future(main())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture() as steps:
        asyncio.run(cancels())

    assert [("waits", "cancelled"), ("outer", "cancelled")] == [
        (record.name, record.outcome) for record in steps
    ]
    assert {"for": "ever"} == steps.named("waits").context


def test_after_its_parent() -> None:
    """What goes on after the span, or the trace, that started it stands below that."""

    async def later(ended: asyncio.Event, name: str) -> None:
        await ended.wait()
        with step(f"step after {name}"), custom_span(f"span after {name}"):
            pass

    async def main() -> None:
        after_span, after_trace = asyncio.Event(), asyncio.Event()
        with trace("run"):
            last = asyncio.create_task(later(after_trace, "trace"))
            with custom_span("tool"):
                first = asyncio.create_task(later(after_span, "span"))
                await asyncio.sleep(0)
            after_span.set()
            await first
        after_trace.set()
        await last

    with capture() as steps:
        asyncio.run(main())

    assert [
        ("step", "run", None),
        ("step", "tool", "run"),
        ("step", "step after span", "tool"),
        ("step", "span after span", "step after span"),
        ("step", "step after trace", "run"),
        ("step", "span after trace", "step after trace"),
    ] == chat.parents(steps)


def test_trace_ids() -> None:
    """A trace keeps its id, group and metadata."""
    given = f"trace_{'ab' * 16}"
    with capture() as steps:
        with trace("Support", given, group_id="chat 7", metadata={"user": "u1"}):
            pass

    (found,) = steps
    assert "ab" * 16 == found.trace_id
    assert {"trace_id": given, "group_id": "chat 7", "metadata": {"user": "u1"}} == (
        found.context
    )


def test_resumed(server: LlmServer) -> None:
    """A run that is resumed after an approval has the trace id of its first half."""

    @function_tool(needs_approval=True)
    def get_weather(city: str) -> str:
        """Say what the weather is like."""
        return chat.get_weather(city)

    async def main() -> str:
        model = OpenAIChatCompletionsModel(chat.MODEL, client(server))
        agent = Agent("weather", model=model, tools=[get_weather])
        first = await Runner.run(agent, chat.QUESTION)
        state = first.to_state()
        state.approve(*first.interruptions)
        return str((await Runner.run(agent, state)).final_output)

    with capture() as steps:
        assert [chat.ANSWER] == run(main())

    workflow = steps.named("Agent workflow")
    assert {workflow.trace_id} == {one.trace_id for one in steps}
    roots = [one for one in steps if one.parent_id is None]
    assert {workflow.context["trace_id"]} == {one.context["trace_id"] for one in roots}
    assert len(roots) > 1


def test_nothing_is_kept() -> None:
    """After ten thousand spans nothing of them is left."""
    from ai_trace.integrations import openai_agents

    with capture() as steps, trace("many"):
        for number in range(10_000):
            with custom_span("one", {"number": number}):
                pass

        assert 1 == len(openai_agents._open)
        assert 1 == len(steps.tracer._recorder.open_steps)
    assert 10_001 == len(steps)


def test_without_a_tracer(server: LlmServer) -> None:
    """Where no tracer is current, a run is what it was."""
    (found,) = run(Runner.run(weather_agent(server), chat.QUESTION))

    assert chat.ANSWER == found.final_output


def test_unknown_data() -> None:
    """Data that cannot be read is counted; the step ends and the program goes on."""

    class Odd(agents.tracing.CustomSpanData):
        @property
        def type(self) -> str:
            return "generation"

    with capture() as steps, trace("t") as running:
        from agents.tracing import get_trace_provider

        span = get_trace_provider().create_span(Odd("odd", {}), parent=running)
        span.start()
        span.finish()

    assert ["t"] == steps.names
    assert {"AttributeError": 1} == steps.tracer.health()[
        "OpenAIAgentsSteps.on_span_start"
    ]


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the import names the command that installs it."""
    import ai_trace

    monkeypatch.setitem(sys.modules, "agents.tracing", None)
    monkeypatch.delitem(sys.modules, "ai_trace.integrations.openai_agents")
    with pytest.raises(ai_trace.TraceError) as caught:
        import ai_trace.integrations.openai_agents

    assert "pip install 'ai-decision-tracer[openai-agents]>=1'" in str(caught.value)
