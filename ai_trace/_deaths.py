"""
Which processes of a session died, by the lines that recovery made of open steps.

Until a session is recovered, its journal tells this; recovery removes the journal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ai_trace._header import is_in_range
from ai_trace._record import StepRecord
from ai_trace._tree import Said, Session


class Death(NamedTuple):
    """
    A process that died inside steps that have been recovered.

    Attributes:
        pid: Its process id.
        host: The machine.
        heard_at: When it last wrote, in epoch seconds; 0.0 where unknown.
        inside: Name of the open step that started last.
        alive: Always false.
    """

    pid: int
    host: str
    heard_at: float
    inside: str | None
    alive: bool = False


def deaths(session: Session) -> list[Death]:
    """
    Tell which processes of a session died, as far as it was recovered.

    Args:
        session: The session.

    Returns:
        One for each process, without those whose journal is still there.
    """
    if "unfinished" not in session.outcomes:
        return []
    died: dict[tuple[int, str], Death] = {}
    # In the order of their starts, so that the last one of each process is kept.
    for step in session.select(session.possible(_may_be_recovered)):
        heard_at = _heard_at(step)
        if heard_at is not None:
            pid, host = (step.header.pid, step.header.host) if step.header else (0, "")
            died[pid, host] = Death(pid, host, heard_at, step.name)
    return list(died.values())


def is_recovered(step: StepRecord) -> bool:
    """
    Tell whether a step's line was made by recovery.

    Args:
        step: The step.
    """
    return _heard_at(step) is not None


def _may_be_recovered(said: Said) -> bool:
    return said.outcome == "unfinished"


def _heard_at(step: StepRecord) -> float | None:
    if step.outcome != "unfinished":
        return None
    note = next((n for n in step.notes if n.get("note") == "recovered"), None)
    return None if note is None else _moment(note.get("heard_at"))


def _moment(value: Any) -> float:
    is_number = type(value) in (int, float) and is_in_range(value)
    return float(value) if is_number else 0.0
