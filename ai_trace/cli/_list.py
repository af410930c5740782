"""
``ai-trace list``: which sessions there are.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter

from ai_trace._header import begun
from ai_trace._problem import Problem
from ai_trace._walk import Walk, worth_a_look
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from ai_trace._glance import Glance, Look
    from ai_trace._header import SessionHeader
    from ai_trace._session_info import SessionInfo
    from ai_trace.cli._terminal import Terminal


DESCRIPTION = """\
List the sessions, newest first: session, agent, when it started, how long it
took, how many steps it holds, how many of them ended in an error, and the size of
its files."""

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
_AGENT, _FIRST_NUMBER, _ERRORS = 1, 3, 5
_GAP = "  "
_NARROWEST = 8
_BOUNDLESS = sys.maxsize


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
    look = worth_a_look(sum(info.size for info in infos))
    counted = [_Counted(info, found.ids) for info in infos]
    for session in counted:
        _count(session, look, terminal)
    if options.json:
        from ai_trace.render import json

        objects = [session.to_dict() for session in counted]
        terminal.write(json.encode({"sessions": objects}, indent=2))
        return FOUND
    terminal.write_all(_table(counted, fitting(terminal)))
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
        self.outcomes: Counter[str] = Counter()
        self.problems = 0
        self.is_readable = True
        self.finished_at: float | None = None
        self._earliest = 0.0

    def add(self, found: Iterable[Glance | Problem]) -> None:
        """Count what is found in the files."""
        outcomes, latest, earliest = self.outcomes, 0.0, self._earliest
        for item in found:
            if isinstance(item, Problem):
                self.problems += 1
                continue
            if self._header is None:
                self._header = item.header
            outcomes[item.outcome] += 1
            if 0.0 < item.started_at < (earliest or math.inf):
                self._earliest = earliest = item.started_at
            finished = item.finished_at
            if finished is not None:
                latest = max(latest, finished)
                self.finished_at = latest

    @property
    def header(self) -> SessionHeader:
        """Who recorded it, as the steps say; without any, as the file does."""
        return self._header or self.info.header

    @property
    def label(self) -> str:
        """The shortest name that ``view`` takes for this session and no other."""
        session_id = self.header.session_id
        is_one = session_id and self._ids[session_id] == 1
        return session_id if is_one else self.info.stem

    @property
    def started_at(self) -> float:
        """Epoch seconds of the session's start, 0.0 where unknown."""
        return begun(self.header, self._earliest)

    @property
    def steps(self) -> int:
        """How many steps can be read."""
        return sum(self.outcomes.values())

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
            "steps": self.steps,
            "errors": self.outcomes["error"],
            "outcomes": dict(self.outcomes),
            "size": self.info.size,
            "problems": self.problems,
            "readable": self.is_readable,
        }


def _count(session: _Counted, look: Look | None, terminal: Terminal) -> None:
    # One session that cannot be read is no reason to list none.
    try:
        session.add(_steps(session.info, look))
    except TraceReadError as exc:
        session.is_readable = False
        terminal.complain(str(exc))
    if session.problems:
        plural = "" if session.problems == 1 else "s"
        terminal.complain(
            f"{session.info.files[0]} has {session.problems} problem{plural}, "
            "named by 'ai-trace view'."
        )


def _steps(info: SessionInfo, look: Look | None) -> Iterator[Glance | Problem]:
    if not info.has_journals:
        return Walk(info.files, None).glances(look)
    # Steps that are open: more to load, and of few sessions.
    from ai_trace import reading

    return reading.glances(info)


def _table(counted: Sequence[_Counted], style: Style) -> Iterator[str]:
    rows = [_HEAD, *(_row(session, style) for session in counted)]
    widths = [max(map(columns, column)) for column in zip(*rows)]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - (style.width or _BOUNDLESS)
    if excess > 0:
        widths[_AGENT] = max(_NARROWEST, widths[_AGENT] - excess)
    for number, row in enumerate(rows):
        yield style.line(_spans(row, widths, style, is_head=number == 0))


def _row(session: _Counted, style: Style) -> tuple[str, ...]:
    header = session.header
    return (
        style.clean(session.label),
        style.clean(header.agent),
        _minute(session.started_at),
        style.signs(duration(session.duration_ms)) or "?",
        str(session.steps) if session.is_readable else "?",
        str(session.outcomes["error"]) if session.is_readable else "?",
        size(session.info.size),
    )


def _minute(epoch: float) -> str:
    # By time and not by datetime, which takes longer to load than to use.
    try:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(epoch))
    except (OverflowError, OSError, ValueError):
        when = ""
    return when if epoch and when else "unknown"


def _spans(
    row: Sequence[str], widths: Sequence[int], style: Style, *, is_head: bool
) -> Iterator[Span]:
    for place, (cell, width) in enumerate(zip(row, widths)):
        if place:
            yield Span(_GAP)
        text = cell
        if columns(cell) > width:
            text = style._replace(colour=False, width=width).line([Span(cell)])
        padding = " " * (width - columns(text))
        role = "quiet" if is_head else ""
        if place == _ERRORS and not is_head and cell != "0":
            role = "bad"
        yield Span(text + padding if place < _FIRST_NUMBER else padding + text, role)
