"""Steps used wrongly: ended once, a warning at most, and the program goes on."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

import pytest

from ai_trace import Tracer, current_step, current_tracer, step, traced
from ai_trace.exceptions import TraceConfigError
from ai_trace.sinks import MemorySink


@pytest.fixture(params=["ignored", "recorded", "errors"], autouse=True)
def warnings_as(request):
    """Every misuse, with warnings ignored, shown, and turned into errors."""
    with warnings.catch_warnings(record=request.param == "recorded"):
        warnings.simplefilter("error" if request.param == "errors" else "always")
        if request.param == "ignored":
            warnings.simplefilter("ignore")
        yield request.param


def in_thread(function, *arguments):
    """Run a function to its end in another thread; its error is the test's."""
    errors = []

    def run():
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [] == errors


def test_exited_in_another_thread(recording):
    """A step entered here and exited in another thread ends once, without an error."""
    scan = step("scan")
    scan.__enter__()
    in_thread(scan.__exit__, None, None, None)

    assert "ok" == recording.one("scan")["outcome"]
    # This thread could not be told of the end; leaving it restores what was before.
    with step("after"):
        pass
    assert 2 == len(recording.lines)
    scan.__exit__(None, None, None)
    assert current_step() is None
    assert 2 == len(recording.lines)


def test_entered_in_another_thread(recording):
    """A step entered in another thread and exited here leaves this one as it was."""
    with step("outer") as outer:
        scan = recording.tracer.step("scan")
        in_thread(scan.__enter__)
        scan.__exit__(None, None, None)

        assert current_step() is outer
    assert ["outer", "scan"] == recording.names


def test_exited_in_another_task(recording):
    """A step entered in one task and exited in another ends once."""

    async def main():
        with step("outer") as outer:
            scan = step("scan")

            async def enter():
                await scan.__aenter__()

            async def leave():
                await scan.__aexit__(None, None, None)
                assert current_step() is outer

            await asyncio.create_task(enter())
            await asyncio.create_task(leave())
            assert current_step() is outer

    asyncio.run(main())

    assert ["outer", "scan"] == recording.names
    assert {"ok"} == {line["outcome"] for line in recording.lines}


@pytest.mark.parametrize("times", [2, 3])
def test_exited_more_than_once(recording, times):
    """A step ends at its first exit; the others change nothing."""
    with step("outer") as outer:
        scan = step("scan")
        scan.__enter__()
        for _ in range(times):
            scan.__exit__(None, None, None)
            assert current_step() is outer
    assert ["outer", "scan"] == recording.names


def test_entered_twice(recording):
    """A step entered twice is one step, and its blocks' ends restore what was."""
    with step("outer") as outer:
        scan = step("scan")
        with scan, scan:
            pass
        assert current_step() is outer
    assert ["outer", "scan"] == recording.names


def test_reused_for_a_second_block(recording):
    """A step used for a second block after its end is still one line."""
    scan = step("scan")
    for number in range(2):
        with scan:
            scan.log(number=number)
    assert current_step() is None
    assert ["scan"] == recording.names
    assert [0] == [entry["number"] for entry in recording.one("scan")["logs"]]


def test_finished_twice_by_hand(recording):
    """Of two ends by hand the first counts."""
    scan = recording.tracer.step("scan").start()
    scan.finish()
    scan.fail("too late")
    scan.finish(outcome="error")

    assert ("ok", None) == (
        recording.one("scan")["outcome"],
        recording.one("scan")["error"],
    )


def test_started_twice_by_hand(recording):
    """A step started twice is one step."""
    recording.tracer.step("scan").start().start().finish()

    assert "ok" == recording.one("scan")["outcome"]


def test_finished_without_a_start(recording):
    """A step finished or logged to before its start hurts nobody, told once at most."""
    recording.tracer.step("scan").log(a=1).finish()
    recording.tracer.step("other").fail("never begun")
    recording.tracer.step("third").set_result(1)

    assert len(recording.named("scan")) <= 1
    assert len(recording.named("other")) <= 1
    assert [] == recording.named("third")


def test_finished_by_hand_inside_its_block(recording):
    """A step finished inside its block ends there; the block's exit adds nothing."""
    with step("outer") as outer:
        with step("scan") as scan:
            scan.finish()
            scan.log(late=True)
        assert current_step() is outer
    assert ["outer", "scan"] == recording.names
    assert [] == recording.one("scan")["logs"]


def test_block_that_raises_after_finish(recording):
    """An exception after a finish by hand comes out; the step stays as finished."""
    error = ValueError("late")
    with pytest.raises(ValueError) as caught, step("scan") as scan:
        scan.finish()
        raise error

    assert error is caught.value
    assert "ok" == recording.one("scan")["outcome"]


def test_never_exited(record):
    """A step that is never exited is unfinished when its tracer closes, once."""
    with record() as recording:
        scan = recording.tracer.step("scan", symbol="BTCUSDT").start()
        scan.log(signal=0.87)
        with step("other"):
            pass

    line = recording.one("scan")
    assert ("unfinished", {"symbol": "BTCUSDT"}) == (line["outcome"], line["context"])
    assert [0.87] == [entry["signal"] for entry in line["logs"]]
    scan.finish()
    assert 2 == len(recording.lines)


@pytest.mark.parametrize("depth", [1, 3])
def test_entered_and_never_exited(recording, record, depth):
    """A step that was entered and never left is current no more after its tracer."""
    with step("outer") as outer:
        with record() as inner:
            for level in range(depth):
                step(f"level {level}").__enter__()
        assert current_step() is outer
        with step("after"):
            pass

    assert depth * ["unfinished"] == [line["outcome"] for line in inner.lines]
    assert ["outer"] == recording.parents()["after"]


def test_never_exited_and_dropped(record):
    """A started step that nobody holds any more is still one line in the end."""
    with record() as recording:
        recording.tracer.step("scan").start()
        gc.collect()

    assert 1 == len(recording.named("scan"))


def test_never_started_leaves_no_step(record):
    """A step that is made and never begun leaves no line."""
    with record() as recording:
        step("scan", symbol="BTCUSDT")
        recording.tracer.step("scan")

    assert [] == recording.lines


def test_exited_out_of_order(recording):
    """Two steps exited in the order of their entry both end; the outer one is back."""
    with step("outer") as outer:
        first, second = step("first"), step("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with step("after"):
            pass
    parents = recording.parents()
    assert {"outer": [None], "first": ["outer"], "second": ["first"]} == {
        name: parents[name] for name in ("outer", "first", "second")
    }
    assert 4 == len(recording.lines)
    assert current_step() is None
    assert outer.outcome == "ok"


def test_finished_step_is_no_parent_after_an_exit_out_of_order(recording):
    """After exits out of order, later steps are children of a step that is open."""
    with step("outer"):
        first, second = step("first"), step("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with step("after"):
            pass

    assert ["outer"] == recording.parents()["after"]


def test_parent_that_ends_before_its_child(recording):
    """A parent that ends first keeps its child, and each ends on its own."""
    parent = recording.tracer.step("parent")
    parent.__enter__()
    child = step("child")
    child.__enter__()
    parent.__exit__(None, None, None)
    assert ["parent"] == recording.names
    child.__exit__(None, None, None)

    assert {"parent": [None], "child": ["parent"]} == recording.parents()
    assert current_step() is None


def test_used_after_the_tracer_closed(record):
    """After close nothing more is written, nothing raises, and the program runs."""
    with record() as recording:
        tracer = recording.tracer
        with step("before"):
            pass

    with tracer.step("after") as after:
        after.log(a=1)
        after.set_result(2)
    tracer.step("by hand").start().log(a=1).finish()
    tracer.step("failed").start().fail("late")

    assert ["before"] == recording.names
    assert current_step() is None


def test_step_that_outlives_its_tracer(record):
    """A step open over its tracer's close ends then; its own exit adds nothing."""
    with record() as recording:
        scan = step("scan")
        scan.__enter__()
    scan.log(late=True)
    scan.__exit__(None, None, None)

    assert "unfinished" == recording.one("scan")["outcome"]
    assert (None, None) == (current_step(), current_tracer())


def test_tracer_closed_inside_a_step(recording):
    """Closing the tracer inside a step leaves the step's block running."""
    with step("outer"):
        recording.tracer.close()
        with step("inner"):
            result = 42

    assert 42 == result
    assert "unfinished" == recording.one("outer")["outcome"]
    assert ["outer"] == recording.names


def test_traced_functions_run_after_the_close(record, plain_shape):
    """A traced function called under a closed tracer just runs."""
    with record() as recording:
        recording.tracer.close()
        function = plain_shape.build(lambda state: state + 1)
        assert plain_shape.results(2) == plain_shape.call(function, 1)

    assert [] == recording.lines


def test_ended_while_the_tracer_closes(tmp_path):
    """A step that ends by itself just before the tracer ends it was used rightly."""
    tracer = Tracer("agent", tmp_path)

    class Ends:
        def on_finish(self, record):
            if record.outcome == "unfinished":
                second.finish()

    tracer.add_sink(Ends())
    tracer.step("first").start()
    second = tracer.step("second").start()
    tracer.close()

    assert {} == tracer.health()
    outcomes = {record.name: record.outcome for record in tracer.steps}
    assert {"first": "unfinished", "second": "ok"} == outcomes


def test_used_after_it_was_closed(tmp_path):
    """A closed tracer takes no sink and becomes nobody's tracer, and says so."""
    tracer = Tracer("agent", tmp_path)
    tracer.close()

    with pytest.warns(match="'agent' is closed; the sink will be told of nothing"):
        assert tracer.add_sink(MemorySink()) is tracer
    with pytest.warns(match="'agent' is closed; it cannot be activated"):
        assert tracer.activate() is tracer

    assert current_tracer() is None
    assert {
        "tracer": {
            "activated after it was closed": 1,
            "given a sink after it was closed": 1,
        }
    } == tracer.health()
    with pytest.raises(TraceConfigError, match="on_finish"):
        tracer.add_sink(object())


def test_closed_twice(record):
    """Closing a tracer again does nothing."""
    with record() as recording:
        with step("scan"):
            pass
        recording.tracer.close()
        recording.tracer.close()
    recording.tracer.close()

    assert ["scan"] == recording.names


def test_tracer_entered_again(record):
    """A tracer entered a second time, inside or after, is current and then is not."""
    with record() as recording:
        tracer = recording.tracer
        with tracer:
            assert tracer is current_tracer()

    assert current_tracer() is None
    with tracer, step("late"):
        pass
    assert current_tracer() is None
    assert len(recording.lines) <= 1


def test_step_of_one_tracer_inside_a_step_of_another(recording, tmp_path):
    """Interleaved steps of two tracers write each into its own session."""
    other = Tracer("other", trace_dir=tmp_path)
    with step("mine"):
        with other.step("theirs"):
            with step("inner"):
                pass
    other.close()

    assert ["mine"] == recording.names
    assert b'"inner"' in other.path.read_bytes()
    assert 2 == len(other.path.read_bytes().splitlines())


def test_counted(recording):
    """What could not be recorded is counted where the owner can ask."""
    recording.tracer.close()
    with step("after"):
        pass

    assert recording.tracer.health()


@pytest.mark.parametrize(
    ("misuse", "what"),
    [
        (lambda scan: scan.start().start(), "was started twice"),
        (lambda scan: scan.start().finish().finish(), "was finished twice"),
        (lambda scan: scan.finish(), "was finished before it was started"),
        (lambda scan: scan.fail("late"), "was finished before it was started"),
        (lambda scan: scan.__exit__(None, None, None), "was left before it was"),
        (lambda scan: scan.log(a=1), "was given a log entry while it was not open"),
        (lambda scan: scan.set_result(1), "was given a result while it was not open"),
    ],
)
def test_misuse_warns_and_names_the_step(recording, misuse, what):
    """A wrong use warns once, names the step, and says what was wrong."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        misuse(recording.tracer.step("market_scan"))

    assert 1 == len(caught)
    assert f"'market_scan' {what}" in str(caught[0].message)


def test_suspended_traced_bodies_after_the_close(record):
    """Generators and coroutines begun before the close run on after it, unrecorded."""

    @traced(name="bars")
    def bars():
        yield 1
        yield 2

    with record() as recording:
        generator = bars()
        assert 1 == next(generator)

    assert [2] == list(generator)
    assert "unfinished" == recording.one("bars")["outcome"]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda scan: scan.start(),
        lambda scan: scan.finish() and scan.finish(),
        lambda scan: scan.finish() and scan.fail("late"),
        lambda scan: scan.finish() and scan.log(late=True),
        lambda scan: scan.finish() and scan.set_result(1),
        lambda scan: scan.finish() and scan.__exit__(None, None, None),
    ],
    ids=["start", "finish", "fail", "log", "set_result", "exit"],
)
def test_warnings_point_to_the_program(recording, misuse):
    """A warning names the line of the program that misused the step."""
    scan = recording.tracer.step("scan").start()
    with pytest.warns(RuntimeWarning) as warned:
        misuse(scan)

    assert [__file__] == [warning.filename for warning in warned]
