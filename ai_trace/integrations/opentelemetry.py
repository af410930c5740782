"""
Makes steps from the spans of any library instrumented with OpenTelemetry.

Needs the extra ``otel``: ``pip install 'ai-decision-tracer[otel]>=1'``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ai_trace._outcome import outcome_of
from ai_trace.integrations import _genai, _openinference, _prices
from ai_trace.integrations._call import in_flight
from ai_trace.integrations._foreign_step import ForeignStep, begin, hook, look_for
from ai_trace.integrations._hooked_calls import SpanContent
from ai_trace.integrations._installed import check_version, missing


try:
    from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
    from opentelemetry.trace import Span as AnySpan
    from opentelemetry.trace import SpanContext, StatusCode, get_current_span
except ImportError as exc:
    error = missing("opentelemetry-sdk", "otel")
    raise error from exc


_NANO = 1e9

# Only the tracers hold the steps: those that have ended are gone from here.
_open: WeakValueDictionary[int, ForeignStep] = WeakValueDictionary()
# A span that has ended may still be current, in a task that goes on after it.
_places: WeakKeyDictionary[AnySpan, ForeignStep] = WeakKeyDictionary()


class OpenTelemetrySteps(SpanProcessor):
    """
    Records each span as a step of the tracer that is current where it starts.

    Register it with the tracer provider of your program. A span with GenAI attributes
    becomes an ``llm``, ``embedding``, ``tool``, ``agent`` or ``retrieval`` step, any
    other span a plain step. Steps inside spans and spans inside steps keep their
    parents. A span's id becomes the step's id; the trace id of a span without a parent
    becomes that of the step and of all steps below it.

    Nothing is kept of a span that is gone, nothing is sent anywhere, and nothing is
    recorded if no tracer is current.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from ai_trace import testing
        >>> provider = TracerProvider()
        >>> provider.add_span_processor(OpenTelemetrySteps())
        >>> with testing.capture() as steps:
        ...     with provider.get_tracer("shop").start_as_current_span("checkout"):
        ...         pass
        >>> steps.names
        ['checkout']
    """

    def __init__(self) -> None:
        check_version("opentelemetry-sdk", (1, 30), (2,))
        _prices.load()
        look_for(_current)

    @hook
    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Start a step; called by OpenTelemetry."""
        own = span.get_span_context()
        if own.span_id in _open:
            return
        what = _content_of(span)
        step = begin(
            what.name,
            what.kind,
            {**what.context, **_origin(span)},
            below=_step_of(get_current_span(parent_context)),
            step_id=f"{own.span_id:016x}",
            trace_id=f"{own.trace_id:032x}",
            at=span.start_time / _NANO if span.start_time else None,
        )
        if step is not None:
            _open[own.span_id] = _places[span] = step
            if _is_of_wrapped_client(what):
                step.is_told_by_client()

    @hook
    def on_end(self, span: ReadableSpan) -> None:
        """Finish the step; called by OpenTelemetry."""
        own = span.get_span_context()
        step = _open.pop(own.span_id, None) if own is not None else None
        if step is None or not step.is_open():
            return
        outcome = _how_it_was_left(step)
        error, traceback = None, None
        try:
            _tell(step, span)
            error, traceback = _add_events(step, span)
        finally:
            failed = span.status.status_code is StatusCode.ERROR
            step.end(
                "error" if failed else outcome,
                error,
                traceback,
                seconds=_seconds(span),
            )

    def shutdown(self) -> None:
        """Do nothing: every step that has ended is written already."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return at once: every step that has ended is written already."""
        return True


def _current() -> ForeignStep | None:
    return _step_of(get_current_span()) if _places else None


def _step_of(span: AnySpan) -> ForeignStep | None:
    """Return the step of a span, of which the program may hold the ids alone."""
    return _places.get(span) or _open.get(span.get_span_context().span_id)


def _is_of_wrapped_client(what: SpanContent) -> bool:
    """
    Tell whether a span begins inside a wrapped client, and is about the same call.

    Anthropic's client makes such spans of its own calls.
    """
    call = in_flight.get()
    if call is None:
        return False
    return (call.kind, call.model) == (what.kind, what.context.get("model"))


def _content_of(span: ReadableSpan) -> SpanContent:
    """Return the content of a span, in whichever convention it is written."""
    attributes = span.attributes or {}
    is_genai = attributes.get(_genai.OPERATION) in _genai.KINDS
    if _openinference.KIND in attributes and not is_genai:
        return _openinference.content_of(span.name, attributes)
    return _genai.content_of(span.name, attributes)


def _origin(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span says besides its attributes."""
    said: dict[str, Any] = {}
    scope = span.instrumentation_scope
    if scope is not None:
        said["scope"] = scope.name
    if span.parent is not None and span.parent.is_remote:
        said["remote_parent"] = _ids(span.parent)
    if span.links:
        said["links"] = [
            {**_ids(link.context), **(link.attributes or {})} for link in span.links
        ]
    return {"otel": said} if said else {}


def _ids(context: SpanContext) -> dict[str, str]:
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
    }


def _tell(step: ForeignStep, span: ReadableSpan) -> None:
    what = _content_of(span)
    step.retell(what.name, what.kind, {**what.context, **_origin(span)})
    if what.result is not None:
        step.set_result(what.result)
    _note_losses(step, span)


def _seconds(span: ReadableSpan) -> float | None:
    if span.start_time is None or span.end_time is None:
        return None
    return (span.end_time - span.start_time) / _NANO


def _note_losses(step: ForeignStep, span: ReadableSpan) -> None:
    """Note what OpenTelemetry's own limits have cut."""
    for path, count in (
        ("$.context", span.dropped_attributes),
        ("$.logs", span.dropped_events),
    ):
        if count:
            step.note(path, "lost", count=count)


def _add_events(step: ForeignStep, span: ReadableSpan) -> tuple[str | None, str | None]:
    """Log the span's events; return what went wrong, and the traceback."""
    events = list(span.events)
    failed = span.status.status_code is StatusCode.ERROR
    raised = [event for event in events if event.name == "exception"] if failed else []
    for event, times in _in_a_row(one for one in events if one not in raised[-1:]):
        said = {"event": event.name, **(event.attributes or {})}
        if times > 1:
            said["times"] = times
        step.log_at(event.timestamp / _NANO, said)
    if not failed:
        return None, None
    if not raised:
        return _error_of_status(span), None
    about = raised[-1].attributes or {}
    kind = str(about.get("exception.type") or "error").rpartition(".")[2]
    message = about.get("exception.message")
    traceback = about.get("exception.stacktrace")
    return (
        f"{kind}: {message}" if message else kind,
        traceback if type(traceback) is str else None,
    )


def _in_a_row(events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """
    Yield events, and how often each came in a row.

    Only events without attributes are put together: there is one for each chunk of a
    stream, and they would be most of the step.
    """
    for _, same in groupby(events, lambda one: id(one) if one.attributes else one.name):
        row = list(same)
        yield row[0], len(row)


def _error_of_status(span: ReadableSpan) -> str:
    kind = (span.attributes or {}).get("error.type")
    told_by_status = span.status.description or "error"
    return f"{kind}: {told_by_status}" if kind else told_by_status


def _how_it_was_left(step: ForeignStep) -> str:
    """
    Return the outcome of a span that has no error.

    OpenTelemetry records only exceptions of the type ``Exception``, unless it was told
    not to; so others, such as cancellation, are recorded here.
    """
    passing = step.left_by()
    if passing is None or isinstance(passing, Exception):
        return "ok"
    return outcome_of(passing)
