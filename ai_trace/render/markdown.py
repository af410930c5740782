"""
A session as a Markdown page for people.

All traced text is in code spans and fences, where Markdown interprets nothing, except
for single words that no reader can make anything else of, such as ``'BTCUSDT'``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_trace._record import WITHOUT_END, StepRecord
from ai_trace._tree import Session
from ai_trace._usage import usage_of
from ai_trace.render import _page_messages
from ai_trace.render._conversation import Conversations, read_call
from ai_trace.render._page_escape import md_block, md_cell, md_inline
from ai_trace.render._page_values import fields, log_entry, pairs, value, word
from ai_trace.render._processes import idle, named, process
from ai_trace.render._used import cost, tokens, used
from ai_trace.render._values import (
    duration,
    lasted,
    moment,
)


_EMOJI = {
    "ok": "✅",
    "error": "❌",
    "cancelled": "🚫",
    "closed": "⏹️",
    "interrupted": "⚠️",
    "running": "⏳",
    "unfinished": "❓",
    "missing": "❔",
}
_UNKNOWN_EMOJI = "❔"
_HIGHEST_HEADING, _LOWEST_HEADING = 3, 6
_NUMBER_HEAD, _NUMBER_TAIL = 2, 3


def session(session: Session) -> Iterator[str]:
    """
    Render the page that ``Tracer.save_markdown()`` writes.

    Args:
        session: The session.

    Yields:
        Pieces of the page: title, summary table, metadata, and the steps as a tree
        in the order of their starts.
    """
    header = session.header
    agent, session_id = word(header.agent), word(header.session_id)
    yield f"# Trace: {agent} — {session_id}\n\n"
    yield from _summary(session)
    yield from _metadata(session)
    yield from _problems(session)
    yield "## Steps\n"
    if not session.steps:
        yield "\nNo steps.\n"
    counters: list[int] = []
    talks = Conversations()
    for place in session.outline():
        del counters[place.depth + 1 :]
        if len(counters) == place.depth:
            counters.append(0)
        counters[-1] += 1
        yield from _step(session.record(place.number), counters, talks)


def _summary(session: Session) -> Iterator[str]:
    outcomes = dict(session.outcomes)
    total = sum(outcomes.values())
    cells = {
        "Steps": f"{total:,}",
        "OK": f"{outcomes.pop('ok', 0):,}",
        "Errors": f"{outcomes.pop('error', 0):,}",
    }
    for outcome, count in outcomes.items():
        known = outcome in _EMOJI
        cells[outcome.capitalize() if known else md_cell(outcome)] = f"{count:,}"
    cells["Avg duration"] = _duration(session.average_ms) or "-"
    if used(session.usage):
        cells["LLM calls"] = f"{session.usage.calls:,}"
        cells["Tokens"] = tokens(session.usage).replace(" tokens", "") or "-"
        cells["Cost"] = cost(session.usage) or "-"
    yield "## Summary\n\n"
    yield f"| {' | '.join(cells)} |\n"
    yield f"|{'---|' * len(cells)}\n"
    yield f"| {' | '.join(cells.values())} |\n\n"


def _metadata(session: Session) -> Iterator[str]:
    started = moment(session.started_at or None)
    # A page saved at the end of a run leaves out the process that saves it.
    processes = [w for w in named(session) if not w.alive or w.inside is not None]
    ended = idle(session.writers)
    if started is None and not (session.header.meta or processes or ended):
        return
    yield "## Metadata\n\n"
    if started is not None:
        yield f"- Started: {_utc(session.started_at)}\n"
    if session.duration_ms is not None:
        took = "So far" if any(each.alive for each in processes) else "Took"
        yield f"- {took}: {_duration(session.duration_ms)}\n"
    for each in processes:
        words = process(each, _utc(each.heard_at), host=word, step=md_inline)
        yield f"- {words[:1].upper()}{words[1:]}\n"
    if ended:
        yield f"- {ended}\n"
    yield from fields(session.header.meta, "")
    yield "\n"


def _utc(epoch: float) -> str:
    when = moment(epoch or None)
    return "unknown" if when is None else f"{when:%Y-%m-%d %H:%M:%S}Z"


def _problems(session: Session) -> Iterator[str]:
    if not session.problems:
        return
    yield "## Problems\n\n"
    for where, what, _ in session.problems:
        yield f"- {md_inline(f'{where}: {what}')}\n"
    yield "\n"


def _step(
    record: StepRecord, counters: Sequence[int], talks: Conversations
) -> Iterator[str]:
    level = min(_HIGHEST_HEADING + len(counters) - 1, _LOWEST_HEADING)
    yield f"\n{'#' * level} {_number(counters)} {_title(record)}\n"
    if record.outcome == "missing":
        yield (
            "\nThis step is not in the file: it had not finished when the file was "
            "last written.\n"
        )
    call = read_call(record)
    if call is None:
        yield from _section("Context", fields(record.context, ""))
        yield from _logs(record)
        if record.has_result:
            yield f"\n**Result:**{value(record.result, '')}"
    else:
        known = talks.meet(call)
        call = read_call(record, known.tools) or call
        yield from _section("Context", _page_messages.context(call, known))
        yield from _section("Messages", _page_messages.sent(call, known))
        yield from _logs(record)
        yield from _section("Answer", _page_messages.answers(call))
        yield from _section("Result", _page_messages.result(call))
    yield from _end(record)


def _logs(record: StepRecord) -> Iterator[str]:
    entries = (piece for entry in record.logs for piece in log_entry(entry))
    yield from _section("Logs", entries)


def _end(record: StepRecord) -> Iterator[str]:
    if record.error:
        yield f"\n**Error:**{value(record.error, '', quoted=False)}"
    if record.traceback:
        yield f"\n{md_block(record.traceback)}"
    yield from _section("Notes", (f"- {pairs(note)}\n" for note in record.notes))


def _section(title: str, pieces: Iterator[str]) -> Iterator[str]:
    first = next(pieces, None)
    if first is not None:
        yield f"\n**{title}:**\n"
        yield first
        yield from pieces


def _number(counters: Sequence[int]) -> str:
    if len(counters) <= _NUMBER_HEAD + _NUMBER_TAIL + 1:
        return ".".join(map(str, counters)) + "."
    head = ".".join(map(str, counters[:_NUMBER_HEAD]))
    tail = ".".join(map(str, counters[-_NUMBER_TAIL:]))
    return f"{head}.….{tail}. (level {len(counters)})"


def _title(record: StepRecord) -> str:
    if record.outcome == "missing":
        return f"{_EMOJI['missing']} step {md_inline(record.id)}"
    words = []
    if record.kind != "step":
        words.append(word(record.kind))
    if record.outcome not in ("ok", "error"):
        words.append(word(record.outcome))
    if record.outcome in WITHOUT_END:
        words.append(lasted(record.outcome, record.duration_ms))
    elif record.duration_ms is not None:
        words.append(_duration(record.duration_ms))
    usage = usage_of(record)
    if usage is not None:
        words += (tokens(usage, in_full=False), cost(usage))
    emoji = _EMOJI.get(record.outcome, _UNKNOWN_EMOJI)
    facts = f" ({', '.join(filter(None, words))})" if words else ""
    return f"{emoji} {md_inline(record.name)}{facts}"


def _duration(milliseconds: float | None) -> str:
    # In the format of version 0.2.0, whose pages programs parse.
    if milliseconds is not None and 0.1 <= milliseconds < 1_000:
        return f"{milliseconds:.1f} ms"
    return duration(milliseconds)
