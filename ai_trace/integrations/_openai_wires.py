"""
OpenAI's endpoints: chat, responses, decisions, embeddings and legacy completions.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import counts, field, fields, items
from ai_trace.integrations._media import as_it_is
from ai_trace.integrations._messages import message, text
from ai_trace.integrations._openai_messages import (
    answer_with,
    chat_messages,
    choices,
    completion_choices,
    content_parts,
    tools,
)
from ai_trace.integrations._openai_responses import (
    TAKEN_OF_RESPONSE,
    ResponseFold,
    input_messages,
    output_messages,
)
from ai_trace.integrations._openai_streams import (
    TAKEN_OF_ANSWER,
    ChatFold,
    CompletionFold,
)
from ai_trace.integrations._usage import openai_usage
from ai_trace.integrations._wire import Facts, Wire, answer, parameters, present


def chat_asked(body: Facts) -> Facts:
    """Return what a chat request asks."""
    asked: Facts = {}
    messages = chat_messages(body.get("messages"))
    if messages is not None:
        asked["messages"] = messages
    offered = body.get("tools") or body.get("functions")
    if offered is not None:
        asked["tools"] = tools(offered)
    more = parameters(body, "model", "messages", "tools", "functions")
    if more is not None:
        asked["parameters"] = more
    return asked


def chat_answered(response: Any) -> Facts | None:
    """Return what a chat completion holds."""
    given = fields(response)
    said = given.get("choices")
    if type(said) is not list:
        return None
    usage = counts(given.get("usage"))
    return answer(given, choices(said), openai_usage(usage), usage, TAKEN_OF_ANSWER)


def _completion_asked(body: Facts) -> Facts:
    prompt = body.get("prompt")
    prompts = [prompt] if type(prompt) is str else items(prompt)
    texts = [message("user", [text(one)]) for one in prompts if type(one) is str]
    # Prompts may also be lists of tokens, which stay as they are.
    asked = texts if prompts and len(texts) == len(prompts) else prompt
    return present(messages=asked, parameters=parameters(body, "model", "prompt"))


def _completion_answered(response: Any) -> Facts | None:
    given = field(response, "choices")
    if type(given) is not list:
        return None
    return answer_with(response, completion_choices(given), TAKEN_OF_ANSWER)


def _response_asked(body: Facts) -> Facts:
    taken = ("model", "input", "instructions", "tools")
    return present(
        system=content_parts(body.get("instructions")) or None,
        messages=input_messages(body.get("input")),
        tools=tools(body.get("tools")),
        parameters=parameters(body, *taken),
    )


def _response_answered(response: Any) -> Facts | None:
    output = field(response, "output")
    if type(output) is not list:
        return None
    status, why = field(response, "status"), field(response, "incomplete_details")
    messages = output_messages(output, status, why)
    return answer_with(response, messages, TAKEN_OF_RESPONSE)


def _compacted(response: Any) -> Facts | None:
    output = field(response, "output")
    if type(output) is not list:
        return None
    # The messages that were kept, and one item for all the others.
    return answer_with(response, input_messages(output))


def _decision_asked(body: Facts) -> Facts:
    return present(
        messages=input_messages(body.get("input")),
        parameters=parameters(body, "model", "input"),
    )


def _decided(response: Any) -> Facts | None:
    given = field(response, "answers")
    if type(given) is not list:
        return None
    said = message("assistant", [as_it_is(one) for one in given])
    return answer_with(response, [said])


def _embedding_asked(body: Facts) -> Facts:
    given = body.get("input")
    texts = items(given) or [given]
    is_tokens = all(type(one) is int for one in texts)
    return present(
        input=texts,
        count=1 if is_tokens else len(texts),
        parameters=parameters(body, "model", "input"),
    )


def _embedding_answered(response: Any) -> Facts | None:
    data = field(response, "data")
    if type(data) is not list:
        return None
    usage = field(response, "usage")
    return present(
        model=field(response, "model"),
        count=len(data),
        dimensions=_dimensions(data),
        usage=openai_usage(usage) or None,
        raw_usage=counts(usage),
    )


def _dimensions(data: list[Any]) -> int | None:
    vector = field(data[0], "embedding") if data else None
    if type(vector) is str:
        # Base64, with four bytes for each number.
        return len(vector.rstrip("=")) * 3 // 16
    return len(items(vector)) or None


WIRES = {
    "/chat/completions": Wire("chat", "llm", chat_asked, chat_answered, ChatFold),
    "/responses": Wire(
        "chat", "llm", _response_asked, _response_answered, ResponseFold
    ),
    "/responses/compact": Wire("compact", "llm", _response_asked, _compacted),
    # The prices of the model's tokens are others there.
    "/decisions": Wire("decide", "llm", _decision_asked, _decided, is_priced=False),
    "/completions": Wire(
        "text_completion",
        "llm",
        _completion_asked,
        _completion_answered,
        CompletionFold,
    ),
    "/embeddings": Wire(
        "embeddings", "embedding", _embedding_asked, _embedding_answered
    ),
}
