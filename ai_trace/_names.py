"""
How the names of a session's files end, in one place.
"""

from __future__ import annotations


SUFFIX = ".jsonl"
"""A trace file."""

PACKINGS = (".gz", ".zst")
"""What stands behind the name of a file that is compressed."""

PACKED = tuple(SUFFIX + packing for packing in PACKINGS)
"""A trace file that is compressed."""

SUFFIXES = (SUFFIX, *PACKED)
"""Where several trace files of one name are there, the first of these is read."""

DOCUMENTS = (".json", ".md")
"""What ``save()`` and ``save_markdown()`` write."""

JOURNAL = (".open", ".open2")
"""The two files of a journal of open steps."""
