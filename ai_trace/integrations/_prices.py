"""
What a call cost in US dollars, by the price table of the package ``genai-prices``.

The table ships with that package, so nothing is fetched. A cost is given only if it is
certain: for a model in the table, with counts of all tokens that have a price.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Callable, NamedTuple, Union

from ai_trace.integrations._fields import field, fields
from ai_trace.integrations._usage import Usage


_prices: Any = None
_snapshot: Callable[[], Any]
_label = ""
_NORMAL_TIERS = (None, "auto", "default", "standard")
_DECIMALS = 12
# Tools that the provider runs are charged by call, session or size, at prices that the
# answer does not tell. OpenAI names all tools "..._call"; those in _BY_TOKENS cost only
# tokens.
# A fallback stands where another model was asked before, whose tokens are not counted.
_HOSTED = re.compile(r"server_tool_(use|call)|program|fallback|.+_call")
_BY_TOKENS = frozenset(
    "apply_patch_call computer_call custom_tool_call function_call local_shell_call "
    "mcp_call tool_call tool_search_call".split()
)
_BY_TOKENS_ON_A_SERVER = ("tool_search", "web_fetch")
# Models that search the web without saying so.
_SEARCHES = re.compile(r"-search(-|$)")
# What has a price of its own, but is not counted in any usage; or, as the requests of
# Perplexity, has one that depends on more.
_NOT_TOLD = ("_citation_", "_image_", "_reasoning_", "_video_", "requests_")
# Providers that have other names in the table than in the conventions.
_NAMES = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
}
_PLAIN = ("text", "reasoning", "tool_call", "refusal")


def load() -> None:
    """
    Load the price table, if the extra ``prices`` is installed.

    This takes half a second, so it is done when the program starts, not in its first
    call.
    """
    global _prices, _snapshot, _label
    if _prices is not None:
        return
    try:
        import genai_prices
        from genai_prices import data_snapshot
    except ImportError:
        _prices = False
        return
    _snapshot = data_snapshot.get_snapshot
    _label = f"genai-prices {genai_prices.__version__}"
    _prices = genai_prices
    cost("openai", "gpt-4o", {"input_tokens": 1, "output_tokens": 1})


def cost(
    provider: str,
    model: Any,
    usage: Usage,
    raw_usage: Any = None,
    service_tier: Any = None,
    messages: Any = (),
) -> dict[str, Any] | None:
    """
    Return what a call cost.

    Args:
        provider: Such as ``openai``, as in ``gen_ai.provider.name``.
        model: The model that answered.
        usage: The counts of tokens.
        raw_usage: The provider's own usage, which may say that other prices apply.
        service_tier: The tier that served the call, which may have prices of its own.
        messages: The answer, which may show tools that have prices of their own.

    Returns:
        ``usd``, ``input_usd`` and ``output_usd``, and the version of the table as
        ``prices``; ``None`` if the cost is not known.
    """
    if _prices is None:
        load()
    if not _prices or type(model) is not str or "input_tokens" not in usage:
        return None
    if service_tier not in _NORMAL_TIERS or _is_priced_apart(raw_usage, usage):
        return None
    for one in messages if type(messages) is list else ():
        # Messages from other instrumentations may have any shape.
        parts = one.get("parts") if type(one) is dict else None
        for part in parts if type(parts) is list else ():
            kind = part.get("type") if type(part) is dict else None
            if kind not in _PLAIN and _runs_a_tool(kind, part):
                return None
    table, how = _learnt.get((provider, model), _NOT_LEARNT)
    # The program may have replaced the table.
    if table is not _snapshot():
        how = _learn(provider, model)
    went_in, came_out = usage["input_tokens"], usage.get("output_tokens")
    read = usage.get("cache_read_input_tokens", 0)
    written = usage.get("cache_creation_input_tokens", 0)
    paid = how(went_in, came_out or 0, read, written)
    # Output that was not counted must be free, as that of embeddings is.
    if paid is None or (came_out is None and paid != how(went_in, 1, read, written)):
        return None
    total, first, second = paid
    return {
        "usd": total,
        "input_usd": first,
        "output_usd": second,
        "prices": _label,
    }


def _runs_a_tool(kind: Any, part: dict[str, Any]) -> bool:
    """Tell whether a part of an answer is a tool that is charged separately."""
    if type(kind) is not str or kind in _BY_TOKENS or not _HOSTED.fullmatch(kind):
        return False
    if kind == "shell_call":
        return bool(field(part.get("environment"), "type") != "local")
    return not str(part.get("name")).startswith(_BY_TOKENS_ON_A_SERVER)


_Paid = tuple[float, float, float]
"""What a call cost in dollars: in all, for the input, for the output."""

_How = Callable[[int, int, int, int], Union[_Paid, None]]
"""Takes counts of tokens: all input, output, read from and written to a cache."""


def _look_up(
    provider: str, model: str, went_in: int, came_out: int, read: int, written: int
) -> _Paid | None:
    """Ask the price table."""
    try:
        price = _calculated(provider, model, went_in, came_out, read, written)
    except ValueError:
        # The counts contradict each other, such as more cached than there are.
        return None
    amounts = (price.total_price, price.input_price, price.output_price)
    total, first, second = (round(float(amount), _DECIMALS) for amount in amounts)
    return total, first, second


def _calculated(
    provider: str, model: str, went_in: int, came_out: int, read: int, written: int
) -> Any:
    usage = _prices.Usage(
        input_tokens=went_in,
        output_tokens=came_out,
        cache_read_tokens=read or None,
        cache_write_tokens=written or None,
    )
    return _prices.calc_price(usage, model, provider_id=provider)


# -- what a token costs ----------------------------------------------------------
#
# Asking the table takes 300 µs, more than all the rest of recording a call. Most models
# have one price for each kind of token, whatever the count and the time. This is found
# out once for each model, by asking the table for a few counts.

_MILLION = 1_000_000
_TRILLION = 10**_DECIMALS
_MAX_LEARNT = 1000
# Small counts, and one beyond any threshold above which other prices apply.
_PROBES = (
    (9, 5, 0, 0),
    (9, 5, 3, 2),
    (9 * 10**8, 5 * 10**8, 10**8, 1),
)


def _unknown(*_counts: int) -> None:
    return None


_learnt: dict[tuple[str, str], tuple[Any, _How]] = {}
_NOT_LEARNT: tuple[Any, _How] = (None, _unknown)


class _Rates(NamedTuple):
    """
    What one token of each kind costs, in trillionths of a dollar.

    Whole numbers are exact, and take a fifth of the time of decimals.
    """

    input: int
    output: int
    read: int
    written: int

    def paid(
        self, went_in: int, came_out: int, read: int, written: int
    ) -> _Paid | None:
        """Return what a call cost."""
        fresh = went_in - read - written
        if fresh < 0:
            return None
        for_input, for_output, for_read, for_written = self
        first = fresh * for_input + read * for_read + written * for_written
        second = came_out * for_output
        return (first + second) / _TRILLION, first / _TRILLION, second / _TRILLION


def _learn(provider: str, model: str) -> _How:
    """Find out and remember how to tell the cost of a call of this model."""
    table = _snapshot()
    how = _how(_NAMES.get(provider, provider), model)
    if len(_learnt) >= _MAX_LEARNT:
        _learnt.clear()
    _learnt[provider, model] = (table, how)
    return how


def _how(provider: str, model: str) -> _How:
    ask = partial(_look_up, provider, model)
    try:
        prices = _calculated(provider, model, 1, 1, 0, 0).model.prices
    except LookupError:
        return _unknown
    varies = type(prices) is list
    if _SEARCHES.search(model) or not all(
        map(_is_told, prices if varies else [prices])
    ):
        return _unknown
    # A model whose prices depend on the time has to be looked up for each call.
    rates = None if varies else _rates(provider, model)
    if rates is None or any(ask(*one) != rates.paid(*one) for one in _PROBES):
        return ask
    return rates.paid


def _is_told(prices: Any) -> bool:
    """Tell whether counts of tokens are enough to know the cost."""
    names = [
        name
        for name, price in vars(getattr(prices, "prices", prices)).items()
        if price is not None
    ]
    return not any(sort in name for name in names for sort in _NOT_TOLD)


def _rates(provider: str, model: str) -> _Rates | None:
    """Return what a token costs, from the cost of a million; ``None`` if not exact."""
    ask = partial(_calculated, provider, model)
    try:
        fresh = ask(_MILLION, _MILLION, 0, 0)
        read = ask(_MILLION, 0, _MILLION, 0)
        written = ask(_MILLION, 0, 0, _MILLION)
    except ValueError:
        return None
    sums = (
        fresh.input_price,
        fresh.output_price,
        read.input_price,
        written.input_price,
    )
    exact = [amount * (_TRILLION // _MILLION) for amount in sums]
    rates = _Rates(*(int(amount) for amount in exact))
    return rates if list(rates) == exact else None


def _is_priced_apart(raw: Any, usage: Usage) -> bool:
    """Tell whether there are tokens that have prices of their own, or are not told."""
    given = raw if type(raw) is dict else fields(raw)
    total = given.get("total_tokens")
    if type(total) is int and total > _in_all(usage):
        return True
    for name in _TELLS_APART.keys() & given.keys():
        if _TELLS_APART[name](given[name]):
            return True
    return False


def _in_all(usage: Usage) -> int:
    return usage["input_tokens"] + usage.get("output_tokens", 0)


def _has(count: str) -> Callable[[Any], bool]:
    return lambda details: bool(details is not None and field(details, count))


def _is_none_of(*normal: Any) -> Callable[[Any], bool]:
    return lambda value: value not in normal


def _are_not_counted(turns: Any) -> bool:
    """
    Tell whether a usage leaves out requests that a call of Anthropic's became.

    It leaves out a compaction, an advisor, or what another model refused to answer.
    """
    if turns is None:
        return False
    if type(turns) is not list or {field(one, "type") for one in turns} - {"message"}:
        return True
    return len({field(one, "model") for one in turns}) > 1


# By what a usage may hold: whether other prices apply to the call, or further ones.
_TELLS_APART: dict[str, Callable[[Any], bool]] = {
    "service_tier": _is_none_of(*_NORMAL_TIERS),
    # For other speeds and places, Anthropic multiplies its prices.
    "speed": _is_none_of(None, "standard"),
    "inference_geo": _is_none_of(None, "", "global", "not_available"),
    "fallback_credit": _is_none_of(None),
    "iterations": _are_not_counted,
    "cache_creation": _has("ephemeral_1h_input_tokens"),
    "prompt_tokens_details": _has("audio_tokens"),
    "completion_tokens_details": _has("audio_tokens"),
    "server_tool_use": _has("web_search_requests"),
    # LangChain's name for the first of these.
    "input_token_details": _has("ephemeral_1h_input_tokens"),
    # In the spans of Anthropic's client.
    "cache_creation.ephemeral_1h_input_tokens": bool,
    "compaction.input_tokens": bool,
    # What xAI has searched or run.
    "num_sources_used": bool,
    "num_server_side_tools_used": bool,
}
