"""
Trees far deeper and wider than any recursion reaches are read, shown and reported.
"""

from __future__ import annotations

import sys
import tracemalloc
from itertools import islice

import pytest
from trace_lines import first_line, line, write

from ai_trace import reading
from ai_trace._line_store import LineStore
from ai_trace.cli import main
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
    assert steps == sum(map(len, reading.batches(session.path)))


SHAPES = pytest.mark.parametrize(
    "lines", [deep(DEPTH), wide(WIDTH)], ids=["deep", "wide"]
)


class Screen:
    """Standard output that notes how many steps were loaded before each write."""

    encoding = "utf-8"

    def __init__(self, loaded):
        self.loads = []
        self.lines = 0
        self._loaded = loaded

    def write(self, text):
        self.lines += text.count("\n")
        self.loads.append((self.lines, len(self._loaded)))

    def flush(self):
        pass

    def isatty(self):
        return False


@SHAPES
@pytest.mark.parametrize("words", [["view"], ["view", "--json"], ["report", "-o", "-"]])
def test_the_first_page_comes_before_the_rest(tmp_path, monkeypatch, lines, words):
    """Each step is loaded when it is shown: a page is out before the next is read."""
    write(tmp_path, *lines, first_line(0))
    loaded = []
    load = LineStore.load

    def counting(store, number):
        loaded.append(number)
        return load(store, number)

    monkeypatch.setattr(LineStore, "load", counting)
    screen = Screen(loaded)
    monkeypatch.setattr(sys, "stdout", screen)

    assert 0 == main(["--dir", str(tmp_path), *words])
    first_page = next(loads for shown, loads in screen.loads if shown >= 50)
    assert first_page <= 60
    assert len(loaded) >= len(lines)


def test_a_line_of_a_deep_tree_costs_what_any_line_does(tmp_path):
    """What is kept while a line is made does not grow with the depth that it has."""
    session = reading.read(write(tmp_path, *deep(DEPTH), first_line(0)))
    shown = text.tree(session, Style())
    peaks = []
    for count in (1_000, DEPTH - 2_000):
        for _ in islice(shown, count):
            pass
        tracemalloc.start()
        for _ in islice(shown, 100):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    # A copy of the steps above would be 72 kB more.
    assert peaks[1] < peaks[0] + 40_000
