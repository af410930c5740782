"""
The command ``ai-trace``, which shows traces on a terminal.

Each verb has a file of its own, which is loaded when the verb is called.
"""

from __future__ import annotations

from ai_trace.cli._main import main


__all__ = ["main"]
