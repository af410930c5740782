"""
What an integration knows of one endpoint: how to read what is asked and answered.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Protocol

from ai_trace.integrations._fields import fields
from ai_trace.integrations._media import beside, without_media
from ai_trace.integrations._messages import Message
from ai_trace.integrations._usage import Usage


Facts = dict[str, Any]

_NO_MEDIA = (int, bool, float, type(None))


class Fold(Protocol):
    """
    Gathers a stream, chunk by chunk, into what it came to so far.
    """

    def add(self, chunk: Any, /) -> bool:
        """Take a chunk; return whether the model says something in it."""
        ...

    def result(self) -> Facts:
        """Return what has come so far."""
        ...


class Wire(NamedTuple):
    """
    One endpoint of a provider.

    Attributes:
        operation: Its name in the GenAI conventions, such as ``chat``.
        kind: The kind of its steps.
        asked: Makes the context of a step from the body of a request.
        answered: Makes its result from a response; ``None`` if it has another shape.
        fold: Makes the fold of its streams; ``None`` if it has none.
    """

    operation: str
    kind: str
    asked: Callable[[Facts], Facts]
    answered: Callable[[Any], Facts | None]
    fold: Callable[[], Fold] | None = None


def told(**facts: Any) -> Facts:
    """Return facts without those that are not known."""
    return {key: value for key, value in facts.items() if value is not None}


def parameters(body: Facts, *taken: str) -> Facts | None:
    """Return what else was asked, apart from what stands elsewhere in the context."""
    rest: Facts = {}
    for key, value in body.items():
        if key not in taken:
            rest[key] = value if type(value) in _NO_MEDIA else without_media(value)
    return rest or None


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
        response: The provider's answer, of which the model and the id are read.
        messages: What the model said, one message a choice.
        usage: The counts of tokens.
        raw_usage: The provider's own usage, as plain JSON.
        known: What of the answer stands here under other names; whatever else it holds
            is kept. By default nothing is.
    """
    given = response if type(response) is dict else fields(response)
    found: Facts = {}
    model, answer_id = given.get("model"), given.get("id")
    if model is not None:
        found["model"] = model
    if answer_id is not None:
        found["id"] = answer_id
    found["messages"] = messages
    # As ``finish_reasons`` has it: its call would be one more for each of a client's.
    reasons = [one["finish_reason"] for one in messages if "finish_reason" in one]
    if reasons:
        found["finish_reasons"] = reasons
    if usage:
        found["usage"] = usage
    if raw_usage is not None:
        found["raw_usage"] = raw_usage
    if given.get("service_tier") is not None:
        found["service_tier"] = given["service_tier"]
    # Asked in C, for most answers hold no more than that.
    if known is not None and any(map(given.get, given.keys() - known)):
        found.update(beside(given, known))
    return found
