"""
A session as lines for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ai_trace._record import StepRecord
from ai_trace._tree import Place, Session, Writer
from ai_trace.render._style import Span, Style, columns
from ai_trace.render._values import (
    brief,
    brief_fields,
    clock,
    duration,
    lasted,
    local_time,
    pretty,
    process,
)


__all__ = ["Style", "problems", "running", "step", "tree", "writer"]

_PREVIEW = 160
_WIDEST_GUIDES = 120
_GUIDE_WIDTH = 3
_INDENT = "  "

_ABOVE, _WANTED = 1, 2


def tree(
    session: Session,
    style: Style,
    *,
    full: bool = False,
    depth: int | None = None,
    only: Callable[[StepRecord], bool] | None = None,
    top: StepRecord | None = None,
) -> Iterator[str]:
    """
    Render a session's header and its tree of steps.

    Args:
        session: The session.
        style: What the output can show.
        full: Whole context, logs, result, error and notes of each step, instead of a
            preview on one line.
        depth: How many levels to show; 1 is the roots alone.
        only: Tells which steps to show, and is asked once for each; the steps above
            them stay, so that it is a tree.
        top: Show this step and what is below it alone, without the header.

    Yields:
        Lines, without their newlines.
    """
    if top is None:
        yield from _header(session, style)
    number = None if top is None else session.number_of(top)
    if top is not None and number is None:
        yield from step(top, style, full=full)
        return
    guides = _Guides(style)
    beyond = 0
    for place, above in _places(session, number, only):
        if depth is not None and place.depth >= depth:
            beyond += 1
            continue
        if beyond:
            yield guides.more(beyond)
            beyond = 0
        guides.enter(place)
        record = session.record(place.number)
        yield from _step_lines(record, style, guides, full=full, quiet=above)
    if beyond:
        yield guides.more(beyond)


def step(record: StepRecord, style: Style, *, full: bool = False) -> Iterator[str]:
    """
    Render one step by itself: the time of its finishing, then the step.

    Args:
        record: The step.
        style: What the output can show.
        full: Whether everything recorded follows below the line.

    Yields:
        Lines, without their newlines.
    """
    when = record.started_at if record.finished_at is None else record.finished_at
    start = Span(clock(when, utc=False) + " ", "quiet")
    yield from _step_lines(record, style, _Guides(style, start), full=full)


def writer(writer: Writer, style: Style) -> str:
    """
    Render whether a process is still at work on its session.

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


def running(steps: Iterable[StepRecord], now: float, style: Style) -> str:
    """
    Render which steps are running and for how long, the last one first.

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


def problems(session: Session, style: Style) -> Iterator[str]:
    """
    Render what was found wrong in a session's file.

    Args:
        session: The session.
        style: What the output can show.

    Yields:
        A line for each problem, without its newline.
    """
    for where, what, _ in session.problems:
        yield style.clean(f"{where}: {what}")


class _Guides:
    # The lines that join children to their parents, as far as they are on screen.

    def __init__(self, style: Style, start: Span | None = None) -> None:
        self._style = style
        self._start = start or Span("")
        self._open: list[bool] = []
        width = min(style.width or _WIDEST_GUIDES, _WIDEST_GUIDES)
        self._levels = max(4, width // 2 // _GUIDE_WIDTH)

    def enter(self, place: Place) -> None:
        del self._open[place.depth :]
        self._open.append(not place.last)

    def first(self) -> Span:
        if len(self._open) <= 1:
            return self._start
        return self._span(self._open[1:-1], "├─ " if self._open[-1] else "└─ ")

    def below(self) -> Span:
        if self._start.text:
            return Span(" " * columns(self._start.text))
        return self._span(self._open[1:], "")

    def more(self, count: int) -> str:
        text = self._style.signs(f"… {count} more below")
        guide = self._span(self._open[1:], "└─ ")
        return self._style.line([guide, Span(text, "quiet")])

    def _span(self, opens: list[bool], end: str) -> Span:
        skipped = len(opens) - self._levels
        text = "".join(
            "│  " if is_open else "   " for is_open in opens[-self._levels :]
        )
        if skipped > 0:
            text = f"<{len(self._open)}> {text}"
        return Span(self._style.signs(text + end), "quiet")


def _places(
    session: Session, top: int | None, only: Callable[[StepRecord], bool] | None
) -> Iterator[tuple[Place, bool]]:
    # Which steps are shown, and whether only for the sake of one below them.
    if only is None:
        yield from ((place, False) for place in session.outline(top))
        return
    kept = _keep(session, top, only)
    last = {
        place.parent: place.number
        for place in session.outline(top)
        if kept[place.number]
    }
    for place in session.outline(top):
        if kept[place.number]:
            is_last = last[place.parent] == place.number
            yield place._replace(last=is_last), kept[place.number] == _ABOVE


def _keep(
    session: Session, top: int | None, only: Callable[[StepRecord], bool]
) -> bytearray:
    kept = bytearray(len(session.steps))
    path: list[int] = []
    for place in session.outline(top):
        del path[place.depth :]
        if only(session.record(place.number)):
            kept[place.number] = _WANTED
            for above in reversed(path):
                if kept[above]:
                    break
                kept[above] = _ABOVE
        path.append(place.number)
    return kept


def _header(session: Session, style: Style) -> Iterator[str]:
    header = session.header
    agent = Span(style.clean(header.agent or "(no name)"), "name")
    yield style.line([agent, Span("  " + style.clean(header.session_id))])
    facts = [f"started {local_time(session.started_at or None)}"]
    if session.finished_at is not None and session.started_at:
        took = max(0.0, session.finished_at - session.started_at)
        facts.append(f"took {duration(took * 1_000)}")
    yield style.line([Span(style.clean("  ".join(facts)), "quiet")])
    yield style.line([Span(style.clean(_outcomes(session.outcomes)), "quiet")])
    for each in session.writers:
        yield writer(each, style)
    if header.meta:
        meta = brief_fields(header.meta, style.width or _PREVIEW)
        yield style.line([Span(style.clean(f"meta {meta}"), "quiet")])
    yield ""


def _outcomes(outcomes: Mapping[str, int]) -> str:
    total = sum(outcomes.values())
    each = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    return f"{total} step{'' if total == 1 else 's'}" + (f": {each}" if each else "")


def _step_lines(
    record: StepRecord,
    style: Style,
    guides: _Guides,
    *,
    full: bool,
    quiet: bool = False,
) -> Iterator[str]:
    if record.outcome == "missing":
        yield _missing_line(record, style, guides)
        return
    spans = [guides.first(), *_title(record, style, quiet=quiet)]
    if not full and not quiet:
        used = sum(columns(text) for text, _ in spans)
        spans.append(Span(_preview(record, style, used)))
    yield style.line(spans)
    if full and not quiet:
        for text, role in _details(record):
            shown = Span(_INDENT + style.clean(text), role)
            yield style.line([guides.below(), shown], cut=False)
    elif record.error and not quiet:
        yield style.line(
            [guides.below(), Span(_INDENT + style.clean(record.error[:4096]), "bad")]
        )


def _missing_line(record: StepRecord, style: Style, guides: _Guides) -> str:
    what = (
        f" step {style.clean(record.id)} is not in this file: it had not finished "
        "when the file was last written"
    )
    return style.line([guides.first(), style.mark("missing"), Span(what, "quiet")])


def _title(record: StepRecord, style: Style, *, quiet: bool) -> Iterator[Span]:
    yield style.mark(record.outcome)
    name = style.clean(record.name) or "(no name)"
    yield Span(f" {name}", "quiet" if quiet else "name")
    words = "" if record.kind == "step" else f" ({style.clean(record.kind)})"
    if record.outcome != "ok" and not record.error:
        words += f" {style.clean(record.outcome)}"
    took = lasted(record.outcome, record.duration_ms)
    if took:
        words += f" {style.signs(took)}"
    yield Span(words, "quiet")


def _preview(record: StepRecord, style: Style, used: int) -> str:
    room = _PREVIEW if style.width is None else max(0, style.width - used - 6)
    saw = brief_fields(record.context, room)
    decided = _decision(record, room)
    if len(saw) + len(decided) > room and saw and decided:
        half = room // 2
        decided = _decision(record, max(half, room - len(saw)))
        saw = brief_fields(record.context, max(half, room - len(decided)))
    arrow = f" → {decided}" if decided else ""
    return style.clean(f"  {saw}{arrow}") if saw or decided else ""


def _decision(record: StepRecord, room: int) -> str:
    if record.result is not None:
        return brief(record.result, room)
    last = record.logs[-1] if record.logs else {}
    return brief_fields({key: last[key] for key in last if key != "_t"}, room)


def _details(record: StepRecord) -> Iterator[Span]:
    yield Span(f"id {record.id}", "quiet")
    yield Span(f"started {local_time(record.started_at or None)}", "quiet")
    if record.function:
        yield Span(f"function {record.function}", "quiet")
    for title, spans in _sections(record):
        first = next(spans, None)
        if first is not None:
            yield Span(title, "quiet")
            yield first
            yield from spans


def _sections(record: StepRecord) -> Iterator[tuple[str, Iterator[Span]]]:
    fields = (_field(name, value) for name, value in record.context.items())
    yield "context", chain.from_iterable(fields)
    yield "logs", chain.from_iterable(map(_log, record.logs))
    if record.has_result:
        yield "result", _block(pretty(record.result), 1)
    yield "error", _block(record.error or "", 1, "bad")
    yield "traceback", _block(record.traceback or "", 1)
    notes = (brief_fields(note, _PREVIEW) for note in record.notes)
    yield "notes", (Span(_INDENT + note, "odd") for note in notes)


def _field(name: str, value: Any, level: int = 1) -> Iterator[Span]:
    if _is_small(value):
        yield Span(_INDENT * level + f"{name}: {brief(value, _PREVIEW)}")
        return
    yield Span(_INDENT * level + f"{name}:")
    yield from _block(pretty(value), level + 1)


def _log(entry: Mapping[str, Any]) -> Iterator[Span]:
    fields = {key: value for key, value in entry.items() if key != "_t"}
    when = clock(entry.get("_t"), utc=False)
    small = all(map(_is_small, fields.values()))
    words = brief_fields(fields, _PREVIEW * len(fields)) if small else ""
    yield Span(f"{_INDENT}{when}  {words}")
    if not small:
        for name, value in fields.items():
            yield from _field(name, value, 2)


def _is_small(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) < _PREVIEW and "\n" not in value
    return not isinstance(value, (dict, list)) or not value


def _block(text: str, level: int, role: str = "") -> Iterator[Span]:
    lines = text.rstrip("\n").split("\n") if text else []
    for line in lines:
        yield Span(_INDENT * level + line.rstrip("\r"), role)
