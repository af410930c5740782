"""
Trees far deeper and wider than any recursion reaches are read, shown and reported.
"""

from __future__ import annotations

import pytest
from trace_lines import first_line, line, write

from ai_trace import reading
from ai_trace.render import json, markdown, text
from ai_trace.render._style import Style


DEPTH = 10_000
WIDTH = 20_000


def deep(count):
    """Return the lines of one chain, each step in the one before, innermost first."""
    return [line(n, n - 1) for n in range(count - 1, 0, -1)]


def wide(count):
    """Return the lines of the children of one step."""
    return [line(n, 0) for n in range(1, count)]


@pytest.mark.parametrize(
    ("lines", "steps", "depth"),
    [(deep(DEPTH), DEPTH, DEPTH - 1), (wide(WIDTH), WIDTH, 1)],
    ids=["deep", "wide"],
)
def test_a_large_tree(tmp_path, lines, steps, depth):
    """A tree 10,000 deep or 20,000 wide has its shape, and every render ends."""
    session = reading.read(write(tmp_path, *lines, first_line(0)))

    assert steps == len(session.steps) == sum(session.outcomes.values())
    assert depth == max(place.depth for place in session.outline())
    shown = sum(1 for _ in text.tree(session, Style()))
    assert shown >= steps
    page = "".join(markdown.session(session))
    assert f"step {steps - 1}" in page
    assert steps == "".join(json.session(session, 0.0)).count('"outcome"')
    assert steps == len(list(reading.glances(session.path)))
