"""
A small trading agent over real prices, run by ``ai-trace demo``.
"""

from __future__ import annotations

from ai_trace.demo._agent import run


__all__ = ["run"]
