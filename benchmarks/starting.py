"""
What it costs to import a recorder, and what memory it takes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from _runs import Row, in_turns


NAMES = {
    "0.2.0": "from ai_trace import Tracer",
    "structlog": "import structlog",
    "eliot": "import eliot",
    "OpenTelemetry SDK": "import opentelemetry.sdk.trace.export",
    "logfire": "import logfire",
}
# The window alone loads nothing; these names do.
IMPORT = "from ai_trace import Tracer, step, traced"
MANY = 100_000
RECORDING = """\
from ai_trace import Tracer
with Tracer("bench", {directory!r}) as tracer:
    for n in range({steps}):
        with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
            scan.log(signal=0.87, action="BUY")
"""


def rows(pythons: dict[str, str], peers: str, runs: int) -> Iterator[Row]:
    """
    Measure imports, over a bare start, and memory.

    Args:
        pythons: The interpreters of our environments, by name.
        peers: That of the others.
        runs: How often each.
    """
    commands = [[peers, "-c", statement] for statement in NAMES.values()]
    for name, python in pythons.items():
        bare, wrapt, mine, *others = in_turns(
            runs,
            [python, "-c", "pass"],
            [python, "-c", "import wrapt"],
            [python, "-c", IMPORT],
            *commands,
        )
        row = f"import, over that of wrapt, {name}"
        yield Row(row, mine.seconds - wrapt.seconds, target=0.04)
        for other, run in zip(NAMES, others):
            yield Row(
                f"import, over a start, {name}",
                mine.seconds - bare.seconds,
                other,
                run.seconds - bare.seconds,
            )
        row = f"memory after import, over a start, {name}: MB"
        yield Row(row, mine.megabytes - bare.megabytes)
        few, many = (recorded(python, steps) for steps in (1_000, MANY))
        row = f"memory at {MANY:,} steps over that at 1,000, {name}: MB"
        yield Row(row, many - few, target=10)


def recorded(python: str, steps: int) -> float:
    """Return the megabytes that a program takes that records so many steps."""
    with tempfile.TemporaryDirectory() as directory:
        code = RECORDING.format(directory=directory, steps=steps)
        (run,) = in_turns(1, [python, "-c", code])
    return run.megabytes
