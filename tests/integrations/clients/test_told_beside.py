"""
What is said beside the text: citations, probabilities, hints, and how it all ended.
"""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from llm_replies import (
    CHAT_USAGE,
    QUESTION,
    asked_for_tool,
    choice,
    chunk,
    chunk_of,
    completion,
    message_events,
    response,
    said,
    text_events,
)
from llm_server import LlmServer, answer, stream

from ai_trace.testing import capture


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
CLAUDE: dict[str, Any] = {"model": "claude-x", "max_tokens": 9}
LINK = {"type": "url_citation", "url_citation": {"url": "https://paris.example/"}}
TOKENS = [{"token": "Paris", "logprob": -0.1}, {"token": ".", "logprob": -0.2}]
QUOTE = {
    "type": "char_location",
    "cited_text": "The grass is green.",
    "document_index": 0,
    "document_title": "Lawn",
    "start_char_index": 0,
    "end_char_index": 19,
}


def test_chat(server: LlmServer, client: openai.OpenAI) -> None:
    """Citations, log probabilities and unknown fields are recorded as they came."""
    said = {**choice(annotations=[LINK]), "logprobs": {"content": TOKENS}}
    server.will(answer(completion(said, citations=["https://paris.example/"])))
    with capture() as steps:
        client.chat.completions.create(**ASKED, logprobs=True)
    result = steps[0].result
    (message,) = result["messages"]

    assert [LINK] == message["annotations"]
    assert TOKENS == message["logprobs"]["content"]
    assert ["https://paris.example/"] == result["citations"]


def test_chat_stream(server: LlmServer, client: openai.OpenAI) -> None:
    """A stream is recorded with the same as a whole answer, its pieces joined."""
    chunks = [
        chunk("Paris"),
        chunk("."),
        chunk(annotations=[LINK]),
        chunk(None, "stop"),
    ]
    for one, token in zip(chunks, TOKENS):
        one["choices"][0]["logprobs"] = {"content": [token]}
    server.will(stream(*chunks, chunk_of(citations=["https://paris.example/"])))
    with capture() as steps:
        for _ in client.chat.completions.create(**ASKED, logprobs=True, stream=True):
            pass
    result = steps[0].result
    (message,) = result["messages"]

    assert [LINK] == message["annotations"]
    assert TOKENS == message["logprobs"]["content"]
    assert ["https://paris.example/"] == result["citations"]


def test_what_was_asked_for(server: LlmServer, client: openai.OpenAI) -> None:
    """How a picture is to be seen, a message continued, a tool obeyed is recorded."""
    server.will(answer(completion(choice())))
    url = {"url": "https://paris.example/map.png", "detail": "low"}
    messages: Any = [
        {"role": "user", "content": [{"type": "image_url", "image_url": url}]},
        {"role": "assistant", "content": "It is", "prefix": True},
    ]
    function: Any = {"name": "f", "parameters": {}, "strict": False}
    with capture() as steps:
        client.chat.completions.create(
            model="gpt-5-mini",
            messages=messages,
            tools=[{"type": "function", "function": function}],
        )
    context = steps[0].context

    assert "low" == context["messages"][0]["parts"][0]["detail"]
    assert context["messages"][1]["prefix"] is True
    assert context["tools"][0]["strict"] is False


def test_citations_of_responses(server: LlmServer, client: openai.OpenAI) -> None:
    """A text of a response keeps what it refers to."""
    link = {"type": "url_citation", "url": "https://paris.example/", "title": "Paris"}
    link = {**link, "start_index": 0, "end_index": 5}  # type: ignore[dict-item]
    text = {"type": "output_text", "text": "Paris.", "annotations": [link]}
    said = {"type": "message", "id": "m", "role": "assistant", "content": [text]}
    server.will(answer(response({**said, "status": "completed"})))
    with capture() as steps:
        client.responses.create(model="gpt-5-mini", input="Where?")
    (message,) = steps[0].result["messages"]

    assert [link] == message["parts"][0]["annotations"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("status", "more", "reason"),
    [
        (
            "incomplete",
            {"incomplete_details": {"reason": "max_output_tokens"}},
            "length",
        ),
        ("failed", {"error": {"code": "server_error", "message": "Oh."}}, "error"),
    ],
)
def test_responses_without_a_word(
    server: LlmServer,
    client: openai.OpenAI,
    status: str,
    more: dict[str, Any],
    reason: str,
    streamed: bool,
) -> None:
    """Why a response says nothing is recorded, though it says nothing."""
    given = {**response(), "output": [], "status": status, **more}
    event = {"type": f"response.{status}", "sequence_number": 0, "response": given}
    server.will(stream(event) if streamed else answer(given))
    with capture() as steps:
        found = client.responses.create(model="m", input="Hm?", stream=streamed)
        if streamed:
            list(found)

    assert [reason] == steps[0].result["finish_reasons"]


def test_response_in_the_background(server: LlmServer, client: openai.OpenAI) -> None:
    """A response that is worked on elsewhere is not taken for an answer."""
    server.will(answer({**response(), "output": [], "status": "queued"}))
    with capture() as steps:
        client.responses.create(model="m", input="Hm?", background=True)

    assert ["queued"] == steps[0].result["finish_reasons"]


def claude_says(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer of Anthropic's."""
    usage = {"input_tokens": 3, "output_tokens": 1}
    about = {"id": "msg_1", "type": "message", "role": "assistant", "usage": usage}
    return {**about, "model": "claude-x", "content": list(content), **more}


def test_claude(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """What a document is and what was cited of it is recorded, and what stopped it."""
    block = {"type": "text", "text": "It is green.", "citations": [QUOTE]}
    server.will(
        answer(claude_says(block, stop_reason="stop_sequence", stop_sequence="END"))
    )
    cached: Any = {"cache_control": {"type": "ephemeral"}}
    document: Any = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Grass."},
        "context": "Trust this one.",
        "citations": {"enabled": True},
        **cached,
    }
    tool: Any = {"name": "f", "input_schema": {"type": "object"}, **cached}
    with capture() as steps:
        claude.messages.create(
            **CLAUDE, messages=[{"role": "user", "content": [document]}], tools=[tool]
        )
    context, result = steps[0].context, steps[0].result
    (part,) = context["messages"][0]["parts"]

    assert "Trust this one." == part["context"]
    assert {"enabled": True} == part["citations"]
    assert cached["cache_control"] == part["cache_control"]
    assert cached["cache_control"] == context["tools"][0]["cache_control"]
    assert "END" == result["stop_sequence"]
    (cited,) = result["messages"][0]["parts"][0]["citations"]
    assert QUOTE["cited_text"] == cited["cited_text"]


def claude_streams(block: dict[str, Any], *deltas: dict[str, Any]) -> Any:
    """Return a streamed answer of one block."""
    return stream(
        {"type": "message_start", "message": claude_says(stop_reason=None)},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": delta}
            for delta in deltas
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
        done=False,
    )


def test_claude_stream(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A stream is recorded with its citations and what stopped it."""
    server.will(
        claude_streams(
            {"type": "text", "text": "", "citations": []},
            {"type": "text_delta", "text": "It is green."},
            {"type": "citations_delta", "citation": QUOTE},
        )
    )
    with (
        capture() as steps,
        claude.messages.stream(
            **CLAUDE, messages=[{"role": "user", "content": "Which?"}]
        ) as said,
    ):
        said.until_done()
    result = steps[0].result
    (part,) = result["messages"][0]["parts"]

    assert "It is green." == part["content"]
    assert QUOTE["cited_text"] == part["citations"][0]["cited_text"]
    assert "END" == result["stop_sequence"]


def test_tool_without_arguments(server: LlmServer, claude: anthropic.Anthropic) -> None:
    """A streamed call of a tool without arguments is one with no arguments."""
    server.will(
        claude_streams(
            {"type": "tool_use", "id": "toolu_0", "name": "now", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
        )
    )
    with capture() as steps:
        for _ in claude.messages.create(
            **CLAUDE, messages=[{"role": "user", "content": "When?"}], stream=True
        ):
            pass
    (part,) = steps[0].result["messages"][0]["parts"]

    assert {} == part["arguments"]


@pytest.mark.parametrize("name", ["client", "claude"])
def test_messages_that_are_none(
    server: LlmServer, request: pytest.FixtureRequest, name: str
) -> None:
    """What was sent in the place of messages is there when the server refuses it."""
    server.will(answer({"error": {"message": "No message."}}, 400))
    client = request.getfixturevalue(name)
    call = client.messages if name == "claude" else client.chat.completions
    asked: Any = {"messages": ["What is it?", 1]}
    with capture() as steps, pytest.raises(Exception, match="No message"):
        call.create(model="m", max_tokens=9, messages=[], extra_body=asked)

    assert ["What is it?", 1] == [
        one["parts"][0]["content"] for one in steps[0].context["messages"]
    ]


def test_calls_that_are_no_list(server: LlmServer, client: openai.OpenAI) -> None:
    """Calls of tools in an unknown shape are recorded as they are."""
    server.will(answer(completion(choice())))
    odd: Any = {"role": "assistant", "content": None, "tool_calls": {"of": 1}}
    with capture() as steps:
        client.chat.completions.create(
            model="m", messages=[], extra_body={"messages": [odd]}
        )

    assert [{"type": "unknown", "content": {"of": 1}}] == (
        steps[0].context["messages"][0]["parts"]
    )


def test_names_are_those_of_the_provider(
    server: LlmServer, claude: anthropic.Anthropic
) -> None:
    """A part is kept as it came, not under the names that the library gave its own."""
    other = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    server.will(answer(claude_says(other)))
    with capture() as steps:
        claude.beta.messages.create(
            model="a", max_tokens=9, messages=[{"role": "user", "content": "Hi."}]
        )
    (message,) = steps[0].result["messages"]

    assert [other] == message["parts"]


CLASHES: dict[str, Any] = {
    "cost": {"usd": 0.5},
    "messages": ["x"],
    "raw_usage": 1,
    "retries": "many",
    "cache_hit": True,
    "total_cost": {"usd": 1},
    "total_usage": {"input_tokens": 3},
    "finish_reasons": 7,
    "chunks": 5,
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_names_that_are_ours(
    server: LlmServer,
    client: openai.OpenAI,
    claude: anthropic.Anthropic,
    library: str,
    streamed: bool,
) -> None:
    """A server's field is not taken for one of ours, which it does not replace."""
    more = {**CLASHES, "mood": "good"}
    create: Any = client.chat.completions.create
    asked = ASKED
    if library == "openai":
        whole = answer(completion(choice(), **more))
        chunks = stream(chunk("Paris.", "stop"), chunk_of(usage=CHAT_USAGE, **more))
    else:
        create, asked = claude.messages.create, {**CLAUDE, "messages": QUESTION}
        block = {"type": "text", "text": "Paris."}
        whole = answer(claude_says(block, stop_reason="end_turn", **more))
        start, *rest = message_events(*text_events("Paris."))
        start = {**start, "message": {**start["message"], **more}}
        chunks = stream(start, *rest, done=False)
    server.will(chunks if streamed else whole)
    with capture() as steps:
        given = create(**asked, stream=streamed)
        if streamed:
            list(given)
    result = steps[0].result
    (message,) = result["messages"]

    assert [{"type": "text", "content": "Paris."}] == message["parts"]
    assert (["stop"], "good") == (result["finish_reasons"], result["mood"])
    assert CLASHES == result["fields"]
    assert result["raw_usage"].keys() & {"input_tokens", "prompt_tokens"}
    assert result.keys().isdisjoint({"cost", "retries", "cache_hit", "total_cost"})


def test_parts_that_say_what_we_say(server: LlmServer, client: openai.OpenAI) -> None:
    """How large a picture is was counted here, whatever else is said of it."""
    server.will(answer(completion(choice())))
    url = {"url": "data:image/png;base64,aGk="}
    part: Any = {"type": "image_url", "image_url": url, "bytes": 9, "mood": "good"}
    with capture() as steps:
        client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": [part]}]
        )
    (recorded,) = steps[0].context["messages"][0]["parts"]

    assert (2, "good") == (recorded["bytes"], recorded["mood"])


@pytest.mark.parametrize("streamed", [False, True])
def test_items_of_responses(
    server: LlmServer, client: openai.OpenAI, streamed: bool
) -> None:
    """What stands beside a text, a call or an answer is kept, but no echo of a request.

    The same holds of items that are sent back.
    """
    caller = {"type": "program", "caller_id": "p"}
    phase = {"phase": "commentary"}
    items: Any = [
        {**said("Let me look."), **phase},
        {**asked_for_tool(), "namespace": "weather", "caller": caller},
    ]
    more = {"provider": "Foo", "metadata": {"a": "b"}, "temperature": 1.0}
    whole = response(*items, **more)
    last = {"type": "response.completed", "sequence_number": 0, "response": whole}
    server.will(stream(last, done=False) if streamed else answer(whole))
    output: Any = {"type": "function_call_output", "call_id": "call_0"}
    output = {**output, "output": "sunny", "caller": caller}
    with capture() as steps:
        given = client.responses.create(
            model="m", input=[*items, output], stream=streamed
        )
        if streamed:
            list(given)
    result, context = steps[0].result, steps[0].context
    parts = result["messages"][0]["parts"]
    text, call = parts

    assert ("Let me look.", "commentary") == (text["content"], text["phase"])
    assert ("weather", caller) == (call["namespace"], call["caller"])
    asked = [part for one in context["messages"] for part in one["parts"]]
    assert parts == asked[:2]
    assert caller == asked[2]["caller"]
    assert "Foo" == result["provider"]
    assert result.keys().isdisjoint({"metadata", "temperature", "tools"})


def test_legacy_completion(server: LlmServer, client: openai.OpenAI) -> None:
    """A completion keeps what its server says of itself."""
    choices = [{"index": 0, "text": "Hi", "finish_reason": "stop"}]
    server.will(answer(chunk_of(choices=choices, system_fingerprint="fp")))
    with capture() as steps:
        client.completions.create(model="m", prompt="p")

    assert "fp" == steps[0].result["system_fingerprint"]
