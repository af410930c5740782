"""The generator protocols, bit for bit: random programs under random scripts.

Each example is a small random generator program and a random script of calls on it.
The program is run twice, as written and traced, and everything its owner can see
must be the same: values, exceptions with their arguments, causes and contexts, the
identity of what was thrown in, what the body saw, and the order of it all.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import warnings
from contextvars import copy_context
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_trace import current_step, traced


EXAMPLES = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


class MarketClosed(Exception):
    """An exception whose class takes more than a message."""

    def __init__(self, market: str, hour: int) -> None:
        super().__init__(market, hour)


ERRORS = {
    "ValueError": lambda: ValueError("bad", 1),
    "KeyError": lambda: KeyError("price"),
    "MarketClosed": lambda: MarketClosed("NYSE", 3),
    "StopIteration": lambda: StopIteration("stopped"),
    "StopAsyncIteration": lambda: StopAsyncIteration("stopped"),
    "GeneratorExit": lambda: GeneratorExit(),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "CancelledError": lambda: asyncio.CancelledError("why"),
    "RuntimeError": lambda: RuntimeError("broken"),
}
# Classes that can be thrown without arguments.
BARE = [name for name in ERRORS if name != "MarketClosed"]

OUTCOME_OF = {
    "GeneratorExit": "closed",
    "KeyboardInterrupt": "interrupted",
    "CancelledError": "cancelled",
}


# -- random programs ----------------------------------------------------------------

_leaves = st.one_of(
    st.tuples(st.just("yield"), st.integers(0, 9)),
    st.tuples(st.just("echo")),
    st.tuples(st.just("await"), st.integers(0, 9)),
    st.tuples(st.just("peek")),
    st.tuples(st.just("raise"), st.sampled_from(sorted(ERRORS))),
    st.tuples(st.just("reraise")),
    st.tuples(st.just("return"), st.integers(0, 9)),
)


def _compound(statements):
    block = st.lists(statements, min_size=1, max_size=3)
    caught = st.sampled_from(["Exception", "BaseException", "GeneratorExit", *ERRORS])
    return st.one_of(
        st.tuples(st.just("except"), block, caught, block),
        st.tuples(st.just("finally"), block, block),
        st.tuples(st.just("loop"), st.integers(1, 3), block),
        st.tuples(st.just("delegate"), block, st.integers(0, 9)),
    )


# Yields come first in the list so that programs shrink to a plain one.
programs = st.lists(
    st.recursive(_leaves, _compound, max_leaves=8), min_size=1, max_size=4
)


class Source:
    """Renders a program as the source of a sync or an async generator function."""

    def __init__(self, *, is_async: bool) -> None:
        self._async = is_async
        self._lines: list[str] = []
        self._functions = 0

    def function(self, name: str, body, returned: int, depth: int) -> None:
        self._put(depth, f"@traced(name={name!r})")
        self._put(depth, f"{'async ' * self._async}def {name}():")
        self._put(depth + 1, "trail.append('start')")
        self._put(depth + 1, "got = None")
        self._block(body, depth + 1)
        self._put(depth + 1, "if False: yield")
        if not self._async:
            self._put(depth + 1, f"return {returned}")

    def text(self) -> str:
        return "\n".join(self._lines)

    def _put(self, depth: int, line: str) -> None:
        self._lines.append("    " * depth + line)

    def _block(self, statements, depth: int) -> None:
        for name, *parts in statements:
            getattr(self, f"_{name}")(depth, *parts)

    def _yield(self, depth, value):
        self._put(depth, f"got = yield {value}")
        self._put(depth, "trail.append(('got', got))")

    def _echo(self, depth):
        self._put(depth, "got = yield ('echo', got)")

    def _await(self, depth, value):
        if self._async:
            self._put(depth, f"trail.append(('woke', await Pause({value})))")
        else:
            self._put(depth, f"trail.append(('woke', {value}))")

    def _peek(self, depth):
        self._put(depth, "trail.append(type(sys.exc_info()[1]).__name__)")

    def _raise(self, depth, error):
        self._put(depth, f"raise ERRORS[{error!r}]()")

    def _reraise(self, depth):
        self._put(depth, "raise")

    def _return(self, depth, value):
        self._put(depth, "return" if self._async else f"return {value}")

    def _except(self, depth, body, caught, handler):
        self._put(depth, "try:")
        self._block(body, depth + 1)
        self._put(depth, f"except {caught} as error:")
        self._put(depth + 1, "trail.append(('caught', shape_of(error)))")
        self._block(handler, depth + 1)

    def _finally(self, depth, body, final):
        self._put(depth, "try:")
        self._block(body, depth + 1)
        self._put(depth, "finally:")
        self._put(depth + 1, "trail.append('finally')")
        self._block(final, depth + 1)

    def _loop(self, depth, count, body):
        self._put(depth, f"for _ in range({count}):")
        self._block(body, depth + 1)

    def _delegate(self, depth, body, returned):
        self._functions += 1
        name = f"helper_{self._functions}"
        self.function(name, body, returned, depth)
        if self._async:
            self._put(depth, f"async for item in {name}():")
            self._put(depth + 1, "got = yield item")
        else:
            self._put(depth, f"got = yield from {name}()")
        self._put(depth, "trail.append(('delegated', got))")


def render(program, *, is_async: bool) -> str:
    """The source of ``program`` as the generator function ``program``."""
    source = Source(is_async=is_async)
    source.function("program", program, 0, 0)
    return source.text()


class Pause:
    """An awaitable that suspends once and gives what it is resumed with."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __await__(self):
        return (yield ("paused", self.number))


def load(source: str, decorate, trail: list[Any]):
    """Compile the program's source; ``decorate`` stands where it says ``traced``."""
    names = {
        "traced": decorate,
        "trail": trail,
        "sys": sys,
        "Pause": Pause,
        "ERRORS": ERRORS,
        "shape_of": shape_of,
        "MarketClosed": MarketClosed,
        "CancelledError": asyncio.CancelledError,
    }
    with warnings.catch_warnings():
        # Python 3.14 warns of what is tried here, a return in a finally.
        warnings.simplefilter("ignore", SyntaxWarning)
        exec(compile(source, "<program>", "exec"), names)
    return names["program"]


def leave(**_settings):
    """Stand in for ``traced(...)``: the function stays as it is."""
    return lambda function: function


# -- random scripts -----------------------------------------------------------------

_thrown = st.one_of(
    st.tuples(st.sampled_from(sorted(ERRORS)), st.just(False)),
    st.tuples(st.sampled_from(BARE), st.just(True)),
)
_calls = st.one_of(
    st.just(("next",)),
    st.tuples(st.just("send"), st.one_of(st.none(), st.integers(10, 19))),
    st.tuples(st.just("throw"), _thrown),
    st.just(("close",)),
)
# How the awaits inside one call are resumed: with a value, or with an exception, though
# not with a GeneratorExit: what closes an await closes the call, and leaves the rest
# to the version of the interpreter.
_resumes = st.lists(
    st.one_of(
        st.integers(20, 29), st.sampled_from(sorted(ERRORS.keys() - {"GeneratorExit"}))
    ),
    max_size=2,
)
scripts = st.lists(st.tuples(_calls, _resumes), min_size=1, max_size=8)


# -- what the owner of the program sees ---------------------------------------------


def shape_of(error: BaseException | None, depth: int = 4):
    """All of an exception that can be compared between two runs."""
    if error is None or depth == 0:
        return None
    return (
        type(error),
        error.args,
        error.__suppress_context__,
        shape_of(error.__cause__, depth - 1),
        shape_of(error.__context__, depth - 1),
    )


class Seen(NamedTuple):
    """What one run of a program showed."""

    log: list[Any]
    trail: list[Any]
    at_the_end: list[Any]
    unraisable: list[Any]


class Run:
    """One run of one program under one script."""

    def __init__(self, source: str, decorate, *, is_async: bool) -> None:
        self._async = is_async
        self._trail: list[Any] = []
        self._log: list[Any] = []
        self._generator = load(source, decorate, self._trail)()

    def perform(self, script) -> Seen:
        for call, resumes in script:
            thrown = self._thrown(call)
            try:
                entry = ("value", self._invoke(call, thrown, list(resumes)))
            except BaseException as error:
                entry = ("raised", shape_of(error), error is thrown)
            self._log.append((*entry, self._is_closed(), current_step()))
        return self._end()

    def _thrown(self, call):
        if call[0] != "throw":
            return None
        name, as_class = call[1]
        error = ERRORS[name]()
        return type(error) if as_class else error

    def _invoke(self, call, thrown, resumes):
        prefix = "a" * self._async
        if call[0] == "next":
            returned = getattr(self._generator, f"__{prefix}next__")()
        elif call[0] == "send":
            returned = getattr(self._generator, f"{prefix}send")(call[1])
        elif call[0] == "throw":
            returned = getattr(self._generator, f"{prefix}throw")(thrown)
        else:
            returned = getattr(self._generator, f"{prefix}close")()
        return self._await(returned, resumes) if self._async else returned

    def _await(self, awaitable, resumes):
        step = awaitable.__await__()
        resume = lambda: step.send(None)  # noqa: E731
        while True:
            try:
                self._log.append(resume())
            except StopIteration as stop:
                return stop.value
            resume = self._resume(step, resumes.pop(0) if resumes else None)

    def _resume(self, step, value):
        if isinstance(value, str):
            return lambda: step.throw(ERRORS[value]())
        return lambda: step.send(value)

    def _is_closed(self) -> bool:
        if self._async:
            return self._generator.ag_frame is None
        return inspect.getgeneratorstate(self._generator) == inspect.GEN_CLOSED

    def _end(self) -> Seen:
        """Drop the generator and note what its body did about that."""
        before = list(self._trail)
        unraisable: list[Any] = []
        hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
        try:
            self._generator = None
            gc.collect(0)
        finally:
            sys.unraisablehook = hook
        return Seen(self._log, before, [*self._trail, current_step()], unraisable)


def expected_outcome(seen: Seen, script, *, is_async: bool) -> str | None:
    """The outcome that the undecorated run ended with, where it is beyond doubt."""
    exhausted = StopAsyncIteration if is_async else StopIteration
    # A body that has refused to close may end in any way later on.
    if any("ignored GeneratorExit" in str(entry) for entry in seen.log):
        return None
    # At its end an event loop closes a dropped stream by throwing a cancellation in.
    closing = {"GeneratorExit"} | ({"CancelledError"} if is_async else set())
    if any(call[0] == "throw" and call[1][0] in closing for call, _ in script):
        return None
    calls = iter(call for call, _ in script)
    for entry in seen.log:
        if entry[0] not in ("value", "raised"):
            continue
        call, closed = next(calls), entry[-2]
        if closed and entry[0] == "value":
            return "closed" if call == ("close",) else None
        if closed:
            raised = entry[1][0]
            if raised is exhausted:
                return "ok"
            if call == ("close",) and raised is asyncio.CancelledError:
                # Closed, and cancelled while it cleaned up: either tells the truth.
                return None
            return OUTCOME_OF.get(raised.__name__, "error")
    return None


def compare(program, script, record, *, is_async: bool) -> None:
    """Run a program as written and traced; both must show the same."""
    source = render(program, is_async=is_async)
    plain = Run(source, leave, is_async=is_async).perform(script)
    with record() as recording:
        # A context of its own: what one example leaves behind is no other's fault.
        run = Run(source, traced, is_async=is_async)
        real = copy_context().run(run.perform, script)

    assert plain.log == real.log, source
    assert plain.trail == real.trail, source
    if not plain.unraisable:
        # A body that refuses to close has no defined end; every other has.
        assert [] == real.unraisable
        assert plain.at_the_end == real.at_the_end
    assert real.at_the_end.count("start") == len(recording.lines)
    if plain.trail[:1] == ["start"]:
        outcome = expected_outcome(plain, script, is_async=is_async)
        assert outcome in (None, recording.one("program")["outcome"])


@EXAMPLES
@given(program=programs, script=scripts)
def test_generators_differ_in_nothing(record, program, script):
    """A traced generator answers next, send, throw and close as it did undecorated."""
    compare(program, script, record, is_async=False)


@EXAMPLES
@given(program=programs, script=scripts)
def test_async_generators_differ_in_nothing(record, program, script):
    """A traced async generator answers asend, athrow and aclose as it did before."""
    compare(program, script, record, is_async=True)


PINNED = {
    "ignores_close": (
        [
            ("loop", 3, [("except", [("yield", 1)], "GeneratorExit", [("yield", 2)])]),
        ],
        [(("next",), []), (("close",), []), (("next",), []), (("next",), [])],
    ),
    "returns_on_close": (
        [("except", [("yield", 1)], "GeneratorExit", [("return", 7)])],
        [(("next",), []), (("close",), []), (("next",), [])],
    ),
    "stop_iteration_inside": (
        [("yield", 1), ("raise", "StopIteration")],
        [(("next",), []), (("next",), []), (("next",), [])],
    ),
    "handles_and_goes_on": (
        [
            ("except", [("yield", 1)], "ValueError", [("yield", 2), ("peek",)]),
            ("peek",),
            ("yield", 3),
            ("raise", "KeyError"),
        ],
        [
            (("next",), []),
            (("throw", ("ValueError", False)), []),
            (("next",), []),
            (("next",), []),
        ],
    ),
    "sent_before_the_start": (
        [("echo",), ("echo",)],
        [(("send", 11), []), (("next",), []), (("send", 12), []), (("next",), [])],
    ),
    "cancelled_at_an_await": (
        [("finally", [("await", 1), ("yield", 2)], [("await", 3)])],
        [(("next",), ["CancelledError", 21]), (("next",), [])],
    ),
    "closed_with_awaits_in_cleanup": (
        [("finally", [("yield", 1)], [("await", 2), ("await", 3)])],
        [(("next",), []), (("close",), [21, 22]), (("next",), [])],
    ),
    "thrown_through_a_delegate": (
        [
            ("delegate", [("except", [("echo",)], "KeyError", [("return", 4)])], 5),
            ("echo",),
        ],
        [(("next",), []), (("throw", ("KeyError", False)), []), (("next",), [])],
    ),
    "interrupt_out_of_a_handler": (
        [("except", [("yield", 1)], "BaseException", [("raise", "ValueError")])],
        [(("next",), []), (("throw", ("KeyboardInterrupt", True)), [])],
    ),
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", sorted(PINNED))
def test_known_hard_cases_differ_in_nothing(record, name, is_async):
    """The cases that wrappers are known to get wrong stay as undecorated."""
    program, script = PINNED[name]

    compare(program, script, record, is_async=is_async)
