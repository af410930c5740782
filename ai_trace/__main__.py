"""
``python -m ai_trace`` is the command ``ai-trace``.
"""

from __future__ import annotations

from ai_trace.cli import main


if __name__ == "__main__":
    raise SystemExit(main())
