"""
The figures of a run, and what a program's owner would hear of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from faults import figures, programs


# What these assert is shown in full, as in a test.
for harness in ("invariants", "killed_child", "losses"):
    pytest.register_assert_rewrite(f"faults.{harness}")

# Read here: each test starts with no such variable set.
_FIGURES = os.environ.get("AI_TRACE_FIGURES")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures of a worker to its controller; else write them down."""
    to_controller = getattr(session.config, "workeroutput", None)
    if to_controller is not None:
        to_controller["figures"] = figures.report()
    elif _FIGURES:
        Path(_FIGURES).write_text(json.dumps(figures.report(), indent=2) + "\n")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the figures of a worker."""
    figures.counts.update(getattr(node, "workeroutput", {}).get("figures", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures."""
    terminalreporter.section("faults")
    stated = [f"{name}: {number:,}" for name, number in figures.report().items()]
    terminalreporter.line(", ".join(stated))


@pytest.fixture(autouse=True)
def ended_programs() -> Iterator[None]:
    """End what a test has started, however the test ends."""
    yield
    programs.end_all()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What ai_trace has said of itself so far, one text for each warning."""
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "ai_trace"
    ]
