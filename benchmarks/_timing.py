"""How one row is timed: the same way for us and for all others."""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable


ROUNDS = 60

Work = Callable[[int], None]


def main(rows: Mapping[str, tuple[Any, ...]]) -> None:
    """
    Time the row that the command line names, and print microseconds a piece as JSON.

    Args:
        rows: By name, how many pieces are done, and what makes the work; with what
            makes another work, the row is what the first takes more.
    """
    pin()
    pieces, *makers = rows[sys.argv[1]]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        taken = microseconds([make() for make in makers], pieces)
        print(json.dumps(taken))
        os.chdir("/")


def pin() -> None:
    """Stay on one core, where the system lets a process choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def microseconds(works: Sequence[Work], pieces: int) -> float:
    """
    Return the best of some rounds, after one that warms up.

    The best, since whatever else the machine does can only add: on a virtual machine
    the same round may take half as long again, for seconds. Of two works, whose rounds
    take turns, it is the median of what one round takes more than the one beside it.
    """
    one = max(1, pieces // 5)
    taken = [[timed(work, one) for work in works] for _ in range(ROUNDS + 1)][1:]
    if len(works) == 1:
        return min(round_[0] for round_ in taken)
    return statistics.median(ours - other for ours, other in taken)


def timed(work: Work, pieces: int) -> float:
    """Return what one piece takes in a round of so many, in microseconds."""
    gc.collect()
    began = time.perf_counter()
    work(pieces)
    return (time.perf_counter() - began) / pieces * 1e6
