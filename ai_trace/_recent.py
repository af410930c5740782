"""
A step near the end of a session and what is below it, without reading the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ai_trace._files import header_of_session
from ai_trace._line_store import LineStore
from ai_trace._lines import Line, decode_all, open_file
from ai_trace._lines_back import read_lines_back
from ai_trace._names import PACKINGS
from ai_trace._open_steps import Journals
from ai_trace._parts import by_process
from ai_trace._problem import Problem
from ai_trace._record import SessionHeader, StepRecord
from ai_trace._session_info import journals_of, parts_of
from ai_trace._tree import Session, fold
from ai_trace._usage import CALL_KINDS


if TYPE_CHECKING:
    from ai_trace._session_info import Trace

_WHOLE_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
# How far back a step is looked for; and how far back what is below it.
_RECENT = 1024 * 1024
_AROUND = 4 * 1024 * 1024
# A line written before the step began comes before all that is below it. Several are
# needed to be sure: a single one may have the time of another clock.
_EARLIER = 64

# The index of a part, a line of it, and what the line holds.
_Found = tuple[int, Line, "StepRecord | str"]


def read_around(path: Trace, step_id: str, *, below: bool = False) -> Session | None:
    """
    Read the part of a session that holds a step and all that is below it.

    Args:
        path: Any file of the session, or what ``find`` said of it.
        step_id: The step's whole id.
        below: Whether the steps below it will be shown, too.

    Returns:
        A session of that part alone; ``None`` if more has to be read: the step is not
        near the end, only a part of its id was given, or it is a call to a model, where
        what is shown depends on the calls before.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.
    """
    parts = parts_of(path)
    if len(by_process(parts)) > 1 or any(p.name.endswith(PACKINGS) for p in parts):
        return None
    if not _WHOLE_ID.fullmatch(step_id):
        return None
    journals = Journals(journals_of(path))
    _settle(journals, parts)
    header = header_of_session(parts)
    window = _Window(step_id, list(journals.records()))
    for number in reversed(range(len(parts))):
        with open_file(parts[number]) as file:
            window.read(file, number, header_of_session(parts[number : number + 1]))
        if window.is_over:
            break
    if not window.is_whole or window.is_call or (below and window.has_calls):
        return None
    return _session(window, header, parts, journals)


def _settle(journals: Journals, parts: Sequence[Path]) -> None:
    for part in reversed(parts):
        with open_file(part) as file:
            if journals.settle(part, file):
                return


class _Window:
    # The lines from the end of a session back to where the step began.

    def __init__(self, step_id: str, opened: list[StepRecord]) -> None:
        self._id = step_id
        self.opened = opened
        self.lines: list[_Found] = []
        self._size = 0
        self._earlier = 0
        self._step = next((step for step in opened if step.id == step_id), None)

    @property
    def is_over(self) -> bool:
        """Whether nothing further back belongs to the step, or too much does."""
        return self._earlier > _EARLIER or self._is_too_far

    @property
    def is_whole(self) -> bool:
        return self._step is not None and not self._is_too_far

    @property
    def _is_too_far(self) -> bool:
        return self._size > _AROUND or (self._step is None and self._size > _RECENT)

    @property
    def is_call(self) -> bool:
        return self._step is not None and self._step.kind in CALL_KINDS

    @property
    def has_calls(self) -> bool:
        steps = [item for _, _, item in self.lines if isinstance(item, StepRecord)]
        return any(step.kind in CALL_KINDS for step in steps + self.opened)

    def read(self, file: BinaryIO, part: int, header: SessionHeader) -> None:
        end = os.fstat(file.fileno()).st_size
        for line in read_lines_back(file, end):
            self._size += end - line.offset
            end = line.offset
            if self._is_too_far:
                return
            if line.data.isspace():
                continue
            here = list(decode_all(line, header))
            self.lines += ((part, *found) for found in reversed(here))
            # A damaged line does not tell when it was written.
            steps = [item for _, item in here if isinstance(item, StepRecord)]
            if steps:
                is_earlier = all(map(self._is_earlier, steps))
                self._earlier = self._earlier + 1 if is_earlier else 0
            if self.is_over:
                return

    def _is_earlier(self, step: StepRecord) -> bool:
        if step.id == self._id:
            self._step = step
        wanted, finished = self._step, step.finished_at
        if wanted is None or finished is None:
            return False
        return step.seq < wanted.seq and finished < wanted.started_at


def _session(
    found: _Window, header: SessionHeader, parts: Sequence[Path], journals: Journals
) -> Session:
    store = LineStore(parts)
    problems: list[Problem] = []

    def steps() -> Iterator[StepRecord]:
        for part, line, item in reversed(found.lines):
            if isinstance(item, str):
                name = f"{parts[part].name}, " if len(parts) > 1 else ""
                problems.append(Problem(f"{name}offset {line.offset}", item))
                continue
            store.add(part, line.offset, line.size, item.header or header)
            yield item
        for step in found.opened:
            store.keep(step)
            yield step

    session = fold(steps(), header, path=parts[0], problems=problems, load=store.load)
    # The parent may well be in the part that was not read.
    session.problems = [each for each in session.problems if each.kind != "missing"]
    session.writers = journals.writers()
    return session
