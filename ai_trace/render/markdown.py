"""
A session as a Markdown page for people.

Everything traced stands in a code span or a fence, where Markdown reads nothing; the
exception are single words that nothing could be made of, such as ``'BTCUSDT'``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_trace._record import WITHOUT_END, StepRecord
from ai_trace._tree import Session
from ai_trace.render._escape import md_block, md_cell, md_inline
from ai_trace.render._values import (
    brief,
    clock,
    duration,
    lasted,
    moment,
    pretty,
    process,
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
# A dot makes a link of it for some readers, a hyphen an issue (GH-1), and hex digits
# alone a commit.
_WORD = re.compile(r"(?=.*[G-Zg-z_])[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*", re.ASCII)
_WORD_LIMIT = 64
_INLINE_LIMIT = 200
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
    agent, session_id = _word(header.agent), _word(header.session_id)
    yield f"# Trace: {agent} — {session_id}\n\n"
    yield from _summary(session)
    yield from _metadata(session)
    yield from _problems(session)
    yield "## Steps\n"
    if not session.steps:
        yield "\nNo steps.\n"
    counters: list[int] = []
    for place in session.outline():
        del counters[place.depth + 1 :]
        if len(counters) == place.depth:
            counters.append(0)
        counters[-1] += 1
        yield from _step(session.record(place.number), counters)


def _summary(session: Session) -> Iterator[str]:
    outcomes = dict(session.outcomes)
    total = sum(outcomes.values())
    cells = {
        "Steps": str(total),
        "OK": str(outcomes.pop("ok", 0)),
        "Errors": str(outcomes.pop("error", 0)),
    }
    for outcome, count in outcomes.items():
        known = outcome in _EMOJI
        cells[outcome.capitalize() if known else md_cell(outcome)] = str(count)
    cells["Avg duration"] = _duration(session.average_ms) or "-"
    yield "## Summary\n\n"
    yield f"| {' | '.join(cells)} |\n"
    yield f"|{'---|' * len(cells)}\n"
    yield f"| {' | '.join(cells.values())} |\n\n"


def _metadata(session: Session) -> Iterator[str]:
    started = moment(session.started_at or None)
    # A page that is saved at the end of a run says nothing of its process.
    writers = [each for each in session.writers if each.open or not each.alive]
    if started is None and not session.header.meta and not writers:
        return
    yield "## Metadata\n\n"
    if started is not None:
        yield f"- Started: {_utc(session.started_at)}\n"
    for each in writers:
        words = process(each, _utc(each.heard_at), host=_word, step=md_inline)
        yield f"- {words[:1].upper()}{words[1:]}\n"
    yield from _fields(session.header.meta, "")
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


def _step(record: StepRecord, counters: Sequence[int]) -> Iterator[str]:
    level = min(_HIGHEST_HEADING + len(counters) - 1, _LOWEST_HEADING)
    yield f"\n{'#' * level} {_number(counters)} {_title(record)}\n"
    if record.outcome == "missing":
        yield (
            "\nThis step is not in the file: it had not finished when the file was "
            "last written.\n"
        )
    if record.context:
        yield "\n**Context:**\n"
        yield from _fields(record.context, "")
    if record.logs:
        yield "\n**Logs:**\n"
        for entry in record.logs:
            yield from _log(entry)
    if record.has_result:
        yield f"\n**Result:**{_value(record.result, '')}"
    if record.error:
        yield f"\n**Error:**{_value(record.error, '', quoted=False)}"
    if record.traceback:
        yield f"\n{md_block(record.traceback)}"
    if record.notes:
        yield "\n**Notes:**\n"
        for note in record.notes:
            yield f"- {_pairs(note)}\n"


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
        words.append(_word(record.kind))
    if record.outcome not in ("ok", "error"):
        words.append(_word(record.outcome))
    if record.outcome in WITHOUT_END:
        words.append(lasted(record.outcome, record.duration_ms))
    elif record.duration_ms is not None:
        words.append(_duration(record.duration_ms))
    emoji = _EMOJI.get(record.outcome, _UNKNOWN_EMOJI)
    facts = f" ({', '.join(filter(None, words))})" if words else ""
    return f"{emoji} {md_inline(record.name)}{facts}"


def _log(entry: Mapping[str, Any]) -> Iterator[str]:
    fields = {key: value for key, value in entry.items() if key != "_t"}
    large = {key: value for key, value in fields.items() if not _fits(value)}
    small = {key: value for key, value in fields.items() if key not in large}
    yield f"- {md_inline(clock(entry.get('_t'), utc=True))} — {_pairs(small)}\n"
    yield from _fields(large, "  ")


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(
        md_inline(f"{key}={_bare(value)}") for key, value in fields.items()
    )


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else brief(value, _INLINE_LIMIT)


def _fields(fields: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        yield f"{indent}- {md_inline(name)}:{_value(value, indent + '  ')}"


def _value(value: Any, indent: str, *, quoted: bool = True) -> str:
    # What follows a colon: the rest of its line, or a block below it.
    if not _fits(value):
        return f"\n{md_block(pretty(value), indent)}"
    if not isinstance(value, (str, dict, list)):
        return f" {value!r}\n"
    if not isinstance(value, str):
        return f" {md_inline(brief(value, _INLINE_LIMIT))}\n"
    mark = "'" if quoted else ""
    inline = f"{mark}{value}{mark}"
    return f" {inline if _is_word(value) else md_inline(inline)}\n"


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _INLINE_LIMIT and "\n" not in value
    # What is too deep for one line is cut there as well as what is too long.
    shown = brief(value, _INLINE_LIMIT)
    return len(shown) < _INLINE_LIMIT and "…" not in shown


def _word(text: str) -> str:
    return text if _is_word(text) else md_inline(text)


def _is_word(text: str) -> bool:
    return len(text) <= _WORD_LIMIT and _WORD.fullmatch(text) is not None


def _duration(milliseconds: float | None) -> str:
    if milliseconds is not None and 0.1 <= milliseconds < 1_000:
        return f"{milliseconds:.1f} ms"
    return duration(milliseconds)
