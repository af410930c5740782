"""Objects that are compared by identity: what they are connected with is named."""

from __future__ import annotations

import dataclasses
import gc
from typing import Any

import attrs
import pytest
import trio


@attrs.define(eq=False)
class Worker:
    """One of many, each of which knows the pool that knows them all."""

    pool: Any
    name: str = "worker"


@attrs.define(eq=False)
class Pool:
    """A scheduler: whoever holds one of its workers holds all of them."""

    size: int
    workers: list[Any] = attrs.field(factory=list)
    options: dict[str, Any] = attrs.field(factory=dict)

    def filled(self) -> Pool:
        """Fill it."""
        self.workers += [Worker(self) for _ in range(self.size)]
        return self


@dataclasses.dataclass
class Order:
    """Data: two of the same fields are equal."""

    symbol: str
    by: Any = None


@dataclasses.dataclass(eq=False)
class Node:
    """A node of a tree; of a kind with its children."""

    name: str
    children: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Leaf(Node):
    """Another node."""

    weight: int = 0


@attrs.define(eq=False)
class Weighed:
    """A thing that says itself what equals it."""

    weight: int
    inner: Any = None

    def __eq__(self, other: object) -> bool:
        """Tell whether it weighs the same."""
        return False

    __hash__ = None  # type: ignore[assignment]


NAMED = f"<{__name__}.Pool>"


def test_a_thing_by_itself(show):
    """What was given is shown, and the data in it; the things in it are named."""
    seen = show(Worker(Pool(3, options={"a": 1}).filled()))

    assert {"pool": NAMED, "name": "worker"} == seen.value
    assert ("opaque", f"{__name__}.Pool") == (
        seen.notes[0]["note"],
        seen.notes[0]["type"],
    )
    assert seen.notes[0]["path"].endswith(".pool")


def test_a_thing_in_data(show):
    """In data a thing is shown as by itself, each of several."""
    seen = show([Order("BTC", by=Worker(Pool(2), "a")), {"who": Worker(None, "b")}])

    assert [
        {"symbol": "BTC", "by": {"pool": NAMED, "name": "a"}},
        {"who": {"pool": None, "name": "b"}},
    ] == seen.value


def test_data_in_a_thing(show):
    """Data in a thing is shown in full; what other things it leads to are named."""
    pool = Pool(1, options={"orders": [Order("BTC", by=Order("ETH", by=Worker(None)))]})

    seen = show(pool)

    worker = f"<{__name__}.Worker>"
    order = {"symbol": "BTC", "by": {"symbol": "ETH", "by": worker}}
    assert {"size": 1, "workers": [], "options": {"orders": [order]}} == seen.value


def test_a_tree_of_things(show):
    """Things of one family are shown in each other, as deep as anything."""
    tree = Node("root", [Leaf("a", [Node("b")], weight=2), Leaf("c", [Worker(None)])])

    seen = show(tree)

    b = {"name": "b", "children": []}
    a = {"name": "a", "children": [b], "weight": 2}
    c = {"name": "c", "children": [f"<{__name__}.Worker>"], "weight": 0}
    assert {"name": "root", "children": [a, c]} == seen.value


def test_what_says_itself_what_equals_it(show):
    """A class with a comparison of its own is data, whatever its decorator was told."""
    seen = show(Pool(1, workers=[Weighed(2, Weighed(3))]))

    assert [{"weight": 2, "inner": {"weight": 3, "inner": None}}] == (
        seen.value["workers"]
    )


@pytest.mark.parametrize("tasks", [1, 1000])
def test_what_hangs_on_a_scheduler(show_nested, tasks):
    """A scope or a task of trio's costs the same, however many tasks there are."""

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(trio.sleep_forever)
            await trio.lowlevel.checkpoint()
            scope = nursery.cancel_scope
            seen = show_nested(scope)
            assert "<trio._core._run.CancelStatus>" == seen.value["_cancel_status"]
            assert len(str(seen.value)) < 500
            seen = show_nested(trio.lowlevel.current_task())
            assert "<coroutine>" == seen.value["coro"]
            assert "<trio._core._run.Runner>" == seen.value["_runner"]
            assert len(str(seen.value)) < 1000
            nursery.cancel_scope.cancel()

    trio.run(main)
    gc.collect()
