"""
The pytest fixture ``ai_trace_steps``.
"""

from __future__ import annotations

from collections.abc import Iterator
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
