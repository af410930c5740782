"""
The pytest fixture ``ai_trace_steps``.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from ai_trace.testing import CapturedSteps


@pytest.fixture
def ai_trace_steps() -> Iterator[CapturedSteps]:
    """
    Record the steps that a test makes; each is there as soon as it has finished.

    Example::

        def test_decides_to_buy(ai_trace_steps):
            agent.run()
            assert ai_trace_steps.named("decide").result == "BUY"
    """
    # Not at the top: pytest loads plugins before coverage tools start to measure.
    from ai_trace.testing import capture

    with capture() as steps:
        yield steps


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, None, None]:
    """
    Record an async test whose task does not know of its fixtures.

    AnyIO runs it in the task of the first async fixture, which may be the older one.
    """
    test = pyfuncitem.obj
    if "ai_trace_steps" in pyfuncitem.funcargs and inspect.iscoroutinefunction(test):
        from ai_trace import propagate

        pyfuncitem.obj = propagate(test)
    yield
    pyfuncitem.obj = test
