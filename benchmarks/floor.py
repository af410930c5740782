"""
The floor: what a step costs if nothing of it is checked.

    python benchmarks/floor.py step

The same calls, the same line, the same three writes as those of ai_trace: the start and
the log entry to a journal, the step to its file. Left out is all that makes a recorder
trustworthy: no look at the values, no secrets, no limits, no fence, no look at the
files, no second sink, no thread, no end that was met before. With the encoder of the
extra ``fast``. What this takes is the interpreter's and the system's: it is how near to
the limit in peers.py a recorder in Python can come that is used by ``with`` and keeps a
journal.
"""

from __future__ import annotations

import itertools
import os
import time
from contextvars import ContextVar
from typing import Any

import msgspec
from _timing import Work, main

from ai_trace._moments import THREE_DIGITS, Moments, moment_text


STEPS = 5_000
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
encode = msgspec.json.Encoder().encode
current: ContextVar[Any] = ContextVar("current", default=None)


class Tracer:
    """Makes steps, and writes them."""

    def __init__(self, *, journal: bool) -> None:
        self.file = os.open("out.jsonl", FLAGS, 0o600)
        self.journal = os.open("out.open", FLAGS, 0o600) if journal else None
        self.next_seq = itertools.count(1).__next__
        self.ids = iter(os.urandom(8 * STEPS * 20).hex(" ", 8).split())
        self.open_steps: dict[str, Step] = {}
        self.split = Moments().split

    def step(self, name: str, /, **context: Any) -> Step:
        """Make a step."""
        return Step(self, name, context)


class Step:
    """One step."""

    __slots__ = ("context", "first", "id", "logs", "name", "origin", "tracer", "when")

    def __init__(self, tracer: Tracer, name: str, context: dict[str, Any]) -> None:
        self.tracer = tracer
        self.name = name
        self.context = encode(context).decode()
        self.logs: list[str] = []

    def __enter__(self) -> Step:
        """Write the start to the journal."""
        tracer = self.tracer
        self.when = second, micro = tracer.split(time.time())
        self.id = step_id = next(tracer.ids)
        tracer.open_steps[step_id] = self
        self.first = first = (
            f'{{"name":"{self.name}","kind":"step","id":"{step_id}","parent_id":null,'
            f'"trace_id":"01a2145a7d50718e{step_id}","seq":{tracer.next_seq()},'
            f'"context":{self.context},"started_at":{moment_text(second, micro)}'
        )
        if tracer.journal is not None:
            os.write(tracer.journal, f"{first}}}\n".encode())
        self.origin = time.perf_counter()
        current.set(self)
        return self

    def log(self, /, **fields: Any) -> Step:
        """Write a log entry to the journal."""
        second, micro = self.when
        now = micro + int((time.perf_counter() - self.origin) * 1_000_000)
        entry = f'{{"_t":{moment_text(second, now)},{encode(fields).decode()[1:]}'
        self.logs.append(entry)
        if self.tracer.journal is not None:
            line = f'{{"log":"{self.id}","n":{len(self.logs) - 1},"entry":{entry}}}\n'
            os.write(self.tracer.journal, line.encode())
        return self

    def __exit__(self, *_: object) -> None:
        """Write the step to its file."""
        took = int((time.perf_counter() - self.origin) * 1_000_000)
        second, micro = self.when
        line = (
            f'{self.first},"finished_at":{moment_text(second, micro + took)},'
            f'"duration_ms":{took // 1000}.{THREE_DIGITS[took % 1000]},"outcome":"ok",'
            f'"error":null,"logs":[{",".join(self.logs)}]}}\n'
        )
        os.write(self.tracer.file, line.encode())
        del self.tracer.open_steps[self.id]
        current.set(None)


def on(*, journal: bool) -> Work:
    """Make the step that all recorders are compared by."""
    tracer = Tracer(journal=journal)

    def work(count: int) -> None:
        for n in range(count):
            with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
                scan.log(signal=0.87, action="BUY")

    return work


ROWS = {
    "step": (STEPS, lambda: on(journal=True)),
    "step without journal": (STEPS, lambda: on(journal=False)),
}


if __name__ == "__main__":
    main(ROWS)
