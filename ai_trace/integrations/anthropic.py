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


def _load() -> Any:
    import anthropic

    return anthropic


# Those for other clouds are made from Anthropic itself.
_CLIENTS = (
    "Anthropic",
    "AnthropicBedrock",
    "AnthropicBedrockMantle",
    "AnthropicVertex",
)
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
    ``messages.count_tokens`` as a plain step; those of ``beta.messages`` likewise, and
    all of them by way of ``with_raw_response`` and ``with_streaming_response`` too.
    Batches are left alone. The client itself is changed and returned, so it stays what
    it is; clients made from it by ``with_options`` or ``copy`` are recorded too. No
    other client is touched. Wrapping twice is the same as once.

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
    Undo ``wrap_anthropic``; calls on their way are still recorded to their end.

    Args:
        client: The client, wrapped or not.

    Returns:
        The same client.

    Raises:
        TraceConfigError: If it is not a client, or ``anthropic`` is not installed.
    """
    _client.unwrap(client, _LIBRARY)
    return client
