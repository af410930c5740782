"""
The public API as type checkers see it. Never run: mypy and pyright read it.

Wrong calls carry the suppression of each checker; both report a suppression that
nothing needs, so that a wrong call which is let through is an error too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Callable, Generic, Optional, TypeVar, overload

from typing_extensions import TypeIs, assert_type

from ai_trace import (
    JSONLSink,
    JSONSink,
    Limits,
    MarkdownSink,
    MemorySink,
    Sink,
    Step,
    StepRecord,
    TraceConfigError,
    TraceError,
    Tracer,
    TraceReadError,
    current_step,
    current_tracer,
    propagate,
    step,
    traced,
)


T = TypeVar("T")


# -- traced on functions -----------------------------------------------------


@traced
def plain(symbol: str, *, size: float = 1.0) -> int:
    return len(symbol)


@traced()
def plain_with_parentheses(symbol: str, *, size: float = 1.0) -> int:
    return len(symbol)


@traced(name="decide", kind="llm", args=["symbol"], exclude=["size"], result=False)
def plain_with_options(symbol: str, *, size: float = 1.0) -> int:
    return len(symbol)


assert_type(plain("BTC", size=2.0), int)
assert_type(plain_with_parentheses("BTC", size=2.0), int)
assert_type(plain_with_options("BTC", size=2.0), int)
plain(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain("BTC", 2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
plain_with_options()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
plain_with_options("BTC", size="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@traced
def generic(value: T, many: int) -> list[T]:
    return [value] * many


assert_type(generic("BTC", 2), list[str])


@traced
def takes_all(first: int, *rest: str, **more: bool) -> None: ...


takes_all(1, "a", "b", c=True)
takes_all(1, 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@traced
def is_int(value: object) -> TypeIs[int]:
    return isinstance(value, int)


def narrowed(value: int | str) -> int:
    return value if is_int(value) else len(value)


@traced(kind="tool")
@lru_cache
def cached(symbol: str) -> int:
    return len(symbol)


assert_type(cached("BTC"), int)
cached.cache_clear()

traced(kind="lmm")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
Tracer("agent", durability="disk")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
JSONLSink("run.jsonl", durability="disk")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- traced on coroutines and generators -------------------------------------


@traced
async def fetch(symbol: str) -> float:
    return 1.0


@traced(kind="tool")
async def fetch_with_options(symbol: str) -> float:
    return 1.0


@traced
def bars(count: int) -> Iterator[float]:
    yield 1.0


@traced(args=False)
def conversation(count: int) -> Generator[str, int, bool]:
    yield "hello"
    return True


@traced
async def ticks(symbol: str) -> AsyncIterator[float]:
    yield 1.0


@traced(exclude=["symbol"])
async def dialogue(symbol: str) -> AsyncGenerator[str, int]:
    yield "hello"


async def uses_coroutines_and_generators() -> None:
    assert_type(await fetch("BTC"), float)
    assert_type(await fetch_with_options("BTC"), float)
    assert_type(bars(1), Iterator[float])
    assert_type(conversation(1), Generator[str, int, bool])
    assert_type(conversation(1).send(2), str)
    assert_type(ticks("BTC"), AsyncIterator[float])
    assert_type(dialogue("BTC"), AsyncGenerator[str, int])
    assert_type(await dialogue("BTC").asend(2), str)
    await fetch(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- traced in classes -------------------------------------------------------


class Agent:
    @traced
    def decide(self, symbol: str) -> int:
        return 1

    @traced(name="decide")
    def decide_with_options(self, symbol: str) -> int:
        return 1

    @traced
    async def fetch(self, symbol: str) -> float:
        return 1.0

    @traced
    def bars(self, count: int) -> Iterator[float]:
        yield 1.0

    @classmethod
    @traced
    def make(cls, name: str) -> Agent:
        return cls()

    @traced
    @classmethod
    def make_outside(cls, name: str) -> Agent:
        return cls()

    @traced(kind="agent")
    @classmethod
    def make_outside_with_options(cls, name: str) -> Agent:
        return cls()

    @staticmethod
    @traced
    def round(price: float) -> int:
        return int(price)

    @traced
    @staticmethod
    def round_outside(price: float) -> int:
        return int(price)

    @traced(kind="tool")
    @staticmethod
    def round_outside_with_options(price: float) -> int:
        return int(price)

    @property
    @traced
    def budget(self) -> float:
        return 1.0


agent = Agent()
assert_type(agent.decide("BTC"), int)
assert_type(Agent.decide(agent, "BTC"), int)
assert_type(agent.decide_with_options("BTC"), int)
assert_type(agent.bars(1), Iterator[float])
assert_type(Agent.make("a"), Agent)
assert_type(agent.make("a"), Agent)
assert_type(Agent.make_outside("a"), Agent)
assert_type(agent.make_outside("a"), Agent)
assert_type(Agent.make_outside_with_options("a"), Agent)
assert_type(Agent.round(1.0), int)
assert_type(agent.round(1.0), int)
assert_type(Agent.round_outside(1.0), int)
assert_type(agent.round_outside(1.0), int)
assert_type(Agent.round_outside_with_options(1.0), int)
assert_type(agent.budget, float)
agent.decide(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Agent.make(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Agent.make_outside(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Agent.round("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Agent.round_outside("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def uses_async_method() -> None:
    assert_type(await agent.fetch("BTC"), float)


class Store(Generic[T]):
    @traced
    def get(self, key: str, default: T) -> T:
        return default


assert_type(Store[int]().get("a", 1), int)


# -- traced on other things that can be called -------------------------------


class Model:
    def __call__(self, prompt: str) -> list[str]:
        return [prompt]


model = traced(Model())
assert_type(model("hello"), list[str])
model(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

model_with_options = traced(kind="llm")(Model())
assert_type(model_with_options("hello"), list[str])

bound = traced(partial(plain, "BTC"))
assert_type(bound(size=1.0), int)

doubled: Callable[[int], int] = traced(lambda x: x * 2)
assert_type(doubled(1), int)

length = traced(len)
assert_type(length([1]), int)

traced(1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
traced(nme="decide")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
traced(exclude=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@overload
def either(value: int) -> int: ...
@overload
def either(value: str) -> str: ...
@traced
def either(value: int | str) -> int | str:
    return value


assert_type(either(1), int)
assert_type(either("a"), str)


# -- Tracer and Step ---------------------------------------------------------


class Printer:
    """The least that a sink is."""

    def on_finish(self, record: StepRecord) -> None:
        print(record.name, record.outcome)


class Alert:
    """A sink calls what it is given as it likes."""

    def on_finish(self, finished: StepRecord) -> None: ...


class NotASink:
    def on_finish(self, record: str) -> None: ...


printer: Sink = Printer()
stores: Sequence[Sink] = [
    JSONLSink("a.jsonl"),
    JSONSink(Path("a.json")),
    MarkdownSink("a.md"),
    MemorySink(),
    Alert(),
]
wrong: Sink = NotASink()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

Tracer("agent")
Tracer("agent", "traces", False, {"model": "claude-haiku-4-5"})
Tracer(
    "agent", Path("traces"), meta={"n": 1}, sinks=[printer, *stores], limits=Limits()
)
Tracer()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Tracer("agent", sinks=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

with Tracer("agent") as tracer:
    assert_type(tracer, Tracer)
    assert_type(tracer.activate(), Tracer)
    assert_type(tracer.add_sink(printer), Tracer)
    assert_type(tracer.save(), Path)
    assert_type(tracer.save_markdown(), Path)
    assert_type(tracer.path, Optional[Path])
    assert_type(tracer.steps, Sequence[StepRecord])
    assert_type(tracer.summary(), dict[str, Any])
    tracer.close()

    with tracer.step("scan", symbol="BTC", name="any key", self=1) as scan:
        assert_type(scan, Step)
        assert_type(scan.log(signal=0.9).set_result(1).log(note="n"), Step)

    with step("scan", symbol="BTC", name="any key") as scan:
        assert_type(scan, Step)

    by_hand = step("by hand").start().log(a=1)
    assert_type(by_hand, Step)
    assert_type(by_hand.fail("reason"), Step)
    assert_type(by_hand.finish("ok"), Step)
    assert_type(by_hand.finish("cancelled"), Step)
    by_hand.finish("fine")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(by_hand.name, str)
    assert_type(by_hand.id, str)
    assert_type(by_hand.parent_id, Optional[str])
    assert_type(by_hand.context, dict[str, Any])
    assert_type(by_hand.logs, list[dict[str, Any]])
    assert_type(by_hand.outcome, Optional[str])
    assert_type(by_hand.error, Optional[str])
    assert_type(by_hand.duration_ms, Optional[float])
    assert_type(by_hand.to_dict(), dict[str, Any])

step(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(current_step(), Optional[Step])
assert_type(current_tracer(), Optional[Tracer])


async def uses_async_blocks() -> None:
    async with Tracer("agent") as tracer, tracer.step("scan") as scan:
        assert_type(tracer, Tracer)
        assert_type(scan, Step)


def swallows_nothing(name: str) -> int:
    """A step block lets exceptions through, so that no return is missing here."""
    with step(name):
        return 1


def tracer_swallows_nothing(name: str) -> int:
    with Tracer(name):
        return 1


# -- propagate and errors ----------------------------------------------------

assert_type(propagate(plain)("BTC", size=1.0), int)
propagate(plain)(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

with ThreadPoolExecutor() as pool:
    assert_type(pool.submit(propagate(plain), "BTC").result(), int)
    assert_type(list(pool.map(propagate(plain), ["BTC"])), list[int])

config_error: TraceError = TraceConfigError("text")
read_error: TraceError = TraceReadError("text")
