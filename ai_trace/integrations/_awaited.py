"""
Ends the steps of what a task no longer awaits, where the framework does not report it.

When a task is cancelled, many frameworks say nothing: what was awaited is just gone.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable
from weakref import WeakKeyDictionary, WeakSet

from ai_trace.integrations._foreign_step import ForeignStep, hook


_IS_LEFT, _WATCHED = "is_left", "watched"

_awaited: WeakKeyDictionary[asyncio.Task[Any], WeakSet[ForeignStep]] = (
    WeakKeyDictionary()
)


def watch(
    step: ForeignStep, is_left: Callable[[ForeignStep], bool] = ForeignStep.is_open
) -> bool:
    """
    End a step with the task that runs here, if nothing else ends it.

    Args:
        step: A step that has just begun; outside a task, nothing is done.
        is_left: Asked once, when the task has ended and the step has not: whether
            nothing else will end it.

    Returns:
        Whether a task runs here.
    """
    task = _here()
    if task is None:
        return False
    step.facts[_IS_LEFT] = is_left
    steps = _awaited.get(task)
    if steps is None:
        # One callback for all steps of a task, which may run as long as the program.
        steps = _awaited[task] = WeakSet()
        task.add_done_callback(_leave)
    steps.add(step)
    step.facts[_WATCHED] = steps
    return True


def outlives_its_task(step: ForeignStep) -> None:
    """
    Do not end a step with the task that began it.

    Args:
        step: One whose framework has handed something on, and may go on in another
            task.
    """
    watched = step.facts.pop(_WATCHED, None)
    if watched is not None:
        watched.discard(step)


def _here() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


@hook
def _leave(task: asyncio.Task[Any]) -> None:
    for step in list(_awaited.pop(task, ())):
        if step.is_open() and step.facts[_IS_LEFT](step):
            step.end("cancelled" if task.cancelled() else "closed")
