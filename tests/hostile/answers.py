"""
What every reader has to make of any files whatever: an answer, and the whole of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from hostile.samples import Files, sample
from recorded import parse_line

from ai_trace import StepRecord, reading
from ai_trace._tree import Problem, fold
from ai_trace.cli import main


# Every verb that reads, in each of its forms.
COMMANDS = (
    ("list",),
    ("list", "--json"),
    ("view",),
    ("view", "--full"),
    ("view", "--json"),
    ("view", "--errors"),
    ("view", "--chat", "--full"),
    ("view", "--times", "--full"),
    ("view", "--times", "--depth", "1"),
    ("list", "--errors", "--until", "9998-01-01"),
    ("stats", "--errors", "latest"),
    ("tail", "--no-follow", "--errors"),
    ("completion", "sessions"),
    ("completion", "agents"),
    ("view", "--grep", "a", "--name", "*", "--kind", "step"),
    ("view", "--depth", "2", "--json"),
    ("stats",),
    ("stats", "--json"),
    ("tail", "--no-follow"),
    ("tail", "--no-follow", "--full"),
    ("tail", "--no-follow", "--json", "-n", "3"),
    ("report", "-o", "-"),
    ("doctor",),
    ("doctor", "--json"),
    ("compress", "--dry-run"),
    ("prune", "--dry-run", "--keep-last", "1"),
)
STATUSES = {0, 1, 3}


def check_reading(files: Files, path: Path) -> None:
    """Check that the readers lose no line, name each damaged one, and agree."""
    items = list(reading.records(path))
    records = [item for item in items if isinstance(item, StepRecord)]
    problems = [item for item in items if isinstance(item, Problem)]
    session = reading.read(path)
    check_lines(files.trace, records, problems)
    check_tree(session, records)
    check_follow(path, records)
    assert set(problems) <= set(session.problems)


def check_lines(
    data: bytes, records: list[StepRecord], problems: list[Problem]
) -> None:
    """Each line is a record, or named by a problem; what is untouched is a record."""
    shown = {(record.id, record.outcome) for record in records}
    untouched = set(sample().trace.split(b"\n")) - {b""}
    lines = data.split(b"\n")
    offset = 0
    named = {p.where for p in problems if p.kind in ("damaged", "torn")}
    read = 0
    for number, line in enumerate(lines, 1):
        where = f"line {number}, offset {offset}"
        offset += len(line) + 1
        if line in untouched:
            step = parse_line(line)
            assert (step["id"], step["outcome"]) in shown, "an untouched line is hidden"
        if line.strip() and where not in named:
            read += 1
        elif line and not line.strip() and number < len(lines):
            assert where not in named
    ended = [r for r in records if r.outcome not in ("running", "unfinished")]
    salvaged = sum(map(_salvaged, problems))
    assert len(ended) <= read + salvaged, "a line is neither shown nor named"
    assert read + salvaged <= len(records), "a line is neither shown nor named"


def _salvaged(problem: Problem) -> int:
    """Return how many whole steps of a damaged line were read, by what is said."""
    said = re.search(r"(A|\d+) whole steps? in it (?:is|are) read\.$", problem.what)
    return 0 if said is None else int(said[1].replace("A", "1"))


def check_tree(session: reading.Session, records: list[StepRecord]) -> None:
    """The tree holds each record once, and going through it ends."""
    walked = [step for _, step in session.walk()]
    real = sorted(step.line for step in walked if step.outcome != "missing")
    assert sorted(record.line for record in records) == real
    assert len(session.steps) == len(walked)
    for step in session.steps:
        assert session.number_of(step) is None or step.id
    again = fold(records, session.header)
    assert len(again.steps) == len(session.steps)


def check_follow(path: Path, records: list[StepRecord]) -> None:
    """Following from the beginning yields what reading does, and what is open."""
    opened: list[StepRecord] = []
    followed = list(
        reading.follow(
            path,
            last=sys.maxsize,
            stop=lambda: True,
            on_problem=lambda problem: None,
            on_open=lambda steps, writers: opened.extend(steps),
        )
    )
    last = reading.tail(path, sys.maxsize)
    lines = [record.line for record in records]
    assert all(record.line in lines for record in followed)
    assert [r.line for r in followed + opened] == [r.line for r in last][
        : len(followed) + len(opened)
    ] or not path.read_bytes().endswith(b"\n")
    assert len(reading.tail(path, 2)) <= 2 + len(opened)


def run(directory: Path, *words: str) -> tuple[int, str, str]:
    """Run ``ai-trace`` in this process; return its status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["--dir", str(directory), *words])
    return status, out.getvalue(), err.getvalue()


def check_commands(directory: Path) -> None:
    """Each verb answers, with text that moves no terminal."""
    for words in COMMANDS:
        status, out, err = run(directory, *words)
        assert status in STATUSES, (words, status, err)
        assert "Traceback" not in err
        assert all(char.isprintable() or char in "\n\t" for char in out + err), words
        if "--json" in words and status != 1:
            check_json(words, out)


def check_json(words: tuple[str, ...], out: str) -> None:
    """What is meant for machines is strict JSON."""
    texts = out.splitlines() if "tail" in words else [out]
    for text in texts:
        json.loads(text, parse_constant=lambda name: _refuse(words, name))


def _refuse(words: Any, name: str) -> None:
    raise AssertionError(f"{name} in the output of {words}")
