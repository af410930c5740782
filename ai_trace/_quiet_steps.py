"""
Steps that record nothing: of a disabled tracer, and of no tracer at all.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import Self

from ai_trace._step import Step


class MutedStep(Step):
    """
    A step of a disabled tracer: current like any other, and never recorded.
    """

    __slots__ = ()

    def captured(self, value: Any, path: str, room: int | None = None) -> str:
        """Capture nothing."""
        return "null"

    def captured_fields(
        self, given: dict[str, Any], path: str, number: int | None = None
    ) -> str:
        """Capture nothing."""
        return "{}"

    def _log(self, fields: dict[str, Any]) -> None:
        return

    def _emit(self, error: str | None, traceback: str | None) -> None:
        self.error = error


class NoStep(Step):
    """
    What ``step()`` gives where no tracer is current: it does nothing.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self.name, self.kind, self.id, self.trace_id = "", "step", "", ""
        self.parent_id = self.outcome = self.error = self.duration_ms = None
        self._context, self._logs, self._state = "{}", [], 0

    def _begin(self) -> None:
        return

    def _log(self, fields: dict[str, Any]) -> None:
        return

    def set_result(self, value: Any) -> Self:
        """Do nothing."""
        return self

    def _end(
        self, outcome: str, error: str | None = None, traceback: str | None = None
    ) -> None:
        return

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
