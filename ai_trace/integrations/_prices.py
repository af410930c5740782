"""
What a call cost in US dollars, by the price table of the package ``genai-prices``.

The table ships with that package, so nothing is fetched. The cost is given only where
it is known: for a model that the table has, with counts of tokens that it prices.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, NamedTuple, Union

from ai_trace.integrations._fields import fields
from ai_trace.integrations._usage import Usage


_prices: Any = None
_NORMAL_TIERS = (None, "auto", "default", "standard")
_DECIMALS = 12
_PRICED_APART = (
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("prompt_tokens_details", "audio_tokens"),
    ("completion_tokens_details", "audio_tokens"),
)
# What the table calls those whom the conventions call otherwise.
_NAMES = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
}


def load() -> None:
    """
    Load the price table, if the extra ``prices`` is installed.

    It takes half a second, which belongs to the start of a program and not into its
    first call.
    """
    global _prices
    if _prices is not None:
        return
    try:
        import genai_prices
    except ImportError:
        _prices = False
        return
    _prices = genai_prices
    cost("openai", "gpt-4o", {"input_tokens": 1, "output_tokens": 1})


def cost(
    provider: str,
    model: Any,
    usage: Usage,
    raw_usage: Any = None,
    service_tier: Any = None,
) -> dict[str, Any] | None:
    """
    Return what a call cost.

    Args:
        provider: Such as ``openai``, as in ``gen_ai.provider.name``.
        model: The model that answered.
        usage: The counts of tokens.
        raw_usage: The provider's own usage, which may say that other prices hold.
        service_tier: The tier that served the call, which may have prices of its own.

    Returns:
        ``usd``, ``input_usd`` and ``output_usd``, and in ``prices`` the version of the
        table; ``None`` where the price is not known.
    """
    if _prices is None:
        load()
    if not _prices or type(model) is not str or "input_tokens" not in usage:
        return None
    if service_tier not in _NORMAL_TIERS or _is_priced_apart(raw_usage):
        return None
    counts = _Counts(
        usage["input_tokens"],
        usage.get("output_tokens", 0),
        usage.get("cache_read_input_tokens", 0),
        usage.get("cache_creation_input_tokens", 0),
    )
    paid = _how(_NAMES.get(provider, provider), model)(counts)
    if paid is None:
        return None
    return {
        "usd": _dollars(paid.total),
        "input_usd": _dollars(paid.input),
        "output_usd": _dollars(paid.output),
        "prices": f"genai-prices {_prices.__version__}",
    }


class _Counts(NamedTuple):
    """
    How many tokens of each sort; the input includes both of the cache.
    """

    input: int
    output: int
    read: int = 0
    written: int = 0


class _Paid(NamedTuple):
    """
    What a call cost, in exact decimals.
    """

    total: Any
    input: Any
    output: Any


_How = Callable[[_Counts], Union[_Paid, None]]


def _look_up(provider: str, model: str, counts: _Counts) -> _Paid | None:
    """Ask the price table."""
    try:
        price = _calculated(provider, model, counts)
    except ValueError:
        # Counts that contradict one another, such as more cached than all.
        return None
    return _Paid(price.total_price, price.input_price, price.output_price)


def _calculated(provider: str, model: str, counts: _Counts) -> Any:
    usage = _prices.Usage(
        input_tokens=counts.input,
        output_tokens=counts.output,
        cache_read_tokens=counts.read or None,
        cache_write_tokens=counts.written or None,
    )
    return _prices.calc_price(usage, model, provider_id=provider)


# -- what a token costs ----------------------------------------------------------
#
# To ask the table takes 300 µs, more than all the rest of recording a call. Most models
# have one price for each sort of token, whatever the count and the time: that is found
# out once for each, by asking the table for a few counts.

_MILLION = 1_000_000
_MAX_LEARNT = 1000
# Small ones, and one beyond any threshold from which on other prices hold.
_PROBES = (_Counts(9, 5), _Counts(9, 5, 3, 2), _Counts(9 * 10**8, 5 * 10**8, 10**8, 1))

_learnt: dict[tuple[str, str], tuple[Any, _How]] = {}


def _how(provider: str, model: str) -> _How:
    """Return what finds out the cost of a call of this model."""
    key = (provider, model)
    # The program may have put another table in the place of the one that ships.
    table = _prices.data_snapshot.get_snapshot()
    known, how = _learnt.get(key, (None, _unknown))
    if known is not table:
        if len(_learnt) >= _MAX_LEARNT:
            _learnt.clear()
        how = _learn(provider, model)
        _learnt[key] = (table, how)
    return how


def _unknown(_counts: _Counts) -> None:
    return None


class _Rates(NamedTuple):
    """
    What one token of each sort costs; that of the input, where no cache is in play.
    """

    input: Any
    output: Any
    read: Any
    written: Any

    def paid(self, counts: _Counts) -> _Paid | None:
        """Return what a call cost."""
        fresh = counts.input - counts.read - counts.written
        if fresh < 0:
            return None
        went_in = fresh * self.input
        went_in += counts.read * self.read + counts.written * self.written
        came_out = counts.output * self.output
        return _Paid(went_in + came_out, went_in, came_out)


def _learn(provider: str, model: str) -> _How:
    ask = partial(_look_up, provider, model)
    try:
        price = _calculated(provider, model, _Counts(1, 1))
    except LookupError:
        return _unknown
    asked = [
        ask(counts)
        for counts in (
            _Counts(_MILLION, _MILLION),
            _Counts(_MILLION, 0, read=_MILLION),
            _Counts(_MILLION, 0, written=_MILLION),
        )
    ]
    fresh, read, written = asked
    if fresh is None or read is None or written is None or _varies(price.model):
        return ask
    sums = (fresh.input, fresh.output, read.input, written.input)
    rates = _Rates(*(amount / _MILLION for amount in sums))
    is_so = all(ask(probe) == rates.paid(probe) for probe in _PROBES)
    return rates.paid if is_so else ask


def _varies(model: Any) -> bool:
    """Tell whether a model of the table has several prices, each for its time."""
    return type(model.prices) is list


def _dollars(amount: Any) -> float:
    return round(float(amount), _DECIMALS)


def _is_priced_apart(raw: Any) -> bool:
    """Tell whether tokens were counted that have prices of their own."""
    given = fields(raw)
    if given.get("service_tier") not in _NORMAL_TIERS:
        return True
    return any(
        fields(given[name]).get(count) for name, count in _PRICED_APART if name in given
    )
