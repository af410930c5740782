"""
How a session is written: what survives, what is kept beside, how large a file grows.
"""

from __future__ import annotations

from typing import NamedTuple

from typing_extensions import Self

from ai_trace.exceptions import TraceConfigError


DURABILITIES = ("cache", "interval", "step")


class Writing(NamedTuple):
    """
    The settings of a trace file.

    Attributes:
        durability: What survives a power loss: ``cache``, ``interval`` or ``step``.
        journal: Whether open steps are kept in a journal.
        max_bytes: How large one part may grow; ``None`` for any size.
    """

    durability: str
    journal: bool
    max_bytes: int | None

    def checked(self, where: str) -> Self:
        """
        Return the settings, if they are any.

        Args:
            where: Whose arguments they are.

        Raises:
            TraceConfigError: If one of them cannot be.
        """
        if self.durability not in DURABILITIES:
            msg = (
                f"{where}(durability={self.durability!r}): the levels are "
                f"{', '.join(DURABILITIES)}."
            )
            raise TraceConfigError(msg)
        size = self.max_bytes
        if size is not None and (type(size) is not int or size < 1):
            msg = (
                f"{where}(max_bytes={size!r}): a size is a whole number of bytes, at "
                "least 1. Give one, such as 100_000_000, or leave it out for one file."
            )
            raise TraceConfigError(msg)
        return self
