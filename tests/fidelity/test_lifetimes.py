"""What passes through a generator lives no longer than without a tracer."""

from __future__ import annotations

import gc
import weakref

import pytest


class Payload:
    """Something large."""


@pytest.fixture(autouse=True)
def without_the_collector():
    """What is let go of is gone there and then."""
    gc.disable()
    yield
    gc.enable()


def step_of(awaitable):
    """Run what awaits nobody to its end."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value


def plain(decorate, payloads):
    """Make a generator; give what resumes it, and what throws into it."""

    @decorate
    def stream():
        while True:
            try:
                seen = yield payloads.pop() if payloads else None
                del seen
            except KeyError:
                pass

    made = stream()
    return made.send, made.throw


def asynchronous(decorate, payloads):
    """Make an async generator; give what resumes it, and what throws into it."""

    @decorate
    async def stream():
        while True:
            try:
                seen = yield payloads.pop() if payloads else None
                del seen
            except KeyError:
                pass

    made = stream()
    return (
        lambda value: step_of(made.asend(value)),
        lambda exc: step_of(made.athrow(exc)),
    )


@pytest.fixture(params=[plain, asynchronous], ids=["generator", "async generator"])
def make(request):
    """Make either kind of generator."""
    return request.param


@pytest.mark.usefixtures("recording")
def test_an_item_is_gone_when_its_consumer_lets_go_of_it(make, decorate):
    """A stream of large tables needs one at a time, whoever is waiting."""
    payloads = [Payload()]
    alive = weakref.ref(payloads[0])
    resume, _ = make(decorate, payloads)

    item = resume(None)
    assert alive() is item
    del item

    assert alive() is None


@pytest.mark.usefixtures("recording")
def test_a_value_that_was_sent_is_gone_when_the_body_lets_go_of_it(make, decorate):
    """Though the generator goes on waiting."""
    resume, _ = make(decorate, [])
    resume(None)
    sent = Payload()
    alive = weakref.ref(sent)

    resume(sent)
    del sent

    assert alive() is None


@pytest.mark.usefixtures("recording")
def test_an_exception_that_was_caught_is_gone(make, decorate):
    """With all that its traceback holds."""
    resume, throw = make(decorate, [])
    resume(None)

    def fail():
        held = Payload()
        error = KeyError("no such symbol")
        error.held = held
        throw(error)
        error.__traceback__ = None
        return weakref.ref(held)

    assert fail()() is None
