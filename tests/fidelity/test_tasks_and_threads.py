"""Concurrency: right parents in tasks and threads, and no cross-talk."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import pytest
import trio

from ai_trace import Tracer, current_step, current_tracer, propagate, step, traced
from ai_trace._ids import RandomIds


pytestmark = pytest.mark.usefixtures("silence")

needs_task_groups = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio.TaskGroup exists from Python 3.11 on"
)


@pytest.fixture
def switch_often():
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@traced(name="leaf")
def leaf(owner):
    return owner


@traced(name="worker")
async def worker(owner):
    for _ in range(3):
        await asyncio.sleep(0)
        leaf(owner)
        assert current_step().context["owner"] == owner
    return owner


@traced(name="thread_worker")
def thread_worker(owner):
    leaf(owner)
    assert current_step().name == "thread_worker"
    leaf(owner)
    return owner


def owners_of(recording, name):
    """The owner that each step of one name was given, by the step's id."""
    return {line["id"]: line["context"]["owner"] for line in recording.named(name)}


def check_leaves(recording, worker_name, *, each):
    """Every leaf lies under the worker that has the same owner."""
    owners = owners_of(recording, worker_name)
    leaves = recording.named("leaf")
    assert each * len(owners) == len(leaves)
    assert [line["context"]["owner"] for line in leaves] == [
        owners[line["parent_id"]] for line in leaves
    ]
    return sorted(owners.values())


def test_gather_of_fifty(recording, run_asyncio):
    """Fifty gathered coroutines are fifty children, each with its own leaves."""

    async def main():
        with step("outer") as outer:
            results = await asyncio.gather(*map(worker, range(50)))
            assert current_step() is outer
        return results

    assert list(range(50)) == run_asyncio(main)
    assert ["outer"] * 50 == recording.parents()["worker"]
    assert list(range(50)) == check_leaves(recording, "worker", each=3)
    assert 1 == len({line["trace_id"] for line in recording.lines})


def test_gathered_roots_have_traces_of_their_own(recording, run_asyncio):
    """Without a step around them, gathered coroutines are roots, a trace each."""

    async def main():
        await asyncio.gather(*map(worker, range(10)))

    run_asyncio(main)

    roots = recording.named("worker")
    assert [None] * 10 == [line["parent_id"] for line in roots]
    assert 10 == len({line["trace_id"] for line in roots})
    by_id = {line["id"]: line for line in recording.lines}
    for line in recording.named("leaf"):
        assert by_id[line["parent_id"]]["trace_id"] == line["trace_id"]


@needs_task_groups
def test_nested_task_groups(recording, run_asyncio):
    """Tasks of nested groups are children of the step that started each group."""

    @traced(name="branch")
    async def branch(owner):
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(worker(f"{owner}{number}"))

    async def main():
        with step("outer"):
            async with asyncio.TaskGroup() as group:
                for owner in "abc":
                    group.create_task(branch(owner))

    run_asyncio(main)

    branches = owners_of(recording, "branch")
    assert ["outer"] * 3 == recording.parents()["branch"]
    for line in recording.named("worker"):
        assert branches[line["parent_id"]] == line["context"]["owner"][0]
    assert 9 == len(check_leaves(recording, "worker", each=3))


def test_nested_trio_nurseries(recording):
    """Tasks of nested trio nurseries are children of the step that opened each."""

    @traced(name="branch")
    async def branch(owner):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(tip, owner)

    @traced(name="tip")
    async def tip(owner):
        await trio.lowlevel.checkpoint()
        leaf(owner)

    async def main():
        async with trio.open_nursery() as nursery:
            for owner in "abc":
                nursery.start_soon(branch, owner)

    with step("outer"):
        trio.run(main)

    branches = owners_of(recording, "branch")
    assert ["outer"] * 3 == recording.parents()["branch"]
    for line in recording.named("tip"):
        assert branches[line["parent_id"]] == line["context"]["owner"]
    check_leaves(recording, "tip", each=1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_task_group(recording, backend):
    """Tasks of an anyio task group are children of the step that opened it."""

    @traced(name="tip")
    async def tip(owner):
        await anyio.lowlevel.checkpoint()
        leaf(owner)

    async def main():
        with step("outer") as outer:
            async with anyio.create_task_group() as group:
                for owner in range(10):
                    group.start_soon(tip, owner)
            assert current_step() is outer

    anyio.run(main, backend=backend)

    assert ["outer"] * 10 == recording.parents()["tip"]
    check_leaves(recording, "tip", each=1)


def test_coroutine_awaited_elsewhere_belongs_there(recording, run_asyncio):
    """A coroutine's step starts at its first await, under the step current then."""

    async def main():
        with step("maker"):
            coroutine = worker(1)
        with step("waiter"):
            await coroutine

    run_asyncio(main)

    assert ["waiter"] == recording.parents()["worker"]


def test_task_takes_the_step_it_was_created_in(recording, run_asyncio):
    """A task belongs to the step current at its creation, even when that has ended."""

    async def main():
        with step("maker"):
            task = asyncio.create_task(worker(1))
        with step("waiter"):
            await task

    run_asyncio(main)

    assert ["maker"] == recording.parents()["worker"]
    assert recording.one("maker")["trace_id"] == recording.one("worker")["trace_id"]


def test_coroutine_never_awaited_leaves_no_step(recording, decorate):
    """A coroutine that nobody awaits warns once, as undecorated, and leaves no line."""

    @decorate
    async def forgotten():
        raise AssertionError("the body must not run")

    with pytest.warns(RuntimeWarning) as caught:
        forgotten()

    name = f"{test_coroutine_never_awaited_leaves_no_step.__name__}.<locals>.forgotten"
    assert [f"coroutine '{name}' was never awaited"] == [
        str(warning.message) for warning in caught
    ]
    assert [] == recording.lines


def test_coroutine_objects_stay_coroutines(recording, decorate):
    """What a traced coroutine function returns is a coroutine, named as before."""

    @decorate
    async def research():
        pass

    coroutine = research()

    assert inspect.iscoroutine(coroutine)
    assert "research" == coroutine.__name__
    assert coroutine.__qualname__.endswith("<locals>.research")
    assert inspect.CORO_CREATED == inspect.getcoroutinestate(coroutine)
    coroutine.close()
    assert inspect.CORO_CLOSED == inspect.getcoroutinestate(coroutine)


def test_coroutine_awaited_twice_fails_as_before(recording, finish, decorate):
    """A second await of one coroutine gets the interpreter's own RuntimeError."""

    @decorate
    async def research():
        return 1

    coroutine = research()
    assert 1 == finish(coroutine)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        finish(coroutine)

    assert 1 * (decorate is traced) == len(recording.lines)


def test_context_variables_set_in_a_coroutine_are_seen_after(
    recording, run_asyncio, decorate
):
    """A traced coroutine runs in its caller's own task and context."""
    budget = contextvars.ContextVar("budget", default=0)
    tasks = []

    @decorate
    async def spend():
        await asyncio.sleep(0)
        budget.set(7)
        tasks.append(asyncio.current_task())

    async def main():
        await spend()
        return budget.get(), tasks == [asyncio.current_task()]

    assert (7, True) == run_asyncio(main)


def test_to_thread_keeps_the_step(recording, run_asyncio):
    """A function run with ``asyncio.to_thread`` is a child of its caller's step."""

    async def main():
        with step("outer") as outer:
            await asyncio.gather(
                *(asyncio.to_thread(thread_worker, owner) for owner in range(10))
            )
            assert current_step() is outer

    run_asyncio(main)

    assert ["outer"] * 10 == recording.parents()["thread_worker"]
    check_leaves(recording, "thread_worker", each=2)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_threads_keep_the_step(recording, backend):
    """A function run in an anyio worker thread is a child of its caller's step."""

    async def main():
        with step("outer"):
            await anyio.to_thread.run_sync(thread_worker, 1)

    anyio.run(main, backend=backend)

    assert ["outer"] == recording.parents()["thread_worker"]


@pytest.mark.parametrize("way", ["submit", "map"])
def test_propagate_in_a_pool(recording, way):
    """Propagated functions in a thread pool are children of the step they left."""
    with ThreadPoolExecutor(8) as pool, step("outer") as outer:
        if way == "submit":
            futures = [pool.submit(propagate(thread_worker), n) for n in range(50)]
            results = [future.result() for future in futures]
        else:
            results = list(pool.map(propagate(thread_worker), range(50)))
        assert current_step() is outer

    assert list(range(50)) == results
    assert ["outer"] * 50 == recording.parents()["thread_worker"]
    assert list(range(50)) == check_leaves(recording, "thread_worker", each=2)


def test_one_propagated_function_runs_in_many_threads_at_once(recording):
    """One propagated function serves several threads at the same moment."""
    barrier = threading.Barrier(4)

    @traced(name="meet")
    def meet(number):
        barrier.wait(timeout=30)
        return number

    with ThreadPoolExecutor(4) as pool, step("outer"):
        together = propagate(meet)
        results = list(pool.map(together, range(4)))

    assert [0, 1, 2, 3] == results
    assert ["outer"] * 4 == recording.parents()["meet"]


def test_propagate_leaves_the_worker_thread_clean(recording):
    """After a propagated call the pool's thread has no step and no tracer."""
    with ThreadPoolExecutor(1) as pool:
        with step("outer"):
            pool.submit(propagate(leaf), 1).result()
        assert (None, None) == (
            pool.submit(current_step).result(),
            pool.submit(current_tracer).result(),
        )


def test_propagate_is_transparent(recording):
    """A propagated function gives results, errors and its own name as before."""
    error = ValueError("stale feed")

    def fetch(symbol, *, side="buy"):
        """Fetch a quote."""
        if side == "sell":
            raise error
        return symbol, side

    carried = propagate(fetch)

    assert ("BTCUSDT", "buy") == carried("BTCUSDT")
    with pytest.raises(ValueError) as caught:
        carried("BTCUSDT", side="sell")
    assert error is caught.value
    assert ("fetch", "Fetch a quote.") == (carried.__name__, carried.__doc__)
    assert inspect.signature(fetch) == inspect.signature(carried)


def test_propagate_without_a_tracer(decorate):
    """Without a tracer a propagated function just runs."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(propagate(decorate(lambda number: number + 1)), 1)
        assert 2 == future.result()


def test_propagate_takes_the_step_of_its_own_moment(recording):
    """A function propagated inside a step belongs to it, wherever it runs later."""
    with step("first"):
        carried = propagate(leaf)
    with step("second"):
        carried(1)
        leaf(2)

    assert ["first", "second"] == recording.parents()["leaf"]


def test_plain_thread_records_nothing_without_activation(recording):
    """A plain thread does not inherit the tracer: nothing is recorded."""
    results = []
    with step("outer"):
        thread = threading.Thread(target=lambda: results.append(leaf(2)))
        thread.start()
        thread.join()

    assert [2] == results
    assert ["outer"] == recording.names


def test_plain_thread_has_roots_of_the_activated_tracer(recording):
    """Steps of a plain thread are roots of the tracer that was activated."""
    recording.tracer.activate()
    with step("outer"):
        threads = [
            threading.Thread(target=thread_worker, args=(owner,)) for owner in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    roots = recording.named("thread_worker")
    assert [None] * 5 == [line["parent_id"] for line in roots]
    assert 6 == len({line["trace_id"] for line in recording.lines})
    check_leaves(recording, "thread_worker", each=2)


def test_activated_tracer_is_current_everywhere():
    """Where no other is current, the activated tracer is; blocks come before it."""
    with Tracer("activated", auto_save=False).activate() as activated:
        context = contextvars.Context()
        assert activated is context.run(current_tracer)
        assert context.run(current_step) is None
        with Tracer("other", auto_save=False) as other:
            assert other is current_tracer()
            assert activated is context.run(current_tracer)

    assert contextvars.Context().run(current_tracer) is None


def test_another_tracer_that_closes_leaves_the_activated_one(recording):
    """The end of one tracer takes no other out of its place as the fallback."""
    recording.tracer.activate()
    Tracer("other", auto_save=False).close()

    assert recording.tracer is contextvars.Context().run(current_tracer)


def test_task_that_outlives_its_tracer_stays_there(recording, run_asyncio):
    """What a task does after the block of its tracer is none of the tracer around."""

    async def work(started, left):
        with step("first"):
            started.set()
            await left.wait()
        at = current_tracer()
        with pytest.warns(RuntimeWarning, match="closed"):
            with step("second"):
                pass
        return at

    async def main():
        started, left = asyncio.Event(), asyncio.Event()
        with Tracer("inner", auto_save=False) as inner:
            task = asyncio.create_task(work(started, left))
            await started.wait()
        left.set()
        return inner, await task

    inner, at = run_asyncio(main)

    assert inner is at
    assert [] == recording.names


def test_task_that_outlives_its_step_stays_below_it(recording, run_asyncio):
    """A task goes on below the step that it was created in, though that has ended."""

    async def work(started, left):
        with step("first"):
            started.set()
            await left.wait()
        with step("second"):
            pass

    async def main():
        started, left = asyncio.Event(), asyncio.Event()
        with step("outer"):
            task = asyncio.create_task(work(started, left))
            await started.wait()
        left.set()
        await task

    run_asyncio(main)

    assert {"outer": [None], "first": ["outer"], "second": ["outer"]} == (
        recording.parents()
    )


def test_closed_tracer_is_active_no_more(record):
    """An activated tracer that is closed is no thread's tracer any more."""
    with record() as recording:
        recording.tracer.activate()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_tracer).result() is None
        assert 1 == pool.submit(leaf, 1).result()

    assert [] == recording.lines


def test_sixteen_threads_do_not_mix(recording):
    """Threads that trace at full speed write whole lines with parents of their own."""
    recording.tracer.activate()
    barrier = threading.Barrier(16)

    def run(owner):
        barrier.wait(timeout=30)
        for _ in range(50):
            thread_worker(owner)

    threads = [threading.Thread(target=run, args=(owner,)) for owner in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 16 * 50 * 3 == len(recording.lines)
    seqs = [line["seq"] for line in recording.lines]
    assert len(seqs) == len(set(seqs))
    check_leaves(recording, "thread_worker", each=2)


def test_ids_are_drawn_once(switch_often):
    """However many threads draw from one source, no two of them get the same id."""
    ids = RandomIds()
    barrier = threading.Barrier(8)
    drawn = []

    def run():
        barrier.wait(timeout=30)
        for _ in range(10_000):
            drawn.append(ids.step_id())
            drawn.append(ids.trace_id())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 2 * 8 * 10_000 == len(drawn) == len(set(drawn))


def test_header_is_on_the_first_line_whoever_writes_it(record, switch_often):
    """However many threads race for the first line, it alone holds the header."""
    for _ in range(10):
        with record() as recording:
            recording.tracer.activate()
            barrier = threading.Barrier(8)

            def run(owner, barrier=barrier):
                barrier.wait(timeout=30)
                leaf(owner)

            threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert 8 == len(recording.lines)
        assert {} == recording.tracer.health()


def test_two_tracers_side_by_side(record, run_asyncio):
    """Tasks under two tracers write into their own sessions only."""

    async def session(owner):
        with record() as recording:
            await asyncio.gather(*(worker(owner) for _ in range(5)))
            return recording

    async def main():
        return await asyncio.gather(session("first"), session("second"))

    for owner, recording in zip(("first", "second"), run_asyncio(main)):
        assert [owner] * 5 == check_leaves(recording, "worker", each=3)


def test_inner_tracer_gives_way_to_the_outer_one(recording, record):
    """A tracer entered inside another's step is current, with roots of its own."""
    with step("outer") as outer:
        with record() as inner:
            assert current_tracer() is inner.tracer
            leaf("inner")
        assert (outer, recording.tracer) == (current_step(), current_tracer())
        leaf("outer")

    assert [None] == inner.parents()["leaf"]
    assert ["outer"] == recording.parents()["leaf"]


def test_steps_of_a_tracer_never_entered(tmp_path, read_lines):
    """Inside a step of a tracer that was never entered, that tracer is current."""
    tracer = Tracer("agent", trace_dir=tmp_path)
    with tracer.step("outer"):
        assert tracer is current_tracer()
        leaf(1)
        with step("inner"):
            leaf(2)

    assert current_tracer() is None
    tracer.close()
    assert ["inner", "leaf", "leaf", "outer"] == sorted(
        line["name"] for line in read_lines(tmp_path)
    )


def test_callbacks_run_under_the_step_that_scheduled_them(recording, run_asyncio):
    """``call_soon`` copies the context: a callback's steps belong to its scheduler."""

    async def main():
        done = asyncio.Event()

        def callback():
            leaf("callback")
            done.set()

        with step("outer"):
            asyncio.get_running_loop().call_soon(callback)
        await done.wait()

    run_asyncio(main)

    assert ["outer"] == recording.parents()["leaf"]


def test_one_tracer_in_two_contexts(recording, run_asyncio):
    """Each context gets back what was current in it before, whoever leaves first."""
    found = {}

    async def block(name, tracer, entered, leave, left):
        with step(name) as outer:
            with tracer:
                entered.set()
                await leave.wait()
            found[name] = current_step() is outer
            left.set()

    async def main():
        tracer = Tracer("other", auto_save=False)
        one, two, gone, never = (asyncio.Event() for _ in range(4))
        first = asyncio.create_task(block("first", tracer, one, two, gone))
        await one.wait()
        await asyncio.gather(first, block("second", tracer, two, gone, never))
        assert current_step() is None

    run_asyncio(main)

    assert {"first": True, "second": True} == found
    (first,), (second,) = recording.named("first"), recording.named("second")
    assert [None, None] == [first["parent_id"], second["parent_id"]]
