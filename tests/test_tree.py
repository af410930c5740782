from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_lines import header, record, step_id

from ai_trace._record import StepRecord
from ai_trace._tree import Session, fold


@st.composite
def parents(draw: st.DrawFn) -> list[int | None]:
    """Draw a forest: the parent of each step, which started before it."""
    found: list[int | None] = []
    for number in range(draw(st.integers(1, 30))):
        earlier = st.none() if number == 0 else st.none() | st.integers(0, number - 1)
        found.append(draw(earlier))
    return found


@st.composite
def wild_records(draw: st.DrawFn) -> list[StepRecord]:
    """Draw records whose ids repeat and whose parents may be anything."""
    ids = st.integers(0, 8)
    steps = st.tuples(ids, st.none() | ids, st.integers(-3, 12))
    drawn = draw(st.lists(steps, max_size=20))
    return [record(number, parent, seq=seq) for number, parent, seq in drawn]


def shape(session: Session) -> list[tuple[int, str, str]]:
    """Return depth, id and outcome of each step, as the tree is walked."""
    return [(depth, step.id, step.outcome) for depth, step in session.walk()]


def expected_shape(found: list[int | None]) -> list[tuple[int, str, str]]:
    """Walk a forest by plain recursion."""

    def below(parent: int | None, depth: int) -> list[tuple[int, str, str]]:
        lines = []
        for number, above in enumerate(found):
            if above == parent:
                lines.append((depth, step_id(number), "ok"))
                lines += below(number, depth + 1)
        return lines

    return below(None, 0)


@given(parents(), st.randoms(use_true_random=False))
def test_any_order_folds_to_the_same_tree(found, random):
    """Records of a sound session fold to its tree, in whatever order they come."""
    records = [record(number, parent) for number, parent in enumerate(found)]
    random.shuffle(records)

    session = fold(records, header())

    assert expected_shape(found) == shape(session)
    assert [step_id(n) for n in range(len(found))] == [s.id for s in session.steps]
    assert [] == list(session.problems)


@given(parents(), st.data())
def test_a_cut_folds_to_the_cut_tree(found, data):
    """Without some records, the rest hangs where it did, or below a placeholder."""
    count = len(found)
    left = data.draw(st.sets(st.integers(0, count - 1)))
    lost = {found[number] for number in left} - left - {None}

    session = fold([record(n, found[n]) for n in sorted(left)], header())

    above = {step.id: session.parent(step) for step in session.steps}
    for number in left:
        parent = above[step_id(number)]
        expected = None if found[number] is None else step_id(found[number])
        assert expected == (parent and parent.id)
    missing = {step.id for step in session.steps if step.outcome == "missing"}
    assert {step_id(number) for number in lost} == missing
    assert len(left) + len(lost) == len(session.steps) == len(shape(session))
    assert len(lost) == len(session.problems)


@given(wild_records())
def test_every_record_stands_in_the_tree_once(records):
    """No contradiction of ids and parents hides a step, repeats it or loops."""
    session = fold(records, header())

    walked = [step for _, step in session.walk() if step.outcome != "missing"]
    assert sorted(r.line for r in records) == sorted(step.line for step in walked)
    assert len(session.steps) == len(list(session.outline()))


@given(wild_records())
def test_children_and_parents_agree(records):
    """Going down by children ends, and comes by every step at least once."""
    session = fold(records, header())

    seen = []
    pending = list(session.roots)
    while pending:
        step = pending.pop()
        seen.append(step)
        pending += session.children(step)
        assert len(seen) <= len(records) ** 2 + len(session.steps)
    assert {step.line for step in session.steps} == {step.line for step in seen}


@given(wild_records(), st.data())
def test_an_outline_of_a_part_is_that_part(records, data):
    """The outline below one step is the part of the whole outline below it."""
    session = fold(records, header())
    places = list(session.outline())
    if not places:
        return
    start = data.draw(st.integers(0, len(places) - 1))
    top = places[start]
    end = start + 1
    while end < len(places) and places[end].depth > top.depth:
        end += 1

    part = list(session.outline(top.number))

    expected = [(p.number, p.depth - top.depth, p.parent) for p in places[start:end]]
    assert expected == [(p.number, p.depth, p.parent) for p in part]


def test_last_says_that_no_sibling_follows():
    """``Place.last`` holds for the last child of each parent alone."""
    session = fold([record(0), record(1, 0), record(2, 0), record(3)], header())

    assert [False, False, True, True] == [place.last for place in session.outline()]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_circle_is_cut_at_its_first_step(size):
    """Of steps that are each other's parents the first becomes a root, and is named."""
    records = [record(n, (n + 1) % size) for n in range(size)]

    session = fold(records, header())

    assert [step_id(0)] == [step.id for step in session.roots]
    assert [f"step {step_id(0)}"] == [problem.where for problem in session.problems]
    assert size == len(shape(session))


def test_a_tail_that_leads_into_a_circle_hangs_below_it():
    """A step below a circle stays below it when the circle is cut."""
    session = fold([record(0, 1), record(1, 2), record(2, 1)], header())

    assert [(0, 1), (1, 0), (1, 2)] == [(d, s.seq) for d, s in session.walk()]


def test_an_id_recorded_twice_is_shown_twice():
    """A second step of the same id stands beside the first, whatever its parent."""
    records = [record(0), record(1, 0), record(1, 1, seq=2), record(3, 1)]

    session = fold(records, header())

    assert [(0, 0), (1, 1), (2, 3), (1, 2)] == [(d, s.seq) for d, s in session.walk()]
    assert [f"step {step_id(1)}"] == [problem.where for problem in session.problems]
    assert [] == list(session.children(records[2]))


def test_a_number_may_be_of_no_step():
    """The missing parent that only a twin names is no step, and has a number."""
    records = [record(1), record(1, 8, seq=2), record(2, outcome="error")]

    session = fold(records, header())

    assert [1, 2, 2] == [step.seq for step in session.steps]
    assert all(place.number < session.numbers for place in session.outline())
    assert 3 < session.numbers
    assert session.find(step_id(8)) is None


def test_equal_times_do_not_matter():
    """Siblings stand in the order of ``seq``, never of the clock."""
    records = [record(n, started_at=1000.0 - n) for n in (2, 0, 1)]

    assert [0, 1, 2] == [step.seq for step in fold(records, header()).steps]


def test_equal_counts_keep_their_order():
    """Steps without a count, as old files have them, stay in the order of the file."""
    records = [record(n, seq=0) for n in (2, 0, 1)]

    session = fold(records, header())

    assert [step_id(n) for n in (2, 0, 1)] == [step.id for step in session.steps]


def test_processes_are_merged_by_their_clocks():
    """A forked child's steps stand in their own order, among its parent's by time."""
    parent, child = header(pid=1), header(pid=2)
    records = [
        StepRecord.from_line(record(n, seq=seq, started_at=at).line, who)
        for n, seq, at, who in [
            (2, 1, 30.0, parent),
            (1, 0, 10.0, parent),
            (4, 1, 15.0, child),
            (3, 0, 20.0, child),
        ]
    ]

    session = fold(records, parent)

    assert [step_id(n) for n in (1, 3, 4, 2)] == [step.id for step in session.steps]


def test_steps_without_ids_are_roots():
    """Files of the 0.2 line have no ids: each step is a root, none is a problem."""
    old = b'{"name": "scan", "outcome": "ok", "duration_ms": 1.5, "logs": []}\n'
    records = [StepRecord.from_line(old), StepRecord.from_line(old)]

    session = fold(records, header())

    assert 2 == len(session.roots)
    assert [] == list(session.problems)
    assert [] == list(session.children(records[0]))


def test_a_placeholder_is_a_step():
    """A parent that is not recorded is a root named by its id, before its children."""
    session = fold([record(3, 9), record(1)], header())

    placeholder = session.find(step_id(9))

    assert placeholder is not None
    assert ("missing", None) == (placeholder.outcome, placeholder.finished_at)
    assert {*record(1).to_dict()} == {*placeholder.to_dict()}
    assert [1, 3, 3] == [step.seq for step in session.steps]
    assert [3] == [step.seq for step in session.children(placeholder)]
    assert {"ok": 2} == dict(session.outcomes)


def test_find_takes_a_unique_part():
    """An id is found by its beginning or end, as long as one step alone has it."""
    records = [record(n, id=text) for n, text in enumerate(["ab12", "ab34", "cd12"])]
    session = fold(records, header())

    assert records[1] == session.find("ab3") == session.find("34")
    assert session.find("ab") is None
    assert session.find("") is None
    assert ["ab12", "cd12"] == session.candidates("12")
    assert ["ab12"] == session.candidates("ab12")


def test_times_and_outcomes_are_summed():
    """A session knows its start, its end, its outcomes and the mean duration."""
    records = [record(2, duration_ms=100.0), record(1, outcome="error")]

    session = fold(records, header(started_at=0.0))

    assert (records[1].started_at, records[0].finished_at) == (
        session.started_at,
        session.finished_at,
    )
    assert {"ok": 1, "error": 1} == dict(session.outcomes)
    assert (300.0, 1500.0) == (session.average_ms, session.duration_ms)


def test_an_empty_session_is_a_session():
    """Nothing recorded is no steps, no roots and no problem."""
    session = fold([], header())

    assert [] == list(session.steps) == list(session.roots) == list(session.walk())
    assert session.finished_at is None
    assert session.average_ms is session.duration_ms is None


def test_sequences_load_what_is_looked_at():
    """Steps are a sequence: counted, indexed and sliced without loading the rest."""
    records = [record(n) for n in range(5)]
    loaded = []

    def load(number: int) -> StepRecord:
        loaded.append(number)
        return records[number]

    session = fold(iter(records), header(), load=load)

    assert 5 == len(session.steps)
    assert [] == loaded
    assert records[4] == session.steps[-1]
    assert [4] == loaded
    assert records[1:3] == list(session.steps[1:3])


def test_sessions_and_steps_are_printed_by_how_many_there_are():
    """A prompt says which session it is, and how many steps; none is loaded."""

    def load(number: int) -> StepRecord:
        raise AssertionError(number)

    session = fold([record(n) for n in range(3)], header(), load=load)

    assert "<Records of 3 steps>" == repr(session.steps)
    assert session.header.session_id in repr(session)
    assert repr(session).endswith(": 3 steps>")


def test_problems_are_bounded():
    """A file of contradictions alone does not fill the memory with their names."""
    records = [record(n, n) for n in range(3_000)]

    session = fold(records, header())

    assert 1_001 == len(session.problems)
    assert "2000 more problems are not listed." == session.problems[-1].what


@pytest.mark.parametrize(
    "parent",
    [lambda n: n - 1 if n else None, lambda n: 0 if n else None, lambda n: n + 1],
    ids=["deep", "wide", "lost"],
)
def test_trees_of_any_form_need_no_recursion(parent):
    """Trees far deeper than the recursion limit fold, walk and answer."""
    count = sys.getrecursionlimit() * 5
    records = [record(n, parent(n)) for n in reversed(range(count))]

    session = fold(records, header())

    assert len(session.steps) == sum(1 for _ in session.walk())
    assert session.parent(session.steps[-1]) is not None


def test_giant_ids_are_not_kept():
    """An id of a megabyte is told from another one without being kept."""
    giant = "a" * 1_000_000
    records = [record(0, id=giant), record(1, id=giant + "b", parent_id=giant)]

    session = fold(records, header())

    assert [records[1]] == list(session.children(records[0]))
    assert max(map(len, session.candidates("a"))) < 200
