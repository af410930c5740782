"""
Files that crashes, editors and bad disks have left: what can be read is read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import figures, programs
from trace_lines import START, encoded, fields, first_line, line, write

from ai_trace import reading


WHOLE = (first_line(1), *map(line, range(2, 101)))


def view(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``ai-trace view`` over the newest session of a directory."""
    return subprocess.run(
        [sys.executable, "-m", "ai_trace", "--dir", str(directory), "view"],
        env=programs.environment(PYTHONIOENCODING="utf-8"),
        capture_output=True,
        encoding="utf-8",
        timeout=programs.PATIENCE,
        check=False,
    )


def damaged(directory: Path, data: bytes) -> reading.Session:
    """Read a file of these bytes."""
    figures.counts[figures.TORN] += 1
    return reading.read(write(directory, data))


@pytest.mark.parametrize("cut", range(1, len(line(3))))
def test_a_tail_torn_anywhere(tmp_path: Path, cut: int) -> None:
    """F15, F16: wherever the last line is torn, all others are read."""
    torn = line(3, text="é€🤖")[:cut]
    session = damaged(tmp_path, first_line(1) + line(2) + torn)

    assert ["step 1", "step 2"] == [step.name for step in session.steps][:2]
    assert 1 == len(session.problems)
    assert "torn" in session.problems[0].what or len(session.steps) == 3


def compact(data: bytes) -> bytes:
    """Return a line as a tracer writes it."""
    return json.dumps(json.loads(data), separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("form", [bytes, compact])
@pytest.mark.parametrize("cut", range(1, len(line(3)), 7))
def test_a_line_behind_a_torn_one(tmp_path: Path, cut: int, form: Any) -> None:
    """F15: of a whole line behind a fragment nothing is lost, whatever is cut."""
    nested = {"name": "x", "kind": "tool", "id": "1", "outcome": "ok", "context": {}}
    torn = line(3, context={"call": nested, "text": "é€🤖", "calls": [nested] * 2})
    fragment = form(torn)[: max(1, cut * len(form(torn)) // len(line(3)))].rstrip(b"\n")
    data = form(first_line(1)) + fragment + form(line(2)) + form(line(4))
    session = damaged(tmp_path, data)
    names = ["step 1", "step 2", "step 4"]
    followed = reading.follow(session.path, last=9, stop=lambda: True)

    assert names == [step.name for step in session.steps]
    assert names == [step.name for step in reading.tail(session.path, 9)]
    assert ["step 2", "step 4"] == [s.name for s in reading.tail(session.path, 2)]
    assert names == [step.name for step in followed]
    assert [form(line(2))] == [s.line for s in session.steps if s.name == "step 2"]
    (problem,) = session.problems
    offset = len(form(first_line(1)))
    assert f"line 2, offset {offset}" == problem.where
    assert problem.what.endswith("A whole step in it is read.")


def test_whole_lines_without_newlines_between(tmp_path: Path) -> None:
    """F15: steps that stand behind each other on one line are all read."""
    data = (line(2) + line(3, text="é") + line(4)).replace(b"\n", b"")
    session = damaged(tmp_path, first_line(1) + data + b"\n" + line(5))

    assert [f"step {n}" for n in range(1, 6)] == [step.name for step in session.steps]
    assert "3 whole steps in it are read." in session.problems[0].what


@pytest.mark.parametrize("kept", [5, 40])
def test_a_whole_line_before_a_torn_one(tmp_path: Path, kept: int) -> None:
    """F15: of a whole line before a fragment nothing is lost, either."""
    data = line(2).rstrip(b"\n") + line(3)[:kept] + b"\n"
    session = damaged(tmp_path, first_line(1) + data + line(4))

    assert ["step 1", "step 2", "step 4"] == [step.name for step in session.steps]
    (problem,) = session.problems
    assert problem.what.endswith("A whole step in it is read.")


def test_a_header_behind_a_torn_line(tmp_path: Path) -> None:
    """F15: the session's header is read with the step that carries it."""
    session = damaged(tmp_path, line(3)[:40] + first_line(1) + line(2))

    assert ["step 1", "step 2"] == [step.name for step in session.steps]
    assert [{"model": "m"}] * 2 == [step.header.meta for step in session.steps]


@pytest.mark.parametrize(
    "tail", [b'{"t":"\xe2\x82', b"\xf0\x9f", b'{"name":"\xff', b"\xc3"]
)
def test_a_tail_torn_inside_a_character(tmp_path: Path, tail: bytes) -> None:
    """F16: a character of which only some bytes are there costs its line alone."""
    session = damaged(tmp_path, first_line(1) + tail)

    assert ["step 1"] == [step.name for step in session.steps]
    assert ["line 2" in problem.where for problem in session.problems] == [True]


@pytest.mark.parametrize("damage", [b"\0" * 20, b"\xff" * 20, b'"}{[' * 5])
def test_damage_in_the_middle(tmp_path: Path, damage: bytes) -> None:
    """F17: a damaged line is named with number and offset; the others are shown."""
    data = b"".join(WHOLE)
    offset = sum(map(len, WHOLE[:40]))
    middle = data[: offset + 30] + damage + data[offset + 50 :]
    session = damaged(tmp_path, middle)
    shown = view(tmp_path)

    assert 99 == len(session.steps)
    assert [f"line 41, offset {offset}"] == [p.where for p in session.problems]
    assert "step 100" in shown.stdout
    assert f"line 41, offset {offset}" in shown.stderr


@pytest.mark.parametrize("zeros", [1, 4096, 100_000])
def test_zeros_at_the_end(tmp_path: Path, zeros: int) -> None:
    """F18: zeros that a power loss left are named with their number."""
    session = damaged(tmp_path, first_line(1) + b"\0" * zeros)

    assert ["step 1"] == [step.name for step in session.steps]
    assert 1 == len(session.problems)
    assert str(zeros) in session.problems[0].what


def test_no_final_newline(tmp_path: Path) -> None:
    """F19: a whole last line without its newline is read, and it is said."""
    session = damaged(tmp_path, (first_line(1) + line(2)).rstrip(b"\n"))

    assert ["step 1", "step 2"] == [step.name for step in session.steps]
    assert 1 == len(session.problems)


def test_ends_of_lines_of_other_systems(tmp_path: Path) -> None:
    """F19: carriage returns and a byte order mark change nothing."""
    data = b"\xef\xbb\xbf" + (first_line(1) + line(2)).replace(b"\n", b"\r\n")
    session = damaged(tmp_path, data)

    assert ["step 1", "step 2"] == [step.name for step in session.steps]
    assert "bot" == session.header.agent


def test_an_empty_file(tmp_path: Path) -> None:
    """F19: an empty file is a session without steps."""
    session = damaged(tmp_path, b"")
    shown = view(tmp_path)

    assert ([], []) == (list(session.steps), list(session.problems))
    assert "Traceback" not in shown.stderr


SPARSE = r"""
import json, os, re, sys
from ai_trace import reading

path = sys.argv[1]
found = reading.find(os.path.dirname(path))
last = reading.tail(path, 5)
# Not ru_maxrss, which begins with what the process had that started this one.
status = open("/proc/self/status").read()
peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
print(json.dumps([found[0].header.agent, [step.name for step in last], peak]))
"""


def test_two_gigabytes(tmp_path: Path) -> None:
    """F25: of 2 GB, the list reads the head and a tail the end, in little memory."""
    path = write(tmp_path, first_line(1))
    with path.open("r+b") as file:
        file.seek(2 * 1024**3)
        file.write(b"\n" + b"".join(map(line, range(2, 10))))
    done = programs.run(SPARSE, str(path), cwd=tmp_path)
    os.unlink(path)

    agent, last, peak = json.loads(done.stdout)
    assert ("bot", [f"step {n}" for n in range(5, 10)]) == (agent, last)
    assert peak < 100 * 1024**2


STREAMED = r"""
import json, re, sys
from ai_trace import reading

steps = sum(1 for _ in reading.records(sys.argv[1]))
# Not ru_maxrss, which begins with what the process had that started this one.
status = open("/proc/self/status").read()
peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
print(json.dumps([steps, peak]))
"""


def test_many_lines_stream(tmp_path: Path) -> None:
    """F25: a file larger than the memory allowed is read line by line."""
    path = write(tmp_path, first_line(1))
    text = "x" * 50_000
    with path.open("ab") as file:
        for number in range(2, 2_201):
            file.write(encoded(fields(number, text=text, started_at=START)))
    size = path.stat().st_size
    done = programs.run(STREAMED, str(path), cwd=tmp_path)
    os.unlink(path)

    steps, peak = json.loads(done.stdout)
    assert 2_200 == steps
    assert peak < 100 * 1024**2 < size
