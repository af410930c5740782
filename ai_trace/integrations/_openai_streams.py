"""
OpenAI's streams, gathered chunk by chunk.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._fields import extra, field, items, plain
from ai_trace.integrations._messages import (
    Message,
    Part,
    message,
    reasoning,
    refusal,
    text,
    tool_call,
)
from ai_trace.integrations._openai_responses import item_parts, output_messages
from ai_trace.integrations._usage import openai_usage
from ai_trace.integrations._wire import Facts, answer


class _Choice:
    """
    One choice of a stream: the pieces that have come of it.
    """

    def __init__(self) -> None:
        self.role: Any = "assistant"
        self.said: list[str] = []
        self.thought: list[str] = []
        self.refused: list[str] = []
        self.calls: dict[Any, dict[str, Any]] = {}
        self.finish_reason: Any = None

    def add(self, delta: Any) -> bool:
        """Take what a chunk adds; return whether it says something."""
        piece = field(delta, "content")
        if piece:
            self.said.append(piece)
            return True
        thought = extra(delta, "reasoning_content") or extra(delta, "reasoning")
        refused = field(delta, "refusal")
        if thought:
            self.thought.append(thought)
        if refused:
            self.refused.append(refused)
        calls = items(field(delta, "tool_calls"))
        old = field(delta, "function_call")
        if old:
            calls.append({"function": old})
        for call in calls:
            self._add_call(call)
        return bool(thought or refused or calls)

    def _add_call(self, call: Any) -> None:
        index = field(call, "index")
        known = self.calls.setdefault(index, {"id": None, "name": None, "pieces": []})
        function = field(call, "function") or extra(call, "custom")
        known["id"] = known["id"] or field(call, "id")
        known["name"] = known["name"] or field(function, "name")
        piece = field(function, "arguments") or extra(function, "input")
        if piece:
            known["pieces"].append(piece)

    def message(self) -> Message:
        """Return what has come of it."""
        parts: list[Part] = []
        if self.thought:
            parts.append(reasoning("".join(self.thought)))
        if self.said:
            parts.append(text("".join(self.said)))
        if self.refused:
            parts.append(refusal("".join(self.refused)))
        for call in self.calls.values():
            arguments = "".join(call["pieces"])
            parts.append(tool_call(call["name"], arguments, call["id"]))
        return message(self.role, parts, finish_reason=self.finish_reason)


class ChatFold:
    """
    The chunks of a chat completion.
    """

    def __init__(self) -> None:
        self._about: Facts = {}
        self._choices: dict[Any, _Choice] = {}
        self._usage: Any = None

    def add(self, chunk: Any) -> bool:
        """Take a chunk; return whether the model says something in it."""
        if not self._about:
            self._about = _about(chunk)
        usage = field(chunk, "usage")
        if usage is not None:
            # The last chunk holds it, and often no choice at all.
            self._usage = plain(usage)
        speaks = False
        for given in items(field(chunk, "choices")):
            index = field(given, "index")
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            if self._add(choice, given):
                speaks = True
            reason = field(given, "finish_reason")
            if reason is not None:
                choice.finish_reason = reason
        return speaks

    def _add(self, choice: _Choice, given: Any) -> bool:
        return choice.add(field(given, "delta"))

    def result(self) -> Facts:
        """Return what has come so far."""
        messages = [choice.message() for choice in self._choices.values()]
        return answer(self._about, messages, openai_usage(self._usage), self._usage)


class CompletionFold(ChatFold):
    """
    The chunks of a legacy completion, whose choices are plain text.
    """

    def _add(self, choice: _Choice, given: Any) -> bool:
        return choice.add({"content": field(given, "text")})


def _about(chunk: Any) -> Facts:
    return {name: field(chunk, name) for name in ("model", "id", "service_tier")}


class ResponseFold:
    """
    The events of a response.

    The last event holds the whole response. Until it comes, the items that are done
    are kept, and the pieces of those that are not.
    """

    def __init__(self) -> None:
        self._response: Any = None
        self._items: dict[Any, Any] = {}
        self._pieces: dict[Any, list[str]] = {}
        self._is_whole = False

    def add(self, event: Any) -> bool:
        """Take an event; return whether the model says something in it."""
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
        response = field(event, "response")
        if response is not None:
            self._response = response
            self._is_whole = kind in _LAST_EVENTS
        return False

    def result(self) -> Facts:
        """Return what has come so far."""
        response = self._response
        usage = field(response, "usage")
        if self._is_whole and type(field(response, "output")) is list:
            output, status = field(response, "output"), field(response, "status")
            why = field(response, "incomplete_details")
            messages = output_messages(output, status, why)
        else:
            parts = self._parts()
            messages = [message("assistant", parts)] if parts else []
        found = answer(response, messages, openai_usage(usage), usage)
        failure = field(response, "error")
        return found if failure is None else {**found, "error": plain(failure)}

    def _parts(self) -> list[Part]:
        """Return the parts of items that are done, and pieces of the others."""
        parts: list[Part] = []
        said = {index for index, _ in self._pieces}
        for index in sorted({*self._items, *said}, key=str):
            item = self._items.get(index)
            if index not in said or field(item, "status") == "completed":
                parts += item_parts(item)
            else:
                parts += self._unfinished(index, item)
        return parts

    def _unfinished(self, index: Any, item: Any) -> list[Part]:
        parts: list[Part] = []
        for (owner, kind), pieces in self._pieces.items():
            piece = "".join(pieces)
            if owner != index:
                continue
            if "arguments" in kind or "custom_tool_call" in kind:
                name, call_id = field(item, "name"), field(item, "call_id")
                parts.append(tool_call(name, piece, call_id))
            elif "reasoning" in kind:
                parts.append(reasoning(piece))
            elif "refusal" in kind:
                parts.append(refusal(piece))
            else:
                parts.append(text(piece))
        return parts


_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed")
