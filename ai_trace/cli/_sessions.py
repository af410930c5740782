"""
The sessions that a command line names.
"""

from __future__ import annotations

from itertools import islice

from ai_trace._find import Directory, no_sessions
from ai_trace.cli._words import did_you_mean
from ai_trace.exceptions import TraceReadError


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ai_trace._session_info import SessionInfo
    from ai_trace._tree import Problem, Session
    from ai_trace.cli._terminal import Terminal


_NAMES = (
    "a path, a file name, a session id, an agent's name for its newest session, any "
    "part of these that only one session has, or 'latest'"
)


class Found:
    """
    The sessions that a command line means, newest first.

    Args:
        directory: The directory that they are in.
        agent: The agent whose sessions are meant; ``None`` for all.

    Attributes:
        ids: How many sessions of the directory have each id.
    """

    def __init__(self, directory: Directory, agent: str | None) -> None:
        self._directory = directory
        self._agent = agent
        self._infos: list[SessionInfo] | None = None
        self.ids: Mapping[str, int] = directory.ids

    def first(self, limit: int | None = None) -> list[SessionInfo]:
        """
        Return the newest sessions.

        Args:
            limit: How many; ``None`` for all.
        """
        if self._agent is None and limit is not None:
            return list(islice(self._directory, limit))
        return self._all()[:limit]

    def __len__(self) -> int:
        """Return how many there are; for one agent, by looking at all."""
        return len(self._directory if self._agent is None else self._all())

    def _all(self) -> list[SessionInfo]:
        if self._infos is None:
            infos, agent = list(self._directory), self._agent
            if agent is not None:
                infos = [info for info in infos if info.header.agent == agent]
            self._infos = infos
        return self._infos


def add_session(parser: argparse.ArgumentParser) -> None:
    """
    Add the argument for the session that a verb looks at.

    Args:
        parser: The parser of a verb.
    """
    help_ = f"{_NAMES} (default: the newest)"
    parser.add_argument("session", nargs="?", metavar="SESSION", help=help_)


def add_sessions(parser: argparse.ArgumentParser) -> None:
    """
    Add the argument for the sessions that a verb looks at.

    Args:
        parser: The parser of a verb.
    """
    help_ = f"{_NAMES} (default: all)"
    parser.add_argument("sessions", nargs="*", metavar="SESSION", help=help_)


def add_agent(parser: argparse.ArgumentParser) -> None:
    """
    Add the option for the agent whose sessions are meant.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--agent", metavar="A", help="only sessions of the agent with this name"
    )


def find_sessions(directory: str, agent: str | None = None) -> Found:
    """
    Find the sessions of a directory.

    Args:
        directory: The trace directory.
        agent: The agent whose sessions are meant; ``None`` for all.

    Returns:
        One session or more.

    Raises:
        TraceReadError: If there is none.
    """
    there = Directory(directory)
    found = Found(there, agent)
    if not there:
        raise no_sessions(directory)
    if agent is not None and not found:
        agents = sorted({info.header.agent for info in there})
        msg = f"There is no session of the agent {agent!r} in {directory}."
        raise TraceReadError(msg + did_you_mean(agent, agents))
    return found


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
    from ai_trace._meant import resolve

    path = resolve(directory, name)
    return path, read_found(path, terminal)


def read_found(
    path: Path, terminal: Terminal, step: str | None = None, *, below: bool = False
) -> Session:
    """
    Read a session, and say what is damaged in it.

    Args:
        path: The session's file.
        terminal: Where to complain.
        step: The id of the step to be shown, if it is only one: then the rest need
            not be read.
        below: Whether the steps below it are shown, too.

    Returns:
        The session.

    Raises:
        TraceReadError: If nothing in it can be read.
    """
    from ai_trace import reading
    from ai_trace._recent import read_around

    around = None if step is None else read_around(path, step, below=below)
    session = reading.read(path) if around is None else around
    name_damage(path, session, terminal)
    return session


def name_damage(path: Path, session: Session, terminal: Terminal) -> None:
    """
    Say what is damaged in a session.

    Args:
        path: The session's file.
        session: What is in it.
        terminal: Where to complain.

    Raises:
        TraceReadError: If nothing in it can be read.
    """
    if session.problems and not session.outcomes:
        raise _unreadable(path, session.problems)
    for problem in session.problems:
        terminal.complain(f"{path}: {problem.where}: {problem.what}")


def _unreadable(path: Path, problems: Sequence[Problem]) -> TraceReadError:
    # The number of problems does not tell how much is left: one may stand for many.
    first, *others = problems
    rest = " The rest cannot be read either." if others else ""
    return TraceReadError(
        f"Nothing in {path} can be read as a step: {first.where}: {first.what}{rest}"
    )
