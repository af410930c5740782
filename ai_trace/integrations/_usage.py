"""
Counts of tokens, with the same meaning whoever counted them.

``input_tokens`` includes what was read from and written to a cache, ``output_tokens``
includes reasoning, as OpenTelemetry's GenAI conventions require. Counts that the
provider did not give are left out: absent means unknown.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import fields


Usage = dict[str, int]


def usage(
    input_tokens: Any = None,
    output_tokens: Any = None,
    cache_read: Any = None,
    cache_creation: Any = None,
    reasoning: Any = None,
) -> Usage:
    """
    Return counts of tokens; values that are not counts are left out.

    Args:
        input_tokens: All tokens that went in, cached ones included.
        output_tokens: All tokens that came out, reasoning included.
        cache_read: How many of the input were read from a cache.
        cache_creation: How many of the input were written to one.
        reasoning: How many of the output were reasoning.
    """
    found: Usage = {}
    if type(input_tokens) is int:
        found["input_tokens"] = input_tokens
    if type(output_tokens) is int:
        found["output_tokens"] = output_tokens
    if type(cache_read) is int:
        found["cache_read_input_tokens"] = cache_read
    if type(cache_creation) is int:
        found["cache_creation_input_tokens"] = cache_creation
    if type(reasoning) is int:
        found["reasoning_output_tokens"] = reasoning
    return found


def openai_usage(raw: Any) -> Usage:
    """Return the counts in OpenAI's usage of chat, responses or embeddings."""
    given = raw if type(raw) is dict else fields(raw)
    came_out: Any
    went_in: Any = given.get("prompt_tokens")
    if went_in is not None:
        came_out = given.get("completion_tokens")
        read = given.get("prompt_tokens_details")
        thought = given.get("completion_tokens_details")
    else:
        went_in, came_out = given.get("input_tokens"), given.get("output_tokens")
        read = given.get("input_tokens_details")
        thought = given.get("output_tokens_details")
    details = {} if read is None else fields(read)
    cached = details.get("cached_tokens")
    if cached is None:
        # DeepSeek's name for it, and Moonshot's.
        cached = given.get("prompt_cache_hit_tokens", given.get("cached_tokens"))
    reasoning = None if thought is None else fields(thought).get("reasoning_tokens")
    told: list[Any] = [went_in, came_out, reasoning]
    if set(map(type, told)) == {int} and given.get("total_tokens") == sum(told):
        # xAI counts reasoning beside the rest of the output.
        came_out = sum(told[1:])
    return usage(
        went_in, came_out, cached, details.get("cache_write_tokens"), reasoning
    )


def anthropic_usage(raw: Any) -> Usage:
    """Return the counts in Anthropic's usage, which counts cached tokens separately."""
    given = fields(raw)
    went_in = given.get("input_tokens")
    read = given.get("cache_read_input_tokens")
    written = given.get("cache_creation_input_tokens")
    if type(went_in) is int:
        went_in += read if type(read) is int else 0
        went_in += written if type(written) is int else 0
    details = given.get("output_tokens_details")
    thought = None if details is None else fields(details).get("thinking_tokens")
    return usage(went_in, given.get("output_tokens"), read, written, thought)
