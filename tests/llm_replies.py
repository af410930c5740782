"""
What OpenAI's and Anthropic's servers answer, for the server of the tests.
"""

from __future__ import annotations

from typing import Any

from llm_server import Reply, stream


QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


# -- OpenAI: chat ------------------------------------------------------------

CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 8,
    "total_tokens": 28,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def choice(
    content: str | None = "Paris.", reason: str = "stop", index: int = 0, **more: Any
) -> dict[str, Any]:
    """Return a choice of a chat completion; ``more`` is of its message."""
    message = {"role": "assistant", "content": content, **more}
    return {"index": index, "finish_reason": reason, "message": message}


def completion(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-mini-2025-08-07",
        "choices": list(choices),
        "usage": CHAT_USAGE,
        **more,
    }


def tool_call(index: int = 0, arguments: str = '{"city": "Paris"}') -> dict[str, Any]:
    """Return a tool call of a message."""
    function = {"name": "get_weather", "arguments": arguments}
    return {"id": f"call_{index}", "type": "function", "function": function}


def chunk(
    content: str | None = None, reason: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    """Return a chunk of a streamed chat completion; ``more`` is of its delta."""
    delta = {**({} if content is None else {"content": content}), **more}
    return {
        **chunk_of(),
        "choices": [{"index": index, "delta": delta, "finish_reason": reason}],
    }


def chunk_of(**more: Any) -> dict[str, Any]:
    """Return a chunk without choices."""
    about = {"id": "chatcmpl-1", "created": 1, "model": "gpt-5-mini-2025-08-07"}
    return {**about, "object": "chat.completion.chunk", "choices": [], **more}


def chat_stream(*pieces: str, cut: bool = False) -> Reply:
    """Return a streamed chat completion with usage in its last chunk."""
    return stream(
        chunk("", role="assistant"),
        *(chunk(piece) for piece in pieces),
        chunk(None, "stop"),
        chunk_of(usage=CHAT_USAGE),
        cut=cut,
    )


# -- OpenAI: responses and embeddings ----------------------------------------

RESPONSE_USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 0},
    "output_tokens": 8,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 28,
}


def said(text: str) -> dict[str, Any]:
    """Return an item of a response that is a message."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    about = {"id": "msg_1", "role": "assistant", "status": "completed"}
    return {**about, "type": "message", "content": content}


def asked_for_tool() -> dict[str, Any]:
    """Return an item of a response that asks for a tool."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_0",
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
        "status": "completed",
    }


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a response."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5-mini-2025-08-07",
        "status": "completed",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSE_USAGE,
        **more,
    }


def response_events(*pieces: str) -> list[dict[str, Any]]:
    """Return the events of a streamed response."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty = {**said(""), "content": [], "status": "in_progress"}
    started = response(status="in_progress", usage=None)
    part = {"type": "output_text", "text": "", "annotations": []}
    text = "".join(pieces)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **at, "part": part},
        *(
            {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
            for piece in pieces
        ),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": said(text)},
        {"type": "response.completed", "response": response(said(text))},
    ]
    return [{**event, "sequence_number": n} for n, event in enumerate(events)]


def embeddings(*vectors: list[float]) -> dict[str, Any]:
    """Return embeddings."""
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


# -- Anthropic ---------------------------------------------------------------

MESSAGE_USAGE = {
    "input_tokens": 4,
    "output_tokens": 8,
    "cache_read_input_tokens": 16,
    "cache_creation_input_tokens": 2,
}


def block(text: str = "Paris.") -> dict[str, Any]:
    """Return a content block of text."""
    return {"type": "text", "text": text}


def tool_use(index: int = 0) -> dict[str, Any]:
    """Return a content block that asks for a tool."""
    about = {"type": "tool_use", "id": f"toolu_{index}", "name": "get_weather"}
    return {**about, "input": {"city": "Paris"}}


def message(
    *content: dict[str, Any], reason: str | None = "end_turn", **more: Any
) -> dict[str, Any]:
    """Return a message of Anthropic's."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": MESSAGE_USAGE,
        **more,
    }


def delta(kind: str, index: int = 0, **piece: Any) -> dict[str, Any]:
    """Return an event that adds to a content block."""
    given = {"type": kind, **piece}
    return {"type": "content_block_delta", "index": index, "delta": given}


def begun(content: dict[str, Any], index: int = 0) -> dict[str, Any]:
    """Return the event that begins a content block."""
    return {"type": "content_block_start", "index": index, "content_block": content}


def message_events(*events: dict[str, Any], reason: str = "end_turn") -> list[Any]:
    """Return the events of a streamed message around those of its blocks."""
    usage = {**MESSAGE_USAGE, "output_tokens": 1}
    ended = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_start", "message": message(reason=None, usage=usage)},
        {"type": "ping"},
        *events,
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 8}},
        {"type": "message_stop"},
    ]


def text_events(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    """Return the events of a content block of text."""
    return [
        begun(block(""), index),
        *(delta("text_delta", index, text=piece) for piece in pieces),
        {"type": "content_block_stop", "index": index},
    ]


def message_stream(*pieces: str, cut: bool = False) -> Reply:
    """Return a streamed message of one text."""
    return stream(*message_events(*text_events(*pieces)), done=False, cut=cut)
