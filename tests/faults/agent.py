"""
The program that is traced: a small agent, and what came of one run of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.system_calls import Intercept, intercepted

from ai_trace import MemorySink, StepRecord, TraceConfigError, Tracer, step


class Rejected(Exception):
    """The agent's own error."""


def trade(seen: list[Any], save: Callable[[], Any] = lambda: None) -> None:
    """Scan two markets, save, meet a risk, order, and be rejected."""
    with step("session", budget=100.0) as session:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            with step("scan", symbol=symbol) as scan:
                scan.log(signal=0.87, confidence=0.9)
                with step("fetch", symbol=symbol, text="é" * 40):
                    seen.append(symbol)
        save()
        try:
            with step("risk", size=12.5):
                raise Rejected("position too large")
        except Rejected as exc:
            seen.append(str(exc))
        session.log(decision="hold")
        with step("order", side="buy") as order:
            order.set_result({"id": 7})
            rejection = Rejected("no liquidity")
            seen.append(rejection)
            raise rejection


@dataclass
class Run:
    """
    What came of one run of the agent.

    Attributes:
        directory: Where its trace is.
        seen: What the agent did, in order; the last is the error that it raised.
        raised: The exception that came out of it.
        refusal: The error with which the tracer refused to be made, if it did.
        memory: The records of all steps that finished, from a sink that cannot fail.
        path: The trace file.
        health: What the tracer says was lost.
        said: The warnings of ai_trace.
        left_open: How many descriptors were not given back.
    """

    directory: Path
    seen: list[Any] = field(default_factory=list)
    raised: BaseException | None = None
    refusal: TraceConfigError | None = None
    memory: list[StepRecord] = field(default_factory=list)
    path: Path | None = None
    health: dict[str, dict[str, int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    left_open: int = 0


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


def run_untraced() -> list[Any]:
    """Return what the agent does when nobody watches, its error as text."""
    seen: list[Any] = []
    try:
        trade(seen)
    except Rejected as exc:
        seen[-1] = repr(exc)
    return seen


def run_traced(directory: Path, intercept: Intercept, **settings: Any) -> Run:
    """
    Run the agent under a tracer, whose system calls go through a function.

    Args:
        directory: Where the trace goes; it is there already.
        intercept: The function.
        settings: Further arguments of the tracer.
    """
    run = Run(directory)
    listener = _Listener(run.said)
    logger = logging.getLogger("ai_trace")
    logger.addHandler(listener)
    before = _open_descriptors()
    try:
        with intercepted(intercept):
            _trade_traced(run, settings)
    finally:
        logger.removeHandler(listener)
    run.left_open = _open_descriptors() - before
    return run


def _trade_traced(run: Run, settings: dict[str, Any]) -> None:
    memory = MemorySink()
    try:
        tracer = Tracer("agent", trace_dir=run.directory, sinks=[memory], **settings)
    except TraceConfigError as exc:
        run.refusal = exc
        return

    def save() -> None:
        tracer.save()
        tracer.save_markdown()

    try:
        with tracer:
            trade(run.seen, save)
    except BaseException as exc:
        run.raised = exc
    run.path = tracer.path
    run.memory = memory.records
    run.health = tracer.health()


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
