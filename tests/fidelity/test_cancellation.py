"""Cancellation: every scope fires as undecorated, and the record says cancelled.

Each scenario is one program that keeps a trail of what it saw. It runs undecorated
and traced; the trails must be equal, and the traced run's lines must be right.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import anyio
import greenlet
import pytest
import trio

from ai_trace import current_step, propagate, step, traced


pytestmark = pytest.mark.usefixtures("silence")

needs_scopes = pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="asyncio.timeout and asyncio.TaskGroup exist from Python 3.11 on",
)

if sys.version_info >= (3, 11):
    from builtins import BaseExceptionGroup
else:
    from exceptiongroup import BaseExceptionGroup


class Scenario:
    """What the scenarios share: a decorated sleeper, stream and sibling; a trail."""

    def __init__(self, decorate) -> None:
        self.trail = []

        @decorate
        async def sibling(number):
            self.trail.append(number)

        @decorate
        async def sleeper(sleep):
            try:
                await sleep()
            except BaseException as error:
                self.trail.append(type(error).__name__)
                raise
            finally:
                self.trail.append("cleanup")

        @decorate
        async def stream(sleep):
            try:
                yield 1
                await sleep()
                yield 2
            except BaseException as error:
                self.trail.append(type(error).__name__)
                raise
            finally:
                self.trail.append("cleanup")

        self.sibling = sibling
        self.sleeper = sleeper
        self.stream = stream

    async def consume(self, sleep):
        async for item in self.stream(sleep):
            self.trail.append(item)


class AsyncioTimeout:
    """``asyncio.timeout``."""

    @staticmethod
    def run(main):
        return asyncio.run(main())

    @staticmethod
    async def sleep():
        await asyncio.Event().wait()

    @staticmethod
    async def give_up(coroutine):
        async with asyncio.timeout(0):
            await coroutine


class AsyncioWaitFor(AsyncioTimeout):
    """``asyncio.wait_for``."""

    @staticmethod
    async def give_up(coroutine):
        await asyncio.wait_for(coroutine, 0.01)


class AsyncioCancel(AsyncioTimeout):
    """``Task.cancel``, as a caller that stops waiting does it."""

    @staticmethod
    async def give_up(coroutine):
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            raise TimeoutError(error.args) from None


class AsyncioTaskGroup(AsyncioTimeout):
    """A sibling in the same ``asyncio.TaskGroup`` fails."""

    @staticmethod
    async def give_up(coroutine):
        async def fail():
            await asyncio.sleep(0)
            raise KeyError("sibling")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(coroutine)
                group.create_task(fail())
        except BaseExceptionGroup as group_error:
            raise TimeoutError(len(group_error.exceptions)) from None


class AnyioScope:
    """``anyio.fail_after``."""

    def __init__(self, backend: str) -> None:
        self._backend = backend

    def run(self, main):
        return anyio.run(main, backend=self._backend)

    @staticmethod
    async def sleep():
        await anyio.sleep_forever()

    @staticmethod
    async def give_up(coroutine):
        with anyio.fail_after(0):
            await coroutine


class TrioScope:
    """``trio.fail_after``."""

    @staticmethod
    def run(main):
        return trio.run(main)

    @staticmethod
    async def sleep():
        await trio.sleep_forever()

    @staticmethod
    async def give_up(coroutine):
        with trio.fail_after(0):
            await coroutine


SCOPES = [
    pytest.param(AsyncioTimeout(), id="asyncio.timeout", marks=needs_scopes),
    pytest.param(AsyncioWaitFor(), id="asyncio.wait_for"),
    pytest.param(AsyncioCancel(), id="asyncio.cancel"),
    pytest.param(AsyncioTaskGroup(), id="asyncio.TaskGroup", marks=needs_scopes),
    pytest.param(AnyioScope("asyncio"), id="anyio-asyncio"),
    pytest.param(AnyioScope("trio"), id="anyio-trio"),
    pytest.param(TrioScope(), id="trio"),
]
GAVE_UP = (TimeoutError, asyncio.TimeoutError, trio.TooSlowError)


@pytest.fixture
def differ_in_nothing(record, undecorated):
    """Run one program undecorated and traced; give the recording of the second."""

    def compare(scope, program):
        with record():
            plain = Scenario(undecorated)
            scope.run(lambda: program(plain))
        with record() as recording:
            real = Scenario(traced)
            scope.run(lambda: program(real))
        assert plain.trail == real.trail
        return recording

    return compare


def check_cancelled(line):
    assert "cancelled" == line["outcome"]
    assert line["error"].startswith(("CancelledError", "Cancelled"))
    assert line["duration_ms"] >= 0
    assert line["finished_at"] is not None


def name_of(line):
    return line["name"].rpartition(".")[2]


def by_name(recording):
    return {name_of(line): line for line in recording.lines}


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_around_a_coroutine(differ_in_nothing, scope):
    """A scope around a traced coroutine fires, and the coroutine is cancelled."""

    async def program(scenario):
        with step("outer") as outer:
            try:
                await scope.give_up(scenario.sleeper(scope.sleep))
            except GAVE_UP:
                scenario.trail.append("gave up")
            assert current_step() is outer
            await scenario.sibling(1)

    recording = differ_in_nothing(scope, program)

    lines = by_name(recording)
    assert ["outer", "sibling", "sleeper"] == sorted(lines)
    assert 3 == len(recording.lines)
    check_cancelled(lines["sleeper"])
    assert "ok" == lines["sibling"]["outcome"]
    assert lines["outer"]["id"] == lines["sibling"]["parent_id"]
    assert lines["outer"]["id"] == lines["sleeper"]["parent_id"]


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_around_the_consumer_of_a_stream(differ_in_nothing, scope):
    """A scope around a loop over a traced stream cancels the stream, with its items."""

    async def program(scenario):
        with step("outer") as outer:
            try:
                await scope.give_up(scenario.consume(scope.sleep))
            except GAVE_UP:
                scenario.trail.append("gave up")
            assert current_step() is outer
            await scenario.sibling(1)

    recording = differ_in_nothing(scope, program)

    lines = by_name(recording)
    check_cancelled(lines["stream"])
    assert {"count": 1, "items": [1]} == lines["stream"]["result"]
    assert lines["outer"]["id"] == lines["sibling"]["parent_id"]
    assert lines["outer"]["id"] == lines["stream"]["parent_id"]


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_inside_a_coroutine(record, undecorated, scope):
    """A scope inside a traced coroutine's body fires, and the body goes on."""
    trails = []
    for decorate in (undecorated, traced):
        scenario = Scenario(decorate)

        @decorate
        async def research(scenario=scenario):
            try:
                await scope.give_up(scenario.sleeper(scope.sleep))
            except GAVE_UP:
                scenario.trail.append("gave up")
            await scenario.sibling(1)

        with record() as recording:
            scope.run(research)
        trails.append(scenario.trail)

    assert trails[0] == trails[1]
    lines = by_name(recording)
    assert 3 == len(recording.lines)
    check_cancelled(lines["sleeper"])
    assert "ok" == lines["research"]["outcome"]
    assert lines["research"]["id"] == lines["sleeper"]["parent_id"]
    assert lines["research"]["id"] == lines["sibling"]["parent_id"]


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_inside_a_stream(record, undecorated, scope):
    """A scope inside a traced stream's body fires between its items."""
    trails = []
    for decorate in (undecorated, traced):
        scenario = Scenario(decorate)

        @decorate
        async def feed(scenario=scenario):
            yield "before"
            try:
                await scope.give_up(scenario.sleeper(scope.sleep))
            except GAVE_UP:
                scenario.trail.append("gave up")
            yield "after"
            await scenario.sibling(1)

        async def main(feed=feed, scenario=scenario):
            with step("outer") as outer:
                async for item in feed():
                    scenario.trail.append(item)
                    assert current_step() is outer
                assert current_step() is outer

        with record() as recording:
            scope.run(main)
        trails.append(scenario.trail)

    assert trails[0] == trails[1]
    lines = by_name(recording)
    check_cancelled(lines["sleeper"])
    assert ("ok", 2) == (lines["feed"]["outcome"], lines["feed"]["result"]["count"])
    assert lines["feed"]["id"] == lines["sleeper"]["parent_id"]
    assert lines["feed"]["id"] == lines["sibling"]["parent_id"]


@needs_scopes
def test_timeout_held_across_a_yield_fires(record, undecorated, run_asyncio):
    """``asyncio.timeout`` entered by a stream's body still fires after its yields."""
    trails = []
    for decorate in (undecorated, traced):
        trail = []

        @decorate
        async def feed():
            async with asyncio.timeout(0.01):
                yield 1
                await asyncio.Event().wait()

        async def main(feed=feed, trail=trail):
            try:
                async for item in feed():
                    trail.append(item)
            except TimeoutError as error:
                trail.append(type(error.__cause__).__name__)
            trail.append(asyncio.current_task().cancelling())

        with record() as recording:
            run_asyncio(main)
        trails.append(trail)

    assert [1, "CancelledError", 0] == trails[0]
    assert trails[0] == trails[1]
    (line,) = recording.lines
    assert ("error", 1) == (line["outcome"], line["result"]["count"])
    assert line["error"].startswith("TimeoutError")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_scope_held_across_a_yield(record, undecorated, backend):
    """An anyio scope held by a stream's body over a yield is left where entered."""
    trails = []
    for decorate in (undecorated, traced):
        trail = []

        @decorate
        async def feed():
            with anyio.move_on_after(0.01):
                yield 1
                await anyio.sleep_forever()
            yield 2

        async def main(feed=feed, trail=trail):
            async for item in feed():
                trail.append(item)

        with record() as recording:
            anyio.run(main, backend=backend)
        trails.append(trail)

    assert [[1, 2], [1, 2]] == trails
    (line,) = recording.lines
    assert ("ok", 2) == (line["outcome"], line["result"]["count"])


def test_task_cancel_gives_the_same_error(recording, run_asyncio, decorate):
    """The message of ``Task.cancel`` reaches the body and the caller alike."""
    seen = []

    @decorate
    async def sleeper():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise

    async def main():
        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        task.cancel("budget spent")
        (error,) = await asyncio.gather(task, return_exceptions=True)
        return type(error), task.cancelled()

    assert (asyncio.CancelledError, True) == run_asyncio(main)
    assert [("budget spent",)] == seen


def test_swallowed_cancellation_is_ok(recording, run_asyncio):
    """A body that survives its cancellation and returns is ok."""

    @traced(name="stubborn")
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "survived"

    async def main():
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert "survived" == run_asyncio(main)
    line = recording.one("stubborn")
    assert ("ok", "survived") == (line["outcome"], line["result"])


def test_cancelled_before_it_ran_leaves_no_step(recording, run_asyncio):
    """A traced coroutine whose task is cancelled before it starts leaves no line."""

    @traced(name="sleeper")
    async def sleeper():
        raise AssertionError("the body must not run")

    async def main():
        task = asyncio.create_task(sleeper())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_asyncio(main)

    assert [] == recording.lines


def test_shielded_coroutine_goes_on(recording, run_asyncio):
    """A shielded traced coroutine outlives its waiter, and each tells its own end."""

    @traced(name="order")
    async def order(gate):
        await gate.wait()
        return "filled"

    @traced(name="waiter")
    async def waiter(task):
        await asyncio.shield(task)

    async def main():
        gate = asyncio.Event()
        with step("outer"):
            task = asyncio.create_task(order(gate))
            waiting = asyncio.create_task(waiter(task))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            gate.set()
            return await task

    assert "filled" == run_asyncio(main)
    assert "cancelled" == recording.one("waiter")["outcome"]
    assert "ok" == recording.one("order")["outcome"]
    assert ["outer"] == recording.parents()["order"]


def test_step_blocks_are_cancelled_too(recording, run_asyncio):
    """A step block that a cancellation passes through is cancelled, sync or async."""

    async def main():
        async def work():
            with step("sync_block"):
                async with step("async_block"):
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_asyncio(main)

    check_cancelled(recording.one("sync_block"))
    check_cancelled(recording.one("async_block"))
    assert ["sync_block"] == recording.parents()["async_block"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_inside_a_traced_context_manager(recording, backend):
    """A cancellation inside ``async with`` passes through the traced stream as one."""
    seen = []

    @contextlib.asynccontextmanager
    @traced(name="session")
    async def session():
        try:
            yield "feed"
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    async def main():
        with step("outer") as outer:
            with anyio.move_on_after(0) as scope:
                async with session():
                    await anyio.sleep_forever()
            assert scope.cancelled_caught
            assert current_step() is outer

    anyio.run(main, backend=backend)

    assert 1 == len(seen)
    check_cancelled(recording.one("session"))


def test_trio_nursery_of_cancelled_tasks_is_cancelled(recording):
    """A coroutine whose nursery is cancelled from outside is cancelled, not failed."""

    @traced(name="sleeper")
    async def sleeper():
        await trio.sleep_forever()

    @traced(name="research")
    async def research():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper)
            nursery.start_soon(sleeper)

    async def main():
        with step("outer") as outer:
            with trio.move_on_after(0) as scope:
                await research()
            assert scope.cancelled_caught
            assert current_step() is outer

    trio.run(main)

    check_cancelled(recording.named("sleeper")[0])
    check_cancelled(recording.named("sleeper")[1])
    assert "cancelled" == recording.one("research")["outcome"]
    assert {
        "outer": [None],
        "research": ["outer"],
        "sleeper": ["research", "research"],
    } == recording.parents()


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ([asyncio.CancelledError()], "cancelled"),
        (
            [
                asyncio.CancelledError(),
                BaseExceptionGroup("inner", [asyncio.CancelledError()]),
            ],
            "cancelled",
        ),
        ([asyncio.CancelledError(), ValueError("stale")], "error"),
        ([ValueError("stale")], "error"),
    ],
    ids=["one", "nested", "mixed", "none"],
)
def test_groups_of_only_cancellations_are_cancelled(
    recording, plain_shape, members, outcome
):
    """A group is cancelled when all its leaves are cancellations, else an error."""
    group = BaseExceptionGroup("both", members)

    def body(state):
        raise group

    with pytest.raises(BaseException) as caught:
        plain_shape.call(plain_shape.build(body), 1)

    assert group is caught.value
    assert outcome == recording.one(plain_shape.step_name)["outcome"]


@pytest.mark.parametrize("error", [asyncio.CancelledError("why"), GeneratorExit()])
def test_control_flow_out_of_every_shape(recording, shape, error):
    """A cancellation or a close raised in any shape passes through, named as such."""

    def body(state):
        raise error

    with pytest.raises(type(error)) as caught:
        shape.call(shape.build(body), 1)

    assert error is caught.value
    expected = "closed" if type(error) is GeneratorExit else "cancelled"
    assert expected == recording.one(shape.step_name)["outcome"]


def test_killed_greenlet_is_cancelled(recording, plain_shape):
    """What gevent's ``kill`` throws cancels every shape, and ends the greenlet."""
    hub = greenlet.getcurrent()
    build, trail = plain_shape.build, []

    def body(state):
        try:
            hub.switch()
        except greenlet.GreenletExit as error:
            trail.append(error)
            raise

    def job():
        with step("job"):
            plain_shape.call(build(body), 1)

    killed = greenlet.greenlet(propagate(job))
    killed.switch()
    exit_ = greenlet.GreenletExit("enough")

    assert exit_ is killed.throw(exit_)
    assert killed.dead
    assert [exit_] == trail
    outcomes = {line["name"]: line["outcome"] for line in recording.lines}
    assert {"job": "cancelled", plain_shape.step_name: "cancelled"} == outcomes
    assert "GreenletExit: enough" == recording.one("job")["error"]


def test_many_cancelled_at_once(recording, run_asyncio):
    """Fifty coroutines cancelled together are fifty cancelled children."""

    @traced(name="sleeper")
    async def sleeper(number):
        await asyncio.Event().wait()

    async def main():
        with step("outer") as outer:
            tasks = [asyncio.create_task(sleeper(number)) for number in range(50)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert current_step() is outer

    run_asyncio(main)

    lines = recording.named("sleeper")
    assert ["cancelled"] * 50 == [line["outcome"] for line in lines]
    assert list(range(50)) == sorted(line["context"]["number"] for line in lines)
    assert ["outer"] * 50 == recording.parents()["sleeper"]
