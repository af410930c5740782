"""
SuperTrend: which way a market runs, and the close that would turn it.

The definition is the usual one. The average true range is Wilder's, seeded with
the plain mean of the first period. A band lies a few such ranges above and below
the middle of the day; it only ever closes in on the price, until the price
closes beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from ai_trace.demo._prices import Bar


@dataclass(frozen=True)
class Trend:
    """
    What SuperTrend says at the close of a day.

    Attributes:
        direction: ``"up"`` or ``"down"``.
        since: The day on which the direction turned; the first day that has a
            reading, if it never did.
        band: Index points; a close beyond it turns the direction.
        atr: Average true range in index points.
    """

    direction: str
    since: date
    band: float
    atr: float


def supertrend(
    bars: Sequence[Bar], period: int = 10, multiplier: float = 3.0
) -> list[Trend]:
    """
    Read the trend at every close.

    Args:
        bars: Consecutive trading days, oldest first.
        period: Days over which the true range is averaged.
        multiplier: Distance of the bands, in average true ranges.

    Returns:
        One reading for each bar from the ``period``-th on.
    """
    upper, lower, last_close = float("inf"), float("-inf"), 0.0
    direction, since = "down", None
    trends = []
    for bar, atr in _average_true_ranges(bars, period):
        middle, reach = (bar.high + bar.low) / 2, multiplier * atr
        if middle + reach < upper or last_close > upper:
            upper = middle + reach
        if middle - reach > lower or last_close < lower:
            lower = middle - reach
        if since is None:
            since = bar.day
        elif bar.close > upper if direction == "down" else bar.close < lower:
            direction, since = _OPPOSITE[direction], bar.day
        band = upper if direction == "down" else lower
        trends.append(Trend(direction, since, round(band, 2), round(atr, 2)))
        last_close = bar.close
    return trends


_OPPOSITE = {"up": "down", "down": "up"}


def _average_true_ranges(
    bars: Sequence[Bar], period: int
) -> Iterator[tuple[Bar, float]]:
    ranges = _true_ranges(bars)
    average = sum(ranges[:period]) / period
    for number, bar in enumerate(bars[period - 1 :], start=period - 1):
        if number >= period:
            average += (ranges[number] - average) / period
        yield bar, average


def _true_ranges(bars: Sequence[Bar]) -> list[float]:
    # The first day has no close before it: its range is its own.
    before = [bar.open for bar in bars[:1]] + [bar.close for bar in bars[:-1]]
    return [
        max(bar.high, close) - min(bar.low, close) for bar, close in zip(bars, before)
    ]
