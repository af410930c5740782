"""
The options that choose steps and sessions; they mean the same for all verbs.
"""

from __future__ import annotations

from ai_trace._record import OUTCOMES
from ai_trace.cli._moment import FORMS, moment
from ai_trace.cli._words import UsageError


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_trace._session_info import SessionInfo

WENT_WRONG = ("error", "interrupted", "unfinished")
ASKED = (*OUTCOMES, "running", "unfinished")
# Seconds. Files are stamped with the clock of the last tick, which was before a step
# that has just begun; and some file systems keep every second second alone.
_SLACK = 2.0


def add_selection(parser: argparse.ArgumentParser) -> None:
    """
    Add all options that choose steps.

    Args:
        parser: The parser of a verb.
    """
    add_outcomes(parser)
    add_names(parser)
    add_text(parser)
    add_times(parser)


def add_outcomes(parser: argparse.ArgumentParser, what: str = "steps") -> None:
    """
    Add the options that choose by how steps ended.

    Args:
        parser: The parser of a verb.
        what: What is chosen.
    """
    parser.add_argument(
        "--errors",
        action="store_true",
        help=f"only {what} that went wrong: {', '.join(WENT_WRONG)}",
    )
    parser.add_argument(
        "--outcome",
        metavar="O",
        choices=ASKED,
        help=f"only {what} that ended like this: {', '.join(ASKED)}",
    )


def add_names(parser: argparse.ArgumentParser, what: str = "steps") -> None:
    """
    Add the options that choose by the names and kinds of steps.

    Args:
        parser: The parser of a verb.
        what: What is chosen.
    """
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help=f"only {what} of this name: a shell pattern ('fetch_*') or a part of it",
    )
    parser.add_argument(
        "--kind", metavar="K", help=f"only {what} of this kind: llm, tool, agent, ..."
    )


def add_text(parser: argparse.ArgumentParser, what: str = "steps") -> None:
    """
    Add the option that chooses by what steps recorded.

    Args:
        parser: The parser of a verb.
        what: What is chosen.
    """
    parser.add_argument(
        "--grep", metavar="TEXT", help=f"only {what} that recorded this text anywhere"
    )


def add_times(
    parser: argparse.ArgumentParser, what: str = "steps", were: str = "started"
) -> None:
    """
    Add the options that choose by time.

    Args:
        parser: The parser of a verb.
        what: What is chosen.
        were: What it did in that time.
    """
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=moment,
        help=f"only {what} that {were} then or later: {FORMS}",
    )
    parser.add_argument(
        "--until",
        metavar="WHEN",
        type=moment,
        help=f"only {what} that started before then",
    )


def times(options: argparse.Namespace) -> tuple[float | None, float | None]:
    """
    Return what ``add_times`` asked for.

    Args:
        options: The parsed command line.

    Returns:
        Epoch seconds: since when, until when.

    Raises:
        UsageError: If there is no time between the two.
    """
    since, until = options.since, options.until
    if since is not None and until is not None and until <= since:
        msg = "--until has to be later than --since."
        raise UsageError(msg)
    return since, until


def written_since(info: SessionInfo, since: float) -> bool:
    """
    Tell whether a session may have been written to since a moment.

    Args:
        info: The session.
        since: Epoch seconds.
    """
    return info.modified >= since - _SLACK
