"""
A trading agent, recorded by decorating its functions.

Run it, then look at what it saw and decided::

    python examples/trading_agent_traced.py
    ai-trace view
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_trace import Tracer, traced


# Closes of the S&P 500 by day, September and October 2008.
CLOSES = {
    "09-22": 1207.09,
    "09-23": 1188.22,
    "09-24": 1185.87,
    "09-25": 1209.18,
    "09-26": 1213.27,
    "09-29": 1106.42,
    "09-30": 1166.36,
    "10-01": 1161.06,
    "10-02": 1114.28,
    "10-03": 1099.23,
}


@traced(kind="tool")
def daily_changes() -> Iterator[tuple[str, float]]:
    """Yield the days one by one, each with its change in percent."""
    closes = list(CLOSES.items())
    for (_, before), (day, close) in zip(closes, closes[1:]):
        yield day, round(100 * (close / before - 1), 2)


class CrashError(Exception):
    """
    The market has fallen further in a day than the agent will bear.
    """


class Agent:
    """
    Buys on a calm day, and stops for good when a day falls too far.
    """

    def __init__(self) -> None:
        self.holds = False

    @traced(kind="guardrail")
    def check(self, change: float) -> None:
        """Refuse to trade on after a crash."""
        if change < -5:
            msg = f"{change} % in a day, the limit is -5 %"
            raise CrashError(msg)

    @traced
    def decide(self, day: str, change: float) -> str:
        """Return what to do at the close of a day."""
        self.check(change)
        if not self.holds and abs(change) < 1:
            self.holds = True
            return f"buy: {day} was calm with {change} %"
        return "hold"


@traced(kind="agent")
def trade() -> str:
    """Decide day by day, until a check refuses."""
    agent = Agent()
    for day, change in daily_changes():
        try:
            print(day, agent.decide(day, change))
        except CrashError as crash:
            return f"out on {day}: {crash}"
    return "held to the end"


def main() -> None:
    """Trade, and record it."""
    with Tracer("trading_agent") as tracer:
        print(trade())
    print("Trace:", tracer.path)


if __name__ == "__main__":
    main()
