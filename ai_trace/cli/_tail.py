"""
``ai-trace tail``: the last steps of a session, then each step as it finishes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ai_trace import reading
from ai_trace._files import find_parts, header_of_session
from ai_trace._header import SessionHeader, newer
from ai_trace._names import SUFFIX, SUFFIXES
from ai_trace._record import StepRecord
from ai_trace._tree import Problem, Writer
from ai_trace.cli._arguments import add_json, count
from ai_trace.cli._criteria import add_selection
from ai_trace.cli._selection import Selection
from ai_trace.cli._sessions import add_session
from ai_trace.cli._status_line import StatusLine
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND, NOTHING_FOUND
from ai_trace.exceptions import TraceReadError
from ai_trace.render import json, text
from ai_trace.render._style import Style


DESCRIPTION = """\
Show the last steps of a session in the order in which they finished, and then
each step as it finishes, until Ctrl-C.

The last line of a terminal shows the steps that are still running, and for how
long; with --no-follow they come after the others. When the process that records
the session dies, tail says so, and shows the steps that it died in.

With --errors, --outcome, --name, --kind, --grep, --since or --until, only the
matching steps are shown: the last of them, then each new one.

Unless a session is named, the newest one is followed. When another one starts,
tail says so and follows that; when there is none yet, it waits for the first.
The name of an agent means its newest session, also after a restart."""

EXAMPLES = """\
examples:
  ai-trace tail                       the newest session, live
  ai-trace tail trading_agent         this agent, from one run to the next
  ai-trace tail -n 20 --no-follow     the last 20 steps, no more
  ai-trace tail --errors              what goes wrong, as it happens
  ai-trace tail -n 0 20240301_143022  what finishes from now on in that one
  ai-trace tail --json | jq .name     for machines: one JSON object per line

With --json, the first object of each session carries its header as "session"."""

_POLL = 0.2
_ALL = sys.maxsize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_session(parser)
    parser.add_argument(
        "-n",
        metavar="N",
        type=count,
        default=20,
        help="begin with the last N matching steps (default: 20)",
    )
    going_on = parser.add_mutually_exclusive_group()
    going_on.add_argument(
        "--no-follow", action="store_true", help="stop after the last steps"
    )
    going_on.add_argument(
        "-f", "--follow", action="store_true", help="go on until Ctrl-C (the default)"
    )
    parser.add_argument(
        "--full", action="store_true", help="all that each step recorded"
    )
    add_selection(parser)
    add_json(parser, "one object per line, one line per step")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Show the last steps, and what follows.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    output = _Output(options, terminal)
    if options.no_follow:
        return _show_last(options, output, terminal)
    if options.session in (None, reading.LATEST):
        newest = Newest(options.dir)
    else:
        path = reading.resolve(options.dir, options.session)
        if header_of_session(find_parts(path)).agent != options.session:
            output.follow(path, last=options.n)
        newest = Newest(options.dir, options.session)
    _follow_newest(newest, options, output, terminal)
    return FOUND


def _show_last(options: argparse.Namespace, output: _Output, terminal: Terminal) -> int:
    path = reading.resolve(options.dir, options.session)
    problems: list[Problem] = []
    only = output.only
    steps = reading.tail(path, options.n, on_problem=problems.append, only=only)
    if problems and not steps and only is None:
        where, what, _ = problems[0]
        # What comes before may not have been looked at.
        msg = f"Nothing at the end of {path} can be read as a step: {where}: {what}"
        raise TraceReadError(msg)
    for problem in problems:
        terminal.complain(f"{path}: {problem.where}: {problem.what}")
    for step in steps:
        output.show(step)
    if steps or not options.n:
        return FOUND
    if only is None:
        terminal.complain(f"No step has finished in {path} yet.")
    else:
        looked_at = "that was looked at " if problems else ""
        terminal.complain(f"No step {looked_at}of {path} matches.{only.meant()}")
    return NOTHING_FOUND


def _follow_newest(
    newest: Newest, options: argparse.Namespace, output: _Output, terminal: Terminal
) -> None:
    last = options.n
    if not newest.changed():
        terminal.complain(
            f"No session in {options.dir} yet; waiting for the first. Ctrl-C ends."
        )
        while not newest.changed():
            time.sleep(_POLL)
        last = _ALL
    while newest.path is not None:
        terminal.complain(f"Following {newest.path.name}. Ctrl-C ends.")
        output.follow(newest.path, last=last, stop=newest.changed)
        last = _ALL


class Newest:
    """
    The newest session of a directory.

    Args:
        directory: The directory.
        agent: The agent whose sessions are meant; ``None`` for all.

    Attributes:
        path: Its file; ``None`` while there is none.
    """

    def __init__(self, directory: str, agent: str | None = None) -> None:
        self.path: Path | None = None
        self._directory = directory
        self._agent = agent
        self._names: frozenset[str] = frozenset()

    def changed(self) -> bool:
        """Look again, and tell whether another session is the newest now."""
        # Listing names is cheap; only a new name is a reason to open files. That of a
        # packed session is one until any is found: packed later, it is no other one.
        endings = SUFFIXES if self.path is None else (SUFFIX,)
        known, self._names = self._names, _names(self._directory, endings)
        if self._names <= known:
            return False
        before, self.path = self.path, self._look()
        return self.path not in (None, before)

    def _look(self) -> Path | None:
        if self._agent is None:
            infos = reading.find(self._directory, limit=1)
            return infos[0].path if infos else None
        try:
            return reading.resolve(self._directory, self._agent)
        except TraceReadError:
            # All sessions of the agent may have been deleted.
            return self.path


def _names(directory: str, endings: tuple[str, ...]) -> frozenset[str]:
    try:
        return frozenset(n for n in os.listdir(directory) if n.endswith(endings))
    except FileNotFoundError:
        return frozenset()


class _Output:
    """
    The steps as they are shown: as lines for people or as objects for machines.

    Attributes:
        only: Tells which steps are wanted; ``None`` if all are.
    """

    def __init__(self, options: argparse.Namespace, terminal: Terminal) -> None:
        self._json: bool = options.json
        self._full: bool = options.full
        self._terminal = terminal
        self.only = Selection.from_options(options) or None
        self._session: tuple[str, str] | None = None
        self._header: SessionHeader | None = None
        self._status = StatusLine(terminal, wanted=not options.json)
        self._unfinished: set[str] = set()
        self._dead: set[Path] = set()

    def follow(
        self, path: Path, *, last: int, stop: Callable[[], bool] | None = None
    ) -> None:
        """
        Show the last steps of a session and then each step as it finishes.

        Args:
            path: The session's file.
            last: How many of the steps already there to show.
            stop: Tells when to end; without it, this never ends.
        """
        steps = reading.follow(
            path,
            last=last,
            poll=_POLL,
            stop=stop,
            on_problem=self._complain,
            on_open=self._show_open,
            only=self.only,
        )
        with self._status:
            for step in steps:
                # A step that was shown as unfinished may be recovered to a line later.
                if step.outcome != "unfinished" or step.id not in self._unfinished:
                    self.show(step)
                    self._terminal.flush()

    def _show_open(
        self, steps: Sequence[StepRecord], writers: Sequence[Writer]
    ) -> None:
        for step in steps:
            if step.outcome == "unfinished" and step.id not in self._unfinished:
                self._unfinished.add(step.id)
                if self.only is None or self.only(step):
                    self.show(step)
        for writer in writers:
            if writer.died and writer.journal not in self._dead:
                self._dead.add(writer.journal)
                self._status.clear()
                words = text.writer(writer, Style(width=None))
                self._terminal.complain(f"{words[:1].upper()}{words[1:]}.")
        self._status.show([step for step in steps if step.outcome == "running"])

    def show(self, step: StepRecord) -> None:
        """Show one step."""
        self._status.clear()
        self._warn_of(step.header)
        if self._json:
            self._terminal.write(self._object(step))
        else:
            # The terminal may have been resized since the last step.
            lines = text.step(step, fitting(self._terminal), full=self._full)
            self._terminal.write_all(lines)

    def _warn_of(self, header: SessionHeader | None) -> None:
        if header is not None and header != self._header:
            self._header = header
            if newer(header):
                self._terminal.complain(f"{header.session_id}: {newer(header)}")

    def _object(self, step: StepRecord) -> str:
        header = step.header
        if header is None or (header.agent, header.session_id) == self._session:
            return json.line(step)
        self._session = (header.agent, header.session_id)
        return f'{json.line(step)[:-1]}, "session": {json.encode(header.to_dict())}}}'

    def _complain(self, problem: Problem) -> None:
        self._status.clear()
        self._terminal.complain(f"{problem.where}: {problem.what}")
