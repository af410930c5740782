"""
``ai-trace list``: which sessions there are.
"""

from __future__ import annotations

import sys
import time

from ai_trace._header import begun, says_start
from ai_trace._parts import id_in
from ai_trace._problem import Problem
from ai_trace._walk import WORTH_A_LOOK, Walk, worth_a_look
from ai_trace.cli._sessions import add_agent, find_sessions
from ai_trace.cli._style import fitting
from ai_trace.cli._words import FOUND
from ai_trace.exceptions import TraceReadError
from ai_trace.render._style import Span, Style, columns
from ai_trace.render._values import duration, size


# Known to type checkers by this name; what is not loaded makes a list quicker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ai_trace._ends import Ends
    from ai_trace._glance import Glance, Look
    from ai_trace._header import SessionHeader
    from ai_trace._open_steps import Journals
    from ai_trace._session_info import SessionInfo
    from ai_trace.cli._terminal import Terminal


DESCRIPTION = """\
List the sessions, newest first: session, agent, when it started, how long it
took or that it is running, died or has unfinished steps, how many steps it
holds, how many of them ended in an error, and the size of its trace files."""

EXAMPLES = """\
examples:
  ai-trace list                                on a terminal: the newest 20
  ai-trace list --all                          all of them
  ai-trace list -n 5 --agent trading_agent     the newest five of one agent
  ai-trace --dir /var/log/agent/traces list    in another directory
  ai-trace list --json                         for machines"""

DEFAULTS = {"n": None, "all": False, "agent": None, "json": False}

_SCREENFUL = 20
_HEAD = ("SESSION", "AGENT", "STARTED", "TOOK", "STEPS", "ERRORS", "SIZE")
_AGENT, _TOOK, _ERRORS = 1, 3, 5
_FIRST_NUMBER = _TOOK
_RUNNING, _DIED, _UNFINISHED = "running", "died", "unfinished"
_ROLES = {_RUNNING: "good", _DIED: "bad", _UNFINISHED: "odd"}
_GAP = "  "
_NARROWEST = 8
_BOUNDLESS = sys.maxsize
_ENDLESS = float("inf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    from ai_trace.cli._arguments import add_json, positive

    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        "-n",
        metavar="N",
        type=positive,
        help=f"only the newest N (default on a terminal: {_SCREENFUL})",
    )
    how_many.add_argument("--all", action="store_true", help="all sessions")
    add_agent(parser)
    add_json(parser, 'one object, {"sessions": [{...}, ...]}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    List sessions.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    limit = _how_many(options, terminal)
    found = find_sessions(options.dir, options.agent)
    infos = found.first(limit)
    counted = [_Counted(info, found.ids) for info in infos]
    _count_all(counted, terminal)
    if options.json:
        from ai_trace.render import json

        objects = [session.to_dict() for session in counted]
        terminal.write(json.encode({"sessions": objects}, indent=2))
        return FOUND
    # All at once: an output without a buffer takes a call for each.
    terminal.write("\n".join(_table(counted, fitting(terminal))))
    if limit and not options.n and len(found) > limit:
        terminal.write(f"{len(found) - limit} older ones: ai-trace list --all")
    return FOUND


def _how_many(options: argparse.Namespace, terminal: Terminal) -> int | None:
    by_default = terminal.is_terminal and not options.json and not options.all
    limit: int | None = options.n or (_SCREENFUL if by_default else None)
    return limit


class _Counted:
    """
    A session, and what reading it through has told.
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
            self._header = steps[0].header
        outcomes = self.outcomes
        for step in steps:
            outcome = step.outcome
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            # What was open when its session was closed has got an end then.
            if outcome == _UNFINISHED and step.finished_at is None:
                self._cut_off = True
        ends = [at for step in steps if (at := step.finished_at) is not None]
        if ends:
            self.finished_at = max(self.finished_at or 0.0, *ends)
        if says_start(self.header):
            return
        starts = [at for step in steps if (at := step.started_at) > 0.0]
        if starts:
            self._earliest = min(self._earliest or _ENDLESS, *starts)

    def take(self, tell: Callable[[str], Ends | None]) -> bool:
        """Count all steps at once; whether that can be done."""
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
        """Who recorded it, as the steps say; without any, as the file does."""
        return self._header or self.info.header

    @property
    def label(self) -> str:
        """The shortest name that ``view`` takes for this session and no other."""
        session_id, stem = self.header.session_id, self.info.stem
        is_one = session_id and self._ids[session_id] == 1
        # A copy under the name of another session is found by that.
        is_named = stem.endswith(f"_{session_id}") or not id_in(stem)
        return session_id if is_one and is_named else stem

    @property
    def started_at(self) -> float:
        """Epoch seconds of the session's start, 0.0 where unknown."""
        return begun(self.header, self._earliest)

    @property
    def state(self) -> str:
        """What hinders it from being over; empty of a session that has ended."""
        writers = self.journals.writers() if self.journals else ()
        if any(writer.alive for writer in writers):
            return _RUNNING
        if self._cut_off or any(writer.died for writer in writers):
            # Where it cannot be told who lives, what is open may be running.
            return _DIED if not writers or _can_tell() else _UNFINISHED
        return _UNFINISHED if _UNFINISHED in self.outcomes else ""

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
        if self.finished_at is None:
            return None
        return max(0.0, round((self.finished_at - self.started_at) * 1000, 3))

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


def _count_all(counted: Sequence[_Counted], terminal: Terminal) -> None:
    size = sum(session.info.size for session in counted)
    tell = None
    if size >= WORTH_A_LOOK:
        from ai_trace._ends import ends_teller

        tell = ends_teller()
    for session in counted:
        if tell is None or not session.take(tell):
            _count(session, size, terminal)


def _count(session: _Counted, size: int, terminal: Terminal) -> None:
    # One session that cannot be read is no reason to list none.
    try:
        for found in _steps(session, worth_a_look(size)):
            session.add(found)
    except TraceReadError as exc:
        session.is_readable = False
        terminal.complain(str(exc))
    if session.problems:
        plural = "" if session.problems == 1 else "s"
        terminal.complain(
            f"{session.info.files[0]} has {session.problems} problem{plural}, "
            "named by 'ai-trace view'."
        )


def _steps(
    session: _Counted, look: Look | None
) -> Iterator[Sequence[Glance | Problem]]:
    info = session.info
    if not info.has_journals:
        return Walk(info.files, None).batches(look)
    # Steps that are open: more to load, and of few sessions.
    from ai_trace._open_steps import Journals

    session.journals = Journals(info.journals)
    return Walk(info.files, session.journals).batches(look)


def _can_tell() -> bool:
    from ai_trace._open_steps import CAN_TELL

    return CAN_TELL


def _table(counted: Sequence[_Counted], style: Style) -> Iterator[str]:
    rows = [_HEAD, *(_row(session, style) for session in counted)]
    table = list(zip(*rows))
    widths = [max(map(columns, set(column))) for column in table]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - (style.width or _BOUNDLESS)
    if excess > 0:
        widths[_AGENT] = max(_NARROWEST, widths[_AGENT] - excess)
    fitted = [
        _fitted(column, width, style, is_number=place >= _FIRST_NUMBER)
        for place, (column, width) in enumerate(zip(table, widths))
    ]
    if style.width is None and not style.colour:
        # Of ten thousand lines in a pipe their parts would take a third of the time.
        yield from map(_GAP.join, zip(*fitted))
        return
    is_head = True
    for cells in zip(*fitted):
        yield style.line(_spans(cells, is_head=is_head))
        is_head = False


def _row(session: _Counted, style: Style) -> tuple[str, ...]:
    header = session.header
    return (
        style.clean(session.label),
        style.clean(header.agent),
        _minute(session.started_at),
        # How long a session takes is not known before it has ended.
        session.state or style.signs(duration(session.duration_ms)) or "?",
        str(session.steps) if session.is_readable else "?",
        str(session.errors) if session.is_readable else "?",
        size(session.info.size),
    )


def _minute(epoch: float) -> str:
    # By time and not by datetime, which takes longer to load than to use.
    try:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(epoch))
    except (OverflowError, OSError, ValueError):
        when = ""
    return when if epoch and when else "unknown"


def _fitted(
    column: Sequence[str], width: int, style: Style, *, is_number: bool
) -> Iterator[str]:
    cut = style._replace(colour=False, width=width)
    fitted = {}
    # Of most columns all cells are one of a few.
    for cell in set(column):
        text = cell if columns(cell) <= width else cut.line([Span(cell)])
        padding = " " * (width - columns(text))
        fitted[cell] = padding + text if is_number else text + padding
    return map(fitted.__getitem__, column)


def _spans(cells: Sequence[str], *, is_head: bool) -> Iterator[Span]:
    for place, cell in enumerate(cells):
        if place:
            yield Span(_GAP)
        role = "quiet" if is_head else ""
        if place == _ERRORS and not is_head and cell.strip() != "0":
            role = "bad"
        elif place == _TOOK and not is_head:
            role = _ROLES.get(cell.strip(), "")
        yield Span(cell, role)
