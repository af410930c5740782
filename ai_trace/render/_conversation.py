"""
The messages of an LLM call, and which of them are new in its conversation.

A record may hold anything where messages are expected; what has another shape is kept
as a value. Nothing here is escaped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ai_trace._record import StepRecord


# How many points at which a conversation may continue are remembered; each call makes
# two or more. One that continues after more calls than that is taken for a new one.
_MEMORY = 10_000
_MOST_ANSWERS = 16
_MOST_KEYS = 32
_LONGEST_NAME = 200
_MEDIA = ("uri", "file", "blob")
_PLAIN = ("text", "reasoning", "refusal")
# The parts that call a tool, and the keys of their arguments. All but the first are for
# tools that the provider runs, and are recorded as Anthropic and OpenAI send them.
_CALLS = {
    "tool_call": "arguments",
    "server_tool_use": "input",
    "mcp_tool_use": "input",
    "mcp_call": "arguments",
}
_ANSWER, _ANSWER_OF_PROVIDER = "tool_call_response", "_tool_result"
_encode = json.JSONEncoder(sort_keys=True).encode


class Part(NamedTuple):
    """
    A part of a message.

    Attributes:
        what: ``text``, ``reasoning``, ``refusal``, ``call`` of a tool, ``answer`` of
            a tool, ``media``, or ``value`` for anything else.
        value: Its text; the arguments of a call; what a tool answered; the fields of
            media; else the value itself.
        name: The tool's name; an answer has that of the call with the same id.
        call_id: Pairs the answer of a tool with its call.
        rest: The other fields of the part.
    """

    what: str
    value: Any
    name: str = ""
    call_id: str = ""
    rest: Mapping[str, Any] = {}


class Message(NamedTuple):
    """
    One message, to the model or from it.

    Attributes:
        role: ``system``, ``user``, ``assistant``, ``tool`` or whatever was recorded;
            empty if it is not a message.
        parts: What it says.
        name: Who is speaking, if that was recorded.
        finish_reason: Why the model stopped, for its answers.
        rest: The other fields of the message.
    """

    role: str
    parts: Sequence[Part]
    name: str = ""
    finish_reason: str = ""
    rest: Mapping[str, Any] = {}


class Call(NamedTuple):
    """
    What an LLM call recorded, with its messages read.

    Attributes:
        system: Instructions that were given separately from the messages.
        messages: What the model was sent.
        answers: What it answered, one message for each choice.
        context: The rest of what the step saw.
        result: The rest of its result.
        has_result: Whether there is a rest of the result to show.
    """

    system: Sequence[Part]
    messages: Sequence[Message]
    answers: Sequence[Message]
    context: Mapping[str, Any]
    result: Any
    has_result: bool


class Known(NamedTuple):
    """
    What of a call is already known from the call before it in the conversation.

    Attributes:
        messages: How many of its messages.
        call: The number of that call, as ``Conversations`` counts; ``None`` for the
            first call of a conversation.
        system: Whether the separate instructions are the same.
        context: The names of other values that it saw and that are the same.
        tools: The names of tools that it called, by the ids that this call answers.
    """

    messages: int = 0
    call: int | None = None
    system: bool = False
    context: frozenset[str] = frozenset()
    tools: Mapping[str, str] = {}


NOTHING_KNOWN = Known()


def read_call(record: StepRecord, tools: Mapping[str, str] = {}) -> Call | None:
    """
    Read the messages of an LLM call.

    Args:
        record: Any step.
        tools: The names of tools that were called before, by the ids of the calls.

    Returns:
        The call; ``None`` for a step of another kind, or one without any messages.
    """
    if record.kind != "llm":
        return None
    context = dict(record.context)
    asked = _listed(context.get("messages"))
    answered: list[Any] = []
    result = record.result
    if isinstance(result, dict) and _has_message(_listed(result.get("messages"))):
        result = dict(result)
        answered = result.pop("messages")
    if _has_message(asked):
        del context["messages"]
    elif answered:
        asked = []
    else:
        return None
    names = {**tools, **_tool_names([*asked, *answered])}
    system = context.get("system")
    if isinstance(system, (str, list)) and system:
        del context["system"]
    else:
        system = []
    return Call(
        system=_parts([system] if isinstance(system, str) else system, names),
        messages=[_message(each, names) for each in asked],
        answers=[_message(each, names) for each in answered],
        context=context,
        result=result,
        has_result=record.has_result and result != {},
    )


class Conversations:
    """
    Tells which messages of a call are already known from earlier calls.

    Two calls belong to one conversation if the messages of the first, with or without
    its answer, are the first messages of the second. Only digests are kept, those of
    the last few thousand calls, and the names of the last tools that were called.

    Args:
        memory: How many points at which a conversation may continue are remembered.
    """

    def __init__(self, memory: int = _MEMORY) -> None:
        self._memory = memory
        self._ends: dict[bytes, tuple[int, dict[str, bytes]]] = {}
        self._called: dict[tuple[int | None, str], str] = {}
        self._count = 0

    def meet(self, call: Call) -> Known:
        """
        Compare a call with those before it, and remember it.

        Args:
            call: The next call, in the order of their starts.

        Returns:
            What is known of it.
        """
        digest = hashlib.sha256()
        prefixes = []
        said = False
        for message in call.messages:
            said |= self._add(message, digest)
            prefixes.append(digest.digest() if said else b"")
        setup = _setup(call, self._count)
        known = self._known(call, prefixes, setup)
        self._remember(prefixes[-1:], setup)
        for answer in islice(call.answers, _MOST_ANSWERS):
            self._remember_tools(answer)
            continued = digest.copy()
            if self._add(answer, continued):
                self._remember([continued.digest()], setup)
        self._remember(_response_id(call.result, "id"), setup)
        self._count += 1
        return known._replace(tools=self._tools(call.messages, known.call))

    def _add(self, message: Message, digest: Any) -> bool:
        # Part by part, since some programs send parts back as messages of their own.
        parts = _comparable(message)
        for part in parts:
            digest.update(_canonical(part, self._count))
        return bool(parts)

    def _known(
        self, call: Call, prefixes: Sequence[bytes], setup: Mapping[str, bytes]
    ) -> Known:
        # If the server keeps the conversation, only new messages were sent; that some
        # have the same words as earlier ones means nothing.
        for key in _goes_on_from(call.context.get("parameters")):
            if key in self._ends:
                return _same_in(self._ends[key], 0, setup)
        for count in range(len(prefixes), 0, -1):
            end = self._ends.get(prefixes[count - 1])
            if end is not None:
                return _same_in(end, count, setup)
        return NOTHING_KNOWN

    def _remember(self, keys: Sequence[bytes], setup: dict[str, bytes]) -> None:
        for key in filter(None, keys):
            self._ends.pop(key, None)
            self._ends[key] = (self._count, setup)
        self._forget(self._ends)

    def _remember_tools(self, answer: Message) -> None:
        for part in answer.parts:
            size = len(part.call_id) + len(part.name)
            if part.what == "call" and part.call_id and size <= _LONGEST_NAME:
                self._called[self._count, part.call_id] = part.name
        self._forget(self._called)

    def _tools(self, sent: Sequence[Message], before: int | None) -> dict[str, str]:
        parts = (part for message in sent for part in message.parts)
        keys = ((before, p.call_id) for p in parts if p.what == "answer" and not p.name)
        return {key[1]: self._called[key] for key in keys if key in self._called}

    def _forget(self, kept: dict[Any, Any]) -> None:
        while len(kept) > self._memory:
            del kept[next(iter(kept))]


def _same_in(
    end: tuple[int, Mapping[str, bytes]], count: int, setup: Mapping[str, bytes]
) -> Known:
    number, before = end
    same = {name for name, digest in setup.items() if before.get(name) == digest}
    return Known(count, number, "system" in same, frozenset(same - {"system"}))


def _setup(call: Call, number: int) -> dict[str, bytes]:
    # The context has no ``system`` of its own, unless that is not an instruction.
    kept = dict(islice(call.context.items(), _MOST_KEYS))
    if call.system:
        kept["system"] = [_comparable_part(part) for part in call.system]
    return {
        name: hashlib.sha256(_canonical(value, number)).digest()[:16]
        for name, value in kept.items()
    }


def _goes_on_from(asked: Any) -> Sequence[bytes]:
    """Return the id of the answer that a request continues, in any library's words."""
    thread = asked.get("thread") if isinstance(asked, dict) else None
    before = _response_id(asked, "previous_response_id")
    return before or _response_id(thread, "previous_message_id")


def _response_id(value: Any, key: str) -> Sequence[bytes]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        return ()
    return (b"id" + hashlib.sha256(found.encode("utf-8", "replace")).digest(),)


def _canonical(value: Any, call: int) -> bytes:
    try:
        return _encode(value).encode("ascii") + b"\n"
    except (RecursionError, ValueError, TypeError):
        # So it is equal to that of no other call.
        return f"?{call}\n".encode()


def _comparable(message: Message) -> list[Any]:
    # An answer has to be equal to the message by which it is sent back: reasoning,
    # empty texts, what only answers have and names that programs give are left out.
    name = message.name if message.role != "assistant" else ""
    parts = [
        [message.role, name, *_comparable_part(part)]
        for part in message.parts
        if part.what != "reasoning" and (part.what != "text" or part.value)
    ]
    if not parts and message.rest:
        parts.append([message.role, name, message.rest])
    return parts


def _comparable_part(part: Part) -> list[Any]:
    return [part.what, part.value, part.name if part.what == "call" else part.call_id]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _has_message(messages: list[Any]) -> bool:
    return any(_is_message(each) for each in messages)


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return False
    if "parts" in value:
        return isinstance(value["parts"], (list, str))
    # Messages recorded by hand, and those that call a tool and have no text.
    return isinstance(value.get("content", 0), (list, str, type(None)))


def _message(value: Any, names: Mapping[str, str]) -> Message:
    if not _is_message(value):
        return Message("", [Part("value", value)])
    rest = dict(value)
    role, said = rest.pop("role"), rest.pop("parts" if "parts" in rest else "content")
    return Message(
        role,
        _parts([said] if isinstance(said, str) else said or [], names),
        name=_take_text(rest, "name"),
        finish_reason=_take_text(rest, "finish_reason"),
        rest=rest,
    )


def _parts(values: list[Any], names: Mapping[str, str]) -> list[Part]:
    return [_part(each, names) for each in values]


def _part(value: Any, names: Mapping[str, str]) -> Part:
    if isinstance(value, str):
        return Part("text", value)
    if not isinstance(value, dict):
        return Part("value", value)
    rest = dict(value)
    kind = rest.pop("type", None)
    if not isinstance(kind, str):
        return Part("value", value)
    if kind in _PLAIN and isinstance(rest.get("content"), str):
        return Part(kind, rest.pop("content"), rest=rest)
    if kind in _CALLS and isinstance(rest.get("name"), str):
        name, call_id = rest.pop("name"), _take_text(rest, "id")
        return Part("call", rest.pop(_CALLS[kind], None), name, call_id, rest)
    if kind == _ANSWER and "response" in rest:
        return _answer(rest, "id", "response", names)
    if kind.endswith(_ANSWER_OF_PROVIDER) and "content" in rest:
        return _answer(rest, "tool_use_id", "content", names)
    return Part("media" if kind in _MEDIA else "value", value)


def _answer(
    fields: dict[str, Any], id_key: str, key: str, names: Mapping[str, str]
) -> Part:
    call_id = _take_text(fields, id_key)
    return Part("answer", fields.pop(key), names.get(call_id, ""), call_id, fields)


def _take_text(fields: dict[str, Any], key: str) -> str:
    text = fields.get(key)
    if text is None or isinstance(text, str):
        fields.pop(key, None)
    return text if isinstance(text, str) else ""


def _tool_names(messages: Sequence[Any]) -> dict[str, str]:
    return {
        part["id"]: part["name"]
        for part in _dicts_in(messages)
        if part.get("type") in tuple(_CALLS)
        and isinstance(part.get("id"), str)
        and isinstance(part.get("name"), str)
    }


def _dicts_in(messages: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if isinstance(message, dict):
            for part in _listed(message.get("parts", message.get("content"))):
                if isinstance(part, dict):
                    yield part
