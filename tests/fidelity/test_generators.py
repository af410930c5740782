"""Generators: ended early, suspended, interleaved, and whose step is current when."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import inspect
import itertools
import threading
import types

import pytest

from ai_trace import current_step, step, traced


pytestmark = pytest.mark.usefixtures("silence")


@traced(name="bars")
def bars(count=3):
    yield from range(count)


@traced(name="fetch")
def fetch(number):
    return number


def end_by_close(generator):
    generator.close()


def end_by_drop(generator):
    # The caller's loop has ended; leaving this frame drops the last reference.
    del generator


def end_by_throw(generator):
    with contextlib.suppress(GeneratorExit):
        generator.throw(GeneratorExit())


EARLY_ENDS = [end_by_close, end_by_drop, end_by_throw]


@pytest.mark.parametrize("end", EARLY_ENDS)
@pytest.mark.parametrize("taken", [1, 2, 3])
def test_ended_early_is_closed_with_the_items_so_far(recording, end, taken):
    """A generator ended by its consumer is one closed line with its items so far."""
    with step("consumer") as consumer:
        generators = [bars()]
        for _ in range(taken):
            next(generators[0])
        end(generators.pop())

        assert current_step() is consumer
    line = recording.one("bars")
    assert "closed" == line["outcome"]
    assert line["error"] is None
    assert {"count": taken, "items": list(range(taken))} == line["result"]
    assert {"bars": ["consumer"], "consumer": [None]} == recording.parents()


def test_break_is_closed_at_once(recording):
    """Breaking out of a loop over a generator closes its step, not its consumer's."""
    with step("consumer") as consumer:
        for number in bars():
            if number == 1:
                break

        assert current_step() is consumer
        fetch(1)
    assert ["bars", "consumer", "fetch"] == recording.names
    assert "closed" == recording.one("bars")["outcome"]
    assert "ok" == recording.one("consumer")["outcome"]
    assert ["consumer"] == recording.parents()["fetch"]


def test_islice_leaves_a_closed_step(recording):
    """What itertools takes from a generator is counted, and the rest is closed."""
    assert [0, 1] == list(itertools.islice(bars(10), 2))

    gc.collect()
    assert {"count": 2, "items": [0, 1]} == recording.one("bars")["result"]
    assert "closed" == recording.one("bars")["outcome"]


def test_dropped_in_a_cycle_is_closed_by_the_collector(recording):
    """A generator that only a reference cycle holds is closed once, on collection."""
    holder = {}
    holder["self"] = holder
    holder["bars"] = bars()
    next(holder["bars"])
    holder = None

    gc.collect()
    assert "closed" == recording.one("bars")["outcome"]


def test_closed_from_another_thread(recording):
    """Closing a generator from a thread it never ran in records it once, closed."""
    with step("consumer") as consumer:
        generator = bars()
        next(generator)
        closer = threading.Thread(target=generator.close)
        closer.start()
        closer.join()

        assert current_step() is consumer
    assert "closed" == recording.one("bars")["outcome"]


def test_advanced_from_several_threads(recording):
    """Each advance runs under the generator's step and leaves its thread clean."""
    seen = []

    @traced(name="relay")
    def relay():
        for _ in range(3):
            seen.append(current_step())
            yield

    def advance():
        next(generator)
        seen.append(current_step())

    generator = relay()
    for _ in range(3):
        thread = threading.Thread(target=advance)
        thread.start()
        thread.join()
    generator.close()

    assert [None, None, None] == seen[1::2]
    assert ["relay"] * 3 == [inside.name for inside in seen[0::2]]
    assert 3 == recording.one("relay")["result"]["count"]


def test_exhausted_is_ok(recording):
    """A generator run to its end is ok and holds its items, without a return value."""
    assert [0, 1, 2] == list(bars())

    assert "ok" == recording.one("bars")["outcome"]
    assert {"count": 3, "items": [0, 1, 2]} == recording.one("bars")["result"]


def test_empty_generator_is_ok(recording):
    """A generator that yields nothing is a step with no items."""
    assert [] == list(bars(0))

    assert {"count": 0, "items": []} == recording.one("bars")["result"]


def test_return_value_is_kept_and_recorded(recording):
    """A generator's return value reaches ``yield from`` and the record."""

    @traced(name="scan")
    def scan():
        yield "scanned"
        return {"signal": 0.87}

    def consume():
        return (yield from scan())

    consumer = consume()
    assert "scanned" == next(consumer)
    with pytest.raises(StopIteration) as stop:
        next(consumer)

    assert {"signal": 0.87} == stop.value.value
    assert {
        "count": 1,
        "items": ["scanned"],
        "returned": {"signal": 0.87},
    } == recording.one("scan")["result"]


def test_error_keeps_the_items_so_far(recording):
    """A generator that raises is an error that still tells what it had yielded."""

    @traced(name="scan")
    def scan():
        yield 1
        raise ValueError("stale feed")

    with pytest.raises(ValueError, match="stale feed"):
        list(scan())

    line = recording.one("scan")
    assert ("error", "ValueError: stale feed") == (line["outcome"], line["error"])
    assert {"count": 1, "items": [1]} == line["result"]


def test_never_started_leaves_no_step(recording):
    """A generator that nobody advances leaves no line, closed or dropped."""
    bars().close()
    generator = bars()
    del generator

    gc.collect()
    assert [] == recording.lines


def test_thrown_into_before_the_start_leaves_no_step(recording):
    """An exception thrown into a fresh generator comes out; the body never ran."""
    error = ValueError("too early")
    generator = bars()
    with pytest.raises(ValueError) as caught:
        generator.throw(error)

    assert error is caught.value
    assert [] == list(generator)
    assert [] == recording.lines


def test_parent_is_the_step_of_the_first_advance(recording):
    """A generator's step starts when its body first runs, under the step then."""
    with step("maker"):
        generator = bars()
    with step("consumer"):
        next(generator)
    with step("closer"):
        generator.close()

    assert ["consumer"] == recording.parents()["bars"]


def test_each_side_parents_its_own_calls(recording):
    """Calls in the body are the generator's children, the consumer's its own."""

    @traced(name="body_call")
    def body_call():
        pass

    @traced(name="scan")
    def scan():
        body_call()
        yield 1
        body_call()
        yield 2
        body_call()

    with step("consumer") as consumer:
        for number in scan():
            assert current_step() is consumer
            fetch(number)

    assert {
        "consumer": [None],
        "scan": ["consumer"],
        "body_call": ["scan"] * 3,
        "fetch": ["consumer"] * 2,
    } == recording.parents()


def test_cleanup_after_an_early_close_belongs_to_the_generator(recording):
    """A call in the body's ``finally`` is the generator's child, and it is recorded."""

    @traced(name="cleanup")
    def cleanup():
        assert current_step().name == "cleanup"

    @traced(name="scan")
    def scan():
        try:
            yield 1
        finally:
            cleanup()

    with step("consumer") as consumer:
        for _ in scan():
            break

        assert current_step() is consumer
    assert ["scan"] == recording.parents()["cleanup"]
    assert "closed" == recording.one("scan")["outcome"]


def test_closed_body_that_returns_is_still_closed(recording):
    """A body that answers its close with a plain return was closed all the same."""

    @traced(name="scan")
    def scan():
        try:
            yield 1
        except GeneratorExit:
            return

    generator = scan()
    next(generator)
    generator.close()

    assert "closed" == recording.one("scan")["outcome"]


def test_close_that_fails_is_an_error(recording):
    """An exception out of the body's cleanup comes out of close and is the error."""
    failure = KeyError("cleanup")

    @traced(name="scan")
    def scan():
        try:
            yield 1
        finally:
            raise failure

    generator = scan()
    next(generator)
    with pytest.raises(KeyError) as caught:
        generator.close()

    assert failure is caught.value
    assert "error" == recording.one("scan")["outcome"]


def test_interleaved_and_closed_out_of_order(recording):
    """Interleaved generators keep their own children, however they are closed."""

    @traced(name="child")
    def child(owner):
        pass

    @traced
    def stream(owner):
        while True:
            child(owner)
            yield owner

    with step("outer") as outer:
        first, second = stream("first"), stream("second")
        for _ in range(3):
            assert ("first", "second") == (next(first), next(second))
            assert current_step() is outer
        first.close()
        assert current_step() is outer
        next(second)
        second.close()
        assert current_step() is outer

    streams, children = recording.named("stream"), recording.named("child")
    owners = {line["id"]: line["context"]["owner"] for line in streams}
    assert ["first", "second"] == sorted(owners.values())
    assert 7 == len(children)
    assert [line["context"]["owner"] for line in children] == [
        owners[line["parent_id"]] for line in children
    ]
    assert {recording.one("outer")["id"]} == {line["parent_id"] for line in streams}


def test_delegation_nests(recording):
    """A traced generator that another delegates to is its child."""

    @traced(name="inner")
    def inner():
        fetch((yield 1))
        yield 2

    @traced(name="outer")
    def outer():
        yield from inner()
        fetch(0)
        yield 3

    assert [1, 2, 3] == list(outer())
    assert {
        "outer": [None],
        "inner": ["outer"],
        "fetch": ["inner", "outer"],
    } == recording.parents()


def test_early_close_goes_through_delegation(recording):
    """Closing the outer generator closes the one it delegates to, each once."""

    @traced(name="outer")
    def outer():
        yield from bars()

    generator = outer()
    next(generator)
    generator.close()

    assert ["bars", "outer"] == recording.names
    assert ["closed", "closed"] == [line["outcome"] for line in recording.lines]


def test_step_held_across_a_yield_is_current_inside_only(recording):
    """A step that a body holds over a yield parents the body's calls, not others'."""

    @traced(name="scan")
    def scan():
        with step("window"):
            fetch(1)
            yield 1
            fetch(2)
        fetch(3)

    with step("consumer") as consumer:
        for number in scan():
            assert current_step() is consumer
            fetch(number * 10)

    assert ["window", "consumer", "window", "scan"] == recording.parents()["fetch"]
    assert ["scan"] == recording.parents()["window"]


def test_yielded_values_are_recorded_as_they_were(recording):
    """An item is recorded as it was when yielded, whatever happens to it later."""
    book = []

    @traced(name="scan")
    def scan():
        for price in (1, 2):
            book.append(price)
            yield book

    for item in scan():
        assert item is book
        book.append("consumer")

    assert [[1], [1, "consumer", 2]] == recording.one("scan")["result"]["items"]


def test_items_are_bounded_and_counted(recording):
    """A long stream is counted in full, kept in part, and the cut is noted."""
    for _ in bars(10_000):
        pass

    line = recording.one("bars")
    kept = line["result"]["items"]
    assert 10_000 == line["result"]["count"]
    assert 0 < len(kept) < 10_000
    assert list(range(len(kept))) == kept
    assert [] != line["notes"]


def test_notes_on_items_go_with_them(recording):
    """Where the body sets the result, only what it has set is spoken of."""

    @traced(name="scan")
    def scan():
        yield object()
        current_step().set_result({"items": [1, object()]})
        yield object()

    for _ in scan():
        pass

    line = recording.one("scan")
    assert {"items": [1, "<object>"]} == line["result"]
    (note,) = line["notes"]
    assert ("$.result.items[1]", "opaque") == (note["path"], note["note"])


def test_an_open_generator_has_no_notes_on_items(recording):
    """A step that ends with its session has no items yet, and no notes on any."""

    @traced(name="scan")
    def scan():
        yield object()

    generator = scan()
    next(generator)
    recording.tracer.close()

    line = recording.one("scan")
    assert "unfinished" == line["outcome"]
    assert "notes" not in line
    generator.close()


@pytest.mark.parametrize("value", ["returned", None])
def test_generator_objects_stay_generators(recording, value):
    """What a traced generator function returns is a generator, named as before."""

    def plain(count):
        yield from range(count)
        return value

    before, after = plain(2), traced(plain)(2)

    assert isinstance(after, types.GeneratorType)
    assert inspect.isgenerator(after)
    assert (before.__name__, before.__qualname__) == (
        after.__name__,
        after.__qualname__,
    )
    assert inspect.GEN_CREATED == inspect.getgeneratorstate(after)
    next(after)
    assert inspect.GEN_SUSPENDED == inspect.getgeneratorstate(after)
    after.close()
    assert inspect.GEN_CLOSED == inspect.getgeneratorstate(after)


def test_resuming_a_running_generator_fails_as_before(recording, decorate):
    """A generator that advances itself gets the interpreter's own ValueError."""

    @decorate
    def serpent():
        with pytest.raises(ValueError, match="generator already executing"):
            next(generator)
        yield "alive"

    generator = serpent()

    assert ["alive"] == list(generator)


def test_context_variables_set_inside_are_seen_outside(recording, decorate):
    """A body runs in its consumer's own context: what it sets there stays set."""
    budget = contextvars.ContextVar("budget", default=0)

    @decorate
    def spend():
        budget.set(budget.get() + 1)
        yield
        budget.set(budget.get() + 1)

    seen = []
    for _ in spend():
        seen.append(budget.get())
        budget.set(10)
    seen.append(budget.get())

    assert [1, 11] == seen


@pytest.mark.parametrize("failing", [False, True])
def test_works_under_contextmanager(recording, failing):
    """A traced generator under ``contextmanager`` handles its block as before."""
    error = ValueError("stale feed")

    @contextlib.contextmanager
    @traced(name="session")
    def session():
        try:
            yield "feed"
        finally:
            fetch(0)

    with step("consumer") as consumer:
        expected = pytest.raises(ValueError) if failing else contextlib.nullcontext()
        with expected as caught:
            with session() as feed:
                assert ("feed", consumer) == (feed, current_step())
                if failing:
                    raise error

        assert current_step() is consumer
    assert caught is None or caught.value is error
    assert ["session"] == recording.parents()["fetch"]
    assert ("error" if failing else "ok") == recording.one("session")["outcome"]


def test_suspended_when_the_tracer_closes_is_unfinished(record):
    """A generator still open when the tracer closes is unfinished, once."""
    with record() as recording:
        generator = bars()
        next(generator)

    assert [1, 2] == list(generator)
    generator.close()
    assert ["unfinished"] == [line["outcome"] for line in recording.lines]


def test_suspended_at_exit_leaves_one_line(run_script, read_lines, tmp_path):
    """A generator that lives until the interpreter ends leaves one line, quietly."""
    ended = run_script(
        "from ai_trace import Tracer, traced\n"
        "tracer = Tracer('agent', trace_dir='out')\n"
        "tracer.activate()\n"
        "@traced\n"
        "def bars():\n"
        "    yield 1\n"
        "generator = bars()\n"
        "next(generator)\n"
    )

    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)
    (line,) = read_lines(tmp_path / "out")
    assert ("bars", "unfinished") == (line["name"], line["outcome"])


def test_arguments_are_captured_at_the_call(recording):
    """A generator's context is what the call saw, not what the first advance saw."""
    symbols = ["BTCUSDT"]

    @traced(name="scan")
    def scan(symbols):
        yield from symbols

    generator = scan(symbols)
    symbols.append("ETHUSDT")

    assert ["BTCUSDT", "ETHUSDT"] == list(generator)
    assert {"symbols": ["BTCUSDT"]} == recording.one("scan")["context"]


def test_many_suspended_generators_cost_no_order(recording):
    """Fifty generators advanced and closed in mixed order leave fifty sound lines."""
    with step("outer") as outer:
        generators = [bars(5) for _ in range(50)]
        for generator in generators:
            next(generator)
        for generator in generators[::-2]:
            generator.close()
        for generator in generators[::2]:
            assert [1, 2, 3, 4] == list(generator)

        assert current_step() is outer
    outcomes = [line["outcome"] for line in recording.named("bars")]
    assert (25, 25) == (outcomes.count("closed"), outcomes.count("ok"))
    assert ["outer"] * 50 == recording.parents()["bars"]
