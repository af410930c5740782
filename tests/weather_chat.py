"""
The shortest agent there is: a model that asks for the weather, then tells it.

Frameworks differ, and what they send and are sent does not: so one server plays the
model for all of them, and one function says what has to be recorded of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llm_replies import (
    CHAT_USAGE,
    asked_for_tool,
    block,
    chat_stream,
    choice,
    chunk,
    chunk_of,
    completion,
    embeddings,
    message,
    response,
    said,
    tool_call,
    tool_use,
)
from llm_server import LlmServer, Reply, Request, answer, stream

from ai_trace import StepRecord


MODEL = "gpt-5-mini"
ANSWERS_AS = "gpt-5-mini-2025-08-07"
QUESTION = "What is the weather in Paris?"
ANSWER = "It is sunny in Paris."
COUNTED = {
    "input_tokens": 20,
    "output_tokens": 8,
    "cache_read_input_tokens": 16,
    "reasoning_output_tokens": 3,
}

ASKS = answer(completion(choice(None, "tool_calls", tool_calls=[tool_call()])))
TELLS = answer(completion(choice(ANSWER)))
FAILS = answer({"error": {"message": "no such key", "type": "auth"}}, 401)
STREAMS = chat_stream("It is ", "sunny ", "in Paris.")
STREAMS_ASK = stream(
    chunk(None, role="assistant", tool_calls=[{"index": 0, **tool_call()}]),
    chunk(None, "tool_calls"),
    chunk_of(usage=CHAT_USAGE),
)
OLLAMA_SAYS = {
    "model": "llama3.2",
    "created_at": "2026-11-22T21:25:30Z",
    "message": {"role": "assistant", "content": "It is sunny in Paris."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 20,
    "eval_count": 8,
}
CLAUDE_ASKS = answer(message(tool_use(), reason="tool_use"))
CLAUDE_TELLS = answer(message(block(ANSWER)))


class WeatherServer(LlmServer):
    """
    A model that asks for the weather, and tells it once it has been told.
    """

    def reply_to(self, request: Request) -> Reply:
        """Answer in the form that was asked."""
        knows = "sunny" in str(request.body)
        if request.path.endswith("/messages"):
            return CLAUDE_TELLS if knows else CLAUDE_ASKS
        if request.path.endswith("/api/chat"):
            return answer(OLLAMA_SAYS)
        if request.path.endswith("/embeddings"):
            return answer(embeddings([0.25, 0.5], [0.5, 0.25]))
        if request.path.endswith("/responses"):
            return answer(response(said(ANSWER) if knows else asked_for_tool()))
        if request.body.get("stream"):
            return STREAMS
        return TELLS if knows else ASKS


@contextmanager
def answering() -> Iterator[str]:
    """Serve such a model inside a block; the address is given."""
    server = WeatherServer()
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


def get_weather(city: str) -> str:
    """Say what the weather is like in a city."""
    return f"It is sunny in {city}."


def parents(steps: Sequence[StepRecord]) -> list[tuple[str, str, str | None]]:
    """Return kind, name and the parent's name of each step, in order of starting."""
    names = {record.id: record.name for record in steps}
    return [
        (record.kind, record.name, names.get(record.parent_id or "", record.parent_id))
        for record in sorted(steps, key=lambda record: record.seq)
    ]


def texts(message: dict[str, Any]) -> list[Any]:
    """Return what the parts of a message say."""
    return [part.get("content") or part.get("response") for part in message["parts"]]
