"""
One page: what recording and reading cost, here and elsewhere, in one run.

    python benchmarks/bench.py FAST STANDARD PEERS RESULTS [--quick]

The first three are the interpreters of environments: ours with the extra `fast`, ours
with the standard library only, and that of the peers, among them the predecessor, which
has our import name. The sections of the page RESULTS are written as they are measured.
With `--quick` little is measured, and once: to see whether it all runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import reading
import starting
from _page import machine, put, versions
from _runs import Row, table
from _timing import pin
from table import DECORATOR, against, measure, microseconds, slower


RUNS = 7
QUICK = reading.Scale(steps=5_000, sessions=50, runs=1, quick_runs=1)
CLIENTS = """\
The aims, 150 for a call and 10 for a chunk, are those of a machine on which the
decorator of OpenTelemetry takes {} µs: it writes to no file, so it tells how fast
Python runs. Here it took {} times as long, and so may these."""
READING = """\
Seconds of the processor, or megabytes; medians of runs in turns. Targets in seconds are
those of a machine on which 0.2.0 takes 3.6 s for the first row."""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser()
    for name in ("fast", "standard", "peers"):
        # A link that an environment's interpreter is has to stay one.
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("results", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    page = options.results.resolve()
    fast, standard, peers = options.fast, options.standard, options.peers
    put(page, "Where and with what", environments(fast, standard, peers))
    times = measure(fast, standard, peers, 1 if options.quick else RUNS)
    put(page, "Recording, against others", against(times))
    put(page, "Recording, in microseconds", microseconds(times))
    put(page, "Clients of models", clients(fast, f"{slower(times):.2f}"))
    put(page, "A real model", printed(fast, "model.py"))
    pin()
    scale = QUICK if options.quick else reading.Scale()
    with tempfile.TemporaryDirectory() as directory:
        rows = reading.rows(Path(directory), peers, fast, standard, scale)
        put(page, "Reading", [*READING.splitlines(), "", *told(rows)])
    pythons = {"fast": fast, "standard library": standard}
    put(page, "Starting", told(starting.rows(pythons, peers, scale.quick_runs)))


def environments(fast: str, standard: str, peers: str) -> list[str]:
    """Return the machine and the versions, as lines of Markdown."""
    return [
        machine(),
        "",
        f"* ours, fast: {versions(fast)}",
        f"* ours, standard: {versions(standard)}",
        f"* peers: {versions(peers)}",
    ]


def clients(python: str, times_as_long: str) -> list[str]:
    """Return what calls of clients take, judged by what this machine takes."""
    aims = CLIENTS.format(DECORATOR, times_as_long).splitlines()
    return [*aims, "", *printed(python, "clients.py", "--slower", times_as_long)]


def printed(python: str, program: str, *options: str) -> list[str]:
    """Return the lines that another program of this directory prints."""
    command = [python, str(Path(__file__).parent / program), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def told(rows: Iterable[Row]) -> list[str]:
    """Return the lines of a table, and show each as soon as it is there."""
    lines = []
    for line in table(rows):
        print(line, flush=True)
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()
