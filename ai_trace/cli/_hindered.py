"""
Sessions that housekeeping would have to leave alone, reported by a dry run.
"""

from __future__ import annotations

from ai_trace.cli._terminal import Terminal
from ai_trace.housekeeping import Stored


def is_free(session: Stored, terminal: Terminal) -> bool:
    """
    Tell whether a session could be changed now, and complain if it could not.

    A real run learns this by taking the locks; a dry run only looks at them.

    Args:
        session: The session.
        terminal: Where to complain.
    """
    hindrance = session.hindrance()
    if hindrance is not None:
        terminal.complain(f"{session.stem} {hindrance}; it would stay.")
    return hindrance is None
