"""
Which steps of a session are asked for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase

from ai_trace._record import StepRecord
from ai_trace._tree import Said


WENT_WRONG = ("error", "interrupted", "unfinished")
_WILD = "*?["


class Selection:
    """
    What a step has to meet to be shown: everything that is given.

    Args:
        errors: Only steps that went wrong.
        name: A shell pattern for the name, or a part of it.
        kind: The kind.
        text: What stands in anything that the step recorded.

    In names and text, upper and lower case are the same.
    """

    def __init__(
        self,
        *,
        errors: bool = False,
        name: str | None = None,
        kind: str | None = None,
        text: str | None = None,
    ) -> None:
        self._errors = errors
        self._name = (name or "").casefold()
        self._kind = kind
        self._text = (text or "").casefold()

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Selection:
        """Take what is given on a parsed command line."""
        return cls(
            errors=options.errors,
            name=options.name,
            kind=options.kind,
            text=options.grep,
        )

    def __bool__(self) -> bool:
        """Whether anything is given."""
        return bool(self._errors or self._name or self._kind or self._text)

    def might(self, said: Said) -> bool:
        """Say whether a step of which so much is known may be asked for."""
        return (
            said.outcome != "missing"
            and (not self._errors or said.outcome in WENT_WRONG)
            and (not self._kind or said.kind == self._kind)
        )

    def __call__(self, step: StepRecord) -> bool:
        """Say whether a step is asked for."""
        return (
            self.might(Said(step.kind, step.outcome))
            and (not self._name or _matches(step.name.casefold(), self._name))
            and (not self._text or _holds(step, self._text))
        )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """
    Add the options that choose steps.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--errors", action="store_true", help="only steps that went wrong"
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


def _matches(name: str, pattern: str) -> bool:
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
