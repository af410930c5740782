"""
What recording adds to the calls of clients: one Markdown table.

    python benchmarks/clients.py

Wrapped and unwrapped clients take turns with the same server, on a socket of this
process. The time is that of the calling thread alone, so that neither the server nor
other programs count; that of the first chunk is the time that passes. What is told are
medians: of the unwrapped client, and of the differences of neighbours.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, NamedTuple

import anthropic
import openai


# The server that plays the provider is that of the tests.
sys.path.append(str(Path(__file__).parent.parent / "tests"))

from llm_replies import (
    QUESTION,
    block,
    chat_stream,
    choice,
    completion,
    message,
    message_stream,
)
from llm_server import LlmServer, Reply, answer, serving

from ai_trace import Tracer
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai


ROUNDS = 400
WARM_UP = 20
FEW, MANY = 10, 210
CALL_LIMIT, CHUNK_LIMIT = 150.0, 10.0

Do = Callable[[Any], object]
Clock = Callable[[], float]


class Library(NamedTuple):
    """
    How one library is asked.

    Attributes:
        name: What it is called.
        make: Makes a client that asks a server.
        wrap: Has the calls of a client recorded.
        ask: Asks, and returns what comes.
        whole: The answer of the server.
        pieces: The answer, streamed in that many pieces.
    """

    name: str
    make: Callable[[LlmServer], Any]
    wrap: Callable[[Any], Any]
    ask: Callable[..., Any]
    whole: Reply
    pieces: Callable[[int], Reply]


class Row(NamedTuple):
    """
    One row of the table, in microseconds.

    Attributes:
        name: What is measured.
        plain: What it takes an unwrapped client.
        more: What recording adds; may be below zero.
        limit: What it may add, if that is laid down.
    """

    name: str
    plain: float
    more: float
    limit: float | None = None


# -- the libraries -------------------------------------------------------------------


def openai_client(server: LlmServer) -> Any:
    """Return a client of OpenAI's that takes the server for OpenAI."""
    http = openai.DefaultHttpxClient(proxy=server.address)
    return openai.OpenAI(
        base_url="http://api.openai.com/v1", api_key="x", http_client=http
    )


def anthropic_client(server: LlmServer) -> Any:
    """Return a client of Anthropic's that takes the server for Anthropic."""
    http = anthropic.DefaultHttpxClient(proxy=server.address)
    return anthropic.Anthropic(
        base_url="http://api.anthropic.com", api_key="x", http_client=http
    )


def ask_openai(client: Any, **more: Any) -> Any:
    """Ask for a chat completion."""
    asked = client.chat.completions.create
    return asked(model="gpt-5-mini", messages=QUESTION, **more)


def ask_anthropic(client: Any, **more: Any) -> Any:
    """Ask for a message."""
    asked = client.messages.create
    return asked(model="claude-haiku-4-5", messages=QUESTION, max_tokens=99, **more)


LIBRARIES = (
    Library(
        "OpenAI",
        openai_client,
        wrap_openai,
        ask_openai,
        answer(completion(choice())),
        lambda count: chat_stream(*["tok "] * count),
    ),
    Library(
        "Anthropic",
        anthropic_client,
        wrap_anthropic,
        ask_anthropic,
        answer(message(block())),
        lambda count: message_stream(*["tok "] * count),
    ),
)


# -- measuring -----------------------------------------------------------------------


def took(do: Do, client: Any, clock: Clock) -> float:
    """Return the microseconds of doing something once."""
    began = clock()
    do(client)
    return (clock() - began) * 1e6


class Pair(NamedTuple):
    """
    A client, and one like it whose calls are recorded.
    """

    plain: Any
    wrapped: Any

    def times(
        self, do: Do, rounds: int = ROUNDS, clock: Clock = time.thread_time
    ) -> tuple[list[float], list[float]]:
        """Return the times of both, who take turns at being the first."""
        times: tuple[list[float], list[float]] = ([], [])
        gc.collect()
        for number in range(rounds + WARM_UP):
            for which in (0, 1) if number % 2 else (1, 0):
                times[which].append(took(do, self[which], clock))
        return times[0][WARM_UP:], times[1][WARM_UP:]


def compared(
    name: str, times: tuple[list[float], list[float]], limit: float | None = None
) -> Row:
    """Return the row of what both clients took."""
    plain, wrapped = times
    more = statistics.median(
        other - one for one, other in zip(plain, wrapped, strict=True)
    )
    return Row(name, statistics.median(plain), more, limit)


def a_chunk(
    few: tuple[list[float], list[float]], many: tuple[list[float], list[float]]
) -> tuple[list[float], list[float]]:
    """Return what one chunk takes, from short streams and long ones."""
    plain, wrapped = (
        [
            (long - short) / (MANY - FEW)
            for short, long in zip(few[which], many[which], strict=True)
        ]
        for which in (0, 1)
    )
    return plain, wrapped


def rows(library: Library, server: LlmServer, clients: Pair) -> Iterator[Row]:
    """Measure one library."""

    def read(client: Any) -> None:
        for _ in library.ask(client, stream=True):
            pass

    def first_chunk(client: Any) -> None:
        with library.ask(client, stream=True) as stream:
            next(stream)

    server.will(library.whole)
    calls = clients.times(library.ask)
    yield compared(f"{library.name}: a call, with its cost", calls, CALL_LIMIT)
    server.will(library.pieces(FEW))
    waits = clients.times(first_chunk, clock=time.perf_counter)
    few = clients.times(read, ROUNDS // 4)
    server.will(library.pieces(MANY))
    chunks = a_chunk(few, clients.times(read, ROUNDS // 4))
    yield compared(f"{library.name}: a chunk of a stream", chunks, CHUNK_LIMIT)
    yield compared(f"{library.name}: until the first chunk", waits)


@contextmanager
def pair(library: Library, server: LlmServer) -> Iterator[Pair]:
    """Make both clients for a block."""
    with ExitStack() as stack:
        plain = stack.enter_context(library.make(server))
        yield Pair(plain, library.wrap(stack.enter_context(library.make(server))))


def measured() -> list[Row]:
    """Measure all of it, where a tracer is current."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as directory, Tracer("bench", directory):
        for library in LIBRARIES:
            with serving() as server, pair(library, server) as clients:
                found += rows(library, server, clients)
    return found


# -- the table -----------------------------------------------------------------------


def judged(row: Row) -> str:
    """Return what was aimed at, and whether it was met."""
    if row.limit is None:
        return "-"
    met = "met" if row.more <= row.limit else "missed"
    return f"{row.limit:.0f}: {met}"


def table(found: list[Row]) -> list[str]:
    """Return the lines of the table."""
    return [
        "| µs | unwrapped | recording adds | at most |",
        "|---|---|---|---|",
        *(
            f"| {row.name} | {row.plain:.1f} | {row.more:+.1f} | {judged(row)} |"
            for row in found
        ),
    ]


def main() -> None:
    """Measure, and print the table with the versions that it is of."""
    print("\n".join(table(measured())))
    names = ("anthropic", "genai-prices", "openai")
    print("\n" + ", ".join(f"{name} {metadata.version(name)}" for name in names))


if __name__ == "__main__":
    main()
