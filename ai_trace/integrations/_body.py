"""
Bodies of responses that the program reads itself, as bytes.

``with_raw_response`` and ``with_streaming_response`` give the program the HTTP
response. The bytes that it reads are kept and decoded at the end; those of a stream are
decoded event by event.
"""

from __future__ import annotations

import base64
import json
import re
from functools import partial
from typing import Any, Callable

from ai_trace._outcome import error_text
from ai_trace.integrations._call import Call
from ai_trace.integrations._fields import field
from ai_trace.integrations._stream import AsyncFollowed, Followed, Passing
from ai_trace.integrations._wire import Facts, Fold
from ai_trace.typing import Outcome


_MAX_BYTES = 16_777_216
_PRELUDE = 12
# A line ends in one of three ways, but no blank line stands between CR and LF.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LONGEST_BLANK_LINE = len(b"\r\n\r\n")


class WholeBody:
    """
    A body of JSON.
    """

    # Only the end of the body tells: unlike a stream, JSON has no mark for it.
    is_whole = False
    failure = None

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> bool:
        """Keep a piece of the body."""
        self._size += len(piece)
        if self._size <= _MAX_BYTES:
            self._pieces.append(piece)
        return True

    def result(self) -> Facts:
        """Return the result in the body, if it is complete."""
        if self._size > _MAX_BYTES:
            _say_too_large(self._call, self._size)
            return {}
        whole = b"".join(self._pieces)
        try:
            response = json.loads(whole)
        except (ValueError, RecursionError):
            response = whole.decode("utf-8", "replace")
        return self._call.read(response) if whole else {}


class EventBody:
    """
    A body of server-sent events.

    Attributes:
        is_whole: Whether the mark at its end has come.
        failure: What the server says it failed by, or why an event cannot be read.
    """

    def __init__(self, call: Call, fold: Fold) -> None:
        self._call = call
        self._fold = fold
        self._rest = bytearray()
        self._is_skipping = False
        self._skipped = 0
        self.is_whole = False
        self.failure: str | None = None

    def add(self, piece: bytes) -> bool:
        """Take a piece of the body; return whether it holds content of the model."""
        # An event may be long: what came earlier is not searched again.
        unsearched = max(0, len(self._rest) - _LONGEST_BLANK_LINE + 1)
        self._rest += piece
        ends = [gap.end() for gap in _BLANK_LINE.finditer(self._rest, unsearched)]
        if not ends:
            self._skip()
            return False
        whole = bytes(self._rest[: ends[-1]])
        del self._rest[: ends[-1]]
        events = _BLANK_LINE.split(whole)
        if self._is_skipping:
            self._is_skipping = False
            self._skipped += len(events.pop(0))
        spoke = [self._take(event) for event in events]
        return any(spoke)

    def _skip(self) -> None:
        """Leave out what has come of an event that is too large to be kept."""
        if len(self._rest) > _MAX_BYTES:
            self._is_skipping = True
            self._skipped += len(self._rest) - _LONGEST_BLANK_LINE
            del self._rest[:-_LONGEST_BLANK_LINE]

    def _take(self, event: bytes) -> bool:
        data = b"\n".join(
            line[5:].strip() for line in event.splitlines() if line[:5] == b"data:"
        )
        if data == b"[DONE]":
            self.is_whole = True
        elif data:
            return self._take_data(data)
        return False

    def _take_data(self, data: bytes) -> bool:
        try:
            given = json.loads(data)
        except ValueError as exc:
            self.failure = self.failure or error_text(exc)
            return False
        error = field(given, "error")
        if error:
            self.failure = self.failure or _told_by(error)
        return self._fold.add(given)

    def result(self) -> Facts:
        """Return the result so far."""
        if self._skipped:
            _say_too_large(self._call, self._skipped)
        return self._fold.result()


class FramesBody(EventBody):
    """
    A body of events in the frames of Amazon's cloud.

    A frame begins with its size and that of its headers, and ends with a checksum. It
    holds JSON with the event, which is JSON in base64. See "Event stream encoding" in
    Amazon's documentation.
    """

    def add(self, piece: bytes) -> bool:
        """Take a piece of the body; return whether it holds content of the model."""
        self._rest += piece
        spoke = False
        while len(self._rest) >= _PRELUDE:
            size, of_headers = (
                int.from_bytes(self._rest[i : i + 4], "big") for i in (0, 4)
            )
            if not _PRELUDE < size <= _MAX_BYTES:
                # These are no frames; what they are is not ours to say.
                self._rest.clear()
            if len(self._rest) < size:
                break
            payload = self._rest[_PRELUDE + of_headers : size - 4]
            del self._rest[:size]
            spoke |= self._take_payload(payload)
        return spoke

    def _take_payload(self, payload: bytearray) -> bool:
        try:
            given = json.loads(payload)
            encoded = field(given, "bytes")
            event = None if encoded is None else base64.b64decode(encoded)
        except (ValueError, TypeError):
            return False
        if event is not None:
            return self._take_data(event)
        # A frame that reports an error holds no event.
        if field(given, "message"):
            self.failure = self.failure or _told_by(given)
        return False


def _say_too_large(call: Call, size: int) -> None:
    call.note("$.result", "too large to read", bytes=size)


def _told_by(error: Any) -> str:
    """Return the message of an error; all of it, if it has none."""
    said = field(error, "message")
    return said if type(said) is str else json.dumps(error)


class PassingBody(Passing):
    """
    Records a body, which may be read by several iterators.
    """

    def __init__(self, call: Call, fold: WholeBody | EventBody, response: Any) -> None:
        super().__init__(call, fold, response)
        self._body = fold

    def closed(self) -> None:
        """End the step: nobody wants more, or nothing more will come."""
        self._end("ok" if self._body.is_whole else "closed")

    def cancelled(self, exc: BaseException) -> None:
        """End the step with what ended its task, unless all had come by then."""
        if self._body.is_whole:
            self.closed()
        else:
            super().cancelled(exc)

    def _end(self, outcome: Outcome) -> None:
        failure = self._body.failure
        if failure is None:
            super()._end(outcome)
        elif self._gave():
            self._call.fail(failure)

    def dropped(self) -> None:
        """Remember that an iterator was dropped; another one may follow."""
        self.is_left = True


def _body_of(call: Call, response: Any) -> WholeBody | EventBody:
    make, kind = call.wire.fold, response.headers.get("content-type", "")
    if make is not None and "event-stream" in kind:
        return EventBody(call, make())
    if make is not None and "amazon.eventstream" in kind:
        return FramesBody(call, make())
    return WholeBody(call)


def follow_body(call: Call, response: Any) -> None:
    """Record a response whose body the program will read."""
    passing = PassingBody(call, _body_of(call, response), response)
    for name, wrap in (("iter_bytes", Followed), ("aiter_bytes", AsyncFollowed)):
        read = getattr(response, name)
        setattr(response, name, partial(_followed, read, wrap, passing))


def _followed(
    read: Callable[..., Any],
    wrap: Callable[[Any, Passing], Any],
    passing: Passing,
    *args: Any,
    **kwargs: Any,
) -> Any:
    return wrap(read(*args, **kwargs), passing)


def read_body(call: Call, response: Any) -> bool:
    """Record a response whose body has been read; return whether it ended the step."""
    body = _body_of(call, response)
    body.add(response.content)
    call.give(body.result())
    if body.failure is not None:
        call.fail(body.failure)
    return body.failure is not None
