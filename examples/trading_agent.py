"""
A trading agent, recorded with a tracer and its steps, without decorators.

Run it, then look at what it saw and decided::

    python examples/trading_agent.py
    ai-trace view
"""

from __future__ import annotations

from ai_trace import Tracer


# Closes of the S&P 500, 2008-08-20 to 2008-09-17.
CLOSES = [
    *(1274.54, 1277.72, 1292.20, 1266.84, 1271.51, 1281.66, 1300.68, 1282.83, 1277.58),
    *(1274.98, 1236.83, 1242.31, 1267.79, 1224.51, 1232.04, 1249.05, 1251.70, 1192.70),
    *(1213.60, 1156.39),
]


def analyze(closes: list[float]) -> float:
    """Tell how far the last close lies above the mean, in percent."""
    mean = sum(closes) / len(closes)
    return round(100 * (closes[-1] / mean - 1), 2)


def decide(signal: float) -> tuple[str, str]:
    """Return an action and the reason for it."""
    if abs(signal) < 1:
        return "hold", f"{signal} % from the mean is noise"
    if signal < 0:
        return "sell", f"the trend is down: {signal} % below the mean"
    return "buy", f"the trend is up: {signal} % above the mean"


def main() -> None:
    """Make one decision and record it."""
    with Tracer("trading_agent", meta={"model": "mean of 20 closes"}) as tracer:
        with tracer.step("market_scan", symbol="SPX", closes=len(CLOSES)) as step:
            signal = analyze(CLOSES)
            step.log(close=CLOSES[-1], signal=signal)

        with tracer.step("decision", signal=signal) as step:
            action, reason = decide(signal)
            step.log(action=action, reason=reason)

        # By hand, since a block does not fit: an order is filled later, or never.
        order = tracer.step("order", action=action, limit_price=1160.0).start()
        if CLOSES[-1] >= 1160.0:
            order.log(filled_at=CLOSES[-1]).finish()
        else:
            order.fail(reason="the market is below the limit price")

        print(tracer.summary())
        print("Trace: ", tracer.path)
        print("JSON:  ", tracer.save())
        print("Report:", tracer.save_markdown())


if __name__ == "__main__":
    main()
