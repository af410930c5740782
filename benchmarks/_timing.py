"""How one row is timed: the same way for us and for all others."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Callable


ROUNDS = 25

Work = Callable[[int], None]


def main(rows: Mapping[str, tuple[int, Callable[[], Work]]]) -> None:
    """
    Time the row that the command line names, and print microseconds a piece as JSON.

    Args:
        rows: By name, how many pieces one round does, and what makes the work.
    """
    pin()
    pieces, make = rows[sys.argv[1]]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        work = make()
        print(json.dumps(microseconds(work, pieces)))
        os.chdir("/")


def pin() -> None:
    """Stay on one core, where the system lets a process choose."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def microseconds(work: Work, pieces: int) -> float:
    """
    Return the best of some rounds, after one that warms up.

    The best, since whatever else the machine does can only add: on a virtual machine
    the same round may take half as long again, for seconds.
    """
    one = max(1, pieces // 5)
    work(one)
    taken = []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter()
        work(one)
        taken.append((time.perf_counter() - began) / one * 1e6)
    return min(taken)
