"""
OpenAI's responses in the common shape: their items, whole or event by event.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import (
    Facts,
    as_sent,
    field,
    fields,
    items,
    plain,
    rank,
)
from ai_trace.integrations._media import added, as_it_is, beside, blob
from ai_trace.integrations._messages import (
    Message,
    Part,
    message,
    reasoning,
    refusal,
    text,
    tool_call,
    tool_call_response,
)
from ai_trace.integrations._openai_messages import answer_with, content_parts


TAKEN_OF_RESPONSE = frozenset(
    "id object created_at completed_at model status incomplete_details output usage "
    "service_tier access_programs background context_management conversation "
    "frequency_penalty image instructions max_output_tokens max_tool_calls metadata "
    "parallel_tool_calls presence_penalty previous_response_id prompt prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning safety_identifier store "
    "temperature text tool_choice tools top_logprobs top_p truncation user".split()
)
"""The fields of a response that are recorded elsewhere, or repeat what was asked."""

# "parsed_arguments" is what the library made of the arguments.
_TAKEN_OF_ITEM = frozenset(
    "type id status role content name arguments parsed_arguments input output "
    "call_id".split()
)
_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed")
_TAKEN_OF_ERROR = frozenset(("type", "sequence_number"))
# With any other status, even an empty answer is recorded.
_SAYS_NOTHING = (None, "completed")


def input_messages(given: Any) -> Any:
    """Return the messages in the input of a response: text or a list of items."""
    given = as_sent(given)
    if type(given) is str:
        return [message("user", [text(given)])]
    if type(given) not in (list, tuple):
        return given
    return [_input_message(one) for one in given]


def _input_message(given: Any) -> Message:
    kind = field(given, "type")
    if kind in ("function_call_output", "custom_tool_call_output"):
        output = field(given, "output")
        given_back = output if type(output) is str else content_parts(output)
        part = tool_call_response(given_back, field(given, "call_id"))
        return message("tool", _with_beside([part], given))
    role = field(given, "role")
    if role is not None:
        return message(role, _said(given))
    return message("assistant", item_parts(given))


def item_parts(given: Any) -> list[Part]:
    """Return the parts that one output item becomes."""
    kind = field(given, "type")
    if kind == "message":
        return _said(given)
    if kind == "reasoning":
        said = [*items(field(given, "summary")), *items(field(given, "content"))]
        return [reasoning(field(one, "text")) for one in said]
    if kind == "function_call":
        return _with_beside([_call(given, field(given, "arguments"))], given)
    if kind == "custom_tool_call":
        return _with_beside([_call(given, field(given, "input"))], given)
    return [as_it_is(given)]


def _said(given: Any) -> list[Part]:
    return _with_beside(content_parts(field(given, "content")), given)


def _with_beside(parts: list[Part], given: Any) -> list[Part]:
    """Return the parts of an item with what else it says, such as its phase."""
    facts = fields(given)
    if not any(map(facts.get, facts.keys() - _TAKEN_OF_ITEM)):
        return parts
    more = beside(fields(plain(given)), _TAKEN_OF_ITEM)
    return [added(part, more) for part in parts]


def _call(given: Any, arguments: Any) -> Part:
    return tool_call(field(given, "name"), arguments, field(given, "call_id"))


def output_messages(output: Any, status: Any, incomplete: Any) -> list[Message]:
    """
    Return the one answer of a response.

    Args:
        output: Its items.
        status: ``completed``, ``incomplete``, ``failed``, ...
        incomplete: The details that say why it is incomplete.
    """
    return _answer(_all_parts(output), status, incomplete)


def _all_parts(output: Any) -> list[Part]:
    return [part for item in items(output) for part in item_parts(item)]


def _answer(parts: list[Part], status: Any, incomplete: Any) -> list[Message]:
    if not parts and status in _SAYS_NOTHING:
        return []
    return [
        message("assistant", parts, finish_reason=_reason(parts, status, incomplete))
    ]


def _reason(parts: list[Part], status: Any, incomplete: Any) -> Any:
    if status == "incomplete":
        return field(incomplete, "reason") or status
    if status == "completed" and any(part["type"] == "tool_call" for part in parts):
        return "tool_call"
    return status


class ResponseFold:
    """
    The events of a response.

    The last event holds the whole response. Until it comes, the items that are done
    are kept, and the pieces of those that are not.
    """

    def __init__(self) -> None:
        self._response: Any = None
        self._items: dict[Any, Any] = {}
        self._pieces: dict[tuple[Any, str], list[str]] = {}
        self._error: Facts = {}
        self._is_whole = False

    def add(self, event: Any) -> bool:
        """Take an event; return whether it holds content of the model."""
        kind = field(event, "type")
        index = field(event, "output_index")
        if type(kind) is not str:
            return False
        if kind.endswith(".delta"):
            piece = field(event, "delta")
            if type(piece) is str:
                self._pieces.setdefault((index, kind), []).append(piece)
            return True
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._items[index] = plain(field(event, "item"))
        elif kind == "error":
            self._error = beside(fields(event), _TAKEN_OF_ERROR)
        response = field(event, "response")
        if response is not None:
            self._response = response
            self._is_whole = kind in _LAST_EVENTS
        return False

    def result(self) -> Facts:
        """Return the result so far."""
        response, status, why = self._response, None, None
        parts: list[Part] = []
        if self._is_whole:
            status = field(response, "status")
            why = field(response, "incomplete_details")
            parts = _all_parts(field(response, "output"))
        if self._error:
            status = "failed"
        # What failed may be told without what had been said by then.
        messages = _answer(parts or self._parts(), status, why)
        found = answer_with(response, messages, TAKEN_OF_RESPONSE)
        return {**found, "error": self._error} if self._error else found

    def _parts(self) -> list[Part]:
        """Return the parts of finished items, and the pieces of the others."""
        parts: list[Part] = []
        said = dict.fromkeys(index for index, _ in self._pieces)
        for index in sorted({**self._items, **said}, key=rank):
            item = self._items.get(index)
            if index not in said or field(item, "status") == "completed":
                parts += item_parts(item)
            else:
                parts += self._unfinished(index, item)
        return parts

    def _unfinished(self, index: Any, item: Any) -> list[Part]:
        return [
            _piece(kind, "".join(pieces), item)
            for (owner, kind), pieces in self._pieces.items()
            if owner == index
        ]


def _piece(kind: str, piece: str, item: Any) -> Part:
    """
    Return what has come of an item.

    Args:
        kind: The type of the events, such as ``response.output_text.delta``.
        piece: What these said.
        item: The item as it began; ``None`` if that was not told.
    """
    if "function_call_arguments" in kind or "custom_tool_call" in kind:
        return _call(item, piece)
    if "reasoning" in kind:
        return reasoning(piece)
    if kind == "response.audio.delta":
        return blob("audio", None, piece)
    if "refusal" in kind:
        return refusal(piece)
    if "output_text" in kind or "transcript" in kind:
        return text(piece)
    # The code or the command for a tool that the provider runs, or what is new.
    name = kind[: -len(".delta")].rpartition("_")[2]
    return {**as_it_is({"type": kind} if item is None else item), name: piece}
