"""
What LangChain's models answer and count, told once, whoever the provider is.
"""

from __future__ import annotations

from typing import Any

import pytest
import weather_chat as chat
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI, OpenAI
from llm_replies import choice, completion
from llm_server import LlmServer, answer
from openai import AuthenticationError

from ai_trace.integrations._langchain_messages import message_of, usage_of
from ai_trace.integrations.langchain import LangChainSteps
from ai_trace.testing import capture


CONFIG: Any = {"callbacks": [LangChainSteps()]}


def model(server: LlmServer, **more: Any) -> ChatOpenAI:
    """Return a model that does not try again."""
    url = f"{server.address}/v1"
    options = {"base_url": url, "api_key": "sk-of-the-test", "max_retries": 0}
    return ChatOpenAI(model=chat.MODEL, stream_usage=True, **options, **more)


def test_two_handlers_tell_once(server: LlmServer) -> None:
    """Chunks and events are recorded once, though two handlers are called."""
    server.will(chat.STREAMS)

    def announce(given: str) -> str:
        dispatch_custom_event("seen", {"by": "ann"})
        return given

    twice = {"callbacks": [LangChainSteps()]}
    with capture() as steps:
        chunks = list(model(server, **twice).stream("Weather?", CONFIG))
        RunnableLambda(announce).with_config(twice).invoke("a", CONFIG)
    call, announced = steps

    assert 0 < call.result["chunks"] <= len(chunks)
    assert ["seen"] == [entry["event"] for entry in announced.logs]


def test_counts_of_a_text_completion(server: LlmServer) -> None:
    """A model of texts, of which LangChain counts nothing, has the counts it told."""
    used = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    said = {"index": 0, "text": chat.ANSWER, "finish_reason": "stop", "logprobs": None}
    server.will(answer({"id": "c", "choices": [said], "usage": used}))
    asked = OpenAI(
        model="gpt-3.5-turbo-instruct",
        base_url=f"{server.address}/v1",
        api_key="sk-of-the-test",
    )
    with capture() as steps:
        assert chat.ANSWER == asked.invoke("Weather?", CONFIG)
    (call,) = steps

    assert {"input_tokens": 5, "output_tokens": 2} == call.result["usage"]


def test_counts_of_a_tier(server: LlmServer) -> None:
    """What LangChain calls by the tier of service is counted like all else."""
    server.will(answer(completion(choice(chat.ANSWER), service_tier="flex")))
    with capture() as steps:
        model(server).invoke("Weather?", CONFIG)
    (call,) = steps

    assert chat.COUNTED == call.result["usage"]


@pytest.mark.parametrize("names", [("5m",), ("1h",), ("5m", "1h")])
def test_counts_of_tokens_kept_for_a_time(names: tuple[str, ...]) -> None:
    """What was written to a cache is counted, though LangChain sets the sum to none."""
    kept = {f"ephemeral_{name}_input_tokens": 4 for name in names}
    details = {"cache_read": 2, "cache_creation": 0, **kept}
    found = usage_of(
        {"input_tokens": 20, "output_tokens": 8, "input_token_details": details}
    )

    assert 4 * len(names) == found["cache_creation_input_tokens"]
    assert 2 == found["cache_read_input_tokens"]


def test_nothing_was_answered(server: LlmServer) -> None:
    """A request that is refused has an error, and no answer."""
    server.will(chat.FAILS)
    with capture() as steps, pytest.raises(AuthenticationError):
        model(server).invoke("Weather?", CONFIG)
    (call,) = steps

    assert "error" == call.outcome
    assert call.result is None


def test_what_is_said_beside_the_text(server: LlmServer) -> None:
    """Log probabilities, and whether a tool has failed, are recorded."""
    tokens = {"content": [{"token": "It", "logprob": -0.1}]}
    server.will(answer(completion({**choice(chat.ANSWER), "logprobs": tokens})))
    asked = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "call_0"}])
    failed = ToolMessage("No.", tool_call_id="call_0", status="error")
    with capture() as steps:
        model(server, logprobs=True).invoke([asked, failed], CONFIG)
    (call,) = steps

    assert call.context["messages"][1]["parts"][0]["is_error"] is True
    (token,) = call.result["messages"][0]["logprobs"]["content"]
    assert ("It", -0.1) == (token["token"], token["logprob"])


def test_citations() -> None:
    """A text keeps what it refers to."""
    link = {"type": "citation", "url": "https://paris.example/", "title": "Paris"}
    block: Any = {"type": "text", "text": "Paris.", "annotations": [link]}
    found = message_of(AIMessage([block]))

    assert [{"type": "text", "content": "Paris.", "annotations": [link]}] == (
        found["parts"]
    )


def test_answer_from_a_cache(server: LlmServer) -> None:
    """An answer from LangChain's cache uses no tokens, and says where it is from."""
    server.will(chat.TELLS)
    asks = model(server, cache=InMemoryCache())
    with capture() as steps:
        for _ in range(2):
            asks.invoke("Weather?", CONFIG)

    asked, found = steps
    assert chat.COUNTED == asked.result["usage"]
    assert "cache_hit" not in asked.result
    assert 1 == len(server.requests)
    assert found.result["cache_hit"] is True
    assert "usage" not in found.result
    assert asked.result["raw_usage"] == found.result["raw_usage"]


def test_text_between_blocks() -> None:
    """A text between blocks is recorded, though LangChain leaves it out."""
    thought = {"type": "thinking", "thinking": "Hm.", "index": 0}
    call = {"name": "get_weather", "args": {}, "id": "call_0"}
    said = AIMessage(
        ["", thought, "It is sunny."],
        tool_calls=[call],
        response_metadata={"model_provider": "anthropic"},
    )

    assert [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "It is sunny."},
        {"type": "tool_call", "name": "get_weather", "id": "call_0", "arguments": {}},
    ] == message_of(said)["parts"]
    twice = [{"type": "text", "text": "Hi."}, "Hi.", "Hi."]
    assert 3 == len(message_of(HumanMessage(twice))["parts"])
