"""
Where each record of a session belongs in its tree.

Only numbers are kept of a record, a few bytes each. What no tracer writes, but a
damaged or hostile file may hold, is put where it can be seen, and is reported.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ai_trace._glance import Glance
from ai_trace._header import known_until, run_of
from ai_trace._problem import Problem, not_listed
from ai_trace._record import WITHOUT_END
from ai_trace._usage import CALL_KINDS, Usage, usage_of


PROBLEM_LIMIT = 1_000
NOBODY = -1
_KEY_LENGTH = 64
_LEAST, _MOST = -(2**63), 2**63 - 1
_SAYINGS = 255
# Room is left for what is known without the name, where there are more names than this.
_NAMED = 200
_SAID_LENGTH = 1_000
# Room for so many steps is made at once.
_ROOM = 1_024
_NOBODIES = array("i", [NOBODY]) * _ROOM
_ZEROS = bytes(_ROOM)


class Said(NamedTuple):
    """
    What many steps of a session have in common, known without loading any of them.

    Attributes:
        kind: What sort of step it is.
        outcome: How it ended.
        name: What it is called; ``None`` if the session has many different names.
    """

    kind: str
    outcome: str
    name: str | None = None


class Growth:
    """
    A tree in the making: a number for each step, and columns of facts by number.

    An id gets its number when it is first mentioned, if only as a parent: lines are
    written when steps finish, so children come before their parents.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._open = 0
        self.entry = array("i")
        self.parent = array("i")
        self.started = array("d")
        self.order = array("i")
        self.twins: dict[int, list[int]] = {}
        self.lost: dict[int, tuple[str, int]] = {}
        self.outcomes: Counter[str] = Counter()
        self.earliest = 0.0
        self.latest: float | None = None
        self.timed = 0
        self.total_ms = 0.0
        self.usage = Usage()
        self.problems: list[Problem] = []
        self.unlisted = 0
        self.said: list[Said] = []
        # By number: which of those a step is, from 1; 0 for one that has to be loaded.
        self.saying = bytearray()
        self._sayings: dict[tuple[str, str, str | None], int] = {}
        self._seq = array("q")
        self._runs: dict[tuple[int, float], int] = {}
        self._run = array("i")
        self._count = 0

    def add(self, records: Iterable[Glance]) -> None:
        """Take further records, in any order."""
        # One loop with all it needs in local variables: of the time that a reader of a
        # million steps spends on its own, this takes most.
        entry, saying, parent = self.entry, self.saying, self.parent
        seqs, started, runs = self._seq, self.started, self._run
        sayings = self._sayings
        told: object = NOBODY
        run = 0
        for record in records:
            number = self._number_for(record.id)
            entry[number] = self._count
            self._count += 1
            said = record.kind, record.outcome, record.name
            saying[number] = sayings.get(said) or self._saying(*said)
            above = record.parent_id
            if above:
                parent[number] = self._number(above)
            seqs[number] = _bounded(record.seq)
            started[number] = began = record.started_at
            if record.header is not told:
                told = header = record.header
                run = self._runs.setdefault(run_of(header), len(self._runs))
            runs[number] = run
            self.outcomes[key_of(said[1])] += 1
            self._note_times(record, began, said[1])
            used = usage_of(record) if said[0] in CALL_KINDS else None
            if used is not None:
                self.usage = self.usage.plus(used)

    def settle(self) -> None:
        """Sort out order, circles and missing parents, once all records are here."""
        self._take_room_back()
        self._name_cycles(self._cut_cycles())
        for first, twins in self.twins.items():
            for twin in twins:
                self.parent[twin] = self.parent[first]
        order = self._sorted()
        self._name_lost(order)
        self.order = array("i", self._with_lost(order) if self.lost else order)
        del self._seq, self._run

    def _number(self, step_id: str) -> int:
        if len(step_id) > _KEY_LENGTH:
            step_id = key_of(step_id)
        number = self.numbers.setdefault(step_id, self._open)
        return self._open_number() if number == self._open else number

    def _open_number(self) -> int:
        number = self._open
        self._open += 1
        if number == len(self.entry):
            self._make_room()
        return number

    def _make_room(self) -> None:
        for column in (self.entry, self.parent):
            column.extend(_NOBODIES)
        for numbers in (self._seq, self._run):
            numbers.extend(_ZEROS)
        self.started.extend(_ZEROS)
        self.saying.extend(_ZEROS)

    def _take_room_back(self) -> None:
        for column in (self.entry, self.parent, self._seq, self._run, self.started):
            del column[self._open :]
        del self.saying[self._open :]

    def _saying(self, kind: str, outcome: str, name: str) -> int:
        nameless = self._sayings.get((kind, outcome, None))
        if nameless is not None:
            return nameless
        room = _SAID_LENGTH - len(kind) - len(outcome)
        if len(self.said) < _NAMED and len(name) <= room:
            said = Said(kind, outcome, name)
        elif len(self.said) < _SAYINGS and room >= 0:
            said = Said(kind, outcome)
        else:
            return 0
        self.said.append(said)
        self._sayings[said] = len(self.said)
        return len(self.said)

    def _number_for(self, step_id: str) -> int:
        if not step_id:
            return self._open_number()
        number = self._number(step_id)
        if self.entry[number] == NOBODY:
            return number
        # Beside the first of that id, whatever it says of its parent: anywhere else
        # it could stand below itself.
        twin = self._open_number()
        self.twins.setdefault(number, []).append(twin)
        what = "It is recorded more than once; each one is shown."
        self._report(key_of(step_id), what, "twin")
        return twin

    def _note_times(self, record: Glance, started: float, outcome: str) -> None:
        finished, took = record.finished_at, record.duration_ms
        if finished is None:
            finished = known_until(started, took)
        if started > 0.0 and (started < self.earliest or not self.earliest):
            self.earliest = started
        if finished is not None and (self.latest is None or finished > self.latest):
            self._note_end(finished)
        if took is not None and outcome not in WITHOUT_END:
            self.timed += 1
            self.total_ms += took

    def _note_end(self, finished: float) -> None:
        if math.isfinite(finished):
            self.latest = finished

    def _cut_cycles(self) -> dict[int, int]:
        if self._each_is_after_its_parent():
            return {}
        unseen, walking, settled = 0, 1, 2
        state = bytearray(len(self.parent))
        lengths: dict[int, int] = {}
        for start in range(len(self.parent)):
            path = []
            number = start
            while number != NOBODY and state[number] == unseen:
                state[number] = walking
                path.append(number)
                number = self.parent[number]
            if number != NOBODY and state[number] == walking:
                cycle = path[path.index(number) :]
                first = min(cycle, key=lambda number: (self._seq[number], number))
                self.parent[first] = NOBODY
                lengths[first] = len(cycle)
            for number in path:
                state[number] = settled
        return lengths

    def _each_is_after_its_parent(self) -> bool:
        # As in all that a tracer writes: then there is no circle.
        seqs = self._seq
        seqs.append(-(2**63))  # of no parent, which is number -1
        above = map(seqs.__getitem__, self.parent)
        is_so = all(map(operator.lt, above, seqs))
        seqs.pop()
        return is_so

    def _name_cycles(self, lengths: dict[int, int]) -> None:
        if not lengths:
            return
        for step_id, number in self.numbers.items():
            if number in lengths:
                what = (
                    f"It is above and below itself, in a circle of {lengths[number]}; "
                    "it is shown as a root."
                    if lengths[number] > 1
                    else "It names itself as its parent; it is shown as a root."
                )
                self._report(step_id, what, "circle")

    def _sorted(self) -> Sequence[int]:
        one_run = len(self._runs) <= 1
        placed = self._placed() if one_run else None
        if placed is not None:
            return placed
        order = [n for n, entry in enumerate(self.entry) if entry != NOBODY]
        if one_run:
            order.sort(key=self._seq.__getitem__)
            return order
        # Within a run of a process ``seq`` decides; between runs, the time of the
        # start, raised to the latest so far where a clock went back.
        ranks = {self._runs[run]: rank for rank, run in enumerate(sorted(self._runs))}
        order.sort(key=lambda number: ranks[self._run[number]])
        order.sort(key=self._seq.__getitem__)
        raised = array("d", self.started)
        latest: dict[int, float] = {}
        for number in order:
            run = self._run[number]
            raised[number] = latest[run] = max(
                raised[number], latest.get(run, -math.inf)
            )
        order.sort(key=raised.__getitem__)
        return order

    def _placed(self) -> Sequence[int] | None:
        # A tracer counts without gaps, so most files need no sorting: for a million
        # steps that saves 80 MB at the moment when most memory is held.
        low, high = min(self._seq, default=0), max(self._seq, default=0)
        if high - low > 2 * self._count + 1_000:
            return None
        slots = array("i", [NOBODY]) * (high - low + 1)
        for number, entry in enumerate(self.entry):
            if entry == NOBODY:
                continue
            slot = self._seq[number] - low
            if slots[slot] != NOBODY:
                return None
            slots[slot] = number
        return array("i", (number for number in slots if number != NOBODY))

    def _name_lost(self, order: Sequence[int]) -> None:
        if len(order) == self._open:
            return
        ids = {n: key for key, n in self.numbers.items() if self.entry[n] == NOBODY}
        for number in order:
            above = self.parent[number]
            if above in ids:
                self.lost[above] = (ids.pop(above), number)
        # What is left is named only by twins, which stand elsewhere.
        for step_id in ids.values():
            del self.numbers[step_id]
        for step_id, _ in self.lost.values():
            what = "It is the parent of others and not in this file."
            self._report(step_id, what, "missing")

    def _with_lost(self, order: Sequence[int]) -> Iterator[int]:
        for number in order:
            above = self.parent[number]
            if above in self.lost and self.lost[above][1] == number:
                yield above
            yield number

    def _report(self, step_id: str, what: str, kind: str) -> None:
        if len(self.problems) < PROBLEM_LIMIT:
            self.problems.append(Problem(f"step {step_id}", what, kind))
        else:
            self.unlisted += 1


def shorten(problems: list[Problem], unlisted: int = 0) -> list[Problem]:
    """
    Keep a list of problems to a size that a person can read.

    Args:
        problems: The problems.
        unlisted: How many more there are.

    Returns:
        The first of them; the last one says how many are left out.
    """
    unlisted += max(0, len(problems) - PROBLEM_LIMIT)
    listed = problems[:PROBLEM_LIMIT]
    return [*listed, not_listed(unlisted)] if unlisted else listed


def key_of(text: str) -> str:
    """Return an id, or a short text that stands for one that is too long to be kept."""
    if len(text) <= _KEY_LENGTH:
        return text
    import hashlib

    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_KEY_LENGTH]}…{digest}"


def _bounded(number: int) -> int:
    if _LEAST <= number <= _MOST:
        return number
    return _LEAST if number < 0 else _MOST
