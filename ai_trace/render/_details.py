"""
All that a step recorded, line by line; nothing here is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ai_trace._record import StepRecord
from ai_trace.render._conversation import NOTHING_KNOWN, Call, Known
from ai_trace.render._fields import (
    INDENT,
    PREVIEW,
    block,
    compact_field,
    field,
    log_entry,
)
from ai_trace.render._messages import parts, summary, whole
from ai_trace.render._style import Span
from ai_trace.render._values import brief_fields, local_time, pretty


_Sections = Iterator[tuple[str, Iterator[Span]]]


def details(
    record: StepRecord,
    call: Call | None = None,
    known: Known = NOTHING_KNOWN,
    *,
    earlier: bool = False,
) -> Iterator[Span]:
    """
    Show everything in a record that the step's first line leaves out.

    Args:
        record: The step.
        call: The same step, if it is an LLM call.
        known: What of the call is known from the call before it.
        earlier: Whether to show what is known, too.

    Yields:
        The lines.
    """
    if record.id:
        yield Span(f"id {record.id}", "quiet")
    if record.started_at:
        when = local_time(record.started_at, "milliseconds")
        yield Span(f"started {when}", "quiet")
    if record.function:
        yield Span(f"function {record.function}", "quiet")
    sections = _values(record) if call is None else _talk(record, call, known, earlier)
    for title, spans in chain(sections, _end(record)):
        first = next(spans, None)
        if first is not None:
            yield Span(title, "quiet")
            yield first
            yield from spans


def _values(record: StepRecord) -> _Sections:
    fields = (field(name, value) for name, value in record.context.items())
    yield "context", chain.from_iterable(fields)
    yield "logs", chain.from_iterable(map(log_entry, record.logs))
    if record.has_result:
        yield "result", block(pretty(record.result), 1)


def _talk(record: StepRecord, call: Call, known: Known, earlier: bool) -> _Sections:
    yield "context", _context(call, Known() if earlier else known)
    if earlier or not known.system:
        yield "system", parts(call.system, 1)
    yield "messages", _sent(call, known.messages, earlier)
    yield "logs", chain.from_iterable(map(log_entry, record.logs))
    yield "answer", whole(call.answers, 1)
    if call.has_result:
        yield "result", _result(call)


def _context(call: Call, known: Known) -> Iterator[Span]:
    new = (item for item in call.context.items() if item[0] not in known.context)
    for name, value in new:
        yield from compact_field(name, value)
    same = [name for name in call.context if name in known.context]
    if call.system and known.system:
        same.append("system")
    if same:
        yield Span(f"{INDENT}as before: {', '.join(same)}", "quiet")


def _sent(call: Call, known: int, earlier: bool) -> Iterator[Span]:
    new = call.messages[known:]
    if known and earlier:
        yield from whole(call.messages[:known], 1)
        yield Span(f"{INDENT}+{len(new)} since the call before", "quiet")
    elif known:
        yield Span(INDENT + summary(known, len(new), len(new)), "quiet")
    yield from whole(new, 1)


def _result(call: Call) -> Iterator[Span]:
    if not isinstance(call.result, dict):
        yield from block(pretty(call.result), 1)
        return
    for name, value in call.result.items():
        yield from compact_field(name, value)


def _end(record: StepRecord) -> _Sections:
    yield "error", block(record.error or "", 1, "bad")
    yield "traceback", block(record.traceback or "", 1)
    notes = (brief_fields(note, PREVIEW) for note in record.notes)
    yield "notes", (Span(INDENT + note, "odd") for note in notes)
