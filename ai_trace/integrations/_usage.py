"""
Tokens counted one way, whoever counted them.

``input_tokens`` includes what was read from and written to a cache, ``output_tokens``
includes reasoning, as OpenTelemetry's GenAI conventions ask. A count that the provider
did not give is left out: absent means unknown.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import fields


Usage = dict[str, int]

_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_output_tokens",
)


# What OpenAI's endpoints call the tokens that went in and came out.
_CHAT = ("prompt_tokens", "completion_tokens")
_RESPONSES = ("input_tokens", "output_tokens")


def usage(
    input_tokens: Any = None,
    output_tokens: Any = None,
    cache_read: Any = None,
    cache_creation: Any = None,
    reasoning: Any = None,
) -> Usage:
    """
    Return counts of tokens, without those that are no counts.

    Args:
        input_tokens: All tokens that went in, cached ones included.
        output_tokens: All tokens that came out, reasoning included.
        cache_read: How many of the input were read from a cache.
        cache_creation: How many of the input were written to one.
        reasoning: How many of the output were reasoning.
    """
    counts = (input_tokens, output_tokens, cache_read, cache_creation, reasoning)
    return {key: n for key, n in zip(_KEYS, counts) if type(n) is int}


def openai_usage(raw: Any) -> Usage:
    """Return the counts of OpenAI's usage: of chat, responses or embeddings."""
    given = fields(raw)
    is_chat = given.get("prompt_tokens") is not None
    went_in, came_out = _CHAT if is_chat else _RESPONSES
    details = fields(given.get(f"{went_in}_details"))
    return usage(
        given.get(went_in),
        given.get(came_out),
        details.get("cached_tokens"),
        details.get("cache_write_tokens"),
        fields(given.get(f"{came_out}_details")).get("reasoning_tokens"),
    )


def anthropic_usage(raw: Any) -> Usage:
    """Return the counts of Anthropic's usage, which counts cached tokens apart."""
    given = fields(raw)
    went_in = given.get("input_tokens")
    read = given.get("cache_read_input_tokens")
    written = given.get("cache_creation_input_tokens")
    if type(went_in) is int:
        went_in += sum(n for n in (read, written) if type(n) is int)
    thought = fields(given.get("output_tokens_details")).get("thinking_tokens")
    return usage(went_in, given.get("output_tokens"), read, written, thought)
