"""
The tracers of this process: closed at its end, renewed in a forked child.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from ai_trace._ids import RandomIds
from ai_trace.sinks._patience import Patience


if TYPE_CHECKING:
    from ai_trace._recorder import Recorder

_EXIT_SECONDS = 1.5

# Plain references instead of a WeakSet, whose entries are taken out by Python code as a
# tracer dies: where the stack is full, that prints an error into the program.
_made: set[weakref.ref[Recorder]] = set()


def live_tracers() -> list[Recorder]:
    """List the tracers of this process that somebody still holds."""
    return [tracer for made in list(_made) if (tracer := made()) is not None]


def remember(tracer: Recorder) -> None:
    """Keep track of a tracer for as long as somebody holds it."""
    for made in list(_made):
        if made() is None:
            _made.discard(made)
    _made.add(weakref.ref(tracer))


def _close_all() -> None:
    patience = Patience(_EXIT_SECONDS)
    for tracer in live_tracers():
        tracer.dispatch.hurry(patience)
        tracer.close()


def _after_fork() -> None:
    for tracer in live_tracers():
        tracer.after_fork()
        if isinstance(tracer.ids, RandomIds):
            tracer.ids.after_fork()
    # A child of multiprocessing ends by os._exit: nothing of atexit is called there.
    multiprocessing: Any = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        multiprocessing.register_after_fork(_made, _close_at_its_end)


def _close_at_its_end(_: object) -> None:
    """Close the tracers of a child when multiprocessing ends it, after all else."""
    sys.modules["multiprocessing.util"].Finalize(None, _close_all, exitpriority=-100)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
