"""
For testing programs that are traced: capture steps, set the clock, count ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import overload

from ai_trace._record import StepRecord
from ai_trace._tracer import Tracer
from ai_trace.sinks import MemorySink


class SetClock:
    """
    A clock that stands still until it is told to go on.

    Args:
        now: Wall clock time to begin with, in epoch seconds.

    Example:
        >>> clock = SetClock(1_700_000_000.0)
        >>> with capture(clock=clock) as steps:
        ...     with step("decide"):
        ...         clock.advance(0.25)
        >>> steps[0].duration_ms
        250.0
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self._elapsed = 0.0

    def advance(self, seconds: float) -> None:
        """
        Let time pass, on both clocks.

        Args:
            seconds: How much.
        """
        self.now += seconds
        self._elapsed += seconds

    def set(self, now: float) -> None:
        """
        Set only the wall clock, as a clock correction does.

        Args:
            now: Epoch seconds.
        """
        self.now = now

    def time(self) -> float:
        """Return wall clock time in epoch seconds."""
        return self.now

    def monotonic(self) -> float:
        """Return how many seconds ``advance`` has let pass."""
        return self._elapsed


class CountingIds:
    """
    Ids that count, beginning with 0000000000000001.

    Example:
        >>> CountingIds().step_id()
        '0000000000000001'
    """

    def __init__(self) -> None:
        self._steps = itertools.count(1)
        self._traces = itertools.count(1)

    def step_id(self) -> str:
        """Return the next number as 16 hex digits."""
        return f"{next(self._steps):016x}"

    def trace_id(self) -> str:
        """Return the next number as 32 hex digits."""
        return f"{next(self._traces):032x}"


class CapturedSteps(Sequence[StepRecord]):
    """
    The steps that were recorded so far, in order of finishing.

    Attributes:
        tracer: The tracer that records them.
    """

    def __init__(self, tracer: Tracer, memory: MemorySink) -> None:
        self.tracer = tracer
        self._memory = memory

    @overload
    def __getitem__(self, index: int) -> StepRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StepRecord]: ...
    def __getitem__(self, index: int | slice) -> StepRecord | Sequence[StepRecord]:
        """Return one step, or some."""
        return self._memory.records[index]

    def __len__(self) -> int:
        """Return how many steps have finished."""
        return len(self._memory.records)

    @property
    def names(self) -> list[str]:
        """The names of the steps, in order of finishing."""
        return [record.name for record in self]

    def named(self, name: str) -> StepRecord:
        """
        Return the only step with a name.

        Args:
            name: The whole name.

        Raises:
            AssertionError: If there is none, or more than one.
        """
        found = [record for record in self if record.name == name]
        if len(found) != 1:
            # Not by ``assert``, which ``python -O`` leaves out.
            msg = f"{len(found)} steps are named {name!r}: {self.names}"
            raise AssertionError(msg)
        return found[0]

    def children(self, parent: StepRecord) -> list[StepRecord]:
        """
        Return the steps made inside another, in order of their start.

        Args:
            parent: One of these steps.
        """
        found = [record for record in self if record.parent_id == parent.id]
        return sorted(found, key=lambda record: record.seq)

    def __repr__(self) -> str:
        """Show the steps."""
        return f"<CapturedSteps {list(self)!r}>"


@contextmanager
def capture(
    agent: str = "test", *, clock: SetClock | None = None
) -> Generator[CapturedSteps, None, None]:
    """
    Record the steps made inside a block, only in memory.

    Ids count from 1, so that records can be compared with what was expected.

    Args:
        agent: The agent's name.
        clock: A clock that the test sets; by default the real one.

    Yields:
        The steps, filled as they finish.

    Example:
        >>> with capture() as steps:
        ...     with step("decide", signal=0.87):
        ...         pass
        >>> steps.named("decide").context
        {'signal': 0.87}
    """
    memory = MemorySink()
    tracer = Tracer(
        agent, auto_save=False, sinks=[memory], clock=clock, ids=CountingIds()
    )
    with tracer:
        yield CapturedSteps(tracer, memory)
