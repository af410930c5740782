"""
A wrapped client is the client that it was.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import anthropic
import openai
import pytest
from llm_replies import QUESTION, block, choice, completion, message
from llm_server import LlmServer, answer

from ai_trace import TraceConfigError, Tracer
from ai_trace.integrations import _installed
from ai_trace.integrations import anthropic as for_anthropic
from ai_trace.integrations import openai as for_openai
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import unwrap, wrap_openai
from ai_trace.testing import capture


CLASSES = [
    (openai.OpenAI, wrap_openai, unwrap),
    (openai.AsyncOpenAI, wrap_openai, unwrap),
    (anthropic.Anthropic, wrap_anthropic, for_anthropic.unwrap),
    (anthropic.AsyncAnthropic, wrap_anthropic, for_anthropic.unwrap),
]
of_each_class = pytest.mark.parametrize(
    ("cls", "wrap", "undo"), CLASSES, ids=[cls.__name__ for cls, _, _ in CLASSES]
)


def ask(client: openai.OpenAI) -> Any:
    """Ask a question."""
    return client.chat.completions.create(model="gpt-5-mini", messages=QUESTION)


@of_each_class
def test_it_is_the_same_object(cls: Any, wrap: Any, undo: Any) -> None:
    """Wrapping returns the object that it was given, of the class that it was."""
    client = cls(api_key="sk-test")

    assert wrap(client) is client
    assert cls is type(client)


@of_each_class
def test_attributes_stay(cls: Any, wrap: Any, undo: Any) -> None:
    """Attributes, and the resources that the client keeps, stay the same objects."""
    client = cls(api_key="sk-test", timeout=3, max_retries=1)
    kept = client.models
    wrap(client)

    assert kept is client.models
    assert ("sk-test", 3, 1) == (client.api_key, client.timeout, client.max_retries)
    assert {"_ai_trace_before"} == {*dir(client)} - {*dir(cls(api_key="x"))}


@of_each_class
def test_methods_keep_their_signatures(cls: Any, wrap: Any, undo: Any) -> None:
    """What is replaced has the signature that it had, and is a coroutine if it was."""
    client, plain = wrap(cls(api_key="sk-test")), cls(api_key="sk-test")

    for name in ("request", "copy", "with_options"):
        one, other = getattr(plain, name), getattr(client, name)
        assert inspect.signature(one) == inspect.signature(other)
        assert inspect.iscoroutinefunction(one) == inspect.iscoroutinefunction(other)


@of_each_class
def test_wrapping_twice_and_unwrapping(cls: Any, wrap: Any, undo: Any) -> None:
    """Wrapping twice is wrapping once, and unwrapping leaves nothing behind."""
    client, plain = cls(api_key="sk-test"), cls(api_key="sk-test")
    wrap(wrap(client))

    assert undo(client) is client
    assert vars(plain).keys() == vars(client).keys()
    assert undo(undo(client)) is client


@of_each_class
def test_pickling_is_as_before(cls: Any, wrap: Any, undo: Any) -> None:
    """A client that cannot be pickled still cannot, for the reason that it had."""

    def attempt(client: Any) -> Any:
        try:
            return type(pickle.loads(pickle.dumps(client)))
        except (TypeError, AttributeError) as exc:
            return type(exc)

    assert attempt(cls(api_key="x")) is attempt(wrap(cls(api_key="x")))


def test_copies_are_as_before(server: LlmServer, client: openai.OpenAI) -> None:
    """A copy sends its own requests, not through the client it was made from."""
    server.will(answer(completion(choice())))
    with capture() as steps:
        other = copy.copy(client)
        other.api_key = "sk-other"
        ask(other)
        ask(client)
        ask(unwrap(other))

    keys = [request.headers["authorization"] for request in server.requests]
    assert ["Bearer sk-other", "Bearer sk-test", "Bearer sk-other"] == keys
    assert ["chat gpt-5-mini"] * 2 == steps.names
    assert vars(unwrap(client)).keys() == vars(other).keys()


def test_no_other_client_is_touched(server: LlmServer, client: openai.OpenAI) -> None:
    """A client that was not handed over is not recorded."""
    server.will(answer(completion(choice())))
    other = openai.OpenAI(base_url=client.base_url, api_key="x")
    with capture() as steps, other:
        ask(other)
        ask(client)

    assert ["chat gpt-5-mini"] == steps.names


def test_a_call_is_recorded_once(server: LlmServer, client: openai.OpenAI) -> None:
    """A client that is wrapped twice records a call once."""
    server.will(answer(completion(choice())))
    with capture() as steps:
        ask(wrap_openai(client))

    assert 1 == len(steps)


def test_unwrapped_client_is_not_recorded(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """After unwrapping, calls go through and are not recorded."""
    server.will(answer(completion(choice())))
    unwrap(client)
    with capture() as steps:
        assert "Paris." == ask(client).choices[0].message.content

    assert [] == list(steps)


def test_clients_made_from_it(server: LlmServer, client: openai.OpenAI) -> None:
    """What with_options and copy make of a wrapped client is recorded too."""
    server.will(answer(completion(choice())))
    with capture() as steps:
        ask(client.with_options(timeout=5))
        ask(client.copy(max_retries=1).with_options(timeout=5))

    assert ["chat gpt-5-mini"] * 2 == steps.names
    assert openai.OpenAI is type(client.with_options(timeout=5))


def test_resources_that_were_there_before(
    server: LlmServer, openai_options: dict[str, Any]
) -> None:
    """Resources and methods that the program kept before wrapping are recorded."""
    server.will(answer(completion(choice())))
    with openai.OpenAI(**openai_options) as client, capture() as steps:
        create = client.chat.completions.create
        raw = client.chat.completions.with_raw_response.create
        wrap_openai(client)
        create(model="gpt-5-mini", messages=QUESTION)
        raw(model="gpt-5-mini", messages=QUESTION)

    assert ["chat gpt-5-mini"] * 2 == steps.names


def test_without_a_tracer(server: LlmServer, client: openai.OpenAI) -> None:
    """Where no tracer is current, the call just goes through."""
    server.will(answer(completion(choice())))

    assert "Paris." == ask(client).choices[0].message.content


@pytest.mark.usefixtures("orphans_unsaid")
def test_a_tracer_that_is_not_current(server: LlmServer, client: openai.OpenAI) -> None:
    """A call that finds no current tracer, though one exists, is warned of once."""
    server.will(answer(completion(choice())))
    tracer = Tracer("agent", auto_save=False)
    with pytest.warns(RuntimeWarning, match="client was called where no tracer"):
        ask(client)
    ask(client)

    tracer.close()
    assert [] == list(tracer.steps)


def test_after_the_tracer_was_closed(server: LlmServer, client: openai.OpenAI) -> None:
    """A call in a tracer that is closed goes through, and is counted as lost."""
    server.will(answer(completion(choice())))
    with Tracer("agent", auto_save=False) as tracer:
        tracer.close()
        with pytest.warns(RuntimeWarning, match="after the tracer was closed"):
            assert "Paris." == ask(client).choices[0].message.content

    assert [1] == list(tracer.health()["step"].values())


def test_disabled(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AI_TRACE_DISABLED the call just goes through."""
    monkeypatch.setenv("AI_TRACE_DISABLED", "1")
    server.will(answer(completion(choice())))
    with Tracer("agent") as tracer:
        assert "Paris." == ask(client).choices[0].message.content

    assert ([], {}) == (list(tracer.steps), tracer.health())


def test_other_endpoints_are_left_alone(
    server: LlmServer, client: openai.OpenAI
) -> None:
    """A call that is none of a model makes no step."""
    server.will(answer({"id": "modr-1", "model": "m", "results": []}))
    with capture() as steps:
        client.moderations.create(input="harmless")

    assert [] == list(steps)


def test_what_is_sent_is_the_same(
    server: LlmServer, client: openai.OpenAI, openai_options: dict[str, Any]
) -> None:
    """The request is the same with and without wrapping, headers included."""
    server.will(answer(completion(choice())))
    with openai.OpenAI(**openai_options) as plain, capture():
        assert ask(plain) == ask(client)

    one, other = server.requests
    assert (one.path, one.body) == (other.path, other.body)
    varying = "x-stainless-read-timeout"
    assert {**one.headers, varying: ""} == {**other.headers, varying: ""}


@pytest.mark.parametrize("given", ["OpenAI", None, 3, object(), openai.OpenAI])
def test_not_a_client(given: Any) -> None:
    """What is not a client is refused, with what was given and what is accepted."""
    with pytest.raises(TraceConfigError) as caught:
        wrap_openai(given)

    assert "OpenAI or AsyncOpenAI" in str(caught.value)
    word = "class openai.OpenAI" if given is openai.OpenAI else type(given).__name__
    assert word in str(caught.value)


def test_client_of_another_library() -> None:
    """A client of Anthropic's is none of OpenAI's, and the other way round."""
    with pytest.raises(TraceConfigError, match=r"type anthropic\..*Anthropic"):
        wrap_openai(anthropic.Anthropic(api_key="x"))
    with pytest.raises(TraceConfigError, match=r"type openai\..*OpenAI"):
        wrap_anthropic(openai.OpenAI(api_key="x"))


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_missing_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library, one sentence names the line that installs it."""
    monkeypatch.setitem(sys.modules, name, None)
    wrap: Any = {"openai": wrap_openai, "anthropic": wrap_anthropic}[name]
    with pytest.raises(TraceConfigError) as caught:
        wrap(object())

    assert f"pip install 'ai-decision-tracer[{name}]>=1'" in str(caught.value)


def test_untested_version(
    monkeypatch: pytest.MonkeyPatch, openai_options: dict[str, Any]
) -> None:
    """A version outside the tested range works, and is warned of once."""
    monkeypatch.setattr(_installed.metadata, "version", lambda name: "4.0.1")
    monkeypatch.setattr(_installed, "_said", set())
    with openai.OpenAI(**openai_options) as client:
        with pytest.warns(RuntimeWarning, match=r"openai 4\.0\.1 .* below 4"):
            wrap_openai(client)
        wrap_openai(unwrap(client))


def test_tested_versions() -> None:
    """The versions that are said to be tested hold those that run here."""
    for module, room in ((openai, for_openai), (anthropic, for_anthropic)):
        (first,), (below,) = room._LIBRARY.versions
        assert first <= int(module.__version__.partition(".")[0]) < below


def test_nothing_is_imported_for_the_user() -> None:
    """Importing ai_trace and its integrations imports no library of theirs."""
    code = (
        "import ai_trace, ai_trace.integrations.openai, sys;"
        "import ai_trace.integrations.anthropic;"
        "print({'openai', 'anthropic', 'genai_prices', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "set()\n" == done.stdout


def test_other_clients_of_the_library(
    server: LlmServer, openai_options: dict[str, Any]
) -> None:
    """A client for Azure is recorded, under the name of its provider."""
    server.will(answer(completion(choice())))
    azure = openai.AzureOpenAI(
        azure_endpoint=server.address, api_key="x", api_version="2024-10-21"
    )
    with wrap_openai(azure), capture() as steps:
        ask(azure)

    assert ["chat gpt-5-mini"] == steps.names


def test_answers_of_an_async_client(
    server: LlmServer, anthropic_options: dict[str, Any]
) -> None:
    """An async client has one step for each call, whatever else runs."""
    server.will(answer(message(block())))

    async def main() -> list[Any]:
        async with wrap_anthropic(
            anthropic.AsyncAnthropic(**anthropic_options)
        ) as client:
            return await asyncio.gather(
                *(
                    client.messages.create(
                        model=f"claude-{number}", max_tokens=9, messages=QUESTION
                    )
                    for number in range(4)
                )
            )

    with capture() as steps:
        answers = asyncio.run(main())

    assert ["Paris."] * 4 == [one.content[0].text for one in answers]
    assert [f"chat claude-{n}" for n in range(4)] == sorted(steps.names)
    assert {"ok"} == {step.outcome for step in steps}


CLOUDS: dict[str, dict[str, Any]] = {
    "AnthropicAWS": {"api_key": "x", "workspace_id": "w"},
    "AnthropicBedrock": {"api_key": "x"},
    "AnthropicBedrockMantle": {"api_key": "x"},
    "AnthropicFoundry": {"api_key": "x"},
    "AnthropicVertex": {"access_token": "x", "project_id": "p"},
}


@pytest.mark.parametrize("name", CLOUDS)
def test_clients_for_other_clouds(server: LlmServer, name: str) -> None:
    """The clients for other clouds are recorded, whichever class they are made from."""
    server.will(answer(message(block())))
    options = {"aws_region": "eu-west-1", "region": "eu-west-1"}
    parameters = inspect.signature(getattr(anthropic, name)).parameters
    given = {key: options[key] for key in options if key in parameters}
    client = getattr(anthropic, name)(
        base_url=server.address, max_retries=0, **CLOUDS[name], **given
    )
    with wrap_anthropic(client), capture() as steps:
        client.messages.create(model="claude", max_tokens=9, messages=QUESTION)

    assert ["chat claude"] == steps.names
    assert "ok" == steps[0].outcome
