"""
Which steps of a session are asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase

from ai_trace._record import OUTCOMES, StepRecord
from ai_trace._tree import Said
from ai_trace.cli._moment import FORMS, moment


WENT_WRONG = ("error", "interrupted", "unfinished")
_ASKED = (*OUTCOMES, "running", "unfinished")
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
        """Take what is given on a parsed command line."""
        return cls(
            errors=options.errors,
            outcome=options.outcome,
            name=options.name,
            kind=options.kind,
            text=options.grep,
            since=options.since,
            until=options.until,
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
        return (
            self.might(Said(step.kind, step.outcome))
            and (self._since is None or step.started_at >= self._since)
            and (self._until is None or step.started_at < self._until)
            and (not self._name or is_named(step.name, self._name))
            and (not self._text or _holds(step, self._text))
        )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """
    Add the options that choose steps.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--errors",
        action="store_true",
        help=f"only steps that went wrong: {', '.join(WENT_WRONG)}",
    )
    parser.add_argument(
        "--outcome",
        metavar="O",
        choices=_ASKED,
        help=f"only steps that ended so: {', '.join(_ASKED)}",
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help="only steps of this name: a shell pattern ('fetch_*') or a part of it",
    )
    parser.add_argument(
        "--kind", metavar="K", help="only steps of this kind: llm, tool, agent, ..."
    )
    parser.add_argument(
        "--grep", metavar="TEXT", help="only steps that recorded this text, anywhere"
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=moment,
        help=f"only steps that started then or later: {FORMS}",
    )
    parser.add_argument(
        "--until",
        metavar="WHEN",
        type=moment,
        help="only steps that started before then",
    )


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
