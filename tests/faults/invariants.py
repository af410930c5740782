"""
What holds after any fault whatever: five rules, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from faults import figures
from faults.agent import Rejected, Run, run_untraced
from faults.nth_fault import NthFault
from recorded import parse_line

from ai_trace import StepRecord, Tracer, reading


Line = dict[str, Any]


def check(run: Run, fault: NthFault) -> None:
    """
    Check that a run under faults kept every promise.

    * I1: the agent did what it does untraced, and raised the identical object.
    * I2: every line is whole, or is a fragment that stands alone.
    * I3: what is read back is a part of what happened, and each gap is stated.
    * I4: whatever is missing is in ``health()``, and was said once for each cause.
    * I5: the next session in the same directory is whole.

    Args:
        run: The run.
        fault: What was injected.
    """
    if run.refusal is not None:
        assert str(run.directory) in str(run.refusal)
        assert [] == run.seen, "the agent ran though its tracer was refused"
    else:
        check_agent(run)
        if not fault.blinding:
            assert run.left_open <= 0, f"{run.left_open} descriptors were left open"
        lines = check_lines(run, allow_fragments=fault)
        lost = check_gaps(run.memory, lines, fault.errors)
        # A journal that was left open, for want of knowing whose it is, stays locked.
        check_reading(run, lines, may_run=fault.blinding)
        check_health(run, lost)
        check_documents(run)
    check_next_session(run.directory)


def check_agent(run: Run) -> None:
    """I1: nothing of the agent's own has changed."""
    assert isinstance(run.raised, Rejected), f"raised {run.raised!r}"
    assert run.seen[-1] is run.raised
    assert run_untraced() == [*run.seen[:-1], repr(run.raised)]
    assert 7 == len(run.memory), "another sink lost steps"


def check_lines(run: Run, *, allow_fragments: object = False) -> list[Line]:
    """I2: return the lines of the trace files; fragments are left out."""
    assert run.path is not None
    lines: list[Line] = []
    fragments: list[bytes] = []
    for part in parts_of(run.path):
        *whole, last = part.read_bytes().split(b"\n")
        read, torn = parsed(whole)
        _check_header(read)
        lines += read
        fragments += [*torn, last] if last else torn
    if fragments:
        figures.counts[figures.TORN] += 1
        assert allow_fragments, f"damaged lines: {fragments}"
    truth = [record.line.rstrip(b"}\n") for record in run.memory]
    for fragment in fragments:
        assert any(_begins(fragment, line) for line in truth), fragment
    return lines


def parts_of(path: Path) -> list[Path]:
    """Return the files of a session that are there, in the order of their writing."""
    later = path.parent.glob(f"{path.stem}.part*.jsonl")
    parts = [
        path,
        *sorted(later, key=lambda part: int(part.stem.rpartition("part")[2])),
    ]
    return [part for part in parts if part.exists()]


def parsed(whole: list[bytes]) -> tuple[list[Line], list[bytes]]:
    """Return the lines that can be read, and those that cannot."""
    lines, fragments = [], []
    for line in whole:
        try:
            lines.append(parse_line(line))
        except ValueError:
            fragments.append(line)
    return lines, fragments


def _begins(fragment: bytes, line: bytes) -> bool:
    # The end of a first line is the header and of any line its notes; both come
    # behind what the record holds.
    length = min(len(fragment), len(line))
    return fragment[:length] == line[:length]


def _check_header(lines: list[Line]) -> None:
    with_header = [number for number, line in enumerate(lines) if "session" in line]
    assert with_header == ([0] if lines else [])


def check_gaps(
    truth: list[StepRecord], lines: list[Line], errors: Iterable[str]
) -> int:
    """
    I3: the lines are steps that happened, in order, and each gap is stated.

    Args:
        truth: The steps that finished.
        lines: The lines that are in the file.
        errors: The names of the errors that may have cut gaps.

    Returns:
        How many steps are missing.
    """
    by_id = {line["id"]: line for line in lines}
    assert len(by_id) == len(lines), "a step stands in the file twice"
    assert [r.id for r in truth if r.id in by_id] == [line["id"] for line in lines]
    missing = 0
    for record in truth:
        line = by_id.get(record.id)
        if line is None:
            missing += 1
            continue
        assert content(record.to_dict()) == content(line)
        gaps = [n for n in line.get("notes", []) if n["note"] == "gap"]
        assert ([missing] if missing else []) == [gap["lost"] for gap in gaps]
        assert all(gap["error"] in errors for gap in gaps), gaps
        missing = 0
    return len(truth) - len(lines)


def content(line: Line) -> Line:
    """Return what a line tells of its step, without what it tells of the file."""
    return {k: v for k, v in line.items() if k not in ("session", "notes")}


def check_reading(run: Run, lines: list[Line], *, may_run: bool) -> None:
    """I3: the reader shows each line once, and no step that never was."""
    assert run.path is not None
    if not run.path.exists():
        return
    session = reading.read(run.path)
    found = {record.id: record.outcome for record in session.steps}
    assert len(found) == len(session.steps), "a step is shown twice"
    for line in lines:
        assert line["outcome"] == found.pop(line["id"])
    # A step whose line was lost may still be known from the journal, or as a parent.
    assert set(found) <= {record.id for record in run.memory}
    known = (
        {"unfinished", "missing", "running"} if may_run else {"unfinished", "missing"}
    )
    assert set(found.values()) <= known


def check_health(run: Run, lost: int) -> None:
    """I4: what is lost is counted, and said once for each cause."""
    counted = [count for causes in run.health.values() for count in causes.values()]
    assert lost <= sum(counted), f"{lost} lines are missing, health: {run.health}"
    assert all(count > 0 for count in counted)
    if lost:
        assert run.said, "nothing was said of the loss"
    repeated = [text for text in run.said if run.said.count(text) > 1]
    assert [] == repeated, "said more than once"
    assert len(run.said) <= len(counted), f"{run.said} for {run.health}"


def check_documents(run: Run) -> None:
    """I4: a document is whole or not there, and its absence is counted."""
    assert run.path is not None
    document = run.path.with_suffix(".json")
    saved: dict[str, Any] | None = None
    if document.exists():
        saved = json.loads(document.read_text(encoding="utf-8"))
    page = run.path.with_suffix(".md")
    if page.exists():
        assert page.read_text(encoding="utf-8").endswith("\n")
    if saved is None or not page.exists():
        assert run.health, "a document is missing, and nobody says so"


def check_next_session(directory: Path) -> None:
    """I5: a fresh session in the same directory is whole."""
    with Tracer("agent", trace_dir=directory) as tracer:
        with tracer.step("after", all="well"):
            pass
    assert tracer.path is not None
    session = reading.read(tracer.path)
    assert ["after"] == [record.name for record in session.steps]
    assert ([], {}) == (list(session.problems), tracer.health())
