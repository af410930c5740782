"""
What LLM calls used, in words for people: tokens and dollars.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ai_trace._usage import Usage


_LEAST_DOLLARS = 1e-9


def dollars(amount: float) -> str:
    """
    Show a cost to the cent, or if it is small, to three digits: ``$0.00123``.

    Args:
        amount: US dollars, not below 0.
    """
    if not amount or amount >= 1:
        return f"${amount:,.2f}" if amount else "$0"
    if amount < _LEAST_DOLLARS:
        return "<$0.000000001"
    decimals = max(2, 2 - math.floor(math.log10(amount)))
    shown = f"{amount:.{decimals}f}".rstrip("0")
    return f"${shown}" if len(shown) > 3 else f"${amount:.2f}"


def used(usage: Usage) -> str:
    """
    Say briefly what calls used, as far as it is known.

    Args:
        usage: The figures of one call or of many.

    Returns:
        ``1,812 → 40 tokens  $0.0012``, or an empty text.
    """
    return "  ".join(filter(None, (tokens(usage, in_full=False), cost(usage))))


def tokens(usage: Usage, *, in_full: bool = True) -> str:
    """
    Show how many tokens went in and came out.

    Args:
        usage: The figures.
        in_full: Whether to break them down.

    Returns:
        ``1,812 (512 cached) → 40 (12 reasoning) tokens``, with ``for 2 of 3 calls`` if
        the others do not tell; ``1,812 tokens in`` if only one of the two is known; or
        an empty text.
    """
    inside = {"cached": usage.cached, "written": usage.written}
    sent = _tokens_of(usage.input, inside if in_full else {})
    inside = {"reasoning": usage.reasoning}
    came = _tokens_of(usage.output, inside if in_full else {})
    some = of_some(usage.metered, usage.calls)
    if sent and came:
        return f"{sent} → {came} tokens{some}"
    # Embeddings have no output tokens, and some servers count only one of the two.
    one = f"{sent} tokens in" if sent else f"{came} tokens out"
    return f"{one}{some}" if sent or came else ""


def cost(usage: Usage) -> str:
    """
    Say what calls cost, and for how many of them that is known.

    Args:
        usage: The figures.

    Returns:
        ``$0.0012``, ``$0.0012 for 2 of 3 calls``, or an empty text.
    """
    if usage.cost is None:
        return ""
    return dollars(usage.cost) + of_some(usage.priced, usage.calls)


def of_some(known: int, calls: int) -> str:
    """
    Say for how many calls a figure is known; nothing if for all.

    Args:
        known: For how many it is known.
        calls: How many there are.
    """
    return f" for {known:,} of {calls:,} calls" if known < calls else ""


def _tokens_of(count: int | None, inside: Mapping[str, int | None]) -> str:
    known = [f"{some:,} {what}" for what, some in inside.items() if some]
    shown = "" if count is None else f"{count:,}"
    return f"{shown or '?'} ({', '.join(known)})" if known else shown
