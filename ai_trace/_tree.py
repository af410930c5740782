"""
From the records of a session, in any order and however damaged, to its tree.

A session may hold millions of steps, ten thousand deep or a hundred thousand wide, and
its file may be hostile. So nothing here recurses, the tree is a few arrays of numbers,
and the records themselves are loaded only when they are asked for.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ai_trace._glance import Glance
from ai_trace._growth import NOBODY, Growth, Said, key_of, shorten
from ai_trace._header import SessionHeader, begun, duration_between
from ai_trace._problem import Problem
from ai_trace._record import StepRecord
from ai_trace._records import Records


__all__ = ["Place", "Problem", "Records", "Said", "Session", "Writer", "fold"]


class Place(NamedTuple):
    """
    Where one step stands in its session's tree.

    Attributes:
        number: The step's number in this session; ``Session.record`` takes it.
        depth: 0 for a root.
        parent: Number of the parent, -1 for a root.
        last: Whether no sibling follows.
    """

    number: int
    depth: int
    parent: int
    last: bool


class Writer(NamedTuple):
    """
    A process that has not ended its session in order.

    Attributes:
        pid: Its process id.
        host: The machine.
        alive: Whether it is still at work, by the lock on its journal.
        heard_at: When it last wrote, in epoch seconds; now, while it is alive.
        open: How many steps it has open, or had when it died.
        inside: Name of the open step that started last; ``None`` without one.
        journal: Where its journal is.
        forked: Whether it is a child of the process that the session began in.
    """

    pid: int
    host: str
    alive: bool
    heard_at: float
    open: int
    inside: str | None
    journal: Path
    forked: bool = False

    @property
    def died(self) -> bool:
        """
        Whether it was ended before its time.

        A child that had no step open was not: a pool ends its workers in no other way.
        """
        return not self.alive and (self.open > 0 or not self.forked)


class Session:
    """
    The tree of one session's steps, made by ``read``.

    A step is loaded when it is looked at, in ``steps`` or by ``record``, ``walk`` or
    ``find``. If its file is gone or has changed by then, that raises TraceReadError.

    Attributes:
        header: Who recorded the session, where and when.
        path: The file that it was read from, or ``None``.
        problems: What was found damaged or contradictory, in the order of finding.
        outcomes: How many steps ended in which way, placeholders left out.
        started_at: Epoch seconds of the session's start, 0.0 where unknown.
        finished_at: Epoch seconds at which the last step finished, or until which one
            that was cut off is known to have gone on; or ``None``.
        duration_ms: Milliseconds from the one to the other, or ``None``.
        average_ms: Mean duration of the finished steps, or ``None``.
        usage: Tokens and cost of the LLM calls as recorded: a ``Usage``.
        writers: The processes that are still at work on the session, or died of it.
        numbers: How many numbers ``outline`` chooses from, counted from 0; some may be
            of no step.
    """

    writers: Sequence[Writer] = ()

    def __init__(
        self,
        header: SessionHeader,
        path: Path | None,
        problems: Sequence[Problem],
        grown: Growth,
        load: Callable[[int], StepRecord],
    ) -> None:
        self.header = header
        self.path = path
        self.problems = problems
        self.outcomes: Mapping[str, int] = grown.outcomes
        self.started_at = begun(header, grown.earliest)
        self.finished_at = grown.latest
        self.duration_ms = duration_between(self.started_at, grown.latest)
        self.average_ms = grown.total_ms / grown.timed if grown.timed else None
        self.usage = grown.usage
        self.numbers = len(grown.parent)
        self._grown = grown
        self._load = load
        self._first, self._next = _link(grown.order, grown.parent)

    def __repr__(self) -> str:
        agent, id_ = self.header.agent, self.header.session_id
        return f"<Session {id_!r} of {agent!r}: {len(self.steps)} steps>"

    @property
    def steps(self) -> Records:
        """All steps in the order of their starts, placeholders included."""
        return Records(self._grown.order, self.record)

    def select(self, chosen: Sequence[int]) -> Records:
        """
        Return some steps in the order of their starts.

        Args:
            chosen: By number in this session, as ``outline`` and ``possible`` give it:
                0 for each step that is left out.
        """
        numbers = filter(chosen.__getitem__, self._grown.order)
        return Records(array("i", numbers), self.record)

    def possible(
        self,
        might: Callable[[Said], bool],
        since: float = -math.inf,
        until: float = math.inf,
    ) -> bytearray:
        """
        Tell which steps may be asked for, without loading any.

        Args:
            might: Tells that by what is known of a step. Those of which nothing is
                known without loading them are possible, too.
            since: Epoch seconds; those started then or later.
            until: Epoch seconds; those started before.

        Returns:
            0 for a step that is not asked for and 1 for all others, by number.
        """
        # In C, for all steps at once: what each says is one byte.
        saying = self._grown.saying
        found = saying.translate(bytes([1, *map(might, self._grown.said)]).ljust(256))
        if (since, until) != (-math.inf, math.inf):
            for number, started_at in enumerate(self._grown.started):
                if saying[number] and not since <= started_at < until:
                    found[number] = 0
        return found

    def possible_calls(self) -> bytearray:
        """Tell which steps may be calls of models, as ``possible`` does."""
        return self.possible(lambda said: said.kind == "llm")

    @property
    def names(self) -> set[str]:
        """What the steps are called; only those are loaded that have to be."""
        told = {said.name for said in self._grown.said if said.name is not None}
        loaded = self.select(self.possible(lambda said: said.name is None))
        return told.union(step.name for step in loaded)

    @property
    def roots(self) -> Records:
        """The steps without a parent, in the order of their starts."""
        return Records(self._below(NOBODY), self.record)

    def children(self, step: StepRecord) -> Records:
        """
        Return the steps made inside a step, in the order of their starts.

        Args:
            step: A step of this session.
        """
        number = self.number_of(step)
        return Records([] if number is None else self._below(number), self.record)

    def parent(self, step: StepRecord) -> StepRecord | None:
        """
        Return the step in which a step was made.

        Args:
            step: A step of this session.

        Returns:
            The parent, which may be a placeholder; ``None`` for a root.
        """
        number = self.number_of(step)
        above = NOBODY if number is None else self._grown.parent[number]
        return None if above == NOBODY else self.record(above)

    def walk(self) -> Iterator[tuple[int, StepRecord]]:
        """Yield every step with its depth: parents first, siblings as they started."""
        for place in self.outline():
            yield place.depth, self.record(place.number)

    def outline(self, top: int | None = None) -> Iterator[Place]:
        """
        Yield where the steps stand, in the order of ``walk``, without loading any.

        Args:
            top: Number of the step to begin with; only what is below it follows.
        """
        if top is not None:
            yield Place(top, 0, self._grown.parent[top], True)
        start = NOBODY if top is None else top
        pending = [self._first[start]]
        depth = 0 if top is None else 1
        while pending:
            number = pending.pop()
            if number == NOBODY:
                depth -= 1
                continue
            follower = self._next[number]
            yield Place(number, depth, self._grown.parent[number], follower == NOBODY)
            pending += (follower, self._first[number])
            depth += 1

    def find(self, step_id: str) -> StepRecord | None:
        """
        Return the step that a person means by an id or a part of it.

        Args:
            step_id: A whole id, or the beginning or end of exactly one.

        Returns:
            The step; ``None`` if none or more than one matches.
        """
        ids = self.candidates(step_id)
        return self.record(self._grown.numbers[ids[0]]) if len(ids) == 1 else None

    def candidates(self, step_id: str) -> list[str]:
        """
        Return the ids that a person may mean.

        Args:
            step_id: A whole id, or the beginning or end of one.
        """
        if not step_id:
            return []
        if step_id in self._grown.numbers:
            return [step_id]
        return [
            known
            for known in self._grown.numbers
            if known.startswith(step_id) or known.endswith(step_id)
        ]

    def record(self, number: int) -> StepRecord:
        """
        Load one step.

        Args:
            number: The step's number, from ``outline`` or ``number_of``.

        Raises:
            TraceReadError: If its file is gone or has changed.
        """
        entry = self._grown.entry[number]
        if entry == NOBODY:
            return self._stand_in(*self._grown.lost[number])
        return self._load(entry)

    def number(self, step_id: str) -> int | None:
        """
        Return the number of the step with an id, or of the first of several.

        Args:
            step_id: The whole id.
        """
        return self._grown.numbers.get(key_of(step_id))

    def entry(self, number: int) -> int:
        """
        Tell which of the records that the session was made of a step is.

        Args:
            number: The step's number, from ``outline``.

        Returns:
            How many records came before it; -1 for a placeholder.
        """
        return self._grown.entry[number]

    def number_of(self, step: StepRecord) -> int | None:
        """
        Return the number of a step.

        Args:
            step: A step of this session.

        Returns:
            The number; ``None`` for a step that is not known here or has no id.
        """
        number = self.number(step.id)
        if number is None or number not in self._grown.twins:
            return number
        same = (twin for twin in self._grown.twins[number] if self.record(twin) == step)
        return number if self.record(number) == step else next(same, None)

    def _below(self, number: int) -> Sequence[int]:
        below = array("i")
        child = self._first[number]
        while child != NOBODY:
            below.append(child)
            child = self._next[child]
        return below

    def _stand_in(self, step_id: str, child_number: int) -> StepRecord:
        child = self.record(child_number)
        fields: dict[str, Any] = {
            "name": "(missing)",
            "kind": "step",
            "id": step_id,
            "parent_id": None,
            "trace_id": child.trace_id,
            "seq": child.seq,
            "context": {},
            "started_at": child.started_at,
            "finished_at": None,
            "duration_ms": None,
            "outcome": "missing",
            "error": None,
            "logs": [],
        }
        return StepRecord.from_dict(fields, child.header)


def fold(
    records: Iterable[Glance],
    header: SessionHeader,
    *,
    path: Path | None = None,
    problems: Iterable[Problem] = (),
    load: Callable[[int], StepRecord] | None = None,
) -> Session:
    """
    Build the tree of a session.

    The records may come in any order, lack parents, repeat ids or contradict each
    other: every record that is given stands in the tree exactly once, and each
    contradiction is a problem of the session.

    Args:
        records: The steps of one session, read once.
        header: Who recorded them.
        path: The file that they come from.
        problems: What was found wrong while reading; read after ``records``.
        load: Returns the n-th of ``records`` in full; without it ``records``
            are in full, and the session keeps them.

    Returns:
        The session.
    """
    growth = Growth()
    if load is None:
        kept = [record for record in records if isinstance(record, StepRecord)]
        records, load = kept, kept.__getitem__
    growth.add(records)
    growth.settle()
    found = [*problems, *growth.problems]
    return Session(header, path, shorten(found, growth.unlisted), growth, load)


def _link(order: Sequence[int], parent: Sequence[int]) -> tuple[array[int], array[int]]:
    # First child and next sibling of each number; the roots hang below index -1,
    # which is the one extra place at the end.
    first = array("i", [NOBODY]) * (len(parent) + 1)
    following = array("i", [NOBODY]) * (len(parent) + 1)
    for number in reversed(order):
        following[number] = first[parent[number]]
        first[parent[number]] = number
    return first, following
