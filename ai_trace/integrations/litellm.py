"""
Makes steps of the calls that go through LiteLLM.

Needs the extra ``litellm``: ``pip install 'ai-decision-tracer[litellm]'``.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from ai_trace.integrations import _prices
from ai_trace.integrations._fields import plain
from ai_trace.integrations._foreign_step import ForeignStep, begin, hook
from ai_trace.integrations._hooked_calls import server_of, with_cost
from ai_trace.integrations._installed import check_version, missing
from ai_trace.integrations._media import without_media
from ai_trace.integrations._openai_wires import WIRES
from ai_trace.integrations._wire import Facts, Wire, told


try:
    from litellm.integrations.custom_logger import (  # pyright: ignore[reportMissingImports]
        CustomLogger,
    )
except ImportError as exc:
    error = missing("litellm", "litellm")
    raise error from exc


_WIRES = {
    "completion": WIRES["/chat/completions"],
    "responses": WIRES["/responses"],
    "text_completion": WIRES["/completions"],
    "embedding": WIRES["/embeddings"],
}
_INPUT = {"embedding": "input", "responses": "input", "text_completion": "prompt"}
_MAX_OPEN = 1000

# Held by their tracers alone: what has ended is gone from here.
_open: WeakValueDictionary[str, ForeignStep] = WeakValueDictionary()
# LiteLLM may tell of one end twice, by its plain and by its async callbacks.
_ended: deque[str] = deque(maxlen=_MAX_OPEN)


class LiteLLMSteps(CustomLogger):  # pyright: ignore[reportUntypedBaseClass]
    """
    Records each call as a step of the tracer that is current where it is made.

    Completions are ``llm`` steps, embeddings ``embedding`` steps, whatever else
    LiteLLM calls is a plain step. The step begins in the thread or task of the call.
    LiteLLM tells of its end a little later and in a thread of its own, so a tracer
    that is closed right after a call may be faster: the call is then recorded as
    ``unfinished``. The time of the end is LiteLLM's.

    Add it to ``litellm.callbacks``.

    Example:
        >>> import litellm
        >>> litellm.callbacks = [LiteLLMSteps()]
    """

    def __init__(self) -> None:
        super().__init__()
        check_version("litellm", (1, 83), (2,))
        _prices.load()

    @hook
    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Facts) -> None:
        """Start a step; called by LiteLLM."""
        call_id = kwargs.get("litellm_call_id")
        if type(call_id) is str and call_id not in _open:
            if call_id in _ended:
                # A program may give one call after another the same id.
                _ended.remove(call_id)
            _begin(call_id, kwargs, kwargs.get("input") or messages, model=model)

    @hook
    def log_success_event(
        self, kwargs: Facts, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Finish the step; called by LiteLLM, most often in another thread."""
        step = _taken(kwargs, start_time)
        if step is None:
            return
        try:
            result = _answered(kwargs, response_obj)
            first = _seconds(step, kwargs.get("completion_start_time"))
            if kwargs.get("stream") and first is not None:
                result = {**result, "time_to_first_chunk": first}
            step.set_result(with_cost(result, step.facts))
        finally:
            step.end(seconds=_seconds(step, end_time))

    @hook
    def log_failure_event(
        self, kwargs: Facts, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """End the step with an error; called by LiteLLM."""
        step = _taken(kwargs, start_time)
        if step is None:
            return
        raised = kwargs.get("exception")
        if isinstance(raised, BaseException):
            step.end_by(raised)
        else:
            step.fail(raised or response_obj)

    async def async_log_success_event(
        self, kwargs: Facts, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Finish the step; called by LiteLLM for calls that were awaited."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Facts, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """End the step with an error; called by LiteLLM for calls that were awaited."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)


def _begin(
    call_id: str,
    call: Facts,
    messages: Any,
    *,
    model: Any = None,
    at: float | None = None,
) -> ForeignStep | None:
    kind = _kind_of_call(call)
    wire = _WIRES.get(kind)
    model = model or call.get("model")
    context = _asked(call, kind, wire, model, messages)
    name = f"{wire.operation if wire else kind} {model}"
    step = begin(name, wire.kind if wire else "step", context, at=at)
    if step is not None:
        known = ("provider", "server", "model")
        step.facts = {key: context[key] for key in known if key in context}
        _give_up_on_the_oldest()
        _open[call_id] = step
    return step


def _give_up_on_the_oldest() -> None:
    """
    End what was begun long ago: streams that nobody read to their end.

    LiteLLM tells nothing of them, and a service must not grow by them.
    """
    while len(_open) >= _MAX_OPEN:
        for call_id in list(_open)[:1]:
            step = _open.pop(call_id, None)
            if step is not None:
                step.end("closed")


def _kind_of_call(call: Facts) -> str:
    kind = str(call.get("call_type") or "call")
    return kind[1:] if kind.startswith("a") and kind[1:] in _WIRES else kind


def _asked(
    call: Facts, kind: str, wire: Wire | None, model: Any, messages: Any
) -> Facts:
    settings = call.get("litellm_params") or {}
    provider = call.get("custom_llm_provider") or settings.get("custom_llm_provider")
    given = call.get("optional_params") or {}
    body = {key: given[key] for key in given if given[key] not in (None, {}, [])}
    body[_INPUT.get(kind, "messages")] = messages
    asked = wire.asked(body) if wire is not None else {"asked": body}
    return told(
        **server_of(settings.get("api_base"), str(provider or "unknown")),
        operation=wire.operation if wire is not None else kind,
        model=model,
        **asked,
    )


def _taken(call: Facts, start_time: Any) -> ForeignStep | None:
    """Return the step of a call that ends, once; of one never begun, a new one."""
    call_id = call.get("litellm_call_id")
    if type(call_id) is not str or call_id in _ended:
        return None
    _ended.append(call_id)
    step = _open.pop(call_id, None)
    if step is None:
        # Answered from a cache, or refused before anything was asked.
        messages = call.get("messages") or call.get("input")
        return _begin(call_id, call, messages, at=_epoch(start_time))
    return step if step.is_open() else None


def _answered(call: Facts, response: Any) -> Facts:
    wire = _WIRES.get(_kind_of_call(call))
    found = wire.answered(response) if wire is not None else None
    if found is None:
        found = {"response": without_media(plain(response))}
    if call.get("cache_hit"):
        found = {**found, "cache_hit": True}
    return found


def _seconds(step: ForeignStep, until: Any) -> float | None:
    moment = _epoch(until)
    return None if moment is None else round(max(moment - step.started_at, 0.0), 6)


def _epoch(moment: Any) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else None
