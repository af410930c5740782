"""
What a call cost in US dollars, by the price table of the package ``genai-prices``.

The table ships with that package, so nothing is fetched. The cost is given only where
it is known: for a model that the table has, with counts of tokens that it prices.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import field
from ai_trace.integrations._usage import Usage


_prices: Any = None
_NORMAL_TIERS = (None, "auto", "default", "standard")
_DECIMALS = 12
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
    try:
        price = _prices.calc_price(
            _counts(usage), model, provider_id=_NAMES.get(provider, provider)
        )
    except LookupError:
        return None
    except ValueError:
        # Counts that contradict one another, such as more cached than all.
        return None
    return {
        "usd": _dollars(price.total_price),
        "input_usd": _dollars(price.input_price),
        "output_usd": _dollars(price.output_price),
        "prices": f"genai-prices {_prices.__version__}",
    }


def _counts(usage: Usage) -> Any:
    return _prices.Usage(
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens", 0),
        cache_read_tokens=usage.get("cache_read_input_tokens") or None,
        cache_write_tokens=usage.get("cache_creation_input_tokens") or None,
    )


def _dollars(amount: Any) -> float:
    return round(float(amount), _DECIMALS)


def _is_priced_apart(raw: Any) -> bool:
    """Tell whether tokens were counted that have prices of their own."""
    if raw is None:
        return False
    if field(raw, "service_tier") not in _NORMAL_TIERS:
        return True
    kept_long = field(field(raw, "cache_creation"), "ephemeral_1h_input_tokens")
    return bool(kept_long) or any(
        field(field(raw, details), "audio_tokens")
        for details in ("prompt_tokens_details", "completion_tokens_details")
    )
