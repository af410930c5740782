"""
A server on a real socket, and the real clients that talk to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from llm_server import LlmServer

from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai


@pytest.fixture
def openai_options(server: LlmServer) -> dict[str, Any]:
    """Return what makes a client of OpenAI's ask this server."""
    return {"base_url": f"{server.address}/v1", "api_key": "sk-test", "max_retries": 0}


@pytest.fixture
def anthropic_options(server: LlmServer) -> dict[str, Any]:
    """Return what makes a client of Anthropic's ask this server."""
    return {"base_url": server.address, "api_key": "sk-test", "max_retries": 0}


@pytest.fixture
def client(openai_options: dict[str, Any]) -> Iterator[openai.OpenAI]:
    """Return a wrapped client of OpenAI's."""
    with wrap_openai(openai.OpenAI(**openai_options)) as client:
        yield client


@pytest.fixture
def claude(anthropic_options: dict[str, Any]) -> Iterator[anthropic.Anthropic]:
    """Return a wrapped client of Anthropic's."""
    with wrap_anthropic(anthropic.Anthropic(**anthropic_options)) as client:
        yield client
