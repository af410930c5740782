r"""
Lines at a glance: what figures and trees need of a step, without decoding the rest.

Only a line that is as tracers write it is looked at here, and all of it is held to the
grammar of JSON, by one regular expression or by msgspec. Whatever is not plain is left
to ``StepRecord.from_line``, which says what is wrong with it. One thing alone is not
seen here: a key that stands twice in an object.

A look at a line of 330 bytes takes half of the time of json.loads, by msgspec a fifth.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter, is_, itemgetter
from typing import Any, Callable, Optional, Protocol

from ai_trace._interruption import interrupts
from ai_trace._plain_lines import ESCAPED, UNESCAPED, plain_step
from ai_trace._record import SessionHeader


Look = Callable[[bytes, Sequence[bytes]], "Sequence[Glance | None]"]

# A line is decoded instead if it is nested deeper than this or has longer numbers.
_DEEPEST = 400
_TOO_LONG = re.compile(rb"[0-9]{401}")
_OPENING, _CLOSING, _NEWLINE = b"{}\n"
_FIRST, _LAST_BUT_ONE = itemgetter(0), itemgetter(-2)
_SESSION = attrgetter("session")
# None is what stands in a line as null.
_ABSENT = False
# In so few bytes there is room for neither.
_SHORT = 2 * _DEEPEST
# In characters: the state of a match that fails late is kept for each repetition.
_PLAIN_LENGTH = 64 * 1024
# What is skipped here is decoded when it is shown, in twenty times the memory: with a
# longer line that is tried at once, so that a line that does not fit is named.
_UNFOLDING_BYTES = 1024 * 1024
# The groups of the expression, in their order.
_SAID = (
    "name",
    "kind",
    "id",
    "parent_id",
    "seq",
    "started_at",
    "finished_at",
    "duration_ms",
    "outcome",
)


class Glance(Protocol):
    """
    What a step says of itself at a glance; every ``StepRecord`` does, too.
    """

    @property
    def name(self) -> str:
        """What the step is called."""
        ...

    @property
    def kind(self) -> str:
        """What sort of step it is."""
        ...

    @property
    def id(self) -> str:
        """Its id; empty where it has none."""
        ...

    @property
    def parent_id(self) -> str | None:
        """The id of the step that it was made in."""
        ...

    @property
    def seq(self) -> int:
        """The order of starts in its process."""
        ...

    @property
    def started_at(self) -> float:
        """Epoch seconds."""
        ...

    @property
    def finished_at(self) -> float | None:
        """Epoch seconds; ``None`` while it runs."""
        ...

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds; ``None`` while it runs."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended."""
        ...

    @property
    def context(self) -> dict[str, Any]:
        """What it saw; not decoded until it is asked for."""
        ...

    @property
    def result(self) -> Any:
        """What it returned; not decoded until it is asked for."""
        ...

    line: bytes
    """The line; set by whoever looked at it."""

    header: SessionHeader | None
    """The session that it belongs to; set by whoever looked at it."""


@functools.cache
def glancer() -> Look:
    """
    Return what looks at lines, by the extra ``fast`` where it is there.

    Asked for by those who read more than a few lines: it takes 10 ms to prepare.

    Returns:
        A function that takes lines with their newlines, all in one piece and one by
        one, and returns what each says; ``None`` for those that are to be decoded.
    """
    return fast_glancer() or _by_expression()


@functools.cache
def fast_glancer() -> Look | None:
    """Return what looks at lines by the extra ``fast``, if that is there."""
    try:
        import msgspec
    except ImportError:
        return None
    return _by_msgspec(msgspec)


def _by_expression() -> Look:
    unescaped = _expression(UNESCAPED).fullmatch

    @functools.cache
    def escaped() -> Any:
        return _expression(ESCAPED).fullmatch

    def look(text: str) -> Glance | None:
        if len(text) > _PLAIN_LENGTH:
            return None
        if "\\" not in text:
            match = unescaped(text)
            return None if match is None else _Matched(match)
        match = escaped()(text)
        if match is None:
            return None
        found = _Matched(match)
        found.name = json.loads(f'"{found.name}"')
        return found

    return lambda data, lines: list(map(look, _texts(data, lines)))


def _texts(data: bytes, lines: Sequence[bytes]) -> list[str]:
    # Without their newlines; an empty one for what is no line of text.
    try:
        texts = str(data, "utf-8").split("\n")
    except UnicodeDecodeError:
        return [_text(line) for line in lines]
    if texts.pop():
        texts.append("")
    return texts


def _text(line: bytes) -> str:
    return str(line[:-1], "utf-8") if line[-1:] == b"\n" and _is_text(line) else ""


def _expression(text: str) -> re.Pattern[str]:
    # Groups by number, which are found without a look into a dictionary.
    return re.compile(plain_step(text, _SAID))


class _Decoded:
    """
    Decodes the line for the values that are seldom asked for.
    """

    __slots__ = ()

    line: bytes

    @property
    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = json.loads(self.line).get("context", {})
        return context

    @property
    def result(self) -> Any:
        return json.loads(self.line).get("result")


class _Matched(_Decoded):
    """
    What the expression has found; numbers are read when they are asked for.
    """

    __slots__ = ("_found", "header", "kind", "line", "name", "outcome")

    def __init__(self, match: re.Match[str]) -> None:
        self.name, self.kind, self.outcome = match.group(1, 2, 9)
        self.line = b""
        self.header: SessionHeader | None = None
        self._found = match

    @property
    def id(self) -> str:
        return self._found[3]

    @property
    def parent_id(self) -> str | None:
        return self._found[4]

    @property
    def seq(self) -> int:
        return int(self._found[5])

    @property
    def started_at(self) -> float:
        return float(self._found[6])

    @property
    def finished_at(self) -> float | None:
        return float(self._found[7])

    @property
    def duration_ms(self) -> float | None:
        return float(self._found[8])


def _by_msgspec(msgspec: Any) -> Look:
    decoder = msgspec.json.Decoder(_plain_step(msgspec))
    failures = (msgspec.DecodeError, ValueError, RecursionError)
    decoded = functools.partial(_decoded, failures)

    def look(line: bytes) -> Any:
        # Values that msgspec skips are held to the grammar, but not to UTF-8.
        if line[:1] != b"{" or line[-1:] != b"\n" or not _is_text(line):
            return None
        if len(line) > _SHORT and _is_beyond(line):
            return None
        plain = decoded(decoder.decode, line)
        return None if plain is None or plain.session is not _ABSENT else plain

    def look_at_all(data: bytes, lines: Sequence[bytes]) -> Sequence[Glance | None]:
        # One call for all of them takes half as long as one for each. It allows any
        # white space between two objects: if each line begins and ends like one, there
        # are as many objects as lines only where each line is one.
        if _are_plain(lines) and _is_text(data):
            found: list[Any] = decoded(decoder.decode_lines, data) or []
            if len(found) == len(lines):
                if all(map(is_, map(_SESSION, found), repeat(_ABSENT))):
                    return found
                return [plain if plain.session is _ABSENT else None for plain in found]
        return [look(line) for line in lines]

    return look_at_all


def _decoded(
    failures: tuple[type[Exception], ...], decode: Callable[[bytes], Any], data: bytes
) -> Any:
    try:
        return decode(data)
    except failures as exc:
        if interrupts(exc):
            raise
        return None


def _are_plain(lines: Sequence[bytes]) -> bool:
    # For all at once: one by one, in Python, would take twice as long.
    try:
        begin, end = set(map(_FIRST, lines)), set(map(_LAST_BUT_ONE, lines))
    except IndexError:
        # An empty line.
        return False
    if begin != {_OPENING} or end != {_CLOSING} or lines[-1][-1] != _NEWLINE:
        return False
    if max(map(len, lines)) <= _SHORT:
        return True
    return not any(_is_beyond(line) for line in lines if len(line) > _SHORT)


def _is_beyond(line: bytes) -> bool:
    if len(line) > _UNFOLDING_BYTES:
        return True
    if line.count(b"[") + line.count(b"{") > _DEEPEST:
        return True
    return _TOO_LONG.search(line) is not None


def _plain_step(msgspec: Any) -> Any:
    anything: Any = msgspec.defstruct("Anything", [], gc=False)
    text, number = Optional[str], Optional[float]
    several: Any = list.__class_getitem__(anything)
    fields: list[Any] = [
        ("name", str),
        ("outcome", str),
        ("kind", str, "step"),
        ("id", str, ""),
        ("parent_id", text, None),
        ("trace_id", str, ""),
        ("seq", int, 0),
        ("saw", anything, None),
        ("started_at", float, 0.0),
        ("finished_at", number, None),
        ("duration_ms", number, None),
        ("error", text, None),
        ("traceback", text, None),
        ("function", text, None),
        ("logs", several, ()),
        ("notes", several, ()),
        ("session", Optional[anything], _ABSENT),
        # Not of the line, whatever it holds by these names.
        ("line", Any, b""),
        ("header", Any, None),
    ]
    return msgspec.defstruct(
        "PlainStep",
        fields,
        bases=(_Decoded, msgspec.Struct),
        rename={"saw": "context"},
        gc=False,
    )


def _is_text(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
