"""
Kills a child at every system call that changes its trace, and asks what is left.

What a trace holds on disk changes with these calls only, so a kill before each of them
stands for a kill at any instruction. The child says what it has done by writing to a
file of its own with one unbuffered write each: an acknowledgement. Whatever was
acknowledged has to be in what is read back.

As a program: ``python -m faults.killed_child DIRECTORY STORY SETTINGS`` forks a child
for each call, which lives in ``DIRECTORY/0001`` and so on, and prints how many were
killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Callable

from faults import figures, programs
from faults.system_calls import Call, Proceed, intercepted, is_about
from recorded import parse_line

from ai_trace import Step, Tracer, reading


# The calls after which the disk is another; a kill before any other call is the same as
# one before the next of these.
CHANGES = {"open", "write", "pwrite", "ftruncate", "truncate", "replace", "unlink"}


# -- in the child -------------------------------------------------------------------


class Acknowledging:
    """
    Steps of a tracer, each move of which is acknowledged once it is done.

    Args:
        tracer: The tracer.
        directory: Where the acknowledgements go.
    """

    def __init__(self, tracer: Tracer, directory: Path) -> None:
        self.tracer = tracer
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(directory / "acknowledged", flags, 0o600)

    def say(self, **what: Any) -> None:
        """Acknowledge something."""
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")

    @contextmanager
    def step(self, name: str, **context: Any) -> Iterator[Step]:
        """Make a step, and acknowledge its start and its end."""
        with self.tracer.step(name, **context) as made:
            self.say(what="open", id=made.id, parent_id=made.parent_id, context=context)
            yield made
            self.say(what="closing", id=made.id)
        self.say(what="finished", id=made.id)

    def log(self, made: Step, **fields: Any) -> None:
        """Log to a step, and acknowledge it."""
        made.log(**fields)
        self.say(what="logged", id=made.id, fields=fields)


def decide(run: Acknowledging) -> None:
    """Nest three deep, log before and behind what is nested, end twice."""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        with run.step("session", symbol=symbol) as session:
            run.log(session, at="start")
            with run.step("scan", prices=[1.0, 2.5]) as scan:
                run.log(scan, signal=0.87)
                with run.step("fetch", url="https://example.org/é") as fetch:
                    run.log(fetch, status=200)
                run.log(scan, signal=0.9)
            run.log(session, at="end")


def grow(run: Acknowledging) -> None:
    """Finish so much under one open root that its journal has to be compacted."""
    with run.step("root", budget=7) as root:
        run.log(root, at="start")
        with run.step("keeper", holds="k" * 500) as keeper:
            for number in range(24):
                with run.step(f"child {number}", text="x" * 5_000) as child:
                    run.log(child, number=number)
                if number % 10 == 0:
                    run.log(keeper, number=number)


def overlap(run: Acknowledging) -> None:
    """Open and end steps of several threads of thought in a mixed order."""
    with run.step("first", n=1) as first:
        second = run.step("second", n=2)
        third = run.step("third", n=3)
        inner = second.__enter__()
        third.__enter__()
        run.log(inner, between=True)
        run.log(first, between=True)
        third.__exit__(None, None, None)
        second.__exit__(None, None, None)


STORIES: dict[str, Callable[[Acknowledging], None]] = {
    "decide": decide,
    "grow": grow,
    "overlap": overlap,
}


def tell(directory: Path, story: str, settings: dict[str, Any]) -> None:
    """Run a story under a tracer and close it."""
    with Tracer("agent", trace_dir=directory, **settings) as tracer:
        run = Acknowledging(tracer, directory)
        run.say(what="opened")
        STORIES[story](run)
    run.say(what="closed")


class KillAt:
    """
    Kills its own process in place of the n-th system call that changes something.

    Args:
        n: Which call, from 1.
        call: Its name; "" for any.
        on: How the name of the file ends that it is about.
    """

    def __init__(self, n: int, call: str = "", on: str = "") -> None:
        self._left = n
        self._call = call
        self._on = on

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        wanted = call.name in ({self._call} if self._call else CHANGES)
        if wanted and is_about(call, self._on):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
        return proceed()


def _run_child(directory: Path, story: str, n: int, options: dict[str, Any]) -> None:
    status = 1
    try:
        kill = KillAt(n, options.pop("call", ""), options.pop("on", ""))
        with intercepted(kill):
            tell(directory, story, options)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main(arguments: list[str]) -> int:
    """Fork children and kill them, until one lives to its end."""
    base, story, options = Path(arguments[0]), arguments[1], json.loads(arguments[2])
    last = options.pop("last", None)
    for n in count(1):
        directory = base / f"{n:04d}"
        directory.mkdir()
        child = os.fork()
        if child == 0:
            _run_child(directory, story, n, options)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or n == last:
            print(n if os.WIFSIGNALED(status) else n - 1)
            return 0 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    raise AssertionError


# -- in the test --------------------------------------------------------------------


def kill_at_each(base: Path, story: str, **options: Any) -> list[Path]:
    """
    Kill a child at each system call.

    Args:
        base: An empty directory.
        story: What the child does.
        options: Arguments of its tracer; and ``call`` and ``on``, to count only calls
            of this name about files whose name ends so, and ``last``, where to stop.

    Returns:
        The directories of the children, of which the last one may have lived.
    """
    command = [sys.executable, "-m", "faults.killed_child", str(base), story]
    done = subprocess.run(
        [*command, json.dumps(options)],
        env=programs.environment(),
        capture_output=True,
        text=True,
        timeout=2 * programs.PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures.counts[figures.KILLS] += int(done.stdout)
    return sorted(base.iterdir())


@dataclass
class Acknowledged:
    """
    What a child said it had done.

    Attributes:
        open: The steps that it had opened, by id, with context and parent.
        logs: The entries that it had logged, by id.
        closing: The steps that it had begun to end.
        finished: The steps that it had ended.
        opened: Whether its tracer was made.
        closed: Whether its tracer was closed.
    """

    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[Any]] = field(default_factory=dict)
    closing: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    opened: bool = False
    closed: bool = False

    @classmethod
    def read(cls, directory: Path) -> Acknowledged:
        """Read what the child in a directory said."""
        path = directory / "acknowledged"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return cls.of([json.loads(line) for line in text.splitlines()])

    @classmethod
    def of(cls, events: list[dict[str, Any]]) -> Acknowledged:
        """Put what a child said in order."""
        said = cls()
        for event in events:
            what = event.pop("what")
            if what == "open":
                said.open[event["id"]] = event
                said.logs[event["id"]] = []
            elif what == "logged":
                said.logs[event["id"]].append(event["fields"])
            elif what in ("closing", "finished"):
                getattr(said, what).add(event["id"])
            else:
                setattr(said, what, True)
        return said


def check_recovered(directory: Path, said: Acknowledged) -> None:
    """
    Check that all a killed child had acknowledged is read back, and nothing else.

    Args:
        directory: Where its trace is.
        said: What it had acknowledged.
    """
    paths = list(directory.glob("*.jsonl"))
    assert bool(paths) or not said.opened, "the trace file is not there"
    for path in paths:
        lines = [parse_line(line) for line in path.read_bytes().splitlines()]
        in_lines = {line["id"] for line in lines}
        figures.counts[figures.CHECKED] += len(said.finished)
        figures.counts[figures.LOST] += len(said.finished - in_lines)
        assert said.finished <= in_lines, "a finished step is lost"
        _check_session(reading.read(path), said, in_lines)
    journals = list(directory.glob("*.open*"))
    assert not (said.closed and journals), "a clean close left a journal"


def _check_session(
    session: reading.Session, said: Acknowledged, in_lines: set[str]
) -> None:
    by_id = {record.id: record for record in session.steps}
    assert len(by_id) == len(session.steps), "a step is shown twice"
    assert [] == list(session.problems)
    for step_id, start in said.open.items():
        record = by_id.pop(step_id, None)
        assert record is not None, f"the open step {start} is lost"
        finished = step_id in in_lines
        assert ("ok" if finished else "unfinished") == record.outcome
        assert finished <= (step_id in said.closing), "finished before its end"
        assert start["context"] == record.context
        assert start["parent_id"] == record.parent_id
        logs = [{k: v for k, v in log.items() if k != "_t"} for log in record.logs]
        # One more entry may have been written and not yet acknowledged.
        known = said.logs[step_id]
        assert known == logs[: len(known)]
        assert len(logs) <= len(known) + (not finished)
        figures.counts[figures.OPEN] += not finished
    # The step that was about to be acknowledged.
    assert len(by_id) <= 1, f"unknown steps: {list(by_id.values())}"
    assert all("unfinished" == record.outcome for record in by_id.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
