"""
The record of a finished step.

The line is the record: it is encoded once, when the step finishes, and every
sink gets those same bytes. All fields are views of it, decoded on first use.
"""

from __future__ import annotations

import json

from ai_trace._encode import encode_strict
from ai_trace._header import FORMAT as FORMAT
from ai_trace._header import SessionHeader as SessionHeader
from ai_trace._header import is_in_range
from ai_trace._interruption import interrupts


# Type checkers know it by this name; a module that is not loaded makes a list quicker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn
else:
    # The annotations of a public class name it, and are looked up at run time, too.
    Any = object

OUTCOMES = ("ok", "error", "cancelled", "closed", "interrupted")
WITHOUT_END = ("running", "unfinished")
"""What a reader calls steps that have started and not finished."""

KINDS = tuple("step agent llm tool retrieval embedding guardrail eval".split())

_NUMBER = (int, float)
# Well below what the decoder can do: where it gives up depends on the stack that it is
# called on, and what was read once has to be readable again.
_DEEPEST = 400


class TraceLineError(ValueError):
    """
    These bytes are not the line of a step; the message says why.
    """


class StepRecord:
    """
    One finished step: immutable, already captured, bounded and encoded.

    This is what sinks receive and what readers return.

    Attributes:
        line: The step as one complete line of JSON in UTF-8, newline included,
            without the ``session`` key that a first line carries.
        header: The session that the step belongs to, where it is known.
    """

    __slots__ = ("__weakref__", "_fields", "_id", "_parent_id", "header", "line")

    def __init__(
        self,
        line: bytes,
        header: SessionHeader | None = None,
        step_id: str | None = None,
        parent_id: str | None = None,
    ) -> None:
        self.line = line
        self.header = header
        # Known without decoding, if the writer has given them.
        self._id = step_id
        self._parent_id = parent_id
        self._fields: dict[str, Any] | None = None

    @classmethod
    def from_line(cls, line: bytes, header: SessionHeader | None = None) -> StepRecord:
        """
        Read one line of a trace file, which may hold anything.

        Args:
            line: The bytes of the line, with or without its newline.
            header: The session it belongs to.

        Returns:
            The record.

        Raises:
            TraceLineError: If the line is not strict JSON or not a step.
        """
        data = decode_line(line)
        if "session" not in data:
            return cls.checked(data, line.rstrip(b"\r\n") + b"\n", header)
        data.pop("session")
        return cls.from_dict(data, header)

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], header: SessionHeader | None = None
    ) -> StepRecord:
        """
        Make a record from the object of a line.

        Args:
            data: The line's object, without ``session``.
            header: The session it belongs to.

        Returns:
            The record.

        Raises:
            TraceLineError: If a field that every step has is missing or wrong.
        """
        try:
            line = encode_line(data)
        except (ValueError, RecursionError) as exc:
            if interrupts(exc):
                raise
            msg = f"not a step ({exc})"
            raise TraceLineError(msg) from None
        return cls.checked(data, line, header)

    @classmethod
    def checked(
        cls, data: dict[str, Any], line: bytes, header: SessionHeader | None
    ) -> StepRecord:
        """Make a record of a line that was decoded; raises as ``from_line`` does."""
        check_step(data)
        record = cls(line, header)
        record._fields = data
        return record

    @property
    def fields(self) -> dict[str, Any]:
        """The line's own object, decoded once; not to be changed."""
        fields = self._fields
        if fields is None:
            fields = self._fields = json.loads(self.line)
        return fields

    @property
    def name(self) -> str:
        """What the step is called."""
        return str(self.fields["name"])

    @property
    def kind(self) -> str:
        """What sort of step it is: ``step``, ``agent``, ``llm``, ``tool`` and so on."""
        return str(self.fields.get("kind", "step"))

    @property
    def id(self) -> str:
        """16 hex digits; empty in files of the 0.2 line, which had no ids."""
        return str(self.fields.get("id", "")) if self._id is None else self._id

    @property
    def parent_id(self) -> str | None:
        """The id of the step that this one was made in; ``None`` for a root."""
        if self._id is not None:
            return self._parent_id
        parent: str | None = self.fields.get("parent_id")
        return parent

    @property
    def trace_id(self) -> str:
        """32 hex digits, shared by a root step and all below it."""
        return str(self.fields.get("trace_id", ""))

    @property
    def seq(self) -> int:
        """The order of starts in the process that recorded the step."""
        return int(self.fields.get("seq", 0))

    @property
    def context(self) -> dict[str, Any]:
        """What the step saw, as it was when it started."""
        context: dict[str, Any] = self.fields.get("context", {})
        return context

    @property
    def started_at(self) -> float:
        """Epoch seconds."""
        return float(self.fields.get("started_at", 0.0))

    @property
    def finished_at(self) -> float | None:
        """Epoch seconds; ``None`` while the step runs."""
        finished = self.fields.get("finished_at")
        return None if finished is None else float(finished)

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds by the monotonic clock; ``None`` while the step runs."""
        duration = self.fields.get("duration_ms")
        return None if duration is None else float(duration)

    @property
    def outcome(self) -> str:
        """How the step ended: ``ok``, ``error``, ``cancelled`` or another outcome."""
        return str(self.fields["outcome"])

    @property
    def error(self) -> str | None:
        """``Type: message`` of what went wrong, or ``None``."""
        error: str | None = self.fields.get("error")
        return error

    @property
    def traceback(self) -> str | None:
        """The traceback's text, when an exception ended the step."""
        text: str | None = self.fields.get("traceback")
        return text

    @property
    def logs(self) -> list[dict[str, Any]]:
        """What was logged inside the step: ``_t`` is epoch seconds."""
        logs: list[dict[str, Any]] = self.fields.get("logs", [])
        return logs

    @property
    def has_result(self) -> bool:
        """Whether a result was recorded, be it ``None``."""
        return "result" in self.fields

    @property
    def result(self) -> Any:
        """What the step returned or was given with ``set_result``."""
        return self.fields.get("result")

    @property
    def function(self) -> str | None:
        """Full dotted name of the function, for steps made by ``traced``."""
        function: str | None = self.fields.get("function")
        return function

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What was cut, redacted, replaced or lost."""
        notes: list[dict[str, Any]] = self.fields.get("notes", [])
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of the line's object, unknown keys kept; it may be changed."""
        # Loaded late: no verb of the command line needs it.
        import copy

        return copy.deepcopy(self.fields)

    def __repr__(self) -> str:
        """Name the step, how it ended and its id."""
        return f"<StepRecord {self.name!r} {self.outcome} {self.id}>"

    def __eq__(self, other: object) -> bool:
        """Two records are equal when their lines are."""
        if not isinstance(other, StepRecord):
            return NotImplemented
        return self.line == other.line

    def __hash__(self) -> int:
        """Hash the line."""
        return hash(self.line)


def read_header(line: bytes) -> SessionHeader | None:
    """
    Read the session header from the first line of a file.

    Args:
        line: The bytes of the line.

    Returns:
        The header, or ``None`` if the line is damaged or has none.
    """
    try:
        data = decode_line(line)
    except (TraceLineError, MemoryError):
        return None
    return SessionHeader.from_dict(data["session"]) if "session" in data else None


def encode_line(data: Mapping[str, Any]) -> bytes:
    """Write an object of JSON values as one strict line."""
    return encode_strict(data).encode("utf-8", "backslashreplace") + b"\n"


def decode_line(line: bytes) -> dict[str, Any]:
    """
    Decode one line as a strict JSON object.

    Raises:
        TraceLineError: If it is anything else.
    """
    try:
        data = _decoder.decode(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        msg = f"not UTF-8 ({exc.reason} at byte {exc.start})"
        raise TraceLineError(msg) from None
    except RecursionError:
        msg = "nested too deeply"
        raise TraceLineError(msg) from None
    except json.JSONDecodeError as exc:
        msg = f"not JSON ({exc.msg.removesuffix(' at')} at character {exc.pos})"
        raise TraceLineError(msg) from None
    except ValueError as exc:
        if isinstance(exc, TraceLineError) or interrupts(exc):
            raise
        msg = f"not strict JSON ({exc})"
        raise TraceLineError(msg) from None
    if type(data) is not dict:
        msg = "not a JSON object"
        raise TraceLineError(msg)
    if may_be_too_deep(line) and _is_too_deep(data):
        msg = f"nested more than {_DEEPEST} deep"
        raise TraceLineError(msg)
    return data


def may_be_too_deep(line: bytes) -> bool:
    """Tell quickly whether a line may be nested deeper than is read."""
    return len(line) > _DEEPEST and line.count(b"[") + line.count(b"{") > _DEEPEST


def _is_too_deep(data: Any) -> bool:
    # Level by level, since the room for recursion depends on the caller's stack.
    level = [data]
    for _ in range(_DEEPEST):
        items = (each.values() if type(each) is dict else each for each in level)
        level = [item for some in items for item in some if type(item) in (dict, list)]
    return bool(level)


def _refuse_constant(constant: str) -> NoReturn:
    msg = f"not strict JSON ({constant})"
    raise TraceLineError(msg)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        msg = "not strict JSON (a key stands twice)"
        raise TraceLineError(msg)
    return data


_decoder = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
)

_REQUIRED = ("name", "outcome")
_FIELDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("name", (str,)),
    ("outcome", (str,)),
    ("id", (str,)),
    ("kind", (str,)),
    ("parent_id", (str, type(None))),
    ("trace_id", (str,)),
    ("seq", (int,)),
    ("context", (dict,)),
    ("started_at", _NUMBER),
    ("finished_at", (*_NUMBER, type(None))),
    ("duration_ms", (*_NUMBER, type(None))),
    ("error", (str, type(None))),
    ("traceback", (str, type(None))),
    ("logs", (list,)),
    ("function", (str, type(None))),
    ("notes", (list,)),
)


def check_step(data: dict[str, Any]) -> None:
    """
    Check the object of a line.

    Raises:
        TraceLineError: If a field that every step has is missing, or any is wrong.
    """
    for key, kinds in _FIELDS:
        if key in data:
            kind = type(value := data[key])
            if kind not in kinds and (kind is bool or not isinstance(value, kinds)):
                raise _no_step(key, f"is {_shown(value)}")
            if kind in _NUMBER and not is_in_range(value):
                raise _no_step(key, "is out of range")
        elif key in _REQUIRED:
            raise _no_step(key, "is missing")
    for key in ("logs", "notes"):
        if not all(isinstance(entry, dict) for entry in data.get(key) or ()):
            raise _no_step(key, "holds something other than objects")


def _no_step(key: str, what: str) -> TraceLineError:
    return TraceLineError(f"not a step ({key!r} {what})")


def _shown(value: object) -> str:
    # Without a look inside: it may be of any size and depth.
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return json.dumps(value[:40] if isinstance(value, str) else value)[:40]
