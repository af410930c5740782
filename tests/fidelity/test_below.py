"""
Decorators below ``traced``: what they change of a function's calls stays changed.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import types

import pytest
import wrapt

from ai_trace import Tracer, traced


pytestmark = pytest.mark.usefixtures("recording")


@wrapt.decorator
def gathered(wrapped, instance, args, kwargs):
    """Give a list in the place of a generator."""
    return list(wrapped(*args, **kwargs))


@wrapt.decorator
def run_now(wrapped, instance, args, kwargs):
    """Run a coroutine to its end."""
    return asyncio.run(wrapped(*args, **kwargs))


@wrapt.decorator
def passed_on(wrapped, instance, args, kwargs):
    """Change nothing."""
    return wrapped(*args, **kwargs)


def with_connection(function):
    """Give a function one argument more than it is called with."""

    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function("connection", *args, **kwargs)

    return inner


# -- what gives something else than it says ------------------------------------------


def test_a_generator_that_is_gathered_below(recording):
    """A list comes where the decorator makes one, and is the result."""

    @traced(name="three")
    @gathered
    def three():
        yield from range(3)

    assert [0, 1, 2] == three()
    assert [0, 1, 2] == recording.one("three")["result"]


def test_a_coroutine_that_is_run_below(recording):
    """The value comes where the decorator runs the coroutine, or what it raised."""

    @traced(name="now")
    @run_now
    async def now(value):
        if value < 0:
            raise ValueError(value)
        return value

    assert 5 == now(5)
    with pytest.raises(ValueError, match="-1"):
        now(-1)

    first, second = recording.named("now")
    assert (5, "ok", {"value": 5}) == (
        first["result"],
        first["outcome"],
        first["context"],
    )
    assert "error" == second["outcome"]


def test_a_coroutine_that_is_passed_on_below(recording):
    """What is still a coroutine is a step that lasts until it has run."""

    @traced(name="later")
    @passed_on
    async def later(value):
        await asyncio.sleep(0)
        inside()
        return value

    @traced(name="inside")
    def inside():
        pass

    assert 5 == asyncio.run(later(5))
    assert 5 == recording.one("later")["result"]
    assert ["later"] == recording.parents()["inside"]


def test_a_generator_that_is_passed_on_below(recording):
    """What is still a generator is one, by its name too."""

    @traced(name="items")
    @passed_on
    def items():
        yield 1
        return 2

    made = items()
    assert inspect.isgenerator(made)
    assert "items" == made.__name__
    assert [1] == list(made)
    result = {"count": 1, "items": [1], "returned": 2}
    assert result == recording.one("items")["result"]


def test_nothing_is_driven_of_a_closed_tracer(tmp_path):
    """A step that is not recorded changes nothing of what comes, either."""

    @traced
    @gathered
    def three():
        yield from range(3)

    tracer = Tracer("agent", tmp_path)
    with tracer:
        tracer.close()
        assert [0, 1, 2] == three()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.12 has the mark")
def test_a_function_that_is_marked_a_coroutine_function(recording):
    """It runs at its call, as before, and not when what it returned is awaited."""
    ran = []

    async def work():
        ran.append("work")

    @traced(name="start")
    @inspect.markcoroutinefunction
    def start():
        ran.append("start")
        return asyncio.ensure_future(work())

    async def main():
        task = start()
        assert ["start"] == ran
        await task

    asyncio.run(main())
    assert ["start", "work"] == ran
    assert "ok" == recording.one("start")["outcome"]


# -- generators that can be awaited --------------------------------------------------


@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
def test_what_types_coroutine_makes(recording, above):
    """It can be awaited with the mark above the decorator and below it."""

    def waits(value):
        yield
        return value

    if above:
        made = types.coroutine(traced(name="waits")(waits))
    else:
        made = traced(name="waits")(types.coroutine(waits))

    async def main():
        return await made(3)

    assert 3 == asyncio.run(main())
    assert 3 == recording.one("waits")["result"]["returned"]


def test_a_plain_generator_cannot_be_awaited():
    """The mark of one function is on no other."""

    @traced
    def plain():
        yield

    async def main():
        await plain()

    with pytest.raises(TypeError, match="await"):
        asyncio.run(main())


# -- arguments that a decorator below adds -------------------------------------------


def test_a_decorator_that_adds_an_argument(recording):
    """The call is recorded with what was given, though the signature has more."""

    @traced(name="query")
    @with_connection
    def query(connection, sql, limit):
        return f"{connection}: {sql}"

    assert "connection: select" == query("select", limit=3)
    with pytest.raises(TypeError):
        query()

    first, second = recording.named("query")
    assert {"limit": 3, "*args": ["select"]} == first["context"]
    assert "connection: select" == first["result"]
    assert ("error", {}) == (second["outcome"], second["context"])


def test_a_method_whose_decorator_adds_an_argument(recording):
    """The object is left out, however the method is called."""

    def with_connection_behind(method):
        @functools.wraps(method)
        def inner(self, *args):
            return method(self, *args, "connection")

        return inner

    class Store:
        @traced(name="query")
        @with_connection_behind
        def query(self, sql, connection):
            return f"{connection}: {sql}"

    assert "connection: select" == Store().query("select")
    assert "connection: select" == Store.query(Store(), "select")
    assert [{"*args": ["select"]}] * 2 == [
        line["context"] for line in recording.named("query")
    ]


@pytest.mark.parametrize(
    "options", [{"exclude": ["key"]}, {"args": ["sql"]}, {}], ids=repr
)
def test_what_is_not_to_be_shown_has_no_name_there(recording, options):
    """Values are left out where one of them may be what is excluded, or a secret."""

    @traced(name="login", **options)
    @with_connection
    def login(connection, sql, key, password):
        return sql

    assert "select" == login("select", "hunter2", password="swordfish")

    context = recording.one("login")["context"]
    assert "[2 not shown]" == context["*args"]
    assert "hunter2" not in str(context)
    assert "swordfish" not in str(context)


def test_arguments_that_no_decorator_takes_are_a_loss_that_is_counted(recording):
    """A call of a plain function that cannot succeed is no step, as ever."""

    @traced(name="plain")
    def plain(value):
        return value

    with pytest.raises(TypeError):
        plain()

    assert [] == recording.names
