"""
The header of a session: who recorded it, where and when.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

from ai_trace._named import NamedTuple


# Type checkers know it by this name; a module that is not loaded makes a list quicker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    # The annotations of a public class name it, and are looked up at run time, too.
    Any = object

FORMAT = 1
"""The version of the file format that is written."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_TEXT, _OBJECT, _COUNT, _NUMBER = (str,), (dict,), (int,), (int, float)
# The keys in a file of the fields below, in their order: of which types they are, and
# what is taken in place of any other.
_KEYS: tuple[tuple[str, tuple[type, ...], Any], ...] = (
    ("agent", _TEXT, ""),
    ("session_id", _TEXT, ""),
    ("meta", _OBJECT, _NOTHING),
    ("pid", _COUNT, 0),
    ("host", _TEXT, ""),
    ("python", _TEXT, ""),
    ("version", _TEXT, ""),
    ("started_at", _NUMBER, 0.0),
    ("format", _COUNT, FORMAT),
)


def is_in_range(number: float) -> bool:
    """Tell whether a number from a file is usable: not 1e999, nor a thousand digits."""
    return -sys.float_info.max <= number <= sys.float_info.max


# Not a dataclass: to load that module takes as long as to start Python.
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
        more: The file's other keys: ``durability``, ``part``, and those that this
            version does not know, as they were.
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

    def __reduce__(self) -> tuple[Any, ...]:
        # By the file's form: the empty mappings that stand by default do not pickle.
        return SessionHeader.from_dict, (self.to_dict(),)

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
        values: list[Any] = []
        for key, kinds, default in _KEYS:
            value = rest.pop(key, default)
            if type(value) not in kinds or (int in kinds and not is_in_range(value)):
                value = default
            values.append(value)
        return cls._make((*values, rest))


def begun(header: SessionHeader, earliest: float) -> float:
    """
    Tell when a session began, from its header and its steps.

    Args:
        header: The session's header.
        earliest: Epoch seconds of the earliest start of a step, 0.0 where unknown.

    Returns:
        Epoch seconds, 0.0 where unknown.
    """
    if says_start(header):
        return header.started_at
    # A file's name gives the whole second only: a step in that second tells more.
    if not header.started_at or 0 <= earliest - header.started_at < 1:
        return earliest
    return header.started_at


def run_of(header: SessionHeader | None) -> tuple[int, float]:
    """
    Tell in which run of which process steps were recorded: ``seq`` counts in each.

    Args:
        header: The header of the steps.

    Returns:
        The process id and the session's start, as far as they are known: a file may
        hold several sessions, and a process may record several in it.
    """
    return (header.pid, header.started_at) if header else (0, 0.0)


def says_start(header: SessionHeader) -> bool:
    """Tell whether a header says all by itself when its session began."""
    return bool(header.started_at and header.version)


def known_until(started_at: float, took_ms: float | None) -> float | None:
    """
    Tell until when a step without an end is known to have gone on.

    Args:
        started_at: Epoch seconds, 0.0 where unknown.
        took_ms: Milliseconds that it lasted at least, as far as that is known.

    Returns:
        Epoch seconds, or ``None``.
    """
    if took_ms is None or started_at <= 0.0:
        return None
    until = started_at + took_ms / 1_000
    return until if is_in_range(until) else None


def duration_between(started_at: float, finished_at: float | None) -> float | None:
    """
    Tell how long a session took.

    Args:
        started_at: Epoch seconds, 0.0 where unknown.
        finished_at: Epoch seconds, or ``None``.

    Returns:
        Milliseconds, or ``None``; 0.0 where a damaged file says that it ended first.
    """
    if finished_at is None or not started_at:
        return None
    return round(max(0.0, finished_at - started_at) * 1_000, 3)


def newer(header: SessionHeader) -> str:
    """Say that a header is of a newer format; empty if it is not."""
    if header.format <= FORMAT:
        return ""
    return (
        f"It is written by a newer ai_trace (format {header.format}, this is "
        f"{FORMAT}); what is unknown here is kept as it is."
    )
