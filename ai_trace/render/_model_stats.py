"""
The tokens and the cost of LLM calls, by model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_trace._glance import Glance
from ai_trace._limits import LONGEST_NAME
from ai_trace._usage import Usage, model_of, usage_of
from ai_trace.render._columns import figures, not_ok
from ai_trace.render._style import NOT_OK, Style
from ai_trace.render._used import dollars, of_some


MODEL_LIMIT = 1_000
OTHER_MODELS = "(other models)"
_NO_MODEL = "(no model)"
_USED = ("input", "cached", "output", "reasoning", "cost")
_COUNTS = (*reversed(NOT_OK), "errors", "calls")
_DISPENSABLE = ("reasoning", "cached", *_COUNTS, "input", "output")


class ModelStats(NamedTuple):
    """
    Figures of the calls of one model; ``None`` where unknown.

    Attributes:
        model: The model that was asked for.
        calls: How many calls there are.
        errors: How many of them ended with ``error``.
        input_tokens: Tokens that went in, cached ones included.
        output_tokens: Tokens that came out, reasoning included.
        cache_read_input_tokens: How many were read from a cache.
        cache_creation_input_tokens: How many were written to a cache.
        reasoning_output_tokens: How many were reasoning.
        cost_usd: US dollars, for the calls whose cost is known.
        priced: For how many calls the cost is known.
        metered: For how many calls the tokens are known.
        outcomes: How many calls ended in each way.
    """

    model: str
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_input_tokens: int | None
    cache_creation_input_tokens: int | None
    reasoning_output_tokens: int | None
    cost_usd: float | None
    priced: int
    metered: int
    outcomes: Mapping[str, int]


class ModelTally:
    """
    Counts calls by model, in bounded memory.
    """

    def __init__(self) -> None:
        self._used: dict[str, Usage] = {}
        self._outcomes: dict[str, Counter[str]] = {}

    def add(self, record: Glance, outcome: str) -> None:
        """
        Count a step, if it is a call.

        Args:
            record: Any step.
            outcome: How it ended: one of a bounded number of words.
        """
        usage = usage_of(record)
        if usage is None:
            return
        model = model_of(record)[:LONGEST_NAME] or _NO_MODEL
        if model not in self._used and len(self._used) >= MODEL_LIMIT:
            model = OTHER_MODELS
        self._used[model] = self._used.get(model, Usage()).plus(usage)
        self._outcomes.setdefault(model, Counter())[outcome] += 1

    def figures(self) -> list[ModelStats]:
        """Return the figures, the largest cost first, then the most tokens."""
        found = [
            ModelStats(
                model=model,
                calls=used.calls,
                errors=self._outcomes[model]["error"],
                input_tokens=used.input,
                output_tokens=used.output,
                cache_read_input_tokens=used.cached,
                cache_creation_input_tokens=used.written,
                reasoning_output_tokens=used.reasoning,
                cost_usd=None if used.cost is None else round(used.cost, 9),
                priced=used.priced,
                metered=used.metered,
                outcomes=dict(self._outcomes[model].most_common()),
            )
            for model, used in self._used.items()
        ]
        return sorted(found, key=_weight)


def model_table(models: Sequence[ModelStats], style: Style) -> Iterator[str]:
    """
    Render the figures as lines for a terminal.

    Args:
        models: The figures.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    ends = not_ok(each.outcomes for each in models)
    titles = ("calls", "errors", *ends, *_USED)
    rows = {each.model: _cells(each, ends) for each in models}
    yield from figures("model", titles, rows, _DISPENSABLE, style)


def _weight(each: ModelStats) -> tuple[float, int]:
    tokens = (each.input_tokens or 0) + (each.output_tokens or 0)
    return -(each.cost_usd or 0.0), -tokens


def _cells(each: ModelStats, ends: Sequence[str]) -> tuple[str, ...]:
    tokens = of_some(each.metered, each.calls).replace(" calls", "")
    priced = of_some(each.priced, each.calls).replace(" calls", "")
    cost = each.cost_usd
    return (
        _count(each.calls),
        _count(each.errors),
        *(_count(each.outcomes.get(end, 0)) for end in ends),
        _count(each.input_tokens, tokens),
        _count(each.cache_read_input_tokens),
        _count(each.output_tokens, tokens),
        _count(each.reasoning_output_tokens),
        "-" if cost is None else dollars(cost) + priced,
    )


def _count(count: int | None, of_how_many: str = "") -> str:
    return "-" if count is None else f"{count:,}{of_how_many}"
