"""
Tokens counted one way, whoever counted them.

``input_tokens`` includes what was read from and written to a cache, ``output_tokens``
includes reasoning, as OpenTelemetry's GenAI conventions ask. A count that the provider
did not give is left out: absent means unknown.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import field


Usage = dict[str, int]

_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_output_tokens",
)


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
    went_in = field(raw, "prompt_tokens")
    if went_in is not None:
        details = field(raw, "prompt_tokens_details")
        came_out = field(raw, "completion_tokens")
        more = field(raw, "completion_tokens_details")
    else:
        went_in = field(raw, "input_tokens")
        details = field(raw, "input_tokens_details")
        came_out = field(raw, "output_tokens")
        more = field(raw, "output_tokens_details")
    return usage(
        went_in,
        came_out,
        field(details, "cached_tokens"),
        field(details, "cache_write_tokens"),
        field(more, "reasoning_tokens"),
    )


def anthropic_usage(raw: Any) -> Usage:
    """Return the counts of Anthropic's usage, which counts cached tokens apart."""
    went_in = field(raw, "input_tokens")
    read = field(raw, "cache_read_input_tokens")
    written = field(raw, "cache_creation_input_tokens")
    if type(went_in) is int:
        went_in += sum(n for n in (read, written) if type(n) is int)
    thought = field(field(raw, "output_tokens_details"), "thinking_tokens")
    return usage(went_in, field(raw, "output_tokens"), read, written, thought)
