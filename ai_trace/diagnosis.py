"""
Diagnosis: is a session whole, and if it is not, what is missing and why?

``diagnose`` is a pure function of what was read; ``examine`` reads it.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ai_trace import reading
from ai_trace._deaths import Death, deaths, is_recovered
from ai_trace._files import find_journals, find_parts
from ai_trace._interruption import interrupts
from ai_trace._journal import SUFFIXES
from ai_trace._record import FORMAT, WITHOUT_END, SessionHeader, StepRecord
from ai_trace._tree import Problem, Session, Writer
from ai_trace.render._processes import busy, idle, process
from ai_trace.render._values import counted, local_time


__all__ = ["Diagnosis", "Finding", "diagnose", "examine"]

GOOD, ODD, BAD = "good", "odd", "bad"

_LOSSES = {
    "gap": "steps were lost before it",
    "reopened": "the file was gone and was opened anew before it",
    "truncated by another": "the file was cut by another program before it",
    "durability lost": "the disk refused to keep what was written before it",
    "journal damaged": "a part of the journal could not be read",
}
# How steps are without an end. What is recorded of the last two stands in the file and
# is all that ever will be; of a step in a journal that is not said yet.
_WITHOUT_END = {
    "running": (GOOD, "running"),
    "unfinished": (BAD, "unfinished"),
    "recovered": (ODD, "unfinished, recovered after the process died"),
    "left open": (ODD, "unfinished, left open when the session was closed"),
}
_LISTED = 20
_SHOWN = 200
_NOTE_LENGTH = 40
_NOTE_KINDS = 100
_OTHER_NOTES = "(other notes)"


class Finding(NamedTuple):
    """
    What was found in one respect.

    Attributes:
        topic: ``lines``, ``steps``, ``gaps``, ``tree``, ``journal``, ``notes``,
            ``permissions`` or ``format``.
        state: ``good``; ``odd``, worth knowing; ``bad``, something is missing.
        says: The finding as one sentence.
        details: More of it, a sentence or a name each.
    """

    topic: str
    state: str
    says: str
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Diagnosis:
    """
    What was found in a session.

    Attributes:
        path: The session's file, or ``None``.
        agent: The agent's name.
        session_id: The session's id.
        findings: One for each topic.
        outcomes: How many steps ended in which way.
        notes: How many notes of each kind the steps carry.
    """

    path: Path | None
    agent: str
    session_id: str
    findings: Sequence[Finding]
    outcomes: Mapping[str, int]
    notes: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing: no finding is bad."""
        return all(finding.state != BAD for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as JSON types."""
        return {
            "path": None if self.path is None else str(self.path),
            "agent": self.agent,
            "session_id": self.session_id,
            "whole": self.is_whole,
            "outcomes": dict(self.outcomes),
            "notes": dict(self.notes),
            "findings": [
                {**finding._asdict(), "details": list(finding.details)}
                for finding in self.findings
            ],
        }


def examine(path: str | os.PathLike[str]) -> Diagnosis:
    """
    Read a session and tell whether it is whole.

    Args:
        path: Any file of the session.

    Returns:
        The diagnosis.

    Raises:
        TraceReadError: If the file is missing, unreadable or not a regular file.

    Example:
        >>> examine("traces/bot_20240301_143022.jsonl").is_whole  # doctest: +SKIP
        True
    """
    session = reading.read(path)
    return diagnose(session, _modes(Path(path)))


def diagnose(session: Session, modes: Mapping[Path, int]) -> Diagnosis:
    """
    Tell whether a session is whole.

    Args:
        session: The session.
        modes: The mode bits of its files and of their directory, as ``os.stat``
            gives them.

    Returns:
        The diagnosis.
    """
    seen = _Seen(session.header)
    for record in session.steps:
        if record.outcome != "missing":
            seen.add(record)
    problems = _by_kind(session.problems)
    findings = [
        _lines(session, problems),
        _steps(session, seen),
        _gaps(session, seen),
        _tree(problems),
        _journal(session, problems),
        _notes(seen),
        _permissions(modes),
        _format(session, problems),
    ]
    header = session.header
    return Diagnosis(
        session.path,
        header.agent,
        header.session_id,
        findings,
        session.outcomes,
        seen.notes,
    )


class _Seen:
    # What a look at every step told, in bounded memory.

    def __init__(self, session: SessionHeader) -> None:
        self._session = session
        self.notes: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {how: [] for how in _WITHOUT_END}
        self.losses: list[str] = []
        self.unlisted = 0
        self.holes: Counter[int] = Counter()
        self.died: set[int] = set()
        self._last: dict[int, int] = {}

    def add(self, record: StepRecord) -> None:
        pid = self._child(record.header)
        if record.outcome in WITHOUT_END:
            how = _how_open(record)
            self._add_open(how, record.name[:_SHOWN])
            if how in ("unfinished", "recovered"):
                self.died.add(pid)
        for note in record.notes:
            kind = note.get("note")
            self._add_note(record, kind if isinstance(kind, str) else "(no word)")
        # A forked child goes on counting where its parent was; others begin with 1.
        last = self._last.setdefault(pid, record.seq if pid else 0)
        self.holes[pid] += max(0, record.seq - last - 1)
        self._last[pid] = max(last, record.seq)

    def _child(self, header: SessionHeader | None) -> int:
        # The id of a forked child. 0 is the process that the session began in, and all
        # whose sessions are in its file: which of these recorded a step is not sure.
        own = self._session
        if header is None or header.session_id != own.session_id:
            return 0
        return 0 if header.pid == own.pid else header.pid

    def _add_open(self, how: str, name: str) -> None:
        self.open[how] += 1
        if self.open[how] <= _LISTED:
            self.names[how].append(name)

    def _add_note(self, record: StepRecord, kind: str) -> None:
        key = kind[:_NOTE_LENGTH]
        full = len(self.notes) >= _NOTE_KINDS and key not in self.notes
        self.notes[_OTHER_NOTES if full else key] += 1
        if kind in _LOSSES and len(self.losses) < _LISTED:
            step = f"step {record.name[:_SHOWN]} {record.id[:_SHOWN]}"
            self.losses.append(f"{step}: {_LOSSES[kind]}.")
        elif kind in _LOSSES:
            self.unlisted += 1


def _by_kind(problems: Iterable[Problem]) -> Mapping[str, list[str]]:
    by_kind: dict[str, list[str]] = {}
    for problem in problems:
        said = f"{problem.where}: {problem.what}"
        by_kind.setdefault(problem.kind, []).append(said)
    return by_kind


def _of(problems: Mapping[str, list[str]], *kinds: str) -> list[str]:
    return [said for kind in kinds for said in problems.get(kind, ())]


def _lines(session: Session, problems: Mapping[str, list[str]]) -> Finding:
    opened = sum(writer.open for writer in session.writers)
    count = sum(session.outcomes.values()) - opened
    read = f"{counted(count, 'line')} can be read"
    bad, more = _of(problems, "damaged", "torn", "file"), _of(problems, "more")
    odd = _of(problems, "odd")
    if bad or more:
        least = "more than " if more else ""
        says = f"{read}; {least}{counted(len(bad), 'problem')} in the file."
        return Finding("lines", BAD, says, bad + more + odd)
    return Finding("lines", ODD if odd else GOOD, f"{read}, none is damaged.", odd)


def _how_open(record: StepRecord) -> str:
    if record.outcome == "running":
        return "running"
    if record.finished_at is not None:
        return "left open"
    return "recovered" if is_recovered(record) else "unfinished"


def _steps(session: Session, seen: _Seen) -> Finding:
    if not seen.open:
        return Finding("steps", GOOD, "Every step that is known has ended.")
    says, states = [], []
    for how, (state, words) in _WITHOUT_END.items():
        count = seen.open[how]
        if count:
            names = ", ".join(seen.names[how]) + (", …" if count > _LISTED else "")
            says.append(f"{_are(count, 'step')} {words}: {names}.")
            states.append(state)
    worst = next(state for state in (BAD, ODD, GOOD) if state in states)
    return Finding("steps", worst, " ".join(says), [*map(_said, deaths(session))])


def _gaps(session: Session, seen: _Seen) -> Finding:
    details = list(seen.losses)
    if seen.unlisted:
        details.append(f"{seen.unlisted} more.")
    lives = any(writer.alive for writer in session.writers)
    holes = sum(seen.holes.values())
    if holes and not lives:
        # A step is counted just before it is written down.
        starting = any(seen.holes[pid] for pid in seen.died)
        why = ": lost, or just starting when the process died" if starting else ""
        details.append(f"{_are(holes, 'step')} missing by the count of starts{why}.")
    if details:
        return Finding("gaps", BAD, "Something was lost or is elsewhere.", details)
    return Finding("gaps", GOOD, "No gap is noted, and the count of starts has none.")


def _tree(problems: Mapping[str, list[str]]) -> Finding:
    details = _of(problems, "missing", "twin", "circle")
    if not details:
        return Finding("tree", GOOD, "Every step's parent is there.")
    says = f"{counted(len(details), 'contradiction')} in the tree of steps."
    return Finding("tree", BAD, says, details)


def _journal(session: Session, problems: Mapping[str, list[str]]) -> Finding:
    damaged = _of(problems, "journal")
    details = [*map(_said, busy(session.writers))]
    ended = idle(session.writers)
    if ended:
        details.append(f"{ended}.")
    if damaged:
        return Finding("journal", BAD, "The journal is damaged.", damaged + details)
    if not session.writers:
        return Finding("journal", GOOD, "There is no journal: the session is closed.")
    if all(writer.alive for writer in session.writers):
        return Finding("journal", GOOD, "The journal is live.", details)
    if any(writer.open for writer in session.writers):
        says = "A journal was left behind; 'ai-trace recover' makes lines of its steps."
    else:
        says = (
            "A journal was left behind in which no step is open; 'ai-trace recover' "
            "removes it."
        )
    return Finding("journal", ODD, says, details)


def _said(writer: Writer | Death) -> str:
    when = local_time(writer.heard_at or None)
    return f"{process(writer, when, host=str, step=_quoted)}."


def _quoted(name: str) -> str:
    return f"`{name}`"


def _notes(seen: _Seen) -> Finding:
    if not seen.notes:
        return Finding("notes", GOOD, "No step notes that anything was changed or cut.")
    kinds = [f"{count} {kind}" for kind, count in seen.notes.most_common()]
    return Finding("notes", GOOD, f"What steps note: {', '.join(kinds)}.")


def _permissions(modes: Mapping[Path, int]) -> Finding:
    details = [said for path, mode in modes.items() for said in _open_to(path, mode)]
    if not details:
        return Finding("permissions", GOOD, "The files are for their owner alone.")
    return Finding("permissions", ODD, "Other users have access.", details)


def _open_to(path: Path, mode: int) -> Iterator[str]:
    shown = f"(mode {stat.S_IMODE(mode):o})"
    if stat.S_ISDIR(mode):
        if mode & 0o022:
            yield f"Others may put files into {path} or take them {shown}."
    elif mode & 0o022:
        yield f"Others may change {path} {shown}."
    elif mode & 0o044:
        yield f"Others may read {path} {shown}."


def _format(session: Session, problems: Mapping[str, list[str]]) -> Finding:
    header = session.header
    newer = _of(problems, "newer")
    if newer:
        return Finding("format", ODD, "A newer ai_trace wrote this.", newer)
    by = f", written by ai_trace {header.version}" if header.version else ""
    return Finding("format", GOOD, f"Format {header.format} of {FORMAT}{by}.")


def _are(number: int, thing: str) -> str:
    return f"{counted(number, thing)} {'is' if number == 1 else 'are'}"


def _modes(path: Path) -> dict[Path, int]:
    journals = [
        journal.with_suffix(suffix)
        for journal in find_journals(path)
        for suffix in SUFFIXES
    ]
    modes = {}
    for each in [path.parent, *find_parts(path), *journals]:
        try:
            modes[each] = os.stat(each).st_mode
        except (OSError, ValueError) as exc:
            if interrupts(exc):
                raise
            continue
    return modes
