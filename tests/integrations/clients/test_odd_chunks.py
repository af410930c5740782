"""
Streams of servers that send what OpenAI's own does not, or in another order.
"""

from __future__ import annotations

from typing import Any

import openai
import pytest
from llm_replies import QUESTION, choice, chunk, chunk_of, completion
from llm_server import LlmServer, answer, stream

from ai_trace.testing import capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION, "stream": True}


def result_of(server: LlmServer, client: openai.OpenAI, *events: Any) -> Any:
    """Read a stream to its end; return what was recorded, of which nothing was lost."""
    server.will(stream(*events))
    with capture() as steps:
        for _ in client.chat.completions.create(**ASKED):
            pass
    (record,) = steps

    assert {} == steps.tracer.health()
    return record.result


@pytest.mark.parametrize("beside", [None, {"prompt_tokens": 3, "completion_tokens": 1}])
def test_usage_of_groq(server: LlmServer, client: openai.OpenAI, beside: Any) -> None:
    """Groq counts in a field of its own, where it is not asked for a usage."""
    counted = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    last = {"id": "req_1", "usage": {**counted, "total_time": 0.1}}
    found = result_of(
        server,
        client,
        {**chunk("Paris."), "x_groq": {"id": "req_1"}},
        {**chunk(None, "stop"), "x_groq": last},
        *([] if beside is None else [chunk_of(usage=beside)]),
    )

    assert {"input_tokens": 3, "output_tokens": 1} == found["usage"]
    assert (last["usage"] if beside is None else beside) == found["raw_usage"]


def test_first_chunk_of_azure(server: LlmServer, client: openai.OpenAI) -> None:
    """Who answered is found in later chunks where the first one does not say."""
    first = {"id": "", "created": 0, "model": "", "object": "", "choices": []}
    filters = [{"prompt_index": 0, "content_filter_results": {}}]
    found = result_of(
        server,
        client,
        {**first, "prompt_filter_results": filters},
        chunk("Paris."),
        chunk(None, "stop"),
        chunk_of(service_tier="priority"),
    )

    assert "gpt-5-mini-2025-08-07" == found["model"]
    assert "chatcmpl-1" == found["id"]
    assert "priority" == found["service_tier"]
    assert filters == found["prompt_filter_results"]


def test_choices_in_their_order(server: LlmServer, client: openai.OpenAI) -> None:
    """Choices are in the order of their numbers, whichever began first."""
    found = result_of(server, client, chunk("second", index=1), chunk("first", index=0))

    assert ["first", "second"] == [
        one["parts"][0]["content"] for one in found["messages"]
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("reasoning_content", "reasoning"),
        ("reasoning", "reasoning"),
        ("refusal", "refusal"),
    ],
)
def test_pieces_that_are_no_text(
    server: LlmServer, client: openai.OpenAI, name: str, kind: str
) -> None:
    """A piece that should be text and is none costs nothing of the others."""
    odd: dict[str, Any] = {name: {"of": 1}}
    (said,) = result_of(server, client, chunk("Paris."), chunk(**odd))["messages"]
    parts = {part["type"]: part["content"] for part in said["parts"]}

    assert {"text": "Paris.", kind: '{"of": 1}'} == parts


def test_arguments_as_an_object(server: LlmServer, client: openai.OpenAI) -> None:
    """Arguments of a tool may come as an object instead of its text."""
    function = {"name": "get_weather", "arguments": {"city": "Paris"}}
    piece = {"index": 0, "id": "call_0", "type": "function", "function": function}
    (said,) = result_of(server, client, chunk(tool_calls=[piece]))["messages"]

    assert [
        {
            "type": "tool_call",
            "name": "get_weather",
            "id": "call_0",
            "arguments": {"city": "Paris"},
        }
    ] == said["parts"]


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
REFERENCE = {"type": "reference", "reference_ids": [1]}


@pytest.mark.parametrize("streamed", [False, True])
def test_contents_of_mistral(
    server: LlmServer, client: openai.OpenAI, streamed: bool
) -> None:
    """Thoughts and references stand in the content, whole or piece by piece."""
    link = {"title": "Paris"}
    text = {"type": "text", "text": "Paris.", "citations": [link]}
    contents = [
        [THOUGHT],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "."}]}],
        [text, REFERENCE],
    ]
    if streamed:
        pieces: list[Any] = contents
        (message,) = result_of(server, client, *map(chunk, pieces))["messages"]
    else:
        whole: Any = [{"type": "thinking", "thinking": "Hm."}, text, REFERENCE]
        server.will(answer(completion(choice(whole))))
        with capture() as steps:
            client.chat.completions.create(**{**ASKED, "stream": False})
        (message,) = steps[0].result["messages"]

    thought, said, beside = message["parts"]
    assert ("reasoning", "Hm.") == (thought["type"], thought["content"])
    assert ("text", "Paris.") == (said["type"], said["content"])
    assert REFERENCE == beside
    assert [link] == (message if streamed else said)["citations"]


def test_filters_of_azure(server: LlmServer, client: openai.OpenAI) -> None:
    """What is told anew with each chunk is not strung together, nor is a hit lost."""
    safe = {"filtered": False, "severity": "safe"}
    hit = {"filtered": True, "severity": "high"}
    chunks = [chunk("Par"), chunk("is"), chunk(".")]
    for one, hate in zip(chunks, (safe, hit, safe)):
        one["choices"][0].update(
            native_finish_reason="STOP",
            content_filter_results={"hate": hate, "violence": safe},
        )
        one["choices"][0]["delta"].update(aside="a", note={"by": "Ann"})
    (said,) = result_of(server, client, *chunks)["messages"]

    assert {"hate": hit, "violence": safe} == said["content_filter_results"]
    assert "STOP" == said["native_finish_reason"]
    assert ("aaa", {"by": "Ann"}) == (said["aside"], said["note"])
