"""
Makes steps from the runs of LangChain and LangGraph.

Needs the extra ``langchain``: ``pip install 'ai-decision-tracer[langchain]>=1'``.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ai_trace.integrations import _langchain_runs as runs
from ai_trace.integrations import _prices
from ai_trace.integrations._fields import field
from ai_trace.integrations._foreign_step import ForeignStep, hook, look_for
from ai_trace.integrations._installed import check_version, missing
from ai_trace.integrations._langchain_messages import (
    content_of,
    is_message,
    messages_of,
    readable,
)
from ai_trace.integrations._messages import message, text
from ai_trace.integrations._wire import present


try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables import ensure_config
except ImportError as exc:
    error = missing("langchain-core", "langchain")
    raise error from exc


class LangChainSteps(BaseCallbackHandler):
    """
    Records runs as steps of the tracer that is current where they start.

    Calls of models are ``llm`` steps, tools ``tool`` steps, retrievers ``retrieval``
    steps. The outermost chain is a step, an ``agent`` if it is a graph of LangGraph,
    and so is each node of a graph. All other chains, of which LangChain makes several
    for each call, are folded away: what runs in them goes below the next step above.
    Steps made in a tool or a node go below it.

    Pass it in ``config={"callbacks": [LangChainSteps()]}``. One is enough for the whole
    program.

    Example:
        >>> from langchain_core.runnables import RunnableLambda
        >>> from ai_trace import testing
        >>> shout = RunnableLambda(str.upper, name="shout")
        >>> with testing.capture() as steps:
        ...     shout.invoke("buy", config={"callbacks": [LangChainSteps()]})
        'BUY'
        >>> steps.names
        ['shout']
    """

    # LangChain then calls us in the task of the run, not in a thread of its own.
    run_inline = True

    def __init__(self) -> None:
        super().__init__()
        check_version("langchain-core", (1, 2), (2,))
        _prices.load()
        look_for(_current)

    # -- chains and nodes ----------------------------------------------------

    @hook
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Start a step, or fold the run away; called by LangChain."""
        runs.begin_chain(
            run_id,
            parent_run_id,
            _name(serialized, kwargs, "chain"),
            kwargs.get("tags"),
            kwargs.get("metadata"),
            lambda: readable(inputs),
        )

    @hook
    def on_chain_end(
        self, outputs: dict[str, Any], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Finish the step; called by LangChain."""
        runs.retell_input(run_id, kwargs)
        runs.end_run(run_id, lambda: readable(outputs))

    @hook
    def on_chain_error(
        self, error: BaseException, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """End the step with an error; called by LangChain."""
        runs.retell_input(run_id, kwargs)
        runs.fail_run(run_id, kwargs.get("parent_run_id"), error)

    # -- models --------------------------------------------------------------

    @hook
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Start an ``llm`` step; called by LangChain."""
        context = runs.call_context(
            "chat",
            serialized,
            kwargs.get("metadata"),
            kwargs.get("invocation_params"),
            [one for batch in messages for one in messages_of(batch)],
        )
        runs.begin_call(run_id, parent_run_id, context)

    @hook
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Start an ``llm`` step; called by LangChain."""
        context = runs.call_context(
            "text_completion",
            serialized,
            kwargs.get("metadata"),
            kwargs.get("invocation_params"),
            [message("user", [text(prompt)]) for prompt in prompts],
        )
        runs.begin_call(run_id, parent_run_id, context)

    @hook
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Take note of a chunk of a stream; called by LangChain."""
        step = runs.open_run(run_id)
        if step is not None and runs.is_teller(self, step):
            runs.count_chunk(step, says_something=bool(token))

    @hook
    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Finish the step; called by LangChain."""
        step = runs.open_run(run_id)
        if step is not None:
            runs.end_run(run_id, lambda: runs.answered(step, response))

    @hook
    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """End the step with an error, and what had come; called by LangChain."""
        runs.fail_run(
            run_id, kwargs.get("parent_run_id"), error, kwargs.get("response")
        )

    # -- tools and retrievers ------------------------------------------------

    @hook
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Start a ``tool`` step; called by LangChain."""
        context = present(
            call_id=kwargs.get("tool_call_id"),
            description=field(serialized, "description") or None,
            arguments=input_str if inputs is None else readable(inputs),
        )
        name = _name(serialized, kwargs, "tool")
        runs.begin_run(run_id, parent_run_id, name, "tool", context)

    @hook
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Finish the step; called by LangChain."""
        said = content_of(output) if is_message(output) else readable(output)
        step = runs.open_run(run_id)
        if step is not None and field(output, "status") == "error":
            step.set_result(said)
            step.end("error", str(said))
        runs.end_run(run_id, lambda: said)

    @hook
    def on_tool_error(
        self, error: BaseException, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """End the step with an error; called by LangChain."""
        runs.fail_run(run_id, kwargs.get("parent_run_id"), error)

    @hook
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Start a ``retrieval`` step; called by LangChain."""
        name = _name(serialized, kwargs, "retriever")
        runs.begin_run(run_id, parent_run_id, name, "retrieval", {"query": query})

    @hook
    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Finish the step; called by LangChain."""
        runs.end_run(run_id, lambda: runs.documents(documents))

    @hook
    def on_retriever_error(
        self, error: BaseException, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """End the step with an error; called by LangChain."""
        runs.fail_run(run_id, kwargs.get("parent_run_id"), error)

    # -- what is said inside a run -------------------------------------------

    @hook
    def on_retry(self, retry_state: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Log that a run is tried again; called by LangChain."""
        step = runs.step_of(run_id)
        if step is not None and step.is_open() and runs.is_teller(self, step):
            step.log(event="retry", attempt=field(retry_state, "attempt_number"))

    @hook
    def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Log what the program dispatches itself; called by LangChain."""
        step = runs.step_of(run_id)
        if step is not None and step.is_open() and runs.is_teller(self, step):
            step.log(event=name, data=data)


def _name(serialized: Any, given: dict[str, Any], otherwise: str) -> str:
    return str(given.get("name") or field(serialized, "name") or otherwise)


def _current() -> ForeignStep | None:
    if not runs.any_known():
        return None
    callbacks = ensure_config().get("callbacks")
    return runs.step_of(getattr(callbacks, "parent_run_id", None))
