"""
The header of a session: who recorded it, where and when.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


FORMAT = 1
"""The version of the file format that is written."""

_NUMBER = (int, float)
# Of most values the type says all: a list of ten thousand sessions reads each twice.
_CERTAIN = (str, dict)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def is_in_range(number: float) -> bool:
    """Tell whether a number of a file is one: not 1e999, nor of a thousand digits."""
    return -sys.float_info.max <= number <= sys.float_info.max


# A named tuple, as all that ``ai-trace list`` loads: the module dataclasses alone takes
# as long to load as Python itself.
class SessionHeader(NamedTuple):
    """
    Who recorded a session, where and when: the ``session`` key of its first line.

    Attributes:
        agent: The agent's name, as given to the tracer.
        session_id: UTC start time as ``YYYYmmdd_HHMMSS``, with ``_2``, ``_3``
            for further sessions of the same second.
        meta: What the user said about the session.
        pid: Process id of the writer.
        host: Name of the machine.
        python: Python version.
        version: Version of ai_trace.
        started_at: Epoch seconds.
        format: Version of the file format.
        more: Keys that this version does not know, kept as they were.
    """

    agent: str
    session_id: str
    meta: Mapping[str, Any] = _NOTHING
    pid: int = 0
    host: str = ""
    python: str = ""
    version: str = ""
    started_at: float = 0.0
    format: int = FORMAT
    more: Mapping[str, Any] = _NOTHING

    def to_dict(self) -> dict[str, Any]:
        """Return the header as it stands in the file."""
        return {
            "format": self.format,
            "agent": self.agent,
            "session_id": self.session_id,
            "meta": dict(self.meta),
            "pid": self.pid,
            "host": self.host,
            "python": self.python,
            "version": self.version,
            "started_at": self.started_at,
            **self.more,
        }

    @classmethod
    def from_dict(cls, data: object) -> SessionHeader:
        """
        Read a header from a file that may hold anything.

        Args:
            data: The decoded ``session`` object; whatever in it has the wrong
                type is replaced by an empty value.

        Returns:
            The header.
        """
        rest = dict(data) if isinstance(data, dict) else {}

        def take(key: str, kinds: tuple[type, ...], default: Any) -> Any:
            value = rest.pop(key, default)
            if type(value) in _CERTAIN:
                return value if type(value) in kinds else default
            right = isinstance(value, kinds) and not isinstance(value, bool)
            if right and isinstance(value, _NUMBER):
                right = is_in_range(value)
            return value if right else default

        return cls(
            format=take("format", (int,), FORMAT),
            agent=take("agent", (str,), ""),
            session_id=take("session_id", (str,), ""),
            meta=take("meta", (dict,), {}),
            pid=take("pid", (int,), 0),
            host=take("host", (str,), ""),
            python=take("python", (str,), ""),
            version=take("version", (str,), ""),
            started_at=take("started_at", _NUMBER, 0.0),
            more=rest,
        )


def begun(header: SessionHeader, earliest: float) -> float:
    """
    Tell when a session began, from its header and its steps.

    Args:
        header: The session's header.
        earliest: Epoch seconds of the earliest start of a step, 0.0 where unknown.

    Returns:
        Epoch seconds, 0.0 where unknown.
    """
    # What a file's name says is cut to the second: a step in that second knows more.
    from_name = not header.version
    if not header.started_at or (from_name and 0 <= earliest - header.started_at < 1):
        return earliest
    return header.started_at


def newer(header: SessionHeader) -> str:
    """Say that a header is of a newer format; empty if it is not."""
    if header.format <= FORMAT:
        return ""
    return (
        f"It is written by a newer ai_trace (format {header.format}, this is "
        f"{FORMAT}); what is unknown here is kept as it is."
    )
