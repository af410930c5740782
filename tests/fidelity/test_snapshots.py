"""Snapshots: what is recorded is what was seen, and nothing is touched by recording."""

from __future__ import annotations

import asyncio
import copy
import io
from collections import deque
from dataclasses import dataclass, field

import pytest

from ai_trace import current_step, step, traced


@dataclass
class Position:
    symbol: str
    orders: list = field(default_factory=list)


def test_argument_mutated_in_the_body(recording, shape):
    """An argument that the body mutates is recorded as it was at the call."""
    book = {"bids": [1, 2]}

    def body(state):
        assert state is book
        state["bids"].append(3)
        return len(state["bids"])

    assert shape.results(3) == shape.call(shape.build(body), book)
    line = recording.one(shape.step_name)
    assert {"state": {"bids": [1, 2]}} == line["context"]
    assert shape.result(3) == line["result"]


def test_argument_mutated_after_the_call(recording, plain_shape):
    """An argument mutated between the call and the first advance is as at the call."""
    book = [1, 2]
    returned = plain_shape.build(lambda state: None)(book)
    book.append(3)
    plain_shape.run(returned)

    assert {"state": [1, 2]} == recording.one("decide")["context"]


def test_result_mutated_by_the_caller(recording, plain_shape):
    """A result that the caller mutates is recorded as it was when given."""
    given = []

    def body(state):
        given.append(["signal"])
        return given[0]

    returned = plain_shape.call(plain_shape.build(body), 1)
    given[0].append("mutated")

    assert plain_shape.results(given[0]) == returned
    assert plain_shape.result(["signal"]) == recording.one("decide")["result"]


def test_result_is_the_identical_object(recording, shape):
    """The object that a body returns or yields is the one that its caller gets."""
    given = Position("BTCUSDT")

    returned = shape.call(shape.build(lambda state: given), 1)

    assert given is (returned[0] if "generator" in shape.kind else returned)


def test_context_of_a_step_mutated_inside(recording):
    """A step's context is as it was when the step was made."""
    prices = [1.0]
    with step("scan", prices=prices):
        prices.append(2.0)

    assert {"prices": [1.0]} == recording.one("scan")["context"]
    assert [1.0, 2.0] == prices


def test_context_mutated_before_a_late_start(recording):
    """A step by hand records its context as it was when it was given."""
    prices = [1.0]
    scan = recording.tracer.step("scan", prices=prices)
    prices.append(2.0)
    scan.start().finish()

    assert {"prices": [1.0]} == recording.one("scan")["context"]


def test_log_value_mutated_afterwards(recording):
    """A logged value is as it was when it was logged, each time it is logged."""
    orders = []
    with step("trade") as trade:
        for number in range(3):
            orders.append(number)
            trade.log(orders=orders)
        orders.clear()

    assert [[0], [0, 1], [0, 1, 2]] == [
        entry["orders"] for entry in recording.one("trade")["logs"]
    ]


def test_set_result_mutated_afterwards(recording):
    """A result set by hand is as it was when it was set."""
    decision = {"side": "buy"}
    with step("decide") as decide:
        decide.set_result(decision)
        decision["side"] = "sell"

    assert {"side": "buy"} == recording.one("decide")["result"]


def test_result_set_by_the_body_beats_the_return_value(recording):
    """What a body sets as its step's result is kept over what it returns."""

    @traced(name="decide")
    def decide():
        current_step().set_result("buy")
        return object()

    decide()

    assert "buy" == recording.one("decide")["result"]


def test_nested_state_is_deep(recording):
    """The snapshot goes all the way down."""
    position = Position("BTCUSDT", [{"legs": [1]}])
    with step("trade", position=position):
        position.orders[0]["legs"].append(2)
        position.symbol = "ETHUSDT"

    assert {
        "position": {"symbol": "BTCUSDT", "orders": [{"legs": [1]}]}
    } == recording.one("trade")["context"]


def test_meta_mutated_after_construction(record):
    """The session's meta is as it was when the tracer was made."""
    meta = {"models": ["haiku"]}
    with record(meta=meta) as recording:
        meta["models"].append("opus")
        meta["late"] = True
        with step("scan"):
            pass

    assert {"models": ["haiku"]} == recording.lines[0]["session"]["meta"]


class Watched:
    """An iterator that tells whether anyone advanced it."""

    def __init__(self) -> None:
        self.advanced = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.advanced += 1
        raise StopIteration


class WatchedAsync:
    """An async iterator and context manager that tells whether anyone used it."""

    def __init__(self) -> None:
        self.advanced = 0

    def __aiter__(self):
        self.advanced += 1
        return self

    def __anext__(self):
        self.advanced += 1
        raise StopAsyncIteration

    def __await__(self):
        self.advanced += 1
        return iter(())


def generate():
    yield from (1, 2, 3)


async def generate_async():
    yield 1


STREAMS = [
    pytest.param(lambda: iter([1, 2, 3]), list, [1, 2, 3], id="list iterator"),
    pytest.param(lambda: map(str, [1, 2]), list, ["1", "2"], id="map"),
    pytest.param(lambda: zip([1], [2]), list, [(1, 2)], id="zip"),
    pytest.param(generate, list, [1, 2, 3], id="generator"),
    pytest.param(lambda: (x for x in "ab"), list, ["a", "b"], id="expression"),
    pytest.param(lambda: io.StringIO("quote\n"), list, ["quote\n"], id="text file"),
    pytest.param(lambda: io.BytesIO(b"q"), io.BytesIO.read, b"q", id="binary file"),
    pytest.param(lambda: deque([1, 2]), list, [1, 2], id="deque"),
    pytest.param(Watched, lambda it: it.advanced, 0, id="own iterator"),
    pytest.param(WatchedAsync, lambda it: it.advanced, 0, id="own async iterator"),
]


@pytest.mark.parametrize(("make", "read", "content"), STREAMS)
def test_streams_are_not_consumed_as_arguments(
    recording, plain_shape, make, read, content
):
    """A stream given as an argument reaches the body whole and as itself."""
    stream = make()

    def body(state):
        assert state is stream
        return read(state)

    assert plain_shape.results(content) == plain_shape.call(
        plain_shape.build(body), stream
    )
    assert 1 == len(recording.lines)


@pytest.mark.parametrize(("make", "read", "content"), STREAMS)
def test_streams_are_not_consumed_as_results(
    recording, plain_shape, make, read, content
):
    """A stream given as a result reaches the caller whole and as itself."""
    stream = make()

    returned = plain_shape.call(plain_shape.build(lambda state: stream), 1)
    given = returned[0] if "generator" in plain_shape.kind else returned

    assert stream is given
    assert content == read(given)
    assert 1 == len(recording.lines)


@pytest.mark.parametrize(("make", "read", "content"), STREAMS)
def test_streams_are_not_consumed_in_steps(recording, make, read, content):
    """A stream in a step's context, log or result is left as it was."""
    stream = make()
    with step("scan", stream=stream, nested=[{"stream": stream}]) as scan:
        scan.log(stream=stream)
        scan.set_result(stream)

    assert content == read(stream)
    assert 1 == len(recording.lines)


def test_awaitables_as_results_are_not_awaited(recording, finish):
    """A plain function that returns a coroutine gives it out untouched."""

    async def later():
        return "awaited"

    @traced(name="make")
    def make():
        return later()

    assert "awaited" == finish(make())
    assert "ok" == recording.one("make")["outcome"]


def test_async_streams_as_arguments_are_not_consumed(recording):
    """An async generator given as an argument is consumed by the body alone."""

    @traced(name="consume")
    async def consume(stream):
        return [item async for item in stream]

    assert [1] == asyncio.run(consume(generate_async()))
    assert [1] == recording.one("consume")["result"]


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [1, {"c": (1, 2)}]},
        [3, 1, 2],
        Position("BTCUSDT", [1]),
        {1, 2, 3},
        bytearray(b"abc"),
        {("tuple", "key"): 1, None: 2, 3: "three"},
        {"nan": [1.5, float("inf")], "big": 10**30},
    ],
    ids=["dict", "list", "dataclass", "set", "bytearray", "odd keys", "numbers"],
)
def test_values_are_never_mutated(recording, value):
    """Recording a value leaves it equal to what it was."""
    before = copy.deepcopy(value)
    with step("scan", value=value) as scan:
        scan.log(value=value)
        scan.set_result(value)

    assert before == value
    assert 1 == len(recording.lines)


def test_keyword_dictionaries_are_the_callers_own(recording):
    """A dictionary spread into a call is neither kept nor changed."""
    options = {"depth": 3}

    @traced(name="scan")
    def scan(**options):
        options["depth"] = 9
        return options

    assert {"depth": 9} == scan(**options)
    assert {"depth": 3} == options
    assert [{"depth": 3}] == list(recording.one("scan")["context"].values())
