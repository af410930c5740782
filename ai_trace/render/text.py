"""
A session as lines for a terminal.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Optional

from ai_trace._record import StepRecord
from ai_trace._tree import Place, Session
from ai_trace._usage import usage_of
from ai_trace.render import _messages
from ai_trace.render._clock import Clock
from ai_trace.render._conversation import (
    NOTHING_KNOWN,
    Call,
    Conversations,
    Known,
    read_call,
)
from ai_trace.render._details import details
from ai_trace.render._facts import beginning, ending, header, writer
from ai_trace.render._fields import INDENT, PREVIEW
from ai_trace.render._guides import Guides
from ai_trace.render._style import Span, Style, columns
from ai_trace.render._used import used
from ai_trace.render._values import brief, brief_fields, lasted
from ai_trace.render._values import clock as time_of_day


__all__ = [
    "Style",
    "beginning",
    "ending",
    "header",
    "running",
    "step",
    "tree",
    "unfolding",
    "writer",
]

_ABOVE, _WANTED = 1, 2
# Chooses steps; and which ones that may choose, by number.
_Choice = tuple[Optional[Callable[[StepRecord], bool]], Optional[Sequence[int]]]


class _Shown(NamedTuple):
    # How much of a step to show: all of it, only its first line, earlier messages too.
    full: bool
    above: bool = False
    earlier: bool = False


def tree(
    session: Session,
    style: Style,
    *,
    full: bool = False,
    depth: int | None = None,
    only: Callable[[StepRecord], bool] | None = None,
    possible: Sequence[int] | None = None,
    top: StepRecord | None = None,
    times: bool = False,
) -> Iterator[str]:
    """
    Render a session's header and its tree of steps.

    Args:
        session: The session.
        style: What the output can show.
        full: Whether to show the whole context, logs, result, error and notes of each
            step, instead of a preview on one line.
        depth: How many levels to show; 1 is the roots alone.
        only: Tells which steps to show; called once for each. The steps above them are
            kept, so that it stays a tree.
        possible: Which steps ``only`` may choose, from the session; the others are not
            loaded.
        top: Show only this step and what is below it, without the header.
        times: Whether to put the local time at which each step began before it.

    Yields:
        Lines, without their newlines; none if steps are chosen and there is no such.
    """
    number = None if top is None else session.number_of(top)
    if top is not None and number is None:
        yield from step(top, style, full=full)
        return
    talks = Conversations()
    if top is not None and top.kind == "llm":
        _catch_up(talks, session, top)
    chosen = _places(session, number, (only, possible), talks)
    steps = (
        (session, place, _Shown(full, above, earlier=place.number == number))
        for place, above in chosen
    )
    clock = Clock(style) if times else None
    lines = _tree_lines(steps, style, depth, talks, clock)
    first = next(lines, None)
    if first is None and only is not None:
        return
    if top is None:
        yield from header(session, style)
        yield ""
    if first is not None:
        yield first
    yield from lines


def unfolding(
    steps: Iterable[tuple[Session, Place]],
    style: Style,
    *,
    full: bool = False,
    depth: int | None = None,
    times: bool = False,
) -> Iterator[str]:
    """
    Render a tree of steps that is still being read, and nothing around it.

    Args:
        steps: The places of the steps in the order of the tree, each with its session.
        style: What the output can show.
        full: Whether to show the whole context, logs, result, error and notes.
        depth: How many levels to show.
        times: Whether to put the local time at which each step began before it.

    Yields:
        Lines, without their newlines; those of each step before the next one is taken.
    """
    how = _Shown(full)
    shown = ((session, place, how) for session, place in steps)
    clock = Clock(style) if times else None
    yield from _tree_lines(shown, style, depth, Conversations(), clock)


def step(record: StepRecord, style: Style, *, full: bool = False) -> Iterator[str]:
    """
    Render a single step: when it finished, then the step.

    Args:
        record: The step.
        style: What the output can show.
        full: Whether everything recorded follows below the line.

    Yields:
        Lines, without their newlines.
    """
    when = record.started_at if record.finished_at is None else record.finished_at
    # Lines of version 0.2 may have no times: 0.0 means none, not the year 1970.
    start = Span(time_of_day(when or None, utc=False) + " ", "quiet")
    yield from _step_lines(record, style, Guides(style, start), _Shown(full))


def running(steps: Iterable[StepRecord], now: float, style: Style) -> str:
    """
    Render which steps are running, and for how long; the last one comes first.

    Args:
        steps: The steps, in the order of their start.
        now: The time, in epoch seconds.
        style: What the output can show.

    Returns:
        One line, without its newline; empty if there is no step.
    """
    spans: list[Span] = []
    for record in reversed(list(steps)):
        spans.append(Span(",") if spans else style.mark("running"))
        took = max(0.0, now - record.started_at) * 1_000
        spans.append(Span(f" {style.clean(record.name)}", "name"))
        spans.append(Span(f" {style.signs(lasted('running', took))}", "quiet"))
    return style.line(spans)


def _catch_up(talks: Conversations, session: Session, top: StepRecord) -> None:
    # Only the calls that started before it tell what is new in a single step.
    for record in session.select(session.possible_calls()):
        if record == top:
            return
        _meet(talks, record)


def _places(
    session: Session,
    top: int | None,
    choice: _Choice,
    talks: Conversations,
) -> Iterator[tuple[Place, bool]]:
    # Which steps are shown, and whether only because of one below them.
    only, possible = choice
    if only is None:
        yield from ((place, False) for place in session.outline(top))
        return
    kept = _keep(session, top, only, possible)
    calls = session.possible_calls()
    # The last child that is kept of each step; the extra place at the end is the
    # roots'.
    last = array("i", [0]) * (len(kept) + 1)
    for place in session.outline(top):
        if kept[place.number]:
            last[place.parent] = place.number
    left = len(kept) - kept.count(0)
    for place in session.outline(top):
        if not left:
            return
        if kept[place.number]:
            left -= 1
            is_last = last[place.parent] == place.number
            yield place._replace(last=is_last), kept[place.number] == _ABOVE
        elif calls[place.number]:
            _meet(talks, session.record(place.number))


def _meet(talks: Conversations, record: StepRecord) -> None:
    # What a call said that is not shown is known to those after it.
    call = read_call(record)
    if call is not None:
        talks.meet(call)


def _keep(
    session: Session,
    top: int | None,
    only: Callable[[StepRecord], bool],
    possible: Sequence[int] | None,
) -> bytearray:
    # Which steps are shown.
    kept = bytearray(session.numbers)
    path: list[int] = []
    for place in session.outline(top):
        del path[place.depth :]
        path.append(place.number)
        if possible is not None and not possible[place.number]:
            continue
        if only(session.record(place.number)):
            kept[place.number] = _WANTED
            for level in range(len(path) - 2, -1, -1):
                if kept[path[level]]:
                    break
                kept[path[level]] = _ABOVE
    return kept


def _tree_lines(
    steps: Iterable[tuple[Session, Place, _Shown]],
    style: Style,
    depth: int | None,
    talks: Conversations,
    clock: Clock | None,
) -> Iterator[str]:
    style = clock.beside if clock else style
    guides = Guides(style)
    beyond = 0
    looked_at: Session | None = None
    calls: Sequence[int] = ()

    def more() -> str:
        line = guides.more(beyond)
        return clock.indent(line) if clock else line

    for session, place, shown in steps:
        if depth is not None and place.depth >= depth:
            beyond += 1
            if session is not looked_at:
                looked_at, calls = session, session.possible_calls()
            if calls[place.number]:
                _meet(talks, session.record(place.number))
            continue
        if beyond:
            yield more()
            beyond = 0
        guides.enter(place)
        record = session.record(place.number)
        lines = _step_lines(record, style, guides, shown, talks)
        yield from clock.add(record, lines) if clock else lines
    if beyond:
        yield more()


def _step_lines(
    record: StepRecord,
    style: Style,
    guides: Guides,
    shown: _Shown,
    talks: Conversations | None = None,
) -> Iterator[str]:
    if record.outcome == "missing":
        yield _missing_line(record, style, guides)
        return
    call = read_call(record)
    known = talks.meet(call) if talks is not None and call is not None else None
    if known is not None and known.tools:
        call = read_call(record, known.tools)
    spans = [guides.first(), *_title(record, style, quiet=shown.above)]
    if not shown.full and not shown.above and known is None:
        spans.append(Span(_preview(record, call, style, spans)))
    yield style.line(spans)
    if shown.above:
        return
    if shown.full:
        seen = known or NOTHING_KNOWN
        for text, role in details(record, call, seen, earlier=shown.earlier):
            span = Span(INDENT + style.clean(text), role)
            yield style.line([guides.below(), span], cut=False)
        return
    if call is not None and known is not None:
        yield from _glance(call, known, style, guides)
    if record.error:
        yield style.line(
            [guides.below(), Span(INDENT + style.clean(record.error[:4096]), "bad")]
        )


def _glance(call: Call, known: Known, style: Style, guides: Guides) -> Iterator[str]:
    below = guides.below()
    for text, role in _messages.glance(call, known, style.width):
        yield style.line([below, Span(INDENT + style.clean(text), role)])


def _missing_line(record: StepRecord, style: Style, guides: Guides) -> str:
    what = (
        f" step {style.clean(record.id)} is not in this file: it had not finished "
        "when the file was last written"
    )
    return style.line([guides.first(), style.mark("missing"), Span(what, "quiet")])


def _title(record: StepRecord, style: Style, *, quiet: bool) -> list[Span]:
    name, kind, outcome = record.name, record.kind, record.outcome
    shown_name = style.clean(name) or "(no name)"
    words = "" if kind == "step" else f" ({style.clean(kind)})"
    if outcome != "ok" and not record.error:
        words += f" {style.clean(outcome)}"
    took = lasted(outcome, record.duration_ms)
    if took:
        words += f" {style.signs(took)}"
    usage = None if quiet else usage_of(record)
    shown = "" if usage is None else used(usage)
    if shown:
        words += f"  {style.signs(shown)}"
    role = "quiet" if quiet else "name"
    return [style.mark(outcome), Span(f" {shown_name}", role), Span(words, "quiet")]


def _preview(
    record: StepRecord, call: Call | None, style: Style, before: Sequence[Span]
) -> str:
    room = PREVIEW
    if style.width is not None:
        taken = sum(columns(text) for text, _ in before)
        room = max(0, style.width - taken - 6)
    if call is not None:
        return style.clean(f"  {_messages.preview(call, room)}")
    context = record.context
    saw = brief_fields(context, room)
    decided = _decision(record, room)
    if len(saw) + len(decided) > room and saw and decided:
        half = room // 2
        decided = _decision(record, max(half, room - len(saw)))
        saw = brief_fields(context, max(half, room - len(decided)))
    shown = f"  {saw}" if saw else ""
    arrow = f" → {decided}" if decided else ""
    return style.clean(f"{shown}{arrow}")


def _decision(record: StepRecord, room: int) -> str:
    result, logs = record.result, record.logs
    if result is not None:
        return brief(result, room)
    last = logs[-1] if logs else {}
    return brief_fields({key: last[key] for key in last if key != "_t"}, room)
