"""
Ids and parents that contradict each other never loop, and never hide a step.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from faults import figures
from hostile.answers import check_commands, run
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_lines import start, write_journal
from trace_lines import encoded, fields, line, write

from ai_trace import reading


IDS = st.sampled_from(["", "a", "b", "c", "d", "e", "x" * 70, "x" * 70 + "y"])


@st.composite
def contradictions(draw: st.DrawFn) -> list[dict[str, object]]:
    """Draw steps of distinct names, whose ids, parents and numbers are anything."""
    count = draw(st.integers(1, 12))
    return [
        fields(
            number,
            name=f"step_{number}_",
            id=draw(IDS),
            parent_id=draw(st.none() | IDS),
            seq=draw(st.integers(-3, 5)),
            started_at=draw(st.sampled_from([-1.0, 0.0, 1e9, 1e300])),
            session={"pid": draw(st.integers(0, 2))} if draw(st.booleans()) else {},
        )
        for number in range(count)
    ]


@settings(max_examples=60)
@given(contradictions(), st.integers(0, 12))
def test_every_step_is_shown_once(steps, opened):
    """Each step, be it finished or open, stands once in tree, page and JSON."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        figures.counts[figures.HOSTILE] += 1
        finished, in_journal = steps[opened:], steps[:opened]
        write(directory, *map(encoded, finished))
        starts = [{k: v for k, v in s.items() if k != "session"} for s in in_journal]
        write_journal(directory, *map(encoded, starts))
        known = {step["id"] for step in finished}
        names = [s["name"] for s in finished] + [
            s["name"] for s in starts if s["id"] not in known
        ]

        for words in (("view",), ("view", "--full"), ("report", "-o", "-")):
            text = re.sub(r".*rocess.* died.*", "", run(directory, *words)[1])
            shown = re.findall(r"(?<!\w)step_\d+_", text)
            assert sorted(names) == sorted(shown), words
        shown = json.loads(run(directory, "view", "--json")[1])["steps"]
        assert sorted(names) == sorted(step["name"] for step in shown)


CHAINS = {
    "a chain": lambda n: (n, n - 1 if n else None),
    "a chain without its head": lambda n: (n + 1, n),
    "a circle": lambda n: (n, (n + 1) % 5_000),
    "all below themselves": lambda n: (n, n),
    "all of one id": lambda n: (7, 7),
    "all of one id, below another": lambda n: (7, 8),
    "all below one that is missing": lambda n: (n, 8_000),
    "each below another that is missing": lambda n: (n, 8_000 + n),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_many_contradictions_take_no_longer(tmp_path, chain):
    """Five thousand of a kind are answered, deep or wide, without a stack to fill."""
    lines = []
    for number in range(5_000):
        step_id, parent = chain(number)
        lines.append(line(step_id, parent, seq=number))
    path = write(tmp_path, *lines)
    session = reading.read(path)

    assert 5_000 == sum(session.outcomes.values())
    assert len(session.steps) == sum(1 for _ in session.outline())
    assert 0 == run(tmp_path, "view", "--depth", "3")[0]
    assert run(tmp_path, "doctor")[0] in (0, 3)


def test_a_deep_chain_is_shown_by_every_verb(tmp_path):
    """Two thousand levels are rendered by every verb."""
    write(tmp_path, *(line(n, n - 1 if n else None) for n in range(2_000)))
    write_journal(tmp_path, *(start(n, n - 1) for n in range(2_000, 2_500)))

    check_commands(tmp_path)
