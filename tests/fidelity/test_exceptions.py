"""Exceptions: the identical object comes out, and the record tells all of it."""

from __future__ import annotations

import contextlib
import gc
import sys
import types
import weakref

import pytest

from ai_trace import current_step, step, traced


if sys.version_info >= (3, 11):
    from builtins import BaseExceptionGroup, ExceptionGroup
else:
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup


class RiskLimit(Exception):
    """An exception that needs two arguments to be made."""

    def __init__(self, symbol: str, size: float) -> None:
        super().__init__(symbol, size)
        self.symbol = symbol
        self.size = size

    def __str__(self) -> str:
        return f"{self.symbol}: {self.size} is over the limit"


class Silent(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Frozen(Exception):
    """An exception that refuses every attribute but the interpreter's own."""

    __slots__ = ()

    def __setattr__(self, name, value):
        raise AttributeError(name)


def grouped():
    return ExceptionGroup("feeds", [ValueError("stale"), KeyError("price")])


RAISED = [
    pytest.param(ValueError("stale feed"), "ValueError: stale feed", id="message"),
    pytest.param(ValueError(), "ValueError", id="empty"),
    pytest.param(KeyError("price"), "KeyError: 'price'", id="KeyError"),
    pytest.param(
        RiskLimit("BTCUSDT", 2.5),
        "RiskLimit: BTCUSDT: 2.5 is over the limit",
        id="own class",
    ),
    pytest.param(OSError(28, "No space left"), None, id="OSError"),
    pytest.param(RecursionError("too deep"), "RecursionError: too deep", id="deep"),
    pytest.param(MemoryError(), "MemoryError", id="MemoryError"),
    pytest.param(AssertionError("x" * 10), "AssertionError: " + "x" * 10, id="assert"),
    pytest.param(Frozen("fixed"), "Frozen: fixed", id="frozen"),
    pytest.param(BaseException("bare"), "BaseException: bare", id="BaseException"),
]


def raising(error):
    def body(state):
        raise error

    return body


@pytest.mark.parametrize("error", [ValueError("stale feed"), RiskLimit("BTCUSDT", 2.5)])
def test_every_shape_gives_out_the_identical_object(recording, shape, error):
    """Whatever the shape, the exception that comes out is the one that was raised."""
    function = shape.build(raising(error))
    with step("outer") as outer:
        with pytest.raises(type(error)) as caught:
            shape.call(function, 1)

        assert error is caught.value
        assert current_step() is outer
    line = recording.one(shape.step_name)
    assert ("error", f"{type(error).__name__}: {error}") == (
        line["outcome"],
        line["error"],
    )
    assert ["outer"] == recording.parents()[shape.step_name]
    assert "ok" == recording.one("outer")["outcome"]


@pytest.mark.parametrize(("error", "text"), RAISED)
def test_error_is_type_and_message(recording, plain_shape, error, text):
    """The error field is the type, and the message where there is one."""
    with pytest.raises(type(error)) as caught:
        plain_shape.call(plain_shape.build(raising(error)), 1)

    assert error is caught.value
    line = recording.one("decide")
    assert (text or f"{type(error).__name__}: {error}") == line["error"]
    assert "error" == line["outcome"]
    assert "Traceback (most recent call last)" in line["traceback"]
    assert "result" not in line or line["result"] == {"count": 0, "items": []}


def test_step_blocks_record_errors_alike(recording):
    """A step block that an exception passes through records it and lets it out."""
    error = RiskLimit("BTCUSDT", 2.5)
    with pytest.raises(RiskLimit) as caught, step("risk_check"):
        raise error

    assert error is caught.value
    line = recording.one("risk_check")
    assert ("error", f"RiskLimit: {error}") == (line["outcome"], line["error"])
    assert "raise error" in line["traceback"]


def test_traceback_names_the_line_that_raised(recording, plain_shape):
    """The traceback shows the frame and the source line where it was raised."""

    def place_order(state):
        raise ValueError("no cash")  # the guilty line

    with pytest.raises(ValueError):
        plain_shape.call(plain_shape.build(place_order), 1)

    text = recording.one("decide")["traceback"]
    assert "place_order" in text
    assert "# the guilty line" in text
    assert text.rstrip().endswith("ValueError: no cash")


def test_cause_chain_is_in_the_traceback(recording, plain_shape):
    """An explicit cause and an implicit context are told in full, in order."""

    def body(state):
        try:
            try:
                raise ConnectionError("socket closed")
            except ConnectionError as error:
                raise TimeoutError("feed is late") from error
        except TimeoutError:
            raise RiskLimit("BTCUSDT", 2.5)  # noqa: B904

    with pytest.raises(RiskLimit) as caught:
        plain_shape.call(plain_shape.build(body), 1)

    assert isinstance(caught.value.__context__, TimeoutError)
    assert isinstance(caught.value.__context__.__cause__, ConnectionError)
    text = recording.one("decide")["traceback"]
    told = [
        text.index("ConnectionError: socket closed"),
        text.index("direct cause"),
        text.index("TimeoutError: feed is late"),
        text.index("During handling"),
        text.index("BTCUSDT: 2.5 is over the limit"),
    ]
    assert sorted(told) == told


def test_cause_and_context_stay_as_raised(recording, plain_shape, decorate):
    """Tracing adds no context, no cause and no note to the exception."""

    def body(state):
        raise ValueError("stale feed")

    with pytest.raises(ValueError) as caught:
        plain_shape.call(plain_shape.build(body, decorate), 1)

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert not caught.value.__suppress_context__
    assert {} == vars(caught.value)


def test_handled_exception_of_the_caller_stays_the_context(recording, plain_shape):
    """An exception raised while the caller handles another keeps that as context."""
    first = KeyError("first")
    function = plain_shape.build(raising(ValueError("second")))
    with pytest.raises(ValueError) as caught:
        try:
            raise first
        except KeyError:
            plain_shape.call(function, 1)

    assert first is caught.value.__context__


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="exception notes exist from Python 3.11 on"
)
def test_notes_are_in_the_traceback(recording, plain_shape):
    """Notes added to an exception are part of its recorded traceback."""

    def body(state):
        error = ValueError("stale feed")
        error.add_note("the quote was 41 s old")
        raise error

    with pytest.raises(ValueError):
        plain_shape.call(plain_shape.build(body), 1)

    assert "the quote was 41 s old" in recording.one("decide")["traceback"]


@pytest.mark.parametrize(
    "group",
    [
        grouped(),
        ExceptionGroup("outer", [grouped(), TypeError("late")]),
        BaseExceptionGroup("mixed", [KeyboardInterrupt(), ValueError("stale")]),
    ],
    ids=["flat", "nested", "mixed"],
)
def test_groups_come_out_whole(recording, plain_shape, group):
    """An exception group is one error; its leaves are in the traceback."""
    with pytest.raises(BaseException) as caught:
        plain_shape.call(plain_shape.build(raising(group)), 1)

    assert group is caught.value
    line = recording.one("decide")
    assert "error" == line["outcome"]
    assert f"{type(group).__name__}: {group}" == line["error"]
    assert "ValueError: stale" in line["traceback"]


@pytest.mark.parametrize("kind", ["generator", "coroutine", "async_generator"])
def test_stop_iteration_becomes_runtime_error(recording, plain_shape, decorate):
    """PEP 479 holds: a StopIteration out of a body is a RuntimeError it caused."""
    stop = StopIteration("stopped")
    with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
        plain_shape.call(plain_shape.build(raising(stop), decorate), 1)

    assert stop is caught.value.__cause__
    if decorate is traced:
        line = recording.one("decide")
        assert "error" == line["outcome"]
        assert line["error"].startswith("RuntimeError: ")
        assert "StopIteration: stopped" in line["traceback"]


def test_stop_iteration_out_of_a_function_passes_through(recording):
    """A StopIteration out of a plain function is an error and comes out as it is."""
    stop = StopIteration("stopped")

    @traced(name="take")
    def take():
        raise stop

    with pytest.raises(StopIteration) as caught:
        take()

    assert stop is caught.value
    assert "error" == recording.one("take")["outcome"]


def test_text_that_cannot_be_had_hurts_nobody(recording, plain_shape):
    """An exception whose text raises comes out, and its type is recorded."""
    error = Silent()
    with pytest.raises(Silent) as caught:
        plain_shape.call(plain_shape.build(raising(error)), 1)

    assert error is caught.value
    line = recording.one("decide")
    assert "error" == line["outcome"]
    assert line["error"].startswith("Silent")


def test_error_passes_every_level_once(recording):
    """One exception through three levels is an error of each, the same object out."""
    error = ValueError("stale feed")

    @traced(name="inner")
    def inner():
        raise error

    @traced(name="middle")
    def middle():
        inner()

    @traced(name="outer")
    def outer():
        middle()

    with pytest.raises(ValueError) as caught:
        outer()

    assert error is caught.value
    assert ["error"] * 3 == [line["outcome"] for line in recording.lines]
    assert {"ValueError: stale feed"} == {line["error"] for line in recording.lines}


def test_caught_inside_is_ok(recording):
    """An exception that the body handles leaves its step ok."""

    @traced(name="outer")
    def outer():
        try:
            inner()
        except ValueError:
            return "fallback"

    @traced(name="inner")
    def inner():
        raise ValueError("stale feed")

    assert "fallback" == outer()
    assert "ok" == recording.one("outer")["outcome"]
    assert "error" == recording.one("inner")["outcome"]


def test_exceptions_are_not_kept_alive(recording, plain_shape):
    """After the step, neither the exception nor what its frames held is kept."""

    class Payload:
        pass

    alive = []

    def body(state):
        payload = Payload()
        alive.append(weakref.ref(payload))
        raise RiskLimit("BTCUSDT", 2.5)

    def run():
        try:
            plain_shape.call(plain_shape.build(body), 1)
        except RiskLimit as error:
            alive.append(weakref.ref(error))

    run()
    gc.collect()

    assert [None, None] == [reference() for reference in alive]


class Payload:
    """Something large."""


def first_of_coroutine(payload):
    """Let go of an argument in a coroutine; return what closes it."""

    @traced
    async def hold(payload):
        del payload
        await passing()

    @types.coroutine
    def passing():
        yield

    made = hold(payload)
    made.send(None)
    return made.close


def first_of_generator(payload):
    """Let go of an argument in a generator; return what closes it."""

    @traced
    def hold(payload):
        del payload
        yield

    made = hold(payload=payload)
    next(made)
    return made.close


def first_of_async_generator(payload):
    """Let go of an argument in an async generator; return what closes it."""

    @traced
    async def hold(payload):
        del payload
        yield

    def run(awaitable):
        with contextlib.suppress(StopIteration):
            awaitable.send(None)

    made = hold(payload)
    run(made.__anext__())
    return lambda: run(made.aclose())


@pytest.mark.parametrize(
    "start", [first_of_coroutine, first_of_generator, first_of_async_generator]
)
@pytest.mark.usefixtures("recording")
def test_arguments_live_no_longer_than_the_function_holds_them(start):
    """What the function deletes is gone, though it has not ended."""
    alive = []

    def begin():
        payload = Payload()
        alive.append(weakref.ref(payload))
        return start(payload)

    close = begin()
    gc.collect()

    assert alive[0]() is None
    close()


def test_same_exception_raised_twice(recording):
    """One exception object raised by two calls is an error of both."""
    error = ValueError("stale feed")

    @traced(name="fetch")
    def fetch():
        raise error

    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            fetch()
        assert error is caught.value

    assert ["error", "error"] == [line["outcome"] for line in recording.lines]


def test_fail_is_an_error_without_an_exception(recording):
    """A step failed by hand is an error with the reason as its text."""
    recording.tracer.step("scan").start().fail("feed is stale")

    line = recording.one("scan")
    assert ("error", "feed is stale") == (line["outcome"], line["error"])
    assert line.get("traceback") is None


def test_failed_inside_a_block_that_ends_well(recording):
    """A step failed inside its block stays failed when the block ends."""
    with step("scan") as scan:
        scan.fail("feed is stale")

    line = recording.one("scan")
    assert ("error", "feed is stale") == (line["outcome"], line["error"])


def test_current_exception_is_none_after_a_handled_one(recording, plain_shape):
    """After the caller has handled the error, nothing is being handled any more."""
    function = plain_shape.build(raising(ValueError("stale feed")))
    with pytest.raises(ValueError):
        plain_shape.call(function, 1)

    assert (None, None, None) == sys.exc_info()


def test_body_sees_no_exception_of_ours(recording, plain_shape):
    """A traced body runs with nothing being handled, as undecorated."""
    seen = []

    plain_shape.call(plain_shape.build(lambda state: seen.append(sys.exc_info())), 1)

    assert [(None, None, None)] == seen
