"""
Anthropic's endpoints: messages, and counting their tokens.
"""

from __future__ import annotations

from typing import Any

from ai_trace.integrations._anthropic_messages import (
    answer_message,
    anthropic_messages,
    anthropic_tools,
    block_parts,
)
from ai_trace.integrations._fields import counts, field, fields, plain
from ai_trace.integrations._media import beside
from ai_trace.integrations._messages import arguments_of
from ai_trace.integrations._usage import Usage, anthropic_usage
from ai_trace.integrations._wire import Facts, Wire, answer, parameters, with_more


_TAKEN = ("model", "messages", "system", "tools")
_TAKEN_OF_ANSWER = frozenset(
    ("id", "type", "role", "model", "content", "stop_reason", "usage")
)
_TAKEN_OF_DELTA = frozenset(("type", "delta", "usage"))
_PIECES = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


def _asked(body: Facts) -> Facts:
    asked: Facts = {}
    system = body.get("system")
    if system is not None:
        parts = block_parts(system)
        if parts:
            asked["system"] = parts
    messages = anthropic_messages(body.get("messages"))
    if messages is not None:
        asked["messages"] = messages
    offered = body.get("tools")
    if offered is not None:
        asked["tools"] = anthropic_tools(offered)
    more = parameters(body, *_TAKEN)
    if more is not None:
        asked["parameters"] = more
    return asked


def _answered(response: Any) -> Facts | None:
    given = fields(response)
    content = given.get("content")
    if type(content) is not list:
        return None
    usage = counts(given.get("usage"))
    messages = answer_message(content, given.get("stop_reason"))
    return answer(given, messages, anthropic_usage(usage), usage, _TAKEN_OF_ANSWER)


def _counted(response: Any) -> Facts | None:
    # Not as "usage": these tokens were counted, not used.
    tokens = field(response, "input_tokens")
    return {"input_tokens": tokens} if type(tokens) is int else None


class MessageFold:
    """
    The events of a message.
    """

    def __init__(self) -> None:
        self._about: Facts = {}
        self._usage: dict[str, Any] = {}
        self._is_counted = False
        self._stop_reason: Any = None
        self._more: Facts = {}
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._pieces: dict[tuple[Any, str], list[str]] = {}
        self._citations: dict[Any, list[Any]] = {}

    def add(self, event: Any) -> bool:
        """Take an event; return whether it holds content of the model."""
        facts = fields(event)
        kind = facts.get("type")
        if kind == "content_block_delta":
            self._add_piece(facts.get("index"), fields(facts.get("delta")))
            return True
        if kind == "content_block_start":
            block = self._blocks[facts.get("index")] = plain(facts.get("content_block"))
            if field(block, "type") == "fallback":
                self._about["model"] = field(field(block, "to"), "model")
        elif kind == "message_start":
            started = fields(facts.get("message"))
            self._about = {"model": started.get("model"), "id": started.get("id")}
            self._more.update(beside(started, _TAKEN_OF_ANSWER))
            self._count(started.get("usage"))
        elif kind == "message_delta":
            delta = fields(facts.get("delta"))
            self._stop_reason = delta.get("stop_reason")
            self._more.update(beside(delta, _TAKEN_OF_ANSWER))
            self._more.update(beside(facts, _TAKEN_OF_DELTA))
            self._count(facts.get("usage"))
            self._is_counted = True
        return False

    def _add_piece(self, index: Any, delta: Facts) -> None:
        kind: Any = delta.get("type")
        if kind == "citations_delta":
            self._citations.setdefault(index, []).append(plain(delta.get("citation")))
        elif kind == "compaction_delta":
            told = {name: delta[name] for name in delta if name != "type"}
            self._blocks[index] = {**fields(self._blocks.get(index)), **told}
        name = _PIECES.get(kind)
        piece = None if name is None else delta.get(name)
        if name is None or type(piece) is not str:
            return
        pieces = self._pieces.get((index, name))
        if pieces is None:
            pieces = self._pieces[index, name] = []
        pieces.append(piece)

    def _count(self, usage: Any) -> None:
        """Take the counts of an event; they are for the whole message so far."""
        given = counts(usage)
        if type(given) is dict:
            known = {key: n for key, n in given.items() if n is not None}
            self._usage.update(known)

    def result(self) -> Facts:
        """Return the result so far."""
        content = [self._block(index) for index in self._blocks]
        messages = answer_message(content, self._stop_reason)
        usage = self._usage or None
        found = answer(self._about, messages, self._counted(), usage)
        return with_more(found, self._more)

    def _counted(self) -> Usage:
        counted = self._usage
        if not self._is_counted:
            # The first event has to count the output before there is any.
            counted = {n: counted[n] for n in counted if not n.startswith("output")}
        return anthropic_usage(counted)

    def _block(self, index: Any) -> Any:
        block: Any = self._blocks[index]
        if type(block) is not dict:
            return block
        if index in self._citations:
            block = {**block, "citations": self._citations[index]}
        for name in _PIECES.values():
            if (index, name) not in self._pieces:
                continue
            whole = "".join(self._pieces[index, name])
            if name == "partial_json":
                # Without arguments, the only piece is empty: keep the initial value.
                block = {**block, "input": arguments_of(whole or block.get("input"))}
            else:
                block = {**block, name: (block.get(name) or "") + whole}
        return block


WIRES = {
    "/v1/messages": Wire("chat", "llm", _asked, _answered, MessageFold),
    "/v1/messages/count_tokens": Wire("count_tokens", "step", _asked, _counted),
}
