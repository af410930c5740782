"""
Records what ended a session whose program raised between two steps.
"""

from __future__ import annotations

from ai_trace._context import Block, get_current, set_current
from ai_trace._live_step import LiveStep
from ai_trace._outcome import ends_well
from ai_trace._recorder import Recorder


_NAME = "end of session"
_BY = "ai_trace.Tracer.__exit__"


def record_end(recorder: Recorder, exc: BaseException) -> None:
    """
    Record what ends a session, unless one of its root steps has ended with it.

    Otherwise the session would look as if all had gone well.

    Args:
        recorder: The session's.
        exc: What leaves the block of its tracer.
    """
    if recorder.closed or recorder.muted or ends_well(exc):
        return
    recorder.dispatch.fenced("end of session", lambda: _tell(recorder, exc), None)


def _tell(recorder: Recorder, exc: BaseException) -> None:
    if recorder.told.knows(exc):
        return
    before = get_current()
    # This makes it a root, whatever was entered here and never left.
    set_current(Block(recorder, None))
    try:
        LiveStep(recorder, _NAME, {}, function=_BY).start()._end_by(exc)
    finally:
        set_current(before)
