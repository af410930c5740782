"""
Turns the span data of the OpenAI Agents SDK into the content of a step.
"""

from __future__ import annotations

from typing import Any, Callable

from ai_trace.integrations._fields import field, plain
from ai_trace.integrations._hooked_calls import SpanContent, server_of, with_cost
from ai_trace.integrations._media import blob
from ai_trace.integrations._messages import arguments_of
from ai_trace.integrations._openai_messages import chat_message, chat_messages
from ai_trace.integrations._openai_responses import output_messages
from ai_trace.integrations._openai_wires import WIRES
from ai_trace.integrations._usage import openai_usage
from ai_trace.integrations._wire import answer, present


_RESPONSES = WIRES["/responses"]
# Spans that only structure the SDK's traces: each run, and each turn in it.
FOLDED = ("task", "turn")
# A response repeats the whole request; these are the parameters of interest.
_ASKED = (
    "max_output_tokens",
    "previous_response_id",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "top_p",
    "truncation",
)


def content_of(data: Any) -> SpanContent:
    """
    Return what a span is about, as far as its data tell so far.

    Args:
        data: The ``span_data`` of a span.
    """
    kind = field(data, "type")
    teller = _TELLERS.get(kind) if type(kind) is str else None
    if teller is not None:
        return teller(data)
    rest = data.export()
    facts = rest if type(rest) is dict else {"data": rest}
    name = field(data, "name") or kind
    return SpanContent(
        name,
        "step",
        present(**{key: facts[key] for key in facts if key != "type"}),
    )


def _generation(data: Any) -> SpanContent:
    model = data.model
    config = present(**(data.model_config or {}))
    server = server_of(config.pop("base_url", None))
    parameters = config or None
    context = present(
        **server,
        operation="chat",
        model=model,
        messages=chat_messages(data.input),
        parameters=parameters,
    )
    messages = [_answer(one) for one in data.output or ()]
    result = answer(None, messages, openai_usage(data.usage), data.usage)
    is_there = data.output is not None or data.usage is not None
    return SpanContent(
        _call_name(model),
        "llm",
        context,
        with_cost(result, context) if is_there else None,
    )


def _answer(given: Any) -> Any:
    """Return one answer: a chat message, or the response at the end of a stream."""
    if field(given, "object") == "response":
        found = output_messages(
            field(given, "output"),
            field(given, "status") or "completed",
            field(given, "incomplete_details"),
        )
        if found:
            return found[0]
    return chat_message(given)


def _response(data: Any) -> SpanContent:
    response = data.response
    asked = {
        "model": field(response, "model"),
        "input": data.input,
        "instructions": field(response, "instructions"),
        "tools": [plain(tool) for tool in field(response, "tools") or ()] or None,
        **{name: field(response, name) for name in _ASKED if field(response, name)},
    }
    context = present(
        **server_of(None),
        operation="chat",
        model=asked["model"],
        **_RESPONSES.asked(present(**asked)),
    )
    result = None if response is None else _RESPONSES.answered(response)
    if result is None and data.usage is not None:
        result = present(usage=openai_usage(data.usage), raw_usage=data.usage)
    return SpanContent(_call_name(asked["model"]), "llm", context, result)


def _call_name(model: Any) -> str:
    return f"chat {model}" if model else "chat"


def _function(data: Any) -> SpanContent:
    context = present(arguments=arguments_of(data.input), mcp=data.mcp_data)
    return SpanContent(data.name, "tool", context, data.output)


def _agent(data: Any) -> SpanContent:
    context = present(
        handoffs=data.handoffs or None,
        tools=data.tools or None,
        output_type=data.output_type,
        metadata=field(data, "metadata"),
    )
    return SpanContent(data.name, "agent", context)


def _guardrail(data: Any) -> SpanContent:
    return SpanContent(data.name, "guardrail", {}, {"triggered": data.triggered})


def _handoff(data: Any) -> SpanContent:
    context = present(from_agent=data.from_agent, to_agent=data.to_agent)
    return SpanContent(f"handoff to {data.to_agent}", "step", context)


def _mcp_tools(data: Any) -> SpanContent:
    return SpanContent("mcp_tools", "step", present(server=data.server), data.result)


def _custom(data: Any) -> SpanContent:
    given = data.data
    return SpanContent(
        data.name,
        "step",
        dict(given) if type(given) is dict else present(data=given),
    )


def _transcription(data: Any) -> SpanContent:
    context = present(
        model=data.model,
        input=_audio(data.input, data.input_format),
        parameters=data.model_config,
    )
    return SpanContent(f"transcription {data.model}", "step", context, data.output)


def _speech(data: Any) -> SpanContent:
    context = present(model=data.model, input=data.input, parameters=data.model_config)
    result = _audio(data.output, data.output_format)
    return SpanContent(f"speech {data.model}", "step", context, result)


def _audio(data: Any, audio_format: Any) -> Any:
    return blob("audio", f"audio/{audio_format}", data) if data else None


_TELLERS: dict[str, Callable[[Any], SpanContent]] = {
    "agent": _agent,
    "custom": _custom,
    "function": _function,
    "generation": _generation,
    "guardrail": _guardrail,
    "handoff": _handoff,
    "mcp_tools": _mcp_tools,
    "response": _response,
    "speech": _speech,
    "transcription": _transcription,
}
