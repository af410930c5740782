"""
The command ``ai-trace``: a look at the traces, from a terminal.

One file per verb; each is loaded when it is called.
"""

from __future__ import annotations

from ai_trace.cli._main import main


__all__ = ["main"]
