"""
What recording a call costs, counted: calls of functions of the integrations.

Times move with the machine; these numbers do not, so a change that makes every call or
every chunk dearer is seen here. ``benchmarks/clients.py`` has the times.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

import anthropic
import openai
import pytest
from llm_replies import (
    QUESTION,
    block,
    chat_stream,
    choice,
    completion,
    message,
    message_stream,
)
from llm_server import LlmServer, Reply, answer

from ai_trace import _context, integrations
from ai_trace.testing import capture


HERE = str(Path(integrations.__file__).parent)
FEW, MANY = 10, 110
# What OpenAI sends along with each answer.
EMPTY: dict[str, Any] = {"refusal": None, "annotations": []}


@pytest.fixture(autouse=True)
def no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away a framework that other tests of this process have had recorded."""
    monkeypatch.setattr(_context, "inner", None)


def ask(client: Any, **more: Any) -> Any:
    """Ask either library."""
    if isinstance(client, openai.OpenAI):
        return client.chat.completions.create(model="gpt-5", messages=QUESTION, **more)
    assert isinstance(client, anthropic.Anthropic)
    asked = client.messages.create
    return asked(model="claude", messages=QUESTION, max_tokens=9, **more)


def read(client: Any) -> None:
    """Read a stream to its end."""
    for _ in ask(client, stream=True):
        pass


def calls(do: Callable[[Any], Any], client: Any) -> int:
    """Count the functions of the integrations that are called by doing something."""
    counted: list[str] = []

    def count(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(HERE):
            counted.append(frame.f_code.co_name)

    with capture() as steps:
        # The first time some things are found out that are kept.
        do(client)
        sys.setprofile(count)
        try:
            do(client)
        finally:
            sys.setprofile(None)
    assert [("ok", True)] * 2 == [(one.outcome, bool(one.result)) for one in steps]
    return len(counted)


@pytest.mark.parametrize(
    ("name", "reply", "most"),
    [
        ("client", answer(completion(choice(**EMPTY))), 31),
        ("claude", answer(message(block())), 29),
    ],
)
def test_calls_a_call(
    server: LlmServer,
    request: pytest.FixtureRequest,
    name: str,
    reply: Reply,
    most: int,
) -> None:
    """A call of a client is recorded by few calls of ours."""
    server.will(reply)
    counted = calls(ask, request.getfixturevalue(name))

    assert 0 < counted <= most


@pytest.mark.parametrize(
    ("name", "pieces", "most"),
    [("client", chat_stream, 8), ("claude", message_stream, 6)],
)
def test_calls_a_chunk(
    server: LlmServer,
    request: pytest.FixtureRequest,
    name: str,
    pieces: Callable[..., Reply],
    most: int,
) -> None:
    """A chunk of a stream is looked at by few calls of ours."""
    client = request.getfixturevalue(name)
    counted = []
    for count in (FEW, MANY):
        server.will(pieces(*["tok "] * count))
        counted.append(calls(read, client))

    assert 0 < counted[1] - counted[0] <= most * (MANY - FEW)
