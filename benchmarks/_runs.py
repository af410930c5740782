"""
Commands as they are measured: the processor's time and the memory of a process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


_HEAD = ("row", "ours", "compared to", "", "ratio", "target")


class Run(NamedTuple):
    """
    What one run of a command took.

    Attributes:
        seconds: Of the processor.
        megabytes: At most, in memory.
    """

    seconds: float
    megabytes: float


class Row(NamedTuple):
    """
    One line of a table.

    Attributes:
        name: What is measured.
        ours: Seconds, or megabytes.
        other: What it is compared to.
        theirs: The same of that; ``None`` where the target is no ratio.
        target: What was promised, as the ratio or as the figure, if anything was.
    """

    name: str
    ours: float
    other: str = ""
    theirs: float | None = None
    target: float | None = None

    @property
    def figure(self) -> float:
        """What the target is about."""
        return self.ours if self.theirs is None else self.ours / self.theirs


def run(command: Sequence[str], *, lines: int | None = None) -> Run:
    """
    Run a command, its output thrown away.

    Args:
        command: The command.
        lines: After so many lines of its output it is killed; else it runs to its end.
    """
    wanted = subprocess.DEVNULL if lines is None else subprocess.PIPE
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=wanted, cwd=os.sep
    )
    if child.stdout is not None:
        for _ in range(lines or 0):
            child.stdout.readline()
        child.kill()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and lines is None:
        msg = f"{' '.join(command)} ended with {child.returncode}."
        raise RuntimeError(msg)
    return Run(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turns(
    runs: int, *commands: Sequence[str], lines: int | None = None
) -> list[Run]:
    """Run commands in turns, and return the medians of each."""
    taken = [[run(command, lines=lines) for command in commands] for _ in range(runs)]
    return [
        Run(
            statistics.median(each.seconds for each in column),
            statistics.median(each.megabytes for each in column),
        )
        for column in zip(*taken)
    ]


def table(measured: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table, as its rows are measured."""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"|{'---|' * len(_HEAD)}"
    for row in measured:
        theirs = "" if row.theirs is None else f"{row.theirs:.3f}"
        ratio = "" if row.theirs is None else f"{row.figure:.2f}"
        target = "" if row.target is None else f"at most {row.target:g}"
        if row.target is not None:
            target += ": met" if row.figure <= row.target else ": missed"
        yield (
            f"| {row.name} | {row.ours:.3f} | {row.other} | {theirs} | {ratio} "
            f"| {target} |"
        )
