"""
The demo: real prices, a correct signal, and a trace that tells the story.
"""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import ai_trace.demo
from ai_trace import Tracer, reading
from ai_trace._record import StepRecord
from ai_trace._tree import Session
from ai_trace.demo._agent import trade
from ai_trace.demo._market import Market
from ai_trace.demo._prices import Bar, load
from ai_trace.demo._supertrend import supertrend


PACKAGE = Path(ai_trace.demo.__file__).parent

SCAN = [
    (1, "wake_up", "step", "ok"),
    (2, "market_scan", "step", "ok"),
    (3, "fetch_quote", "tool", "ok"),
    (3, "fetch_quote", "tool", "ok"),
]
FRESH = [(2, "freshness_check", "guardrail", "ok")]
STALE = [(2, "freshness_check", "guardrail", "error")]
DECISION = [
    (2, "supertrend", "tool", "ok"),
    (2, "supertrend", "tool", "ok"),
    (2, "decide", "step", "ok"),
]
STORY = [
    (0, "trade", "agent", "ok"),
    (1, "replay", "tool", "closed"),
    # 2008-06-11: both indices are down, the agent sells short.
    *(SCAN + FRESH + DECISION),
    (2, "risk_check", "guardrail", "ok"),
    (2, "place_order", "tool", "ok"),
    # 2008-08-06: they disagree.
    *(SCAN + FRESH + DECISION),
    # 2008-08-08: both are up; the whole account would be too much.
    *(SCAN + FRESH + DECISION),
    (2, "risk_check", "guardrail", "error"),
    (2, "risk_check", "guardrail", "ok"),
    (2, "place_order", "tool", "ok"),
    # 2008-09-09: they seem to disagree, on a stale quote.
    *(SCAN + STALE + DECISION),
    # 2008-09-17: the loss is too large.
    (1, "stop_trading", "step", "ok"),
    (2, "place_order", "tool", "ok"),
]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Run the demo once."""
    return run_demo(tmp_path_factory.mktemp("traces"))


def run_demo(trace_dir: Path) -> Session:
    """Run the demo and read what it recorded."""
    path = ai_trace.demo.run(trace_dir)
    assert path is not None
    return reading.read(path)


def named(session: Session, name: str) -> list[StepRecord]:
    """Return the steps of that name, in order."""
    return [step for step in session.steps if step.name == name]


class TestTheTrace:
    def test_tree(self, session: Session) -> None:
        """The demo records the same tree each time: names, kinds and outcomes."""
        tree = [(d, s.name, s.kind, s.outcome) for d, s in session.walk()]

        assert STORY == tree
        assert [] == list(session.problems)

    def test_content_is_deterministic(self, session: Session, tmp_path: Path) -> None:
        """Two runs differ in ids and times alone."""
        again = run_demo(tmp_path)

        assert contents(session) == contents(again)

    def test_path(self, tmp_path: Path) -> None:
        """The session's file is returned, and is all that the demo writes."""
        path = ai_trace.demo.run(tmp_path / "traces")

        assert [path] == list((tmp_path / "traces").iterdir())

    def test_stopped_early(self, session: Session) -> None:
        """The days that nobody asked for any more were not replayed."""
        (replay,) = named(session, "replay")

        assert {"first": "2008-06-02"} == replay.context
        assert {"count": 76} == replay.result

    def test_fetches_overlap(self, session: Session) -> None:
        """The quotes of a scan are fetched at the same time."""
        scans = named(session, "market_scan")

        assert scans
        for scan in scans:
            first, second = session.children(scan)

            assert first.finished_at is not None
            assert second.started_at < first.finished_at

    def test_refused_risk_is_an_error(self, session: Session) -> None:
        """A refusal by the risk check is recorded with its reason and traceback."""
        refused, retried = named(session, "risk_check")[1:]

        assert refused.error == (
            "RiskLimitError: 794 units move 1.83% a day, the limit is 1.60%"
        )
        assert refused.traceback is not None
        assert "risk_check" in refused.traceback
        assert 695 == retried.context["units"]

    def test_decisions(self, session: Session) -> None:
        """Each decision names its reason, and one of them that its feed was stale."""
        decisions = [step.result for step in named(session, "decide")]

        assert [
            {"action": "sell", "reason": "SPX down, IXIC down"},
            {"action": "hold", "reason": "SPX down, IXIC up"},
            {"action": "buy", "reason": "SPX up, IXIC up"},
            {"action": "hold", "reason": "SPX down, STALE IXIC up"},
        ] == decisions

    def test_stale_decision_shows_what_it_saw(self, session: Session) -> None:
        """The night of 3 AM carries the old quote, the refusal and the decision."""
        night = named(session, "wake_up")[-1]
        check = named(session, "freshness_check")[-1]
        decision = named(session, "decide")[-1]

        assert [night.id, night.id] == [check.parent_id, decision.parent_id]
        assert "2008-09-10T03:00:00+00:00" == night.context["now"]
        assert {
            "close": 2333.73,
            "age_hours": 151.0,
            "as_of": "2008-09-03T20:00:00+00:00",
        } == check.context["quotes"]["IXIC"]
        assert check.error == (
            "StaleQuoteError: IXIC is 151 hours old, the limit is 24"
        )
        assert ["IXIC"] == decision.context["stale"]

    def test_loss(self, session: Session) -> None:
        """The run ends a week after that decision, with a loss."""
        (stop,) = named(session, "stop_trading")

        assert "2008-09-17" == stop.context["day"]
        assert "14.5% below the peak, limit 13%" == stop.logs[0]["reason"]
        assert {"equity": 932048, "gain_percent": -6.8} == session.roots[0].result


def contents(session: Session) -> list[tuple[object, ...]]:
    """Return what the steps say, without ids and times."""
    return [
        (depth, s.name, s.context, s.outcome, s.error, s.result, s.function)
        for depth, s in session.walk()
    ]


class TestTheAgent:
    def test_live_feed(self, tmp_path: Path) -> None:
        """On a live feed the same agent sells on that night, and ends with a gain."""
        with Tracer("live", tmp_path) as tracer:
            result = asyncio.run(trade(Market(load()), date(2008, 6, 2)))
        decisions = [s.result["action"] for s in tracer.steps if s.name == "decide"]

        assert ["sell", "hold", "buy", "hold", "sell"] == decisions
        assert {"equity": 1176002, "gain_percent": 17.6} == result

    def test_no_tracer(self) -> None:
        """The agent does the same when nothing records it."""
        market = Market(load(), silent_from={"IXIC": date(2008, 9, 4)})
        result = asyncio.run(trade(market, date(2008, 6, 2)))

        assert {"equity": 932048, "gain_percent": -6.8} == result

    def test_disabled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With recording switched off the demo runs and writes nothing."""
        monkeypatch.setenv("AI_TRACE_DISABLED", "1")
        path = ai_trace.demo.run(tmp_path)

        assert path is None
        assert [] == list(tmp_path.iterdir())

    def test_a_disk_that_fills_up(self, tmp_path: Path) -> None:
        """What could not be recorded is told, in the command's status as well."""
        program = (
            "import resource, sys; from ai_trace.cli import main\n"
            "no_more = (4_000, resource.RLIM_INFINITY)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, no_more)\n"
            "sys.exit(main(['demo', '--dir', sys.argv[1]]))\n"
        )
        # Without -B, files of bytecode are cut off as well, and stay (Python 3.9).
        words = [sys.executable, "-B", "-c", program, str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        (path,) = tmp_path.iterdir()
        lost = len(STORY) - path.read_bytes().count(b"\n")

        assert lost > 0
        assert (1, "") == (done.returncode, done.stdout)
        assert f"{lost} of its steps are not in {path} (EFBIG)." in done.stderr

    def test_no_network(self, tmp_path: Path) -> None:
        """The demo connects to nothing and looks up no name."""
        program = (
            "import json, sys; from ai_trace.demo import run; seen = []\n"
            "sys.addaudithook(lambda event, args: seen.append(event))\n"
            "run(sys.argv[1])\n"
            "print(json.dumps(sorted(set(seen))))\n"
        )
        words = [sys.executable, "-c", program, str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seen = json.loads(done.stdout)

        assert "open" in seen
        assert [] == [
            event
            for event in seen
            if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto")
        ]

    @pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda p: p.stem)
    def test_public_api_only(self, path: Path) -> None:
        """What users copy uses the public names alone."""
        tree = ast.parse(path.read_text("utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = {
            alias.name
            for node in imports
            for alias in node.names
            if not str(node.module).startswith("ai_trace.demo.")
            and str(node.module).startswith("ai_trace")
        }

        assert names <= set(ai_trace.__all__)


class TestThePrices:
    @pytest.mark.parametrize("symbol", ["SPX", "IXIC"])
    def test_bars_are_sound(self, symbol: str) -> None:
        """Every trading day of 2008 is there, once, with its range around its ends."""
        bars = load()[symbol]
        days = [bar.day for bar in bars]

        assert 253 == len(bars)
        assert sorted(set(days)) == days
        assert (date(2008, 1, 2), date(2008, 12, 31)) == (days[0], days[-1])
        assert all(bar.low <= min(bar.open, bar.close) for bar in bars)
        assert all(bar.high >= max(bar.open, bar.close) for bar in bars)

    def test_known_closes(self) -> None:
        """The prices are the real ones: the closes that the news reported."""
        closes = {bar.day: bar.close for bar in load()["SPX"]}

        assert 1192.70 == closes[date(2008, 9, 15)]
        assert 1106.42 == closes[date(2008, 9, 29)]
        assert 752.44 == closes[date(2008, 11, 20)]

    def test_source_is_named(self) -> None:
        """The file is small, and says where it comes from; its licence is beside it."""
        prices = (PACKAGE / "prices.csv").read_text("utf-8")
        licence = (PACKAGE / "PRICES.md").read_text("utf-8")

        assert len(prices) < 40_000
        assert "arch" in prices.partition("symbol,date")[0]
        assert "Copyright (c) 2017 Kevin Sheppard" in licence


class TestSuperTrend:
    @pytest.mark.parametrize("symbol", ["SPX", "IXIC"])
    @pytest.mark.parametrize(
        ("period", "multiplier"), [(10, 3.0), (7, 2.0), (14, 1.0), (1, 0.5)]
    )
    def test_reference(self, symbol: str, period: int, multiplier: float) -> None:
        """Each reading is that of the textbook's definition, worked out slowly."""
        bars = load()[symbol]
        readings = supertrend(bars, period, multiplier)
        lines = slow_lines(bars, period, multiplier)

        assert [above for above, _ in lines] == [
            r.direction == "down" for r in readings
        ]
        assert [pytest.approx(line, abs=0.006) for _, line in lines] == [
            reading.band for reading in readings
        ]

    def test_since(self) -> None:
        """The turns of the S&P 500 in 2008."""
        turns = {
            reading.since: reading.direction for reading in supertrend(load()["SPX"])
        }

        assert {
            date(2008, 1, 15): "down",
            date(2008, 4, 1): "up",
            date(2008, 5, 23): "down",
            date(2008, 8, 8): "up",
            date(2008, 9, 9): "down",
        } == turns

    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_too_few_bars(self, count: int) -> None:
        """There is no reading before a whole period has passed."""
        assert [] == supertrend(load()["SPX"][:count])


def slow_lines(
    bars: list[Bar], period: int, multiplier: float
) -> list[tuple[bool, float]]:
    """
    Return SuperTrend's line for each day, and whether it lies above the market.

    The definition is stated here by the line alone: it is the upper band or the
    lower one, and changes over when the close is beyond it.
    """
    uppers: list[float] = []
    lowers: list[float] = []
    lines: list[float] = []
    for day in range(period - 1, len(bars)):
        middle = (bars[day].high + bars[day].low) / 2
        upper = middle + multiplier * slow_range(bars, day, period)
        lower = middle - multiplier * slow_range(bars, day, period)
        if lines:
            before = bars[day - 1].close
            upper = min(upper, uppers[-1]) if before <= uppers[-1] else upper
            lower = max(lower, lowers[-1]) if before >= lowers[-1] else lower
        if not lines or lines[-1] == uppers[-1]:
            lines.append(lower if lines and bars[day].close > upper else upper)
        else:
            lines.append(upper if bars[day].close < lower else lower)
        uppers.append(upper)
        lowers.append(lower)
    return [(line == upper, line) for line, upper in zip(lines, uppers)]


def slow_range(bars: list[Bar], day: int, period: int) -> float:
    """Return the average true range of a day: one sum over all days before it."""
    ranges = [bars[0].high - bars[0].low]
    for before, bar in zip(bars, bars[1 : day + 1]):
        gaps = abs(bar.high - before.close), abs(bar.low - before.close)
        ranges.append(max(bar.high - bar.low, *gaps))
    keep = 1 - 1 / period
    weights = [keep ** (day - n) / period for n in range(period, day + 1)]
    seed = keep ** len(weights) * sum(ranges[:period]) / period
    return seed + sum(w * r for w, r in zip(weights, ranges[period:]))
