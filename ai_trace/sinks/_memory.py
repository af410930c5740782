"""
Records kept in memory.
"""

from __future__ import annotations

from ai_trace._record import StepRecord


class MemorySink:
    """
    Keeps the records of finished steps, in order of finishing.

    For tests and short programs: it grows with every step.

    Attributes:
        records: The records so far.

    Example:
        >>> from ai_trace import MemorySink, Tracer
        >>> memory = MemorySink()
        >>> with Tracer("agent", auto_save=False, sinks=[memory]) as tracer:
        ...     with tracer.step("scan"):
        ...         pass
        >>> [record.name for record in memory.records]
        ['scan']
    """

    traces_nothing = True

    def __init__(self) -> None:
        self.records: list[StepRecord] = []

    def on_finish(self, record: StepRecord) -> None:
        """Keep the record."""
        self.records.append(record)

    def clear(self) -> None:
        """Forget all records."""
        self.records.clear()
