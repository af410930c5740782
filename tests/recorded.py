"""
What a tracer has written, read back with nothing but ``json``.

The library's own reader has no part in it: a fault of the reader must not hide a fault
of the writer. The reading is strict, and what holds for every line is checked on each.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


OUTCOMES = {"ok", "error", "cancelled", "closed", "interrupted", "unfinished"}
STEP_ID = re.compile(r"[0-9a-f]{16}")
TRACE_ID = re.compile(r"[0-9a-f]{32}")

Line = dict[str, Any]


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> Line:
    keys = [key for key, _ in pairs]
    assert sorted(set(keys)) == sorted(keys), f"a key stands twice in {keys}"
    return dict(pairs)


def parse_line(line: bytes) -> Line:
    """Decode one line of a trace file, refusing all that is not strict JSON."""
    return json.loads(
        line.decode("utf-8"),
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_duplicates,
    )


def _check_line(line: Line) -> None:
    assert isinstance(line["name"], str)
    assert STEP_ID.fullmatch(line["id"])
    assert TRACE_ID.fullmatch(line["trace_id"])
    assert line["parent_id"] is None or STEP_ID.fullmatch(line["parent_id"])
    assert line["outcome"] in OUTCOMES
    assert line["finished_at"] is None or line["finished_at"] >= line["started_at"]
    assert line["duration_ms"] is None or line["duration_ms"] >= 0


def read_file(path: Path) -> list[Line]:
    """Read one trace file whole and check what holds for each of its lines."""
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    lines = [parse_line(line) for line in data.split(b"\n")[:-1]]
    for line in lines:
        _check_line(line)
    with_header = [number for number, line in enumerate(lines) if "session" in line]
    assert with_header == ([0] if lines else [])
    return lines


def read_directory(directory: Path) -> list[Line]:
    """Read every trace file in a directory; no step stands in them twice."""
    files = map(read_file, sorted(directory.glob("*.jsonl")))
    lines = [line for file in files for line in file]
    ids = [line["id"] for line in lines]
    assert len(set(ids)) == len(ids), "a step is recorded twice"
    return lines


class Recording:
    """One tracer with a directory of its own, and what it has written so far."""

    def __init__(self, tracer: Any, directory: Path) -> None:
        self.tracer = tracer
        self.directory = directory

    @property
    def lines(self) -> list[Line]:
        """Every line so far, in order of finishing."""
        return read_directory(self.directory)

    @property
    def names(self) -> list[str]:
        """The names of the recorded steps, sorted: what was recorded, how often."""
        return sorted(line["name"] for line in self.lines)

    def named(self, name: str) -> list[Line]:
        """The lines of one name, in order of starting."""
        found = [line for line in self.lines if line["name"] == name]
        return sorted(found, key=lambda line: line["seq"])

    def one(self, name: str) -> Line:
        """The only line of one name; fails when there is none or more than one."""
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} lines for {name!r} in {self.names}"
        return found[0]

    def parents(self) -> dict[str, list[str | None]]:
        """The parent's name of each step, by the step's name, in start order."""
        lines = sorted(self.lines, key=lambda line: line["seq"])
        by_id = {line["id"]: line["name"] for line in lines}
        found: dict[str, list[str | None]] = {}
        for line in lines:
            parent = by_id.get(line["parent_id"], line["parent_id"])
            found.setdefault(line["name"], []).append(parent)
        return found
