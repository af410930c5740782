"""
Files that were never finished: housekeeping removes them and says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ai_trace.cli._terminal import Terminal
from ai_trace.render._values import counted, size
from ai_trace.sinks import _files


def remove_unfinished(options: argparse.Namespace, terminal: Terminal) -> list[str]:
    """
    Remove what a killed command left in the trace directory, and say so.

    Args:
        options: The parsed command line: with ``dry_run`` nothing is removed, with
            ``json`` nothing is said.
        terminal: Where to write.

    Returns:
        The names of the files.
    """
    gone = _files.sweep(Path(options.dir), remove=not options.dry_run)
    if gone and not options.json:
        count = counted(len(gone), "file")
        was = "was" if len(gone) == 1 else "were"
        verb = "would be removed" if options.dry_run else "removed"
        total = size(sum(gone.values()))
        terminal.write(f"{count} that {was} never finished {verb}, {total}.")
    return sorted(gone)
