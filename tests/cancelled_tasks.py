"""
Tasks that are cancelled while they read a stream of a wrapped client.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any, Callable

import openai
import pytest

from ai_trace.integrations.openai import wrap_openai
from ai_trace.testing import CapturedSteps, capture


Consume = Callable[[openai.AsyncOpenAI, asyncio.Event], Awaitable[None]]


def cancelled_after_a_chunk(
    consume: Consume, options: dict[str, Any], held: threading.Event
) -> CapturedSteps:
    """
    Cancel a task once the first chunk has come, and return what was recorded.

    Args:
        consume: Reads a stream of a client, and sets an event at its first chunk.
        options: Those of the client.
        held: What the server waits for before it goes on; it is set at the end.
    """

    async def main() -> None:
        async with wrap_openai(openai.AsyncOpenAI(**options)) as client:
            came = asyncio.Event()
            task = asyncio.ensure_future(consume(client, came))
            await came.wait()
            # It goes on to what it waits for next.
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with capture() as steps:
        try:
            asyncio.run(main())
        finally:
            held.set()
    return steps
