"""
Makes traces to read: large ones, many of them, deep and wide ones.

    python benchmarks/make_traces.py big DIRECTORY     one session of 1,000,000 steps
    python benchmarks/make_traces.py deep DIRECTORY    the same, 10,000 deep
    python benchmarks/make_traces.py wide DIRECTORY    the same, 100,000 wide
    python benchmarks/make_traces.py many DIRECTORY    10,000 sessions of 10 steps

The lines are those that a tracer writes, key for key, and the same in every run: what
varies comes from the number of the step. A third word gives another number of steps, or
of sessions.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path


STEPS = 1_000_000
SESSIONS = 10_000
DEPTH = 10_000
WIDTH = 100_000
NAMES = ("fetch_prices", "fetch_news", "risk_check", "decide", "market_scan")
KINDS = ("tool", "tool", "guardrail", "agent", "step")
ROUND = len(NAMES)
LOGGING = (3, 4)
START = 1_709_303_422.0  # 2024-03-01 14:30:22 UTC

# Number of a step and of the one that it was made in, in the order of finishing.
Placed = Iterable["tuple[int, int | None]"]


def line(number: int, parent: int | None, session: str = "", kind: int = 0) -> str:
    """Return the line of one step, as a tracer writes it."""
    began = START + number / 1_000
    took = (number * 7_919 % 1_000_003) / 1_000
    failed = number % 50 == 0
    outcome = "error" if failed else "ok"
    error = '"ValueError: no such symbol"' if failed else "null"
    above = "null" if parent is None else f'"{parent:016x}"'
    trace = f"018e000000000000{(number - 1) // ROUND:016x}"
    log = f'{{"_t":{began:.6f},"signal":0.87,"action":"BUY"}}'
    logs = log if kind in LOGGING else ""
    return (
        f'{{"name":"{NAMES[kind]}","kind":"{KINDS[kind]}","id":"{number:016x}",'
        f'"parent_id":{above},"trace_id":"{trace}","seq":{number},"context":'
        f'{{"symbol":"BTCUSDT","price":{number % 977 / 8},"n":{number}}},'
        f'"started_at":{began!r},"finished_at":{began + took / 1_000:.6f},'
        f'"duration_ms":{took!r},"outcome":"{outcome}","error":{error},'
        f'"logs":[{logs}]{session}}}\n'
    )


def header(agent: str, session_id: str, began: float = START) -> str:
    """Return the key that the first line of a file carries besides."""
    fields = {
        "format": 1,
        "agent": agent,
        "session_id": session_id,
        "meta": {"model": "gpt-5-mini"},
        "pid": 4242,
        "host": "bench",
        "python": "3.11.7",
        "version": "1.0.0",
        "started_at": began,
        "durability": "cache",
    }
    return f',"session":{json.dumps(fields, separators=(",", ":"))}'


def rounds(steps: int) -> Iterator[tuple[int, int | None]]:
    """Yield rounds of one step with four steps in it, which end before it does."""
    for root in range(1, steps + 1, ROUND):
        for child in range(root + 1, min(root + ROUND, steps + 1)):
            yield child, root
        yield root, None


def deep(steps: int) -> Iterator[tuple[int, int | None]]:
    """Yield chains of steps, each in the one before it, the innermost first."""
    for root in range(1, steps + 1, DEPTH):
        for number in range(min(root + DEPTH, steps + 1) - 1, root, -1):
            yield number, number - 1
        yield root, None


def wide(steps: int) -> Iterator[tuple[int, int | None]]:
    """Yield steps with a hundred thousand children each."""
    for root in range(1, steps + 1, WIDTH + 1):
        for child in range(root + 1, min(root + WIDTH + 1, steps + 1)):
            yield child, root
        yield root, None


SHAPES = {"big": rounds, "deep": deep, "wide": wide}


def write(path: Path, placed: Placed, agent: str, session_id: str) -> Path:
    """Write one session; a step's kind follows from its place in its round."""
    session = header(agent, session_id)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, parent in placed:
            kind = ROUND - 1 if parent is None else (number - 1) % (ROUND - 1)
            file.write(line(number, parent, session, kind))
            session = ""
    return path


def make(shape: str, directory: Path, steps: int = STEPS) -> Path:
    """
    Write one large session.

    Args:
        shape: ``big``, ``deep`` or ``wide``.
        directory: Where; it is made if need be.
        steps: How many steps.

    Returns:
        The session's file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{shape}_20240301_143022.jsonl"
    return write(path, SHAPES[shape](steps), shape, "20240301_143022")


def make_many(directory: Path, sessions: int = SESSIONS, steps: int = 10) -> None:
    """
    Write a directory of small sessions, one a minute.

    Args:
        directory: Where; it is made if need be.
        sessions: How many.
        steps: How many steps each has.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(sessions):
        began = time.gmtime(START + 60 * number)
        session_id = time.strftime("%Y%m%d_%H%M%S", began)
        agent = f"agent_{number % 7}"
        path = directory / f"{agent}_{session_id}.jsonl"
        write(path, rounds(steps), agent, session_id)


def main(words: list[str]) -> None:
    """Make what the command line asks for."""
    shape, directory, *number = words
    if shape == "many":
        make_many(Path(directory), *map(int, number))
    else:
        print(make(shape, Path(directory), *map(int, number)))


if __name__ == "__main__":
    main(sys.argv[1:])
