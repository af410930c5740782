"""
A paper account: one position in one index, no costs, no interest.
"""

from __future__ import annotations


class Account:
    """
    Money and a position that is marked to the last price.

    Args:
        capital: The money to begin with, in dollars.
    """

    def __init__(self, capital: float) -> None:
        self.equity = capital
        self.peak = capital
        self.units = 0
        self._price = 0.0

    @property
    def drawdown(self) -> float:
        """The share of its highest value that the account has lost since."""
        return 1 - self.equity / self.peak

    def mark(self, price: float) -> None:
        """Value the position at a price, in dollars a unit."""
        gain = self.units * (price - self._price)
        self.equity = round(self.equity + gain, 2)
        self.peak = max(self.peak, self.equity)
        self._price = price

    def hold(self, units: int, price: float) -> None:
        """Trade at a price until this many units are held; below zero is short."""
        self.mark(price)
        self.units = units
