"""
The open runs of LangChain, and how each begins and ends as a step.
"""

from __future__ import annotations

from typing import Any, Callable
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

from ai_trace._outcome import error_text, outcome_of
from ai_trace.integrations._awaited import outlives_its_task, watch
from ai_trace.integrations._fields import field, items
from ai_trace.integrations._foreign_step import ForeignStep, begin, report_call
from ai_trace.integrations._hooked_calls import server_of, with_cost
from ai_trace.integrations._langchain_messages import answer_of, readable
from ai_trace.integrations._openai_messages import tools
from ai_trace.integrations._time_open import seconds_open
from ai_trace.integrations._wire import Facts, present


_NODE = "graph:step:"
# Of these, LangChain does not report that they were cancelled.
_NOT_REPORTED = ("llm", "retrieval")
_GRAPHS = ("langgraph", "langchain_create_agent")
# Parameters that are elsewhere in the step, or internal to LangChain.
_NO_PARAMETERS = ("_type", "functions", "model", "model_name", "tools")
_URLS = ("openai_api_base", "anthropic_api_url", "azure_endpoint", "base_url")

# What a step remembers of its own run and of those folded into it: the names of the
# latter, and the error that each has already reported.
_NAMES, _TOLD = "names", "told"
_BUBBLE = ("langgraph.errors", "GraphBubbleUp")
_TO_THE_GRAPH_ABOVE = ("langgraph.errors", "ParentCommand")

# Only the tracers hold the steps: those that have ended are gone from here.
_open: WeakValueDictionary[UUID, ForeignStep] = WeakValueDictionary()
# The steps into which other runs are folded, by the ids of these runs.
_folded: WeakValueDictionary[UUID, ForeignStep] = WeakValueDictionary()
# The same of runs that have ended: a task may go on after the run that started it, and
# then holds the id. No step may hold one, or neither would ever go.
_over: WeakKeyDictionary[UUID, ForeignStep] = WeakKeyDictionary()


def step_of(run_id: UUID | None) -> ForeignStep | None:
    """Return the step of a run, or the one that it is folded into."""
    if run_id is None:
        return None
    step = _open.get(run_id) or _folded.get(run_id)
    # A program may give a run an id of its own, of any type.
    return _over.get(run_id) if step is None and type(run_id) is UUID else step


def any_known() -> bool:
    """Tell whether any recorded run is open, or held by a task that goes on."""
    return bool(_open or _over)


def begin_run(
    run_id: UUID, parent_id: UUID | None, name: str, kind: str, context: Facts
) -> None:
    """Start the step of a run, unless another handler of ours has."""
    if run_id in _open:
        return
    step = begin(
        name, kind, context, below=step_of(parent_id), trace_id=UUID(str(run_id)).hex
    )
    if step is None:
        return
    _open[run_id] = step
    if kind in _NOT_REPORTED:
        watch(step)


def begin_chain(
    run_id: UUID,
    parent_id: UUID | None,
    name: str,
    tags: list[str] | None,
    metadata: Any,
    given: Callable[[], Any],
) -> None:
    """Start the step of a chain, or fold it into the one above it."""
    above = step_of(parent_id)
    is_node = any(tag.startswith(_NODE) for tag in tags or ())
    if above is not None and not is_node:
        _folded[run_id] = above
        above.facts.setdefault(_NAMES, {})[str(run_id)] = name
        return
    is_graph = not is_node and field(metadata, "ls_integration") in _GRAPHS
    begin_run(
        run_id, parent_id, name, "agent" if is_graph else "step", {"input": given()}
    )


def retell_input(run_id: UUID, said: Facts) -> None:
    """
    Tell anew what a chain was given, if it was streamed.

    Only at the end of a stream does LangChain say what went into it, and it says so of
    no other run.
    """
    step, given = _open.get(run_id), said.get("inputs")
    if step is not None and step.is_open() and given is not None:
        step.retell(step.name, step.kind, {"input": readable(given)})


def open_run(run_id: UUID) -> ForeignStep | None:
    """Return the step of an open run."""
    return _open.get(run_id)


def is_teller(handler: object, step: ForeignStep) -> bool:
    """
    Tell whether a handler is the one that adds to a step.

    If a program registered several handlers of ours, all are called for each event.
    """
    return step.facts.setdefault("teller", handler) is handler


def taken(run_id: UUID) -> ForeignStep | None:
    """Return the step of a run that ends; only once."""
    folded = _folded.pop(run_id, None)
    if folded is not None:
        for known in (_NAMES, _TOLD):
            folded.facts.get(known, {}).pop(str(run_id), None)
    own = _open.pop(run_id, None)
    place = own or folded
    if place is not None and type(run_id) is UUID:
        _over[run_id] = place
    return own


def end_run(run_id: UUID, result: Callable[[], Any]) -> None:
    """End the step of a run well, with its result."""
    step = taken(run_id)
    if step is None or not step.is_open():
        return
    try:
        found = result()
        if found is not None:
            step.set_result(found)
    finally:
        step.end()


def fail_run(
    run_id: UUID, parent_id: UUID | None, error: BaseException, response: Any = None
) -> None:
    """End the step of a run with an error, and with the result so far."""
    text = error_text(error)
    is_told = _was_told(run_id, parent_id, text)
    folded = _folded.get(run_id)
    if folded is not None and not is_told and _is_failure(error):
        # The run above may handle the error, and then nothing else would record it.
        _log(folded, "error", name=folded.facts[_NAMES].get(str(run_id)), error=text)
    step = taken(run_id)
    if step is None or not step.is_open():
        return
    try:
        if _is_a(error, _BUBBLE):
            _give_why_it_stopped(step, error, is_told=is_told)
        elif field(response, "generations"):
            found = answered(step, response)
            # LangChain makes an empty answer for a request that was refused.
            if any(one["parts"] for one in found["messages"]) or "usage" in found:
                step.set_result(found)
    finally:
        if not _is_a(error, _BUBBLE):
            step.end_by(error)
        else:
            step.end("ok" if _is_a(error, _TO_THE_GRAPH_ABOVE) else "closed")


def _was_told(run_id: UUID, parent_id: UUID | None, error: str) -> bool:
    """Tell whether a run below has recorded an error; remember it for the one above."""
    own, above = step_of(run_id), step_of(parent_id)
    if above is not None and parent_id is not None:
        above.facts.setdefault(_TOLD, {})[str(parent_id)] = error
    return own is not None and own.facts.get(_TOLD, {}).get(str(run_id)) == error


def _is_failure(error: BaseException) -> bool:
    return outcome_of(error) == "error" and not _is_a(error, _BUBBLE)


def _log(step: ForeignStep, event: str, **facts: Any) -> None:
    if step.is_open():
        step.log(event=event, **present(**facts))


def _give_why_it_stopped(
    step: ForeignStep, error: BaseException, *, is_told: bool
) -> None:
    """Record what LangGraph raises: a command, or a question to a human."""
    said = next(iter(error.args), None)
    if _is_a(error, _TO_THE_GRAPH_ABOVE):
        step.set_result(readable(said))
    for one in () if is_told else items(said):
        _log(step, "interrupt", value=field(one, "value"), id=field(one, "id"))


def _is_a(error: BaseException, named: tuple[str, str]) -> bool:
    return any((one.__module__, one.__name__) == named for one in type(error).__mro__)


# -- calls of models ---------------------------------------------------------------


def call_context(
    operation: str, serialized: Any, metadata: Any, asked: Any, messages: Any
) -> Facts:
    """
    Return what a call asks.

    Args:
        operation: Its name in the GenAI conventions.
        serialized: The model as LangChain serializes it.
        metadata: That of the run, with provider and model under LangSmith's names.
        asked: The ``invocation_params``.
        messages: The input in the common shape.
    """
    asked = asked if type(asked) is dict else {}
    named = field(metadata, "ls_provider") or "unknown"
    built = field(serialized, "kwargs") or {}
    url = next((built[name] for name in _URLS if built.get(name)), None)
    parameters = present(**{k: asked[k] for k in asked if k not in _NO_PARAMETERS})
    return present(
        **server_of(url, named),
        operation=operation,
        model=_model(metadata, asked),
        messages=messages,
        tools=tools(asked.get("tools") or asked.get("functions")),
        parameters=parameters or None,
    )


def _model(metadata: Any, asked: Facts) -> Any:
    return (
        asked.get("model")
        or asked.get("model_name")
        or field(metadata, "ls_model_name")
    )


def begin_call(run_id: UUID, parent_id: UUID | None, context: Facts) -> None:
    """Start the step of a call."""
    name = " ".join(str(context[k]) for k in ("operation", "model") if k in context)
    begin_run(run_id, parent_id, name, "llm", context)
    step = _open.get(run_id)
    if step is not None:
        report_call(step)
        step.facts["asked"] = {
            key: context[key]
            for key in ("provider", "server", "model")
            if key in context
        }


def count_chunk(step: ForeignStep, *, says_something: bool) -> None:
    """Take note of a chunk of a stream."""
    seen = step.facts.setdefault("seen", {"chunks": 0})
    seen["chunks"] += 1
    if seen["chunks"] == 1:
        seen["time_to_first_chunk"] = seconds_open(step)
        # Told where the call began, the program reads the stream itself, in any task.
        outlives_its_task(step)
    if says_something and "time_to_first_content" not in seen:
        seen["time_to_first_content"] = seconds_open(step)


def answered(step: ForeignStep, response: Any) -> Facts:
    """Return the result of a call."""
    result = {**answer_of(response), **present(**step.facts.get("seen", {}))}
    return with_cost(result, step.facts.get("asked", {}))


def document(given: Any) -> Facts:
    """Return a document that was found."""
    return present(
        id=field(given, "id"),
        content=field(given, "page_content"),
        metadata=field(given, "metadata") or None,
    )


def documents(given: Any) -> Facts:
    """Return the result of a retriever."""
    return {"documents": [document(one) for one in items(given)]}
