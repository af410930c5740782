"""
Graphs of LangGraph's: their states, their pauses, and what fails inside them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from threading import Thread
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from ai_trace.integrations._langchain_messages import readable
from ai_trace.integrations.langchain import LangChainSteps
from ai_trace.testing import capture


CONFIG: Any = {"callbacks": [LangChainSteps()]}

PICTURE = base64.b64encode(b"a picture").decode()
SENT = HumanMessage(
    [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PICTURE}"},
        },
    ]
)


@dataclass
class Plain:
    """
    A state of a graph.
    """

    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    count: int = 0


class Checked(BaseModel):
    """
    A state of a graph that is checked.
    """

    messages: Annotated[list[AnyMessage], add_messages] = []
    count: int = 0


def graph_of(state: Any, **nodes: Any) -> Any:
    """Return a graph of nodes that follow each other."""
    graph = StateGraph(state)
    for name, node in nodes.items():
        graph.add_node(name, node)
    for one, other in zip([START, *nodes], [*nodes, END]):
        graph.add_edge(one, other)
    return graph


@pytest.mark.parametrize("state", [Plain, Checked])
def test_messages_in_a_state(state: Any) -> None:
    """Messages are read in any container, and media are left out."""
    answer = {"messages": [AIMessage("A picture.")], "count": 1}
    app = graph_of(state, look=lambda _: answer).compile()
    with capture() as steps:
        app.invoke(state(messages=[SENT]), CONFIG)

    given = steps.named("look").context["input"]
    assert 0 == given["count"]
    (sent,) = given["messages"]
    assert ("user", ["text", "blob"]) == (
        sent["role"],
        [part["type"] for part in sent["parts"]],
    )
    assert PICTURE not in json.dumps([record.to_dict() for record in steps])


def test_commands() -> None:
    """A command is recorded by its fields, with its messages as messages."""
    command = Command(update={"messages": [AIMessage("Hi.")]}, goto="next")

    said = {"role": "assistant", "parts": [{"type": "text", "content": "Hi."}]}
    assert [{"update": {"messages": [said]}, "goto": "next"}] == readable([command])
    assert {"resume": False} == readable(Command(resume=False))


def test_state_without_messages() -> None:
    """A state without messages is recorded like any other value."""
    state = Plain(count=2)

    assert state is readable(state)


@pytest.mark.parametrize("where", ["node", "tool"])
def test_question_to_a_human(where: str) -> None:
    """The step that asks a human says what it asked."""

    def ask(_: Any) -> dict[str, Any]:
        return {"count": interrupt({"question": "How many?"})}

    @tool
    def count_them() -> int:
        """Count them."""
        return int(interrupt({"question": "How many?"}))

    def call(_: Any) -> dict[str, Any]:
        return {"count": count_them.invoke({})}

    node = ask if where == "node" else call
    app = graph_of(Plain, counting=node).compile(InMemorySaver())
    config = {**CONFIG, "configurable": {"thread_id": "1"}}
    with capture() as steps:
        app.invoke(Plain(), config)
        found = app.invoke(Command(resume=3), config)

    assert 3 == found["count"]
    name = "counting" if where == "node" else "count_them"
    asking, answered = (record for record in steps if record.name == name)
    assert ("closed", "ok") == (asking.outcome, answered.outcome)
    (entry,) = [log for record in steps for log in record.logs]
    assert [entry] == list(asking.logs)
    assert "interrupt" == entry["event"]
    assert {"question": "How many?"} == entry["value"]


def test_what_is_handed_to_the_graph_above() -> None:
    """A node that hands over to the graph above has ended well, with what it gave."""
    command = Command(
        goto="other", update={"messages": [AIMessage("Over.")]}, graph=Command.PARENT
    )
    inner = graph_of(MessagesState, hand_over=lambda _: command).compile()
    graph = StateGraph(MessagesState)
    graph.add_node("inner", inner, destinations=("other",))
    graph.add_node("other", lambda _: {"messages": [AIMessage("Done.")]})
    graph.add_edge(START, "inner")
    with capture() as steps:
        graph.compile().invoke({"messages": [("user", "Hi.")]}, CONFIG)

    assert {"ok"} == {record.outcome for record in steps}
    given = steps.named("hand_over").result
    assert ("other", "Over.") == (
        given["goto"],
        given["update"]["messages"][0]["parts"][0]["content"],
    )


def flaky(failures: int) -> Any:
    """Return a runnable that fails some times before it answers."""
    left = iter([ValueError(f"No {number}.") for number in range(failures)])

    def answer(given: str) -> str:
        for error in left:
            raise error
        return given.upper()

    return RunnableLambda(answer, name="flaky")


def test_what_failed_and_was_tried_again() -> None:
    """A failure inside a chain that goes on is logged by the step around it."""
    retried = flaky(2).with_retry(
        stop_after_attempt=3, exponential_jitter_params={"multiplier": 0, "jitter": 0}
    )
    chain = RunnableLambda(str, name="first") | retried
    with capture() as steps:
        assert "HI" == chain.invoke("hi", CONFIG)

    (found,) = steps
    assert "ok" == found.outcome
    assert [
        {"event": "error", "name": "flaky", "error": "ValueError: No 0."},
        {"event": "error", "name": "flaky", "error": "ValueError: No 1."},
    ] == [{key: log[key] for key in log if key != "_t"} for log in found.logs]


def test_what_failed_and_was_replaced() -> None:
    """An error that passes through several chains is logged once for each."""
    broken = RunnableLambda(str, name="first") | flaky(1)
    chain = RunnableLambda(str) | broken.with_fallbacks([RunnableLambda(str.title)])
    with capture() as steps:
        assert "Hi" == chain.invoke("hi", CONFIG)

    (found,) = steps
    assert [("flaky", "ValueError: No 0.")] == [
        (log["name"], log["error"]) for log in found.logs
    ]


def test_what_failed_and_was_told_below() -> None:
    """An error recorded by a step below is not logged by the step above."""

    @tool
    def fails() -> None:
        """Fail."""
        raise ValueError("No.")

    broken = RunnableLambda(lambda _: {}) | fails
    chain = RunnableLambda(str) | broken.with_fallbacks([RunnableLambda(str.title)])
    with capture() as steps:
        chain.invoke("hi", CONFIG)

    assert ["error", "ok"] == sorted(record.outcome for record in steps)
    assert [] == [log for record in steps for log in record.logs]


@pytest.mark.usefixtures("orphans_unsaid")
def test_thread_without_a_tracer() -> None:
    """It is said once that a call is not recorded for want of a tracer."""
    app = graph_of(Plain, node=lambda _: {}).compile()

    def run_in_threads() -> None:
        for _ in range(2):
            thread = Thread(target=app.invoke, args=(Plain(count=1), CONFIG))
            thread.start()
            thread.join()

    with capture() as steps, pytest.warns(RuntimeWarning, match="no tracer") as said:
        run_in_threads()

    assert [] == list(steps)
    assert 1 == len(said)
