"""
What reading costs: figures, lists, ends and starts, against the predecessor.

    python benchmarks/reading.py DIRECTORY --old PYTHON --fast PYTHON --standard PYTHON

DIRECTORY is where the traces are made, or were made by an earlier run. PYTHON is the
interpreter of an environment: that of the released ai-decision-tracer 0.2.0, which has
the same import name, and ours with the extra ``fast`` and without. Each row is measured
in turns with what it is compared to, on one core where the system lets us choose; the
processor's time is what counts, and of it the median.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from _runs import Row, in_turns, run, table
from _timing import pin
from make_traces import SESSIONS, STEPS, make, make_many


PAGE = 50
MIDDLE = 100_000


class Scale(NamedTuple):
    """
    How much is read, and how often.

    Attributes:
        steps: In the large session.
        sessions: In the directory of many.
        runs: Of what takes seconds.
        quick_runs: Of what takes less.
    """

    steps: int = STEPS
    sessions: int = SESSIONS
    runs: int = 5
    quick_runs: int = 25


class Traces(NamedTuple):
    """
    What is read: directories, and the large session in one of them.
    """

    big: Path
    middle: Path
    many: Path
    small: Path
    session: Path

    @classmethod
    def made(cls, directory: Path, scale: Scale) -> Traces:
        """Make what is not there yet."""
        names = (f"big-{scale.steps}", "middle", f"many-{scale.sessions}", "small")
        big, middle, many, small = (directory / name for name in names)
        session = next(big.glob("*.jsonl"), None) or make("big", big, scale.steps)
        if not middle.exists():
            make("big", middle, min(MIDDLE, scale.steps))
        if not many.exists():
            make_many(many, scale.sessions)
        if not small.exists():
            make_many(small, 5)
        return cls(big, middle, many, small, session)


def ours(python: str, directory: Path, *words: str) -> list[str]:
    """Return a command of this project, on a directory."""
    return [python, "-m", "ai_trace", "--dir", str(directory), *words]


def last_id(path: Path) -> str:
    """Return the id of a step near the end of a session."""
    with path.open("rb") as file:
        file.seek(-20_000, os.SEEK_END)
        return str(json.loads(file.read().splitlines()[-5])["id"])


def figures(
    traces: Traces, pythons: dict[str, str], old: str, scale: Scale
) -> Iterator[Row]:
    """Measure ``stats`` of the large session."""
    theirs = [old, "-m", "ai_trace.cli", "--dir", str(traces.big), "stats"]
    targets = {"fast": 0.35, "standard library": 1.0}
    for name, python in pythons.items():
        mine, other = in_turns(scale.runs, ours(python, traces.big, "stats"), theirs)
        row = f"stats, {scale.steps:,} steps, {name}"
        yield Row(row, mine.seconds, "0.2.0", other.seconds, targets[name])
        yield Row(f"{row}: MB", mine.megabytes, target=100)


def views(traces: Traces, pythons: dict[str, str], scale: Scale) -> Iterator[Row]:
    """Measure ``view``: its first page, and all of a session."""
    for name, python in pythons.items():
        command = ours(python, traces.big, "view")
        (page,) = in_turns(1, command, lines=PAGE)
        row = f"view, {scale.steps:,} steps, {name}: first page"
        yield Row(row, page.seconds)
        words = ours(python, traces.middle, "view", "--json")
        (whole,) = in_turns(scale.runs, words)
        yield Row(
            f"view --json, {min(MIDDLE, scale.steps):,} steps, {name}", whole.seconds
        )
    whole = run(ours(pythons["fast"], traces.big, "view"))
    yield Row(
        f"view, {scale.steps:,} steps, all of it: MB", whole.megabytes, target=300
    )


def ends(traces: Traces, python: str, scale: Scale) -> Iterator[Row]:
    """Measure what reads the end of a session, beyond the interpreter's start."""
    for words in (
        ("tail", "-n", "20", "--no-follow"),
        ("view", "--step", last_id(traces.session)),
    ):
        start = [python, "-c", "pass"]
        command = ours(python, traces.big, *words)
        mine, bare = in_turns(scale.quick_runs, command, start)
        row = f"{' '.join(words[:2])}, {scale.steps:,} steps, over a start"
        yield Row(row, mine.seconds - bare.seconds, target=0.1)


def lists(traces: Traces, pythons: dict[str, str], scale: Scale) -> Iterator[Row]:
    """Measure ``list`` of many sessions."""
    for name, python in pythons.items():
        (every,) = in_turns(scale.runs, ours(python, traces.many, "list"))
        (some,) = in_turns(scale.runs, ours(python, traces.many, "list", "-n", "20"))
        row = f"list, {scale.sessions:,} sessions, {name}"
        yield Row(row, every.seconds, target=1.0)
        yield Row(f"list -n 20 of them, {name}", some.seconds, target=0.2)


def starts(traces: Traces, python: str, scale: Scale) -> Iterator[Row]:
    """Measure what the command line needs to start."""
    os.environ["AI_TRACE_DIR"] = str(traces.small)
    helped, listed, bare = in_turns(
        scale.quick_runs,
        [python, "-m", "ai_trace", "--help"],
        [python, "-m", "ai_trace", "list"],
        [python, "-c", "pass"],
    )
    del os.environ["AI_TRACE_DIR"]
    yield Row("--help", helped.seconds, "python -c pass", bare.seconds, 3.0)
    yield Row("list, 5 sessions", listed.seconds, "python -c pass", bare.seconds, 3.0)


def rows(
    directory: Path, old: str, fast: str, standard: str, scale: Scale
) -> Iterator[Row]:
    """
    Measure reading.

    Args:
        directory: Where the traces are made, unless they are there.
        old: The interpreter of the predecessor's environment.
        fast: The interpreter of an environment with the extra ``fast``.
        standard: The interpreter of one without.
        scale: How much is read, and how often.

    Yields:
        The rows of the table as they are measured.
    """
    pythons = {"fast": fast, "standard library": standard}
    traces = Traces.made(directory, scale)
    yield from figures(traces, pythons, old, scale)
    yield from ends(traces, standard, scale)
    yield from lists(traces, pythons, scale)
    yield from starts(traces, standard, scale)
    yield from views(traces, pythons, scale)


def main() -> None:
    """Measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    for name in ("--old", "--fast", "--standard"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pin()
    pythons = (options.old, options.fast, options.standard)
    for line in table(rows(options.directory.resolve(), *pythons, Scale())):
        print(line, flush=True)


if __name__ == "__main__":
    main()
