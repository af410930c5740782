"""
Figures over many sessions.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from ai_trace._glance import Glance
from ai_trace._limits import LONGEST_NAME
from ai_trace._record import WITHOUT_END
from ai_trace._tree import Problem
from ai_trace._usage import CALL_KINDS
from ai_trace.render._columns import figures, not_ok
from ai_trace.render._model_stats import ModelStats, ModelTally, model_table
from ai_trace.render._style import NOT_OK, Span, Style, columns
from ai_trace.render._values import counted, duration


__all__ = ["ModelStats", "NameStats", "Stats", "collect", "table"]

# What is kept grows with the names, so their number and their length are limited.
NAME_LIMIT = 10_000
OTHER_NAMES = "(other names)"
_OUTCOME_LENGTH = 40
_OUTCOME_LIMIT = 100
_OUTCOME_WIDTH = len("interrupted")
_TIMES = ("median", "p95", "max", "total")
_DISPENSABLE = ("p95", "max", "median", *reversed(NOT_OK))
# The kinds of problems for which nothing was skipped.
_READ_ALL_THE_SAME = ("newer", "odd")


@dataclass(frozen=True)
class NameStats:
    """
    Figures of the steps that share a name; durations in milliseconds.

    Attributes:
        name: The steps' name.
        count: How many there are.
        errors: How many of them ended with ``error``.
        median_ms: Median duration; ``None`` if none has finished. The time that an
            unfinished step has run does not count as a duration.
        p95_ms: The duration that 95 of 100 steps do not exceed (nearest rank).
        max_ms: The longest duration.
        total_ms: Sum of the durations.
        outcomes: How many steps ended in which way.
    """

    name: str
    count: int
    errors: int
    median_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    total_ms: float
    outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stats:
    """
    Figures over sessions.

    Attributes:
        sessions: How many sessions were read.
        steps: How many steps they hold.
        outcomes: How many steps ended in which way.
        names: Figures per step name, the largest total time first.
        problems: How many damaged places, of a line or more, were skipped.
        models: Tokens and cost of LLM calls per model, the most expensive first.
    """

    sessions: int
    steps: int
    outcomes: Mapping[str, int]
    names: Sequence[NameStats]
    problems: int
    models: Sequence[ModelStats] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return {
            "sessions": self.sessions,
            "steps": self.steps,
            "outcomes": dict(self.outcomes),
            "names": [asdict(each) for each in self.names],
            "models": [each._asdict() for each in self.models],
            "problems": self.problems,
        }


def collect(sessions: Iterable[Iterable[Glance | Problem]]) -> Stats:
    """
    Add up sessions, reading each once.

    The duration of each step is kept, in 8 bytes, until the figures are made; to sort
    those of one name takes another 32 each. All else is bounded.

    Args:
        sessions: The records of each session, as ``reading.records`` or
            ``Session.steps`` gives them.

    Returns:
        The figures. Beyond 10,000 names, steps are counted as ``(other names)``.

    Example:
        ``collect(reading.records(info.path) for info in reading.find("traces"))``
    """
    tally = _Tally()
    count = 0
    for records in sessions:
        count += 1
        tally.add(records)
    names = sorted(map(_figures, tally.names.values()), key=lambda each: -each.total_ms)
    outcomes = dict(tally.outcomes().most_common())
    steps = sum(outcomes.values())
    models = tally.models.figures()
    return Stats(count, steps, outcomes, names, tally.problems, models)


def table(stats: Stats, style: Style) -> Iterator[str]:
    """
    Render the figures as lines for a terminal.

    Args:
        stats: The figures.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    yield style.line([Span(f"sessions  {stats.sessions:,}")])
    yield style.line([Span(f"steps     {stats.steps:,}")])
    yield from _outcome_table(stats.outcomes, style)
    if stats.problems:
        text = f"damaged   {counted(stats.problems, 'place')} passed over"
        yield style.line([Span(text, "odd")])
    if stats.names:
        yield ""
        yield from _name_table(stats.names, style)
    if stats.models:
        yield ""
        yield from model_table(stats.models, style)


class _Named:
    # The figures of one name: durations by outcome, and steps without a duration.

    __slots__ = ("name", "took", "untimed")

    def __init__(self, name: str) -> None:
        self.name = name
        self.took: dict[str, array[float]] = {}
        self.untimed: Counter[str] = Counter()

    def outcomes(self) -> Counter[str]:
        timed = {outcome: len(each) for outcome, each in self.took.items()}
        return self.untimed + Counter(timed)


class _Tally:
    def __init__(self) -> None:
        self.names: dict[str, _Named] = {}
        self.models = ModelTally()
        self.problems = 0
        self._outcomes: set[str] = set()
        self._known: dict[tuple[str, str, str], Callable[[float], None]] = {}

    def add(self, records: Iterable[Glance | Problem]) -> None:
        # Most of millions of steps share name, outcome and kind with an earlier one.
        # Only their duration has to be kept, and they are counted by their durations.
        known = self._known.get
        for record in records:
            if isinstance(record, Problem):
                self.problems += record.kind not in _READ_ALL_THE_SAME
                continue
            took = record.duration_ms
            add = known((record.name, record.outcome, record.kind))
            if add is None or took is None:
                self._add(record)
            else:
                add(took)

    def _add(self, record: Glance) -> None:
        outcome = record.outcome
        if outcome == "missing":
            return
        named, key = self._named(record.name), self._outcome(outcome)
        if record.duration_ms is None or outcome in WITHOUT_END:
            named.untimed[key] += 1
        else:
            took = named.took.setdefault(key, array("d"))
            took.append(record.duration_ms)
            is_call = record.kind in CALL_KINDS
            if not is_call and (named.name, key) == (record.name, outcome):
                self._known[record.name, outcome, record.kind] = took.append
        self.models.add(record, key)

    def outcomes(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for named in self.names.values():
            total += named.outcomes()
        return total

    def _outcome(self, outcome: str) -> str:
        key = outcome[:_OUTCOME_LENGTH]
        if key not in self._outcomes and len(self._outcomes) >= _OUTCOME_LIMIT:
            key = "(other)"
        self._outcomes.add(key)
        return key

    def _named(self, name: str) -> _Named:
        key = name[:LONGEST_NAME]
        if key not in self.names and len(self.names) >= NAME_LIMIT:
            key = OTHER_NAMES
        if key not in self.names:
            self.names[key] = _Named(key)
        return self.names[key]


def _figures(named: _Named) -> NameStats:
    durations = sorted(chain.from_iterable(named.took.values()))
    count = len(durations)
    outcomes = named.outcomes()
    return NameStats(
        name=named.name,
        count=sum(outcomes.values()),
        errors=outcomes["error"],
        median_ms=_rounded(_median(durations)),
        p95_ms=_rounded(durations[math.ceil(count * 0.95) - 1] if count else None),
        max_ms=_rounded(durations[-1] if count else None),
        total_ms=round(sum(durations), 3),
        outcomes=dict(outcomes.most_common()),
    )


def _median(durations: Sequence[float]) -> float | None:
    if not durations:
        return None
    middle = len(durations) // 2
    if len(durations) % 2:
        return durations[middle]
    return durations[middle - 1] / 2 + durations[middle] / 2


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)


def _outcome_table(outcomes: Mapping[str, int], style: Style) -> Iterator[str]:
    words = {outcome: style.clean(outcome) for outcome in outcomes}
    # So that an endless word in a hostile file does not push the others aside.
    width = min(max(map(columns, words.values()), default=0), _OUTCOME_WIDTH)
    digits = len(f"{max(outcomes.values(), default=0):,}")
    for outcome, count in outcomes.items():
        gap = " " * max(0, width - columns(words[outcome]))
        text = f" {words[outcome]}{gap}  {count:>{digits},}"
        yield style.line([Span("  "), style.mark(outcome), Span(text)])


def _name_table(names: Sequence[NameStats], style: Style) -> Iterator[str]:
    ends = not_ok(each.outcomes for each in names)
    titles = ("count", "errors", *ends, *_TIMES)
    rows = {each.name: _cells(each, ends, style) for each in names}
    yield from figures("step", titles, rows, _DISPENSABLE, style)


def _cells(each: NameStats, ends: Sequence[str], style: Style) -> tuple[str, ...]:
    # Without any duration there is no sum, either.
    total = None if each.max_ms is None else each.total_ms
    figures = (each.median_ms, each.p95_ms, each.max_ms, total)
    times = (style.signs(duration(figure)) or "-" for figure in figures)
    ended = (each.outcomes.get(end, 0) for end in ends)
    counts = (f"{count:,}" for count in (each.count, each.errors, *ended))
    return *counts, *times
