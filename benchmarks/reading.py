"""
What reading costs: figures, lists, ends and starts, against the predecessor.

    python benchmarks/reading.py DIRECTORY --old PYTHON [--fast PYTHON]

DIRECTORY is where the traces are made, or were made by an earlier run. PYTHON is the
interpreter of an environment: that of the released ai-decision-tracer 0.2.0, which has
the same import name, and one with the extra ``fast``. This interpreter is the one
without. Each row is measured in turns with what it is compared to, on one core where
the system lets us choose; the processor's time is what counts, and of it the median.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from make_traces import SESSIONS, STEPS, make, make_many


RUNS = 5
QUICK_RUNS = 25
_HEAD = ("row", "ours", "compared to", "", "ratio", "target")


class Row(NamedTuple):
    """
    One line of the table.

    Attributes:
        name: What is measured.
        ours: Seconds, or megabytes.
        other: What it is compared to.
        theirs: The same of that; ``None`` where the target is no ratio.
        target: What was promised, as the ratio or as the figure.
    """

    name: str
    ours: float
    other: str
    theirs: float | None
    target: float

    @property
    def figure(self) -> float:
        """What the target is about."""
        return self.ours if self.theirs is None else self.ours / self.theirs


class Run(NamedTuple):
    """
    What one run of a command took.

    Attributes:
        seconds: Of the processor.
        megabytes: At most, in memory.
    """

    seconds: float
    megabytes: float


def run(command: Sequence[str]) -> Run:
    """Run a command to its end, its output thrown away."""
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=os.sep
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        msg = f"{' '.join(command)} ended with {child.returncode}."
        raise RuntimeError(msg)
    return Run(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turns(runs: int, *commands: Sequence[str]) -> list[Run]:
    """Run commands in turns, and return the medians of each."""
    taken = [[run(command) for command in commands] for _ in range(runs)]
    return [
        Run(
            statistics.median(each.seconds for each in column),
            statistics.median(each.megabytes for each in column),
        )
        for column in zip(*taken)
    ]


def ours(python: str, directory: Path, *words: str) -> list[str]:
    """Return a command of this project, on a directory."""
    return [python, "-m", "ai_trace", "--dir", str(directory), *words]


def last_id(path: Path) -> str:
    """Return the id of a step near the end of a session."""
    with path.open("rb") as file:
        file.seek(-20_000, os.SEEK_END)
        return str(json.loads(file.read().splitlines()[-5])["id"])


def figures(big: Path, pythons: dict[str, str], old: str) -> Iterator[Row]:
    """Measure ``stats`` of a million steps."""
    theirs = [old, "-m", "ai_trace.cli", "--dir", str(big), "stats"]
    targets = {"fast": 0.35, "standard library": 1.0}
    for name, python in pythons.items():
        mine, other = in_turns(RUNS, ours(python, big, "stats"), theirs)
        row = f"stats, 1,000,000 steps, {name}"
        yield Row(row, mine.seconds, "0.2.0", other.seconds, targets[name])
        yield Row(f"{row}: MB", mine.megabytes, "", None, 100)


def ends(big: Path, path: Path, python: str) -> Iterator[Row]:
    """Measure what reads the end of a million steps, beyond the interpreter's start."""
    for words in (
        ("tail", "-n", "20", "--no-follow"),
        ("view", "--step", last_id(path)),
    ):
        start = [python, "-c", "pass"]
        mine, bare = in_turns(QUICK_RUNS, ours(python, big, *words), start)
        row = f"{' '.join(words[:2])}, 1,000,000 steps, over a start"
        yield Row(row, mine.seconds - bare.seconds, "", None, 0.1)


def lists(many: Path, pythons: dict[str, str]) -> Iterator[Row]:
    """Measure ``list`` of ten thousand sessions."""
    for name, python in pythons.items():
        (every,) = in_turns(RUNS, ours(python, many, "list"))
        (some,) = in_turns(RUNS, ours(python, many, "list", "-n", "20"))
        yield Row(f"list, 10,000 sessions, {name}", every.seconds, "", None, 1.0)
        yield Row(f"list -n 20 of them, {name}", some.seconds, "", None, 0.2)


def starts(small: Path, python: str) -> Iterator[Row]:
    """Measure what the command line needs to start."""
    help_of_it = [python, "-m", "ai_trace", "--help"]
    commands = [help_of_it, ours(python, small, "list"), [python, "-c", "pass"]]
    commands[1] = [python, "-m", "ai_trace", "list"]
    os.environ["AI_TRACE_DIR"] = str(small)
    helped, listed, bare = in_turns(QUICK_RUNS, *commands)
    yield Row("--help", helped.seconds, "python -c pass", bare.seconds, 3.0)
    yield Row("list, 5 sessions", listed.seconds, "python -c pass", bare.seconds, 3.0)


def rows(directory: Path, old: str, fast: str | None) -> Iterator[Row]:
    """
    Measure reading.

    Args:
        directory: Where the traces are made, unless they are there.
        old: The interpreter of the predecessor's environment.
        fast: The interpreter of an environment with the extra ``fast``.

    Yields:
        The rows of the table as they are measured.
    """
    pythons = {"fast": fast} if fast else {}
    pythons["standard library"] = sys.executable
    big, many, small = (directory / name for name in ("big", "many", "small"))
    path = next(big.glob("*.jsonl"), None) or make("big", big, STEPS)
    if not many.exists():
        make_many(many, SESSIONS)
    if not small.exists():
        make_many(small, 5)
    yield from figures(big, pythons, old)
    yield from ends(big, path, sys.executable)
    yield from lists(many, pythons)
    yield from starts(small, sys.executable)


def table(measured: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|{'---|' * len(_HEAD)}"
    for row in measured:
        theirs = "" if row.theirs is None else f"{row.theirs:.3f}"
        ratio = "" if row.theirs is None else f"{row.figure:.2f}"
        missed = "" if row.figure <= row.target else " (missed)"
        yield (
            f"| {row.name} | {row.ours:.3f} | {row.other} | {theirs} | {ratio} "
            f"| {row.target}{missed} |"
        )


def main() -> None:
    """Measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--old", required=True)
    parser.add_argument("--fast")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    directory = options.directory.resolve()
    for line in table(rows(directory, options.old, options.fast)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
