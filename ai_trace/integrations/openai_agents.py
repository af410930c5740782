"""
Makes steps from the runs of the OpenAI Agents SDK.

Needs the extra ``openai-agents``::

    pip install 'ai-decision-tracer[openai-agents]>=1'
"""

from __future__ import annotations

import re
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ai_trace.integrations import _prices
from ai_trace.integrations._agents_spans import FOLDED, content_of
from ai_trace.integrations._foreign_step import ForeignStep, begin, hook, look_for
from ai_trace.integrations._installed import check_version, missing
from ai_trace.integrations._wire import present


try:
    from agents.tracing import (
        Span,
        Trace,
        TracingProcessor,
        get_current_span,
        get_current_trace,
    )
except ImportError as exc:
    error = missing("openai-agents", "openai-agents")
    raise error from exc


_TRACE_ID = re.compile(r"trace_([0-9a-f]{32})")
# What a step remembers of a trace that has no step, as when a run is resumed.
_TRACE = "trace"

# Only the tracers hold the steps: those that have ended are gone from here.
_open: WeakValueDictionary[str, ForeignStep] = WeakValueDictionary()
# What has ended may still be current, in a task that goes on after it.
_over: WeakKeyDictionary[Trace | Span[Any], ForeignStep] = WeakKeyDictionary()


class OpenAIAgentsSteps(TracingProcessor):
    """
    Records traces and spans of the SDK as steps of the tracer that is current.

    A trace is a step; below it are agents, calls of models (``llm``), functions
    (``tool``), guardrails and handoffs. The SDK's spans for each run and each turn are
    folded away: their contents go below the agent. Steps made in a tool go below that
    tool.

    Pass it to ``agents.add_trace_processor``; or in a list to
    ``agents.set_trace_processors``, which also stops the SDK from sending its traces to
    OpenAI.

    Example:
        >>> from agents import set_trace_processors, trace
        >>> from ai_trace import testing
        >>> set_trace_processors([OpenAIAgentsSteps()])
        >>> with testing.capture() as steps, trace("Support"):
        ...     pass
        >>> steps.names
        ['Support']
    """

    def __init__(self) -> None:
        check_version("openai-agents", (0, 24), (1,))
        _prices.load()
        look_for(_current)

    @hook
    def on_trace_start(self, trace: Trace) -> None:
        """Start a step; called by the SDK."""
        if trace.trace_id in _open:
            return
        facts = trace.export() or {}
        context = present(
            trace_id=trace.trace_id,
            group_id=facts.get("group_id"),
            metadata=facts.get("metadata"),
        )
        step = begin(trace.name, "step", context, trace_id=_hex_of(trace.trace_id))
        if step is not None:
            _open[trace.trace_id] = step

    @hook
    def on_trace_end(self, trace: Trace) -> None:
        """Finish the step; called by the SDK."""
        step = _open.pop(trace.trace_id, None)
        if step is not None:
            _over[trace] = step
            step.end_as_left(step.left_by())

    @hook
    def on_span_start(self, span: Span[Any]) -> None:
        """Start a step; called by the SDK."""
        if span.span_id in _open:
            return
        above = _parent_of(span)
        if span.span_data.type in FOLDED:
            step = above
        else:
            what = content_of(span.span_data)
            trace = {} if above is not None else {"trace_id": span.trace_id}
            step = begin(
                what.name,
                what.kind,
                {**what.context, **trace},
                below=above,
                trace_id=_hex_of(span.trace_id),
            )
            if step is not None:
                step.facts[_TRACE] = trace
        if step is not None:
            _open[span.span_id] = step

    @hook
    def on_span_end(self, span: Span[Any]) -> None:
        """Finish the step; called by the SDK."""
        step = _open.pop(span.span_id, None)
        if step is not None:
            _over[span] = step
        if step is None or span.span_data.type in FOLDED or not step.is_open():
            return
        passing = step.left_by()
        try:
            what = content_of(span.span_data)
            step.retell(what.name, what.kind, {**what.context, **step.facts[_TRACE]})
            if what.result is not None:
                step.set_result(what.result)
        finally:
            if span.error is not None:
                step.end("error", _error_text(span.error))
            else:
                step.end_as_left(passing)

    def shutdown(self) -> None:
        """Do nothing: every step that has ended is written already."""

    def force_flush(self) -> None:
        """Do nothing: every step that has ended is written already."""


def _hex_of(trace_id: str) -> str:
    found = _TRACE_ID.fullmatch(trace_id)
    return found[1] if found else ""


def _parent_of(span: Span[Any]) -> ForeignStep | None:
    """Return the step of the span that the SDK names as the parent, or of the trace."""
    step = _open.get(span.parent_id or "")
    held = get_current_span() if step is None else None
    if held is not None and held.span_id == span.parent_id:
        step = _over.get(held)
    return step or _open.get(span.trace_id)


def _current() -> ForeignStep | None:
    if not _open and not _over:
        return None
    span = get_current_span()
    step = None if span is None else _open.get(span.span_id) or _over.get(span)
    if step is not None:
        return step
    trace = get_current_trace()
    return None if trace is None else _open.get(trace.trace_id) or _over.get(trace)


def _error_text(error: Any) -> str:
    data = error.get("data") or {}
    more = data.get("error") or data
    return f"{error.get('message')}: {more}" if more else str(error.get("message"))
