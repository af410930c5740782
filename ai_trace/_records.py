"""
Some of a session's steps, as a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from ai_trace._record import StepRecord


class Records(Sequence[StepRecord]):
    """
    Some of a session's steps, each loaded when it is looked at.

    If the file is gone or has changed by then, that raises TraceReadError.

    Args:
        numbers: Which steps.
        load: Returns the step with a number.
    """

    def __init__(self, numbers: Sequence[int], load: Callable[[int], StepRecord]):
        self._numbers = numbers
        self._load = load

    def __len__(self) -> int:
        """Return how many steps there are; none is loaded."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> StepRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Records: ...

    def __getitem__(self, index: int | slice) -> StepRecord | Records:
        """
        Load one step, or return a part of the sequence without loading any.

        Args:
            index: Of the step, in this sequence; or a slice.

        Raises:
            TraceReadError: If the step's file is gone or has changed.
        """
        if isinstance(index, slice):
            return Records(self._numbers[index], self._load)
        return self._load(self._numbers[index])

    def __repr__(self) -> str:
        """Tell how many there are; none is loaded."""
        return f"<Records of {len(self)} steps>"

    def __iter__(self) -> Iterator[StepRecord]:
        """Load the steps one after the other."""
        return map(self._load, self._numbers)
