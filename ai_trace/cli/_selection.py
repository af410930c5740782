"""
Which steps of a session are asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase

from ai_trace._glance import Glance
from ai_trace._record import KINDS, OUTCOMES, StepRecord
from ai_trace._tree import Said
from ai_trace.cli._moment import FORMS, moment
from ai_trace.cli._words import UsageError, did_you_mean


WENT_WRONG = ("error", "interrupted", "unfinished")
ASKED = (*OUTCOMES, "running", "unfinished")
_WILD = "*?["


class Selection:
    """
    What a step has to meet to be shown: everything that is given.

    Args:
        errors: Only steps that went wrong.
        outcome: How the step ended.
        name: A shell pattern for the name, or a part of it.
        kind: The kind.
        text: What stands in anything that the step recorded.
        since: Epoch seconds; the step started then or later.
        until: Epoch seconds; the step started before.

    In names and text, upper and lower case are the same.
    """

    def __init__(
        self,
        *,
        errors: bool = False,
        outcome: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        text: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> None:
        self._errors = errors
        self._outcome = outcome
        self._name = (name or "").casefold()
        self._kind = kind
        self._text = (text or "").casefold()
        self._since = since
        self._until = until

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Selection:
        """Take what is given on a parsed command line; not all verbs have all of it."""
        since, until = times(options)
        return cls(
            errors=options.errors,
            outcome=options.outcome,
            name=options.name,
            kind=options.kind,
            text=getattr(options, "grep", None),
            since=since,
            until=until,
        )

    def __bool__(self) -> bool:
        """Whether anything is given."""
        given = self._errors, self._outcome, self._name, self._kind, self._text
        return any(given) or self._since is not None or self._until is not None

    def might(self, said: Said) -> bool:
        """Say whether a step of which so much is known may be asked for."""
        return (
            said.outcome != "missing"
            and (not self._errors or said.outcome in WENT_WRONG)
            and (not self._outcome or said.outcome == self._outcome)
            and (not self._kind or said.kind == self._kind)
        )

    def __call__(self, step: StepRecord) -> bool:
        """Say whether a step is asked for."""
        return self.takes(step) and (not self._text or _holds(step, self._text))

    def takes(self, step: Glance) -> bool:
        """Say so by a glance at the step: by all that is given but the text."""
        return (
            self.might(Said(step.kind, step.outcome))
            and (self._since is None or step.started_at >= self._since)
            and (self._until is None or step.started_at < self._until)
            and (not self._name or is_named(step.name, self._name))
        )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """
    Add all options that choose steps.

    Args:
        parser: The parser of a verb.
    """
    add_outcomes(parser)
    add_names(parser)
    parser.add_argument(
        "--grep", metavar="TEXT", help="only steps that recorded this text, anywhere"
    )
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
        help=f"only {what} that ended so: {', '.join(ASKED)}",
    )


def add_names(parser: argparse.ArgumentParser) -> None:
    """
    Add the options that choose steps by their names and kinds.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help="only steps of this name: a shell pattern ('fetch_*') or a part of it",
    )
    parser.add_argument(
        "--kind", metavar="K", help="only steps of this kind: llm, tool, agent, ..."
    )


def add_times(
    parser: argparse.ArgumentParser, what: str = "steps", were: str = "started"
) -> None:
    """
    Add the options that choose by time.

    Args:
        parser: The parser of a verb.
        what: What is chosen.
        were: What it did in the time that is asked for.
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
        msg = "--until has to be later than --since: no time lies between them."
        raise UsageError(msg)
    return since, until


def meant_kind(kind: str | None) -> str:
    """
    Suggest the kind that is most like one that is none of ours.

    Args:
        kind: What is asked for.

    Returns:
        A question to be put behind a sentence, or nothing.
    """
    return "" if not kind or kind in KINDS else did_you_mean(kind.lower(), KINDS)


def is_named(name: str, pattern: str) -> bool:
    """
    Tell whether a name fits a shell pattern, or has it as a part.

    Args:
        name: The name of a step.
        pattern: What is asked for, casefolded.
    """
    name = name.casefold()
    if any(sign in pattern for sign in _WILD):
        return fnmatchcase(name, pattern)
    return pattern in name


def _holds(step: StepRecord, text: str) -> bool:
    recorded = [
        step.name,
        step.function,
        step.error,
        step.traceback,
        step.context,
        step.logs,
        step.result,
    ]
    return any(text in leaf.casefold() for leaf in _leaves(recorded))


def _leaves(value: object) -> Iterator[str]:
    # By hand and not by recursion: a hostile file nests as deep as it likes.
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        else:
            yield str(item)
