"""
Runs of LangChain and LangGraph, recorded by a callback handler.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from uuid import uuid4

import pytest
import weather_chat as chat
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from llm_server import LlmServer, Reply, serving
from openai import AuthenticationError
from typing_extensions import TypedDict

from ai_trace import current_step, step, traced
from ai_trace.integrations import _langchain_runs
from ai_trace.integrations._langchain_messages import message_of, readable
from ai_trace.integrations.langchain import LangChainSteps
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import capture


CONFIG: Any = {"callbacks": [LangChainSteps()]}


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """A model that asks for the weather, and tells it then."""
    with serving() as llm:
        llm.will(chat.ASKS, chat.TELLS)
        yield llm


def model(server: LlmServer, **more: Any) -> ChatOpenAI:
    """Return a model that does not try again."""
    return ChatOpenAI(
        model=chat.MODEL,
        base_url=f"{server.address}/v1",
        api_key="sk-of-the-test",
        max_retries=0,
        stream_usage=True,
        **more,
    )


@tool
def get_weather(city: str) -> str:
    """Say what the weather is like."""
    return look_up(city)


@traced
def look_up(city: str) -> str:
    """Stand for what a tool does."""
    return chat.get_weather(city)


def ask(server: LlmServer, **more: Any) -> Any:
    """Run the agent with its one tool, and return the last message."""
    agent = create_agent(model(server), [get_weather], name="weather", **more)
    found = agent.invoke({"messages": [("user", chat.QUESTION)]}, CONFIG)
    return found["messages"][-1].content


def test_one_tool(server: LlmServer) -> None:
    """A graph is an agent of nodes; internal chains are folded away."""
    with capture() as steps, step("question"):
        found = ask(server)

    assert chat.ANSWER == found
    assert {} == steps.tracer.health()
    assert [
        ("step", "question", None),
        ("agent", "weather", "question"),
        ("step", "model", "weather"),
        ("llm", "chat gpt-5-mini", "model"),
        ("step", "tools", "weather"),
        ("tool", "get_weather", "tools"),
        ("step", "look_up", "get_weather"),
        ("step", "model", "weather"),
        ("llm", "chat gpt-5-mini", "model"),
    ] == chat.parents(steps)
    assert {"ok"} == {record.outcome for record in steps}


def test_call(server: LlmServer) -> None:
    """A call holds messages, tools, answer and usage in the common shape."""
    with capture() as steps:
        ask(server, system_prompt="Be nice.")

    first, last = [record for record in steps if record.kind == "llm"]
    assert ("openai", "chat", chat.MODEL) == tuple(
        first.context[key] for key in ("provider", "operation", "model")
    )
    assert server.address.endswith(first.context["server"])
    assert ["get_weather"] == [one["name"] for one in first.context["tools"]]
    assert ["system", "user", "assistant", "tool"] == [
        message["role"] for message in last.context["messages"]
    ]
    assert chat.ANSWER == last.context["messages"][3]["parts"][0]["response"]
    part = first.result["messages"][0]["parts"][0]
    assert ("get_weather", {"city": "Paris"}) == (part["name"], part["arguments"])
    assert ["tool_call"] == first.result["finish_reasons"]
    assert [chat.ANSWER] == chat.texts(last.result["messages"][0])
    assert chat.COUNTED == last.result["usage"]
    assert 28 == last.result["raw_usage"]["total_tokens"]
    assert chat.ANSWERS_AS == last.result["model"]
    called = steps.named("get_weather")
    assert ("call_0", {"city": "Paris"}) == (
        called.context["call_id"],
        called.context["arguments"],
    )
    assert chat.ANSWER == called.result


def test_stream(server: LlmServer) -> None:
    """A stream is handed on as it is, and recorded with its times."""
    server.will(chat.STREAMS)
    with capture() as steps:
        pieces = []
        for piece in model(server).stream("Weather?", CONFIG):
            with step("between"):
                pieces.append(piece.content)

    assert chat.ANSWER == "".join(pieces)
    (call,) = [record for record in steps if record.kind == "llm"]
    assert {None} == {r.parent_id for r in steps if r.name == "between"}
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])
    assert 20 == call.result["usage"]["input_tokens"]
    assert call.result["chunks"] > 3
    assert (
        0 < call.result["time_to_first_chunk"] <= call.result["time_to_first_content"]
    )


def test_stream_closed_early(server: LlmServer) -> None:
    """A stream that is closed early is recorded with what had come."""
    server.will(chat.STREAMS)
    with capture() as steps:
        stream = model(server).stream("Weather?", CONFIG)
        next(stream)
        next(stream)
        stream.close()

    (call,) = steps
    assert "closed" == call.outcome
    assert "It is " == chat.texts(call.result["messages"][0])[0]


@pytest.mark.parametrize("streams", [False, True])
def test_wrapped_client(server: LlmServer, streams: bool) -> None:
    """A call that its client records too is counted there, and not twice."""
    server.will(chat.STREAMS if streams else chat.TELLS)
    asked = model(server, streaming=streams)
    wrap_openai(asked.root_client)
    with capture() as steps:
        asked.invoke("Weather?", CONFIG)

    outer, inner = sorted(steps, key=lambda one: one.seq)
    assert chat.COUNTED == inner.result["usage"] == outer.result["total_usage"]
    assert "usage" not in outer.result
    assert [chat.ANSWER] == chat.texts(outer.result["messages"][0])


def test_async(server: LlmServer) -> None:
    """Runs at the same time keep to themselves."""
    server.will(chat.TELLS)
    agent = create_agent(model(server), [get_weather], name="weather")

    async def one(number: int) -> None:
        with step(f"question {number}"):
            await agent.ainvoke({"messages": [("user", chat.QUESTION)]}, CONFIG)

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(4)))

    with capture() as steps:
        asyncio.run(main())

    questions = [r for r in steps if r.name.startswith("question")]
    assert 4 == len(questions)
    for question in questions:
        same = [r for r in steps if r.trace_id == question.trace_id]
        assert ["step", "agent", "step", "llm"] == [k for k, _, _ in chat.parents(same)]


def waits(until: threading.Event) -> Reply:
    """Return a reply that comes when an event does."""
    return chat.TELLS._replace(pieces=(until, *chat.TELLS.pieces))


async def cancel(begun: threading.Event, ask: Coroutine[Any, Any, Any]) -> None:
    """Cancel a task as soon as it has begun to wait."""
    begun.clear()
    task = asyncio.create_task(ask)
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("streaming", [False, True])
def test_cancelled_call(server: LlmServer, streaming: bool) -> None:
    """A call whose task is cancelled has ended; LangChain does not report it."""
    never = threading.Event()
    server.will(waits(never))
    asked = model(server, streaming=streaming)
    with capture() as steps:
        asyncio.run(cancel(server.asked, asked.ainvoke("Weather?", CONFIG)))
        outcomes = [one.outcome for one in steps]
    never.set()

    assert ["cancelled"] == outcomes


def test_call_that_is_given_up(server: LlmServer) -> None:
    """A call that its task gives up, as at a timeout, ends with the task."""
    never = threading.Event()
    server.will(waits(never))

    async def main() -> None:
        task: Any = asyncio.current_task()
        seen = asyncio.get_running_loop().run_in_executor(None, server.asked.wait, 20)
        seen.add_done_callback(lambda _: task.cancel())
        with pytest.raises(asyncio.CancelledError):
            await model(server).ainvoke("Weather?", CONFIG)

    with capture() as steps:
        asyncio.run(main())
        outcomes = [one.outcome for one in steps]
    never.set()

    assert ["closed"] == outcomes


def test_cancelled_tool_and_retriever() -> None:
    """A tool or a retriever whose task is cancelled has ended, too."""
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    @tool
    async def waiting(city: str) -> None:
        """Wait for the weather."""
        await forever()

    class Waiting(BaseRetriever):
        async def _aget_relevant_documents(self, query: str, **_: Any) -> Any:
            await forever()

        def _get_relevant_documents(self, query: str, **_: Any) -> Any:
            raise NotImplementedError

    with capture() as steps:
        asyncio.run(cancel(begun, waiting.ainvoke({"city": "Paris"}, CONFIG)))
        asyncio.run(cancel(begun, Waiting().ainvoke("Paris", CONFIG)))
        found = [(one.kind, one.outcome) for one in steps]

    assert [("tool", "cancelled"), ("retrieval", "cancelled")] == found


def test_stream_that_outlives_a_task(server: LlmServer) -> None:
    """A stream whose first chunk was read by a task of its own goes on after that."""
    server.will(chat.STREAMS)

    async def main() -> list[str]:
        chunks = model(server).astream("Weather?", CONFIG)

        async def first() -> Any:
            return await chunks.__anext__()

        begun = await asyncio.create_task(first())
        return [str(one.content) for one in (begun, *[each async for each in chunks])]

    with capture() as steps:
        pieces = asyncio.run(main())

    (call,) = steps
    assert "ok" == call.outcome
    assert chat.ANSWER == "".join(pieces)
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_stream_read_by_several_tasks(server: LlmServer) -> None:
    """A stream that one task begins and others read ends where it has been read."""
    server.will(chat.STREAMS)

    async def main() -> list[Any]:
        stream: Any = await model(server).astream_events(
            "Weather?", CONFIG, version="v3"
        )

        async def first() -> Any:
            return await stream.text.__aiter__().__anext__()

        async def whole() -> Any:
            return (await stream.output).text

        return await asyncio.gather(first(), whole())

    with capture() as steps:
        pieces = asyncio.run(main())

    (call,) = steps
    assert ["It is ", chat.ANSWER] == pieces
    assert "ok" == call.outcome
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])


def test_sequence(server: LlmServer) -> None:
    """A sequence is one step, and so is each call in it."""
    server.will(chat.TELLS)

    def shout(given: AIMessage) -> str:
        found = current_step()
        assert found is not None
        found.log(inside=True)
        return str(given.content).upper()

    prompt = ChatPromptTemplate.from_messages([("user", "Weather in {city}?")])
    chain = (prompt | model(server) | shout).with_config(run_name="forecast")
    with capture() as steps:
        assert chat.ANSWER.upper() == chain.invoke({"city": "Paris"}, CONFIG)

    assert [("step", "forecast", None), ("llm", "chat gpt-5-mini", "forecast")] == (
        chat.parents(steps)
    )
    forecast = steps.named("forecast")
    assert [True] == [entry["inside"] for entry in forecast.logs]
    assert ({"input": {"city": "Paris"}}, chat.ANSWER.upper()) == (
        forecast.context,
        forecast.result,
    )


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("is_async", [False, True])
def test_streamed_sequence(is_async: bool, fails: bool) -> None:
    """A streamed chain tells what it was given, however it ended."""

    def say(given: dict[str, str]) -> str:
        if fails:
            raise LookupError(given["city"])
        return f"Rain in {given['city']}."

    chain = RunnableLambda(lambda given: given) | say
    given = {"city": "Paris"}

    async def all_of() -> list[str]:
        return [one async for one in chain.astream(given, CONFIG)]

    with capture() as steps, contextlib.suppress(LookupError):
        asyncio.run(all_of()) if is_async else list(chain.stream(given, CONFIG))

    (found,) = steps
    expected = ("error", None) if fails else ("ok", "Rain in Paris.")
    assert expected == (found.outcome, found.result)
    assert {"input": given} == found.context


def test_errors(server: LlmServer) -> None:
    """What the server refuses is the error of the call and of all above it."""
    server.will(chat.FAILS)
    with capture() as steps:
        with pytest.raises(AuthenticationError):
            ask(server)

    assert {"error"} == {record.outcome for record in steps}
    assert all("no such key" in str(record.error) for record in steps)


def test_tool_that_fails(server: LlmServer) -> None:
    """A tool that raises is an error with its traceback."""

    @tool
    def broken(city: str) -> str:
        """Fail."""
        raise ValueError("no weather")

    with capture() as steps:
        with pytest.raises(ValueError, match="no weather"):
            broken.invoke({"city": "Paris"}, CONFIG)

    (found,) = steps
    assert "ValueError: no weather" == found.error
    assert "def broken" not in str(found.result)
    assert 'raise ValueError("no weather")' in found.to_dict()["traceback"]


def test_tool_that_tells_of_an_error() -> None:
    """A tool message that says error is the error of its step, and its result."""
    hooks = LangChainSteps()
    run = uuid4()
    with capture() as steps:
        hooks.on_tool_start({"name": "weather"}, "Paris", run_id=run)
        said = ToolMessage("no such city", tool_call_id="1", status="error")
        hooks.on_tool_end(said, run_id=run)

    (found,) = steps
    assert ("error", "no such city", "no such city") == (
        found.outcome,
        found.error,
        found.result,
    )
    assert {"arguments": "Paris"} == found.context


def test_human_in_the_loop() -> None:
    """A graph that stops to ask is not an error."""

    class State(TypedDict):
        answer: str

    def ask_human(state: State) -> State:
        return {"answer": interrupt("Buy?")}

    graph = StateGraph(State)
    graph.add_node("ask", ask_human)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = graph.compile(InMemorySaver())
    config = {**CONFIG, "configurable": {"thread_id": "1"}}
    with capture() as steps:
        app.invoke({"answer": ""}, config)
        found = app.invoke(Command(resume="yes"), config)

    assert {"answer": "yes"} == found
    assert {"error"}.isdisjoint({record.outcome for record in steps})
    assert ["closed", "ok"] == [r.outcome for r in steps if r.name == "ask"]


def test_retriever() -> None:
    """A retriever is a ``retrieval`` step with what it found."""

    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query: str, **more: Any) -> list[Document]:
            return [Document("Rain.", id="d1", metadata={"page": 3})]

    with capture() as steps:
        Shelf().invoke("weather", CONFIG)

    (found,) = steps
    assert ("retrieval", {"query": "weather"}) == (found.kind, found.context)
    assert {
        "documents": [{"id": "d1", "content": "Rain.", "metadata": {"page": 3}}]
    } == found.result


def test_completion_model() -> None:
    """A model of texts is an ``llm`` step too."""
    with capture() as steps:
        assert "Sunny." == FakeListLLM(responses=["Sunny."]).invoke("Weather?", CONFIG)

    (found,) = steps
    assert ("llm", "text_completion") == (found.kind, found.context["operation"])
    assert ["Weather?"] == chat.texts(found.context["messages"][0])
    assert ["Sunny."] == chat.texts(found.result["messages"][0])


def test_media() -> None:
    """Images are recorded by type, size and hash."""
    given = HumanMessage(
        [
            {"type": "text", "text": "Look:"},
            {"type": "image", "base64": "iVBORw==", "mime_type": "image/png"},
            {"type": "image", "url": "https://example.org/a.png"},
            {"type": "file", "file_id": "f1"},
        ],
        name="ann",
    )
    thought = AIMessage([{"type": "reasoning", "reasoning": "Hm."}])

    found = message_of(given)

    assert ("user", "ann") == (found["role"], found["name"])
    assert ["text", "blob", "uri", "file"] == [part["type"] for part in found["parts"]]
    assert (4, "image/png") == (
        found["parts"][1]["bytes"],
        found["parts"][1]["mime_type"],
    )
    assert [{"type": "reasoning", "content": "Hm."}] == message_of(thought)["parts"]


def test_media_anywhere() -> None:
    """What is inline in a state of a graph, or in a block of any kind, is not kept."""
    url = "data:image/png;base64,iVBORw=="
    blob = message_of(HumanMessage([{"type": "image", "base64": "iVBORw=="}]))
    sent = HumanMessage([{"type": "hologram", "seen": url}])

    found = readable({"seen": [url], "messages": [sent]})

    assert "iVBOR" not in str((found, blob))
    assert blob["parts"][0]["sha256"] == found["seen"][0]["sha256"]
    assert blob["parts"][0]["sha256"] in str(found["messages"])


def test_a_state_that_leads_back_to_itself() -> None:
    """A state whose parts refer to each other is recorded."""
    nodes: list[dict[str, Any]] = [{"seen": HumanMessage("Buy?")} for _ in range(60)]
    for one, other in zip(nodes, nodes[1:]):
        one["next"], other["before"] = other, one
    hooks, run_id = LangChainSteps(), uuid4()
    with capture() as steps:
        hooks.on_chain_start({}, {"first": nodes[0]}, run_id=run_id)
        hooks.on_chain_end({}, run_id=run_id)

    assert {} == steps.tracer.health()
    assert "Buy?" in str(steps[0].context["input"]["first"]["seen"])


@pytest.mark.parametrize("is_folded", [False, True])
def test_after_its_parent(is_folded: bool) -> None:
    """What goes on after the run that started it stands below that run."""
    tasks: list[asyncio.Task[Any]] = []
    fake = FakeListLLM(responses=["Sunny."])

    async def later(ended: asyncio.Event) -> None:
        await ended.wait()
        with step("later"):
            await fake.ainvoke("Weather?")

    async def start(ended: asyncio.Event) -> None:
        tasks.append(asyncio.create_task(later(ended)))

    async def main() -> None:
        ended = asyncio.Event()
        chain = RunnableLambda(start, name="start")
        if is_folded:
            chain = chain.with_retry().with_config(run_name="start")  # type: ignore[assignment]
        await chain.ainvoke(ended, CONFIG)
        ended.set()
        await tasks[0]

    with capture() as steps:
        asyncio.run(main())

    assert [
        ("step", "start", None),
        ("step", "later", "start"),
        ("llm", "text_completion", "later"),
    ] == chat.parents(steps)


def test_nothing_is_kept() -> None:
    """After ten thousand runs nothing of them is left."""
    hooks = LangChainSteps()
    # Runs of other tests, whose ids somebody still holds.
    others = set(_langchain_runs._over)
    with capture() as steps:
        for _ in range(5_000):
            outer, inner = uuid4(), uuid4()
            hooks.on_chain_start({}, {"a": 1}, run_id=outer)
            hooks.on_chain_start({}, {"a": 1}, run_id=inner, parent_run_id=outer)
            hooks.on_chain_end({"b": 2}, run_id=inner)
            hooks.on_chain_end({"b": 2}, run_id=outer)
        assert {} == steps.tracer._recorder.open_steps

    assert 0 == len(_langchain_runs._open) + len(_langchain_runs._folded)
    del outer, inner
    assert others == set(_langchain_runs._over)
    assert 5_000 == len(steps)


def test_ids_of_the_program() -> None:
    """A run that the program has given an id of another type is recorded, too."""
    with capture() as steps:
        own: Any = {**CONFIG, "run_id": str(uuid4())}
        RunnableLambda(len, name="len").invoke("abc", own)

    assert [("len", "ok")] == [(one.name, one.outcome) for one in steps]
    assert {} == steps.tracer.health()


def test_without_a_tracer(server: LlmServer) -> None:
    """Where no tracer is current, a run is what it was."""
    assert chat.ANSWER == ask(server)


def test_handed_over_twice() -> None:
    """Two handlers record a run once."""
    config: Any = {"callbacks": [LangChainSteps(), LangChainSteps()]}
    with capture() as steps:
        RunnableLambda(len, name="len").invoke("abc", config)

    assert ["len"] == steps.names


def test_what_cannot_be_read() -> None:
    """Invalid messages are counted; the program goes on."""
    hooks = LangChainSteps()
    with capture() as steps:
        hooks.on_chat_model_start({}, [["no message"]], run_id=uuid4())
        hooks.on_llm_end(None, run_id=uuid4())

    assert [] == list(steps)
    assert ["LangChainSteps.on_chat_model_start"] == list(steps.tracer.health())


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the import names the command that installs it."""
    import ai_trace

    monkeypatch.setitem(sys.modules, "langchain_core.callbacks", None)
    monkeypatch.delitem(sys.modules, "ai_trace.integrations.langchain")
    with pytest.raises(ai_trace.TraceError) as caught:
        import ai_trace.integrations.langchain

    assert "pip install 'ai-decision-tracer[langchain]>=1'" in str(caught.value)
