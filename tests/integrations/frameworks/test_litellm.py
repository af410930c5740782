"""
Calls that go through LiteLLM, recorded by one of its callbacks.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest


# Else LiteLLM asks the network for a table of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import weather_chat as chat
from llm_replies import embeddings
from llm_server import LlmServer, Reply, answer, serving

from ai_trace import step
from ai_trace.integrations import litellm as module
from ai_trace.integrations.litellm import LiteLLMSteps
from ai_trace.testing import CapturedSteps, capture


# What LiteLLM itself warns of.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning",
        "ignore::UserWarning",
    ),
    pytest.mark.usefixtures("current_loop"),
]


class Told:
    """
    A sink that says when a step has ended, since LiteLLM tells of it later.
    """

    def __init__(self) -> None:
        self._count = threading.Semaphore(0)

    def on_finish(self, record: object) -> None:
        """Count."""
        self._count.release()

    def wait(self, count: int = 1) -> None:
        """Wait for so many steps."""
        for _ in range(count):
            assert self._count.acquire(timeout=20)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    """A model that tells the weather."""
    with serving() as llm:
        llm.will(chat.TELLS)
        yield llm


@pytest.fixture
def recorded() -> Iterator[tuple[CapturedSteps, Told]]:
    """Register ours, and record."""
    told = Told()
    litellm.callbacks = [LiteLLMSteps()]
    with capture() as steps:
        steps.tracer.add_sink(told)
        yield steps, told
    litellm.callbacks = []


def asked(server: LlmServer, **more: Any) -> dict[str, Any]:
    """Return the arguments of a call."""
    return {
        "model": f"openai/{chat.MODEL}",
        "messages": [{"role": "user", "content": chat.QUESTION}],
        "api_base": f"{server.address}/v1",
        "api_key": "sk-of-the-test",
        "max_retries": 0,
        **more,
    }


def waits(until: threading.Event) -> Reply:
    """Return a reply that comes when an event does."""
    return chat.TELLS._replace(pieces=(until, *chat.TELLS.pieces))


def test_completion(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """A call holds messages, parameters, answer and usage in the common shape."""
    steps, told = recorded
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}
    with step("question"):
        found = litellm.completion(**asked(server, tools=[tool], user="ann"))
        told.wait()

    assert chat.ANSWER == found.choices[0].message.content
    assert {} == steps.tracer.health()
    assert [("step", "question", None), ("llm", "chat gpt-5-mini", "question")] == (
        chat.parents(steps)
    )
    call = steps.named("chat gpt-5-mini")
    assert {
        "provider": "openai",
        "server": server.address.partition("//")[2],
        "operation": "chat",
        "model": chat.MODEL,
        "messages": [
            {"role": "user", "parts": [{"type": "text", "content": chat.QUESTION}]}
        ],
        "tools": [{"type": "function", "name": "get_weather", "parameters": {}}],
    }.items() <= call.context.items()
    assert "ann" == call.context["parameters"]["user"]
    assert "sk-of-the-test" not in str(call.to_dict())
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])
    assert ["stop"] == call.result["finish_reasons"]
    assert chat.COUNTED.items() <= call.result["usage"].items()
    assert 0 < call.duration_ms < 20_000


def test_an_id_used_again(
    server: LlmServer, recorded: tuple[CapturedSteps, Told]
) -> None:
    """Each call is recorded, though the program gives all of them the same id."""
    steps, told = recorded
    for _ in range(2):
        litellm.completion(**asked(server, litellm_call_id="of-this-job"))
        told.wait()

    assert ["ok", "ok"] == [one.outcome for one in steps]


def test_an_id_used_at_the_same_time(
    server: LlmServer, recorded: tuple[CapturedSteps, Told]
) -> None:
    """Overlapping calls are kept apart, even if they all have the same id."""
    steps, _ = recorded
    may_go_on = threading.Event()
    server.will(waits(may_go_on), chat.TELLS)

    async def ask(user: str) -> None:
        await litellm.acompletion(
            **asked(server, litellm_call_id="of-this-job", user=user)
        )

    async def main() -> None:
        first = asyncio.create_task(ask("ann"))
        await asyncio.to_thread(server.asked.wait, 20)
        await ask("bob")
        may_go_on.set()
        await first

    asyncio.run(main())

    assert [("bob", "ok"), ("ann", "ok")] == [
        (one.context["parameters"]["user"], one.outcome) for one in steps
    ]


def test_tool_call(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """What the model asks for is a part of its answer."""
    steps, told = recorded
    server.will(chat.ASKS)
    litellm.completion(**asked(server))
    told.wait()

    part = steps[0].result["messages"][0]["parts"][0]
    assert ("call_0", "get_weather", {"city": "Paris"}) == (
        part["id"],
        part["name"],
        part["arguments"],
    )


def test_async(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """Concurrent calls are below the steps that made them."""
    steps, told = recorded

    async def one(number: int) -> None:
        with step(f"question {number}"):
            await litellm.acompletion(**asked(server))

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(3)))
        await asyncio.to_thread(told.wait, 6)

    asyncio.run(main())

    calls = [record for record in steps if record.kind == "llm"]
    questions = [record for record in steps if record.kind == "step"]
    assert {record.id for record in questions} == {call.parent_id for call in calls}
    assert {"ok"} == {call.outcome for call in calls}


@pytest.mark.parametrize("is_async", [False, True])
def test_stream(
    server: LlmServer, recorded: tuple[CapturedSteps, Told], is_async: bool
) -> None:
    """A stream is recorded when it has come to its end, whole."""
    steps, told = recorded
    server.will(chat.STREAMS)
    arguments = asked(server, stream=True, stream_options={"include_usage": True})

    async def streams() -> list[Any]:
        found = [one async for one in await litellm.acompletion(**arguments)]
        await asyncio.to_thread(told.wait)
        return found

    if is_async:
        found = asyncio.run(streams())
    else:
        found = list(litellm.completion(**arguments))
        told.wait()

    texts = [one.choices[0].delta.content for one in found if one.choices]
    assert chat.ANSWER == "".join(text for text in texts if text)
    (call,) = steps
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])
    assert 20 == call.result["usage"]["input_tokens"]
    assert 0 < call.result["time_to_first_chunk"] <= call.duration_ms / 1000


@pytest.mark.parametrize("is_async", [False, True])
def test_errors(
    server: LlmServer, recorded: tuple[CapturedSteps, Told], is_async: bool
) -> None:
    """What the server refuses is the error that the program sees."""
    steps, told = recorded
    server.will(chat.FAILS)

    async def main() -> None:
        with pytest.raises(litellm.AuthenticationError):
            await litellm.acompletion(**asked(server))
        await asyncio.to_thread(told.wait)

    if is_async:
        asyncio.run(main())
    else:
        with pytest.raises(litellm.AuthenticationError):
            litellm.completion(**asked(server))
        told.wait()

    (call,) = steps
    assert "error" == call.outcome
    assert str(call.error).startswith("AuthenticationError")
    assert "no such key" in str(call.error)


def test_the_loop_ends_with_the_call(
    server: LlmServer, recorded: tuple[CapturedSteps, Told]
) -> None:
    """An awaited call has ended when it returns, even as the loop's last."""
    steps, _ = recorded
    asyncio.run(litellm.acompletion(**asked(server)))

    (call,) = steps
    assert "ok" == call.outcome
    assert [chat.ANSWER] == chat.texts(call.result["messages"][0])


def test_told_of_twice(recorded: tuple[CapturedSteps, Told]) -> None:
    """An awaited call is recorded once, though LiteLLM reports it again."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    call = {"litellm_call_id": str(uuid4()), "call_type": "acompletion"}
    request = {"litellm_logging_obj": SimpleNamespace(model_call_details=call)}
    answered = litellm.ModelResponse(choices=[{"message": {"content": "Hi."}}])

    async def main() -> None:
        hooks.log_pre_api_call("m", [], call)
        await hooks.async_post_call_success_deployment_hook(request, answered, None)
        await hooks.async_log_success_event(call, answered, None, None)

    asyncio.run(main())

    (found,) = steps
    assert ("ok", ["Hi."]) == (found.outcome, chat.texts(found.result["messages"][0]))


@pytest.mark.parametrize("is_async", [False, True])
def test_fallback(
    server: LlmServer, recorded: tuple[CapturedSteps, Told], is_async: bool
) -> None:
    """A model that failed and the one asked instead have ended when it answers."""
    steps, _ = recorded
    server.will(chat.FAILS, chat.TELLS)
    arguments = asked(server, fallbacks=["openai/other"])
    if is_async:
        asyncio.run(litellm.acompletion(**arguments))
    else:
        litellm.completion(**arguments)

    assert [("chat gpt-5-mini", "error"), ("chat other", "ok")] == [
        (one.name, one.outcome) for one in steps
    ]


def test_cancelled(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """A call whose task is cancelled ends with it."""
    steps, _ = recorded
    never = threading.Event()
    server.will(waits(never))

    async def main() -> None:
        call = asyncio.create_task(litellm.acompletion(**asked(server)))
        await asyncio.to_thread(server.asked.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    never.set()

    assert ["cancelled"] == [one.outcome for one in steps]


def test_given_up(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """A call that its task gave up, as at a timeout of its own, ends with the task."""
    steps, _ = recorded
    never = threading.Event()
    server.will(waits(never))

    async def main() -> None:
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        seen = loop.run_in_executor(None, server.asked.wait, 20)
        seen.add_done_callback(lambda _: task.cancel())
        with pytest.raises(asyncio.CancelledError):
            await litellm.acompletion(**asked(server))

    asyncio.run(main())
    never.set()

    assert ["closed"] == [one.outcome for one in steps]


def test_plain_call_in_a_task(recorded: tuple[CapturedSteps, Told]) -> None:
    """A call that is not awaited does not end with the task that makes it."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    call = {"litellm_call_id": str(uuid4()), "call_type": "completion"}

    async def main() -> None:
        hooks.log_pre_api_call("m", [], call)

    asyncio.run(main())
    hooks.log_success_event(call, None, None, None)

    assert ["ok"] == [one.outcome for one in steps]


def test_messages_turned_off(
    server: LlmServer,
    recorded: tuple[CapturedSteps, Told],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where LiteLLM takes away what was said, a call that is awaited tells it not."""
    steps, told = recorded
    monkeypatch.setattr(litellm, "turn_off_message_logging", True)

    async def main() -> None:
        await litellm.acompletion(**asked(server))
        await asyncio.to_thread(told.wait)

    asyncio.run(main())

    (call,) = steps
    assert "ok" == call.outcome
    assert chat.ANSWER not in str(call.result)
    assert chat.COUNTED.items() <= call.result["usage"].items()


def test_embeddings(server: LlmServer, recorded: tuple[CapturedSteps, Told]) -> None:
    """Embeddings are recorded without their vectors."""
    steps, told = recorded
    server.will(answer(embeddings([0.5, 0.25])))
    litellm.embedding(
        model="openai/small",
        input=["a"],
        api_base=f"{server.address}/v1",
        api_key="sk-of-the-test",
    )
    told.wait()

    (call,) = steps
    assert ("embedding", "embeddings small") == (call.kind, call.name)
    assert ["a"] == call.context["input"]
    assert 2 == call.result["dimensions"]
    assert "0.25" not in str(call.result)


def test_answer_in_another_form(recorded: tuple[CapturedSteps, Told]) -> None:
    """A response of a model that knows chat completions alone is a call like any."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    call = {"litellm_call_id": str(uuid4()), "call_type": "responses"}
    answered = litellm.ModelResponse(
        choices=[{"message": {"content": "Hi."}}],
        usage={"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
    )
    hooks.log_pre_api_call("m", "Hello?", call)
    hooks.log_success_event(call, answered, None, None)

    (found,) = steps
    assert ["Hello?"] == chat.texts(found.context["messages"][0])
    assert ["Hi."] == chat.texts(found.result["messages"][0])
    assert {"input_tokens": 20, "output_tokens": 8} == found.result["usage"]


def test_never_begun(recorded: tuple[CapturedSteps, Told]) -> None:
    """A call of which only the end is reported is recorded once."""
    from datetime import datetime

    steps, _ = recorded
    hooks = LiteLLMSteps()
    call = {
        "litellm_call_id": str(uuid4()),
        "call_type": "completion",
        "model": "openai/m",
        "custom_llm_provider": "openai",
        "cache_hit": True,
    }
    answered = litellm.ModelResponse(
        choices=[{"message": {"content": "Hi."}}],
        usage={"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
    )
    for _ in range(2):
        now = datetime.now()  # noqa: DTZ005  (as LiteLLM does it)
        hooks.log_success_event(call, answered, now, now)

    (found,) = steps
    assert ("chat m", True) == (found.name, found.result["cache_hit"])
    assert ("openai", "m") == (found.context["provider"], found.context["model"])
    # Nothing was used this time.
    assert {"usage", "cost"}.isdisjoint(found.result)
    assert 20 == found.result["raw_usage"]["prompt_tokens"]
    assert ["Hi."] == chat.texts(found.result["messages"][0])


def test_other_calls(recorded: tuple[CapturedSteps, Told]) -> None:
    """A call of another kind is a plain step with what was asked and answered."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    call = {
        "litellm_call_id": str(uuid4()),
        "call_type": "rerank",
        "optional_params": {"top_n": 2},
    }
    hooks.log_pre_api_call("r", "query", call)
    hooks.log_success_event(call, {"results": [1]}, None, None)

    (found,) = steps
    assert ("step", "rerank r") == (found.kind, found.name)
    assert {"top_n": 2, "messages": "query"} == found.context["asked"]
    assert {"response": {"results": [1]}} == found.result


@pytest.mark.parametrize(
    "call",
    [
        {"call_type": "completion", "stream": True},
        {"call_type": "acompletion", "stream": True},
        {"call_type": "arerank"},
    ],
)
def test_ends_that_nobody_reports(
    recorded: tuple[CapturedSteps, Told], call: dict[str, Any]
) -> None:
    """At most a thousand calls are kept whose end may never be reported."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    for _ in range(1_100):
        hooks.log_pre_api_call("m", [], {"litellm_call_id": str(uuid4()), **call})

    assert 1_000 == len(steps.tracer._recorder.open_steps)
    assert {"closed"} == {record.outcome for record in steps}


@pytest.mark.parametrize("kind", ["completion", "acompletion"])
def test_many_at_once(recorded: tuple[CapturedSteps, Told], kind: str) -> None:
    """However many calls are open at once, each is recorded once, with its answer."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    answered = litellm.ModelResponse(choices=[{"message": {"content": "Hi."}}])
    calls: list[dict[str, Any]] = [
        {"litellm_call_id": str(uuid4()), "call_type": kind} for _ in range(1_300)
    ]

    async def main() -> None:
        for call in calls:
            hooks.log_pre_api_call("m", [], call)
        for call in calls:
            request = {"litellm_logging_obj": SimpleNamespace(model_call_details=call)}
            await hooks.async_post_call_success_deployment_hook(request, answered, None)
        for call in calls:
            await hooks.async_log_success_event(call, answered, None, None)

    asyncio.run(main())

    assert [("ok", ["Hi."])] * 1_300 == [
        (one.outcome, chat.texts(one.result["messages"][0])) for one in steps
    ]


def test_nothing_is_kept(recorded: tuple[CapturedSteps, Told]) -> None:
    """After ten thousand calls nothing of them is left."""
    steps, _ = recorded
    hooks = LiteLLMSteps()
    for number in range(10_000):
        call = {
            "litellm_call_id": str(uuid4()),
            "call_type": "completion",
            "stream": number % 2 == 0,
        }
        hooks.log_pre_api_call("m", [], call)
        hooks.log_success_event(call, None, None, None)

    assert {} == dict(module._open)
    assert {} == dict(module._unsure)
    assert {} == steps.tracer._recorder.open_steps
    assert 10_000 == len(steps)


def test_without_a_tracer(server: LlmServer) -> None:
    """Where no tracer is current, a call is what it was."""
    litellm.callbacks = [LiteLLMSteps()]
    found = litellm.completion(**asked(server))
    litellm.callbacks = []

    assert chat.ANSWER == found.choices[0].message.content


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the import names the command that installs it."""
    import ai_trace

    monkeypatch.setitem(sys.modules, "litellm.integrations.custom_logger", None)
    monkeypatch.delitem(sys.modules, "ai_trace.integrations.litellm")
    with pytest.raises(ai_trace.TraceError) as caught:
        import ai_trace.integrations.litellm

    assert "pip install 'ai-decision-tracer[litellm]>=1'" in str(caught.value)
