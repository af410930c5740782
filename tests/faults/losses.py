"""
Steps made until something is noticed, and what is said of those that were lost.

The trace file's name is looked at from time to time only, so a file that was deleted or
renamed takes lines for a while. No test waits for that by the clock: it goes on making
steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ai_trace import Tracer


_PATIENCE_SECONDS = 15.0


def make(tracer: Tracer, *names: str) -> None:
    """Make a step of each name."""
    for name in names:
        with tracer.step(name):
            pass


def make_until(tracer: Tracer, happened: Callable[[], bool]) -> list[str]:
    """
    Make steps until something has happened.

    Args:
        tracer: Whose steps.
        happened: Tells whether it has; asked after each step.

    Returns:
        The names of the steps.
    """
    made: list[str] = []
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        made.append(f"step {len(made)}")
        make(tracer, made[-1])
        if happened():
            return made
        assert time.monotonic() < end, "it was never noticed"


def has_lines(path: Path) -> Callable[[], bool]:
    """Return a function that tells whether a file is there and not empty."""
    return lambda: path.exists() and path.stat().st_size > 0


def stated_losses(tracer: Tracer, lines: Iterable[dict[str, Any]]) -> int:
    """
    Return how many lost steps are spoken of: in the lines, or else by the tracer.

    Args:
        tracer: The tracer.
        lines: The lines of its file.
    """
    in_lines = sum(note.get("lost", 0) for line in lines for note in notes_of(line))
    causes = tracer.health().get("JSONLSink", {})
    return max(in_lines, sum(causes.values()))


def notes_of(line: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the notes of a line."""
    notes: list[dict[str, Any]] = line.get("notes", [])
    return notes
