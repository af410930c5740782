"""
A tracer for each test, silence around it, and every shape of function.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple

import pytest
from recorded import Recording, read_directory

from ai_trace import Tracer, current_step, traced


KINDS = ("function", "coroutine", "generator", "async_generator")

BINDINGS = (
    "function",
    "method",
    "bound_method",
    "through_class",
    "classmethod_above",
    "classmethod_below",
    "staticmethod_above",
    "staticmethod_below",
    "call_method",
    "callable_object",
    "partial_above",
    "partial_below",
    "lambda",
)


@pytest.fixture(scope="session")
def record(tmp_path_factory):
    """Make a context manager that runs its block under a fresh current tracer."""

    @contextmanager
    def under_a_tracer(**settings):
        directory = tmp_path_factory.mktemp("traces")
        with Tracer("fidelity", trace_dir=directory, **settings) as tracer:
            yield Recording(tracer, directory)

    return under_a_tracer


@pytest.fixture
def recording(record):
    """A tracer that is current for the whole test."""
    with record() as made:
        yield made


# -- silence ------------------------------------------------------------------------


class Silence:
    """Collects every complaint that a program's owner would see."""

    def __init__(self, caplog) -> None:
        self._caplog = caplog
        self.complaints: list[Any] = []

    def listen(self) -> None:
        """Listen to the running asyncio loop too."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.complaints.append(context))

    def heard(self) -> list[Any]:
        """All complaints so far: log records, loop errors, unraisable errors."""
        return [*self._caplog.records, *self.complaints]


@pytest.fixture
def silence(caplog, monkeypatch, recwarn):
    """Fail the test when anything was logged, warned of, or raised out of reach."""
    caplog.set_level(logging.INFO)
    silence = Silence(caplog)
    monkeypatch.setattr(sys, "unraisablehook", silence.complaints.append)
    yield silence
    # Trio warns of streams that nobody closed, whether they are traced or not, and
    # the first call beside a tracer warns once in the process: tests/fidelity/
    # test_no_tracer.py holds that.
    warned = [
        str(warning.message)
        for warning in recwarn.list
        if not issubclass(warning.category, ResourceWarning)
        and "no tracer is current" not in str(warning.message)
    ]
    assert [] == [*silence.heard(), *warned]


@pytest.fixture
def run_asyncio(silence):
    """Run a coroutine function under asyncio, listening to the loop's complaints."""

    def run(main, *args):
        async def listened():
            silence.listen()
            return await main(*args)

        return asyncio.run(listened())

    return run


async def _let_the_loop_turn() -> None:
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def settle():
    """Await it to collect garbage and let asyncio finish what that has scheduled."""
    return _let_the_loop_turn


# -- shapes -------------------------------------------------------------------------


def finish(awaitable) -> Any:
    """Drive an awaitable that suspends for nobody to its result, without a loop."""
    iterator = awaitable.__await__()
    while True:
        try:
            next(iterator)
        except StopIteration as stop:
            return stop.value


async def _collect(items) -> list[Any]:
    return [item async for item in items]


def drive(kind: str, returned: Any) -> Any:
    """Run what a function of one kind returned to its end."""
    if kind == "coroutine":
        return finish(returned)
    if kind == "generator":
        return list(returned)
    if kind == "async_generator":
        return finish(_collect(returned))
    return returned


def _free_function(kind: str, body: Callable[[Any], Any]) -> Callable[..., Any]:
    def function(state):
        """Decide."""
        return body(state)

    async def coroutine(state):
        """Decide."""
        return body(state)

    def generator(state):
        """Decide."""
        yield body(state)

    async def async_generator(state):
        """Decide."""
        yield body(state)

    return locals()[kind]


def _method_function(kind: str, body: Callable[[Any], Any]) -> Callable[..., Any]:
    def function(self, state):
        """Decide."""
        return body(state)

    async def coroutine(self, state):
        """Decide."""
        return body(state)

    def generator(self, state):
        """Decide."""
        yield body(state)

    async def async_generator(self, state):
        """Decide."""
        yield body(state)

    return locals()[kind]


def _lambda(kind: str, body: Callable[[Any], Any]) -> Callable[..., Any]:
    if kind == "generator":
        return lambda state: (yield body(state))
    return lambda state: body(state)


def _named(function: Callable[..., Any], qualname: str) -> Callable[..., Any]:
    function.__name__ = qualname.rpartition(".")[2]
    function.__qualname__ = qualname
    return function


class Shape(NamedTuple):
    """A kind of function in one kind of binding."""

    kind: str
    binding: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.binding}"

    @property
    def step_name(self) -> str:
        """The name that the design gives the step."""
        if self.binding == "lambda":
            return "<lambda>"
        if self.binding == "call_method":
            return "Agent.__call__"
        if self.binding == "callable_object":
            return "Agent"
        if self.binding == "function" or self.binding.startswith("partial"):
            return "decide"
        return "Agent.decide"

    def build(self, body: Callable[[Any], Any], decorate=traced) -> Callable[..., Any]:
        """Make the callable of this shape around ``body``; it takes ``state``."""
        if self.binding == "lambda":
            return decorate(_named(_lambda(self.kind, body), "<lambda>"))
        free = _named(_free_function(self.kind, body), "decide")
        if self.binding == "function":
            return decorate(free)
        if self.binding == "partial_above":
            return functools.partial(decorate(free))
        if self.binding == "partial_below":
            return decorate(functools.partial(free))
        return self._build_bound(body, decorate)

    def _build_bound(self, body, decorate):
        name = "__call__" if self.binding.startswith("call") else "decide"
        attribute = self._attribute(body, decorate, name)
        agent_class = type("Agent", (), {name: attribute, "__qualname__": "Agent"})
        if self.binding == "callable_object":
            return decorate(agent_class())
        if self.binding == "bound_method":
            return decorate(agent_class().decide)
        if self.binding == "call_method":
            return agent_class()
        if self.binding == "through_class":
            return functools.partial(agent_class.decide, agent_class())
        if self.binding == "method":
            return agent_class().decide
        return agent_class.decide

    def _attribute(self, body, decorate, name):
        method = _named(_method_function(self.kind, body), f"Agent.{name}")
        static = _named(_free_function(self.kind, body), f"Agent.{name}")
        return {
            "classmethod_above": lambda: classmethod(decorate(method)),
            "classmethod_below": lambda: decorate(classmethod(method)),
            "staticmethod_above": lambda: staticmethod(decorate(static)),
            "staticmethod_below": lambda: decorate(staticmethod(static)),
            "callable_object": lambda: method,
            "bound_method": lambda: method,
        }.get(self.binding, lambda: decorate(method))()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call it and run it to its end; a generator's items come as a list."""
        return self.run(function(*args))

    def run(self, returned: Any) -> Any:
        """Run what a function of this kind returned to its end."""
        return drive(self.kind, returned)

    def result(self, value: Any) -> Any:
        """What the record holds as the result of a body that gave ``value``."""
        if self.kind in ("generator", "async_generator"):
            return {"count": 1, "items": [value]}
        return value

    def results(self, value: Any) -> Any:
        """What the program gets from a body that gave ``value``."""
        return [value] if "generator" in self.kind else value


SHAPES = [
    Shape(kind, binding)
    for binding in BINDINGS
    for kind in KINDS
    if binding != "lambda" or kind in ("function", "generator")
]


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    """Every kind of function in every kind of binding."""
    return request.param


@pytest.fixture(params=[s for s in SHAPES if "generator" not in s.kind], ids=str)
def whole_shape(request):
    """Functions and coroutines, which end in one piece, in every kind of binding."""
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    """The four kinds of function."""
    return request.param


@pytest.fixture
def plain_shape(kind):
    """Each of the four kinds as a plain function."""
    return Shape(kind, "function")


def undecorated(function: Any) -> Any:
    """Stand in for ``traced`` where a program is run as its owner wrote it."""
    return function


@pytest.fixture(params=[undecorated, traced], ids=["undecorated", "traced"])
def decorate(request):
    """The function as it was, and traced: both must satisfy the same test."""
    return request.param


@pytest.fixture(autouse=True)
def no_current_step():
    """No test leaves a step behind as the current one."""
    assert current_step() is None
    yield
    assert current_step() is None


@pytest.fixture(name="finish", scope="session")
def finish_by_hand():
    """Drive an awaitable to its result without an event loop."""
    return finish


@pytest.fixture(name="undecorated", scope="session")
def leave_undecorated():
    """Stand in for ``traced`` where a program is run as its owner wrote it."""
    return undecorated


@pytest.fixture
def run_script(tmp_path):
    """Run a script in a fresh interpreter; give what it printed and its exit code."""

    def run(source: str, *arguments: str, options=(), **environment: str):
        script = tmp_path / "script.py"
        script.write_text(source, encoding="utf-8")
        return subprocess.run(
            [sys.executable, *options, str(script), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, **environment},
            check=False,
        )

    return run


@pytest.fixture
def read_lines():
    """Read every line of every trace file in a directory."""
    return read_directory
