"""Objects that are called can do what they could before, and are asked as before."""

from __future__ import annotations

import asyncio
import inspect
import os
import typing

import pytest
import wrapt

from ai_trace import traced


class Layers:
    """An object that is called, and can do more."""

    def __init__(self):
        self.names = ["first", "second"]

    def __call__(self, x):
        return x + 1

    def __iter__(self):
        return iter(self.names)

    def __reversed__(self):
        return iter(self.names[::-1])

    def __fspath__(self):
        return "layers.txt"

    def __await__(self):
        return iter(())

    async def __aiter__(self):
        for name in self.names:
            yield name


class Whole(Layers):
    """Takes away what its base can."""

    __iter__ = None


class Countdown:
    """An iterator that is called to start it again."""

    def __init__(self):
        self.left = 2

    def __call__(self):
        self.left = 2

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return self.left


class Ask:
    """Asks a model."""

    async def __call__(self, prompt, retries=3):
        return f"{prompt}?"


class Stream:
    """Streams what a model says."""

    def __call__(self, prompt):
        yield prompt


class Rows:
    """Is a sequence of the old kind, without a method for iteration."""

    def __call__(self):
        return "rows"

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return ("first", "second")[number]


class Plain:
    """Is called, and that is all."""

    def __call__(self):
        return "plain"


def test_it_is_iterated_and_awaited_as_before(recording, decorate):
    """What wrapt's proxies leave out as well."""
    layers = decorate(Layers())

    async def gathered():
        await layers
        return [name async for name in layers]

    assert ["first", "second"] == list(layers) == asyncio.run(gathered())
    assert ["second", "first"] == list(reversed(layers))
    assert "layers.txt" == os.fspath(layers)
    assert [1, 0] == list(decorate(Countdown()))
    assert ["second", "first"] == list(reversed(decorate(Rows())))
    assert ["first", "second"] == list(decorate(Rows()))
    assert 2 == layers(1)
    assert decorate is not traced or ["Layers"] == recording.names


@pytest.mark.skipif(
    hasattr(wrapt.FunctionWrapper, "__iter__"),
    reason="NOT TRIED: what wrapt before 2.0 makes says of itself that it is iterable",
)
@pytest.mark.parametrize("make", [Layers, Whole, Countdown, Plain, Ask])
def test_it_is_no_more_iterable_than_before(make, decorate):
    """The abstract classes find in it what its own class has."""
    kinds = (typing.Iterable, typing.Iterator, typing.Awaitable, typing.AsyncIterable)
    found = decorate(make())

    assert [isinstance(make(), kind) for kind in kinds] == [
        isinstance(found, kind) for kind in kinds
    ]


def test_frameworks_ask_its_call_whether_it_runs_later(decorate):
    """As Starlette and FastAPI do, before they put a plain one in a thread."""
    assert inspect.iscoroutinefunction(decorate(Ask()).__call__)
    assert inspect.isgeneratorfunction(decorate(Stream()).__call__)
    assert ["prompt", "retries"] == [
        *inspect.signature(decorate(Ask()).__call__).parameters
    ]


def test_its_call_records_under_the_same_name(recording):
    """Whoever calls it by that attribute calls the traced object."""
    ask = traced(kind="llm", exclude=["retries"])(Ask())

    assert "BTC?" == asyncio.run(ask.__call__("BTC"))
    assert "ETH?" == asyncio.run(ask("ETH"))

    assert [("Ask", "llm", {"prompt": "BTC"}), ("Ask", "llm", {"prompt": "ETH"})] == [
        (line["name"], line["kind"], line["context"]) for line in recording.lines
    ]
