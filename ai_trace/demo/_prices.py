"""
The daily prices that the demo trades on: real ones, see ``PRICES.md``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from importlib import resources


@dataclass(frozen=True)
class Bar:
    """
    One trading day of one index, in index points.
    """

    day: date
    open: float
    high: float
    low: float
    close: float


def load() -> dict[str, list[Bar]]:
    """
    Read the prices that ship with the package.

    Returns:
        The bars of each index by its symbol, oldest first.
    """
    text = resources.files("ai_trace.demo").joinpath("prices.csv").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    bars: dict[str, list[Bar]] = {}
    for row in csv.DictReader(lines):
        bars.setdefault(row["symbol"], []).append(_bar(row))
    return bars


def _bar(row: dict[str, str]) -> Bar:
    return Bar(
        day=date.fromisoformat(row["date"]),
        open=float(row["open"]),
        high=float(row["high"]),
        low=float(row["low"]),
        close=float(row["close"]),
    )
