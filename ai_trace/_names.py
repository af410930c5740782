"""
How the names of a session's files end, in one place.
"""

from __future__ import annotations


SUFFIX = ".jsonl"
"""A trace file."""

PACKINGS = (".gz", ".zst")
"""What the name of a compressed file ends with."""

PACKED = tuple(SUFFIX + packing for packing in PACKINGS)
"""A compressed trace file."""

SUFFIXES = (SUFFIX, *PACKED)
"""Of several trace files of one name, the first in this order is read."""

DOCUMENTS = (".json", ".md")
"""What ``save()`` and ``save_markdown()`` write."""

JOURNAL = (".open", ".open2")
"""The two files of a journal of open steps."""
