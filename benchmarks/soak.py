"""
Five million steps in one session: what changes from the first to the last.

    python benchmarks/soak.py RESULTS [STEPS]

Then trees of a million steps, deep and wide ones, are read, viewed and reported.
Measured are the processor's time and the memory that the system has given. The section
"Soak" of the page RESULTS is written; the exit status is 1 where a limit is exceeded.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from _page import machine, put
from _runs import Row, run, table
from _timing import pin
from make_traces import STEPS as IN_A_TREE
from make_traces import make

from ai_trace import Tracer, reading


STEPS = 5_000_000
STRETCHES = 50
TURNS = 20
WARM_UP = 10_000
MEMORY, TIME, TREES = 10.0, 1.1, 300.0
SHAPES = ("big", "deep", "wide")
VERBS = (("view",), ("view", "--errors"), ("report", "-o", "-"))


def resident() -> float:
    """Return the megabytes that this process has in memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def stretch(tracer: Tracer, steps: int) -> float:
    """Record so many steps; return the microseconds of the processor for each."""
    began = time.process_time()
    for n in range(steps):
        with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
            scan.log(signal=0.87, action="BUY")
    return (time.process_time() - began) / steps * 1e6


def in_turns(old: Tracer, new: Tracer, steps: int) -> tuple[float, float]:
    """
    Record so many steps in each of two sessions; return what a step takes in each.

    In turns and by the medians: minutes apart, the machine itself differs by half.
    """
    one = steps // TURNS
    taken = [(stretch(old, one), stretch(new, one)) for _ in range(TURNS)]
    of_old, of_new = zip(*taken)
    return statistics.median(of_old), statistics.median(of_new)


def recording(directory: str, steps: int) -> Iterator[Row]:
    """Record, and compare the end with the beginning of a new session."""
    size = steps // STRETCHES
    fresh = Path(directory, "new")
    with (
        closing(Tracer("soak", directory)) as tracer,
        closing(Tracer("new", fresh)) as new,
    ):
        for one in (tracer, new):
            stretch(one, WARM_UP)
        before = resident()
        for number in range(1, STRETCHES):
            taken = stretch(tracer, size)
            print(
                f"{number * size:,} steps: {taken:.2f} µs a step, "
                f"{resident() - before:+.1f} MB",
                flush=True,
            )
        last, first = in_turns(tracer, new, size)
        grown = resident() - before
    if tracer.health():
        msg = f"Something was lost: {tracer.health()}"
        raise RuntimeError(msg)
    row = f"{steps:,} steps: µs, the last {size:,}"
    yield Row(row, last, "the first of a new session, in turns", first, TIME)
    yield Row(f"{steps:,} steps: more memory, MB", grown, target=MEMORY)
    (session,) = reading.find(directory)
    lines = sum(map(len, reading.batches(session)))
    yield Row(
        f"{steps:,} steps: lost",
        steps // STRETCHES * STRETCHES + WARM_UP - lines,
        target=0,
    )


def trees(directory: Path, steps: int) -> Iterator[Row]:
    """Read, view and report large trees."""
    for shape in SHAPES:
        make(shape, directory / shape, steps)
        for words in VERBS:
            command = [
                sys.executable,
                "-m",
                "ai_trace",
                "--dir",
                str(directory / shape),
            ]
            done = run([*command, *words])
            row = f"{' '.join(words)}, {steps:,} steps, {shape}"
            yield Row(f"{row}: s", done.seconds)
            yield Row(f"{row}: MB", done.megabytes, target=TREES)


def main(results: str, steps: int = STEPS) -> int:
    """Measure, write the section, and tell whether all limits are kept."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pin()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        rows += recording(directory, steps)
    with tempfile.TemporaryDirectory() as directory:
        rows += trees(Path(directory), min(steps, IN_A_TREE))
    lines = list(table(rows))
    print("\n".join(lines))
    put(Path(results).resolve(), "Soak", [machine(), "", *lines])
    over = [row for row in rows if row.target is not None and row.figure > row.target]
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
