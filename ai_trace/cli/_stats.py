"""
``ai-trace stats``: figures over many sessions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Union

from ai_trace import reading
from ai_trace._glance import Glance
from ai_trace._tree import Problem
from ai_trace.cli._arguments import FOUND, NOTHING_FOUND, add_json
from ai_trace.cli._moment import FORMS, moment
from ai_trace.cli._sessions import add_agent, find_sessions
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.exceptions import TraceReadError
from ai_trace.reading import SessionInfo
from ai_trace.render import json, stats


DESCRIPTION = """\
Count over all sessions: sessions, steps, how they ended, and for each step name
how often, how many errors, and the median, p95, longest and total time."""

EXAMPLES = """\
examples:
  ai-trace stats                              all sessions of the directory
  ai-trace stats --agent trading_agent        of one agent
  ai-trace stats --since 2h                   steps of the last two hours
  ai-trace stats --since 2024-03-01T14:30     steps since a local time
  ai-trace stats --json | jq '.names[0]'      for machines"""

_Found = Union[Glance, Problem]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_agent(parser)
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=moment,
        help=f"only steps that started then or later: {FORMS}",
    )
    add_json(parser, "one object with the same figures")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Count.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    infos = _readable(find_sessions(options.dir, options.agent).first(), terminal)
    since = options.since
    sessions: Iterable[Iterable[_Found]] = (_records(info, terminal) for info in infos)
    if since is not None:
        # Whatever was last written before then has no step that started after.
        recent = (info for info in infos if info.modified >= since)
        sessions = _begun_since(
            since, (_records(info, terminal, since) for info in recent)
        )
    figures = stats.collect(sessions)
    if options.json:
        terminal.write(json.encode(figures.to_dict(), indent=2))
    else:
        terminal.write_all(stats.table(figures, fitting(terminal)))
    return FOUND if figures.sessions else NOTHING_FOUND


def _readable(infos: list[SessionInfo], terminal: Terminal) -> list[SessionInfo]:
    for info in infos:
        if info.problem is not None:
            terminal.complain(info.problem)
    return [info for info in infos if info.problem is None]


def _records(
    info: SessionInfo, terminal: Terminal, since: float | None = None
) -> Iterator[_Found]:
    return chain.from_iterable(_batches(info, terminal, since))


def _batches(
    info: SessionInfo, terminal: Terminal, since: float | None
) -> Iterator[Sequence[_Found]]:
    # One that cannot be read any more is no reason to count none.
    try:
        yield from reading.batches(info, since)
    except TraceReadError as exc:
        terminal.complain(str(exc))


def _begun_since(
    since: float, sessions: Iterable[Iterable[_Found]]
) -> Iterator[Iterable[_Found]]:
    """Yield of each session the steps that count, and no session without any."""
    for session in sessions:
        found = (
            one
            for one in session
            if isinstance(one, Problem) or one.started_at >= since
        )
        first = next(found, None)
        if first is not None:
            yield chain([first], found)
