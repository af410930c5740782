"""KeyboardInterrupt and SystemExit pass through, and are told as interruptions."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import threading

import pytest

from ai_trace import JSONSink, Tracer, current_step, current_tracer, step, traced


class Halt(KeyboardInterrupt):
    """An interrupt of the user's own."""


INTERRUPTS = [
    pytest.param(lambda: KeyboardInterrupt(), id="KeyboardInterrupt"),
    pytest.param(lambda: KeyboardInterrupt("by hand"), id="with a message"),
    pytest.param(lambda: SystemExit(3), id="SystemExit"),
    pytest.param(lambda: SystemExit("fatal"), id="SystemExit with a text"),
    pytest.param(lambda: Halt(), id="own class"),
]


@pytest.fixture(scope="module", autouse=True)
def _collected():
    """Free what interrupted loops left, which they log: in no test of another file."""
    yield
    gc.collect()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_every_shape_lets_it_through(recording, shape, interrupt):
    """An interrupt in any shape comes out as the identical object, interrupted."""

    def body(state):
        raise interrupt

    with step("outer") as outer:
        with pytest.raises(type(interrupt)) as caught:
            shape.call(shape.build(body), 1)

        assert interrupt is caught.value
        assert current_step() is outer
    line = recording.one(shape.step_name)
    assert "interrupted" == line["outcome"]
    assert line["error"].startswith(type(interrupt).__name__)
    assert line["duration_ms"] is not None


@pytest.mark.parametrize("make", INTERRUPTS)
def test_step_blocks_let_it_through(recording, make):
    """An interrupt through nested step blocks interrupts each of them, once."""
    interrupt = make()
    with pytest.raises(type(interrupt)) as caught, step("outer"), step("inner"):
        raise interrupt

    assert interrupt is caught.value
    assert ["inner", "outer"] == recording.names
    assert {"interrupted"} == {line["outcome"] for line in recording.lines}


def test_exit_code_of_system_exit_is_kept(recording):
    """The code that ``sys.exit`` was given is on the exception that comes out."""

    @traced(name="stop")
    def stop():
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        stop()

    assert 3 == caught.value.code


def test_interrupted_while_an_event_is_delivered_late(record):
    """Ctrl-C as a sink is told of an earlier step costs the step that ends nothing."""
    errors = [RecursionError(), KeyboardInterrupt()]

    class Deep:
        """
        A sink of ours that has no room on the stack at first.
        """

        traces_nothing = True
        told = ()

        def on_finish(self, record):
            """Take the record, if there is room."""
            if errors:
                raise errors.pop(0)
            self.told += (record.name,)

    sink = Deep()
    with record(sinks=[sink]) as recording:
        with pytest.raises(KeyboardInterrupt), step("outer"):
            with step("inner"):
                pass

    assert ["inner", "outer"] == recording.names
    assert ("outer",) == sink.told


class Halting:
    """
    A sink that is interrupted once, in one of its methods.
    """

    def __init__(self, where):
        self.where = where

    def on_finish(self, record):
        """Be interrupted here, perhaps."""
        self.halt("on_finish")

    def close(self):
        """Be interrupted here, perhaps."""
        self.halt("close")

    def halt(self, where):
        if where == self.where:
            self.where = None
            raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["on_finish", "close"])
def test_interrupted_while_a_tracer_is_closed(tmp_path, where):
    """Ctrl-C goes on once all open steps have ended and all sinks are closed."""
    sinks = [Halting(where), JSONSink(tmp_path / "run.json")]
    tracer = Tracer("agent", tmp_path, sinks=sinks)
    for name in ("first", "second", "third"):
        tracer.step(name).start()

    with pytest.raises(KeyboardInterrupt):
        tracer.close()

    assert ["first", "second", "third"] == [step.name for step in tracer.steps]
    assert {"unfinished"} == {step.outcome for step in tracer.steps}
    assert 3 == len(json.loads((tmp_path / "run.json").read_text())["steps"])
    assert [] == list(tmp_path.glob("*.open"))


def test_interrupted_at_the_end_of_a_block(tmp_path):
    """Ctrl-C as a tracer's block ends leaves nothing current, be it never left."""
    tracer = Tracer("agent", tmp_path, sinks=[Halting("close")])
    with pytest.raises(KeyboardInterrupt):
        with tracer:
            tracer.step("never left").__enter__()

    assert (None, None) == (current_step(), current_tracer())


def test_real_interrupt_signal(recording):
    """A real SIGINT in the middle of a traced function interrupts it."""

    @traced(name="think")
    def think():
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal was lost")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            think()
    finally:
        signal.signal(signal.SIGINT, before)

    assert "interrupted" == recording.one("think")["outcome"]


@pytest.mark.parametrize("make", INTERRUPTS)
def test_through_an_event_loop(recording, make):
    """An interrupt in a task ends the loop as undecorated; the step is interrupted."""
    interrupt = make()

    @traced(name="think")
    async def think():
        await asyncio.sleep(0)
        raise interrupt

    with pytest.raises(type(interrupt)) as caught:
        asyncio.run(think())

    assert interrupt is caught.value
    assert "interrupted" == recording.one("think")["outcome"]


def test_siblings_of_an_interrupted_task_are_cancelled(recording):
    """When an interrupt ends the loop, each task of it still ends its own step."""

    @traced(name="sleeper")
    async def sleeper():
        await asyncio.Event().wait()

    @traced(name="think")
    async def think():
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    async def main():
        waiting = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        await asyncio.gather(waiting, think())

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())

    assert "cancelled" == recording.one("sleeper")["outcome"]
    assert "interrupted" == recording.one("think")["outcome"]


def test_in_a_thread(recording):
    """SystemExit in a thread ends that thread alone, and its step is interrupted."""
    recording.tracer.activate()

    @traced(name="work")
    def work():
        raise SystemExit(3)

    def run():
        with pytest.raises(SystemExit) as caught:
            work()
        codes.append(caught.value.code)

    codes = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert [3] == codes
    assert "interrupted" == recording.one("work")["outcome"]


def test_generator_interrupted_between_items(recording):
    """An interrupt thrown into a suspended generator interrupts it, with its items."""

    @traced(name="bars")
    def bars():
        yield 1
        yield 2

    interrupt = KeyboardInterrupt()
    generator = bars()
    next(generator)
    with pytest.raises(KeyboardInterrupt) as caught:
        generator.throw(interrupt)

    assert interrupt is caught.value
    line = recording.one("bars")
    assert ("interrupted", 1) == (line["outcome"], line["result"]["count"])


def interrupting(_path, value):
    """Redact as a function does into which Ctrl-C comes."""
    if value == "interrupted here":
        raise KeyboardInterrupt
    return value


@pytest.mark.parametrize("ends", [True, False])
def test_generator_interrupted_while_an_item_is_captured(tmp_path, ends):
    """It comes out of the body's ``yield``, whose ``finally`` runs at once."""
    done = []

    @traced(name="words")
    def words():
        try:
            yield "a"
            yield "interrupted here"
        except KeyboardInterrupt:
            if ends:
                raise
            yield "after it"
        finally:
            done.append(True)

    with Tracer("agent", trace_dir=tmp_path, redact=interrupting) as tracer:
        generator = words()
        assert "a" == next(generator)
        if ends:
            with pytest.raises(KeyboardInterrupt):
                next(generator)
        else:
            assert ["after it"] == list(generator)
        assert done == [True]
    (step,) = tracer.steps
    assert step.outcome == ("interrupted" if ends else "ok")
    assert step.result["items"] == (["a"] if ends else ["a", "after it"])


def test_async_generator_interrupted_while_an_item_is_captured(tmp_path):
    """The same in an event loop."""
    done = []

    @traced(name="words")
    async def words():
        try:
            yield "a"
            yield "interrupted here"
        finally:
            done.append(True)

    async def main():
        generator = words()
        assert "a" == await generator.__anext__()
        with pytest.raises(KeyboardInterrupt):
            await generator.__anext__()
        assert done == [True]

    with Tracer("agent", trace_dir=tmp_path, redact=interrupting) as tracer:
        asyncio.run(main())
    assert ["interrupted"] == [each.outcome for each in tracer.steps]


@pytest.mark.parametrize(
    ("statement", "code"),
    [("sys.exit(3)", 3), ("raise SystemExit('fatal')", 1), ("raise SystemExit", 0)],
)
def test_the_process_ends_with_the_same_code(
    run_script, read_lines, tmp_path, statement, code
):
    """A process that exits inside a step has the code it asked for, and its line."""
    ended = run_script(
        "import sys\n"
        "from ai_trace import Tracer, traced\n"
        "@traced\n"
        "def decide():\n"
        f"    {statement}\n"
        "with Tracer('agent', trace_dir='out'):\n"
        "    decide()\n"
    )

    assert code == ended.returncode
    assert "Traceback" not in ended.stderr
    (line,) = read_lines(tmp_path / "out")
    assert ("decide", "interrupted") == (line["name"], line["outcome"])


def test_an_unhandled_interrupt_ends_the_process_as_before(
    run_script, read_lines, tmp_path
):
    """A KeyboardInterrupt that nobody catches ends the process by SIGINT."""
    ended = run_script(
        "from ai_trace import Tracer, traced\n"
        "@traced\n"
        "def decide():\n"
        "    raise KeyboardInterrupt\n"
        "with Tracer('agent', trace_dir='out'):\n"
        "    decide()\n"
    )

    assert -signal.SIGINT == ended.returncode
    assert "KeyboardInterrupt" in ended.stderr
    assert ["interrupted"] == [line["outcome"] for line in read_lines(tmp_path / "out")]
