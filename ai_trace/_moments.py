"""
Moments as they stand in a record: seconds since the epoch, six digits behind the point.

A moment is a whole second and the microseconds from there, so that a step's end is its
start plus its duration to the last digit. The text of the second is kept while the
second lasts: 0.1 µs a moment instead of 0.4 µs.
"""

from __future__ import annotations


Second = tuple[int, str]
"""A second since the epoch: the number, and its text with the point."""

EPOCH: Second = (0, "0.")

MICROSECONDS = 1_000_000

THREE_DIGITS = tuple(f"{number:03}" for number in range(1000))
"""The numbers below a thousand with their zeros: a third of what formatting takes."""


class Moments:
    """
    Splits moments into seconds and microseconds.
    """

    __slots__ = ("_second",)

    def __init__(self) -> None:
        self._second = EPOCH

    def split(self, seconds: float) -> tuple[Second, int]:
        """
        Return a moment as a whole second, and less than a million microseconds.

        Args:
            seconds: Since the epoch.
        """
        second = self._second
        micro = int((seconds - second[0]) * 1_000_000 + 0.5)
        if not 0 <= micro < MICROSECONDS:
            # Nobody starts before the epoch; a clock that says so is not believed.
            number, micro = divmod(
                int(max(seconds, 0.0) * 1_000_000 + 0.5), MICROSECONDS
            )
            self._second = second = (number, f"{number}.")
        return second, micro


def moment_text(second: Second, micro: int) -> str:
    """
    Write a moment.

    Args:
        second: Where it is counted from.
        micro: Microseconds from there, none or more.
    """
    if micro < MICROSECONDS:
        return f"{second[1]}{THREE_DIGITS[micro // 1000]}{THREE_DIGITS[micro % 1000]}"
    more, micro = divmod(micro, MICROSECONDS)
    return f"{second[0] + more}.{micro:06}"
