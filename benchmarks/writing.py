"""
What recording costs with ai_trace: one row a process.

    python benchmarks/writing.py step
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import wrapt
from _timing import Work, main

from ai_trace import Tracer, propagate, step, traced


STEPS = 5_000
TASKS = 50
THREADS = 4
DEPTH = 5
PROMPT = "You are a trading agent. Say what to do with what you hold. " * 1_700
TURNS = [
    {
        "role": ("user", "assistant")[turn % 2],
        "content": f"Turn {turn}: " + "word " * 90,
    }
    for turn in range(80)
]


@traced
def answer(question: int) -> int:
    """Stand for the smallest function that an agent may have."""
    return question


@traced
async def answer_later(question: int) -> int:
    """Stand for the smallest coroutine function."""
    return question


@traced
def answers(question: int) -> Iterator[int]:
    """Stand for a stream of three items."""
    yield question
    yield question
    yield question


@wrapt.decorator
def bare(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Do nothing, as a decorator."""
    return wrapped(*args, **kwargs)


@bare
def answer_bare(question: int) -> int:
    """Stand for the same under a decorator that does nothing."""
    return question


def on(**options: Any) -> Work:
    """Make the step that all recorders are compared by."""
    tracer = Tracer("bench", **options)

    def work(count: int) -> None:
        for n in range(count):
            with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
                scan.log(signal=0.87, action="BUY")

    return work


def calling(function: Any) -> Work:
    """Call a function as often as asked."""

    def work(count: int) -> None:
        for n in range(count):
            function(n)

    return work


def recording(work: Work) -> Work:
    """Do the same where a tracer is current, for the rest of the process."""
    Tracer("bench").activate()
    return work


def without_tracer(count: int) -> None:
    """Make steps where there is no tracer."""
    for n in range(count):
        with step("market_scan", symbol="BTCUSDT", price=101.5, n=n):
            pass


def awaiting(count: int) -> None:
    """Await one coroutine after another."""

    async def main() -> None:
        for n in range(count):
            await answer_later(n)

    asyncio.run(main())


def streaming(count: int) -> None:
    """Exhaust generators of three items."""
    for n in range(count):
        for _ in answers(n):
            pass


def nested(count: int) -> None:
    """Make steps inside of steps: the cost is that of one of them."""
    for _ in range(count // DEPTH):
        with step("a", n=1), step("b", n=2), step("c", n=3), step("d", n=4), step("e"):
            pass


def at_once(count: int) -> None:
    """Run tasks at the same time, each of which makes a step around a sleep."""

    async def one(n: int) -> None:
        with step("fetch", n=n):
            await asyncio.sleep(0)

    async def main() -> None:
        for _ in range(count // TASKS):
            await asyncio.gather(*(one(n) for n in range(TASKS)))

    asyncio.run(main())


def in_threads(number: int) -> Work:
    """Share the steps among threads."""
    tracer = Tracer("bench")
    one = on_tracer(tracer)

    def work(count: int) -> None:
        threads = [
            threading.Thread(target=propagate(one), args=(count // number,))
            for _ in range(number)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return work


def on_tracer(tracer: Tracer) -> Work:
    """Make steps of one tracer."""

    def work(count: int) -> None:
        for n in range(count):
            with tracer.step("market_scan", symbol="BTCUSDT", n=n):
                pass

    return work


def prompting(count: int) -> None:
    """Record a prompt of 100 kB that is another one each time."""
    for n in range(count):
        with step("ask", prompt=f"{n} {PROMPT}"):
            pass


def conversing(count: int) -> None:
    """Record a conversation of 80 turns, whose last turn is another one each time."""
    for n in range(count):
        turns = [*TURNS[:-1], {"role": "user", "content": f"Turn {n}"}]
        with step("ask", messages=turns):
            pass


ROWS = {
    "step": (STEPS, on),
    "step without journal": (STEPS, lambda: on(journal=False)),
    "step without journal and redaction": (
        STEPS,
        lambda: on(journal=False, redact=False),
    ),
    "no tracer: traced": (STEPS * 10, lambda: calling(answer)),
    "no tracer: step": (STEPS * 10, lambda: without_tracer),
    "bare wrapt.decorator": (STEPS * 10, lambda: calling(answer_bare)),
    "traced function": (STEPS, lambda: recording(calling(answer))),
    "traced coroutine": (STEPS, lambda: recording(awaiting)),
    "traced generator of 3 items": (STEPS, lambda: recording(streaming)),
    "5 deep, a step": (STEPS, lambda: recording(nested)),
    "50 tasks at once, a step": (STEPS, lambda: recording(at_once)),
    "1 thread, a step": (STEPS, lambda: in_threads(1)),
    "4 threads, a step": (STEPS, lambda: in_threads(THREADS)),
    "prompt of 100 kB": (200, lambda: recording(prompting)),
    "conversation of 80 turns": (500, lambda: recording(conversing)),
}


if __name__ == "__main__":
    main(ROWS)
