"""
Records the calls of Anthropic's clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ai_trace.integrations import _client
from ai_trace.integrations._anthropic_wires import WIRES


if TYPE_CHECKING:
    from typing import Union

    from anthropic import Anthropic, AsyncAnthropic
    from anthropic.lib.bedrock import (
        AnthropicBedrock,
        AnthropicBedrockMantle,
        AsyncAnthropicBedrock,
        AsyncAnthropicBedrockMantle,
    )
    from anthropic.lib.vertex import AnthropicVertex, AsyncAnthropicVertex

    AnyAnthropic = Union[
        Anthropic,
        AsyncAnthropic,
        AnthropicBedrock,
        AsyncAnthropicBedrock,
        AnthropicBedrockMantle,
        AsyncAnthropicBedrockMantle,
        AnthropicVertex,
        AsyncAnthropicVertex,
    ]

__all__ = ["unwrap", "wrap_anthropic"]

Client = TypeVar("Client", bound="AnyAnthropic")
# The clients for further clouds are subclasses of Anthropic.
_CLIENTS = (
    "Anthropic",
    "AnthropicBedrock",
    "AnthropicBedrockMantle",
    "AnthropicVertex",
)


def _load() -> Any:
    import anthropic

    return anthropic


_LIBRARY = _client.Library(
    name="anthropic",
    load=_load,
    versions=((1,), (3,)),
    clients=_CLIENTS,
    async_clients=tuple(f"Async{name}" for name in _CLIENTS),
    wires=WIRES,
)


def wrap_anthropic(client: Client) -> Client:
    """
    Record each call of a client as a step of the current tracer.

    ``messages.create`` and ``messages.stream`` are recorded as steps of kind ``llm``,
    ``messages.count_tokens`` as a plain step; the same is true of ``beta.messages``,
    and of calls through ``with_raw_response`` and ``with_streaming_response``. Batches
    are not recorded. The client is changed in place and returned. Clients made from it
    by ``with_options`` or ``copy`` are recorded, too; no other client is touched.
    Wrapping twice is the same as wrapping once.

    Args:
        client: An ``Anthropic`` or ``AsyncAnthropic``, or one of those for Bedrock,
            Vertex and other clouds.

    Returns:
        The same client.

    Raises:
        TraceConfigError: If it is something else, or ``anthropic`` is not installed.
    """
    _client.wrap(client, _LIBRARY)
    return client


def unwrap(client: Client) -> Client:
    """
    Undo ``wrap_anthropic``; calls that have begun are still recorded to their end.

    Args:
        client: The client, wrapped or not.

    Returns:
        The same client.

    Raises:
        TraceConfigError: If it is not a client, or ``anthropic`` is not installed.
    """
    _client.unwrap(client, _LIBRARY)
    return client
