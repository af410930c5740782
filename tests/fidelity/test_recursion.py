"""Recursion: every level is recorded, and tracing costs no more depth than wrapt."""

from __future__ import annotations

import json
import sys

import pytest

from ai_trace import step, traced


# Measures, in a fresh thread with the interpreter's own limit, how deep a function can
# recurse. The floor for functions is a bare ``wrapt.decorator``. Coroutines and
# generators run on their own frames, so there the floor is a wrapper of their own kind.
PROBE = """
import functools, json, sys, threading
import wrapt
from ai_trace import Tracer, traced

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
        return (yield from function(*args, **kwargs))
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
    def dive(level):
        global deepest
        deepest = level
        return dive(level + 1)
    return lambda: dive(1)

def method(decorate):
    class Diver:
        @decorate
        def dive(self, level):
            global deepest
            deepest = level
            return self.dive(level + 1)
    return lambda: Diver().dive(1)

def coroutine(decorate):
    @decorate
    async def dive(level):
        global deepest
        deepest = level
        return await dive(level + 1)
    return lambda: dive(1).send(None)

def generator(decorate):
    @decorate
    def dive(level):
        global deepest
        deepest = level
        yield from dive(level + 1)
    return lambda: next(dive(1))

def async_generator(decorate):
    @decorate
    async def dive(level):
        global deepest
        deepest = level
        async for item in dive(level + 1):
            yield item
    return lambda: dive(1).__anext__().send(None)

FLOORS = {
    "function": bare_wrapt,
    "method": bare_wrapt,
    "coroutine": coroutine_wrapper,
    "generator": generator_wrapper,
    "async_generator": async_generator_wrapper,
}

def measure(make, decorate):
    def run():
        try:
            make(decorate)()
        except RecursionError as error:
            found.append(type(error).__name__)
    global deepest
    deepest, found = 0, []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == ["RecursionError"], found
    return deepest

kind = sys.argv[1]
make = globals()[kind]
depths = {"floor": measure(make, FLOORS[kind]), "idle": measure(make, traced)}
tracer = Tracer("agent", trace_dir="out")
tracer.activate()
depths["traced"] = measure(make, traced)
tracer.close()
print(json.dumps(depths))
"""


@pytest.mark.parametrize(
    "kind", ["function", "method", "coroutine", "generator", "async_generator"]
)
def test_depth_is_no_less_than_under_the_floor(run_script, kind):
    """A traced recursion reaches the depth of a bare wrapper, traced or idle."""
    ended = run_script(PROBE, kind)

    assert (0, "") == (ended.returncode, ended.stderr)
    depths = json.loads(ended.stdout)
    assert depths["floor"] > 100
    assert depths["idle"] >= depths["floor"], depths
    assert depths["traced"] >= depths["floor"], depths


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


def test_recursion_error_is_the_interpreters_own(recording, plain_shape):
    """Endless recursion ends in the identical RecursionError at every level."""
    seen = []

    def body(state):
        try:
            return function(state + 1)
        except RecursionError as error:
            seen.append(error)
            raise

    function = traced(name="dive")(body)
    with step("outer"):
        with pytest.raises(RecursionError) as caught:
            plain_shape.call(plain_shape.build(function), 1)

    assert {id(caught.value)} == {id(error) for error in seen}
    assert "maximum recursion depth exceeded" in str(caught.value)


def test_recursion_error_leaves_sound_lines(recording):
    """After endless recursion each recorded level is an error under the one above."""
    entered = []

    @traced(name="dive")
    def dive(level):
        entered.append(level)
        return dive(level + 1)

    with pytest.raises(RecursionError):
        dive(1)

    lines = recording.named("dive")
    levels = [line["context"]["level"] for line in lines]
    assert list(range(1, len(levels) + 1)) == levels
    # The last few levels may lack the room to be recorded; no level is told twice.
    assert len(entered) - 30 <= len(levels) <= len(entered)
    assert [None, *(line["id"] for line in lines[:-1])] == [
        line["parent_id"] for line in lines
    ]
    assert {"error"} == {line["outcome"] for line in lines}
    assert all(line["error"].startswith("RecursionError") for line in lines)


def test_recursion_error_keeps_the_trace_small(recording):
    """The tracebacks of a deep recursion are bounded: no record holds every frame."""

    @traced(name="dive")
    def dive(level):
        return dive(level + 1)

    with pytest.raises(RecursionError):
        dive(1)

    longest = max(len(line["traceback"]) for line in recording.lines)
    assert longest < 40_000


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

    assert ("ok", "sound") == (
        recording.one("after")["outcome"],
        recording.one("after")["result"],
    )
    assert ["outer"] == recording.parents()["after"]


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
