"""
Which steps of a session are wanted.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ai_trace._glance import Glance
from ai_trace._record import KINDS
from ai_trace._tree import Said, Session
from ai_trace.cli._criteria import WENT_WRONG, times
from ai_trace.cli._grep import Grep
from ai_trace.cli._words import did_you_mean


_WILD = "*?["
# A suggestion compares what was typed with each of the names.
_NAMES = 10_000


class Selection:
    """
    The conditions that a step has to meet to be shown: all that are given.

    Args:
        errors: Only steps that went wrong.
        outcome: How the step ended.
        name: A shell pattern for the name, or a part of it.
        kind: The kind.
        text: A text that stands anywhere in what the step recorded.
        since: Epoch seconds; the step started then or later.
        until: Epoch seconds; the step started before.

    Upper and lower case make no difference in names and text.
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
        self._grep = Grep(text or "")
        self._times = (
            -math.inf if since is None else since,
            math.inf if until is None else until,
        )
        self._is_met = False
        self._other_names: set[str] = set()

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Selection:
        """Take the conditions from a parsed command line; not every verb has all."""
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
        """Tell whether there is any condition."""
        given = self._errors, self._outcome, self._name, self._kind, self._grep
        return any(given) or self._times != (-math.inf, math.inf)

    def possible(self, session: Session) -> Sequence[int]:
        """Tell which steps of a session may be wanted; see ``Session.possible``."""
        return session.possible(self._might, *self._times)

    def __call__(self, step: Glance) -> bool:
        """Tell whether a step is wanted."""
        since, until = self._times
        might = self._might(Said(step.kind, step.outcome, step.name))
        return might and since <= step.started_at < until and self._grep(step)

    def meant(self) -> str:
        """
        Suggest what may have been meant, if no step is wanted.

        Returns:
            A question to be put after a sentence; empty where the kind exists and a
            step that was looked at has the name.
        """
        kind = self._kind
        if kind and kind not in KINDS:
            return did_you_mean(kind.lower(), KINDS)
        is_unknown = self._name and not self._is_met
        return did_you_mean(self._name, sorted(self._other_names)) if is_unknown else ""

    def _might(self, said: Said) -> bool:
        """Tell whether a step of which this is known may be wanted."""
        return (
            said.outcome != "missing"
            and (not self._name or said.name is None or self._takes_name(said.name))
            and (not self._errors or said.outcome in WENT_WRONG)
            and (not self._outcome or said.outcome == self._outcome)
            and (not self._kind or said.kind == self._kind)
        )

    def _takes_name(self, name: str) -> bool:
        if _is_named(name, self._name):
            self._is_met = True
            return True
        if len(self._other_names) < _NAMES:
            self._other_names.add(name)
        return False


def _is_named(name: str, pattern: str) -> bool:
    """
    Tell whether a name matches a shell pattern, or contains it.

    Args:
        name: The name of a step.
        pattern: The pattern, casefolded.
    """
    name = name.casefold()
    if any(sign in pattern for sign in _WILD):
        return fnmatchcase(name, pattern)
    return pattern in name
