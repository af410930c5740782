"""
Where we are: the one context variable, and the process-wide fallback.

Everything that sets the variable restores the value it found with a plain
``set``. Tokens are never used: they may only be reset in the context that made
them, which generators and tasks that end elsewhere cannot promise.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Callable, Protocol, TypeVar

from ai_trace._losses import Losses


T = TypeVar("T")


class AtLimit(Protocol):
    """
    What a tracer offers to a call that has no room left on the stack.

    Attributes only: there a property, which runs as a function, would raise.

    Attributes:
        at_limit: Counts the call, in C.
    """

    at_limit: Callable[[], int]


class Closable(AtLimit, Protocol):
    """
    What a block of a tracer has to know of it.
    """

    closed: bool


class Place(Protocol):
    """
    Where the next step will stand: in a step, or in a tracer, whose steps are roots.
    """

    @property
    def recorder(self) -> AtLimit:
        """The tracer that records here."""
        ...

    @property
    def id(self) -> str | None:
        """The parent of the next step; ``None`` in a tracer."""

    @property
    def trace_id(self) -> str | None:
        """The trace of the next step; ``None`` in a tracer."""

    def is_over(self) -> bool:
        """Tell whether this place has ended without having been left."""
        ...

    def give_back(self) -> Place | None:
        """Return the place that was current before this one, for good."""
        ...


class Block:
    """
    The place in a block of a tracer: what is made there is a root step.

    Each block has its own, for a tracer may be entered in several contexts at once.

    Args:
        recorder: The tracer.
        before: The place that was current before.
    """

    __slots__ = ("_before", "_is_left", "recorder")

    id = None
    trace_id = None

    def __init__(self, recorder: Closable, before: Place | None) -> None:
        self.recorder = recorder
        self._before = before
        self._is_left = False

    def is_over(self) -> bool:
        """Tell whether the tracer was closed without the block having been left."""
        return self.recorder.closed and not self._is_left

    def give_back(self) -> Place | None:
        """Return the place that was current before the block, for good."""
        self._is_left = True
        return self._before


class Unrecorded:
    """
    The place inside a sink or a redactor: what is traced there is counted only.

    Without it one that is itself traced would be called for its own steps.

    Args:
        what: What runs there, such as ``a sink``.
        losses: Counts what is lost there.
    """

    id = None
    trace_id = None

    def __init__(self, what: str, losses: Losses) -> None:
        self.why = f"it was made inside {what}"
        self.losses = losses
        self.recorder = self
        self.at_limit = losses.at_limit

    def refuse(self) -> None:
        """Count a step that was made there."""
        self.losses.count("step", f"not recorded: {self.why}")

    def run(self, function: Callable[..., T], *given: object) -> T:
        """Call a function there."""
        before = get_current()
        set_current(self)
        try:
            return function(*given)
        finally:
            set_current(before)

    def is_over(self) -> bool:
        """Return that it is not: it is always left in order."""
        return False

    def give_back(self) -> Place | None:
        """Return nothing."""
        return None


_current: ContextVar[Place | None] = ContextVar("ai_trace_current", default=None)

# Looked up once: by way of the variable each use takes 60 ns instead of 20 ns, and a
# step has five.
get_current = _current.get
set_current = _current.set

active: Place | None = None
"""The activated tracer; see ``Tracer.activate``."""

orphans_unsaid = False
"""Whether a tracer exists, and nobody was told yet that a call found none."""

_orphans_said = False


inner: Callable[[Place | None], Place | None] | None = None
"""Finds what a framework has open inside a place; see ``integrations``."""


def here() -> Place | None:
    """Return the current place, or the activated tracer, or ``None``."""
    place = get_current() or active
    return place if inner is None else inner(place)


def activate(place: Place | None) -> None:
    """Make a place the fallback of the whole process."""
    global active
    active = place


def watch_orphans() -> None:
    """Ask to be told once of a call that finds no tracer though one exists."""
    global orphans_unsaid
    orphans_unsaid = not _orphans_said


def stop_watching_orphans(*, said: bool) -> None:
    """Ask no more: until the next tracer, or, once it was said, for good."""
    global orphans_unsaid, _orphans_said
    orphans_unsaid = False
    _orphans_said = _orphans_said or said
