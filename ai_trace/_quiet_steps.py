"""
Steps that record nothing: of a disabled tracer, and of no tracer at all.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import Self

from ai_trace._capture import Capture
from ai_trace._draft import NEW
from ai_trace._moments import EPOCH
from ai_trace._step import Step
from ai_trace.typing import Outcome


class NoCapture(Capture):
    """
    Captures nothing: what a disabled tracer has for values.
    """

    __slots__ = ()

    def plain(self, value: Any, room: int = 0) -> str:
        """Look at nothing."""
        return "{}"


class MutedStep(Step):
    """
    A step of a disabled tracer: current like any other, and never recorded.
    """

    __slots__ = ()

    def log(self, /, **fields: Any) -> Self:
        """Record nothing."""
        return self

    def _emit(self, error: str | None, traceback: str | None) -> None:
        self.error = error


class NoStep(Step):
    """
    What ``step()`` gives where no tracer is current: it does nothing.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self.name, self.kind, self.id, self.trace_id = "", "step", "", ""
        self.parent_id = self.outcome = self.error = self._took = self.remarks = None
        self._context, self.log_entries, self._state = "{}", [], NEW
        self._result = None
        self._second, self._micro = EPOCH, 0

    def start(self) -> Self:
        """Do nothing."""
        return self

    def log(self, /, **fields: Any) -> Self:
        """Do nothing."""
        return self

    def set_result(self, value: Any) -> Self:
        """Do nothing."""
        return self

    def finish(self, outcome: Outcome = "ok") -> Self:
        """Do nothing."""
        return self

    def fail(self, reason: object = None) -> Self:
        """Do nothing."""
        return self

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Do nothing."""

    def to_dict(self) -> dict[str, Any]:
        """Return nothing: nothing is recorded."""
        return {}


NO_STEP = NoStep()
"""One for all: it keeps nothing."""
