"""
What a generator yielded: all items counted, the first ones kept.
"""

from __future__ import annotations

from typing import Any

from ai_trace._capture import Captured
from ai_trace._live_step import LiveStep
from ai_trace._outcome import outcome_of


_MAX_KEPT = 100
# More characters than the keys and brackets around the items take.
_FIXED = 64


class Items:
    """
    The items of one generator's step, and how the step ends.

    Args:
        step: The generator's step.
        shown: Whether items are kept, or only counted.
    """

    __slots__ = ("_closing", "_count", "_kept", "_room", "_shown", "_step")

    def __init__(self, step: LiveStep, *, shown: bool) -> None:
        self._step = step
        self._shown = shown
        self._count = 0
        # With its notes: the record has none on an item that it does not hold.
        self._kept: list[Captured] = []
        # There is none any more once so many are kept as there may be.
        self._room = step.recorder.capture.limits.value_bytes if shown else 0
        self._closing = False

    def add(self, item: Any) -> None:
        """Count an item, and capture it as it is now while there is room."""
        self._count += 1
        if self._room > 0:
            try:
                path = f"$.result.items[{self._count - 1}]"
                captured = self._step.captured(item, path, self._room)
            except RecursionError:
                # The items before it are kept, and that there are more is said.
                self._room = 0
                return
            self._kept.append(captured)
            is_full = len(self._kept) == _MAX_KEPT
            self._room = 0 if is_full else self._room - len(captured.text)

    def thrown(self, exc: BaseException, *, in_loop: bool = False) -> None:
        """
        Remember whether what was thrown into the generator closes it.

        An async generator that is dropped is closed by a task of its own; when
        the event loop ends first, it cancels that task, and the generator sees a
        cancellation that was never raised anywhere: it has no traceback but ours.

        Args:
            exc: What was thrown in at a ``yield``.
            in_loop: Whether the generator is an async one.
        """
        fresh = exc.__traceback__ is not None and exc.__traceback__.tb_next is None
        outcome = outcome_of(exc)
        self._closing = outcome == "closed" or (
            in_loop and fresh and outcome == "cancelled"
        )

    def returned(self, value: Any) -> None:
        """End the step: the generator came to its end."""
        self._give_result(value)
        self._step._end("closed" if self._closing else "ok")

    def raised(self, exc: BaseException) -> None:
        """End the step: an exception came out of the generator."""
        self._give_result(None)
        outcome = outcome_of(exc)
        if outcome == "closed" or (self._closing and outcome == "cancelled"):
            self._step._end("closed")
        else:
            self._step._end_by(exc)

    def _give_result(self, returned: Any) -> None:
        """Make the result, unless the body has set one of its own."""
        if self._step.has_result:
            return
        parts = [f'"count":{self._count}']
        if self._shown:
            room = self._step.result_room() - _FIXED
            texts = [each.text for each in self._kept]
            while texts and sum(map(len, texts)) + len(texts) > room:
                texts.pop()
            parts.append(f'"items":[{",".join(texts)}]')
            if self._count > len(texts):
                cut = {"items": self._count, "kept": len(texts)}
                self._step.note("$.result.items", "truncated", **cut)
            for each in self._kept[: len(texts)]:
                self._step.add_notes(each.notes)
            if returned is not None:
                room = self._step.result_room() - sum(map(len, parts)) - _FIXED
                text, notes = self._step.captured(returned, "$.result.returned", room)
                self._step.add_notes(notes)
                parts.append(f'"returned":{text}')
        self._step.give_result_text("{" + ",".join(parts) + "}")
