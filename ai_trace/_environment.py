"""
What the environment of a program says of its traces.
"""

from __future__ import annotations

import os


_NOT_DISABLED = ("", "0", "false", "no", "off")


def trace_directory() -> str:
    """Return where traces are kept by default: ``AI_TRACE_DIR``, else ``traces``."""
    return os.environ.get("AI_TRACE_DIR") or "traces"


def is_disabled() -> bool:
    """Tell whether ``AI_TRACE_DISABLED`` says that nothing is recorded."""
    said = os.environ.get("AI_TRACE_DISABLED", "")
    return said.strip().lower() not in _NOT_DISABLED
