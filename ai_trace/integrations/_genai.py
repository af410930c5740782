"""
Turns the attributes of an OpenTelemetry span into the content of a step.

The names are those of the GenAI semantic conventions 1.41.1, and older ones that
instrumentations still send. Each attribute that has a place in a step is moved there,
and the rest is kept under ``attributes``, so that nothing gets lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from ai_trace._usage import CALL_KINDS
from ai_trace.integrations import _media, _messages
from ai_trace.integrations._fields import items
from ai_trace.integrations._hooked_calls import SpanContent, server_of, with_cost
from ai_trace.integrations._messages import Message, Part
from ai_trace.integrations._servers import provider_at
from ai_trace.integrations._usage import usage


OPERATION = "gen_ai.operation.name"
KINDS = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "agent",
    "retrieval": "retrieval",
}
_REQUEST = "gen_ai.request."
_USAGE = ("gen_ai.usage.", "gen_ai.aggregated_usage.", "anthropic.usage.")
_TIERS = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
)
# Sent by opentelemetry-instrumentation-openai, instead of the server's address.
_API_BASE = "gen_ai.openai.api_base"
# Logfire names its spans by templates: "Message with {request_data[model]!r}".
_TEMPLATE = "logfire.msg_template"
_COUNTS = (
    ("input_tokens", "prompt_tokens"),
    ("output_tokens", "completion_tokens"),
    ("cache_read.input_tokens",),
    ("cache_creation.input_tokens", "cache_write.input_tokens"),
    ("reasoning.output_tokens", "reasoning_tokens", "details.reasoning_tokens"),
)

Attributes = dict[str, Any]
Teller = Callable[[Attributes], tuple[dict[str, Any], Any]]


def content_of(name: str, attributes: Mapping[str, Any]) -> SpanContent:
    """
    Return what a span is about, as far as its attributes tell so far.

    Args:
        name: The span's name.
        attributes: Its attributes, which are not changed.
    """
    left = dict(attributes)
    operation = left.get(OPERATION)
    if operation not in KINDS:
        return SpanContent(name, "step", left)
    kind = KINDS[operation]
    model = left.get("gen_ai.request.model")
    if kind in CALL_KINDS and model and left.get(_TEMPLATE) == name:
        name = f"{operation} {model}"
    return content_by(_TELLERS.get(kind, _tell_others), name, kind, left)


def content_by(tell: Teller, name: str, kind: str, left: Attributes) -> SpanContent:
    """
    Return the content of a step, with the attributes that have no place of their own.

    Args:
        tell: Takes out the attributes that have one; returns context and result.
        name: The span's name.
        kind: The kind of the step.
        left: The attributes.
    """
    context, result = tell(left)
    if left:
        context["attributes"] = _media.without_media(left)
    if kind in ("tool", "agent"):
        name = context.pop(kind, name)
    return SpanContent(name, kind, context, result)


# -- one teller a kind -------------------------------------------------------------


def _tell_llm(left: Attributes) -> tuple[dict[str, Any], Any]:
    context = _asked(left)
    _move(left, context, system="gen_ai.system_instructions", change=parts)
    _move(left, context, messages="gen_ai.input.messages", change=messages)
    _move(left, context, tools="gen_ai.tool.definitions", change=parsed)
    context.update(_parameters(left))
    result = _answered(left)
    _move(left, result, messages="gen_ai.output.messages", change=messages)
    _move(left, result, finish_reasons="gen_ai.response.finish_reasons", change=_why)
    _give_reasons(result)
    _move(left, result, time_to_first_chunk="gen_ai.response.time_to_first_chunk")
    _count(left, result, context)
    return context, result or None


def _tell_embedding(left: Attributes) -> tuple[dict[str, Any], Any]:
    context = {**_asked(left), **_parameters(left)}
    result = _answered(left)
    _move(left, result, dimensions="gen_ai.embeddings.dimension.count")
    _count(left, result, context)
    return context, result or None


def _tell_tool(left: Attributes) -> tuple[dict[str, Any], Any]:
    context: dict[str, Any] = {}
    left.pop("gen_ai.operation.name")
    _move(left, context, tool="gen_ai.tool.name")
    _move(left, context, call_id="gen_ai.tool.call.id")
    _move(left, context, description="gen_ai.tool.description")
    _move(left, context, arguments="gen_ai.tool.call.arguments", change=parsed)
    return context, parsed(left.pop("gen_ai.tool.call.result", None))


def _tell_agent(left: Attributes) -> tuple[dict[str, Any], Any]:
    context: dict[str, Any] = {}
    _move(left, context, agent="gen_ai.agent.name")
    _move(left, context, description="gen_ai.agent.description")
    context.update(_asked(left))
    _move(left, context, system="gen_ai.system_instructions", change=parts)
    _move(left, context, messages="gen_ai.input.messages", change=messages)
    _move(left, context, tools="gen_ai.tool.definitions", change=parsed)
    context.update(_parameters(left))
    result: dict[str, Any] = {}
    # Both names are from pydantic-ai.
    _move(left, result, output="final_result", change=parsed)
    _move(left, result, messages="pydantic_ai.all_messages", change=messages)
    _move(left, result, messages="gen_ai.output.messages", change=messages)
    # This is the sum of the calls below; as "usage", it would be counted twice.
    counts, raw = _usage_of(left)
    if counts or raw:
        result["total_usage"] = counts or raw
    return context, result or None


def _tell_others(left: Attributes) -> tuple[dict[str, Any], Any]:
    context = _asked(left)
    _move(left, context, query="gen_ai.retrieval.query.text")
    result: dict[str, Any] = {}
    _move(left, result, documents="gen_ai.retrieval.documents", change=parsed)
    return context, result or None


_TELLERS: dict[str, Teller] = {
    "llm": _tell_llm,
    "embedding": _tell_embedding,
    "tool": _tell_tool,
    "agent": _tell_agent,
}


# -- the pieces --------------------------------------------------------------------


def _move(
    left: Attributes,
    into: dict[str, Any],
    *,
    change: Callable[[Any], Any] | None = None,
    **names: str,
) -> None:
    """Move an attribute to its place; one that cannot be read is left alone."""
    for ours, theirs in names.items():
        value = left.get(theirs)
        if change is not None and value is not None:
            value = change(value)
        if value is not None:
            into[ours] = value
            del left[theirs]


def _asked(left: Attributes) -> dict[str, Any]:
    context: dict[str, Any] = {}
    older = left.pop("gen_ai.system", None)
    provider = left.pop("gen_ai.provider.name", older)
    if provider is not None:
        context["provider"] = provider
    _move(left, context, operation="gen_ai.operation.name")
    _move(left, context, model="gen_ai.request.model")
    _move(left, context, conversation_id="gen_ai.conversation.id")
    return context


def _parameters(left: Attributes) -> dict[str, Any]:
    names = [name for name in left if name.startswith(_REQUEST)]
    found = {name[len(_REQUEST) :]: left.pop(name) for name in names}
    return {"parameters": found} if found else {}


def _answered(left: Attributes) -> dict[str, Any]:
    result: dict[str, Any] = {}
    _move(left, result, model="gen_ai.response.model")
    _move(left, result, id="gen_ai.response.id")
    return result


def _count(left: Attributes, result: dict[str, Any], context: dict[str, Any]) -> None:
    counts, raw = _usage_of(left)
    for name in _TIERS:
        _move(left, result, service_tier=name)
    if not raw:
        return
    result["usage"] = counts
    result["raw_usage"] = raw
    address, url = left.get("server.address"), left.get(_API_BASE)
    if address is None and url is None:
        # The server is unknown, and may have prices of its own.
        return
    if address is None:
        server = server_of(url, "").get("server")
    else:
        server = provider_at(address, left.get("server.port"), "")[1]
    if server is not None:
        context["server"] = server
    result.update(with_cost(result, context))


def _usage_of(left: Attributes) -> tuple[dict[str, int], dict[str, Any]]:
    """Return the counts of tokens in our names, and in those of the span."""
    raw: dict[str, Any] = {}
    for prefix in _USAGE:
        for name in [name for name in left if name.startswith(prefix)]:
            raw[name[len(prefix) :]] = parsed(left.pop(name))
    counts = [
        next((raw[name] for name in names if name in raw), None) for names in _COUNTS
    ]
    return usage(*counts), raw


def _why(reasons: Any) -> list[Any] | None:
    given = items(parsed(reasons))
    return [_messages.finish_reason_of(reason) for reason in given] or None


def _give_reasons(result: dict[str, Any]) -> None:
    """Give answers their reasons, where a span has them only beside the answers."""
    answers, reasons = (result.get(key, []) for key in ("messages", "finish_reasons"))
    if len(answers) == len(reasons):
        for answer, reason in zip(answers, reasons):
            answer.setdefault("finish_reason", reason)


def parsed(value: Any) -> Any:
    """Decode JSON text of an object or a list; other values stay as they are."""
    if type(value) is not str or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def messages(value: Any) -> list[Message] | None:
    """Return messages, which spans hold as JSON text; ``None`` if there are none."""
    given = parsed(value)
    if type(given) not in (list, tuple) or not all(type(m) is dict for m in given):
        return None
    return [_message(one) for one in given]


def _message(given: dict[str, Any]) -> Message:
    made = {**given}
    found = parts(given.get("parts"))
    if found is not None:
        made["parts"] = found
    if "finish_reason" in made:
        made["finish_reason"] = _messages.finish_reason_of(made["finish_reason"])
    return made


def parts(value: Any) -> list[Part] | None:
    """Return the parts of a message in the shape of the conventions."""
    given = parsed(value)
    if type(given) not in (list, tuple):
        return None
    return [_part(one) if type(one) is dict else one for one in given]


def _part(given: Part) -> Part:
    """Return one part, without the content of inline media."""
    kind, content = given.get("type"), given.get("content")
    mime_type = given.get("mime_type", given.get("media_type"))
    if kind == "tool_call":
        return {**given, "arguments": _messages.arguments_of(given.get("arguments"))}
    if kind == "tool_call_response" and "response" not in given:
        # The text of the conventions says "result", their schema says "response".
        named = {key: value for key, value in given.items() if key != "result"}
        return {**named, "response": _media.without_media(given.get("result"))}
    if kind == "thinking":
        return _messages.reasoning(content)
    if kind in ("blob", "binary"):
        modality = given.get("modality") or _media.modality_of(mime_type)
        return _media.blob(modality, mime_type, content)
    if kind == "uri":
        rest = {key: given[key] for key in given if key != "uri"}
        return {**rest, **_media.from_url(given.get("modality", ""), given.get("uri"))}
    if type(kind) is str and kind.endswith("-url"):
        return _media.from_url(kind[: -len("-url")], given.get("url"))
    plain: Part = _media.without_media(given)
    return plain
