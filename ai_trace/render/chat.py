"""
Only the conversations of a session, as lines for a terminal.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_trace._record import StepRecord
from ai_trace._tree import Session
from ai_trace._usage import model_of, usage_of
from ai_trace.render import _messages
from ai_trace.render._conversation import (
    Call,
    Conversations,
    Message,
    Part,
    read_call,
)
from ai_trace.render._fields import INDENT
from ai_trace.render._style import Span, Style, columns, head
from ai_trace.render._used import used
from ai_trace.render._values import lasted, local_time


__all__ = ["chat"]

_NOBODY = -1
_NARROWEST = 20
_LONGEST = 4096
_MOST_TOOLS = 10_000


def chat(
    session: Session,
    steps: Sequence[StepRecord],
    style: Style,
    *,
    full: bool = False,
    times: bool = False,
    only: Callable[[StepRecord], bool] | None = None,
) -> Iterator[str]:
    """
    Render what models were told and what they said, each message once.

    Args:
        session: The session.
        steps: The steps whose conversations to show, in the order of their starts; they
            are gone through twice.
        style: What the output can show.
        full: Whether to show reasoning, instead of only its length.
        times: Whether to say when each call began, in local time.
        only: Tells whether a step is wanted; a conversation is shown if any of its
            calls is.

    Yields:
        Lines, without their newlines; none if there is no conversation. An empty line
        separates messages.
    """
    talks = _Talks()
    for number, record in enumerate(steps):
        call = read_call(record)
        if call is not None and usage_of(record) is not None:
            talks.add(number, call, wanted=only is None or only(record))
    chosen = [talk for talk in range(len(talks.first)) if talks.wanted[talk]]
    for talk in chosen:
        if len(talks.first) > 1:
            yield from _title(session, steps, talks, talk, style)
        for turn in talks.turns(talk):
            yield from _turn(steps[turn.step], turn, style, full=full, times=times)


class _Turn(NamedTuple):
    # One call of a conversation: which step it is, how many of its messages are known
    # from earlier calls, whether its instructions are, and which names of tools.
    step: int
    known: int
    system: bool
    tools: Mapping[str, str]


class _Talks:
    # Which calls belong to which conversation: a few numbers for each. The first few
    # thousand also have the names of tools that they need from earlier calls.

    def __init__(self) -> None:
        self._conversations = Conversations()
        self._step = array("q")
        self._known = array("q")
        self._system = bytearray()
        self._talk = array("q")
        self._next = array("q")
        self._last = array("q")
        self._tools: dict[int, Mapping[str, str]] = {}
        self.first = array("q")
        self.wanted = bytearray()
        self.origin = array("q")

    def add(self, step: int, call: Call, *, wanted: bool) -> None:
        known = self._conversations.meet(call)
        number = len(self._step)
        self._step.append(step)
        self._known.append(known.messages)
        self._system.append(known.system)
        self._next.append(_NOBODY)
        if known.tools and len(self._tools) < _MOST_TOOLS:
            self._tools[number] = known.tools
        before = _NOBODY if known.call is None else known.call
        talk = _NOBODY if before == _NOBODY else self._talk[before]
        if talk != _NOBODY and self._last[talk] == before:
            self._next[before] = number
            self._last[talk] = number
        else:
            # If two calls continue the same one, the later begins a new conversation.
            self.origin.append(talk)
            talk = len(self.first)
            self.first.append(number)
            self._last.append(number)
            self.wanted.append(False)
        self._talk.append(talk)
        self.wanted[talk] |= wanted

    def turns(self, talk: int) -> Iterator[_Turn]:
        number = self.first[talk]
        while number != _NOBODY:
            yield _Turn(
                self._step[number],
                self._known[number],
                bool(self._system[number]),
                self._tools.get(number, {}),
            )
            number = self._next[number]

    def known(self, talk: int) -> int:
        return self._known[self.first[talk]]


def _title(
    session: Session,
    steps: Sequence[StepRecord],
    talks: _Talks,
    talk: int,
    style: Style,
) -> Iterator[str]:
    count = len(talks.first)
    spans = [Span(style.signs(f"── conversation {talk + 1} of {count}"), "quiet")]
    first = next(talks.turns(talk))
    above = session.parent(steps[first.step])
    if above is not None:
        spans.append(Span(style.clean(f"  in {above.name}"), "quiet"))
    yield ""
    yield style.line(spans)
    if first.known:
        told = _messages.summary(first.known, 0, 0).rpartition(",")[0]
        origin = f"{told}, as in conversation {talks.origin[talk] + 1}"
        yield style.line([Span(style.signs(origin), "quiet")])


def _turn(
    record: StepRecord, turn: _Turn, style: Style, *, full: bool, times: bool
) -> Iterator[str]:
    call = read_call(record, turn.tools)
    if call is None:
        return
    said: list[Message] = list(call.messages[turn.known :])
    if call.system and not turn.system:
        said.insert(0, Message("system", call.system))
    for message in [*said, *call.answers]:
        yield ""
        spans = _messages.whole([message], fold=not full, ends=False)
        yield from _lines(spans, style)
    if not call.answers:
        yield ""
    other = _messages.unread(call)
    if other is not None:
        what = "text" if isinstance(other, str) else "value"
        yield from _lines(_messages.parts([Part(what, other)], 1), style)
    yield from _lines(_facts(record, call, times=times), style)


def _facts(record: StepRecord, call: Call, *, times: bool) -> Iterator[Span]:
    if record.error:
        yield Span(f"{INDENT}{record.outcome}: {record.error[:_LONGEST]}", "bad")
    elif record.outcome != "ok":
        yield Span(INDENT + record.outcome, "odd")
    ends = dict.fromkeys(answer.finish_reason for answer in call.answers)
    usage = usage_of(record)
    facts = [
        ", ".join(filter(None, ends)),
        model_of(record),
        "" if usage is None else used(usage),
        lasted(record.outcome, record.duration_ms),
        f"started {local_time(record.started_at or None)}" if times else "",
    ]
    yield Span(INDENT + "  ".join(filter(None, facts)), "quiet")


def _lines(spans: Iterator[Span], style: Style) -> Iterator[str]:
    for text, role in spans:
        for line in _wrapped(style.clean(text), style.width):
            yield style.paint(line, role)


def _wrapped(text: str, width: int | None) -> Iterator[str]:
    # Lines that are too long are broken at spaces, and keep their indent.
    if width is None or columns(text) <= width:
        yield text.rstrip()
        return
    start = len(text) - len(text.lstrip(" "))
    indent = " " * min(start, max(0, width - _NARROWEST))
    room = max(1, width - len(indent))
    while start < len(text):
        end = start + (len(head(text[start : start + room * 4], room)) or 1)
        space = text.rfind(" ", start + 1, end + 1)
        if end < len(text) and space > 0:
            end = space
        yield (indent + text[start:end]).rstrip()
        start = end + (text[end : end + 1] == " ")
