"""
The process dies: no finished step is lost, and no open one is forgotten.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from random import Random

import pytest
from faults import figures, programs
from faults.killed_child import Acknowledged, check_recovered, kill_at_each
from recorded import read_file

from ai_trace import reading


@pytest.mark.timeout(120)
@pytest.mark.parametrize("durability", ["cache", "step"])
@pytest.mark.parametrize("story", ["decide", "overlap"])
def test_killed_at_any_instruction(tmp_path: Path, story: str, durability: str) -> None:
    """F29, F31: whenever it is killed, steps in flight are there with all they had."""
    children = kill_at_each(tmp_path, story, durability=durability)

    assert len(children) > 10, "the harness does not see the system calls"
    for child in children:
        check_recovered(child, Acknowledged.read(child))


@pytest.mark.timeout(120)
def test_killed_while_the_journal_is_compacted(tmp_path: Path) -> None:
    """F29: killed anywhere in a compaction, the journal tells of every open step."""
    children = kill_at_each(tmp_path, "grow")

    assert any(list(child.glob("*.open")) for child in children)
    for child in children:
        check_recovered(child, Acknowledged.read(child))


@pytest.mark.timeout(60)
def test_killed_without_a_journal(tmp_path: Path) -> None:
    """F31: without a journal the children of steps in flight are shown all the same."""
    children = kill_at_each(tmp_path, "decide", journal=False)

    assert len(children) > 5, "the harness does not see the system calls"
    for child in children:
        said = Acknowledged.read(child)
        assert [] == list(child.glob("*.open*"))
        for path in child.glob("*.jsonl"):
            session = reading.read(path)
            found = {s.id for s in session.steps if s.outcome == "ok"}
            figures.counts[figures.CHECKED] += len(said.finished)
            figures.counts[figures.LOST] += len(said.finished - found)
            assert said.finished <= found
            parents = {s.parent_id for s in session.steps if s.parent_id}
            assert parents <= {s.id for s in session.steps}
            assert {"ok", "missing"} >= {s.outcome for s in session.steps}


def test_killed_before_line_n(tmp_path: Path) -> None:
    """F30: killed at the write of line n, the file has n - 1 lines, all whole."""
    children = kill_at_each(
        tmp_path, "grow", call="write", on=".jsonl", last=10, journal=False
    )

    lines = [
        len(read_file(path)) for child in children for path in child.glob("*.jsonl")
    ]
    assert list(range(10)) == lines


ACKNOWLEDGING = """
import itertools, json, sys
from ai_trace import Tracer

settings = json.loads(sys.argv[1])
with Tracer("agent", "traces", **settings) as tracer:
    with tracer.step("root", budget=7):
        for number in itertools.count():
            with tracer.step(f"step {number}", text="x" * (number * 97 % 3_000)) as s:
                s.log(number=number)
            print(s.id)
"""


@pytest.mark.parametrize("seed", range(10))
def test_killed_at_a_random_moment(tmp_path: Path, seed: int) -> None:
    """F29: every step that was acknowledged before a kill from outside is there."""
    settings = {"durability": Random(seed).choice(["cache", "interval", "step"])}
    process = programs.start(ACKNOWLEDGING, json.dumps(settings), cwd=tmp_path)
    seen = [programs.next_line(process) for _ in range(Random(seed).randrange(1, 400))]
    seen += programs.kill(process)
    figures.counts[figures.KILLS] += 1
    path = programs.the_trace(tmp_path / "traces")
    # The kill may have come in the middle of a write, of which nobody was told.
    whole = path.read_bytes().rpartition(b"\n")[0]
    finished = {json.loads(line)["id"] for line in whole.splitlines()}
    session = reading.read(path)
    print(f"seed {seed}: killed after {len(seen)} steps, {settings}")

    acknowledged = {step_id for step_id in seen if len(step_id) == 16}
    figures.counts[figures.CHECKED] += len(acknowledged)
    figures.counts[figures.LOST] += len(acknowledged - finished)
    assert acknowledged <= finished
    (root,) = session.roots
    assert ("root", "unfinished", {"budget": 7}) == (
        root.name,
        root.outcome,
        root.context,
    )
    assert [] == list(session.problems)


ENDINGS = {
    "os._exit(0)": 0,
    "os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
    "os.abort()": -signal.SIGABRT,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ends_that_run_no_exit_functions(tmp_path: Path, ending: str) -> None:
    """F32: nothing depends on what the interpreter does at its end."""
    programs.run(
        f"""
        import os, resource, signal
        from ai_trace import Tracer, step

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with Tracer("agent"), step("root", budget=7) as root:
            root.log(at="start")
            with step("done"):
                pass
            {ending}
        """,
        cwd=tmp_path,
        status=ENDINGS[ending],
    )
    figures.counts[figures.KILLS] += 1
    session = reading.read(programs.the_trace(tmp_path / "traces"))
    root, done = session.steps

    assert ("root", "unfinished", {"budget": 7}) == (
        root.name,
        root.outcome,
        root.context,
    )
    assert ["start"] == [entry["at"] for entry in root.logs]
    assert ("done", "ok", root.id) == (done.name, done.outcome, done.parent_id)
