"""
Makes steps from the calls that go through LiteLLM.

Needs the extra ``litellm``: ``pip install 'ai-decision-tracer[litellm]>=1'``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from ai_trace.integrations import _prices
from ai_trace.integrations._awaited import watch
from ai_trace.integrations._fields import field, plain
from ai_trace.integrations._foreign_step import ForeignStep, begin, hook
from ai_trace.integrations._hooked_calls import server_of, with_cost
from ai_trace.integrations._installed import check_version, missing
from ai_trace.integrations._media import without_media
from ai_trace.integrations._openai_wires import WIRES
from ai_trace.integrations._wire import Facts, Wire, present, without_use


try:
    from litellm.integrations.custom_logger import (  # pyright: ignore[reportMissingImports]
        CustomLogger,
    )
    from litellm.litellm_core_utils.redact_messages import (  # pyright: ignore[reportMissingImports]
        should_redact_message_logging,
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
_KINDS = {"chat.completion": "completion", "response": "responses"}
_INPUT = {"embedding": "input", "responses": "input", "text_completion": "prompt"}
_MAX_OPEN = 1000

_Key = tuple[str, Any]
"""The id of a call, which several may share, and the time when it was made."""

# Only the tracers hold the steps: those that have ended are gone from here.
_open: WeakValueDictionary[_Key, ForeignStep] = WeakValueDictionary()
# Those of them whose end LiteLLM may never report, the oldest first.
_unsure: WeakValueDictionary[_Key, ForeignStep] = WeakValueDictionary()
# LiteLLM may report the end of a call several times, and late: if the call is awaited,
# through its plain and its async callbacks. So its own account of a call, which lives
# until the last report, remembers that the call was begun or recorded.
_IS_KNOWN = "ai_trace_is_known"


class LiteLLMSteps(CustomLogger):  # pyright: ignore[reportUntypedBaseClass]
    """
    Records each call as a step of the tracer that is current where it is made.

    Completions are ``llm`` steps, embeddings ``embedding`` steps, all other calls plain
    steps. A step begins in the thread or task of the call. If the call is awaited, the
    step ends there, too. The end of other calls, and of streams, is reported by LiteLLM
    a little later in a thread of its own. If the tracer is closed before that, the call
    is recorded as ``unfinished``. The time of the end is that of LiteLLM.

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
        key = _key(kwargs)
        if key is None or key in _open:
            return
        kwargs[_IS_KNOWN] = True
        step = _begin(key, kwargs, kwargs.get("input") or messages, model=model)
        if step is None:
            return
        is_awaited = _is_awaited(kwargs) and watch(step, _is_left)
        if not (is_awaited or _is_reported(kwargs)):
            _give_up_on_the_oldest()
            _unsure[key] = step

    @hook
    def log_success_event(
        self, kwargs: Facts, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Finish the step; called by LiteLLM, most often in another thread."""
        step = _taken(kwargs, start_time)
        if step is not None:
            _succeeded(step, kwargs, response_obj, end_time)

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

    async def async_post_call_success_deployment_hook(
        self, request_data: Facts, response: Any, call_type: Any
    ) -> None:
        """
        Finish the step of a call that is awaited; called by LiteLLM before it returns.

        The callbacks below come later; if the event loop ends with the call, only when
        the program runs one again.
        """
        self._was_answered(request_data, response)

    @hook
    def _was_answered(self, request: Facts, response: Any) -> None:
        call = getattr(request.get("litellm_logging_obj"), "model_call_details", None)
        key = _key(call) if type(call) is dict else None
        if call is None or key is None:
            return
        step = _open.get(key)
        # A call that was never begun was answered from a cache: that is reported later.
        if step is None or not step.is_open():
            return
        step.facts["is_answered"] = True
        if self._may_see(call):
            _open.pop(key, None)
            _succeeded(step, call, response, None)

    def _may_see(self, call: Facts) -> bool:
        """Tell whether LiteLLM would give its callbacks the response unchanged."""
        is_told = self.message_logging is True and not self.turn_off_message_logging
        return is_told and not should_redact_message_logging(call)

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


def _key(call: Facts) -> _Key | None:
    call_id = call.get("litellm_call_id")
    return (call_id, call.get("start_time")) if type(call_id) is str else None


def _is_awaited(call: Facts) -> bool:
    """Tell whether the task that makes a call waits for its end."""
    kind = str(call.get("call_type"))
    return kind[:1] == "a" and kind[1:] in _WIRES and not call.get("stream")


def _is_reported(call: Facts) -> bool:
    """Tell whether LiteLLM is sure to report the end: it returns to the caller, too."""
    return call.get("call_type") in _WIRES and not call.get("stream")


def _is_left(step: ForeignStep) -> bool:
    """Tell whether LiteLLM will not report the end of a call whose task has ended."""
    return not step.facts.get("is_answered")


def _begin(
    key: _Key,
    call: Facts,
    messages: Any,
    *,
    model: Any = None,
    at: float | None = None,
) -> ForeignStep | None:
    kind = _kind_of_call(call)
    wire = _WIRES.get(kind)
    model = model or _model_of(call)
    context = _asked(call, kind, wire, model, messages)
    name = f"{wire.operation if wire else kind} {model}"
    step = begin(name, wire.kind if wire else "step", context, at=at)
    if step is not None:
        known = ("provider", "server", "model")
        step.facts = {key: context[key] for key in known if key in context}
        _open[key] = step
    return step


def _give_up_on_the_oldest() -> None:
    """
    End what was begun long ago: streams that nobody read to their end.

    LiteLLM does not report them, and they must not make a service grow.
    """
    while len(_unsure) >= _MAX_OPEN:
        oldest = next(iter(_unsure.keys()), None)
        step = None if oldest is None else _unsure.pop(oldest, None)
        if step is not None:
            step.end("closed")


def _kind_of_call(call: Facts) -> str:
    kind = str(call.get("call_type") or "call")
    return kind[1:] if kind.startswith("a") and kind[1:] in _WIRES else kind


def _provider_of(call: Facts) -> str:
    settings = call.get("litellm_params") or {}
    named = call.get("custom_llm_provider") or settings.get("custom_llm_provider")
    return str(named or "unknown")


def _model_of(call: Facts) -> Any:
    """Return the model as LiteLLM sends it: without the provider."""
    model, prefix = call.get("model"), f"{_provider_of(call)}/"
    if type(model) is str and model.startswith(prefix):
        return model[len(prefix) :]
    return model


def _asked(
    call: Facts, kind: str, wire: Wire | None, model: Any, messages: Any
) -> Facts:
    settings = call.get("litellm_params") or {}
    provider = _provider_of(call)
    given = call.get("optional_params") or {}
    body = {key: given[key] for key in given if given[key] not in (None, {}, [])}
    body[_INPUT.get(kind, "messages")] = messages
    asked = wire.asked(body) if wire is not None else {"asked": body}
    return present(
        **server_of(settings.get("api_base"), provider),
        operation=wire.operation if wire is not None else kind,
        model=model,
        **asked,
    )


def _taken(call: Facts, start_time: Any) -> ForeignStep | None:
    """Return the step of a call that ends, only once; begin it if need be."""
    key = _key(call)
    step = None if key is None else _open.pop(key, None)
    if step is not None:
        return step if step.is_open() else None
    if key is None or call.get(_IS_KNOWN):
        return None
    # Answered from a cache, or refused before it was sent.
    call[_IS_KNOWN] = True
    messages = call.get("messages") or call.get("input")
    return _begin(key, call, messages, at=_epoch(start_time))


def _succeeded(step: ForeignStep, call: Facts, response: Any, end_time: Any) -> None:
    """Finish a step with what was answered."""
    try:
        result = _answered(call, response)
        first = _seconds(step, call.get("completion_start_time"))
        if call.get("stream") and first is not None:
            result = {**result, "time_to_first_chunk": first}
        step.set_result(with_cost(result, step.facts))
    finally:
        step.end(seconds=_seconds(step, end_time))


def _answered(call: Facts, response: Any) -> Facts:
    found = None
    # A model that has no Responses API is asked, and answers, for a chat completion.
    for kind in (_kind_of_call(call), _KINDS.get(str(field(response, "object")))):
        if found is None and kind in _WIRES:
            found = _WIRES[kind].answered(response)
    if found is None:
        found = {"response": without_media(plain(response))}
    return without_use(found) if call.get("cache_hit") else found


def _seconds(step: ForeignStep, until: Any) -> float | None:
    moment = _epoch(until)
    return None if moment is None else round(max(moment - step.started_at, 0.0), 6)


def _epoch(moment: Any) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else None
