"""Exceptions that attack whoever tells of them, raised and as values."""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc

import pytest
from nasty_classes import TOUCHED, HostileStr, Rows, Unprintable, hostile_class

from ai_trace import Limits, Tracer, current_step, step, traced
from ai_trace._outcome import traceback_text


if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup


class Wrong(Exception):
    """An exception whose text is a number."""

    def __str__(self):
        return 7  # noqa: PLE0307


class Odd(Exception):
    """An exception whose text is of a class that overrides everything."""

    def __str__(self):
        return str.__new__(HostileStr, "stale")


class Meta(type):
    """A metaclass that does not tell what its classes are called."""

    def __getattribute__(cls, name):
        raise RuntimeError(name)


class Nameless(Exception, metaclass=Meta):
    """An exception whose class tells nothing."""


class Liar(Exception):
    """An exception that says it is another, and has causes of its own."""

    __class__ = property(lambda self: SystemExit)
    __cause__ = property(lambda self: TOUCHED.append("cause"))
    __context__ = property(lambda self: TOUCHED.append("context"))
    __traceback__ = property(lambda self: TOUCHED.append("traceback"))
    exceptions = property(lambda self: TOUCHED.append("exceptions"))
    args = property(lambda self: TOUCHED.append("args"))

    def __getattr__(self, name):
        TOUCHED.append(name)
        raise AttributeError(name)


def tell(recording, error):
    """Raise an exception in a step, and return what was recorded of it."""
    with pytest.raises(BaseException) as caught, step("decide"):
        raise error
    assert error is caught.value
    assert current_step() is None
    return recording.lines[-1]


HIDDEN = "message cannot be shown"
ERRORS = [
    pytest.param(
        lambda: Unprintable("x"), f"Unprintable: <{HIDDEN}: RuntimeError>", id="raises"
    ),
    pytest.param(Wrong, f"Wrong: <{HIDDEN}: TypeError>", id="number"),
    pytest.param(Odd, "Odd: stale", id="hostile text"),
    pytest.param(Nameless, "Nameless", id="hostile metaclass"),
    pytest.param(lambda: Liar("x"), "Liar: x", id="liar"),
    pytest.param(
        lambda: KeyError(object.__new__(hostile_class())),
        f"KeyError: <{HIDDEN}: Touched>",
        id="hostile argument",
    ),
    pytest.param(
        lambda: ValueError("a\ud800\u2028\x00"),
        "ValueError: a\\ud800\u2028\x00",
        id="odd text",
    ),
    pytest.param(lambda: OSError(28, "full", "/a"), None, id="OSError"),
    pytest.param(lambda: SyntaxError("bad", ("f", 1, 2, "x")), None, id="SyntaxError"),
    pytest.param(
        lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), None, id="Unicode"
    ),
]


@pytest.mark.parametrize(("make", "shown"), ERRORS)
def test_what_cannot_be_told_is_replaced(recording, make, shown):
    """F103: whatever an exception does when it is told of, its type is recorded."""
    TOUCHED.clear()
    error = make()

    line = tell(recording, error)

    assert "error" == line["outcome"]
    assert (shown or f"{type(error).__name__}: {error}") == line["error"]
    assert line["traceback"].rstrip().endswith(line["error"].rpartition(".")[2])
    assert "raise error" in line["traceback"]
    assert set(TOUCHED) <= {"__repr__"}


@pytest.mark.parametrize(("make", "shown"), ERRORS)
def test_exceptions_as_values(show, make, shown):
    """F103: an exception that is given as a value is its type and its message."""
    error = make()

    seen = show(error)

    name, _, message = (shown or f"{type(error).__name__}: {error}").partition(": ")
    assert seen.value.partition(": ")[0].endswith(name)
    assert message == seen.value.partition(": ")[2]


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_an_exception_that_interrupts_who_tells_of_it(recording, raised):
    """F81: an interruption goes on, and the step that it met is written first."""

    class Interrupting(Exception):
        def __str__(self):
            raise raised("from __str__")

    error = Interrupting()
    with pytest.raises(raised, match="from __str__"), step("outer"):
        with step("decide"):
            raise error

    @traced(name="asked")
    def asked():
        return error

    with pytest.raises(raised, match="from __str__"):
        asked()

    with pytest.raises(raised, match="from __str__"), step("logs") as logs:
        logs.log(error=error)

    assert current_step() is None
    found = {line["name"]: line for line in recording.lines}
    assert ("error", "Interrupting") == (
        found["decide"]["outcome"],
        found["decide"]["error"],
    )
    for name in ("outer", "asked", "logs"):
        assert "interrupted" == found[name]["outcome"]


def test_a_cause_that_leads_back(recording):
    """F103: a chain of causes that is a circle is told once round."""
    first, second, third = ValueError("a"), TypeError("b"), KeyError("c")
    first.__cause__, second.__context__, third.__cause__ = second, third, first

    line = tell(recording, first)

    for told in ("ValueError: a", "TypeError: b", "KeyError: 'c'"):
        assert 1 == line["traceback"].count(told)
    assert line["traceback"].endswith("ValueError: a\n")


def test_long_chains_are_cut(recording):
    """F103: of 10,000 exceptions that led to each other the last 100 are told."""
    error = None
    for n in range(10_000):
        after = ValueError(f"number {n}")
        after.__context__, error = error, after

    line = tell(recording, error)

    assert 100 == line["traceback"].count("ValueError: ")
    assert line["traceback"].endswith("ValueError: number 9999\n")
    while error is not None:
        error.__context__, error = None, error.__context__


def test_a_long_message_says_how_long_it_was(tmp_path):
    """Of a message so many characters are kept in any case, and the length of it."""
    limits = Limits(string=2_000_000, value_bytes=3_000_000, step_bytes=8_000_000)
    with Tracer("agent", tmp_path, limits=limits) as tracer:
        for length in (1_048_576, 1_500_000):
            with pytest.raises(ValueError), tracer.step("decide"):
                raise ValueError("m" * length)
    whole, cut = (record.error for record in tracer.steps)

    assert whole == f"ValueError: {'m' * 1_048_576}"
    assert cut == f"{whole}… of 1500000 characters"


def test_a_long_message_ends_before_a_secret_that_it_would_cut(tmp_path):
    """The first half of a key could not be told from any other word."""
    limits = Limits(string=2_000_000, value_bytes=3_000_000, step_bytes=8_000_000)
    with Tracer("agent", tmp_path, limits=limits) as tracer:
        with pytest.raises(ValueError), tracer.step("decide"):
            raise ValueError("e " * 524_283 + "sk-ant-api03-" + "kEy5" * 20)
        (record,) = tracer.steps

    assert "sk-ant" not in record.error
    assert record.error.endswith("e … of 1048659 characters")


def test_suppressed_contexts_are_left_out(recording):
    """A context that ``from None`` has set aside is not told."""
    error = ValueError("shown")
    error.__context__ = KeyError("hidden")
    error.__suppress_context__ = True

    assert "hidden" not in tell(recording, error)["traceback"]


def test_a_cause_comes_before_a_context(recording):
    """Of an exception with both the cause is told, as the interpreter does."""
    error = ValueError("shown")
    error.__cause__ = KeyError("cause")
    error.__context__ = KeyError("hidden")
    error.__suppress_context__ = False

    told = tell(recording, error)["traceback"]
    assert "KeyError: 'cause'" in told
    assert "hidden" not in told


@pytest.mark.parametrize(("kind", "kept"), [(ValueError, 100), (RecursionError, 20)])
def test_the_innermost_frames_are_kept(recording, kind, kept):
    """Of a long stack 100 frames are told, of a recursion's 20: those at its end."""

    def ping(n):
        if n == 0:
            raise kind("bottom")
        return pong(n - 1)

    def pong(n):
        return ping(n)

    with pytest.raises(kind), step("decide"):
        ping(100)

    told = recording.one("decide")["traceback"]
    assert kept == told.count("  File ")
    assert told.endswith(
        f'in ping\n    raise kind("bottom")\n{kind.__name__}: bottom\n'
    )


@pytest.mark.parametrize("kind", [ValueError, RecursionError])
def test_the_other_frames_cost_nothing(kind):
    """A long stack is no more work than one of 100 frames; a recursion tells many."""

    def ping(n):
        if n == 0:
            raise kind("bottom")
        ping(n - 1)

    def work(frames):
        events = itertools.count()
        with pytest.raises(kind) as caught:
            ping(frames)
        # A collection may call functions of its own.
        gc.disable()
        sys.setprofile(lambda *_: next(events))
        try:
            traceback_text(caught.value)
        finally:
            sys.setprofile(None)
            gc.enable()
        return next(events)

    # The source is read first.
    work(1)

    assert work(100) == work(600)


def test_groups_of_a_thousand(recording, show):
    """F103: of 1,000 leaves the first 15 are told, the others counted."""
    group = ExceptionGroup("feeds", [ValueError(f"leaf {n}.") for n in range(1_000)])

    line = tell(recording, group)

    assert "ExceptionGroup: feeds (1000 sub-exceptions)" == line["error"]
    assert 15 == line["traceback"].count("ValueError: leaf")
    assert "---- 1 of 1000 in " in line["traceback"]
    assert "---- 15 of 1000 in " in line["traceback"]
    assert "---- and 985 more ----" in line["traceback"]
    assert len(line["traceback"]) < 10_000
    assert show(group).value.endswith("ExceptionGroup: feeds (1000 sub-exceptions)")


def test_a_group_that_is_told_whole_leaves_no_more(recording):
    """Of 15 leaves all are told, and no others are counted."""
    group = ExceptionGroup("feeds", [ValueError(f"leaf {n}.") for n in range(15)])

    told = tell(recording, group)["traceback"]
    assert 15 == told.count("ValueError: leaf")
    assert " more ----" not in told


@pytest.mark.parametrize("leaf", [ValueError("x"), KeyboardInterrupt()])
def test_groups_that_share_their_members(recording, leaf):
    """F103: twenty groups that read like a billion leaves are told in a few lines."""
    group = BaseExceptionGroup("g", [leaf])
    for _ in range(20):
        group = BaseExceptionGroup("g", [group, group, group])

    line = tell(recording, group)

    assert "error" == line["outcome"]
    assert len(line["traceback"]) < 20_000


def test_an_endless_message_is_cut_first(recording):
    """F79, F103: of a message of 100 MB a quarter of one is kept, and few are made."""

    class Endless(Exception):
        text = "x" * 100_000_000

        def __str__(self):
            return self.text

    tracemalloc.start()
    line = tell(recording, Endless())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 40_000_000
    assert 262_144 == len(line["error"])
    assert {"$.error", "$.traceback"} == {
        note["path"] for note in line["notes"] if note["note"] == "truncated"
    }


def test_notes_of_exceptions_may_be_anything(recording):
    """Notes on an exception that are no list of texts cost themselves."""
    for notes in (7, ["a note", object(), "\ud800"], Rows(), ["n"] * 10_000):
        error = ValueError("stale")
        error.__notes__ = notes

        line = tell(recording, error)

        assert "ValueError: stale\n" in line["traceback"]
        assert len(line["traceback"]) < 2_000
        assert not isinstance(notes, Rows) or notes.queries == 0


def test_nothing_is_suggested(recording):
    """F101: to tell of a wrong name nobody is asked for the right ones."""

    class Remote:
        def __dir__(self):
            TOUCHED.append("dir")
            return ["price"]

        def __getattr__(self, name):
            error = AttributeError(name)
            error.name, error.obj = name, self
            raise error

    TOUCHED.clear()
    with pytest.raises(AttributeError), step("decide"):
        Remote().prise  # noqa: B018

    assert [] == TOUCHED
    assert "AttributeError: prise" == recording.one("decide")["error"]


@pytest.mark.parametrize("error", [ValueError("stale"), KeyError("x")])
def test_a_traceback_that_cannot_be_made_is_counted(recording, monkeypatch, error):
    """Where the program broke what tracebacks are made with, the step still ends."""

    def broken(*given, **more):
        raise OSError("no sources")

    with monkeypatch.context() as patch:
        patch.setattr("traceback.extract_tb", broken)
        patch.setattr("traceback.walk_tb", broken)
        with pytest.raises(type(error)) as caught, step("decide"):
            raise error

    line = recording.one("decide")
    assert error is caught.value
    told = f"{type(error).__name__}: {error}"
    assert ("error", told) == (line["outcome"], line["error"])
    assert "traceback" not in line
    assert {"step": {"traceback lost: OSError": 1}} == recording.tracer.health()


class Unread:
    """A loader that fails at the question for a module's source."""

    def get_source(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize("levels", [0, 500])
def test_frames_whose_source_cannot_be_read(recording, levels):
    """Without the lines of their source, the frames are there, and the message."""
    source = f"""
def raised(left={levels}):
    if left:
        raised(left - 1)
    raise ValueError("no price")
"""
    place = {"__name__": "unread", "__loader__": Unread()}
    exec(compile(source, "/nowhere/unread.py", "exec"), place)

    with pytest.raises(ValueError, match="no price"), step("decide"):
        place["raised"]()

    line = recording.one("decide")
    assert "ValueError: no price" == line["error"]
    told = line["traceback"].splitlines()
    assert "Traceback (most recent call last):" == told[0]
    assert "ValueError: no price" == told[-1]
    assert '  File "/nowhere/unread.py", line 5, in raised' == told[-2]
    assert min(levels, 99) + 1 == line["traceback"].count("in raised\n")
    assert {} == recording.tracer.health()
