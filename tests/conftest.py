"""
A clean slate for each test.
"""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def clean_slate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Start in an empty directory, with no setting and no tracer; leave it so."""
    for name in [name for name in os.environ if name.startswith("AI_TRACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    forget_tracers()

    yield

    left = forget_tracers()
    assert left is None, f"This test left its tracer current: {left!r}"
