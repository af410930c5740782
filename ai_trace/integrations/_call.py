"""
One call of a client as a step, from the request to the end of the answer.

Nothing here raises into the program: failures are counted by the tracer, and the step
ends all the same.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any, Callable, TypeVar

from ai_trace import _context
from ai_trace._live_step import LiveStep
from ai_trace._recorder import Recorder
from ai_trace.integrations import _prices
from ai_trace.integrations._fields import as_sent, plain
from ai_trace.integrations._foreign_step import reporter_of
from ai_trace.integrations._media import without_media
from ai_trace.integrations._wire import Facts, Wire, without_use


T = TypeVar("T")

_WHERE = "integrations"

_GOOD = range(200, 300)

in_flight: ContextVar[Call | None] = ContextVar("ai_trace_call", default=None)
"""The call whose request is being sent, for the hook that counts attempts."""


class Call(LiveStep):
    """
    The step of a call that is being recorded.

    Attributes:
        wire: The endpoint that is called.
        provider: Who answers, as in ``gen_ai.provider.name``.
        model: The model that is asked.
        priced: Whether the provider's own prices are known to apply.
        attempts: How often the request was sent.
        is_cached: Whether the answer came without any request.
        unparsed: The answer as it was before the library parsed it.
        stop: Records what has come so far if the tracer ends before the call.
    """

    __slots__ = (
        "attempts",
        "is_cached",
        "model",
        "priced",
        "provider",
        "stop",
        "unparsed",
        "wire",
    )

    wire: Wire
    provider: str
    model: Any
    priced: bool
    attempts: int
    is_cached: bool
    unparsed: Any
    stop: Callable[[], None] | None

    # -- while it goes on ----------------------------------------------------

    def fenced(self, call: Callable[[], T], otherwise: T) -> T:
        """Run code of ours; what it raises is counted."""
        return self.recorder.dispatch.fenced(_WHERE, call, otherwise)

    def lose(self, exc: Exception) -> None:
        """Count an exception that code of ours has raised, as ``fenced`` does."""
        lose(self.recorder, exc)

    # -- its ends ------------------------------------------------------------

    def abandon(self) -> None:
        """End the step because its tracer ends, with what has come so far."""
        if self.stop is not None:
            self.stop()
        super().abandon()

    def failed(self, exc: BaseException) -> None:
        """End the step with what the library raised."""
        self.fenced(lambda: self.give(self._held_by(exc)), None)
        self._end_by(exc)

    def _held_by(self, exc: BaseException) -> Facts:
        """Return what had been answered when the library raised, if it tells."""
        # If a response was cut short, the exception of the parser holds it.
        response = getattr(exc, "completion", None)
        if response is None:
            response = self.unparsed
        if response is None:
            response = _refused_body(exc)
        return {} if response is None or response == "" else self.read(response)

    def read(self, response: Any) -> Facts:
        """Return the result in a response; an unknown shape is kept as it is."""
        found = self.wire.answered(response)
        return self._unknown(response) if found is None else found

    def _unknown(self, response: Any) -> Facts:
        self.note("$.result.response", "unknown shape")
        return {"response": without_media(plain(response))}

    def give(self, result: Facts) -> None:
        """Record a result, with its cost and the number of retries."""
        if self.attempts > 1:
            result["retries"] = self.attempts - 1
        elif self.is_cached:
            result = without_use(result)
        usage = result.get("usage")
        if usage and _context.inner is not None:
            # A framework is recorded, too, and may report this very call.
            reporter = reporter_of(self)
            if reporter is not None:
                reporter.is_counted_below(usage)
        if usage and self.priced:
            model = result.get("model") or self.model
            about = (
                result.get("raw_usage"),
                result.get("service_tier"),
                result.get("messages") or (),
            )
            try:
                cost = _prices.cost(self.provider, model, usage, *about)
                if cost is not None:
                    result["cost"] = cost
            except Exception as exc:
                self.lose(exc)
                self.note("$.result.cost", "failed")
        if result and self.outcome is None:
            self.give_result(result)


def _refused_body(exc: BaseException) -> Any:
    """Return the body of a successful answer that the library could not parse."""
    if type(exc) is json.JSONDecodeError:
        return exc.doc
    status = getattr(getattr(exc, "response", None), "status_code", None)
    return getattr(exc, "body", None) if status in _GOOD else None


def lose(recorder: Recorder, exc: Exception) -> None:
    """Count what code of ours has raised; what interrupts the program is raised."""

    def again() -> None:
        raise exc

    recorder.dispatch.fenced(_WHERE, again, None)


def begin(
    recorder: Recorder, wire: Wire, provider: str, server: str | None, body: Any
) -> Call | None:
    """
    Start the step of a call.

    Args:
        recorder: The tracer.
        wire: The endpoint.
        provider: Who is asked.
        server: The address, unless it is known to be the provider's own.
        body: The body of the request.

    Returns:
        The call; ``None`` if nothing is recorded.
    """
    given = body if type(body) is dict else {"body": body}
    name = operation = wire.operation
    model = given.get("model")
    if type(model) is not str:
        model = as_sent(model)
    if type(model) is str:
        name = f"{operation} {model}"
    context: Facts = {"provider": provider, "operation": operation}
    if server is not None:
        context["server"] = server
    context["model"] = model
    context.update(wire.asked(given))
    call = Call(recorder, name, context, wire.kind)
    call.wire = wire
    call.provider = provider
    call.model = model
    call.priced = server is None and wire.is_priced
    call.attempts = 0
    call.is_cached = False
    call.unparsed = call.stop = None
    call.start()
    return call if call.id in recorder.open_steps else None
