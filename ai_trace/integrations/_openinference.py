"""
Turns the attributes of an OpenInference span into the content of a step.

OpenInference is a different convention from OpenTelemetry's own. It flattens lists into
names such as ``llm.input_messages.0.message.role``, which are turned back into lists
here. The names are those of ``openinference-semantic-conventions`` 0.1.42. Attributes
that have no place in a step are kept under ``attributes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_trace.integrations._anthropic_messages import anthropic_tools
from ai_trace.integrations._fields import fields, items
from ai_trace.integrations._genai import Attributes, Teller, content_by, parsed
from ai_trace.integrations._hooked_calls import SpanContent, server_of
from ai_trace.integrations._media import as_it_is, beside, from_url, without_media
from ai_trace.integrations._messages import (
    Message,
    Part,
    finish_reason_of,
    finish_reasons,
    message,
    reasoning,
    text,
    tool_call,
    tool_call_response,
)
from ai_trace.integrations._openai_messages import tools
from ai_trace.integrations._usage import usage
from ai_trace.integrations._wire import Facts, present


KIND = "openinference.span.kind"

_KINDS = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "AGENT": "agent",
    "RETRIEVER": "retrieval",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "eval",
}
_TOKENS = "llm.token_count."
_COUNTS = (
    "prompt",
    "completion",
    "prompt_details.cache_read",
    "prompt_details.cache_write",
    "completion_details.reasoning",
)
_COSTS = (
    ("llm.cost.total", "usd"),
    ("llm.cost.prompt", "input_usd"),
    ("llm.cost.completion", "output_usd"),
)
_MAX_DIGITS = 10
# Parameters that are elsewhere in the step.
_NO_PARAMETERS = ("messages", "model", "tools")
_PROVIDERS = {
    "aws": "aws.bedrock",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertexai": "gcp.vertex_ai",
}
_SIGNATURE = frozenset(("signature",))


def content_of(name: str, attributes: Mapping[str, Any]) -> SpanContent:
    """
    Return what a span is about, as far as its attributes tell so far.

    Args:
        name: The span's name.
        attributes: Its attributes, which are not changed.
    """
    left = dict(attributes)
    kind = _KINDS.get(str(left.pop(KIND, None)), "step")
    return content_by(_TELLERS.get(kind, _tell_others), name, kind, left)


# -- one teller a kind -------------------------------------------------------------


def _tell_llm(left: Attributes) -> tuple[Facts, Any]:
    prompts = _rows(left, "llm.prompts.", "prompt.")
    messages = _messages_of(left, "llm.input_messages.") or [
        message("user", [text(one.get("text"))]) for one in prompts
    ]
    context = _asked(left, "llm", "text_completion" if prompts else "chat")
    context.update(present(messages=messages or None, tools=_tools(left) or None))
    _give(left, context, "input", is_told=bool(messages))
    answers = _answers(left)
    reasons = finish_reasons(answers)
    result = _answered(left, "llm")
    result.update(present(messages=answers or None, finish_reasons=reasons or None))
    _give(left, result, "output", is_told=bool(answers))
    return context, {**result, **_counted(left)} or None


def _tell_embedding(left: Attributes) -> tuple[Facts, Any]:
    rows = _rows(left, "embedding.embeddings.", "embedding.")
    texts = [one["text"] for one in rows if "text" in one]
    vectors = [items(one["vector"]) for one in rows if "vector" in one]
    context = _asked(left, "embedding", "embeddings")
    context.update(present(input=texts or None, count=len(texts) or None))
    _give(left, context, "input", is_told=bool(texts))
    result = _answered(left, "embedding")
    if vectors:
        result.update(count=len(vectors), dimensions=len(vectors[0]))
    _give(left, result, "output", is_told=bool(vectors))
    return context, {**result, **_counted(left)} or None


def _tell_tool(left: Attributes) -> tuple[Facts, Any]:
    given, parameters = _value(left, "input"), left.pop("tool.parameters", None)
    context = present(
        tool=left.pop("tool.name", None),
        call_id=left.pop("tool.id", None),
        description=left.pop("tool.description", None),
        arguments=parsed(parameters) if given is None else given,
    )
    return context, _value(left, "output")


def _tell_retrieval(left: Attributes) -> tuple[Facts, Any]:
    context = present(query=_value(left, "input"))
    documents = [
        {**one, **present(metadata=parsed(one.get("metadata")))}
        for one in _rows(left, "retrieval.documents.", "document.")
    ]
    result: Facts = present(documents=documents or None)
    _give(left, result, "output", is_told=bool(documents))
    return context, result or None


def _tell_others(left: Attributes) -> tuple[Facts, Any]:
    context = present(agent=left.pop("agent.name", None), input=_value(left, "input"))
    if "input" in context:
        # Some instrumentations repeat its messages.
        _rows(left, "llm.input_messages.", "message.")
    return context, _value(left, "output")


_TELLERS: dict[str, Teller] = {
    "llm": _tell_llm,
    "embedding": _tell_embedding,
    "tool": _tell_tool,
    "retrieval": _tell_retrieval,
}


# -- the pieces --------------------------------------------------------------------


def _value(left: Attributes, which: str) -> Any:
    """Take out the ``input`` or the ``output`` of a span, without media."""
    left.pop(f"{which}.mime_type", None)
    return without_media(parsed(left.pop(f"{which}.value", None)))


def _give(left: Attributes, into: Facts, which: str, *, is_told: bool) -> None:
    """Move the ``input`` or ``output`` to its place, unless it is already told."""
    value = _value(left, which)
    if value is not None and not is_told:
        into[which] = value


def _rows(left: Attributes, prefix: str, inner: str) -> list[Facts]:
    """
    Take out a list that was flattened, and return its rows in order.

    Args:
        left: The attributes.
        prefix: The part of their names before the number of the row.
        inner: The part after the number, which is removed from the names in a row.
    """
    found: dict[int, Facts] = {}
    for name in [name for name in left if name.startswith(prefix)]:
        number, _, field = name[len(prefix) :].partition(".")
        if number.isdecimal() and len(number) < _MAX_DIGITS and field:
            own = field[len(inner) :] if field.startswith(inner) else field
            found.setdefault(int(number), {})[own] = left.pop(name)
    return [found[number] for number in sorted(found)]


def _asked(left: Attributes, prefix: str, operation: str) -> Facts:
    """Return who was asked, and how; attributes begin with ``prefix``."""
    system, provider = left.pop("llm.system", None), left.pop("llm.provider", None)
    provider = system if provider is None else provider
    context = {"operation": operation}
    if provider is not None:
        named = _PROVIDERS.get(provider, provider)
        context = {**server_of(None, str(named)), **context}
    given = parsed(left.pop(f"{prefix}.invocation_parameters", None))
    parameters = given if type(given) is dict else present(given=given)
    model = left.pop(f"{prefix}.request.model_name", parameters.get("model"))
    # If there is only one name, it may be that of the model that answered.
    rest = {key: parameters[key] for key in parameters if key not in _NO_PARAMETERS}
    return {
        **context,
        **present(
            model=left.get(f"{prefix}.model_name") if model is None else model,
            parameters=without_media(rest) or None,
        ),
    }


def _answered(left: Attributes, prefix: str) -> Facts:
    model = left.pop(f"{prefix}.model_name", None)
    return present(model=left.pop(f"{prefix}.response.model_name", model))


def _answers(left: Attributes) -> list[Message]:
    answers = _messages_of(left, "llm.output_messages.") or [
        message("assistant", [text(one.get("text"))])
        for one in _rows(left, "llm.choices.", "completion.")
    ]
    if answers and "llm.finish_reason" in left:
        reason = left.pop("llm.finish_reason")
        answers[-1]["finish_reason"] = finish_reason_of(reason)
    return answers


def _counted(left: Attributes) -> Facts:
    """Return the counts of tokens, and their cost if the span has it."""
    names = [name for name in left if name.startswith(_TOKENS)]
    raw = {name[len(_TOKENS) :]: left.pop(name) for name in names}
    # Spans do not say which server answered, so we cannot know the cost ourselves.
    cost = {}
    if "llm.cost.total" in left:
        cost = present(**{ours: left.pop(name, None) for name, ours in _COSTS})
    counts = usage(*(raw.get(name) for name in _COUNTS))
    return present(usage=counts or None, raw_usage=raw or None, cost=cost or None)


def _tools(left: Attributes) -> list[Any]:
    """Return the definitions of tools, in OpenAI's or Anthropic's form."""
    rows = _rows(left, "llm.tools.", "tool.")
    offered = [parsed(one.pop("json_schema", one)) for one in rows]
    return [
        *anthropic_tools([one for one in offered if "input_schema" in fields(one)]),
        *tools([one for one in offered if "input_schema" not in fields(one)]),
    ]


# -- messages ----------------------------------------------------------------------


def _messages_of(left: Attributes, prefix: str) -> list[Message]:
    return [_message(one) for one in _rows(left, prefix, "message.")]


def _message(given: Facts) -> Message:
    parts = [_part(one) for one in _rows(given, "contents.", "message_content.")]
    calls = [_call(one, "") for one in _rows(given, "tool_calls.", "tool_call.")]
    content = given.pop("content", None)
    if content and not parts:
        parts = [text(content)]
    # Calls of Anthropic's models are among the contents, too.
    parts += [call for call in calls if call not in parts]
    if "function_call_name" in given:
        arguments = given.pop("function_call_arguments_json", None)
        parts.append(tool_call(given.pop("function_call_name"), arguments))
    call_id = given.pop("tool_call_id", None)
    if call_id is not None:
        is_text = len(parts) == 1 and parts[0]["type"] == "text"
        parts = [tool_call_response(parts[0]["content"] if is_text else parts, call_id)]
    role, name = given.pop("role", None), given.pop("name", None)
    # The names of tools and agents are in all their messages, and say nothing new.
    made = message(role, parts, name=name if role == "user" else None)
    return {**made, **beside(given, frozenset())}


def _part(given: Facts) -> Part:
    kind = given.pop("type", None)
    if kind == "text":
        part = text(given.pop("text", None))
    elif kind in ("reasoning", "thinking"):
        part = reasoning(given.pop("text", given.pop(kind, None)))
    elif kind == "tool_use":
        part = _call(given, "tool_call.")
    elif f"{kind}.{kind}.url" in given:
        part = from_url(str(kind), given.pop(f"{kind}.{kind}.url"))
    else:
        return as_it_is(present(type=kind, **given))
    # Signatures are useful only to the provider.
    return {**part, **beside(given, _SIGNATURE)}


def _call(given: Facts, prefix: str) -> Part:
    return tool_call(
        given.pop(f"{prefix}function.name", None),
        given.pop(f"{prefix}function.arguments", None),
        given.pop(f"{prefix}id", None),
    )
