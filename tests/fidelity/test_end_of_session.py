"""What leaves the block of a tracer outside of every step stands in the record."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref

import pytest
from recorded import read_directory, read_file

from ai_trace import MemorySink, Tracer, current_step, current_tracer, step, traced


END = "end of session"


class PriceError(Exception):
    """An error of the program's own, which can be watched."""


class Price:
    """A thing of the program's own, which can be watched."""


def run(exc: BaseException | None, directory, **settings):
    """Leave a block by an exception, after a step; return lines and what came out."""
    came = None
    try:
        with Tracer("agent", directory, **settings):
            with step("scan"):
                pass
            if exc is not None:
                raise exc
    except BaseException as leaving:
        came = leaving
    return read_directory(directory), came


@pytest.mark.parametrize(
    ("exc", "outcome", "error"),
    [
        (ValueError("no price"), "error", "ValueError: no price"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(3), "interrupted", "SystemExit: 3"),
        (SystemExit("no price"), "interrupted", "SystemExit: no price"),
        (SystemExit(False, 0), "interrupted", "SystemExit: (False, 0)"),
        (asyncio.CancelledError(), "cancelled", "CancelledError"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, BaseException) else "",
)
def test_outside_of_every_step(tmp_path, exc, outcome, error):
    """What ends a session between its steps is a root of its own, once."""
    lines, came = run(exc, tmp_path)

    assert exc is came
    assert ["scan", END] == [line["name"] for line in lines]
    end = lines[1]
    assert (outcome, error, None) == (end["outcome"], end["error"], end["parent_id"])
    assert end["traceback"].endswith(f"{error}\n") or "asyncio" in end["traceback"]
    assert __file__ in end["traceback"]
    assert ("ai_trace.Tracer.__exit__", {}) == (end["function"], end["context"])
    assert lines[0]["trace_id"] != end["trace_id"]


@pytest.mark.parametrize(
    "exc", [None, SystemExit(), SystemExit(0), SystemExit(False), GeneratorExit()]
)
def test_an_end_that_is_none_of_these(tmp_path, exc):
    """A program that ends by itself leaves its steps, and nothing more."""
    lines, came = run(exc, tmp_path)

    assert exc is came
    assert ["scan"] == [line["name"] for line in lines]


def test_counted(tmp_path):
    """The counts and the documents tell of it as of any step."""
    memory = MemorySink()
    with pytest.raises(PriceError), Tracer("agent", tmp_path, sinks=[memory]) as tracer:
        raise PriceError

    assert (1, 1) == (tracer.summary()["steps"], tracer.summary()["errors"])
    assert [END] == [record.name for record in tracer.steps]
    assert [END] == [record.name for record in memory.records]
    assert "PriceError" in tracer.save().read_text()
    assert {} == tracer.health()


def by_block():
    """Raise in a block of a step."""
    with step("failing"):
        raise PriceError("one")


def by_hand():
    """Fail a step by hand, and go on with the exception."""
    failing = current_tracer().step("failing").start()
    try:
        raise PriceError("one")
    except PriceError as exc:
        failing.fail(exc)
        raise


def by_hand_anew():
    """Fail a step by hand, and raise the same exception elsewhere."""
    try:
        raise PriceError("one")
    except PriceError as exc:
        kept = exc
    current_tracer().step("failing").start().fail(kept)
    raise kept


def by_hand_before_it_is_raised():
    """Fail a step by hand with an exception that is raised only then."""
    made = PriceError("one", "two")
    current_tracer().step("failing").start().fail(made)
    raise made


@traced(name="failing")
def by_function():
    """Raise in a traced function."""
    raise PriceError("one")


def by_recursion(depth=30):
    """Raise in a step that is entered far down."""
    return by_recursion(depth - 1) if depth else by_block()


@traced(name="failing")
def failing_items():
    """Raise in a traced generator."""
    yield 1
    raise PriceError("one")


def by_generator():
    """Raise out of a traced generator."""
    list(failing_items())


@pytest.mark.parametrize(
    "fail",
    [
        by_block,
        by_hand,
        by_hand_anew,
        by_hand_before_it_is_raised,
        by_function,
        by_recursion,
        by_generator,
    ],
)
def test_told_once(tmp_path, fail):
    """What a root step has ended with is not told again by the end."""
    with pytest.raises(PriceError), Tracer("agent", tmp_path) as tracer:
        try:
            fail()
        finally:
            with step("cleanup"):
                pass

    assert ["failing", "cleanup"] == [line["name"] for line in read_file(tracer.path)]


def test_told_by_a_root_only(tmp_path):
    """A step whose root came to a good end is no sign of how the session ended."""
    with pytest.raises(PriceError), Tracer("agent", tmp_path) as tracer:
        with step("root"):
            try:
                by_block()
            except PriceError as exc:
                kept = exc
        raise kept

    assert ["failing", "root", END] == [line["name"] for line in read_file(tracer.path)]


def test_another_in_the_same_place_in_memory(tmp_path):
    """An exception is not taken for one that was freed where it was made."""

    def caught():
        try:
            by_block()
        except PriceError as exc:
            return id(exc)

    with pytest.raises(PriceError) as raised, Tracer("agent", tmp_path) as tracer:
        known = caught()
        exc = PriceError("another")
        others = []
        while id(exc) != known:
            others.append(exc)
            exc = PriceError("another")
            assert len(others) < 100_000
        raise exc

    assert known == id(raised.value)
    assert ["failing", END] == [line["name"] for line in read_file(tracer.path)]


@pytest.mark.parametrize("args", [(), ("no price",), ("no price", 7), ("x" * 9_999,)])
def test_another_that_was_not_raised_either(tmp_path, args):
    """One that was never raised is not taken for another of the same words."""
    with pytest.raises(PriceError) as raised, Tracer("agent", tmp_path) as tracer:
        first = PriceError(*list(args))
        known = id(first)
        step("failing").start().fail(first)
        del first
        exc = PriceError(*list(args))
        others = []
        while id(exc) != known:
            others.append(exc)
            exc = PriceError(*list(args))
            assert len(others) < 100_000
        raise exc

    assert known == id(raised.value)
    assert ["failing", END] == [line["name"] for line in read_file(tracer.path)]


@pytest.mark.parametrize("args", [(), ("no price",), ([],)])
def test_nothing_is_kept_of_what_was_not_raised(tmp_path, args):
    """An exception that was given to ``fail`` is freed, with all but texts in it."""
    with Tracer("agent", tmp_path):
        held = Price()
        made = PriceError(*args, *([held] if args == ([],) else []))
        made.price = held
        refs = weakref.ref(made), weakref.ref(held)
        step("failing").start().fail(made)
        gc.disable()
        try:
            del made, held
            assert (None, None) == (refs[0](), refs[1]())
        finally:
            gc.enable()


def test_nothing_is_kept(tmp_path):
    """An exception that was told of is freed when the program lets go of it."""
    with Tracer("agent", tmp_path):
        try:
            by_block()
        except PriceError as exc:
            ref = weakref.ref(exc)
        gc.disable()
        try:
            assert ref() is None
        finally:
            gc.enable()


async def failing_task():
    """Raise in a step of a task."""
    by_block()


def test_async(tmp_path):
    """An async block tells of what leaves it, and a step of a task has told of it."""

    async def outside():
        async with Tracer("outside", tmp_path):
            await asyncio.sleep(0)
            raise PriceError

    async def inside():
        async with Tracer("inside", tmp_path):
            await asyncio.gather(failing_task())

    for main in (outside, inside):
        with pytest.raises(PriceError):
            asyncio.run(main())

    assert [END, "failing"] == sorted(line["name"] for line in read_directory(tmp_path))


def test_cancelled_between_steps(tmp_path):
    """Who is cancelled between two steps has a session that says so."""

    async def main():
        inside = asyncio.Event()

        async def wait():
            async with Tracer("agent", tmp_path):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    (line,) = read_directory(tmp_path)
    assert (END, "cancelled") == (line["name"], line["outcome"])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is of Python 3.11")
@pytest.mark.parametrize("also", [False, True])
def test_a_group(tmp_path, also):
    """A group is told of where each of its members is, and else as a whole."""

    async def bare():
        raise PriceError("of no step")

    async def main():
        async with Tracer("agent", tmp_path):
            async with asyncio.TaskGroup() as group:
                group.create_task(failing_task())
                group.create_task(failing_task())
                if also:
                    group.create_task(bare())

    with pytest.raises(BaseException) as raised:
        asyncio.run(main())

    assert "ExceptionGroup" == type(raised.value).__name__
    names = [line["name"] for line in read_directory(tmp_path)]
    assert ["failing", "failing", *([END] if also else [])] == names


def test_nested(tmp_path):
    """Each session tells of its own end; the outer one has told it in its step."""
    with pytest.raises(PriceError), Tracer("outer", tmp_path) as outer, step("outer"):
        with Tracer("inner", tmp_path) as inner:
            raise PriceError

    assert ["outer"] == [line["name"] for line in read_file(outer.path)]
    (line,) = read_file(inner.path)
    assert (END, None) == (line["name"], line["parent_id"])


def test_a_step_that_was_never_left(tmp_path):
    """The end is a root, whatever step stands there; that one has no end."""
    with pytest.raises(PriceError), Tracer("agent", tmp_path) as tracer:
        step("left open").__enter__()
        raise PriceError

    lines = read_file(tracer.path)
    assert [(END, None), ("left open", None)] == [
        (line["name"], line["parent_id"]) for line in lines
    ]
    assert "unfinished" == lines[1]["outcome"]
    assert current_step() is None


def test_closed_before(tmp_path, recwarn):
    """What comes after the end of a session is none of it, and no complaint."""
    with pytest.raises(PriceError), Tracer("agent", tmp_path) as tracer:
        with step("scan"):
            pass
        tracer.close()
        raise PriceError

    assert ["scan"] == [line["name"] for line in read_file(tracer.path)]
    assert ([], {}) == (list(recwarn), tracer.health())


def test_disabled(tmp_path, monkeypatch):
    """A disabled tracer tells of nothing."""
    monkeypatch.setenv("AI_TRACE_DISABLED", "1")
    lines, came = run(PriceError(), tmp_path)

    assert [] == lines
    assert isinstance(came, PriceError)


# What runs the tests has a thread of its own; Python 3.15 warns of it.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_a_forked_child(tmp_path):
    """A child that leaves the block by an error says so in its own file."""
    with Tracer("agent", tmp_path) as tracer:
        with step("scan"):
            pass
        child = os.fork()
        if child == 0:
            try:
                with tracer:
                    raise PriceError
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    assert ["scan"] == [line["name"] for line in read_file(tracer.path)]
    (own,) = tmp_path.glob(f"*.p{child}.jsonl")
    assert [END] == [line["name"] for line in read_file(own)]


def test_one_that_cannot_be_told(tmp_path):
    """An exception that fails at whatever it is asked costs its words alone."""

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    lines, came = run(Broken(), tmp_path)

    assert type(came) is Broken
    assert "Broken: <message cannot be shown: RuntimeError>" == lines[1]["error"]
