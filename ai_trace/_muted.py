"""
What a disabled tracer has for steps and values: nothing is recorded.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import Self

from ai_trace._capture import Capture
from ai_trace._live_step import LiveStep


class NoCapture(Capture):
    """
    Captures nothing.
    """

    __slots__ = ()

    def plain(self, value: Any, room: int = 0, own: int = 0) -> str:
        """Look at nothing."""
        return "{}"


class MutedStep(LiveStep):
    """
    A step of a disabled tracer: current like any other, and never recorded.
    """

    __slots__ = ()

    def log(self, /, **fields: Any) -> Self:
        """Record nothing."""
        return self

    def _emit(self, error: str | None, traceback: str | None) -> None:
        self.error = error
