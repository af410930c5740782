"""
Records the calls of OpenAI's clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ai_trace.integrations import _client
from ai_trace.integrations._openai_wires import WIRES


if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["unwrap", "wrap_openai"]

Client = TypeVar("Client", bound="OpenAI | AsyncOpenAI")


def _load() -> Any:
    import openai

    return openai


_LIBRARY = _client.Library(
    name="openai",
    load=_load,
    versions=((2,), (4,)),
    clients=("OpenAI",),
    async_clients=("AsyncOpenAI",),
    wires=WIRES,
)


def wrap_openai(client: Client) -> Client:
    """
    Record each call of a client as a step of the current tracer.

    Chat, responses, decisions, embeddings and legacy completions are recorded, however
    they are called: ``create``, ``parse``, ``stream``, streams, ``with_raw_response``
    and ``with_streaming_response``. The client is changed in place and returned.
    Clients made from it by ``with_options`` or ``copy`` are recorded, too; no other
    client is touched. Wrapping twice is the same as wrapping once.

    Args:
        client: An ``OpenAI`` or ``AsyncOpenAI``, or an object of a subclass such as
            ``AzureOpenAI``.

    Returns:
        The same client.

    Raises:
        TraceConfigError: If it is something else, or ``openai`` is not installed.
    """
    _client.wrap(client, _LIBRARY)
    return client


def unwrap(client: Client) -> Client:
    """
    Undo ``wrap_openai``; calls that have begun are still recorded to their end.

    Args:
        client: The client, wrapped or not.

    Returns:
        The same client.

    Raises:
        TraceConfigError: If it is not a client, or ``openai`` is not installed.
    """
    _client.unwrap(client, _LIBRARY)
    return client
