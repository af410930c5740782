"""
``ai-trace recover``: open steps of a dead session become ordinary lines, once.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faults import figures, programs
from faults.killed_child import Acknowledged, kill_at_each
from recorded import parse_line

from ai_trace import reading


DYING = """
import os
from ai_trace import Tracer, step

with Tracer("agent", "traces"), step("root", budget=7) as root:
    root.log(at="start")
    with step("done"):
        pass
    with step("order", side="buy"):
        os._exit(1)
"""


def recover(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``ai-trace recover`` over the newest session of a directory."""
    return subprocess.run(
        [sys.executable, "-m", "ai_trace", "--dir", str(directory), "recover"],
        env=programs.environment(),
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """The trace file of a session that died inside two steps."""
    programs.run(DYING, cwd=tmp_path, status=1)
    return programs.the_trace(tmp_path / "traces")


def test_open_steps_become_lines(dead: Path) -> None:
    """What was in flight is appended as lines that say so; the journal goes."""
    before = {s.id: s.to_dict() for s in reading.read(dead).steps}
    done = recover(dead.parent)
    lines = {
        line["id"]: line for line in map(parse_line, dead.read_bytes().splitlines())
    }

    assert 0 == done.returncode, done.stderr
    assert set(before) == set(lines)
    assert ["ok", "unfinished", "unfinished"] == sorted(
        line["outcome"] for line in lines.values()
    )
    for step_id, line in lines.items():
        assert before[step_id]["context"] == line["context"]
        assert before[step_id]["logs"] == line["logs"]
    assert [dead] == list(dead.parent.iterdir())


def test_twice_is_once(dead: Path) -> None:
    """A second recovery changes nothing, and says so without failing."""
    recover(dead.parent)
    once = dead.read_bytes()
    again = recover(dead.parent)

    assert once == dead.read_bytes()
    assert "Traceback" not in again.stderr


def test_a_torn_tail_is_fenced(dead: Path) -> None:
    """F15: what is appended behind a torn line stands on lines of its own."""
    with dead.open("ab") as file:
        file.write(b'{"id":"x","text":"to')
    figures.counts[figures.TORN] += 1
    recover(dead.parent)
    session = reading.read(dead)

    assert {"root", "done", "order"} == {s.name for s in session.steps}
    assert 1 == len(session.problems)


def test_a_living_session_is_left_alone(tmp_path: Path) -> None:
    """While its process lives, a session is not recovered, and it is said why."""
    process = programs.start(
        DYING.replace("os._exit(1)", 'print("in"); input()'), cwd=tmp_path
    )
    programs.next_line(process)
    path = programs.the_trace(tmp_path / "traces")
    before = path.read_bytes()
    done = recover(path.parent)
    after = path.read_bytes()
    programs.kill(process)

    assert before == after
    assert done.returncode != 0
    assert done.stderr.strip()


def test_whatever_a_kill_leaves_is_recovered(tmp_path: Path) -> None:
    """After a kill at any call, recovery gives each acknowledged step one line."""
    children = kill_at_each(tmp_path, "decide", last=30)[6::8]

    assert len(children) >= 3, "the harness does not see the system calls"
    for child in children:
        said = Acknowledged.read(child)
        recover(child)
        (path,) = child.glob("*.jsonl")
        lines = [parse_line(line) for line in path.read_bytes().splitlines()]
        ids = [line["id"] for line in lines]
        assert set(said.open) <= set(ids)
        assert len(ids) == len(set(ids))
        assert [] == list(child.glob("*.open*"))
