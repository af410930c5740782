"""No tracer: nothing is recorded, and every program is what it was."""

from __future__ import annotations

import asyncio

import pytest

from ai_trace import (
    JSONLSink,
    Tracer,
    current_step,
    current_tracer,
    propagate,
    step,
    traced,
)
from ai_trace.exceptions import TraceConfigError


def outcome_of(function, *arguments):
    """What a call gave: its value, or its exception with type and arguments."""
    try:
        return ("returned", function(*arguments))
    except BaseException as error:
        return ("raised", type(error), error.args, error)


BODIES = {
    "value": lambda error: lambda state: state,
    "none": lambda error: lambda state: None,
    "ValueError": lambda error: _raise(error),
    "KeyboardInterrupt": lambda error: _raise(error),
    "SystemExit": lambda error: _raise(error),
    "CancelledError": lambda error: _raise(error),
    "GeneratorExit": lambda error: _raise(error),
}
ERRORS = {
    "ValueError": ValueError("stale"),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "SystemExit": SystemExit(3),
    "CancelledError": asyncio.CancelledError("why"),
    "GeneratorExit": GeneratorExit(),
}


def _raise(error):
    def body(state):
        raise error

    return body


@pytest.mark.parametrize("case", sorted(BODIES))
def test_every_shape_behaves_as_undecorated(shape, undecorated, case):
    """Without a tracer every shape gives the same value or the identical exception."""
    state = object()
    body = BODIES[case](ERRORS.get(case))

    before = outcome_of(shape.call, shape.build(body, undecorated), state)
    after = outcome_of(shape.call, shape.build(body), state)

    assert before == after


def test_nothing_is_written(tmp_path, monkeypatch, shape):
    """Without a tracer no file and no directory appears."""
    monkeypatch.chdir(tmp_path)
    with step("scan", symbol="BTCUSDT") as scan:
        scan.log(signal=0.87)
        shape.call(shape.build(lambda state: state), 1)

    assert [] == list(tmp_path.iterdir())


def test_steps_without_a_tracer_are_steps_all_the_same():
    """A step without a tracer takes every call of a real one, and is not current."""
    with step("scan", symbol="BTCUSDT") as scan:
        assert scan is scan.log(signal=0.87)
        assert scan is scan.set_result(1)
        assert current_step() is None
        assert current_tracer() is None
    by_hand = step("scan", name="any", kind="key", self=1, tracer=2)
    assert by_hand is by_hand.start().log(a=1, self=2, name=3).finish()
    assert by_hand is by_hand.finish("no such outcome")
    assert by_hand is by_hand.fail("reason")
    assert by_hand is by_hand.fail(ValueError("stale"))
    assert ({}, [], {}) == (by_hand.context, by_hand.logs, by_hand.to_dict())
    assert (None, None, None) == (by_hand.outcome, by_hand.error, by_hand.duration_ms)
    assert ("", "", None) == (by_hand.name, by_hand.id, by_hand.parent_id)
    assert "<Step that is not recorded>" == repr(by_hand)


def test_async_steps_without_a_tracer():
    """An async step block without a tracer runs its body."""

    async def main():
        async with step("scan") as scan:
            await asyncio.sleep(0)
            scan.log(a=1)
            return "done"

    assert "done" == asyncio.run(main())


def test_exceptions_pass_steps_without_a_tracer():
    """A step without a tracer lets the identical exception out."""
    error = ValueError("stale")
    with pytest.raises(ValueError) as caught, step("scan"):
        raise error

    assert error is caught.value


def test_generators_keep_their_protocol_without_a_tracer(decorate):
    """send, throw, close and the return value work the same without a tracer."""

    @decorate
    def talk():
        heard = []
        try:
            while True:
                try:
                    heard.append((yield len(heard)))
                except KeyError as error:
                    heard.append(error.args)
                if len(heard) == 3:
                    return heard
        finally:
            heard.append("finally")

    generator = talk()
    assert [0, 1, 2] == [
        next(generator),
        generator.send("a"),
        generator.throw(KeyError("k")),
    ]
    with pytest.raises(StopIteration) as stop:
        generator.send("b")
    assert ["a", ("k",), "b", "finally"] == stop.value.value


def test_tracer_that_appears_later_is_used(record):
    """A function decorated before any tracer existed is recorded once there is one."""

    @traced(name="scan")
    def scan(number):
        return number

    scan(1)
    with record() as recording:
        scan(2)
    scan(3)

    assert [2] == [line["result"] for line in recording.lines]


def test_disabled_by_the_environment(run_script, tmp_path):
    """With AI_TRACE_DISABLED=1 the program is the same and nothing is written."""
    script = (
        "from ai_trace import Tracer, current_step, propagate, step, traced\n"
        "@traced\n"
        "def decide(x):\n"
        "    if x < 0: raise ValueError(x)\n"
        "    return x\n"
        "@traced\n"
        "def bars():\n"
        "    yield decide(1)\n"
        "    return 2\n"
        "def consume():\n"
        "    return (yield from bars())\n"
        "tracer = Tracer('agent', trace_dir='out')\n"
        "with tracer:\n"
        "    with step('scan') as s:\n"
        "        s.log(a=1).set_result(2)\n"
        "        print(decide(1), list(consume()), propagate(decide)(3))\n"
        "    with tracer.step('by hand') as s:\n"
        "        s.log(a=1)\n"
        "    try:\n"
        "        decide(-1)\n"
        "    except ValueError as error:\n"
        "        print(repr(error))\n"
        "    tracer.save(); tracer.save_markdown()\n"
        "print(tracer.summary()['steps'])\n"
    )

    plain = run_script(script)
    disabled_dir = [path.name for path in (tmp_path / "out").iterdir()]
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    (tmp_path / "out").rmdir()
    disabled = run_script(script, AI_TRACE_DISABLED="1")

    assert (0, "") == (plain.returncode, plain.stderr)
    assert (0, "") == (disabled.returncode, disabled.stderr)
    assert [] != disabled_dir
    assert not (tmp_path / "out").exists()
    assert plain.stdout.splitlines()[:-1] == disabled.stdout.splitlines()[:-1]
    assert "0" == disabled.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "is_recorded"),
    [
        *[(each, True) for each in ("", "0", "false", "False", "no", "OFF", " 0 ")],
        *[(each, False) for each in ("1", "true", "yes", "on", "2", "anything")],
    ],
)
def test_what_disables(monkeypatch, tmp_path, value, is_recorded):
    """Whatever does not say no to it disables recording, as the name tells."""
    monkeypatch.setenv("AI_TRACE_DISABLED", value)

    with Tracer("agent", trace_dir=tmp_path) as tracer, step("scan"):
        pass

    assert is_recorded == bool(tracer.steps)
    assert is_recorded == (tracer.path is not None)


def test_disabled_tracers_tell_their_sinks_nothing(monkeypatch, tmp_path):
    """With AI_TRACE_DISABLED=1 sinks are told of no step, and closed as ever."""
    monkeypatch.setenv("AI_TRACE_DISABLED", "1")
    told = []

    class Telling:
        """
        A sink that notes what it is told.
        """

        def on_start(self, step):
            """Note a start."""
            told.append("start")

        def on_log(self, step, entry):
            """Note a log entry."""
            told.append("log")

        def on_finish(self, record):
            """Note an end."""
            told.append("finish")

        def close(self):
            """Note the close."""
            told.append("close")

    sinks = [Telling(), JSONLSink(tmp_path / "run.jsonl")]
    with Tracer("agent", sinks=sinks), step("scan") as scan:
        scan.log(signal=0.87)

        assert ["run.jsonl"] == [path.name for path in tmp_path.iterdir()]
    assert ["close"] == told
    assert b"" == (tmp_path / "run.jsonl").read_bytes()


HINT = """
import sys, threading, warnings
from ai_trace import Tracer, traced

@traced
def decide(x):
    return x + 1

@traced
def bars():
    yield 1

@traced
async def research():
    return 1

def call_all():
    assert decide(1) == 2
    assert list(bars()) == [1]
    try:
        research().send(None)
    except StopIteration as stop:
        assert stop.value == 1

def calls_that_warn():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call_all()
        thread = threading.Thread(target=call_all)
        thread.start()
        thread.join()
    return [(w.category.__name__, str(w.message)) for w in caught]

assert calls_that_warn() == []
Tracer("closed", trace_dir="out").close()
assert calls_that_warn() == []
tracer = Tracer("agent", trace_dir="out")
first = calls_that_warn()
second = calls_that_warn()
assert [name for name, _ in first] == ["RuntimeWarning"], first
assert "activate" in first[0][1] or "with" in first[0][1], first
assert second == [], second
another = Tracer("another", trace_dir="out")
third = calls_that_warn()
assert third == [], third
print("fine")
"""


def test_one_warning_names_the_fix(run_script):
    """Traced calls beside a tracer that is not current warn once in the process."""
    ended = run_script(HINT)

    assert ("fine\n", "") == (ended.stdout, ended.stderr)


@pytest.mark.parametrize("current", ["entered", "activated", "closed"])
def test_no_warning_where_the_tracer_is_right(run_script, current):
    """No call warns while its tracer is current, activated, or already closed."""
    ended = run_script(
        "import sys\n"
        "from ai_trace import Tracer, traced\n"
        "@traced\n"
        "def decide(x):\n"
        "    return x + 1\n"
        "tracer = Tracer('agent', trace_dir='out')\n"
        "{'entered': tracer.__enter__, 'activated': tracer.activate,\n"
        " 'closed': tracer.close}[sys.argv[1]]()\n"
        "print(decide(1))\n",
        current,
        options=("-W", "error"),
    )

    assert (0, "2\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_hint_raises_nothing_where_warnings_are_errors(run_script):
    """With warnings turned into errors the traced call still gives its value."""
    ended = run_script(
        "from ai_trace import Tracer, traced\n"
        "@traced\n"
        "def decide(x):\n"
        "    return x + 1\n"
        "tracer = Tracer('agent', trace_dir='out')\n"
        "print(decide(1), decide(2))\n",
        options=("-W", "error"),
    )

    assert (0, "2 3\n") == (ended.returncode, ended.stdout)


def test_propagated_functions_without_a_tracer(whole_shape):
    """Propagating without a tracer changes no result of a function or coroutine."""
    function = propagate(whole_shape.build(lambda state: state))

    assert whole_shape.results(7) == whole_shape.run(function(7))


@pytest.mark.parametrize("kind", ["generator", "async_generator"])
def test_generators_are_not_propagated(plain_shape, decorate):
    """A generator runs where it is consumed: to propagate it is refused, with a way."""
    with pytest.raises(TraceConfigError, match="consumer"):
        propagate(plain_shape.build(lambda state: state, decorate))
