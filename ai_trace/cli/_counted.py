"""
A session of a list, and what was counted in its files.
"""

from __future__ import annotations

from ai_trace._header import begun, duration_between, known_until, says_start
from ai_trace._parts import id_in
from ai_trace._problem import Problem
from ai_trace._walk import WORTH_A_LOOK, Walk, worth_a_look
from ai_trace.exceptions import TraceReadError
from ai_trace.render._values import counted


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ai_trace._ends import Ends
    from ai_trace._glance import Glance, Look
    from ai_trace._header import SessionHeader
    from ai_trace._open_steps import Journals
    from ai_trace._session_info import SessionInfo
    from ai_trace._tree import Writer
    from ai_trace.cli._terminal import Terminal

RUNNING, DIED, UNFINISHED = "running", "died", "unfinished"
_ENDLESS = float("inf")


class Counted:
    """
    A session, and what was counted in its files.
    """

    def __init__(self, info: SessionInfo, ids: Mapping[str, int]) -> None:
        self.info = info
        self._ids = ids
        self._header: SessionHeader | None = None
        self.outcomes: dict[str, int] = {}
        self.problems = 0
        self.journals: Journals | None = None
        self.is_readable = True
        self.finished_at: float | None = None
        self._earliest = 0.0
        self._cut_off = False

    def add(self, found: Sequence[Glance | Problem]) -> None:
        """Count what is found in the files."""
        steps = [item for item in found if not isinstance(item, Problem)]
        self.problems += len(found) - len(steps)
        if not steps:
            return
        if self._header is None:
            header = steps[0].header
            self._header = header if header and header.version else self.info.header
        outcomes = self.outcomes
        for step in steps:
            outcome = step.outcome
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        ends = [at for step in steps if (at := step.finished_at) is not None]
        if len(ends) < len(steps):
            ends += self._ends_of([step for step in steps if step.finished_at is None])
        if ends:
            self.finished_at = max(self.finished_at or 0.0, *ends)
        if says_start(self.header):
            return
        starts = [at for step in steps if (at := step.started_at) > 0.0]
        if starts:
            self._earliest = min(self._earliest or _ENDLESS, *starts)

    def _ends_of(self, endless: Sequence[Glance]) -> Iterator[float]:
        """Tell until when steps without an end are known to have gone on."""
        for step in endless:
            # A step that was open when its session was closed does have an end.
            self._cut_off = self._cut_off or step.outcome == UNFINISHED
            until = known_until(step.started_at, step.duration_ms)
            if until is not None:
                yield until

    def take(self, tell: Callable[[str], Ends | None]) -> bool:
        """Count all steps at once, if possible; tell whether it was."""
        info = self.info
        if info.has_journals or len(info.files) != 1:
            return False
        ends = tell(info.files[0])
        if ends is None:
            return False
        self._header, self.outcomes, self.finished_at = ends
        return True

    @property
    def header(self) -> SessionHeader:
        """Who recorded it, as the first step says; else as the session's files do."""
        return self._header or self.info.header

    @property
    def label(self) -> str:
        """The shortest name that ``view`` takes for this session and no other."""
        session_id, stem = self.header.session_id, self.info.stem
        is_one = session_id and self._ids[session_id] == 1
        # A copy that has the name of another session is found by that name.
        is_named = stem.endswith(f"_{session_id}") or not id_in(stem)
        return session_id if is_one and is_named else stem

    @property
    def started_at(self) -> float:
        """Epoch seconds of the session's start, 0.0 where unknown."""
        return begun(self.header, self._earliest)

    @property
    def heard_at(self) -> float:
        """When it was last known to be active, in epoch seconds."""
        heard_of = [writer.heard_at for writer in self._writers()]
        # A damaged file may say that it ended before it began.
        return max(self.finished_at or self.info.modified, self.started_at, *heard_of)

    def _writers(self) -> Sequence[Writer]:
        return self.journals.writers() if self.journals else ()

    @property
    def state(self) -> str:
        """Why it is not over: running, died or unfinished; empty if it has ended."""
        writers = self._writers()
        if any(writer.alive for writer in writers):
            return RUNNING
        if self._cut_off or any(writer.died for writer in writers):
            # Where living writers cannot be told from dead ones, it may be running.
            return DIED if not writers or _can_tell() else UNFINISHED
        return UNFINISHED if UNFINISHED in self.outcomes else ""

    @property
    def steps(self) -> int:
        """How many steps can be read."""
        return sum(self.outcomes.values())

    @property
    def errors(self) -> int:
        """How many of them ended in an error."""
        return self.outcomes.get("error", 0)

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds from the session's start to the end of its last step."""
        return duration_between(self.started_at, self.finished_at)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as JSON types."""
        header = self.header
        return {
            "session_id": header.session_id,
            "agent": header.agent,
            "path": self.info.files[0],
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "duration_ms": self.duration_ms,
            "state": self.state or "ended",
            "steps": self.steps,
            "errors": self.errors,
            "outcomes": self.outcomes,
            "size": self.info.size,
            "problems": self.problems,
            "readable": self.is_readable,
        }


def count_all(sessions: Sequence[Counted], terminal: Terminal) -> Iterator[Counted]:
    """
    Read sessions through, one by one.

    Args:
        sessions: The sessions.
        terminal: Where to complain.

    Yields:
        Each of them, counted.
    """
    size = sum(session.info.size for session in sessions)
    tell = None
    if size >= WORTH_A_LOOK:
        from ai_trace._ends import ends_teller

        tell = ends_teller()
    for session in sessions:
        if tell is None or not session.take(tell):
            _count(session, size, terminal)
        yield session


def _count(session: Counted, size: int, terminal: Terminal) -> None:
    # If one session cannot be read, the others are listed all the same.
    try:
        for found in _steps(session, worth_a_look(size)):
            session.add(found)
    except TraceReadError as exc:
        session.is_readable = False
        terminal.complain(str(exc))
    if session.problems:
        problems = counted(session.problems, "problem")
        terminal.complain(
            f"{session.info.files[0]} has {problems}; 'ai-trace view' names them."
        )


def _steps(session: Counted, look: Look | None) -> Iterator[Sequence[Glance | Problem]]:
    info = session.info
    if not info.has_journals:
        return Walk(info.files, None).batches(look)
    # Few sessions have open steps, and to read them loads more modules.
    from ai_trace._open_steps import Journals

    session.journals = Journals(info.journals)
    return Walk(info.files, session.journals).batches(look)


def _can_tell() -> bool:
    from ai_trace._open_steps import CAN_TELL

    return CAN_TELL
