"""
The arguments of a tracer: refused in full sentences, or put into shape.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

from ai_trace._capture import Capture
from ai_trace._context import Unrecorded, get_current
from ai_trace._dispatch import check_sink
from ai_trace._header import SessionHeader
from ai_trace._interruption import interrupts
from ai_trace._limits import Limits
from ai_trace._losses import Losses
from ai_trace._objects import short_name
from ai_trace._outcome import message_of
from ai_trace._redact import Redaction
from ai_trace._sources import SOURCES
from ai_trace._version import __version__
from ai_trace.exceptions import TraceConfigError
from ai_trace.typing import Sink


_CALLED = {"clock": "a clock", "ids": "a source of ids"}


def check_arguments(agent: object, meta: object, limits: object) -> None:
    """Refuse an agent, meta or limits of the wrong type."""
    if not isinstance(agent, str) or not agent.strip():
        msg = (
            f"Tracer(agent={agent!r}): the agent's name is text that is not empty, "
            'because files are named after it. Give one, such as "trading_agent".'
        )
        raise TraceConfigError(msg)
    if meta is not None and not isinstance(meta, Mapping):
        msg = (
            f"Tracer(meta={meta!r}): meta is a mapping of names to values. Give a "
            'dictionary, such as {"model": "claude-haiku-4-5"}.'
        )
        raise TraceConfigError(msg)
    if limits is not None and not isinstance(limits, Limits):
        msg = f"Tracer(limits={limits!r}): give a Limits object, or leave it out."
        raise TraceConfigError(msg)


def with_text_keys(meta: Mapping[Any, Any]) -> dict[str, Any]:
    """Return meta with its keys as text; refuse what cannot be read."""
    try:
        return {str(key): value for key, value in meta.items()}
    except Exception as exc:
        if interrupts(exc):
            raise
        msg = (
            f"Tracer(meta=...): it cannot be read: {message_of(exc)} "
            f"({short_name(type(exc))}). Give a dictionary whose keys are text."
        )
        raise TraceConfigError(msg) from exc


def source_apart(name: str, given: Any, losses: Losses) -> Any:
    """
    Return a clock or a source of ids, if one is given, whose steps are not recorded.

    It would be asked for the moments and the ids of its own steps, without end.

    Args:
        name: The argument's name.
        given: The argument.
        losses: Counts the steps that it makes.
    """
    if given is None:
        return None
    inside = Unrecorded(_CALLED[name], losses)
    methods = {m: partial(inside.run, getattr(given, m)) for m in SOURCES[name]}
    return SimpleNamespace(**methods)


def redaction_of(redact: object, losses: Losses) -> Redaction | None:
    """
    Return what to take out: as given, by a function, by default, or nothing.

    Args:
        redact: The argument.
        losses: Counts the steps that the program's own function makes.
    """
    if redact is True:
        return Redaction()
    if redact is False:
        return None
    if isinstance(redact, Redaction):
        return _apart(redact, Unrecorded("a redactor", losses))
    if callable(redact):
        return redaction_of(Redaction(replace=redact), losses)
    msg = (
        f"Tracer(redact={redact!r}): give True, False, a Redaction, or a function of a "
        "path and a value that returns what to record."
    )
    raise TraceConfigError(msg)


def _apart(redaction: Redaction, inside: Unrecorded) -> Redaction:
    """
    Return what to take out, so that no step of the program's function is recorded.

    The function would be called for the values of its own steps, without end.
    """
    replace = redaction.replace
    if replace is None:
        return redaction

    def replace_apart(path: str, value: Any) -> Any:
        if get_current() is inside:
            # It has made a step of its own: the values of that are hidden, unseen.
            raise RecursionError
        return inside.run(replace, path, value)

    own = copy.copy(redaction)
    own.replace = replace_apart
    return own


def checked_sinks(sinks: Iterable[Sink]) -> list[Sink]:
    """Return the sinks as a list; refuse what is not a sink."""
    try:
        found = list(sinks)
    except TypeError:
        msg = f"Tracer(sinks={sinks!r}): sinks is a list of sinks. Put it in brackets."
        raise TraceConfigError(msg) from None
    for sink in found:
        check_sink(sink)
    return found


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "")


def header_of(
    agent: str,
    session_id: str,
    meta: dict[str, Any],
    capture: Capture,
    started_at: float,
    losses: Losses,
) -> SessionHeader:
    """Describe the session; meta is captured now, as it is."""
    text, notes = capture.fields(meta, "$.meta")
    for note in notes:
        # A header has no notes, and of what was taken out, the text says so.
        if note["note"] == "truncated":
            losses.count("meta", "truncated")
    return SessionHeader(
        agent=capture.text(agent, "$.agent")[0],
        session_id=session_id,
        meta=json.loads(text),
        pid=os.getpid(),
        host=_host(),
        python=".".join(map(str, sys.version_info[:3])),
        version=__version__,
        started_at=started_at,
    )
