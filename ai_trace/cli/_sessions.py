"""
The sessions that a command line names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ai_trace import reading
from ai_trace._tree import Session
from ai_trace.cli._arguments import did_you_mean
from ai_trace.cli._terminal import Terminal
from ai_trace.exceptions import TraceReadError
from ai_trace.reading import SessionInfo


def add_session(parser: argparse.ArgumentParser) -> None:
    """
    Add the session that a verb looks at.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "session",
        nargs="?",
        metavar="SESSION",
        help="a path, a file name, a session id, a part that only one session has, "
        "or 'latest' (default: the newest)",
    )


def add_agent(parser: argparse.ArgumentParser) -> None:
    """
    Add the agent whose sessions are meant.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--agent", metavar="A", help="only sessions of the agent with this name"
    )


def find_sessions(directory: str, agent: str | None = None) -> list[SessionInfo]:
    """
    List the sessions of a directory.

    Args:
        directory: The trace directory.
        agent: The agent whose sessions are meant; ``None`` for all.

    Returns:
        One entry or more, newest first.

    Raises:
        TraceReadError: If there is none.
    """
    infos = reading.find(directory)
    if not infos:
        msg = (
            f"There are no sessions in {directory}. Name another directory with "
            "--dir, or record a first session with 'ai-trace demo'."
        )
        raise TraceReadError(msg)
    if agent is None:
        return infos
    chosen = [info for info in infos if info.header.agent == agent]
    if not chosen:
        agents = sorted({info.header.agent for info in infos})
        msg = f"No session in {directory} is of the agent {agent!r}."
        raise TraceReadError(msg + did_you_mean(agent, agents))
    return chosen


def read_session(
    directory: str, name: str | None, terminal: Terminal
) -> tuple[Path, Session]:
    """
    Read the session that a command line names, and say what is damaged in it.

    Args:
        directory: The trace directory.
        name: The session as it was named; ``None`` is the newest.
        terminal: Where to complain.

    Returns:
        The session's file, and what is in it.

    Raises:
        TraceReadError: If there is no such session, or nothing in it can be read.
    """
    path = reading.resolve(directory, name)
    session = reading.read(path)
    for problem in session.problems:
        terminal.complain(f"{path}: {problem.where}: {problem.what}")
    if session.problems and not session.outcomes:
        msg = f"Nothing in {path} can be read as a step."
        raise TraceReadError(msg)
    return path, session
