"""
Takes secrets out of what is recorded.
"""

from __future__ import annotations


class Redaction:
    """
    Placeholder of the seam; see the page of limits.
    """

    __slots__ = ()

    def suspects(self, text: str) -> bool:
        """Tell whether captured text may hold a secret."""
        raise NotImplementedError

    def key_kind(self, name: str, value: object) -> str | None:
        """Return the kind of secret that a name says its value is."""
        raise NotImplementedError

    def text(self, text: str, limit: int) -> tuple[str, list[str]]:
        """Return text without its secrets, and their kinds."""
        raise NotImplementedError
