"""
The types that users implement or annotate with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from ai_trace._header import SessionHeader
from ai_trace._record import StepRecord


JSONValue = Any
"""Anything that JSON can hold: null, booleans, numbers, text, lists, objects."""

Kind = Literal[
    "step", "agent", "llm", "tool", "retrieval", "embedding", "guardrail", "eval"
]
"""The sorts of steps that ``traced`` makes."""

Outcome = Literal["ok", "error", "cancelled", "closed", "interrupted"]
"""How a step may end; see ``Step.finish``."""

Durability = Literal["cache", "interval", "step"]
"""What of a trace survives a power loss; see ``JSONLSink``."""


class OpenStep(Protocol):
    """
    A step that has started: what ``on_start`` and ``on_log`` are given.

    It is read only for sinks; they observe, they decide nothing.
    """

    @property
    def name(self) -> str:
        """What the step is called."""
        ...

    @property
    def kind(self) -> str:
        """What sort of step it is."""
        ...

    @property
    def id(self) -> str:
        """16 hex digits."""
        ...

    @property
    def parent_id(self) -> str | None:
        """The step that it was made in."""
        ...

    @property
    def outcome(self) -> str | None:
        """How it ended; ``None`` while it is open."""
        ...

    @property
    def header(self) -> SessionHeader:
        """The session that it belongs to."""
        ...

    @property
    def log_entries(self) -> Sequence[str]:
        """Its log entries so far, as JSON text."""
        ...

    @property
    def start_line(self) -> bytes:
        """The start as one line of JSON: a record without its end."""
        ...

    @property
    def remarks(self) -> object | None:
        """What was done to what it was given; ``None`` if nothing was."""
        ...

    @property
    def logs_lost(self) -> int:
        """How many log entries found the step full."""
        ...

    def notes_of_log(self, n: int) -> list[dict[str, Any]]:
        """Return what was done to the n-th log entry."""
        ...


class Sink(Protocol):
    """
    Observes the steps of a tracer.

    Only ``on_finish`` is required. A sink may also have ``on_start(step)``,
    called with the open step, ``on_log(step, entry)``, called with the step and
    the entry as JSON text, and ``close()``, called once. All are called in the
    thread and task of the step; whatever they raise is kept from the agent,
    logged once and counted in ``Tracer.health()``. Only what interrupts the
    program, such as Ctrl-C, goes on.

    Example:
        >>> class Printer:
        ...     def on_finish(self, record: StepRecord) -> None:
        ...         print(record.name, record.outcome)
    """

    def on_finish(self, record: StepRecord, /) -> None:
        """
        Take the record of a step that has just finished.

        Args:
            record: The record; it never changes, and may be kept.
        """


class Clock(Protocol):
    """
    Where a tracer reads the time; replace it in tests.
    """

    def time(self) -> float:
        """Return wall clock time in epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from any origin."""
        ...


class Ids(Protocol):
    """
    Where a tracer gets its ids; replace it in tests.
    """

    def step_id(self) -> str:
        """Return 16 lowercase hex digits, unique in the session."""
        ...

    def trace_id(self) -> str:
        """Return 32 lowercase hex digits, unique in the session."""
        ...
