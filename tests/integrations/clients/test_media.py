"""
Whatever is sent or comes inline is recorded by type, size and hash alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from llm_replies import (
    QUESTION,
    block,
    choice,
    chunk,
    completion,
    message,
    response,
    said,
)
from llm_server import LlmServer, answer, stream

from ai_trace import StepRecord, step
from ai_trace.integrations import _media
from ai_trace.integrations._media import without_media
from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


PICTURE = b"\x89PNG picture" * 20
ENCODED = base64.b64encode(PICTURE).decode()
URL = f"data:image/png;base64,{ENCODED}"
SOURCE = {"type": "base64", "media_type": "image/png", "data": ENCODED}
KNOWN = {"bytes": len(PICTURE), "sha256": hashlib.sha256(PICTURE).hexdigest()}
BLOB = {"type": "blob", "modality": "image", "mime_type": "image/png", **KNOWN}
ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
ASKED_CLAUDE: dict[str, Any] = {"model": "claude", "max_tokens": 9}
DRAWN = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "output_format": "png",
    "result": ENCODED,
}


def only(steps: CapturedSteps) -> StepRecord:
    """Return the only step, which tells of the picture and does not hold it."""
    (record,) = steps
    assert {} == steps.tracer.health()
    text = str(record.to_dict())
    assert ENCODED[:40] not in text
    assert KNOWN["sha256"] in text
    return record


def test_pictures_that_a_model_draws(server: LlmServer, client: openai.OpenAI) -> None:
    """A picture in a response is not kept, whole or streamed, left early or not."""
    done = {"type": "response.output_item.done", "output_index": 0, "item": DRAWN}
    ended = {"type": "response.completed", "response": response(DRAWN)}
    half = {
        "type": "response.image_generation_call.partial_image",
        "output_index": 0,
        "partial_image_b64": ENCODED,
    }
    server.will(
        answer(response(DRAWN)),
        stream(half, done, ended, done=False),
        stream(half, done, done=False),
    )
    asked: dict[str, Any] = {"model": "gpt-5-mini", "input": "Draw."}
    for more in ({}, {"stream": True}, {"stream": True}):
        with capture() as steps:
            given = client.responses.create(**asked, **more)
            if more:
                list(given)
        (part,) = only(steps).result["messages"][0]["parts"]

        assert {**DRAWN, "result": BLOB} == part


ITEMS: dict[str, Any] = {
    "screenshot": {
        "type": "computer_call_output",
        "call_id": "c",
        "output": {"type": "computer_screenshot", "image_url": URL},
    },
    "what was drawn": DRAWN,
    "what code drew": {
        "type": "code_interpreter_call",
        "id": "ci",
        "outputs": [{"type": "image", "url": URL}],
    },
    "part of a message": {
        "role": "user",
        "content": [{"type": "hologram", "seen": {"b64_json": ENCODED}}],
    },
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_items_that_go_in(
    server: LlmServer, client: openai.OpenAI, item: dict[str, Any]
) -> None:
    """Items of a kind that is not known are kept without what is inline in them."""
    server.will(answer(response(said("Nice."))))
    with capture() as steps:
        client.responses.create(model="gpt-5-mini", input=[item])

    assert 1 == len(only(steps).context["messages"])


def test_parameters(server: LlmServer, client: openai.OpenAI) -> None:
    """What fills a stored prompt is a parameter, and may be a picture."""
    server.will(answer(response(said("Nice."))))
    seen = {"type": "input_image", "image_url": URL}
    with capture() as steps:
        client.responses.create(
            model="m",
            prompt={"id": "p", "variables": {"seen": seen}},
        )

    prompt = only(steps).context["parameters"]["prompt"]
    assert {**seen, "image_url": BLOB} == prompt["variables"]["seen"]


def test_parts_of_other_servers(server: LlmServer, client: openai.OpenAI) -> None:
    """Parts that only some servers know are kept without what is inline in them."""
    server.will(answer(completion(choice())))
    film = {"type": "video_url", "video_url": {"url": URL}}
    mcp = {"type": "image", "data": ENCODED, "mimeType": "image/png"}
    with capture() as steps:
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": [film, mcp]}],
        )

    one, other = only(steps).context["messages"][0]["parts"]
    assert {**film, "video_url": {"url": BLOB}} == one
    assert BLOB == other


def test_pictures_in_an_answer(server: LlmServer, client: openai.OpenAI) -> None:
    """Pictures that some servers put beside the text of an answer are parts of it."""
    images = [{"type": "image_url", "image_url": {"url": URL}}]
    server.will(
        answer(completion(choice("Look.", images=images))),
        stream(chunk("Look."), chunk(None, "stop", images=images)),
    )
    for is_stream in (False, True):
        with capture() as steps:
            given = client.chat.completions.create(**ASKED, stream=is_stream)
            if is_stream:
                list(given)

        assert [{"type": "text", "content": "Look."}, BLOB] == (
            only(steps).result["messages"][0]["parts"]
        )


def test_audio_in_pieces(server: LlmServer, client: openai.OpenAI) -> None:
    """Audio that is streamed is one part, known by all of its bytes, and its text."""
    pieces = [base64.b64encode(one).decode() for one in (PICTURE[:31], PICTURE[31:])]
    server.will(
        stream(
            chunk(None, audio={"id": "audio_1", "transcript": "Par"}),
            chunk(None, audio={"data": pieces[0]}),
            chunk(None, audio={"transcript": "is."}),
            chunk(None, audio={"data": pieces[1], "expires_at": 1}),
            chunk(None, "stop"),
        )
    )
    with capture() as steps:
        list(client.chat.completions.create(**ASKED, stream=True))

    record = only(steps)
    assert pieces[0][:30] not in str(record.to_dict())
    assert [
        {"type": "blob", "modality": "audio", **KNOWN},
        {"type": "text", "content": "Paris."},
    ] == record.result["messages"][0]["parts"]
    assert "time_to_first_content" in record.result


BLOCKS: dict[str, Any] = {
    "document of parts": {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "image", "source": SOURCE}]},
    },
    "document of the web": {
        "type": "web_fetch_tool_result",
        "tool_use_id": "t",
        "content": {
            "type": "web_fetch_result",
            "url": "https://example.com/a.png",
            "content": {"type": "document", "source": SOURCE},
        },
    },
}


@pytest.mark.parametrize("given", BLOCKS.values(), ids=BLOCKS)
def test_blocks(
    server: LlmServer, claude: anthropic.Anthropic, given: dict[str, Any]
) -> None:
    """Blocks of a kind that is not known are kept without what is inline in them."""
    server.will(answer(message(block(), given)))
    with capture() as steps:
        claude.messages.create(
            **ASKED_CLAUDE,
            messages=[{"role": "user", "content": [given]}],
        )

    record = only(steps)
    assert given["type"] == record.context["messages"][0]["parts"][0]["type"]
    assert given["type"] == record.result["messages"][0]["parts"][1]["type"]


def test_responses_of_unknown_shape(server: LlmServer, client: openai.OpenAI) -> None:
    """A response of an unknown shape is recorded without inline media."""
    server.will(answer({"drawn": [{"b64_json": ENCODED}]}))
    with capture() as steps:
        client.chat.completions.create(**ASKED)

    expected = {"type": "blob", "modality": "image", **KNOWN}
    assert {"drawn": [{"b64_json": expected}]} == only(steps).result["response"]


@pytest.mark.parametrize(
    "harmless",
    [
        {"type": "text", "media_type": "text/plain", "data": "It is sunny."},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"url": "https://example.com/a.png", "data": "data: none", "format": "json"},
        ["data:", 3, None, 2.5, True],
    ],
)
def test_what_is_no_media(harmless: Any) -> None:
    """What only looks a little like media stays as it is."""
    assert harmless == without_media(harmless)


def test_values_that_hold_themselves() -> None:
    """However deep a value is, looking for media in it comes to an end."""
    endless: list[Any] = [URL]
    endless.append(endless)

    assert BLOB == without_media(endless)[0]


def test_values_that_share_what_they_hold() -> None:
    """What is held twice is looked at once: else each level doubled the time."""
    shared: Any = URL
    for _ in range(45):
        shared = [shared, shared]
    found = without_media(shared)
    for _ in range(44):
        assert found[0] is found[1]
        found = found[0]

    assert [BLOB, BLOB] == found


def test_a_body_that_cannot_be_sent(openai_options: dict[str, Any]) -> None:
    """A body that leads back to itself in many ways is refused as by a bare client."""
    loop: dict[str, Any] = {}
    loop.update(one=loop, other=loop)
    bare = openai.OpenAI(**openai_options)
    refused = []
    for client in (bare, wrap_openai(bare.copy())):
        with capture() as steps, pytest.raises((ValueError, RecursionError)) as raised:
            client.chat.completions.create(**ASKED, extra_body={"loop": loop})
        refused.append((raised.type, str(raised.value)))

    assert refused[0] == refused[1]
    assert "error" == steps[0].outcome


def opened(path: Path) -> Any:
    """Return an open file of which two bytes were read."""
    file = path.open("rb")
    file.read(2)
    return file


def in_memory(path: Path) -> Any:
    """Return the same in memory."""
    file = io.BytesIO(path.read_bytes())
    file.read(2)
    return file


@pytest.mark.parametrize("make", [lambda path: path, opened, in_memory])
def test_files(
    server: LlmServer, claude: anthropic.Anthropic, tmp_path: Path, make: Any
) -> None:
    """A picture in a file is recorded like any other, and sent as without us."""
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    data = make(path)
    sent = PICTURE if data is path else PICTURE[2:]
    source = {"type": "base64", "media_type": "image/png", "data": data}
    messages: Any = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    server.will(answer(message(block())))
    with capture() as steps:
        claude.messages.create(model="m", max_tokens=9, messages=messages)
    (part,) = steps[0].context["messages"][0]["parts"]
    (given,) = server.requests[0].body["messages"][0]["content"]
    if data is not path:
        data.close()

    assert (len(sent), hashlib.sha256(sent).hexdigest()) == (
        part["bytes"],
        part["sha256"],
    )
    assert sent == base64.b64decode(given["source"]["data"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="not on Windows")
def test_what_cannot_be_read_twice(tmp_path: Path) -> None:
    """What is no regular file, or no file of Python's own, is not touched."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    class Odd(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError

        tell = getvalue = read  # type: ignore[assignment]

    for given in (pipe, Odd(b"a"), tmp_path / "none", io.StringIO("a")):
        found = _media.blob("image", "image/png", given)

        assert given is found["data"]
        assert "bytes" not in found


def test_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large to be read by the way is named."""
    monkeypatch.setattr(_media, "_MAX_FILE", 9)
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    with capture() as steps, step("ask", about=_media.blob("image", None, path)):
        pass

    assert str(path) == steps[0].context["about"]["data"]
