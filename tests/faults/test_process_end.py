"""
The interpreter ends, or memory does: no noise, no waiting, no other exit status.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from faults import programs
from recorded import read_directory

from ai_trace import Tracer, reading, step
from ai_trace._losses import LossError
from ai_trace.sinks._patience import Patience


def names(directory: Path) -> list[str]:
    """Return the names of all lines that a program left."""
    return sorted(line["name"] for line in read_directory(directory / "traces"))


class OutOfMemory(Exception):
    """An exception that cannot say what it is for want of memory."""

    def __str__(self) -> str:
        raise MemoryError


def test_memory_ends_during_capture(tmp_path: Path) -> None:
    """F33: what cannot be captured for want of memory costs no step."""
    error = OutOfMemory()
    with Tracer("agent", tmp_path) as tracer:
        with pytest.raises(OutOfMemory) as caught:
            with step("scan"):
                raise error
        with step("next"):
            pass

    assert caught.value is error
    scan, after = reading.read(tracer.path).steps
    assert ("scan", "error") == (scan.name, scan.outcome)
    assert "OutOfMemory" in str(scan.error)
    assert ("next", "ok") == (after.name, after.outcome)


def test_little_memory_is_left(tmp_path: Path) -> None:
    """F33: where the memory does not suffice for a value, the agent goes on."""
    done = programs.run(
        """
        import json, resource
        from ai_trace import Tracer, step

        giant = ["\\x01" * 1_000_000] * 100
        with Tracer("agent", "traces") as tracer:
            with step("before"):
                pass
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            for room in range(0, 40_000_000, 1_000_000):
                resource.setrlimit(resource.RLIMIT_AS, (used + room, hard))
                with step("scan", giant=giant) as scan:
                    scan.log(giant=giant)
                    scan.set_result(giant)
                resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            with step("after"):
                pass
        print(json.dumps(tracer.health()))
        """,
        cwd=tmp_path,
    )

    found = names(tmp_path)
    lost = sum(
        n for causes in json.loads(done.stdout).values() for n in causes.values()
    )
    assert ("after", "before") == (found[0], found[1])
    assert 40 <= found.count("scan") + lost


def test_threads_of_the_program_end_first(tmp_path: Path) -> None:
    """F34: a tracer that is never closed ends whole, behind pools that are shut."""
    done = programs.run(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from ai_trace import Tracer, propagate, step

        tracer = Tracer("agent").activate()
        before = threading.active_count()
        with step("alone"):
            pass
        assert threading.active_count() == before, "tracing has started a thread"

        def work(number):
            with step(f"step {number:02}"):
                pass

        pool = ThreadPoolExecutor(4)
        with step("root"):
            for number in range(20):
                pool.submit(propagate(work), number)
        tracer.step("left open").start()
        """,
        cwd=tmp_path,
    )

    wanted = ["alone", "left open", "root", *[f"step {n:02}" for n in range(20)]]
    assert wanted == names(tmp_path)
    assert "" == done.stderr
    assert [] == list((tmp_path / "traces").glob("*.open*"))


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemExit(3)"])
def test_steps_at_the_very_end(tmp_path: Path, ending: str) -> None:
    """F35: steps that end, begin or log in ``__del__`` at the end raise nothing."""
    done = programs.run(
        f"""
        import sys
        from ai_trace import Tracer, step

        class Late:
            def __init__(self, tracer):
                self.tracer = tracer
                self.step = tracer.step("late").start()

            def __del__(self):
                self.step.log(at="end").finish()
                with self.tracer.step("too late"):
                    pass
                with step("without a tracer"):
                    pass

        late = Late(Tracer("agent"))
        late.itself = late
        sys.modules["kept to the end"] = late
        {ending}
        """,
        cwd=tmp_path,
        status=3 if ending else 0,
    )

    assert "late" in names(tmp_path)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


LATE = """
import atexit, sys, threading, warnings

warnings.simplefilter("error" if "error" in sys.argv else "default")

closed, told = threading.Event(), threading.Event()

def last():
    # Runs after the tracer was closed, since it was registered before.
    closed.set()
    assert told.wait(20)
    if "main" in sys.argv:
        tracer.step("late").start()

atexit.register(last)
from ai_trace import Tracer, step, traced

@traced
def beat():
    pass

def watch():
    with step("watch"):
        started.set()
        closed.wait()
        for _ in range(3):
            beat()
            with step("rest"):
                pass
    told.set()

started = threading.Event()
tracer = Tracer("agent").activate()
threading.Thread(target=watch, daemon=True).start()
started.wait()
"""


@pytest.mark.parametrize("warnings", ["shown", "error"])
def test_daemon_threads_go_on_to_the_very_end(tmp_path: Path, warnings: str) -> None:
    """F35: what they do when the tracer has ended with the program prints nothing."""
    done = programs.run(LATE, warnings, cwd=tmp_path)

    assert ["watch"] == names(tmp_path)
    assert "" == done.stderr


def test_a_late_step_of_the_thread_that_ends(tmp_path: Path) -> None:
    """F35: a step that the program itself makes too late is told, as always."""
    done = programs.run(LATE, "main", cwd=tmp_path)

    assert ["watch"] == names(tmp_path)
    assert 1 == done.stderr.count("is not recorded")
    assert "'late'" in done.stderr


STUCK = """
import atexit, logging, signal, sys, threading, time
from ai_trace import Tracer, step

class Stuck:
    def on_finish(self, record):
        if record.name == "left open":
            self.wait("on_finish")

    def close(self):
        self.wait("close")

    def wait(self, where):
        if where in sys.argv:
            while True:
                try:
                    threading.Event().wait(60)
                except Exception:
                    pass

class Other(Stuck):
    def wait(self, where):
        print("told", where, flush=True)

first = Tracer("first", sinks=[Stuck()]).activate()
Tracer("second", sinks=[Stuck(), Other()])
with step("scan"):
    pass
first.step("left open").start()
alarms = []
signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
signal.setitimer(signal.ITIMER_REAL, 1_000)
ended = time.monotonic()

def last():
    print(time.monotonic() - ended, signal.getitimer(signal.ITIMER_REAL)[0])
    print(sorted(first.health()["Stuck"]), len(alarms))

atexit._clear()
atexit.register(last)
from ai_trace import _live_recorders
atexit.register(_live_recorders._close_all)
sys.exit(3)
"""


@pytest.mark.parametrize("stuck", ["close", "on_finish"])
def test_a_sink_that_does_not_end(tmp_path: Path, stuck: str) -> None:
    """F36: sinks that block keep no program from ending for two seconds, nor change it.

    All of them together have a second and a half; the file of each tracer is whole, the
    program's own alarm is set again, and what was cut short is counted.
    """
    done = programs.run(STUCK, stuck, cwd=tmp_path, status=3)
    *told, times, counted = done.stdout.splitlines()
    seconds, alarm = map(float, times.split())

    assert ["left open", "scan"] == names(tmp_path)
    assert "Traceback" not in done.stderr
    assert [] == list((tmp_path / "traces").glob("*.open*"))
    assert 1.0 < seconds < 60
    assert alarm > 900
    assert counted.endswith(" 0")
    assert "the program ends" in counted
    assert told in ([], ["told close"]) if stuck == "on_finish" else told == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no alarm")
def test_time_that_is_up_as_a_sink_is_called() -> None:
    """F36: an alarm that goes off while it is being set leaves nothing behind it."""
    before, timer = signal.getsignal(signal.SIGALRM), signal.ITIMER_REAL
    rest = signal.getitimer(timer)
    try:
        for tenths in range(1, 300):
            with suppress(LossError):
                Patience(tenths * 1e-7).call(lambda: None)

            assert before == signal.getsignal(signal.SIGALRM)
            assert rest[1] == signal.getitimer(timer)[1]
    finally:
        signal.setitimer(timer, *rest)
        signal.signal(signal.SIGALRM, before)


def test_a_sink_that_exits_at_the_end(tmp_path: Path) -> None:
    """F36: a sink that ends the program as it ends keeps no other sink from its own."""
    programs.run(
        """
        from ai_trace import JSONSink, Tracer

        class Exiting:
            def on_finish(self, record):
                pass

            def close(self):
                raise SystemExit(5)

        tracers = []
        for name in ("first", "second"):
            sinks = [Exiting(), JSONSink(f"{name}.json")]
            tracers.append(Tracer(name, sinks=sinks))
            tracers[-1].step(f"left open in {name}").start()
        """,
        cwd=tmp_path,
    )

    assert ["left open in first", "left open in second"] == names(tmp_path)
    assert [] == list((tmp_path / "traces").glob("*.open*"))
    assert ["first.json", "second.json"] == sorted(
        path.name for path in tmp_path.glob("*.json")
    )


@pytest.mark.parametrize("broken", ["on_finish", "close"])
def test_a_sink_that_raises_at_the_end(tmp_path: Path, broken: str) -> None:
    """F36: a sink that raises, be it SystemExit, changes no exit status."""
    done = programs.run(
        f"""
        import sys
        from ai_trace import Tracer, step

        class Broken:
            def on_finish(self, record):
                pass

            def {broken}(self, *_):
                raise RuntimeError("broken")

        Tracer("agent", sinks=[Broken()]).activate()
        with step("scan"):
            pass
        sys.exit(3)
        """,
        cwd=tmp_path,
        status=3,
    )

    assert ["scan"] == names(tmp_path)
    assert "Traceback" not in done.stderr


def test_a_tracer_that_is_forgotten(tmp_path: Path) -> None:
    """F34: a tracer that nobody holds any more loses nothing, leaves no file open."""
    done = programs.run(
        """
        import gc, json, os
        from ai_trace import Tracer

        before = len(os.listdir("/proc/self/fd"))
        for number in range(5):
            tracer = Tracer("agent")
            with tracer.step(f"step {number}"):
                pass
            del tracer
        gc.collect()
        print(json.dumps(len(os.listdir("/proc/self/fd")) - before))
        """,
        cwd=tmp_path,
    )

    assert 0 == json.loads(done.stdout)
    assert [f"step {n}" for n in range(5)] == names(tmp_path)


FORGOTTEN = """
import gc, os, sys
from ai_trace import Tracer, step

def work():
    tracer = Tracer("agent")
    with tracer.step("scan"):
        pass
    if "open" in sys.argv:
        tracer.step("never ended").start()
    if "forked" in sys.argv:
        if os.fork() == 0:
            del tracer
            gc.collect()
            os._exit(0)
        os.wait()
        print(len(os.listdir("traces")))

work()
gc.collect()
print(sorted(path.rpartition(".")[2] for path in os.listdir("traces")))
"""


@pytest.mark.parametrize(
    ("case", "printed"),
    [
        ("closed by nobody", ["['jsonl']"]),
        ("open", ["['jsonl', 'open']"]),
        pytest.param(
            "forked",
            ["2", "['jsonl']"],
            marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
        ),
    ],
)
def test_a_forgotten_tracer_does_not_look_like_a_death(
    tmp_path: Path, case: str, printed: list[str]
) -> None:
    """F34: its process lives, so its journal goes with it, unless a step is open."""
    done = programs.run(FORGOTTEN, case, cwd=tmp_path)

    assert printed == done.stdout.splitlines()
    assert "" == done.stderr


def test_a_tracer_of_the_programs_own_that_fails_to_close(tmp_path: Path) -> None:
    """One that cannot be closed in its own way is closed in ours, like all others."""
    done = programs.run(
        """
        from ai_trace import Tracer

        class Stubborn(Tracer):
            def close(self):
                raise RuntimeError("mine")

        tracers = [kind("agent") for kind in (Tracer, Stubborn, Tracer, Stubborn)]
        held = [tracer.step(str(n)).start() for n, tracer in enumerate(tracers)]
        """,
        cwd=tmp_path,
    )

    assert ["0", "1", "2", "3"] == names(tmp_path)
    assert [] == list((tmp_path / "traces").glob("*.open"))
    assert 2 == done.stderr.count("RuntimeError")
    assert "Traceback" not in done.stderr
