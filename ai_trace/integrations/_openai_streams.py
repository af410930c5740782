"""
OpenAI's streams of chat and completions, gathered chunk by chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any, Callable

from ai_trace.integrations._fields import (
    counts,
    extra,
    field,
    fields,
    items,
    plain,
    plain_within,
    rank,
)
from ai_trace.integrations._media import BlobPieces, added, without_media
from ai_trace.integrations._messages import (
    Message,
    Part,
    message,
    reasoning,
    refusal,
    text,
    tool_call,
)
from ai_trace.integrations._openai_messages import (
    TAKEN_OF_CHOICE,
    content_part,
    content_parts,
)
from ai_trace.integrations._usage import openai_usage
from ai_trace.integrations._wire import Facts, answer, with_more


_TAKEN_OF_DELTA = ("role", "parts", "name", "finish_reason")
_TEXT = ("type", "content")
_ABOUT = ("model", "id", "service_tier")
TAKEN_OF_ANSWER = frozenset((*_ABOUT, "object", "created", "choices", "usage"))
"""The fields of an answer that are recorded under other names, or not at all."""


class _PiecedCall:
    """
    One call of a tool, whose arguments come in pieces.
    """

    def __init__(self) -> None:
        self.call_id: Any = None
        self.name: Any = None
        self.pieces: list[str] = []
        self.whole: Any = None

    def is_another(self, call_id: Any, name: Any) -> bool:
        """Tell whether a piece under the same index begins another call."""
        # Some servers give all calls the same index, others give each piece a new id.
        return bool(call_id and name and self.name) and call_id != self.call_id

    def add(self, call_id: Any, name: Any, function: Any) -> None:
        """Take a piece."""
        self.call_id = self.call_id or call_id
        self.name = self.name or name
        piece = field(function, "arguments") or extra(function, "input")
        if type(piece) is str:
            self.pieces.append(piece)
        elif piece is not None:
            # Some servers send them as an object, all at once.
            self.whole = piece

    def part(self) -> Part:
        """Return the call so far."""
        arguments = "".join(self.pieces) if self.whole is None else self.whole
        return tool_call(self.name, arguments, self.call_id)


class _Choice:
    """
    One choice of a stream, gathered from its pieces.
    """

    def __init__(self) -> None:
        self.role: Any = "assistant"
        self.said: list[str] = []
        self.thought: list[str] = []
        self.thought_elsewhere: list[str] = []
        self.refused: list[str] = []
        self.calls: list[_PiecedCall] = []
        self.latest: dict[Any, _PiecedCall] = {}
        self.sound: BlobPieces | None = None
        self.heard: list[str] = []
        self.others: list[Part] = []
        self.finish_reason: Any = None
        self.said_beside: list[tuple[str, Any]] = []
        self.about: list[tuple[str, Any]] = []

    def add(self, delta: Any) -> bool:
        """Take what a chunk adds; return whether it holds content of the model."""
        speaks = False
        for name, given in fields(delta).items():
            if not given:
                continue
            if name in _TAKES:
                _TAKES[name](self, given)
                speaks = True
            elif name not in _TAKEN_OF_DELTA:
                self.said_beside.append((name, plain_within(given)))
        return speaks

    def _add_content(self, given: Any) -> None:
        if type(given) is str:
            self.said.append(given)
            return
        # Not from OpenAI: Mistral sends reasoning and references as parts.
        for part in content_parts(given):
            kind, piece = part["type"], part.get("content")
            joined = self.said if kind == "text" else self.thought
            if kind in ("text", "reasoning") and type(piece) is str:
                joined.append(piece)
                self.about += [one for one in part.items() if one[0] not in _TEXT]
            else:
                self.others.append(part)

    def _add_thought(self, given: Any) -> None:
        self.thought.append(_text_of(given))

    def _add_thought_elsewhere(self, given: Any) -> None:
        self.thought_elsewhere.append(_text_of(given))

    def _add_refusal(self, given: Any) -> None:
        self.refused.append(_text_of(given))

    def _add_sound(self, given: Any) -> None:
        data, transcript = field(given, "data"), field(given, "transcript")
        if data:
            self.sound = self.sound or BlobPieces("audio")
            self.sound.add(data)
        if transcript:
            self.heard.append(_text_of(transcript))

    def _add_images(self, given: Any) -> None:
        self.others += [content_part(one) for one in items(given)]

    def _add_old_call(self, given: Any) -> None:
        self._add_calls([{"function": given}])

    def _add_calls(self, given: Any) -> None:
        for piece in items(given):
            index, call_id = field(piece, "index"), field(piece, "id")
            function = field(piece, "function") or extra(piece, "custom")
            name = field(function, "name")
            known = self.latest.get(index)
            if known is None or known.is_another(call_id, name):
                known = self.latest[index] = _PiecedCall()
                self.calls.append(known)
            known.add(call_id, name, function)

    def message(self) -> Message:
        """Return the message so far."""
        parts: list[Part] = []
        # Some servers send the same reasoning under both names.
        thought = self.thought or self.thought_elsewhere
        if thought:
            parts.append(reasoning("".join(thought)))
        if self.said:
            parts.append(text("".join(self.said)))
        if self.refused:
            parts.append(refusal("".join(self.refused)))
        parts += [call.part() for call in self.calls]
        if self.sound is not None:
            parts.append(self.sound.part())
        if self.heard:
            parts.append(text("".join(self.heard)))
        parts += self.others
        made = message(self.role, parts, finish_reason=self.finish_reason)
        more = {
            **_joined(self.about, are_pieces=False),
            **_joined(self.said_beside, are_pieces=True),
        }
        return added(made, without_media(more))


def _text_of(given: Any) -> str:
    """Return a piece of text; anything else as JSON."""
    return given if type(given) is str else json.dumps(plain(given), default=str)


_TAKES: dict[str, Callable[[_Choice, Any], None]] = {
    "content": _Choice._add_content,
    "reasoning_content": _Choice._add_thought,
    "reasoning": _Choice._add_thought_elsewhere,
    "refusal": _Choice._add_refusal,
    "tool_calls": _Choice._add_calls,
    "function_call": _Choice._add_old_call,
    "audio": _Choice._add_sound,
    "images": _Choice._add_images,
}


def _joined(given: Iterable[tuple[str, Any]], *, are_pieces: bool) -> Facts:
    """
    Return what came under the same names as one, as far as it can be joined.

    Args:
        given: Names, and what came under them.
        are_pieces: Whether texts are pieces of one text, and not told anew each time.
    """
    by_name: dict[str, list[Any]] = {}
    for name, one in given:
        if one is not None:
            by_name.setdefault(name, []).append(one)
    return {name: _join(found, are_pieces) for name, found in by_name.items()}


def _join(found: list[Any], are_pieces: bool) -> Any:
    kinds = set(map(type, found))
    if kinds == {str} and are_pieces:
        return "".join(found)
    if kinds == {list}:
        return list(chain.from_iterable(found))
    if kinds == {dict}:
        # What Azure has filtered in the middle is not made good by what came after.
        filtered = [one for one in found if one.get("filtered")]
        if filtered:
            return filtered[-1]
        every = chain.from_iterable(one.items() for one in found)
        return _joined(every, are_pieces=False)
    return found[-1]


class ChatFold:
    """
    The chunks of a chat completion.
    """

    def __init__(self) -> None:
        self._about: Facts = {}
        self._untold: tuple[str, ...] = _ABOUT
        self._choices: dict[Any, _Choice] = {}
        self._usage: Any = None
        self._more: Facts = {}

    # In one function, since every call in it is made for each chunk.
    def add(self, chunk: Any) -> bool:  # noqa: C901
        """Take a chunk; return whether it holds content of the model."""
        facts = fields(chunk)
        for name, value in facts.items():
            if name not in TAKEN_OF_ANSWER and value:
                # Mostly the same text in each chunk.
                self._more[name] = value if type(value) is str else plain_within(value)
        for name in self._untold:
            told = facts.get(name)
            # Azure's first chunk has empty texts there.
            if told:
                self._about[name] = told
                self._untold = tuple(set(_ABOUT).difference(self._about))
        usage = facts.get("usage")
        if usage is not None:
            # The last chunk holds it, and often no choice at all.
            self._usage = counts(usage)
        speaks = False
        given: Any = facts.get("choices")
        for one in given if type(given) in (list, tuple) else ():
            told = fields(one)
            index = told.get("index")
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            if choice.add(told.get("delta")):
                speaks = True
            reason = told.get("finish_reason")
            if reason is not None:
                choice.finish_reason = reason
            for name, value in told.items():
                if name not in TAKEN_OF_CHOICE and value:
                    choice.about.append((name, plain_within(value)))
        return speaks

    def result(self) -> Facts:
        """Return the result so far."""
        # In the order of a whole answer, whichever choice began first.
        messages = [
            self._choices[one].message() for one in sorted(self._choices, key=rank)
        ]
        usage = self._usage
        if usage is None:
            # Where Groq tells it unasked.
            usage = field(self._more.get("x_groq"), "usage")
        found = answer(self._about, messages, openai_usage(usage), usage)
        return with_more(found, without_media(self._more))


class CompletionFold(ChatFold):
    """
    The chunks of a legacy completion, whose choices are plain text.
    """

    def add(self, chunk: Any) -> bool:
        """Take a chunk; return whether it holds content of the model."""
        facts = fields(chunk)
        choices = [fields(one) for one in items(facts.get("choices"))]
        said = [{**one, "delta": {"content": one.get("text")}} for one in choices]
        return super().add({**facts, "choices": said})
