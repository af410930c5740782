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


ROUNDS = 60

Work = Callable[[int], None]


def main(rows: Mapping[str, tuple[int, Callable[[], Work]]]) -> None:
    """
    Time the row that the command line names, and print microseconds a piece as JSON.

    Args:
        rows: By name, how many pieces are done, and what makes the work.
    """
    pin()
    pieces, make = rows[sys.argv[1]]
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        print(json.dumps(microseconds(make(), pieces)))
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
    return min([timed(work, one) for _ in range(ROUNDS + 1)][1:])


def timed(work: Work, pieces: int) -> float:
    """Return what one piece takes in a round of so many, in microseconds."""
    gc.collect()
    began = time.perf_counter()
    work(pieces)
    return (time.perf_counter() - began) / pieces * 1e6
