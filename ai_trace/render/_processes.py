"""
Processes that work on a session, or that died during it, in words for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ai_trace._deaths import Death, deaths
from ai_trace._tree import Session, Writer


_SHOWN = 200


def named(session: Session) -> Iterator[Writer | Death]:
    """
    Yield the processes that deserve a line each: those that live and those that died.

    Args:
        session: The session.
    """
    yield from busy(session.writers)
    yield from deaths(session)


def busy(writers: Sequence[Writer]) -> list[Writer]:
    """Return the processes that live, and those that died before their time."""
    return [writer for writer in writers if writer.alive or writer.died]


def idle(writers: Sequence[Writer]) -> str:
    """
    Say how many forked processes ended between steps.

    Args:
        writers: The processes of a session.

    Returns:
        A text without a full stop; empty if there are none.
    """
    count = len(writers) - len(busy(writers))
    if not count:
        return ""
    processes = "process" if count == 1 else "processes"
    return f"{count} forked {processes} ended between steps, without closing"


def process(
    writer: Writer | Death,
    when: str,
    *,
    host: Callable[[str], str],
    step: Callable[[str], str],
) -> str:
    """
    Say whether a process is still working on a session, and in which step.

    Args:
        writer: The process.
        when: When it was last heard of, in words.
        host: Makes the name of a machine, which may be any text, safe to show.
        step: Does the same for the name of a step.

    Returns:
        ``process 4711 on vm is running, inside decide``, or how it ended.
    """
    who = f"process {writer.pid}" if writer.pid else "a process"
    if writer.host:
        who += f" on {host(writer.host[:_SHOWN])}"
    place, ended = "between steps", "ended between steps without closing its session"
    if writer.inside is not None:
        place = f"inside {step(writer.inside[:_SHOWN])}"
        ended = f"died {place}"
    if writer.alive:
        return f"{who} is running, {place}"
    # The time comes last, as a narrow terminal cuts what does not fit.
    return f"{who} {ended}, last heard of {when}"
