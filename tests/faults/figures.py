"""
What a run of these tests has tried, counted, so that it can be quoted.
"""

from __future__ import annotations

from collections import Counter


FAULTS = "faults injected"
KILLS = "kills"
POWER = "power losses"
TORN = "torn and damaged files"
CHECKED = "finished steps checked"
OPEN = "open steps recovered"
LOST = "lost finished steps"

NAMES = (FAULTS, KILLS, POWER, TORN, CHECKED, OPEN, LOST)

counts: Counter[str] = Counter()


def report() -> dict[str, int]:
    """Return all figures, those that are zero too."""
    return {name: counts[name] for name in NAMES}
