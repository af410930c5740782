"""
Spans of libraries that are instrumented with OpenTelemetry, made into steps.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import weakref
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import Span, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
)

from ai_trace import Tracer, reading, step, traced
from ai_trace.integrations import _genai
from ai_trace.integrations.opentelemetry import OpenTelemetrySteps
from ai_trace.testing import CapturedSteps, capture


@pytest.fixture
def tracer() -> otel.Tracer:
    """An instrumented library."""
    provider = TracerProvider()
    provider.add_span_processor(OpenTelemetrySteps())
    return provider.get_tracer("a.library")


def parents(steps: CapturedSteps) -> dict[str, str | None]:
    """Return the parent's name of each step, by name."""
    names = {record.id: record.name for record in steps}
    return {r.name: names.get(r.parent_id or "", r.parent_id) for r in steps}


def test_any_span(tracer: otel.Tracer) -> None:
    """A span is a step with its attributes, events, times and ids."""
    with capture() as steps:
        span = tracer.start_span("GET /", start_time=10**18, attributes={"port": 80})
        span.set_attribute("url.path", "/")
        span.add_event("retry", {"attempt": 2}, timestamp=10**18 + 10**9)
        span.end(10**18 + 2 * 10**9)

    (found,) = steps
    ids = span.get_span_context()
    assert ("GET /", "step", "ok") == (found.name, found.kind, found.outcome)
    assert {
        "port": 80,
        "url.path": "/",
        "otel": {"scope": "a.library"},
    } == found.context
    assert [{"_t": 1e9 + 1, "event": "retry", "attempt": 2}] == found.logs
    assert (1e9, 2000.0) == (found.started_at, found.duration_ms)
    assert (f"{ids.span_id:016x}", f"{ids.trace_id:032x}") == (found.id, found.trace_id)
    assert found.parent_id is None


def test_parents_both_ways(tracer: otel.Tracer) -> None:
    """Steps in spans and spans in steps keep their parents, in one trace."""
    current = tracer.start_as_current_span
    with capture() as steps:
        with step("a"), current("b"), current("c"), step("d"), step("e"), current("f"):
            pass
        with current("g"), step("h"):
            pass

    assert {
        "a": None,
        "b": "a",
        "c": "b",
        "d": "c",
        "e": "d",
        "f": "e",
        "g": None,
        "h": "g",
    } == parents(steps)
    assert steps.named("a").trace_id == steps.named("f").trace_id
    assert steps.named("g").trace_id == steps.named("h").trace_id


def test_not_current(tracer: otel.Tracer) -> None:
    """A span that is open but not current is not a parent."""
    with capture() as steps, step("a"):
        span = tracer.start_span("b")
        with step("c"):
            pass
        span.end()

    assert {"a": None, "b": "a", "c": "a"} == parents(steps)


def test_tasks(tracer: otel.Tracer) -> None:
    """Concurrent tasks are below the span that they were made in."""

    async def work(name: str) -> None:
        with tracer.start_as_current_span(f"span {name}"):
            await asyncio.sleep(0)
            with step(f"step {name}"):
                await asyncio.sleep(0)

    async def main() -> None:
        with step("all"), tracer.start_as_current_span("group"):
            await asyncio.gather(work("1"), work("2"))

    with capture() as steps:
        asyncio.run(main())

    assert {
        "all": None,
        "group": "all",
        "span 1": "group",
        "span 2": "group",
        "step 1": "span 1",
        "step 2": "span 2",
    } == parents(steps)


@pytest.mark.parametrize("held", ["current", "named"])
def test_after_its_parent(tracer: otel.Tracer, held: str) -> None:
    """What goes on after the span that started it stands below that span."""
    with capture() as steps:
        span = tracer.start_span("request")
        context = otel.set_span_in_context(span)
        span.end()
        if held == "named":
            tracer.start_span("later", context).end()
        else:
            token = attach(context)
            with tracer.start_as_current_span("later"), step("in it"):
                pass
            with step("last"):
                pass
            detach(token)

    found = parents(steps)
    assert "request" == found["later"]
    assert held == "named" or ("later", "request") == (found["in it"], found["last"])
    assert 1 == len({record.trace_id for record in steps})


def test_threads(tracer: otel.Tracer) -> None:
    """A span may end in another thread than it began in, and its context may travel."""
    with capture() as steps, step("a"):
        span = tracer.start_span("b")
        with otel.use_span(span, end_on_exit=False):
            context = copy_context()

        def work() -> None:
            with step("c"):
                pass
            span.end()

        thread = threading.Thread(target=context.run, args=[work])
        thread.start()
        thread.join()

    # The context was copied inside the span.
    assert {"a": None, "b": "a", "c": "b"} == parents(steps)


@pytest.mark.parametrize("is_active", [True, False])
def test_thread_of_a_service(tracer: otel.Tracer, is_active: bool) -> None:
    """Where only OpenTelemetry's context was carried to, the span is the parent."""

    @traced(name="b")
    def answer() -> int:
        return 42

    @traced(name="c")
    def count() -> Iterator[int]:
        yield 42

    with capture() as steps, tracer.start_as_current_span("request") as span:
        if is_active:
            steps.tracer.activate()

        def work() -> None:
            token = attach(otel.set_span_in_context(span))
            with step("a"):
                answer()
            assert [42] == list(count())
            detach(token)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert {"request": None, "a": "request", "b": "a", "c": "request"} == parents(steps)


def test_remote_parent(tracer: otel.Tracer) -> None:
    """A parent in another process is named; the span is a root of that trace."""
    remote = SpanContext(0xABC, 0xDEF, True, TraceFlags(TraceFlags.SAMPLED))
    context = otel.set_span_in_context(NonRecordingSpan(remote))
    with capture() as steps:
        tracer.start_span("a", context).end()
        with step("b"):
            tracer.start_span("c", context).end()

    a, c = steps.named("a"), steps.named("c")
    assert {"a": None, "b": None, "c": "b"} == parents(steps)
    assert f"{0xABC:032x}" == a.trace_id
    named = {"trace_id": f"{0xABC:032x}", "span_id": f"{0xDEF:016x}"}
    assert [named, named] == [one.context["otel"]["remote_parent"] for one in (a, c)]


def test_links(tracer: otel.Tracer) -> None:
    """What a span is linked to is named."""
    link = otel.Link(SpanContext(1, 2, is_remote=False), {"why": "retry"})
    with capture() as steps:
        tracer.start_span("a", links=[link]).end()

    assert [{"trace_id": f"{1:032x}", "span_id": f"{2:016x}", "why": "retry"}] == (
        steps[0].context["otel"]["links"]
    )


def test_error(tracer: otel.Tracer) -> None:
    """An exception that passes through a span is the step's error and traceback."""
    with capture() as steps:
        with pytest.raises(KeyError), tracer.start_as_current_span("a"):
            raise KeyError("price")

    (found,) = steps
    assert ("error", "KeyError: 'price'") == (found.outcome, found.error)
    assert "raise KeyError" in found.to_dict()["traceback"]
    assert [] == found.logs


def test_error_without_exception(tracer: otel.Tracer) -> None:
    """An error that is only in the status is recorded with its type."""
    with capture() as steps:
        span = tracer.start_span("a", attributes={"error.type": "timeout"})
        span.set_status(Status(StatusCode.ERROR, "no answer"))
        span.end()
        span = tracer.start_span("b")
        span.set_status(Status(StatusCode.ERROR))
        span.end()

    assert ["timeout: no answer", "error"] == [found.error for found in steps]


def test_exceptions_that_were_dealt_with(tracer: otel.Tracer) -> None:
    """An exception that a span recorded without failing is a log entry."""
    with capture() as steps, tracer.start_as_current_span("a") as span:
        span.record_exception(ValueError("first try"))

    (found,) = steps
    assert "ok" == found.outcome
    assert ["first try"] == [entry["exception.message"] for entry in found.logs]


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (asyncio.CancelledError, "cancelled"),
        (KeyboardInterrupt, "interrupted"),
        (GeneratorExit, "closed"),
    ],
)
def test_ends_that_are_no_errors(
    tracer: otel.Tracer, raised: type[BaseException], outcome: str
) -> None:
    """OpenTelemetry takes no note of them; the step does."""
    with capture() as steps:
        with pytest.raises(raised), tracer.start_as_current_span("a"):
            raise raised

    assert outcome == steps[0].outcome


def test_in_an_exception_of_others(tracer: otel.Tracer) -> None:
    """An exception that was on its way before the span is not the span's end."""
    with capture() as steps:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            with tracer.start_as_current_span("a"):
                pass

    assert "ok" == steps[0].outcome


def test_chat(tracer: otel.Tracer) -> None:
    """A call with GenAI attributes is an ``llm`` step in the common shape."""
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "user", "parts": [{"type": "binary", "media_type": "image/png",
                                    "content": "iVBORw=="}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1",
                                    "result": "sunny"}]},
    ]  # fmt: skip
    call = {
        "type": "tool_call",
        "id": "1",
        "name": "w",
        "arguments": '{"city": "Bonn"}',
    }
    answer = [{"role": "assistant", "parts": [call], "finish_reason": "tool_calls"}]
    with capture() as steps:
        with tracer.start_as_current_span("chat gpt-9") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.system": "openai",
                    "gen_ai.request.model": "gpt-9",
                    "gen_ai.request.temperature": 0.5,
                    "gen_ai.system_instructions": '[{"type":"text","content":"Be."}]',
                    "gen_ai.tool.definitions": '[{"type":"function","name":"w"}]',
                    "gen_ai.input.messages": json.dumps(asked),
                    "gen_ai.output.messages": json.dumps(answer),
                    "gen_ai.response.model": "gpt-9-2026",
                    "gen_ai.response.id": "r1",
                    "gen_ai.response.finish_reasons": ["tool_calls"],
                    "gen_ai.response.time_to_first_chunk": 0.25,
                    "gen_ai.usage.input_tokens": 10,
                    "gen_ai.usage.output_tokens": 5,
                    "gen_ai.usage.cache_read.input_tokens": 4,
                    "server.address": "127.0.0.1",
                    "server.port": 443,
                }
            )

    (found,) = steps
    assert ("llm", "chat gpt-9") == (found.kind, found.name)
    picture = {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "bytes": 4,
        "sha256": "0f4636c78f65d3639ece5a064b5ae753e3408614a14fb18ab4d7540d2c248543",
    }
    response = {"type": "tool_call_response", "id": "1", "response": "sunny"}
    assert {
        "provider": "openai",
        "operation": "chat",
        "model": "gpt-9",
        "system": [{"type": "text", "content": "Be."}],
        "messages": [
            asked[0],
            {"role": "user", "parts": [picture]},
            {"role": "tool", "parts": [response]},
        ],
        "tools": [{"type": "function", "name": "w"}],
        "parameters": {"temperature": 0.5},
        "server": "127.0.0.1:443",
        "attributes": {"server.address": "127.0.0.1", "server.port": 443},
        "otel": {"scope": "a.library"},
    } == found.context
    parsed = {**call, "arguments": {"city": "Bonn"}}
    assert {
        "model": "gpt-9-2026",
        "id": "r1",
        "messages": [
            {"role": "assistant", "parts": [parsed], "finish_reason": "tool_call"}
        ],
        "finish_reasons": ["tool_call"],
        "time_to_first_chunk": 0.25,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 4,
        },
        "raw_usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read.input_tokens": 4,
        },
    } == found.result


def test_cost(tracer: otel.Tracer) -> None:
    """A call has its price where provider, server and model are known."""
    asked = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1_000_000,
        "gen_ai.usage.output_tokens": 0,
    }
    with capture() as steps:
        tracer.start_span(
            "a", attributes={**asked, "server.address": "api.openai.com"}
        ).end()
        tracer.start_span("b", attributes={**asked, "server.address": "::1"}).end()
        url = {"gen_ai.openai.api_base": "http://127.0.0.1:8000/v1/"}
        tracer.start_span("c", attributes={**asked, **url}).end()
        url = {"gen_ai.openai.api_base": "https://api.openai.com/v1/"}
        tracer.start_span("d", attributes={**asked, **url}).end()

        tracer.start_span("e", attributes=asked).end()

    a, b, c, d, e = steps
    assert 2.5 == a.result["cost"]["usd"] == d.result["cost"]["usd"]
    assert not any("cost" in untold.result for untold in (b, c, e))
    assert "127.0.0.1:8000" == c.context["server"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("STOP", "stop"),
        ("COMPLETE", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "RECITATION"),
    ],
)
def test_finish_reasons(tracer: otel.Tracer, told: str, expected: str) -> None:
    """Why a model stopped is said in one language, as far as there is a word for it."""
    said = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.response.finish_reasons": [told],
    }
    with capture() as steps:
        tracer.start_span("a", attributes=said).end()

    assert [expected] == steps[0].result["finish_reasons"]


@pytest.mark.parametrize(
    ("name", "normal", "other"),
    [
        ("openai.response.service_tier", "default", "priority"),
        ("gen_ai.openai.response.service_tier", "default", "flex"),
        ("anthropic.response.service_tier", "standard", "batch"),
        ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens", 0, 9),
        ("anthropic.usage.compaction.input_tokens", 0, 9),
    ],
)
def test_other_prices(tracer: otel.Tracer, name: str, normal: Any, other: Any) -> None:
    """Where a span says that prices of their own apply, the cost is not known."""
    provider = "anthropic" if name.startswith("anthropic") else "openai"
    model = {"anthropic": "claude-haiku-4-5", "openai": "gpt-4o"}[provider]
    asked = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 9,
        "server.address": f"api.{provider}.com",
    }
    with capture() as steps:
        for said in (normal, other):
            tracer.start_span("a", attributes={**asked, name: said}).end()

    assert [True, False] == ["cost" in one.result for one in steps]
    if name.endswith("tier"):
        assert [normal, other] == [one.result["service_tier"] for one in steps]
    else:
        told = name[len("anthropic.usage.") :]
        assert [normal, other] == [one.result["raw_usage"][told] for one in steps]


def test_events_that_say_nothing(tracer: otel.Tracer) -> None:
    """Events in a row that have only a name become one entry."""
    with capture() as steps, tracer.start_as_current_span("a") as span:
        span.add_event("chunk", timestamp=10**18)
        for _ in range(99):
            span.add_event("chunk", timestamp=10**18 + 10**9)
        span.add_event("chunk", {"text": "a"})
        span.add_event("chunk", {"text": "a"})
        span.add_event("chunk")

    (found,) = steps
    assert [
        {"event": "chunk", "times": 100},
        {"event": "chunk", "text": "a"},
        {"event": "chunk", "text": "a"},
        {"event": "chunk"},
    ] == [{key: log[key] for key in log if key != "_t"} for log in found.logs]
    assert 10**9 == found.logs[0]["_t"]


def test_reasons_as_text(tracer: otel.Tracer) -> None:
    """Reasons are read even as JSON text, which Logfire sends."""
    said = {"gen_ai.operation.name": "chat"}
    reasons = {"gen_ai.response.finish_reasons": '["tool_calls"]'}
    with capture() as steps:
        tracer.start_span("a", attributes={**said, **reasons}).end()

    (found,) = steps
    assert ["tool_call"] == found.result["finish_reasons"]


def test_call_of_logfire(tracer: otel.Tracer) -> None:
    """Logfire names calls by templates, and tells usage and reasons as JSON text."""
    template = "Responses API with {gen_ai.request.model!r}"
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5-mini",
        "logfire.msg_template": template,
        "gen_ai.usage.raw": '{"total_tokens": 28}',
        "gen_ai.response.finish_reasons": '["tool_calls"]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": []}]',
    }
    with capture() as steps:
        tracer.start_span(template, attributes=said).end()
        tracer.start_span("{a}", attributes={"logfire.msg_template": "{a}"}).end()

    call, other = steps
    assert ("chat gpt-5-mini", "{a}") == (call.name, other.name)
    assert {"raw": {"total_tokens": 28}} == call.result["raw_usage"]
    assert ["tool_call"] == [one["finish_reason"] for one in call.result["messages"]]


@pytest.mark.parametrize(
    "thought",
    ["reasoning.output_tokens", "reasoning_tokens", "details.reasoning_tokens"],
)
def test_names_of_counts(tracer: otel.Tracer, thought: str) -> None:
    """Counts are found by their older names, and by those that others gave them."""
    counts = {"prompt_tokens": 10, "completion_tokens": 5, thought: 3}
    given = {f"gen_ai.usage.{name}": count for name, count in counts.items()}
    with capture() as steps:
        tracer.start_span(
            "a", attributes={"gen_ai.operation.name": "chat", **given}
        ).end()

    (found,) = steps
    assert {
        "input_tokens": 10,
        "output_tokens": 5,
        "reasoning_output_tokens": 3,
    } == found.result["usage"]


@pytest.mark.parametrize(
    ("attributes", "name", "kind", "result"),
    [
        (
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "weather",
                "gen_ai.tool.call.result": '{"sky": "blue"}',
            },
            "weather",
            "tool",
            {"sky": "blue"},
        ),
        (
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "guide",
                "gen_ai.usage.input_tokens": 7,
            },
            "guide",
            "agent",
            {"total_usage": {"input_tokens": 7}},
        ),
        (
            {
                "gen_ai.operation.name": "embeddings",
                "gen_ai.embeddings.dimension.count": 640,
            },
            "span",
            "embedding",
            {"dimensions": 640},
        ),
        (
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.documents": '[{"id": "d", "score": 0.5}]',
            },
            "span",
            "retrieval",
            {"documents": [{"id": "d", "score": 0.5}]},
        ),
        ({"openinference.span.kind": "GUARDRAIL"}, "span", "guardrail", None),
        ({"gen_ai.operation.name": "plan"}, "span", "step", None),
        ({"gen_ai.operation.name": ["chat"]}, "span", "step", None),
    ],
)
def test_kinds(
    tracer: otel.Tracer,
    attributes: dict[str, object],
    name: str,
    kind: str,
    result: object,
) -> None:
    """What a span did decides on its step's kind, name and result."""
    with capture() as steps:
        tracer.start_span("span", attributes=attributes).end()  # type: ignore[arg-type]

    (found,) = steps
    assert (name, kind, result) == (found.name, found.kind, found.result)


@pytest.mark.parametrize("value", ["{", "[1]", '{"a": 1}', "[" * 100_000, 3, ""])
def test_hostile_attributes(tracer: otel.Tracer, value: object) -> None:
    """Messages that are none stay what they were, among the attributes."""
    with capture() as steps:
        tracer.start_span(
            "a",
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": value,
            },
        ).end()

    (found,) = steps
    assert {} == steps.tracer.health()
    assert "messages" not in found.context
    kept = found.context["attributes"]["gen_ai.input.messages"]
    assert str(value)[:100] == str(kept)[:100]


def test_limits_of_opentelemetry() -> None:
    """What OpenTelemetry itself has dropped is said in the notes."""
    provider = TracerProvider(span_limits=SpanLimits(max_attributes=1, max_events=1))
    provider.add_span_processor(OpenTelemetrySteps())
    with capture() as steps:
        span = provider.get_tracer("a").start_span("a", attributes={"a": 1, "b": 2})
        span.add_event("one")
        span.add_event("two")
        span.end()

    assert [
        {"path": "$.context", "note": "lost", "count": 1},
        {"path": "$.logs", "note": "lost", "count": 1},
    ] == steps[0].to_dict()["notes"]


def test_in_flight(tracer: otel.Tracer, tmp_path: Path) -> None:
    """A span that is open is seen by a reader, with the attributes of its start."""
    with Tracer("agent", tmp_path) as agent:
        span = tracer.start_span("a", attributes={"x": 1})
        assert agent.path is not None
        (found,) = reading.read(agent.path).steps
        span.end()

    assert ("a", "running", 1) == (found.name, found.outcome, found.context["x"])


def test_twice(tracer: otel.Tracer) -> None:
    """Registered twice, it records once."""
    provider = TracerProvider()
    for _ in range(2):
        provider.add_span_processor(OpenTelemetrySteps())
    with capture() as steps:
        provider.get_tracer("a").start_span("a").end()

    assert ["a"] == steps.names


def test_unsampled() -> None:
    """A span that is not sampled is not recorded; what is in it finds its parent."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(OpenTelemetrySteps())
    with capture() as steps, step("a"):
        with provider.get_tracer("a").start_as_current_span("b"), step("c"):
            pass

    assert {"a": None, "c": "a"} == parents(steps)


def test_without_a_tracer(tracer: otel.Tracer) -> None:
    """Spans where no tracer is current, or after it was closed, change nothing."""
    with tracer.start_as_current_span("before"):
        with capture() as steps:
            late = tracer.start_span("late")
        late.end()
    provider = TracerProvider()
    steps_of = OpenTelemetrySteps()
    provider.add_span_processor(steps_of)
    provider.shutdown()

    assert [("late", "unfinished")] == [(r.name, r.outcome) for r in steps]
    assert steps_of.force_flush()


def test_media_in_any_attribute(tracer: otel.Tracer) -> None:
    """What is inline in an attribute without a place of its own is not kept, either."""
    with capture() as steps:
        tracer.start_span(
            "a",
            attributes={
                "gen_ai.operation.name": "chat",
                "app.picture": "data:image/png;base64,iVBORw==",
            },
        ).end()

    assert "blob" == steps[0].context["attributes"]["app.picture"]["type"]


def test_media_anywhere() -> None:
    """What is inline in a part of any kind, or in a tool's result, is not kept."""
    url = "data:image/png;base64,iVBORw=="
    given = [
        {"type": "tool_call_response", "id": "1", "result": [{"image_url": url}]},
        {"type": "tool_call_response", "id": "2", "response": url},
        {"type": "hologram", "seen": {"mime_type": "image/png", "data": "iVBORw=="}},
        {"type": "uri", "modality": "image", "uri": url},
    ]

    found = _genai.parts(given)

    assert found is not None
    assert "iVBOR" not in str(found)
    assert [4, 4, 4] == [
        found[0]["response"][0]["image_url"]["bytes"],
        found[1]["response"]["bytes"],
        found[2]["seen"]["bytes"],
    ]


def test_ten_thousand_spans(tracer: otel.Tracer) -> None:
    """Nothing of a span is kept once it has ended."""

    def spans(count: int) -> Iterator[weakref.ref[object]]:
        for number in range(count):
            with tracer.start_as_current_span(f"span {number % 10}") as span:
                span.set_attribute("text", "x" * 100)
            yield weakref.ref(span)

    class Count:
        steps = 0

        def on_finish(self, record: object) -> None:
            self.steps += 1

    count = Count()
    with Tracer("agent", sinks=[count]) as agent:
        list(spans(100))
        gc.collect()
        before = len(gc.get_objects())
        refs = list(spans(10_000))
        assert [] == [ref for ref in refs if ref() is not None]
        del refs
        gc.collect()
        assert len(gc.get_objects()) - before < 100
        assert {} == agent._recorder.open_steps
    assert 10_100 == count.steps


def test_broken_spans(tracer: otel.Tracer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails in our hooks is counted and does not reach the library."""

    class Broken(Span):
        @property
        def status(self) -> Status:  # type: ignore[override]
            raise RuntimeError("no status")

    hooks = OpenTelemetrySteps()
    with capture() as steps:
        span = Broken("a", SpanContext(1, 2, is_remote=False))
        hooks.on_start(span)
        hooks.on_end(span)
        assert {"OpenTelemetrySteps.on_end": {"RuntimeError": 1}} == (
            steps.tracer.health()
        )

    assert ["unfinished"] == [found.outcome for found in steps]
    assert 1 == len(caplog.records)


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the import names the command that installs it."""
    import ai_trace

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "ai_trace.integrations.opentelemetry")
    with pytest.raises(ai_trace.TraceError) as caught:
        import ai_trace.integrations.opentelemetry

    assert "pip install 'ai-decision-tracer[otel]>=1'" in str(caught.value)
