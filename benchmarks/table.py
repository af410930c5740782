"""
What recording costs: ours and the others, on the same work, interleaved in one run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


HERE = Path(__file__).parent


class Row(NamedTuple):
    """
    One comparison: what of ours, with what, and the ratio that is aimed at.
    """

    ours: str
    other: str
    fast: float | None
    standard: float | None


OURS = [
    "step",
    "step without journal",
    "step without journal and redaction",
    "no tracer: traced",
    "no tracer: step",
    "bare wrapt.decorator",
    "traced function",
    "traced coroutine",
    "traced generator of 3 items",
    "5 deep, a step",
    "50 tasks at once, a step",
    "1 thread, a step",
    "4 threads, a step",
    "prompt of 100 kB",
    "conversation of 80 turns",
]
PEERS = [
    "predecessor",
    "eliot",
    "OpenTelemetry SDK + JSON",
    "OpenTelemetry decorator",
    "logfire",
    "structlog",
    "limit",
    "limit, json",
]
FLOOR = ["step", "step without journal"]
COMPARED = [
    Row("step", "predecessor", 0.45, 0.9),
    Row("step", "eliot", 0.6, 1.2),
    Row("step", "OpenTelemetry SDK + JSON", 0.1, 0.2),
    Row("step", "logfire", None, None),
    Row("step", "structlog", None, None),
    Row("step", "limit", 4.0, None),
    Row("step without journal", "predecessor", 0.3, 0.7),
    Row("traced function", "OpenTelemetry decorator", 0.7, 1.1),
    Row("no tracer: traced", "bare wrapt.decorator", 1.5, 1.5),
    Row("4 threads, a step", "1 thread, a step", 1 / 0.9, 1 / 0.9),
]

# What journal and redaction may take of a step with `fast`, in microseconds, where the
# limit takes as long as there; ratios hold on other machines.
EXTRA, EXTRA_LIMIT = 3.0, 1.6
# On that same machine, in microseconds: a piece of Python that writes to no file.
DECORATOR = 11.9

AGAINST = """\
Ours in parts of the other's time. Both record the same step, ours with journal,
redaction and limits unless the row says otherwise. Each figure is the best round of the
best of {runs} processes, which took turns: on a virtual machine whole processes run
half as fast as others, and what else the machine does can only add. In brackets the
same of the medians of the processes."""

Times = dict[tuple[str, str], list[float]]


def time_once(python: str, script: str, row: str) -> float:
    """Return what one process says of a row, in microseconds."""
    command = [python, str(HERE / script), row]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(fast: str, standard: str, peers: str, runs: int) -> Times:
    """Run every row of everybody, one after another, several times."""
    times: Times = {}
    turns = [("fast", fast, "writing.py", row) for row in OURS]
    turns += [("standard", standard, "writing.py", row) for row in OURS]
    turns += [("floor", fast, "floor.py", row) for row in FLOOR]
    turns += [("peers", peers, "peers.py", row) for row in PEERS]
    for run in range(runs):
        for number, (who, python, script, row) in enumerate(turns, 1):
            say(f"run {run + 1} of {runs}, {number} of {len(turns)}: {who}, {row}")
            times.setdefault((who, row), []).append(time_once(python, script, row))
    say("")
    return times


def say(what: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


def judged(times: Times, who: str, row: Row, target: float | None) -> str:
    """Return what ours takes in parts of the other, and whether that was aimed at."""
    ours = times[who, row.ours]
    other = times[who if row.other in OURS else "peers", row.other]
    value = min(ours) / min(other)
    shown = f"{value:.2f} ({statistics.median(ours) / statistics.median(other):.2f})"
    if target is None:
        return shown
    return f"{shown}, at most {target:.2f}: {'met' if value <= target else 'missed'}"


def both(times: list[float]) -> str:
    """Return the best of a row, and the median."""
    return f"{min(times):.2f} ({statistics.median(times):.2f})"


def extra(times: Times) -> str:
    """Return the row of what journal and redaction take of a step."""

    def taken(who: str) -> float:
        bare = times[who, "step without journal and redaction"]
        return min(times[who, "step"]) - min(bare)

    most = EXTRA / EXTRA_LIMIT * min(times["peers", "limit"])
    fast = taken("fast")
    said = f"at most {most:.2f}: {'met' if fast <= most else 'missed'}"
    name = "of a step: journal and redaction"
    return f"| {name} | {fast:.2f}, {said} | {taken('standard'):.2f} |"


def slower(times: Times) -> float:
    """Return how many times as long this machine takes for Python alone."""
    return min(times["peers", "OpenTelemetry decorator"]) / DECORATOR


def against(times: Times) -> list[str]:
    """Return ours against the others, as lines of Markdown."""
    lines = [
        *AGAINST.format(runs=len(times["peers", "limit"])).splitlines(),
        "",
        "| ours | the other | with the extra `fast` | standard library only |",
        "|---|---|---|---|",
    ]
    for row in COMPARED:
        fast = judged(times, "fast", row, row.fast)
        standard = judged(times, "standard", row, row.standard)
        lines.append(f"| {row.ours} | {row.other} | {fast} | {standard} |")
    return lines


def microseconds(times: Times) -> list[str]:
    """Return what each takes, as lines of Markdown."""
    lines = ["| row | `fast` | standard |", "|---|---|---|"]
    for name in OURS:
        fast, standard = (both(times[who, name]) for who in ("fast", "standard"))
        lines.append(f"| {name} | {fast} | {standard} |")
    lines.append(extra(times))
    lines += ["", "| nothing checked: see floor.py | µs |", "|---|---|"]
    lines += [f"| {name} | {both(times['floor', name])} |" for name in FLOOR]
    lines += ["", "| peer | µs |", "|---|---|"]
    lines += [f"| {name} | {both(times['peers', name])} |" for name in PEERS]
    return lines
