"""
The fixture ``ai_trace_steps`` in tests that a plugin for async code runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio.lowlevel
import pytest

from ai_trace import current_tracer, traced
from ai_trace.testing import CapturedSteps


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Each loop that AnyIO's plugin runs tests in."""
    backend: str = request.param
    return backend


@pytest.fixture
async def client() -> AsyncIterator[str]:
    """A fixture in whose task the tests run; it begins before the steps' own."""
    yield "client"
    await anyio.lowlevel.checkpoint()


@traced
async def decide(signal: int) -> int:
    """Let others run before deciding."""
    await anyio.lowlevel.checkpoint()
    return signal


@pytest.mark.anyio
async def test_after_an_async_fixture(
    client: str, ai_trace_steps: CapturedSteps
) -> None:
    """The steps of a test are recorded, whichever of its fixtures began first."""
    await decide(1)

    assert ["decide"] == ai_trace_steps.names


class TestMethods:
    """Tests that are methods."""

    @pytest.mark.anyio
    async def test_method(self, client: str, ai_trace_steps: CapturedSteps) -> None:
        """A method is no different."""
        await decide(1)

        assert ["decide"] == ai_trace_steps.names


@pytest.mark.anyio
async def test_next(client: str) -> None:
    """Nothing of it is left for the next test."""
    assert current_tracer() is None
