"""
What an integration knows of an endpoint: how to read its requests and answers.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Protocol

from ai_trace.integrations._fields import fields
from ai_trace.integrations._media import added, beside, without_media
from ai_trace.integrations._messages import Message
from ai_trace.integrations._usage import Usage


Facts = dict[str, Any]

# What a result says of a call; "fields" holds what a server gave such a name.
_OURS = frozenset(
    "messages finish_reasons usage raw_usage total_usage total_cost cost cache_hit "
    "retries chunks time_to_first_chunk time_to_first_content output count dimensions "
    "response fields".split()
)
_NO_MEDIA = (int, bool, float, type(None))


class Fold(Protocol):
    """
    Gathers the chunks of a stream into one result.
    """

    def add(self, chunk: Any, /) -> bool:
        """Take a chunk; return whether it holds content of the model."""
        ...

    def result(self) -> Facts:
        """Return the result so far."""
        ...


class Wire(NamedTuple):
    """
    One endpoint of a provider.

    Attributes:
        operation: Its name in the GenAI conventions, such as ``chat``.
        kind: The kind of its steps.
        asked: Makes the context of a step from the body of a request.
        answered: Makes its result from a response, or ``None`` if that has an unknown
            shape.
        fold: Makes the fold of a stream; ``None`` if there are no streams.
        is_priced: Whether the prices of the model are those of this endpoint.
    """

    operation: str
    kind: str
    asked: Callable[[Facts], Facts]
    answered: Callable[[Any], Facts | None]
    fold: Callable[[], Fold] | None = None
    is_priced: bool = True


def present(**facts: Any) -> Facts:
    """Return the facts that are not ``None``."""
    return {key: value for key, value in facts.items() if value is not None}


def parameters(body: Facts, *taken: str) -> Facts | None:
    """Return what else was asked, except for what is elsewhere in the context."""
    rest: Facts = {}
    for key, value in body.items():
        if key not in taken:
            rest[key] = value if type(value) in _NO_MEDIA else without_media(value)
    return rest or None


def with_more(found: Facts, more: Facts) -> Facts:
    """
    Return a result with what a server sent beside it.

    A field of a server never takes the place of ours, nor is it taken for one.
    """
    clashes = {name: more[name] for name in more if name in _OURS}
    own = {name: more[name] for name in more if name not in _OURS}
    whole = added(found, own)
    return {**whole, "fields": clashes} if clashes else whole


def answer(
    response: Any,
    messages: list[Message],
    usage: Usage,
    raw_usage: Any = None,
    known: frozenset[str] | None = None,
) -> Facts:
    """
    Return the result of a step.

    Args:
        response: The provider's answer, with the model and the id.
        messages: What the model said, one message for each choice.
        usage: The counts of tokens.
        raw_usage: The provider's own usage, as plain JSON.
        known: Which fields of the answer are recorded under other names; the other
            fields are kept. By default, none are.
    """
    given = response if type(response) is dict else fields(response)
    found: Facts = {}
    model, answer_id = given.get("model"), given.get("id")
    if model is not None:
        found["model"] = model
    if answer_id is not None:
        found["id"] = answer_id
    found["messages"] = messages
    # Written out instead of calling ``finish_reasons``: this is done for every call.
    reasons = [one["finish_reason"] for one in messages if "finish_reason" in one]
    if reasons:
        found["finish_reasons"] = reasons
    if usage:
        found["usage"] = usage
    if raw_usage is not None:
        found["raw_usage"] = raw_usage
    if given.get("service_tier") is not None:
        found["service_tier"] = given["service_tier"]
    # A quick test in C, since most answers hold nothing else.
    if known is not None and any(map(given.get, given.keys() - known)):
        return with_more(found, beside(given, known))
    return found


def without_use(result: Facts) -> Facts:
    """Return the result of a call that was answered from a cache, without usage."""
    kept = {name: one for name, one in result.items() if name != "usage"}
    return {**kept, "cache_hit": True}
