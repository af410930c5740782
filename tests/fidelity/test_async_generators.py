"""Async generators: ended early in every way that event loops know."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import sys
import types
import warnings

import anyio
import anyio.lowlevel
import pytest
import trio

from ai_trace import current_step, step, traced


pytestmark = pytest.mark.usefixtures("silence")


@traced(name="ticks")
async def ticks(count=3):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@traced(name="fetch")
async def fetch(number):
    await asyncio.sleep(0)
    return number


async def end_by_aclose(stream):
    await stream.aclose()


async def end_by_another_task(stream):
    await asyncio.create_task(stream.aclose())


async def end_by_athrow(stream):
    with contextlib.suppress(GeneratorExit):
        await stream.athrow(GeneratorExit())


EARLY_ENDS = [end_by_aclose, end_by_another_task, end_by_athrow]


@pytest.mark.parametrize("end", EARLY_ENDS)
@pytest.mark.parametrize("taken", [1, 3])
def test_ended_early_is_closed_with_the_items_so_far(
    recording, run_asyncio, end, taken
):
    """An async generator ended early is one closed line with its items so far."""

    async def main():
        with step("consumer") as consumer:
            stream = ticks()
            for _ in range(taken):
                await stream.__anext__()
                assert current_step() is consumer
            await end(stream)
            assert current_step() is consumer
            await fetch(1)

    run_asyncio(main)

    line = recording.one("ticks")
    assert ("closed", None) == (line["outcome"], line["error"])
    assert {"count": taken, "items": list(range(taken))} == line["result"]
    assert {
        "consumer": [None],
        "ticks": ["consumer"],
        "fetch": ["consumer"],
    } == recording.parents()


def test_break_leaves_the_consumer_current_at_once(recording, run_asyncio, settle):
    """After a break the consumer's step is current, and the stream closes once."""

    async def main():
        with step("consumer") as consumer:
            async for number in ticks():
                if number == 1:
                    break
            assert current_step() is consumer
            await fetch(2)
            await settle()
            assert current_step() is consumer

    run_asyncio(main)

    assert ["consumer", "fetch", "ticks"] == recording.names
    assert "closed" == recording.one("ticks")["outcome"]
    assert {"count": 2, "items": [0, 1]} == recording.one("ticks")["result"]
    assert ["consumer"] == recording.parents()["fetch"]


def test_dropped_stream_is_closed_by_the_loop(recording, run_asyncio, settle):
    """A dropped async generator is closed once, and its cleanup runs once."""
    cleaned = []

    @traced(name="feed")
    async def feed():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            await fetch(0)
            cleaned.append(current_step().name)

    async def main():
        with step("consumer") as consumer:
            stream = feed()
            await stream.__anext__()
            del stream
            assert current_step() is consumer
            await settle()
            assert current_step() is consumer

    run_asyncio(main)

    assert ["feed"] == cleaned
    assert "closed" == recording.one("feed")["outcome"]
    assert ["feed"] == recording.parents()["fetch"]


def test_alive_at_the_end_of_the_loop_is_closed_once(recording, run_asyncio):
    """Streams that outlive the main task are closed by the loop, each once, quietly."""
    held, cleaned = [], []

    @traced(name="feed")
    async def feed(number):
        try:
            yield number
        finally:
            await asyncio.sleep(0)
            cleaned.append(number)

    async def main():
        for number in range(20):
            held.append(feed(number))
            await held[-1].__anext__()

    run_asyncio(main)
    held.clear()
    gc.collect()

    assert list(range(20)) == sorted(cleaned)
    assert ["closed"] * 20 == [line["outcome"] for line in recording.named("feed")]


def test_closed_in_another_task_after_its_own_has_ended(recording, run_asyncio):
    """A stream opened in one task and closed in another leaves both as they were."""
    opened = []

    async def open_stream():
        with step("opener"):
            opened.append(ticks())
            await opened[0].__anext__()

    async def close_stream():
        with step("closer") as closer:
            await opened[0].aclose()
            assert current_step() is closer
            await fetch(1)

    async def main():
        await asyncio.create_task(open_stream())
        await asyncio.create_task(close_stream())

    run_asyncio(main)

    assert "closed" == recording.one("ticks")["outcome"]
    assert {
        "opener": [None],
        "closer": [None],
        "ticks": ["opener"],
        "fetch": ["closer"],
    } == recording.parents()


def test_exhausted_is_ok(recording, run_asyncio):
    """An async generator run to its end is ok and holds its items."""

    async def main():
        return [number async for number in ticks()]

    assert [0, 1, 2] == run_asyncio(main)
    assert "ok" == recording.one("ticks")["outcome"]
    assert {"count": 3, "items": [0, 1, 2]} == recording.one("ticks")["result"]


def test_never_started_leaves_no_step(recording, run_asyncio, settle):
    """An async generator that nobody advances leaves no line."""

    async def main():
        await ticks().aclose()
        stream = ticks()
        del stream
        await settle()

    run_asyncio(main)

    assert [] == recording.lines


def test_error_comes_out_and_keeps_the_items(recording, run_asyncio):
    """An async generator that raises gives the identical error and its items so far."""
    error = ValueError("stale feed")

    @traced(name="feed")
    async def feed():
        yield 1
        raise error

    async def main():
        async for _ in feed():
            pass

    with pytest.raises(ValueError) as caught:
        run_asyncio(main)

    assert error is caught.value
    line = recording.one("feed")
    assert ("error", "ValueError: stale feed") == (line["outcome"], line["error"])
    assert {"count": 1, "items": [1]} == line["result"]


def test_each_side_parents_its_own_calls(recording, run_asyncio):
    """Calls in the body are the stream's children, the consumer's are its own."""

    @traced(name="body_call")
    async def body_call():
        await asyncio.sleep(0)

    @traced(name="feed")
    async def feed():
        await body_call()
        yield 1
        await asyncio.gather(body_call(), body_call())
        yield 2

    async def main():
        with step("consumer") as consumer:
            async for number in feed():
                assert current_step() is consumer
                await fetch(number)

    run_asyncio(main)

    assert {
        "consumer": [None],
        "feed": ["consumer"],
        "body_call": ["feed"] * 3,
        "fetch": ["consumer"] * 2,
    } == recording.parents()


def test_interleaved_and_closed_out_of_order(recording, run_asyncio):
    """Interleaved streams keep their own children; the outer step stays current."""

    @traced(name="child")
    async def child(owner):
        await asyncio.sleep(0)

    @traced(name="feed")
    async def feed(owner):
        while True:
            await child(owner)
            yield owner

    async def main():
        with step("outer") as outer:
            first, second = feed("first"), feed("second")
            for _ in range(3):
                await first.__anext__()
                await second.__anext__()
                assert current_step() is outer
            await first.aclose()
            assert current_step() is outer
            await second.__anext__()
            await second.aclose()
            assert current_step() is outer

    run_asyncio(main)

    owners = {line["id"]: line["context"]["owner"] for line in recording.named("feed")}
    children = recording.named("child")
    assert ["outer", "outer"] == recording.parents()["feed"]
    assert 7 == len(children)
    assert [line["context"]["owner"] for line in children] == [
        owners[line["parent_id"]] for line in children
    ]


def test_advanced_by_different_tasks(recording, run_asyncio):
    """Each task that advances a stream keeps its own current step."""

    async def advance(stream, name):
        with step(name) as own:
            await stream.__anext__()
            assert current_step() is own
            await fetch(1)

    async def main():
        stream = ticks()
        for name in ("first", "second"):
            await asyncio.create_task(advance(stream, name))
        await stream.aclose()

    run_asyncio(main)

    assert ["first", "second"] == recording.parents()["fetch"]
    assert ["first"] == recording.parents()["ticks"]
    assert "closed" == recording.one("ticks")["outcome"]


def test_every_advance_runs_in_the_callers_task(recording, run_asyncio):
    """The body of a stream runs in the task that advances it, never in one of ours."""
    tasks = []

    @traced
    async def feed():
        while True:
            tasks.append(asyncio.current_task())
            yield

    async def main():
        stream = feed()
        await stream.__anext__()
        other = asyncio.create_task(advance(stream))
        await other
        await stream.aclose()
        return [asyncio.current_task(), other], asyncio.all_tasks()

    async def advance(stream):
        await stream.__anext__()

    expected, left = run_asyncio(main)

    assert expected == tasks
    assert 1 == len(left)


def test_step_held_across_a_yield_is_current_inside_only(recording, run_asyncio):
    """A step that a stream holds over a yield parents the stream's calls only."""

    @traced(name="feed")
    async def feed():
        async with step("window"):
            await fetch(1)
            yield 1
            await fetch(2)
        await fetch(3)

    async def main():
        with step("consumer") as consumer:
            async for number in feed():
                assert current_step() is consumer
                await fetch(number * 10)

    run_asyncio(main)

    assert ["window", "consumer", "window", "feed"] == recording.parents()["fetch"]


def test_context_variables_set_inside_are_seen_outside(
    recording, run_asyncio, decorate
):
    """A stream's body runs in its consumer's own context, traced or not."""
    budget = contextvars.ContextVar("budget", default=0)

    @decorate
    async def spend():
        budget.set(budget.get() + 1)
        yield
        budget.set(budget.get() + 1)

    async def main():
        seen = []
        async for _ in spend():
            seen.append(budget.get())
            budget.set(10)
        return [*seen, budget.get()]

    assert [1, 11] == run_asyncio(main)


@pytest.mark.parametrize("failing", [False, True])
def test_works_under_asynccontextmanager(recording, run_asyncio, failing):
    """A traced stream under ``asynccontextmanager`` handles its block as before."""
    error = ValueError("stale feed")

    @contextlib.asynccontextmanager
    @traced(name="session")
    async def session():
        try:
            yield "feed"
        finally:
            await fetch(0)

    async def main():
        with step("consumer") as consumer:
            async with session() as feed:
                assert ("feed", consumer) == (feed, current_step())
                if failing:
                    raise error
            assert current_step() is consumer

    if failing:
        with pytest.raises(ValueError) as caught:
            run_asyncio(main)
        assert error is caught.value
    else:
        run_asyncio(main)

    assert ["session"] == recording.parents()["fetch"]
    assert ("error" if failing else "ok") == recording.one("session")["outcome"]


def test_objects_stay_async_generators(recording):
    """What a traced async generator function returns is one, named as before."""

    async def plain(count):
        yield count

    before, after = plain(2), traced(plain)(2)

    assert isinstance(after, types.AsyncGeneratorType)
    assert inspect.isasyncgen(after)
    assert (before.__name__, before.__qualname__) == (
        after.__name__,
        after.__qualname__,
    )


def test_second_advance_while_running_fails_as_before(recording, run_asyncio, decorate):
    """Two tasks in one stream get the interpreter's own RuntimeError."""

    @decorate
    async def feed():
        await asyncio.sleep(0)
        yield 1

    async def main():
        stream = feed()
        return await asyncio.gather(
            stream.__anext__(), stream.__anext__(), return_exceptions=True
        )

    first, second = run_asyncio(main)

    assert 1 == first
    assert isinstance(second, RuntimeError)
    assert "already running" in str(second)


def test_suspended_when_the_tracer_closes_is_unfinished(record, run_asyncio):
    """A stream still open when the tracer closes is unfinished, once."""

    async def main():
        with record() as recording:
            stream = ticks()
            await stream.__anext__()
        assert [1, 2] == [number async for number in stream]
        return recording

    recording = run_asyncio(main)

    assert ["unfinished"] == [line["outcome"] for line in recording.lines]


def test_arguments_are_captured_at_the_call(recording, run_asyncio):
    """A stream's context is what the call saw, not what the first advance saw."""
    symbols = ["BTCUSDT"]

    @traced(name="feed")
    async def feed(symbols):
        for symbol in symbols:
            yield symbol

    async def main():
        stream = feed(symbols)
        symbols.append("ETHUSDT")
        return [symbol async for symbol in stream]

    assert ["BTCUSDT", "ETHUSDT"] == run_asyncio(main)
    assert {"symbols": ["BTCUSDT"]} == recording.one("feed")["context"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_early_close_under_anyio(recording, backend):
    """Under either of anyio's backends a stream closes once, in its consumer's task."""
    cleaned = []

    @traced(name="feed")
    async def feed():
        try:
            while True:
                await anyio.lowlevel.checkpoint()
                yield 1
        finally:
            cleaned.append(current_step().name)

    async def main():
        with step("consumer") as consumer:
            stream = feed()
            await stream.__anext__()
            await stream.aclose()
            assert current_step() is consumer

    anyio.run(main, backend=backend)

    assert ["feed"] == cleaned
    assert "closed" == recording.one("feed")["outcome"]


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("ending", ["dropped", "held"])
def test_trio_closes_what_was_left_open(recording, decorate, ending):
    """A stream left to trio is cleaned up once, dropped or held to the end."""
    cleaned, held = [], []

    @decorate
    async def feed():
        try:
            yield 1
        finally:
            cleaned.append("cleaned")

    async def main():
        stream = feed()
        await stream.__anext__()
        if ending == "held":
            held.append(stream)
        del stream
        gc.collect()
        for _ in range(5):
            await trio.lowlevel.checkpoint()

    trio.run(main)

    assert ["cleaned"] == cleaned
    assert ["closed"] * (decorate is traced) == [
        line["outcome"] for line in recording.lines
    ]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_freed_by_the_collector_it_is_closed_in_the_event_loop(
    recording, silence, decorate, backend
):
    """A stream in a cycle cleans up in its loop, where it may await, and only once."""
    trail = []

    async def main():
        cleaned = anyio.Event()

        @decorate
        async def feed():
            try:
                yield 1
            finally:
                trail.append("cleaning")
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                trail.append("cleaned")
                cleaned.set()

        stream = feed()
        await stream.__anext__()
        cycle = [stream]
        cycle.append(cycle)
        del stream, cycle
        gc.collect()
        trail.append("collected")
        with anyio.move_on_after(10):
            await cleaned.wait()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        anyio.run(main, backend=backend)

    assert ["collected", "cleaning", "cleaned"] == trail
    assert ["closed"] * (decorate is traced) == [
        line["outcome"] for line in recording.lines
    ]


def test_asyncgen_hooks_see_one_generator(recording, decorate, finish):
    """An event loop's hooks meet a traced stream as often as an untraced one."""
    met = []

    @decorate
    async def feed():
        yield 1

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=met.append, finalizer=before.finalizer)
    try:
        stream = feed()
        finish(stream.__anext__())
        finish(stream.aclose())
    finally:
        sys.set_asyncgen_hooks(*before)

    assert [stream] == met
