"""
A session as a tree: all at once, or the first steps of a large one before the rest.

The root of a tree is written last, a step may start long after its parent has finished,
and a file may be hostile. So the place of the first step, and whether another follows
beside it, are known only when all lines have been looked at. But this look can be
quick: of later steps, only what they say of their parents matters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from ai_trace._glance import Glance
from ai_trace._growth import NOBODY
from ai_trace._header import SessionHeader, run_of
from ai_trace._line_store import LineStore
from ai_trace._problem import Problem
from ai_trace._record import StepRecord
from ai_trace._skipped import Block, Later
from ai_trace._tree import Place, Session, fold
from ai_trace._walk import NOWHERE, Walk
from ai_trace.exceptions import TraceReadError


# Steps whose ``seq`` has no more digits are the first ones.
_FIRST_DIGITS = 3
# The quick look spends most of its time on blocks that it cannot skip. If they are more
# than this part of a session, the whole is read at once instead.
_MOST_LOOKED = 1 / 8
_BLOCK = 128 * 1024
_ID = re.compile("[0-9a-f]{16}")

Step = tuple[Session, Place]
# Items that are not plain glances: a batch with any of them is handled one by one.
_ODD = {Problem, StepRecord}


class ContradictionError(TraceReadError):
    """
    The beginning of a session was shown otherwise than the whole of it says.
    """


def whole(
    walk: Walk, header: SessionHeader, parts: Sequence[Path], store: LineStore
) -> Session:
    """
    Build the tree of a session.

    Args:
        walk: Its files.
        header: Who recorded it.
        parts: The files' paths.
        store: Remembers where the lines are.

    Returns:
        The session.

    Raises:
        TraceReadError: If the first file cannot be read.
    """
    problems: list[Problem] = []

    def steps() -> Iterator[Glance]:
        for part, batch in walk.places():
            offsets, sizes, items = batch
            if _ODD.isdisjoint(map(type, items)):
                plains = cast("Sequence[Glance]", items)
                if plains:
                    store.add_all(part, offsets, sizes, plains[-1].header or header)
                    yield from plains
                continue
            for offset, size, item in zip(*batch):
                if isinstance(item, Problem):
                    problems.append(item)
                    continue
                if offset != NOWHERE:
                    store.add(part, offset, size, item.header or header)
                elif isinstance(item, StepRecord):
                    store.keep(item)
                yield item

    return fold(steps(), header, path=parts[0], problems=problems, load=store.load)


class Unfolding:
    """
    A session of one process that has ended, and the places of its steps in its tree.

    Args:
        walk: Its files.
        header: Who recorded it.
        parts: The files' paths.
    """

    def __init__(
        self, walk: Walk, header: SessionHeader, parts: Sequence[Path]
    ) -> None:
        self.header = header
        self._walk = walk
        self._parts = parts
        self._store = LineStore(parts)
        self._early: _Early | None = None
        self._whole: Session | None = None

    def first(self) -> Iterator[Step]:
        """
        Begin with the first steps, as far as a quick look at the session is enough.

        Yields:
            The session as far as it is known, and the place of a step in its tree.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        try:
            early = _FirstSteps(self._walk, self.header, self._parts).early()
        except _UncertainError:
            return
        self._early = early
        for place in early.places:
            yield early.session, place

    def whole(self) -> Session:
        """
        Read the whole session.

        Raises:
            TraceReadError: If the first file cannot be read.
        """
        if self._whole is None:
            self._whole = whole(self._walk, self.header, self._parts, self._store)
        return self._whole

    def rest(self) -> Iterator[Step]:
        """
        Go on after the first steps.

        Yields:
            The session, and the place of a step in its tree.

        Raises:
            ContradictionError: If the first steps are not where they were said to be,
                as in a file that was changed meanwhile.
        """
        session = self.whole()
        outline = session.outline()
        early, self._early = self._early, None
        for place in early.places if early else ():
            same = next(outline, None)
            if same is None or early is None or not self._agree(early, place, same):
                msg = f"{self._parts[0]} contradicts itself, or was changed meanwhile."
                raise ContradictionError(msg)
        for place in outline:
            yield session, place

    def _agree(self, early: _Early, place: Place, same: Place) -> bool:
        if place.depth != same.depth:
            return False
        # Whether another root follows makes no visible difference.
        if place.depth and place.last != same.last:
            return False
        one = early.session.entry(place.number)
        other = self.whole().entry(same.number)
        if NOBODY in (one, other):
            return one == other
        return early.store.where(one) == self._store.where(other)


class _Early(NamedTuple):
    # The first steps of a session, and those of their places that are certain.
    session: Session
    store: LineStore
    places: Sequence[Place]


class _UncertainError(Exception):
    # A quick look is not enough.
    pass


class _FirstSteps:
    # Collects all steps with low numbers, and finds out which of them have others
    # below.

    def __init__(
        self, walk: Walk, header: SessionHeader, parts: Sequence[Path]
    ) -> None:
        self._walk = walk
        self._header = header
        self._parts = parts
        self._store = LineStore(parts)
        self._later = Later(_FIRST_DIGITS)
        self._bound = 10**_FIRST_DIGITS
        self._numbers: set[int] = set()
        # The ids of the first steps and of their parents; how often each id of the
        # others that were read occurs; and by parent, the id of one of these.
        self._first: set[str] = set()
        self._others: Counter[str] = Counter()
        self._below: dict[str, str] = {}

    def early(self) -> _Early:
        load = self._store.load
        session = fold(self._steps(), self._header, path=self._parts[0], load=load)
        if not all(map(_ID.fullmatch, self._first)):
            raise _UncertainError
        self._find_others_below()
        unended = self._first.intersection(self._below)
        self._check_ids({self._below[step_id] for step_id in unended})
        return _Early(session, self._store, list(_certain(session, unended)))

    def _steps(self) -> Iterator[Glance]:
        for part, batch in self._walk.places(self._later.skip, _BLOCK):
            self._check_looks()
            for offset, size, item in zip(*batch):
                if not isinstance(item, Problem) and self._is_first(item):
                    self._store.add(part, offset, size, item.header or self._header)
                    yield item

    def _is_first(self, step: Glance) -> bool:
        # Only within one run of a process does ``seq`` tell the order.
        if run_of(step.header) != run_of(self._header):
            raise _UncertainError
        if step.seq >= self._bound:
            self._add_other(step)
            return False
        if step.seq in self._numbers:
            raise _UncertainError
        self._numbers.add(step.seq)
        self._first.update(filter(None, (step.id, step.parent_id)))
        return True

    def _add_other(self, step: Glance) -> None:
        self._others[step.id] += 1
        if step.parent_id:
            self._below.setdefault(step.parent_id, step.id)

    def _find_others_below(self) -> None:
        # A block tells which of the first steps may have others below them; its lines
        # tell which do.
        wanted = set(map(str.encode, self._first.difference(self._below)))
        for block in self._later.blocks:
            if wanted.isdisjoint(block.parents):
                continue
            self._look_at(block)
            wanted.difference_update(map(str.encode, self._below))

    def _look_at(self, block: Block) -> None:
        self._later.looked += block.end - block.begin
        self._check_looks()
        for _, _, items in self._walk.between(block.part, block.begin, block.end):
            for item in items:
                if not isinstance(item, Problem) and item.parent_id in self._first:
                    self._below.setdefault(item.parent_id, item.id)

    def _check_ids(self, below: set[str]) -> None:
        # If several steps share an id, the first in the file decides where all of them
        # belong; and a parent that seems to be missing may be among the others.
        if not below.isdisjoint(self._first):
            raise _UncertainError
        looked_for = below | self._first
        there = Counter({step_id: self._others[step_id] for step_id in looked_for})
        wanted = set(map(str.encode, there))
        for block in self._later.blocks:
            if not wanted.isdisjoint(block.ids):
                there.update(each.decode() for each in block.ids if each in wanted)
        del there[""]
        if any(count != (step_id in below) for step_id, count in there.items()):
            raise _UncertainError

    def _check_looks(self) -> None:
        if self._later.looked > self._walk.size * _MOST_LOOKED:
            raise _UncertainError


def _certain(session: Session, unended: set[str]) -> Iterator[Place]:
    # Once the known steps below a step with later ones have been told, the later ones
    # would follow: what comes next is not certain.
    numbers = set(map(session.number, unended))
    end = NOBODY
    for place in session.outline():
        if place.depth <= end:
            return
        if place.number in numbers:
            end = place.depth
        yield place._replace(last=False) if place.parent in numbers else place
