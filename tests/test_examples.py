"""
Each example is run as a user runs it; what counts is the trace that it leaves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from ai_trace import reading
from ai_trace._record import StepRecord
from ai_trace._tree import Session


EXAMPLES = Path(__file__).parent.parent / "examples"
TESTED = {
    "guards",
    "research_agent",
    "threads",
    "trading_agent",
    "trading_agent_traced",
}

Shape = tuple[int, str, str, str]


class Run(NamedTuple):
    """What an example printed, and what it recorded."""

    printed: str
    session: Session

    @property
    def shape(self) -> list[Shape]:
        """Depth, name, kind and outcome of each step, as a tree reads."""
        return [(d, s.name, s.kind, s.outcome) for d, s in self.session.walk()]

    def named(self, name: str) -> list[StepRecord]:
        """Return the steps of that name, in order of their start."""
        return [step for step in self.session.steps if step.name == name]


def run(name: str, tmp_path: Path, *words: str) -> Run:
    """Run an example in a process of its own, and read the session it wrote."""
    trace_dir = tmp_path / "here"
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "AI_TRACE_DIR": str(trace_dir), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    (info,) = reading.find(trace_dir)
    session = reading.read(info.path)
    assert [] == list(session.problems)
    assert str(info.path) in done.stdout
    return Run(done.stdout, session)


def test_all_are_tested() -> None:
    """No example is without its test; the one that asks a model has its own in e2e."""
    assert {*TESTED, "llm_agent"} == {path.stem for path in EXAMPLES.glob("*.py")}


def test_trading_agent(tmp_path: Path) -> None:
    """A scan, a decision and an order that was refused; JSON and Markdown beside."""
    done = run("trading_agent", tmp_path)
    scan, decision, order = done.session.steps

    assert [
        (0, "market_scan", "step", "ok"),
        (0, "decision", "step", "ok"),
        (0, "order", "step", "error"),
    ] == done.shape
    assert {"symbol": "SPX", "closes": 20} == scan.context
    assert -7.74 == scan.logs[0]["signal"] == decision.context["signal"]
    assert "sell" == decision.logs[0]["action"]
    assert "the market is below the limit price" == order.error
    assert {".json", ".jsonl", ".md"} == {p.suffix for p in tmp_path.glob("here/*")}


def test_trading_agent_traced(tmp_path: Path) -> None:
    """Methods, a generator that was left early, and an error that was handled."""
    done = run("trading_agent_traced", tmp_path)
    day = [(1, "Agent.decide", "step", "ok"), (2, "Agent.check", "guardrail", "ok")]

    assert [
        (0, "trade", "agent", "ok"),
        (1, "daily_changes", "tool", "closed"),
        *(4 * day),
        (1, "Agent.decide", "step", "error"),
        (2, "Agent.check", "guardrail", "error"),
    ] == done.shape
    assert 5 == done.named("daily_changes")[0].result["count"]
    assert {"day": "09-24", "change": -0.2} == done.named("Agent.decide")[1].context
    assert "CrashError: -8.81 % in a day, the limit is -5 %" == (
        done.named("Agent.check")[-1].error
    )


def test_research_agent(tmp_path: Path) -> None:
    """What ran in parallel stands under the step that asked for it."""
    done = run("research_agent", tmp_path)
    investigation = [
        (1, "Researcher.investigate", "step", "ok"),
        (2, "Researcher.search", "retrieval", "ok"),
        *(3 * [(2, "Researcher.read", "tool", "ok")]),
    ]

    assert [
        (0, "Researcher.research", "agent", "ok"),
        (1, "plan", "step", "ok"),
        *(2 * investigation),
    ] == done.shape
    assert [
        "How do I copy a directory tree",
        "compare two sequences of lines",
    ] == done.named("plan")[0].result
    for part in done.named("Researcher.investigate"):
        search, *reads = done.session.children(part)

        assert part.context["part"] == search.context["query"]
        assert search.result == [read.context["name"] for read in reads]


def test_research_agent_finds(tmp_path: Path) -> None:
    """A question on the command line is answered with its source."""
    done = run("research_agent", tmp_path, "Who can copy a directory tree?")

    assert "[shutil.copytree" in done.printed
    assert 1 == len(done.named("Researcher.investigate"))


def test_research_agent_finds_nothing(tmp_path: Path) -> None:
    """A question that nothing answers is no error."""
    done = run("research_agent", tmp_path, "Zyzzogeton?")

    assert "no source found" in done.printed
    assert [] == done.named("Researcher.search")[0].result


def test_threads(tmp_path: Path) -> None:
    """A thread's steps stand below their starter with propagate, else by themselves."""
    done = run("threads", tmp_path)
    count_all, *alone = done.session.roots
    below = done.session.children(count_all)

    assert "count_all" == count_all.name
    assert [6, 6] == [len(below), len(alone)]
    assert {"count_lines"} == {step.name for step in [*below, *alone]}
    assert count_all.logs[0]["total"] == sum(step.result for step in below)


def test_guards(tmp_path: Path) -> None:
    """A refused call is an error: its own if traced is outside, else its caller's."""
    done = run("guards", tmp_path)

    assert [
        (0, "answer", "step", "ok"),
        (1, "ask_recorded_outside", "llm", "ok"),
        (0, "answer", "step", "error"),
        (1, "ask_recorded_outside", "llm", "error"),
        (0, "answer", "step", "ok"),
        (1, "ask_recorded_outside", "llm", "ok"),
        (0, "answer", "step", "ok"),
        (1, "ask_recorded_inside", "llm", "ok"),
        (0, "answer", "step", "error"),
        (0, "answer", "step", "error"),
    ] == done.shape
    assert [
        "InjectionRiskError",
        "InjectionRiskError",
        "InjectionRiskError",
        "BudgetExceededError",
    ] == [
        str(step.error).partition(":")[0]
        for step in done.session.steps
        if step.outcome == "error"
    ]
