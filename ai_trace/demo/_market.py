"""
The market as a feed delivers it: real prices, and a silence that is staged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone

from ai_trace.demo._prices import Bar


CLOSING_TIME = time(20, tzinfo=timezone.utc)
"""16:00 in New York, in summer."""

ANSWER_TIME = {"SPX": 0.02, "IXIC": 0.03}
"""Seconds that the feed takes to answer, so that parallel requests overlap."""


@dataclass(frozen=True)
class Quote:
    """
    The last close that a feed has delivered, and how old it is.

    Attributes:
        close: Index points.
        age_hours: Hours from the close to the moment of asking.
        as_of: The moment of the close.
    """

    close: float
    age_hours: float
    as_of: datetime


class Market:
    """
    Indices, seen through a feed that may fall silent.

    Args:
        bars: The bars of each index by its symbol, oldest first.
        silent_from: By symbol, the first day that the feed does not deliver.
    """

    def __init__(
        self,
        bars: Mapping[str, Sequence[Bar]],
        silent_from: Mapping[str, date] | None = None,
    ) -> None:
        self._bars = bars
        self._silent_from = silent_from or {}

    @property
    def symbols(self) -> list[str]:
        """The indices, by symbol."""
        return list(self._bars)

    def days(self, symbol: str, first: date) -> Iterator[Bar]:
        """Let time pass: yield the trading days of an index, one by one."""
        return (bar for bar in self._bars[symbol] if bar.day >= first)

    def history(self, symbol: str, now: datetime) -> list[Bar]:
        """Return the bars of an index that the feed has delivered by now."""
        silent_from = self._silent_from.get(symbol, date.max)
        return [
            bar
            for bar in self._bars[symbol]
            if bar.day < silent_from and _closing(bar) <= now
        ]

    async def quote(self, symbol: str, now: datetime) -> Quote:
        """Ask the feed for its last close, which may be an old one."""
        await asyncio.sleep(ANSWER_TIME[symbol])
        bar = self.history(symbol, now)[-1]
        as_of = _closing(bar)
        return Quote(bar.close, (now - as_of).total_seconds() / 3600, as_of)


def _closing(bar: Bar) -> datetime:
    return datetime.combine(bar.day, CLOSING_TIME)
