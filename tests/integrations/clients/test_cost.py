"""
What a call cost: known, or absent.
"""

from __future__ import annotations

from typing import Any

import anthropic
import genai_prices
import openai
import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from llm_replies import (
    CHAT_USAGE,
    QUESTION,
    asked_for_tool,
    block,
    choice,
    completion,
    message,
    response,
    said,
)
from llm_server import LlmServer, answer, stream

from ai_trace.integrations import _prices
from ai_trace.integrations._fields import counts
from ai_trace.integrations._prices import cost
from ai_trace.integrations._servers import provider_at
from ai_trace.integrations._usage import anthropic_usage, openai_usage, usage
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import capture


ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": QUESTION}
TABLE = f"genai-prices {genai_prices.__version__}"
MILLION = 1_000_000
USAGE = {**CHAT_USAGE, "completion_tokens_details": {"audio_tokens": None}}
CLAUDE_USAGE = {
    "input_tokens": 4,
    "output_tokens": 8,
    "cache_creation": {"ephemeral_1h_input_tokens": 5, "ephemeral_5m_input_tokens": 1},
    "server_tool_use": None,
    "service_tier": "standard",
}


@pytest.fixture
def hosted(server: LlmServer, openai_options: dict[str, Any]) -> Any:
    """Return a client that asks api.openai.com, by way of the server as a proxy."""
    http = openai.DefaultHttpxClient(proxy=server.address)
    options = {**openai_options, "base_url": "http://api.openai.com/v1"}
    with wrap_openai(openai.OpenAI(**options, http_client=http)) as client:
        yield client


def test_cost_of_a_call(server: LlmServer, hosted: openai.OpenAI) -> None:
    """A call of a known model at its provider has its cost beside its usage."""
    usage = {"prompt_tokens": MILLION, "completion_tokens": MILLION}
    server.will(answer(completion(choice(), model="gpt-4o-2024-08-06", usage=usage)))
    with capture() as steps:
        hosted.chat.completions.create(**ASKED)

    (record,) = steps
    assert "server" not in record.context
    assert {
        "usd": 12.5,
        "input_usd": 2.5,
        "output_usd": 10.0,
        "prices": TABLE,
    } == record.result["cost"]


def test_unknown_model(server: LlmServer, hosted: openai.OpenAI) -> None:
    """A model that the table has not costs nothing that is known."""
    server.will(answer(completion(choice(), model="my-finetuned-thing")))
    with capture() as steps:
        hosted.chat.completions.create(**{**ASKED, "model": "my-finetuned-thing"})

    assert "cost" not in steps[0].result


def test_unknown_server(server: LlmServer, client: openai.OpenAI) -> None:
    """A server that only speaks OpenAI's wire may have prices of its own."""
    server.will(answer(completion(choice(), model="gpt-4o")))
    with capture() as steps:
        client.chat.completions.create(**ASKED)

    assert "cost" not in steps[0].result
    assert server.address.endswith(steps[0].context["server"])


def test_server_that_changes(server: LlmServer, client: openai.OpenAI) -> None:
    """Who is asked is the server of the moment, not that of the first call."""
    server.will(answer(completion(choice(), model="gpt-4o")))
    with capture() as steps:
        client.chat.completions.create(**ASKED)
        client.base_url = server.address.replace("127.0.0.1", "localhost") + "/v1"
        client.chat.completions.create(**ASKED)

    assert ["127.0.0.1", "localhost"] == [
        step.context["server"].partition(":")[0] for step in steps
    ]


def test_class_that_finds_its_server(
    server: LlmServer, openai_options: dict[str, Any]
) -> None:
    """If a class chooses its own server, that server is recorded."""

    class Elsewhere(openai.OpenAI):
        @property
        def base_url(self) -> Any:
            return self._base_url.copy_with(host="localhost")

        @base_url.setter
        def base_url(self, url: Any) -> None:
            self._base_url = url

    server.will(answer(completion(choice(), model="gpt-4o")))
    with wrap_openai(Elsewhere(**openai_options)) as client, capture() as steps:
        client.chat.completions.create(**ASKED)

    assert steps[0].context["server"].startswith("localhost:")


def test_other_tier(server: LlmServer, hosted: openai.OpenAI) -> None:
    """A tier of service with prices of its own has no cost that is known."""
    server.will(answer(completion(choice(), model="gpt-4o", service_tier="flex")))
    with capture() as steps:
        hosted.chat.completions.create(**ASKED)

    assert "flex" == steps[0].result["service_tier"]
    assert "cost" not in steps[0].result


def test_without_the_extra(
    server: LlmServer, hosted: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the price table there is no cost, and nothing else is missing."""
    monkeypatch.setattr(_prices, "_prices", False)
    server.will(answer(completion(choice(), model="gpt-4o")))
    with capture() as steps:
        hosted.chat.completions.create(**ASKED)

    assert "cost" not in steps[0].result
    assert 20 == steps[0].result["usage"]["input_tokens"]
    assert {} == steps.tracer.health()


@pytest.mark.parametrize(
    ("host", "provider", "server"),
    [
        ("api.openai.com", "openai", None),
        ("eu.api.openai.com", "openai", "itself"),
        ("us-east-1.api.x.ai", "x_ai", "itself"),
        ("mine.openai.azure.com", "azure.ai.openai", None),
        ("mine.cognitiveservices.azure.com", "azure.ai.openai", None),
        ("mine.services.ai.azure.com", "azure.ai.inference", None),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock", None),
        ("bedrock-mantle.us-east-1.api.aws", "aws.bedrock", None),
        ("aiplatform.googleapis.com", "gcp.vertex_ai", None),
        ("us-east5-aiplatform.googleapis.com", "gcp.vertex_ai", "itself"),
        ("aiplatform.us.rep.googleapis.com", "gcp.vertex_ai", "itself"),
        ("ec2-1-2-3-4.compute-1.amazonaws.com", "openai", "itself"),
        ("models-1.us-east-1.elb.amazonaws.com", "openai", "itself"),
        ("runtime.sagemaker.us-east-1.amazonaws.com", "openai", "itself"),
        ("notbedrock.example", "openai", "itself"),
    ],
)
def test_who_answers(host: str, provider: str, server: str | None) -> None:
    """A cloud's model is known by the server; what else runs in a cloud is not one."""
    address = host if server == "itself" else None

    assert (provider, address) == provider_at(host, None, "openai")


def test_cached_tokens_are_counted_once() -> None:
    """Anthropic's cached tokens are part of the input, and priced as what they are."""
    raw = {
        "input_tokens": MILLION,
        "output_tokens": 0,
        "cache_read_input_tokens": MILLION,
        "cache_creation_input_tokens": MILLION,
    }
    usage = anthropic_usage(raw)
    paid = cost("anthropic", "claude-haiku-4-5-20251001", usage, raw)

    assert 3 * MILLION == usage["input_tokens"]
    assert paid is not None
    assert pytest.approx(1.0 + 0.1 + 1.25) == paid["input_usd"]


@pytest.mark.parametrize(
    "raw",
    [
        {"input_tokens": 9, "output_tokens": 9, "service_tier": "priority"},
        {
            "input_tokens": 9,
            "output_tokens": 9,
            "cache_creation": {"ephemeral_1h_input_tokens": 5},
        },
        {"input_tokens": 9, "output_tokens": 9, "speed": "fast"},
        {"input_tokens": 9, "output_tokens": 9, "inference_geo": "us"},
        {
            "input_tokens": 9,
            "output_tokens": 9,
            "server_tool_use": {"web_search_requests": 1},
        },
    ],
)
def test_tokens_with_prices_of_their_own(raw: dict[str, Any]) -> None:
    """Where other prices apply, there is no cost rather than a wrong one."""
    assert cost("anthropic", "claude-haiku-4-5", anthropic_usage(raw), raw) is None


SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
BY_CALL = [
    SEARCHED,
    {"type": "file_search_call", "id": "fs_1", "queries": ["Paris"]},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "c"},
    {"type": "image_generation_call", "id": "ig_1", "result": None},
    {"type": "shell_call", "id": "sh_1", "environment": {"type": "container"}},
]
BY_TOKENS = [
    {"type": "mcp_call", "id": "mcp_1", "name": "n", "arguments": "{}"},
    {"type": "computer_call", "id": "cu_1", "call_id": "call_1"},
    {"type": "shell_call", "id": "sh_1", "environment": {"type": "local"}},
    asked_for_tool(),
]


@pytest.mark.parametrize("item", BY_CALL, ids=lambda one: str(one["type"]))
@pytest.mark.parametrize("is_stream", [False, True])
def test_tools_of_the_provider(
    server: LlmServer, hosted: openai.OpenAI, item: dict[str, Any], is_stream: bool
) -> None:
    """Tools that are paid by the call leave no cost that is of tokens alone."""
    whole = response(item, said("Paris."))
    server.will(
        stream({"type": "response.completed", "response": whole}, done=False)
        if is_stream
        else answer(whole)
    )
    with capture() as steps:
        found = hosted.responses.create(
            model="gpt-5-mini", input="Hi.", stream=is_stream
        )
        if is_stream:
            list(found)

    assert "cost" not in steps[0].result
    assert item["type"] == steps[0].result["messages"][0]["parts"][0]["type"]


@pytest.mark.parametrize("item", BY_TOKENS, ids=lambda one: str(one["type"]))
def test_tools_that_cost_tokens(
    server: LlmServer, hosted: openai.OpenAI, item: dict[str, Any]
) -> None:
    """Tools for which a provider takes nothing but tokens have a cost."""
    server.will(answer(response(item, said("Paris."))))
    with capture() as steps:
        hosted.responses.create(model="gpt-5-mini", input="Hi.")

    assert 0 < steps[0].result["cost"]["usd"]


def test_what_tools_used(server: LlmServer, hosted: openai.OpenAI) -> None:
    """What the provider's tools used is recorded as the provider reports it."""
    used = {"web_search": {"num_requests": 2}}
    server.will(answer(response(SEARCHED, said("Paris."), tool_usage=used)))
    with capture() as steps:
        hosted.responses.create(model="gpt-5-mini", input="Hi.")

    assert used == steps[0].result["tool_usage"]


@pytest.mark.parametrize(
    ("name", "is_known"),
    [("code_execution", False), ("web_search", False), ("web_fetch", True)],
)
def test_tools_on_a_server(name: str, is_known: bool) -> None:
    """Of the tools that Anthropic runs, only those that cost tokens are priced."""
    parts = [{"type": "server_tool_use", "name": name}]
    counts = {"input_tokens": 9, "output_tokens": 9}
    paid = cost("anthropic", "claude-haiku-4-5", counts, messages=[{"parts": parts}])

    assert is_known == (paid is not None)


def turn(model: str | None = None, kind: str = "message") -> dict[str, Any]:
    """Return the usage of one of the requests that a call of Anthropic's became."""
    about = {"type": kind, "input_tokens": 9, "output_tokens": 9}
    return about if model is None else {**about, "model": model}


@pytest.mark.parametrize(
    ("turns", "is_known"),
    [
        ([turn()], True),
        ([turn(), turn()], True),
        ([turn("claude-haiku-4-5"), turn("claude-haiku-4-5")], True),
        # The tokens of a compaction are in no count but its own.
        ([turn(kind="compaction"), turn()], False),
        ([turn(kind="advisor_message"), turn()], False),
        # One model refused, and another answered.
        ([turn("claude-opus-4-5"), turn(kind="fallback_message")], False),
        ([turn("claude-opus-4-5"), turn("claude-haiku-4-5")], False),
        ("some", False),
    ],
)
def test_calls_that_became_several(
    server: LlmServer, claude: anthropic.Anthropic, turns: Any, is_known: bool
) -> None:
    """Where the one count does not cover all that was asked, the cost is not known."""
    used = {"input_tokens": 9, "output_tokens": 9, "iterations": turns}
    server.will(answer(message(block(), usage=used)))
    with capture() as steps:
        claude.beta.messages.create(model="m", max_tokens=9, messages=ASKED["messages"])
    result = steps[0].result
    found = (result["usage"], result["raw_usage"])

    assert used == result["raw_usage"]
    assert is_known == (cost("anthropic", "claude-haiku-4-5", *found) is not None)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({"fallback_credit": {"status": "redeemed"}}, []),
        ({}, [{"type": "fallback", "from": {"model": "claude-opus-4-5"}}]),
    ],
)
def test_fallback(raw: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """What was tried before another model answered is in no count."""
    used = {"input_tokens": 9, "output_tokens": 9}
    asked = ("anthropic", "claude-haiku-4-5", used)

    assert cost(*asked) is not None
    assert cost(*asked, raw, messages=[{"parts": parts}]) is None


@pytest.mark.parametrize(
    "messages", ["Hi.", ["Hi."], [{"parts": 3}], [{"parts": ["Hi.", {"type": []}]}]]
)
def test_messages_of_unknown_shape(messages: Any) -> None:
    """Messages of any shape from other libraries do not remove the cost."""
    counts = {"input_tokens": 9, "output_tokens": 9}

    assert cost("openai", "gpt-4o", counts, messages=messages) is not None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-search-preview"),
        ("perplexity", "sonar-deep-research"),
        # Each request has a price, which depends on how much is searched.
        ("perplexity", "sonar"),
        ("google", "gemini-2.5-flash-image"),
    ],
)
def test_models_that_charge_for_more(provider: str, model: str) -> None:
    """A model that is paid for what no count of tokens tells has no cost."""
    assert cost(provider, model, {"input_tokens": 9, "output_tokens": 9}) is None


PROVIDERS = ("anthropic", "deepseek", "google", "openai", "perplexity")
COUNTS = [(9, 1, 0, 0), (9_000, 700, 4_000, 0), (2_000_000, 9, 1_000_000, 500_000)]


# Sorts of tokens of which no usage tells, as the table says their prices.
MORE = ("citation", "image", "reasoning", "requests", "video")


def told_by_the_table(
    provider: str, model: str, counts: tuple[int, ...]
) -> list[float] | None:
    """Return what the table says of a call: all, input, output; ``None`` if unknown."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    usage = genai_prices.Usage(**{name: n for name, n in zip(names, counts) if n})
    try:
        price = genai_prices.calc_price(usage, model, provider_id=provider)
    except LookupError:
        return None
    if "-search" in model or any(sort in repr(price.model.prices) for sort in MORE):
        return None
    amounts = (price.total_price, price.input_price, price.output_price)
    return [float(round(amount, 12)) for amount in amounts]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_price_is_that_of_the_table(provider: str) -> None:
    """The cost of each model is that of the table, however that computes it."""
    (found,) = [one for one in providers if one.id == provider]
    for model in found.models:
        for numbers in COUNTS:
            paid = cost(provider, model.id, usage(*numbers))

            assert told_by_the_table(provider, model.id, numbers) == (
                paid and [paid["usd"], paid["input_usd"], paid["output_usd"]]
            )


@pytest.mark.parametrize("model", ["gpt-4o", "my-finetuned-thing"])
def test_table_is_asked_once_a_model(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """What a token costs is asked once, not in each call: the table is slow."""
    monkeypatch.setattr(_prices, "_learnt", {})
    asked: list[str] = []
    calc_price = genai_prices.calc_price

    def counting(*args: Any, **kwargs: Any) -> Any:
        asked.append(args[1])
        return calc_price(*args, **kwargs)

    monkeypatch.setattr(genai_prices, "calc_price", counting)
    usage = {"input_tokens": 9, "output_tokens": 9}
    first = cost("openai", model, usage)
    count = len(asked)

    assert [first] * 50 == [cost("openai", model, usage) for _ in range(50)]
    assert 0 < count == len(asked)


def test_table_that_was_replaced() -> None:
    """A program may set another table: its prices hold from then on."""
    usage = {"input_tokens": 9, "output_tokens": 9}
    before = cost("openai", "gpt-4o", usage)
    others = [one for one in providers if one.id != "openai"]
    set_custom_snapshot(DataSnapshot(providers=others, from_auto_update=False))
    try:
        assert cost("openai", "gpt-4o", usage) is None
    finally:
        set_custom_snapshot(None)

    assert before is not None
    assert before == cost("openai", "gpt-4o", usage)


def test_counts_that_contradict_each_other() -> None:
    """More cached tokens than tokens: counts are kept as given, without a cost."""
    raw = {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 5},
    }
    usage = openai_usage(raw)

    assert {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_read_input_tokens": 5,
    } == usage
    assert cost("openai", "gpt-4o", usage, raw) is None


def used(total: int | None, thought: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a usage in which 10 tokens went in and 5 came out."""
    details = {"completion_tokens_details": {"reasoning_tokens": thought}}
    counted = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": total}
    return {**counted, **({} if thought is None else details), **more}


@pytest.mark.parametrize(
    ("raw", "came_out", "is_known"),
    [
        (used(15), 5, True),
        (used(None), 5, True),
        (used(15, 4), 5, True),
        # xAI counts reasoning beside the answer.
        (used(22, 7), 12, True),
        # Some servers have it in the total alone.
        (used(22), 5, False),
        (used(22, 4), 5, False),
        (used(15, num_sources_used=0), 5, True),
        (used(15, num_sources_used=3), 5, False),
        (used(15, num_server_side_tools_used=1), 5, False),
    ],
)
def test_totals_of_other_servers(
    raw: dict[str, Any], came_out: int, is_known: bool
) -> None:
    """Reasoning is part of the output; where the total says more, there is no cost."""
    usage = openai_usage(raw)

    assert came_out == usage["output_tokens"]
    assert is_known == (cost("x_ai", "grok-4", usage, raw) is not None)


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_tokens_details": {"cached_tokens": 4}},
        {"prompt_tokens_details": None, "prompt_cache_hit_tokens": 4},
        {"cached_tokens": 4},
    ],
)
def test_cached_tokens_of_other_servers(more: dict[str, Any]) -> None:
    """DeepSeek and Moonshot have names of their own for what came from a cache."""
    assert 4 == openai_usage(used(15, **more))["cache_read_input_tokens"]


MODELS = [
    (openai.types.chat.ChatCompletion, completion(choice(), usage=USAGE)),
    (openai.types.responses.Response, response(said("Paris."))),
    (anthropic.types.Message, message(block(), usage=CLAUDE_USAGE)),
]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"unknown": 1},
        {"total_tokens": "many", "input_tokens": [1, {"a": 1}]},
        {"completion_tokens_details": {"reasoning_tokens": 1, "unknown": {"b": None}}},
        {"output_tokens_details": {"reasoning_tokens": {"c": 1.5}}},
    ],
)
@pytest.mark.parametrize(("cls", "raw"), MODELS)
def test_raw_usage_is_as_the_library_tells_it(
    cls: Any, raw: dict[str, Any], more: dict[str, Any]
) -> None:
    """The provider's own counts are those that a model of the library was made of."""
    given = {**raw, "usage": {**raw["usage"], **more}}
    usage = cls.construct(**given).usage

    assert usage.model_dump(exclude_unset=True, warnings=False) == counts(usage)
    assert given["usage"] == counts(usage)


@pytest.mark.parametrize("raw", [None, {}, [], "many", {"prompt_tokens": "ten"}, 3])
def test_usage_of_unknown_shape(raw: Any) -> None:
    """Values that are not counts of tokens are ignored."""
    assert ({}, {}) == (openai_usage(raw), anthropic_usage(raw))


@pytest.mark.parametrize(
    ("model", "is_known"), [("gpt-4o", False), ("text-embedding-3-small", True)]
)
def test_output_that_is_not_counted(model: str, is_known: bool) -> None:
    """Without a count of the output the cost is known only where output is free."""
    assert is_known == (cost("openai", model, {"input_tokens": 9}) is not None)


def caching() -> Any:
    """Return a middleware that keeps the first answer, and gives it from then on."""
    kept: list[Any] = []

    def keep(request: Any, call_next: Any) -> Any:
        if not kept:
            kept.append(call_next(request).parse())
        return kept[0]

    return keep


def test_answer_of_a_cache(
    server: LlmServer, anthropic_options: dict[str, Any]
) -> None:
    """An answer that a middleware had kept used no tokens, and cost nothing."""
    server.will(answer(message(block(), usage=CLAUDE_USAGE)))
    options = {**anthropic_options, "middleware": [caching()]}
    asked: Any = {"model": "claude", "max_tokens": 9, "messages": QUESTION}
    with wrap_anthropic(anthropic.Anthropic(**options)) as claude:
        with capture() as steps:
            claude.messages.create(**asked)
            claude.messages.create(**asked)
    first, second = (step.result for step in steps)

    assert 1 == len(server.requests)
    assert first["messages"] == second["messages"]
    assert 8 == first["usage"]["output_tokens"]
    assert second["cache_hit"] is True
    assert second.keys().isdisjoint({"usage", "cost"})


def test_requests_that_cannot_be_counted(
    server: LlmServer, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the program has replaced what counts requests, no cache is presumed."""
    server.will(answer(completion(choice())))
    monkeypatch.setattr(client, "_prepare_request", lambda request: None)
    with capture() as steps:
        client.chat.completions.create(**ASKED)

    assert 8 == steps[0].result["usage"]["output_tokens"]
