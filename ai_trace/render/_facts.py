"""
A session in a few lines for a terminal: what it is, when it was, and how it went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ai_trace._deaths import Death
from ai_trace._header import SessionHeader
from ai_trace._tree import Session, Writer
from ai_trace._usage import Usage
from ai_trace.render._fields import PREVIEW
from ai_trace.render._processes import idle, named, process
from ai_trace.render._style import Span, Style
from ai_trace.render._used import cost, tokens, used
from ai_trace.render._values import (
    brief_fields,
    counted,
    duration,
    local_time,
)


def header(session: Session, style: Style) -> Iterator[str]:
    """
    Render what a session is, when it was, and how it went.

    Args:
        session: The session.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    yield _name(session.header, style)
    facts = [f"started {local_time(session.started_at or None)}", *_took(session)]
    yield _quiet("  ".join(facts), style)
    yield from _came_of_it(session, style)
    yield from _meta(session.header, style)


def beginning(header: SessionHeader, style: Style) -> Iterator[str]:
    """
    Render what is known of a session before its steps are read.

    Args:
        header: Who recorded it, and when it began.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    yield _name(header, style)
    started = local_time(header.started_at)
    yield _quiet(f"started {started}  the steps are counted at the end", style)
    yield from _meta(header, style)


def ending(session: Session, style: Style) -> Iterator[str]:
    """
    Render the part of ``header`` that ``beginning`` leaves out.

    Args:
        session: The session.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    for fact in _took(session):
        yield _quiet(fact, style)
    yield from _came_of_it(session, style)


def writer(writer: Writer | Death, style: Style) -> str:
    """
    Render whether a process is still working on its session.

    Args:
        writer: The process.
        style: What the output can show.

    Returns:
        One line, without its newline.
    """

    def quoted(text: str) -> str:
        return f"`{style.clean(text)}`"

    when = local_time(writer.heard_at or None)
    words = process(writer, when, host=style.clean, step=quoted)
    return style.line([Span(words, "odd" if writer.alive else "bad")])


def _name(header: SessionHeader, style: Style) -> str:
    agent = Span(style.clean(header.agent or "(no name)"), "name")
    return style.line([agent, Span("  " + style.clean(header.session_id))])


def _quiet(text: str, style: Style) -> str:
    return style.line([Span(style.clean(text), "quiet")])


def _took(session: Session) -> Iterator[str]:
    if session.duration_ms is not None:
        goes_on = any(writer.alive for writer in session.writers)
        yield f"{'so far' if goes_on else 'took'} {duration(session.duration_ms)}"


def _came_of_it(session: Session, style: Style) -> Iterator[str]:
    yield _quiet(_outcomes(session.outcomes), style)
    if used(session.usage):
        yield style.line([Span(style.signs(_used(session.usage)), "quiet")])
    for each in named(session):
        yield writer(each, style)
    ended = idle(session.writers)
    if ended:
        yield _quiet(ended, style)


def _meta(header: SessionHeader, style: Style) -> Iterator[str]:
    if header.meta:
        meta = brief_fields(header.meta, style.width or PREVIEW)
        yield _quiet(f"meta {meta}", style)


def _outcomes(outcomes: Mapping[str, int]) -> str:
    total = counted(sum(outcomes.values()), "step")
    commonest = sorted(outcomes.items(), key=lambda item: -item[1])
    each = ", ".join(f"{count:,} {outcome}" for outcome, count in commonest)
    return f"{total}: {each}" if each else total


def _used(usage: Usage) -> str:
    calls = counted(usage.calls, "LLM call")
    return "  ".join(filter(None, (calls, cost(usage), tokens(usage))))
