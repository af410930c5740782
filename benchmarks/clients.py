"""
What recording adds to the calls of clients: one Markdown table.

    python benchmarks/clients.py [--unchecked] [--slower TIMES]

Compared are clients of one library that differ in nothing but that the calls of one
are recorded. They ask the same server, which is that of the tests, in a process and on
a core of its own, as a provider's would be. They take turns, in every order there is,
so that each comes after each of the others as often: call by call, and ten calls in a
row, as a program makes them, which records all of its calls or none. The time of a call
is that of the calling thread, without the server and without waiting for it; the time
until the first chunk is what passes for the user, who closes the stream after that.

"Recording adds" is the median of the differences of neighbours, with the interval in
which that median lies with 95 % certainty. A third client, which is not recorded
either, says how much two calls differ of which nothing differs: the noise. What
recording adds until the first chunk is within the noise if all of its interval is.

With ``--unchecked`` no value is looked at for secrets and limits, and no file for what
others did to it: how near to the aim that would come, and what the looks cost. With
``--slower`` the aims are those of a machine that is so many times as fast as this one.

The machine may run a whole process slowly, and processes with nothing changed differ in
what recording adds, since their objects lie elsewhere in memory. So several measure it
all. Of each row that half of them counts in which the client that is not recorded was
fastest; told is the one of these in which recording adds the median.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from itertools import cycle, islice, permutations
from pathlib import Path
from typing import Any, Callable, NamedTuple

import anthropic
import openai
from _timing import pin


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
from llm_server import Reply, answer, serving

from ai_trace import Tracer
from ai_trace._capture import Capture
from ai_trace.integrations.anthropic import wrap_anthropic
from ai_trace.integrations.openai import wrap_openai
from ai_trace.sinks._append import AppendFile


PROCESSES = 9
ROUNDS = 300
ROWS = 90
STREAMS = 90
WARM_UP = 24
IN_A_ROW = 10
FEW, MANY = 10, 210
CALL_LIMIT, CHUNK_LIMIT = 150.0, 10.0

Do = Callable[[Any], object]
Clock = Callable[[], float]
Times = list[list[float]]


class Library(NamedTuple):
    """
    How one library is asked.

    Attributes:
        name: What it is called.
        make: Makes a client that asks the server at an address.
        wrap: Has the calls of a client recorded.
        ask: Asks, and returns what comes.
        whole: The answer of the server.
        pieces: The answer, streamed in that many pieces.
    """

    name: str
    make: Callable[[str], Any]
    wrap: Callable[[Any], Any]
    ask: Callable[..., Any]
    whole: Reply
    pieces: Callable[[int], Reply]


class Row(NamedTuple):
    """
    One row of the table, in microseconds.

    Attributes:
        name: What is measured.
        plain: What it takes a client that is not recorded.
        more: What recording adds; may be below zero.
        low: What it adds at least, with 95 % certainty.
        high: What it adds at most, likewise.
        noise: How much two calls differ that are not recorded.
        limit: What it may add; ``None`` stands for the noise.
    """

    name: str
    plain: float
    more: float
    low: float
    high: float
    noise: float
    limit: float | None


# -- the libraries -------------------------------------------------------------------


def openai_client(address: str) -> Any:
    """Return a client of OpenAI's that takes the server at an address for OpenAI."""
    http = openai.DefaultHttpxClient(proxy=address)
    return openai.OpenAI(
        base_url="http://api.openai.com/v1", api_key="x", http_client=http
    )


def anthropic_client(address: str) -> Any:
    """Return a client of Anthropic's that takes the server for its own."""
    http = anthropic.DefaultHttpxClient(proxy=address)
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


# -- the server ----------------------------------------------------------------------


def serve() -> None:
    """Answer on a core of its own what each line of the input asks for."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with serving() as server:
        print(server.address, flush=True)
        for line in sys.stdin:
            number, count = json.loads(line)
            library = LIBRARIES[number]
            server.will(library.pieces(count) if count else library.whole)
            server.requests.clear()
            print("ready", flush=True)


class Server:
    """
    The server, seen from the process of the clients.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._said()

    def will(self, library: Library, count: int = 0) -> None:
        """Say whose answer comes next, and in how many pieces; in none if whole."""
        if self._process.stdin is not None:
            asked = [LIBRARIES.index(library), count]
            print(json.dumps(asked), file=self._process.stdin, flush=True)
        self._said()

    def _said(self) -> str:
        return self._process.stdout.readline().strip() if self._process.stdout else ""


@contextmanager
def started() -> Iterator[Server]:
    """Start the server for a block."""
    command = [sys.executable, __file__, "--serve"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Server(process)
        if process.stdin is not None:
            process.stdin.close()


# -- measuring -----------------------------------------------------------------------


def nothing(_: object) -> None:
    """Do nothing with what came."""


def close(stream: Any) -> None:
    """Close a stream."""
    stream.close()


def took(do: Do, client: Any, clock: Clock, after: Callable[[Any], None]) -> float:
    """Return the microseconds of doing something once, without what is done after."""
    began = clock()
    came = do(client)
    passed = clock() - began
    after(came)
    return passed * 1e6


def in_a_row(do: Do) -> Do:
    """Return what does something so many times that what one takes can be told."""

    def several(client: Any) -> None:
        for _ in range(IN_A_ROW):
            do(client)

    return several


class Clients(NamedTuple):
    """
    A client, one like it, and one whose calls are recorded.
    """

    plain: Any
    other: Any
    wrapped: Any

    def times(
        self,
        do: Do,
        rounds: int = ROUNDS,
        clock: Clock = time.thread_time,
        after: Callable[[Any], None] = nothing,
    ) -> Times:
        """Return the times of each, who take turns in every order."""
        times: Times = [[], [], []]
        gc.collect()
        for order in islice(cycle(permutations(range(3))), rounds + WARM_UP):
            for which in order:
                times[which].append(took(do, self[which], clock, after))
        return [column[WARM_UP:] for column in times]


def compared(name: str, times: Times, limit: float | None = None) -> Row:
    """Return the row of what the clients took."""
    plain, other, wrapped = times
    more = sorted(one - base for base, one in zip(plain, wrapped))
    noise = statistics.median(abs(one - base) for base, one in zip(plain, other))
    # The ranks between which the median of a sample lies, whatever it is a sample of.
    half_width = math.ceil(0.98 * math.sqrt(len(more)))
    middle = len(more) // 2
    return Row(
        name,
        statistics.median(plain),
        statistics.median(more),
        more[middle - half_width],
        more[middle + half_width],
        noise,
        limit,
    )


def one_of(rows: Times) -> Times:
    """Return what one call of each row takes."""
    return [[row / IN_A_ROW for row in column] for column in rows]


def a_chunk(few: Times, many: Times) -> Times:
    """Return what one chunk takes, from short streams and long ones."""
    return [
        [(long - short) / (MANY - FEW) for short, long in zip(*columns)]
        for columns in zip(few, many)
    ]


def rows(library: Library, server: Server, clients: Clients) -> Iterator[Row]:
    """Measure one library."""

    def read(client: Any) -> None:
        for _ in library.ask(client, stream=True):
            pass

    def first_chunk(client: Any) -> Any:
        stream = library.ask(client, stream=True)
        next(stream)
        return stream

    server.will(library)
    calls = clients.times(library.ask)
    yield compared(f"{library.name}: a call between others", calls, CALL_LIMIT)
    calls = one_of(clients.times(in_a_row(library.ask), ROWS))
    yield compared(f"{library.name}: a call in a row of ten", calls, CALL_LIMIT)
    server.will(library, FEW)
    waits = clients.times(first_chunk, clock=time.perf_counter, after=close)
    few = clients.times(read, STREAMS)
    server.will(library, MANY)
    chunks = a_chunk(few, clients.times(read, STREAMS))
    yield compared(f"{library.name}: a chunk of a stream", chunks, CHUNK_LIMIT)
    yield compared(f"{library.name}: until the first chunk", waits)


@contextmanager
def made(library: Library, server: Server) -> Iterator[Clients]:
    """Make the clients for a block."""
    with ExitStack() as stack:
        plain, other, wrapped = (
            stack.enter_context(library.make(server.address)) for _ in range(3)
        )
        yield Clients(plain, other, library.wrap(wrapped))


def measure() -> None:
    """Measure all of it once, where a tracer is current, and print it as JSON."""
    pin()
    found: list[Row] = []
    with (
        started() as server,
        tempfile.TemporaryDirectory() as directory,
        Tracer("bench", directory),
    ):
        for library in LIBRARIES:
            with made(library, server) as clients:
                found += rows(library, server, clients)
    print(json.dumps(found))


def measure_unchecked() -> None:
    """Measure what is left without the looks at values and at files."""

    def encoded(capture: Any, value: Any, room: int = 0) -> str:
        text: str = capture._encode(value).decode()
        return text

    Capture.plain = encoded  # type: ignore[method-assign, assignment]
    AppendFile._stands_at = lambda *_: True  # type: ignore[method-assign, assignment]
    measure()


# -- the table -----------------------------------------------------------------------


def typical(column: tuple[Row, ...]) -> Row:
    """Return the median of what recording adds, of the faster half of the processes."""
    fastest = sorted(column, key=lambda row: row.plain)[: len(column) // 2 + 1]
    return sorted(fastest, key=lambda row: row.more)[len(fastest) // 2]


def measured(how: str) -> list[Row]:
    """Return each row as a typical process measured it."""
    command = [sys.executable, __file__, how]
    runs = []
    for _ in range(PROCESSES):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.append([Row(*row) for row in json.loads(done.stdout)])
    return [typical(column) for column in zip(*runs)]


def judged(row: Row, slower: float) -> str:
    """Return what was aimed at, as long as it takes here, and whether it was met."""
    if row.limit is None:
        return f"the noise: {'met' if row.high <= row.noise else 'missed'}"
    limit = row.limit * slower
    return f"{limit:.0f}: {'met' if row.more <= limit else 'missed'}"


def table(found: list[Row], slower: float = 1.0) -> list[str]:
    """Return the lines of the table."""
    return [
        "| µs | not recorded | recording adds | 95 % | noise | at most |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.plain:.1f} | {row.more:+.1f} "
            f"| {row.low:+.1f} to {row.high:+.1f} | {row.noise:.1f} "
            f"| {judged(row, slower)} |"
            for row in found
        ),
    ]


def main() -> None:
    """Measure, and print the table with the versions that it is of."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--unchecked", action="store_true")
    parser.add_argument("--slower", type=float, default=1.0)
    options = parser.parse_args()
    how = "--measure-unchecked" if options.unchecked else "--measure"
    print("\n".join(table(measured(how), options.slower)))
    names = ("anthropic", "genai-prices", "openai")
    print("\n" + ", ".join(f"{name} {metadata.version(name)}" for name in names))


if __name__ == "__main__":
    modes = {
        "--serve": serve,
        "--measure": measure,
        "--measure-unchecked": measure_unchecked,
    }
    modes.get(sys.argv[-1], main)()
