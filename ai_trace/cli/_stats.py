"""
``ai-trace stats``: figures over many sessions.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Union

from ai_trace import reading
from ai_trace._glance import Glance
from ai_trace._meant import resolve
from ai_trace._parts import session_stem
from ai_trace._tree import Problem
from ai_trace.cli._arguments import add_json
from ai_trace.cli._criteria import add_names, add_outcomes, add_times, written_since
from ai_trace.cli._selection import Selection
from ai_trace.cli._sessions import add_agent, add_sessions, find_sessions
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND, NOTHING_FOUND, UsageError
from ai_trace.exceptions import TraceReadError
from ai_trace.reading import SessionInfo
from ai_trace.render import json, stats


DESCRIPTION = """\
Add up all sessions, or the named ones: how many sessions and steps there are,
how the steps ended, and for each step name how often it ran, how many errors it
had (and other outcomes than ok, if any), and its median, p95, longest and total
time. LLM calls are added up for each model: tokens, and cost where it was
recorded."""

EXAMPLES = """\
examples:
  ai-trace stats                              all sessions of the directory
  ai-trace stats latest                       the newest session alone
  ai-trace stats --agent trading_agent        of one agent
  ai-trace stats --kind llm                   tokens and cost by model
  ai-trace stats --errors                     what went wrong, and how often
  ai-trace stats --since 2h                   steps of the last two hours
  ai-trace stats --since 2024-03-01T14:30     steps since a local time
  ai-trace stats --json | jq '.names[0]'      for machines"""

_Found = Union[Glance, Problem]
Trace = Union[Path, SessionInfo]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_sessions(parser)
    add_agent(parser)
    add_outcomes(parser)
    add_names(parser)
    add_times(parser)
    add_json(parser, "one object with the same figures")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Add up sessions.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    only = Selection.from_options(options)
    since = options.since
    traces = _traces(options, terminal)
    if since is not None:
        # A session last written before then has no step that started later.
        traces = [each for each in traces if _may_have_steps(each, since)]
    sessions = (_records(each, terminal, since) for each in traces)
    if only:
        chosen = _Chosen(only)
        figures = stats.collect(map(chosen.of, sessions))
        figures = replace(figures, sessions=chosen.sessions)
    else:
        figures = stats.collect(sessions)
    if options.json:
        terminal.write(json.encode(figures.to_dict(), indent=2))
    else:
        terminal.write_all(stats.table(figures, fitting(terminal)))
    if figures.sessions:
        return FOUND
    if only:
        terminal.complain(f"No step matches.{only.meant()}")
    return NOTHING_FOUND


def _traces(options: argparse.Namespace, terminal: Terminal) -> Sequence[Trace]:
    if not options.sessions:
        return _readable(find_sessions(options.dir, options.agent).first(), terminal)
    if options.agent is not None:
        msg = "Name sessions, or give --agent for all sessions of an agent: not both."
        raise UsageError(msg)
    named: dict[tuple[str, str], Path] = {}
    for name in options.sessions:
        path = resolve(options.dir, name)
        named.setdefault(_session_of(path), path)
    return list(named.values())


def _session_of(path: Path) -> tuple[str, str]:
    # The same whichever of its files is named, and by whatever way.
    directory, name = os.path.split(os.path.realpath(path))
    return directory, session_stem(name) or name


def _may_have_steps(trace: Trace, since: float) -> bool:
    # A session that was named is read in any case.
    return not isinstance(trace, SessionInfo) or written_since(trace, since)


def _readable(infos: list[SessionInfo], terminal: Terminal) -> list[SessionInfo]:
    for info in infos:
        if info.problem is not None:
            terminal.complain(info.problem)
    return [info for info in infos if info.problem is None]


def _records(
    trace: Trace, terminal: Terminal, since: float | None = None
) -> Iterator[_Found]:
    return chain.from_iterable(_batches(trace, terminal, since))


def _batches(
    trace: Trace, terminal: Terminal, since: float | None
) -> Iterator[Sequence[_Found]]:
    # If one cannot be read any longer, the others are counted all the same.
    try:
        yield from reading.batches(trace, since)
    except TraceReadError as exc:
        terminal.complain(str(exc))


class _Chosen:
    """
    The wanted steps of sessions, and all that is wrong with these.

    Attributes:
        sessions: How many sessions had any step that is wanted.
    """

    def __init__(self, only: Selection) -> None:
        self._only = only
        self.sessions = 0

    def of(self, session: Iterable[_Found]) -> Iterator[_Found]:
        """Yield those of one session."""
        is_counted = False
        for one in session:
            if isinstance(one, Problem):
                yield one
            elif self._only(one):
                self.sessions += not is_counted
                is_counted = True
                yield one
