"""
What a step costs, counted: system calls, encodings and calls of functions.

Times move with the machine; these numbers do not, so a change that makes every step
dearer is seen here.
"""

from __future__ import annotations

import datetime
import decimal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_trace import Tracer, _context, step, traced
from ai_trace.sinks import _system


STEPS = 50
ROWS = 1_000
LOOKS = ("look", "_stands_at", "_there", "append")
CALLS = ("open", "close", "write", "pread", "lseek", "ftruncate", "fsync", "fdatasync")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the system calls that depend on the number of steps alone."""
    counted: Counter[str] = Counter()

    def watched(name: str) -> Any:
        call = getattr(_system, name)

        def counting(*args: Any) -> Any:
            counted[name] += 1
            return call(*args)

        return counting

    for name in CALLS:
        monkeypatch.setattr(_system, name, watched(name))
    return counted


def record(tracer: Tracer, steps: int) -> None:
    """Make steps of three attributes and a log of two fields."""
    for n in range(steps):
        with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
            scan.log(signal=0.87, action="BUY")


@pytest.mark.parametrize(("journal", "writes"), [(True, 3), (False, 1)])
def test_writes_a_step(
    tmp_path: Path, calls: Counter[str], journal: bool, writes: int
) -> None:
    """A step is one write; with a journal, its start and each log are one more."""
    with Tracer("agent", tmp_path, journal=journal) as tracer:
        record(tracer, 1)
        calls.clear()
        record(tracer, STEPS)
        counted = dict(calls)

    # Now and then the file is looked at, which asks for its position once more.
    assert writes * STEPS == counted["write"]
    assert set(counted) <= {"write", "lseek"}
    assert counted["lseek"] <= 2 * writes * STEPS


def test_encodings_a_step(tmp_path: Path) -> None:
    """Each value is encoded once: the context, and each entry of the log."""
    with Tracer("agent", tmp_path) as tracer:
        encode, encoded = tracer._recorder.capture._encode, []

        def counting(value: Any) -> str:
            encoded.append(value)
            return encode(value)

        tracer._recorder.capture._encode = counting
        record(tracer, STEPS)

    assert 2 * STEPS == len(encoded)


def test_functions_a_step(tmp_path: Path) -> None:
    """A step with a log takes at most 33 calls of our functions, written whole."""
    with Tracer("agent", tmp_path) as tracer:
        record(tracer, 1)

        assert calls_of_ours(lambda: record(tracer, STEPS)) <= 33 * STEPS


def calls_of_ours(work: Any) -> int:
    """Count the calls of functions of the package while something is done."""
    package = str(Path(_context.__file__).parent)
    counted = 0

    def watch(frame: Any, event: str, argument: object) -> None:
        nonlocal counted
        ours = frame.f_code.co_filename.startswith(package)
        # How often a file is looked at depends on the time.
        if event == "call" and ours and frame.f_code.co_name not in LOOKS:
            counted += 1

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def test_functions_without_a_tracer() -> None:
    """Where nothing records, a step is three calls and a traced function is one."""

    @traced
    def answer(question: int) -> int:
        return question

    def steps() -> None:
        for n in range(STEPS):
            with step("scan", n=n):
                pass

    def answers() -> None:
        for n in range(STEPS):
            answer(n)

    # The first call asks whether anybody should be told that no tracer is there.
    answer(0)

    assert calls_of_ours(steps) <= 3 * STEPS
    assert calls_of_ours(answers) <= STEPS


AT = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
PRICE = decimal.Decimal("101.50")


@dataclass
class Order:
    """A row of ten fields that holds what JSON has no type for."""

    at: datetime.datetime
    price: decimal.Decimal
    symbol: str
    side: str = "BUY"
    note: str = "a filled order"
    size: float = 1.5
    fee: float = 0.1
    number: int = 7
    parent: None = None
    is_open: bool = True


ORDER = Order(AT, PRICE, "BTC")


@pytest.mark.parametrize(
    ("row", "calls"),
    [
        pytest.param({**vars(ORDER), "price": 101.5}, 4, id="a date"),
        pytest.param({**vars(ORDER), "at": 1767312000}, 4, id="a decimal"),
        pytest.param(list(vars(ORDER).values()), 6, id="a list"),
        pytest.param(ORDER, 4, id="a dataclass"),
    ],
)
def test_functions_a_leaf(tmp_path: Path, row: Any, calls: int) -> None:
    """
    A row that needs the long way takes a few calls of our functions for each leaf.

    By the way of each leaf, with its path, they were 14 to 25.
    """
    with Tracer("agent", tmp_path) as tracer:
        capture, rows = tracer._recorder.capture, [row] * ROWS
        leaves = 10 * ROWS

        assert capture.plain(rows) is None
        assert calls_of_ours(lambda: capture.full(rows, "$")) <= calls * leaves
