"""
What LLM calls used: tokens and cost, as far as they were recorded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ai_trace._glance import Glance


CALL_KINDS = ("llm", "embedding")

# More than any call ever takes; what a hostile file claims beyond is not counted.
_MOST_TOKENS = 10**12
_MOST_DOLLARS = 1e9


class Usage(NamedTuple):
    """
    Tokens and cost of calls; ``None`` where no call tells.

    Attributes:
        calls: How many calls these are the figures of.
        input: Tokens that went in, cached ones included.
        output: Tokens that came out, reasoning included.
        cached: How many of ``input`` were read from a cache.
        written: How many of ``input`` were written to a cache.
        reasoning: How many of ``output`` were reasoning.
        cost: US dollars, of the calls whose cost is known.
        priced: How many calls those are.
        metered: How many calls tell ``input`` or ``output``.
    """

    calls: int = 0
    input: int | None = None
    output: int | None = None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    priced: int = 0
    metered: int = 0

    def plus(self, other: Usage) -> Usage:
        """
        Add the figures of other calls.

        Args:
            other: Their figures.

        Returns:
            The sums; what is unknown on one side is that of the other.
        """
        return Usage(*(_sum(mine, its) for mine, its in zip(self, other)))


def usage_of(record: Glance) -> Usage | None:
    """
    Read what a call used.

    Args:
        record: Any step; its result may have any shape.

    Returns:
        The figures of the one call; ``None`` for a step that is no call, or that only
        repeats those of a call below it.
    """
    if record.kind not in CALL_KINDS:
        return None
    result = _object(record.result)
    if "total_usage" in result and "usage" not in result:
        # The report of a call that its client has recorded in the step below.
        return None
    usage = _object(result.get("usage"))
    cost = _amount(_object(result.get("cost")).get("usd"))
    sent = _count(usage.get("input_tokens"))
    came = _count(usage.get("output_tokens"))
    return Usage(
        calls=1,
        input=sent,
        output=came,
        cached=_count(usage.get("cache_read_input_tokens")),
        written=_count(usage.get("cache_creation_input_tokens")),
        reasoning=_count(usage.get("reasoning_output_tokens")),
        cost=cost,
        priced=int(cost is not None),
        metered=int(sent is not None or came is not None),
    )


def model_of(record: Glance) -> str:
    """
    Return the model that a call asked for, else the one that answered.

    Args:
        record: Any step.

    Returns:
        The name as recorded; empty where no model is named.
    """
    for fields in (record.context, _object(record.result)):
        model = fields.get("model")
        if isinstance(model, str) and model:
            return model
    return ""


def _sum(mine: Any, its: Any) -> Any:
    if mine is None or its is None:
        return its if mine is None else mine
    return mine + its


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= _MOST_TOKENS else None


def _amount(value: Any) -> float | None:
    is_amount = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_amount and 0 <= value <= _MOST_DOLLARS else None
