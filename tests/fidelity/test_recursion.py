"""Recursion: every level is recorded, and tracing costs no more depth than wrapt."""

from __future__ import annotations

import inspect
import json
import sys

import pytest

from ai_trace import MemorySink, Tracer, current_step, step, traced


# Measures, in a fresh thread, how deep a function can recurse, under three limits in a
# row because a level takes up to three frames. The floor for functions is a bare
# ``wrapt.decorator``. Coroutines and generators run on frames of their own, so there
# the floor is the barest wrapper of their kind that is told of each resume.
PROBE = """
import functools, gc, json, sys, threading
import wrapt
from ai_trace import Tracer, traced

# A thread of before that is collected where the stack is full has an error printed:
# what `threading` keeps of it is taken out by Python code.
gc.disable()

@wrapt.decorator
def bare_wrapt(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)

def coroutine_wrapper(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)
    return wrapper

def generator_wrapper(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        resumed = function(*args, **kwargs)
        sent = None
        while True:
            sent = yield resumed.send(sent)
    return wrapper

def async_generator_wrapper(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        async for item in function(*args, **kwargs):
            yield item
    return wrapper

deepest = 0

def function(decorate):
    @decorate
    def dive(level, bottom):
        global deepest
        deepest = level
        return level if level == bottom else dive(level + 1, bottom)
    return lambda bottom: dive(1, bottom)

def method(decorate):
    class Diver:
        @decorate
        def dive(self, level, bottom):
            global deepest
            deepest = level
            return level if level == bottom else self.dive(level + 1, bottom)
    return lambda bottom: Diver().dive(1, bottom)

def coroutine(decorate):
    @decorate
    async def dive(level, bottom):
        global deepest
        deepest = level
        return level if level == bottom else await dive(level + 1, bottom)
    def run(bottom):
        try:
            dive(1, bottom).send(None)
        except StopIteration as stop:
            return stop.value
    return run

def generator(decorate):
    @decorate
    def dive(level, bottom):
        global deepest
        deepest = level
        if level == bottom:
            yield level
        else:
            yield from dive(level + 1, bottom)
    return lambda bottom: next(dive(1, bottom))

def async_generator(decorate):
    @decorate
    async def dive(level, bottom):
        global deepest
        deepest = level
        if level == bottom:
            yield level
        else:
            async for item in dive(level + 1, bottom):
                yield item
    def run(bottom):
        try:
            dive(1, bottom).__anext__().send(None)
        except StopIteration as stop:
            return stop.value
    return run

FLOORS = {
    "function": bare_wrapt,
    "method": bare_wrapt,
    "coroutine": coroutine_wrapper,
    "generator": generator_wrapper,
    "async_generator": async_generator_wrapper,
}

def in_thread(dive, bottom):
    def run():
        try:
            ended.append(dive(bottom))
        except RecursionError as error:
            ended.append(type(error).__name__)
    ended = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return ended[0]

def measure(dive):
    # How deep endless recursion gets.
    assert in_thread(dive, None) == "RecursionError"
    return deepest

def deepest_that_returns(dive):
    bottom = measure(dive)
    while in_thread(dive, bottom) != bottom:
        bottom -= 1
    return bottom

make, floor = globals()[sys.argv[1]], FLOORS[sys.argv[1]]
depths = {"floor": [], "idle": [], "traced": []}
failed = []
for limit in (200, 201, 202):
    sys.setrecursionlimit(limit)
    depths["floor"].append(measure(make(floor)))
    depths["idle"].append(measure(make(traced)))
    returns = deepest_that_returns(make(floor))
    tracer = Tracer("agent", trace_dir="out")
    tracer.activate()
    depths["traced"].append(measure(make(traced)))
    assert tracer.summary()["steps"] > depths["traced"][-1] - 30, tracer.health()
    if in_thread(make(traced), returns) != returns:
        failed.append((limit, returns))
    tracer.close()
print(json.dumps([depths, failed]))
"""


@pytest.mark.parametrize(
    "kind", ["function", "method", "coroutine", "generator", "async_generator"]
)
def test_depth_is_no_less_than_under_the_floor(run_script, kind):
    """A traced recursion gets as deep as a bare wrapper's, and comes back as well."""
    ended = run_script(PROBE, kind)

    assert (0, "") == (ended.returncode, ended.stderr)
    depths, failed = json.loads(ended.stdout)
    assert min(depths["floor"]) > 30
    for way in ("idle", "traced"):
        short = [floor - depth for floor, depth in zip(depths["floor"], depths[way])]
        assert max(short) <= 0, depths
    # A recursion that comes back from just above the floor comes back traced.
    assert [] == failed


# How many frames each use of a step by hand needs beyond those of a plain method.
BY_HAND = """
import json, sys, threading
from ai_trace import Tracer

class Plain:
    def step(self, name, **context):
        return self
    def __enter__(self, *_, **__):
        return self
    def __exit__(self, *_):
        pass
    log = set_result = start = finish = fail = __enter__

def dive(levels, act):
    return dive(levels - 1, act) if levels else act()

def deepest(prepare):
    for levels in range(100, 200):
        act = prepare()
        try:
            dive(levels, act)
        except RecursionError:
            return levels

def block(tracer):
    with tracer.step("scan", value=[{"inner": object()}]) as scan:
        scan.log(value=object())

USES = {
    "block": lambda tracer: lambda: block(tracer),
    "start": lambda tracer: tracer.step("scan").start,
    "log": lambda tracer: lambda of=tracer.step("scan").start(): of.log(a=object()),
    "set_result": lambda tracer: (
        lambda of=tracer.step("scan").start(): of.set_result([{"a": object()}])
    ),
    "finish": lambda tracer: tracer.step("scan").start().finish,
    "fail": lambda tracer: lambda of=tracer.step("scan").start(): of.fail(ValueError()),
}

def measure():
    with Tracer("agent", trace_dir="out") as tracer:
        # Everything that is made once is made before.
        for use in USES.values():
            use(tracer)()
        for name, use in USES.items():
            plain, ours = (deepest(lambda: use(who)) for who in (Plain(), tracer))
            more[name] = plain - ours

more = {}
sys.setrecursionlimit(200)
thread = threading.Thread(target=measure)
thread.start()
thread.join()
print(json.dumps(more))
"""


def test_steps_by_hand_need_little_more_stack(run_script):
    """What is used by hand is at most eight frames from a plain method's depth."""
    ended = run_script(BY_HAND)

    assert (0, "") == (ended.returncode, ended.stderr)
    more = json.loads(ended.stdout)
    assert {"block", "start", "log", "set_result", "finish", "fail"} == set(more)
    assert max(more.values()) <= 8, more


FORGOTTEN_AT_THE_BOTTOM = """
import gc, sys
from ai_trace import Tracer

def dive():
    try:
        dive()
    except RecursionError:
        gc.collect()
        raise

gc.disable()
for number in range(3):
    tracer = Tracer("agent", trace_dir="out")
    tracer.itself = tracer
    tracer.close()
del tracer
sys.setrecursionlimit(200)
try:
    dive()
except RecursionError:
    pass
"""


def test_forgotten_tracers_may_be_collected_where_the_stack_is_full(run_script):
    """Nothing of ours runs as they die, which would have no room and be printed."""
    ended = run_script(FORGOTTEN_AT_THE_BOTTOM)

    assert (0, "") == (ended.returncode, ended.stderr)


def deep(kind, decorate, reached):
    """A recursive function of one kind that goes as deep as it is told."""

    def function(level):
        reached.append(level)
        return function_traced(level - 1) + 1 if level else 0

    async def coroutine(level):
        reached.append(level)
        return await coroutine_traced(level - 1) + 1 if level else 0

    def generator(level):
        reached.append(level)
        yield level
        if level:
            yield from generator_traced(level - 1)

    async def async_generator(level):
        reached.append(level)
        yield level
        if level:
            async for item in async_generator_traced(level - 1):
                yield item

    function_traced = decorate(function)
    coroutine_traced = decorate(coroutine)
    generator_traced = decorate(generator)
    async_generator_traced = decorate(async_generator)
    return locals()[f"{kind}_traced"]


def test_every_level_has_its_line_and_its_parent(recording, plain_shape):
    """A recursion of a hundred levels is a hundred lines, each under the one above."""
    reached = []
    dive = deep(plain_shape.kind, traced(name="dive"), reached)
    depth = 60

    expected = {
        "function": depth,
        "coroutine": depth,
    }.get(plain_shape.kind, list(range(depth, -1, -1)))
    assert expected == plain_shape.call(dive, depth)

    lines = recording.named("dive")
    assert list(range(depth, -1, -1)) == [line["context"]["level"] for line in lines]
    assert [None, *(line["id"] for line in lines[:-1])] == [
        line["parent_id"] for line in lines
    ]
    assert 1 == len({line["trace_id"] for line in lines})
    assert {"ok"} == {line["outcome"] for line in lines}


@pytest.fixture
def little_room():
    """Leave room for 150 frames more: endless recursion then ends soon."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    yield
    sys.setrecursionlimit(before)


def endless(kind, decorate, seen):
    """A function of one kind that calls itself for ever and sees the end."""

    def function(level):
        try:
            return dive(level + 1)
        except RecursionError as error:
            seen.append(error)
            raise

    async def coroutine(level):
        try:
            return await dive(level + 1)
        except RecursionError as error:
            seen.append(error)
            raise

    def generator(level):
        try:
            yield from dive(level + 1)
        except RecursionError as error:
            seen.append(error)
            raise

    async def async_generator(level):
        try:
            async for item in dive(level + 1):
                yield item
        except RecursionError as error:
            seen.append(error)
            raise

    dive = decorate(locals()[kind])
    return dive


@pytest.mark.usefixtures("little_room")
def test_recursion_error_is_the_interpreters_own(
    recording, plain_shape, decorate, monkeypatch
):
    """Endless recursion ends in the one RecursionError, the same at every level."""
    if decorate is not traced:
        # What the interpreter cannot raise at the end of its stack is its own affair.
        monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    seen = []
    dive = endless(plain_shape.kind, decorate, seen)
    with step("outer") as outer:
        with pytest.raises(RecursionError) as caught:
            plain_shape.call(dive, 1)

        assert current_step() is outer
    assert {id(caught.value)} == {id(error) for error in seen}
    assert "maximum recursion depth exceeded" in str(caught.value)
    if decorate is traced:
        lines = [line for line in recording.lines if line["name"] != "outer"]
        lines.sort(key=lambda line: line["seq"])
        check_levels(lines, recording.one("outer")["id"], len(seen))


@pytest.mark.parametrize(
    ("kind", "others", "every"),
    [("function", 0, 1), ("generator", 0, 1), ("function", 1, 2)],
)
def test_no_level_is_lost_wherever_the_stack_ends(record, kind, others, every):
    """Whichever call of ours it is that finds no room, the levels above say all."""
    call = {"function": lambda dive: dive(1), "generator": lambda dive: next(dive(1))}
    before, depth = sys.getrecursionlimit(), len(inspect.stack(0))
    for room in range(60, 85, every):
        seen = []
        dive = endless(kind, traced, seen)
        sinks = [MemorySink() for _ in range(others)]
        with record(sinks=sinks) as recording, step("outer") as outer:
            sys.setrecursionlimit(depth + room)
            try:
                with pytest.raises(RecursionError):
                    call[kind](dive)
            finally:
                sys.setrecursionlimit(before)
            lines = sorted(recording.named(kind), key=lambda line: line["seq"])
            check_levels(lines, outer.id, len(seen))
            for sink in sinks:
                told = sorted(record.id for record in sink.records)
                assert sorted(line["id"] for line in lines) == told


def check_levels(lines, root, entered):
    """Each recorded level is an error under the one above it, none is told twice."""
    levels = [line["context"]["level"] for line in lines]
    assert list(range(1, len(levels) + 1)) == levels
    # The last few levels may lack the room to be recorded.
    assert entered - 30 <= len(levels) <= entered + 1
    assert [root, *(line["id"] for line in lines[:-1])] == [
        line["parent_id"] for line in lines
    ]
    assert {"error"} == {line["outcome"] for line in lines}
    assert all(line["error"].startswith("RecursionError") for line in lines)


@pytest.mark.usefixtures("little_room")
def test_recording_goes_on_after_a_recursion_error(recording):
    """A recursion error spoils nothing for the steps that follow."""

    @traced(name="dive")
    def dive(level):
        return dive(level + 1)

    @traced(name="after")
    def after():
        return "sound"

    with step("outer"):
        with pytest.raises(RecursionError):
            dive(1)
        assert "sound" == after()

    line = recording.one("after")
    assert ("ok", "sound") == (line["outcome"], line["result"])
    assert ["outer"] == recording.parents()["after"]


def test_tracebacks_of_deep_recursions_are_bounded(recording):
    """No record of a deep recursion holds every frame of it."""

    @traced(name="dive")
    def dive(level):
        if level:
            dive_untraced(level)
        else:
            raise ValueError("the bottom")

    def dive_untraced(level, below=400):
        if below:
            dive_untraced(level, below - 1)
        else:
            dive(level - 1)

    with pytest.raises(ValueError):
        dive(1)

    for line in recording.lines:
        assert len(line["traceback"]) < 40_000
        assert "ValueError: the bottom" in line["traceback"]


def test_deep_nesting_of_step_blocks(recording):
    """Steps nested by hand go as deep as the program likes."""
    opened = []
    for number in range(2_000):
        opened.append(step("level", number=number))
        opened[-1].__enter__()
    while opened:
        opened.pop().__exit__(None, None, None)

    lines = recording.named("level")
    assert list(range(2_000)) == [line["context"]["number"] for line in lines]
    assert [None, *(line["id"] for line in lines[:-1])] == [
        line["parent_id"] for line in lines
    ]


def test_recursion_limit_is_left_alone(recording):
    """Tracing does not move the interpreter's recursion limit."""
    before = sys.getrecursionlimit()
    traced(lambda: None)()

    assert before == sys.getrecursionlimit()


@pytest.mark.usefixtures("little_room")
def test_calls_at_the_limit_inside_a_sink_are_counted(tmp_path):
    """What has no room in a sink is counted like what has none elsewhere, and once."""

    @traced(name="dive")
    def dive():
        dive()

    class Diving:
        """
        A sink that dives.
        """

        def on_finish(self, record):
            """Dive to the bottom."""
            with pytest.raises(RecursionError):
                dive()

    with Tracer("agent", tmp_path, sinks=[Diving()]) as tracer, step("outer"):
        pass

    counts = tracer.health()
    assert counts["step"]["not recorded: RecursionError"] >= 1
    assert counts == tracer.health()
