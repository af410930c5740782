"""
A clean slate for each test.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ai_trace import _context


# A loaded machine makes no example fail, and a run finds what the one before it found.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


def forget_tracers() -> object:
    """Leave no tracer current and none activated; return what was."""
    left = _context.here()
    _context.set_current(None)
    _context.activate(None)
    return left


class EmptyPlaces:
    """
    Empty directories: the same one until something is left in it.

    One each would take more time than most tests do.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._place = factory.mktemp("place")

    def next(self) -> Path:
        """Return an empty directory, in which nothing of an earlier test is left."""
        if os.listdir(self._place):
            self._place = self._factory.mktemp("place")
        return self._place


@pytest.fixture(scope="session")
def empty_places(tmp_path_factory: pytest.TempPathFactory) -> EmptyPlaces:
    """Hand out empty directories."""
    return EmptyPlaces(tmp_path_factory)


@pytest.fixture(autouse=True)
def clean_slate(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    empty_places: EmptyPlaces,
) -> Iterator[None]:
    """Start in an empty directory, with no setting and no tracer; leave it so."""
    if "tmp_path" in request.fixturenames:
        place = request.getfixturevalue("tmp_path")
    else:
        place = empty_places.next()
    for name in [name for name in os.environ if name.startswith("AI_TRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(place)
    forget_tracers()

    yield

    left = forget_tracers()
    assert left is None, f"This test left its tracer current: {left!r}"


@pytest.fixture
def current_loop() -> Iterator[None]:
    """
    Have an event loop in this thread, and close it.

    Who asks asyncio for one outside of any would be given a new one that nobody closes:
    a later test, in which it is collected, would fail by the warning.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    yield

    asyncio.set_event_loop(None)
    loop.close()
