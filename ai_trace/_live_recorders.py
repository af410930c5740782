"""
The recorders of this process: closed at its end, renewed in a forked child.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from ai_trace._losses import program_ends
from ai_trace._uncaught import uncaught
from ai_trace.sinks._patience import Patience


if TYPE_CHECKING:
    from ai_trace._recorder import Recorder

_EXIT_SECONDS = 1.5

# Plain references, not a WeakSet: that runs Python code as a recorder dies, and where
# the stack is full, an error would be printed into the program's output.
_made: set[weakref.ref[Recorder]] = set()

_asked = False
_at_its_end: Any = None


def live_recorders() -> list[Recorder]:
    """List the recorders of this process that somebody still holds."""
    return [recorder for made in list(_made) if (recorder := made()) is not None]


def remember(recorder: Recorder) -> None:
    """Keep track of a recorder for as long as somebody holds it."""
    _made.difference_update([made for made in list(_made) if made() is None])
    _made.add(weakref.ref(recorder))
    _ask_multiprocessing()


def _close_all() -> None:
    program_ends()
    patience = Patience(_EXIT_SECONDS)
    exc = uncaught()
    with ExitStack() as last_things:
        for recorder in live_recorders():
            last_things.callback(_close, recorder, patience, exc)


def _close(recorder: Recorder, patience: Patience, exc: BaseException | None) -> None:
    recorder.dispatch.hurry(patience)
    end = recorder.tracer.close
    if exc is not None:
        end = partial(recorder.tracer.__exit__, type(exc), exc, None)
    try:
        # The tracer's class may be the program's own, and fail.
        recorder.dispatch.fenced("close", end, None)
    finally:
        recorder.close()


def _after_fork() -> None:
    for recorder in live_recorders():
        recorder.after_fork()
    _ask_multiprocessing()


def _ask_multiprocessing() -> None:
    """
    Have multiprocessing close the tracers of this child, or of those forked later.

    It ends most children by ``os._exit``, which calls nothing that atexit was given.
    """
    global _asked
    module: Any = sys.modules.get("multiprocessing.util")
    if not hasattr(module, "Finalize"):
        # It is not imported, or not yet to the end.
        return
    if not _asked:
        module.register_after_fork(_made, _close_at_its_end)
        _asked = True
    if sys.modules["multiprocessing.process"].parent_process() is not None:
        _close_at_its_end(None)


def _close_at_its_end(_: object) -> None:
    """Close the tracers of a child when multiprocessing ends it, after all else."""
    global _at_its_end
    how = sys.modules["multiprocessing"].get_start_method(allow_none=True)
    # A child that was started in another way ends later, as other programs do.
    asked = _at_its_end is not None and _at_its_end.still_active()
    if how in ("fork", "forkserver") and not asked:
        module: Any = sys.modules["multiprocessing.util"]
        _at_its_end = module.Finalize(None, _close_all, exitpriority=-100)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
