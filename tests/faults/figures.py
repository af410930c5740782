"""
What a run of these tests has tried, counted, so that it can be quoted.
"""

from __future__ import annotations

from collections import Counter

from hostile_text import EVERYTHING
from nasty_classes import HOSTILE_BUILTINS
from nasty_values import NASTY_NUMBERS, NASTY_OBJECTS, NASTY_TEXT


FAULTS = "faults injected"
KILLS = "kills"
POWER = "power losses"
TORN = "torn and damaged files"
CHECKED = "finished steps checked"
OPEN = "open steps recovered"
HOSTILE = "hostile files"
FUZZED = "inputs of the fuzzer"
LOST = "lost finished steps"

NAMES = (FAULTS, KILLS, POWER, TORN, CHECKED, OPEN, HOSTILE, FUZZED, LOST)

# What the other tests try, each by name: tests/capture, and those of the renders.
VALUES = (NASTY_OBJECTS, NASTY_TEXT, NASTY_NUMBERS, HOSTILE_BUILTINS)
TRIED = {
    "hostile values": sum(map(len, VALUES)),
    "hostile payloads": len(EVERYTHING),
}

counts: Counter[str] = Counter()


def report() -> dict[str, int]:
    """Return all figures, those that are zero too."""
    return {**{name: counts[name] for name in NAMES}, **TRIED}
