"""
A small trading agent whose every decision can be looked up afterwards.

It trades the S&P 500 on SuperTrend through 2008, and only when the NASDAQ agrees.
It has one flaw, on purpose: it notices that a quote is old and says so, but decides
anyway. The feed of the NASDAQ falls silent on 4 September; the night of the 10th
turns a gain of 17.6 % into a loss of 6.8 %, and the trace shows what it saw then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from os import PathLike
from pathlib import Path
from typing import Any

from ai_trace import TraceError, Tracer, step, traced
from ai_trace.demo._account import Account
from ai_trace.demo._market import Market, Quote
from ai_trace.demo._prices import Bar, load
from ai_trace.demo._supertrend import Trend, supertrend


CAPITAL = 1_000_000.0
"""Dollars."""

RISK_LIMIT = 0.016
"""Share of the account that an average day may move."""

DRAWDOWN_LIMIT = 0.13
"""Share of its peak that the account may lose before trading stops."""

AGE_LIMIT = 24.0
"""Hours after which a quote is called old."""

WAKES_AT = time(3, tzinfo=timezone.utc)
"""In the night after the trading day."""


@dataclass(frozen=True)
class Decision:
    """
    What to do, and why.

    Attributes:
        action: ``"buy"``, ``"sell"`` or ``"hold"``.
        reason: What speaks for it, and which quotes are not to be trusted.
    """

    action: str
    reason: str


class StaleQuoteError(Exception):
    """
    A quote is older than the limit.

    Args:
        ages: How many hours old the quotes are, by symbol.
    """

    def __init__(self, ages: Mapping[str, float]) -> None:
        self.symbols = list(ages)
        old = ", ".join(f"{name} is {age:.0f} hours old" for name, age in ages.items())
        super().__init__(f"{old}, the limit is {AGE_LIMIT:.0f}")


class RiskLimitError(Exception):
    """
    On an average day, the position would move the account by more than the limit.
    """


def run(trace_dir: str | PathLike[str]) -> Path | None:
    """
    Run the agent once, over 2008, and record it.

    Args:
        trace_dir: The directory that the trace is written to.

    Returns:
        The session's JSONL file; ``None`` when ``AI_TRACE_DISABLED`` is set.

    Raises:
        TraceConfigError: If the directory cannot be written to.
        TraceError: If not all of it could be recorded, as on a full disk.
        RuntimeError: If an event loop is running in this thread.
    """
    market = Market(load(), silent_from={"IXIC": date(2008, 9, 4)})
    meta = {"strategy": "SuperTrend 10/3", "prices": "S&P 500, NASDAQ Composite"}
    with Tracer("trading_agent", trace_dir, meta=meta) as tracer:
        asyncio.run(trade(market, first=date(2008, 6, 2)))
    if tracer.path is None:
        return None
    path = Path(trace_dir) / tracer.path.name
    lost = tracer.health().get("JSONLSink")
    if lost:
        msg = (
            f"The agent ran, but {sum(lost.values())} of its steps are not in {path} "
            f"({', '.join(lost)}). Make room, or name another directory, and repeat."
        )
        raise TraceError(msg)
    return path


@traced(kind="agent", exclude=["market"])
async def trade(market: Market, first: date) -> dict[str, Any]:
    """Walk forward day by day; wake up whenever the trend of an index turns."""
    account = Account(CAPITAL)
    with closing(replay(market, first)) as days:
        for bar in days:
            account.mark(bar.close)
            if account.drawdown > DRAWDOWN_LIMIT:
                stop_trading(account, bar)
                break
            now = datetime.combine(bar.day + timedelta(days=1), WAKES_AT)
            if trend_turned(market, bar.day, now):
                await wake_up(market, account, now)
    gain = 100 * (account.equity / CAPITAL - 1)
    return {"equity": round(account.equity), "gain_percent": round(gain, 1)}


@traced(kind="tool", exclude=["market"], result=False)
def replay(market: Market, first: date) -> Generator[Bar, None, None]:
    """Let the days of the S&P 500 pass, one by one; only their count is recorded."""
    yield from market.days("SPX", first)


def trend_turned(market: Market, day: date, now: datetime) -> bool:
    """Watch the feed; this happens every day, so it is not worth a step."""
    histories = [market.history(symbol, now) for symbol in market.symbols]
    return any(supertrend(history)[-1].since == day for history in histories)


@traced(args=["now"])
async def wake_up(market: Market, account: Account, now: datetime) -> str:
    """Look at the market, decide, and act on the decision."""
    quotes = await market_scan(market, now)
    stale: list[str] = []
    try:
        freshness_check(quotes)
    except StaleQuoteError as refusal:
        stale = refusal.symbols  # The flaw: it should stop here.
    trends = {symbol: read_supertrend(market, symbol, now) for symbol in quotes}
    decision = decide(account.units, stale, trends)
    if decision.action != "hold":
        price, atr = quotes["SPX"].close, trends["SPX"].atr
        units = size_position(decision.action, price, atr, account.equity)
        place_order(account, units, price)
    return decision.action


@traced(args=["now"], result=False)
async def market_scan(market: Market, now: datetime) -> dict[str, Quote]:
    """Ask for all quotes at once."""
    requests = (fetch_quote(market, symbol, now) for symbol in market.symbols)
    return dict(zip(market.symbols, await asyncio.gather(*requests)))


@traced(kind="tool", args=["symbol"])
async def fetch_quote(market: Market, symbol: str, now: datetime) -> Quote:
    """Ask the feed for one quote."""
    return await market.quote(symbol, now)


@traced(kind="guardrail")
def freshness_check(quotes: Mapping[str, Quote]) -> None:
    """Refuse quotes that are too old to act on."""
    ages = {symbol: quote.age_hours for symbol, quote in quotes.items()}
    too_old = {symbol: age for symbol, age in ages.items() if age > AGE_LIMIT}
    if too_old:
        raise StaleQuoteError(too_old)


@traced(name="supertrend", kind="tool", args=["symbol"])
def read_supertrend(market: Market, symbol: str, now: datetime) -> Trend:
    """Read the trend of one index from what the feed has delivered."""
    return supertrend(market.history(symbol, now))[-1]


@traced
def decide(units: int, stale: Sequence[str], trends: Mapping[str, Trend]) -> Decision:
    """Follow the trend if the indices agree; otherwise leave things alone."""
    reason = ", ".join(
        ("STALE " if symbol in stale else "") + f"{symbol} {trend.direction}"
        for symbol, trend in trends.items()
    )
    directions = {trend.direction for trend in trends.values()}
    if directions == {"up"} and units <= 0:
        return Decision("buy", reason)
    if directions == {"down"} and units >= 0:
        return Decision("sell", reason)
    return Decision("hold", reason)


def size_position(action: str, price: float, atr: float, equity: float) -> int:
    """Use the whole account, or as much of it as the risk limit allows."""
    units = int(equity / price)
    try:
        risk_check(units, atr, equity)
    except RiskLimitError:
        units = int(RISK_LIMIT * equity / atr)
        risk_check(units, atr, equity)
    return units if action == "buy" else -units


@traced(kind="guardrail")
def risk_check(units: int, atr: float, equity: float) -> float:
    """Refuse a position that an average day would move by too much."""
    share = units * atr / equity
    if share > RISK_LIMIT:
        msg = f"{units} units move {share:.2%} a day, the limit is {RISK_LIMIT:.2%}"
        raise RiskLimitError(msg)
    return round(share, 4)


@traced(kind="tool", exclude=["account"])
def place_order(account: Account, units: int, price: float) -> str:
    """Trade until this many units are held; below zero is short."""
    change = units - account.units
    account.hold(units, price)
    side = "bought" if change > 0 else "sold"
    return f"{side} {abs(change)} SPX at {price:.2f}, now {units}"


def stop_trading(account: Account, bar: Bar) -> None:
    """Close the position and say why."""
    with step("stop_trading", day=bar.day, units=account.units) as s:
        lost = f"{account.drawdown:.1%} below the peak"
        s.log(reason=f"{lost}, limit {DRAWDOWN_LIMIT:.0%}")
        place_order(account, 0, bar.close)
