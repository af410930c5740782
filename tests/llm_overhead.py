"""
What recording adds to a call of a client, on a real socket.

    python tests/llm_overhead.py

Wrapped and unwrapped clients take turns with the same server. The time is that of the
calling thread alone, so that neither the server nor other programs count; what is told
is the difference of the medians. Of the first chunk it is the time that passes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any, Callable, NamedTuple

from llm_replies import QUESTION, chat_stream, choice, completion
from llm_server import LlmServer, answer, serving

from ai_trace import Tracer
from ai_trace.integrations.openai import wrap_openai


ASKED: dict[str, Any] = {"model": "gpt-5-mini", "messages": QUESTION}
FEW, MANY = 10, 210


class Overhead(NamedTuple):
    """
    What recording adds, in microseconds.

    Attributes:
        call: To a chat call that is not streamed.
        chunk: To each chunk of a stream.
        first_chunk: To the time until the first chunk is there; may be below zero.
        plain_call: For comparison, an unwrapped call.
        plain_chunk: For comparison, a chunk of an unwrapped client.
    """

    call: float
    chunk: float
    first_chunk: float
    plain_call: float
    plain_chunk: float


Times = dict[bool, list[float]]


def call(client: Any) -> None:
    """Ask."""
    client.chat.completions.create(**ASKED)


def read(client: Any) -> None:
    """Ask, and read the stream to its end."""
    for _ in client.chat.completions.create(**ASKED, stream=True):
        pass


def first_chunk(client: Any) -> None:
    """Ask, and read the first chunk."""
    with client.chat.completions.create(**ASKED, stream=True) as stream:
        next(stream)


def taken(
    clients: dict[bool, Any],
    do: Callable[[Any], None],
    rounds: int,
    clock: Callable[[], float] = time.thread_time,
) -> dict[bool, float]:
    """Return the median time that it takes each client, in microseconds."""
    times: Times = {True: [], False: []}
    for number in range(rounds + 10):
        for is_wrapped in (number % 2 == 0, number % 2 == 1):
            start = clock()
            do(clients[is_wrapped])
            times[is_wrapped].append(clock() - start)
    return {key: statistics.median(each[10:]) * 1e6 for key, each in times.items()}


def overhead(rounds: int = 400) -> Overhead:
    """
    Measure what recording adds.

    Args:
        rounds: How often each client calls; of streams a quarter of it.
    """
    with serving() as server, tempfile.TemporaryDirectory() as directory:
        clients = {True: wrap_openai(made(server)), False: made(server)}
        with Tracer("agent", directory):
            server.will(answer(completion(choice())))
            calls = taken(clients, call, rounds)
            server.will(chat_stream("tok "))
            waits = taken(clients, first_chunk, rounds, time.perf_counter)
            streams: dict[int, dict[bool, float]] = {}
            for pieces in (FEW, MANY):
                server.will(chat_stream(*["tok "] * pieces))
                streams[pieces] = taken(clients, read, rounds // 4)
        for client in clients.values():
            client.close()
    each = {
        key: (streams[MANY][key] - streams[FEW][key]) / (MANY - FEW)
        for key in (True, False)
    }
    return Overhead(
        call=calls[True] - calls[False],
        chunk=each[True] - each[False],
        first_chunk=waits[True] - waits[False],
        plain_call=calls[False],
        plain_chunk=each[False],
    )


def made(server: LlmServer) -> Any:
    """Return a client that asks the server."""
    import openai

    return openai.OpenAI(base_url=f"{server.address}/v1", api_key="x", max_retries=0)


if __name__ == "__main__":
    for name, microseconds in overhead()._asdict().items():
        print(f"{name:12} {microseconds:8.1f} µs")
