"""
A step near the end of a session and what is below it, without reading all the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ai_trace._files import first_header, header_from_name, journal_head
from ai_trace._find import journals_of, parts_of
from ai_trace._line_store import LineStore
from ai_trace._lines import PACKINGS, Line, decode_all, open_file, read_lines_back
from ai_trace._open_steps import Journals
from ai_trace._problem import Problem
from ai_trace._record import SessionHeader, StepRecord
from ai_trace._tree import Session, fold
from ai_trace._usage import CALL_KINDS


if TYPE_CHECKING:
    from ai_trace._find import Trace

_WHOLE_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
# So far back a step is looked for, and what is below it.
_RECENT = 1024 * 1024
_AROUND = 4 * 1024 * 1024
# A line that was written before the step began stands before all that is below it. One
# alone may have the time of another clock.
_EARLIER = 64

_Found = tuple[Line, "StepRecord | str"]


def read_around(path: Trace, step_id: str, *, below: bool = False) -> Session | None:
    """
    Read the part of a session in which a step stands with all that is below it.

    Args:
        path: Any file of the session, or what ``find`` said of it.
        step_id: The step's whole id.
        below: Whether the steps below it are going to be shown.

    Returns:
        A session of that part alone; ``None`` where more has to be read: the step is
        not near the end, is called by a part of its id, or is a call to a model, of
        which is shown what is new since the calls before.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    parts = parts_of(path)
    if len(parts) > 1 or parts[0].name.endswith(PACKINGS):
        return None
    if not _WHOLE_ID.fullmatch(step_id):
        return None
    journals = Journals(journals_of(path))
    with open_file(parts[0]) as file:
        header = first_header(file) or journal_head(parts[0])
        header = header or header_from_name(parts[0])
        journals.settle(parts[0], file)
        found = _Window(step_id, list(journals.records())).read(file, header)
    if found is None or found.is_call or (below and found.has_calls):
        return None
    return _session(found, header, parts[0], journals)


class _Window:
    # The lines from the end of a file back to where the step began.

    def __init__(self, step_id: str, opened: list[StepRecord]) -> None:
        self._id = step_id
        self.opened = opened
        self.lines: list[_Found] = []
        self._step = next((step for step in opened if step.id == step_id), None)

    @property
    def is_call(self) -> bool:
        return self._step is not None and self._step.kind in CALL_KINDS

    @property
    def has_calls(self) -> bool:
        steps = [item for _, item in self.lines if isinstance(item, StepRecord)]
        return any(step.kind in CALL_KINDS for step in steps + self.opened)

    def read(self, file: BinaryIO, header: SessionHeader) -> _Window | None:
        end = os.fstat(file.fileno()).st_size
        earlier = 0
        for line in read_lines_back(file, end):
            size = end - line.offset
            if size > _AROUND or (self._step is None and size > _RECENT):
                return None
            if line.data.isspace():
                continue
            here = list(decode_all(line, header))
            self.lines += reversed(here)
            earlier = earlier + 1 if all(map(self._is_earlier, _steps(here))) else 0
            if earlier > _EARLIER:
                break
        return self if self._step is not None else None

    def _is_earlier(self, step: StepRecord) -> bool:
        if step.id == self._id:
            self._step = step
        wanted, finished = self._step, step.finished_at
        if wanted is None or finished is None:
            return False
        return step.seq < wanted.seq and finished < wanted.started_at


def _steps(found: list[_Found]) -> Iterator[StepRecord]:
    return (item for _, item in found if isinstance(item, StepRecord))


def _session(
    found: _Window, header: SessionHeader, part: Path, journals: Journals
) -> Session:
    store = LineStore([part])
    problems: list[Problem] = []

    def steps() -> Iterator[StepRecord]:
        for line, item in reversed(found.lines):
            if isinstance(item, str):
                problems.append(Problem(f"offset {line.offset}", item))
                continue
            store.add(0, line.offset, line.size, item.header or header)
            yield item
        for step in found.opened:
            store.keep(step)
            yield step

    session = fold(steps(), header, path=part, problems=problems, load=store.load)
    # A parent may well stand in what was not read.
    session.problems = [each for each in session.problems if each.kind != "missing"]
    session.writers = journals.writers()
    return session
