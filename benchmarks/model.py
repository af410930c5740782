"""
What recording adds to the wait for a real model's first words: one Markdown table.

    python benchmarks/model.py

Asked is the small language model of the end-to-end tests, which runs on this machine:
``E2E_MODELS`` names the folder that keeps it. Otherwise it is done as clients.py says:
two clients that are not recorded and one that is take turns, and what passes until the
first chunk is the user's time. The rest of each stream is read before the next turn.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Callable

import anthropic
import openai
from _timing import pin
from clients import Clients, Row, compared, table


# The model is served as it is to the tests.
sys.path.append(str(Path(__file__).parent.parent / "tests"))

from local_servers import NAME, listening

from ai_trace import Tracer
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai


ROUNDS = 240
ASKED: dict[str, Any] = {
    "model": NAME,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 3,
    "stream": True,
}


def first_chunk(resource: str, client: Any) -> Any:
    """Wait for the first chunk of an answer from one of a client's resources."""
    stream = attrgetter(resource)(client).create(**ASKED)
    next(stream)
    return stream


def exhaust(stream: Any) -> None:
    """Read a stream to its end."""
    for _ in stream:
        pass


def until_first_chunk(
    name: str,
    make: Callable[[], Any],
    wrap: Callable[[Any], Any],
    resource: str,
) -> Row:
    """Measure one library."""
    with ExitStack() as stack:
        plain, other, wrapped = (stack.enter_context(make()) for _ in range(3))
        clients = Clients(plain, other, wrap(wrapped))
        ask = partial(first_chunk, resource)
        times = clients.times(ask, ROUNDS, clock=time.perf_counter, after=exhaust)
    return compared(f"{name}: until the first chunk of a real model", times)


def main() -> None:
    """Measure where a tracer is current, and print the table."""
    pin()
    with (
        listening() as servers,
        tempfile.TemporaryDirectory() as directory,
        Tracer("bench", directory),
    ):
        address = servers.talking
        openais = partial(openai.OpenAI, base_url=f"{address}/v1", api_key="x")
        anthropics = partial(anthropic.Anthropic, base_url=address, api_key="x")
        rows = [
            until_first_chunk("OpenAI", openais, wrap_openai, "chat.completions"),
            until_first_chunk("Anthropic", anthropics, wrap_anthropic, "messages"),
        ]
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
