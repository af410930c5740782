"""
A step as the program sees it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from typing_extensions import Self

from ai_trace.typing import Outcome


class Step:
    """
    One decision unit: what it saw, what it logged, how it ended.

    Made by ``tracer.step()`` or ``step()``. Use it as a context manager, plain or
    async, or by hand with ``start()`` and ``finish()`` or ``fail()``. All methods
    that change it return the step, and none of them raises.

    Where no tracer is current, ``step()`` gives a plain one of these, which does
    nothing and keeps nothing; a tracer gives one that records.

    Attributes:
        name: What the step is called.
        kind: What sort of step it is.
        id: 16 hex digits, once started.
        parent_id: The step that it was made in; ``None`` for a root.
        trace_id: 32 hex digits, shared by a root and all below it.
        outcome: How it ended; ``None`` while it is open.
        error: What went wrong, or ``None``.

    Example:
        >>> from ai_trace import Tracer
        >>> tracer = Tracer("agent", auto_save=False)
        >>> with tracer.step("decide", signal=0.87) as step:
        ...     _ = step.log(action="BUY", reason="volume spike")
        >>> step.outcome
        'ok'
    """

    __slots__ = ()

    name: str = ""
    kind: str = "step"
    id: str = ""
    parent_id: str | None = None
    trace_id: str = ""
    outcome: str | None = None
    error: str | None = None

    # -- what can be read ----------------------------------------------------

    @property
    def context(self) -> dict[str, Any]:
        """What the step saw when it was made."""
        return {}

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The log entries so far; ``_t`` is epoch seconds."""
        return []

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds, once it has ended."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the step so far, in the form of its record."""
        return {}

    # -- from start to end ---------------------------------------------------

    def start(self) -> Self:
        """
        Start the step by hand, below whatever step is current.

        It does not become the current step; ``with`` does that.

        Returns:
            The step.
        """
        return self

    def log(self, /, **fields: Any) -> Self:
        """
        Add one entry, stamped with the time; values are captured at once.

        Args:
            fields: What to say, by name.

        Returns:
            The step.
        """
        return self

    def set_result(self, value: Any) -> Self:
        """
        Record a result; it is preferred to the return value of a traced function.

        Args:
            value: Anything; it is captured at once.

        Returns:
            The step.
        """
        return self

    def finish(self, outcome: Outcome = "ok") -> Self:
        """
        End the step by hand.

        Args:
            outcome: ``ok``, ``error``, ``cancelled``, ``closed`` or ``interrupted``.

        Returns:
            The step.
        """
        return self

    def fail(self, reason: object = None) -> Self:
        """
        End the step by hand with outcome ``error``.

        Args:
            reason: What went wrong: text, or the exception itself.

        Returns:
            The step.
        """
        return self

    # -- the current step ----------------------------------------------------

    def __enter__(self) -> Self:
        """Start the step and make it the current one."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the step by how the block ended; the exception goes on."""

    async def __aenter__(self) -> Self:
        """Start the step and make it the current one."""
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the step by how the block ended; the exception goes on."""
        self.__exit__(exc_type, exc, traceback)

    def __copy__(self) -> Self:
        """Return the step itself: what holds it may be copied, a step may not."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the step itself."""
        return self

    def __repr__(self) -> str:
        """Say that nothing is recorded."""
        return "<Step that is not recorded>"


NO_STEP = Step()
"""What ``step()`` gives where no tracer is current: one for all."""
