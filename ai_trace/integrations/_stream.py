"""
Streams that are recorded while the program reads them.

The program gets the library's own object. Only the iterator that this reads from is
replaced, by one that looks at each chunk as it hands it on, and keeps none. Nothing
here refers to the stream, so that it is freed when it would have been.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

from typing_extensions import Self

from ai_trace._outcome import outcome_of
from ai_trace.integrations._call import Call
from ai_trace.integrations._time_open import seconds_open
from ai_trace.integrations._wire import Facts, Fold, present
from ai_trace.typing import Outcome


_REPLACED = ("close", "aclose", "iter_bytes", "aiter_bytes")


class Passing:
    """
    Records one stream, and ends its step.

    Args:
        call: The call that the stream answers.
        fold: Gathers its chunks.
        response: The HTTP response that it reads from; closing it ends the stream.

    Attributes:
        is_reading: Whether an iterator is waiting for the next chunk.
        is_left: Whether a loop over the stream was left before its end.
    """

    def __init__(self, call: Call, fold: Fold, response: Any) -> None:
        self._call = call
        self._fold = fold
        self._response = weakref.ref(response)
        self._chunks = 0
        self._first_chunk: float | None = None
        self._first_content: float | None = None
        self._has_content = False
        self._is_over = False
        self.is_reading = False
        self.is_left = False
        call.stop = self._stop
        response.close = _Closing(response, self)
        response.aclose = _AsyncClosing(response, self)

    # -- chunks --------------------------------------------------------------

    def take(self, chunk: Any) -> None:
        """Take what a chunk says, without keeping the chunk."""
        self.is_reading = False
        # The cheapest fence for something done for each chunk: until something fails,
        # it costs nothing.
        try:
            self._chunks += 1
            if self._chunks == 1:
                self._first_chunk = seconds_open(self._call)
            if self._fold.add(chunk) and not self._has_content:
                self._has_content = True
                self._first_content = seconds_open(self._call)
        except Exception as exc:
            self._call.lose(exc)

    # -- ends ----------------------------------------------------------------

    def exhausted(self) -> None:
        """End the step: the stream is complete."""
        self._end("ok")

    def closed(self) -> None:
        """End the step: nobody wants the rest."""
        self._end("closed")

    def dropped(self) -> None:
        """End the step: the stream was dropped."""
        self.closed()

    def failed(self, exc: BaseException) -> None:
        """End the step with what was raised instead of a chunk."""
        if self._gave():
            self._call._end_by(exc)

    def cancelled(self, exc: BaseException) -> None:
        """End the step with what ended the task that was to read on."""
        self.failed(exc)

    def _stop(self) -> None:
        """Record what has come so far, because the tracer ends."""
        if self.is_left:
            self.closed()
        else:
            self._gave()

    def _end(self, outcome: Outcome) -> None:
        if self._gave():
            self._call.finish(outcome)

    def _gave(self) -> bool:
        """Record what has come; tell whether this was the first time."""
        if self._is_over or self._call.outcome is not None:
            return False
        self._is_over = True
        self._call.stop = None
        response = self._response()
        for name in _REPLACED if response is not None else ():
            vars(response).pop(name, None)
        self._call.fenced(lambda: self._call.give(self._result()), None)
        return True

    def _result(self) -> Facts:
        times = present(
            time_to_first_chunk=self._first_chunk,
            time_to_first_content=self._first_content,
        )
        return {**self._fold.result(), "chunks": self._chunks, **times}


class _Closing:
    """
    Closes a response, and ends the step.

    Whatever object the program closes (the stream, its manager or the response), the
    response is closed in the end. Reading to the end closes it, too: then the iterator
    is reading, and it ends the step. The reference to the response has to be strong: a
    weak one is dead when the garbage collector closes a stream, which must still close
    its response. It is dropped when the step ends.
    """

    name = "close"

    def __init__(self, response: Any, passing: Passing) -> None:
        self._close = getattr(response, self.name)
        self._passing = passing

    def __call__(self) -> Any:
        """Close the response."""
        try:
            return self._close()
        finally:
            self._tell()

    def _tell(self) -> None:
        if not self._passing.is_reading:
            self._passing.closed()

    def __del__(self) -> None:
        """End the step of a response that was dropped."""
        self._passing.closed()


class _AsyncClosing(_Closing):
    """
    The same for an async response.
    """

    name = "aclose"

    async def __call__(self) -> Any:
        """Close the response."""
        try:
            return await self._close()
        finally:
            self._tell()

    def _tell(self) -> None:
        # A task that is cancelled between two chunks leaves its block with this.
        exc = sys.exc_info()[1]
        if exc is None or outcome_of(exc) != "cancelled":
            super()._tell()
        elif not self._passing.is_reading:
            self._passing.cancelled(exc)


class _Reader:
    """
    Reads a stream, and records each chunk.
    """

    def __init__(self, inner: Any, passing: Passing) -> None:
        self._inner = inner
        self._passing = passing

    def __next__(self) -> Any:
        """Return the next chunk."""
        passing = self._passing
        passing.is_reading = True
        passing.is_left = False
        try:
            chunk = self._inner.__next__()
        except StopIteration:
            passing.exhausted()
            raise
        except BaseException as exc:
            # If another thread is reading, only this attempt failed: the stream goes
            # on.
            if not getattr(self._inner, "gi_running", False):
                passing.failed(exc)
            raise
        passing.take(chunk)
        return chunk

    def close(self) -> None:
        """Close the iterator, as a generator is closed."""
        self._inner.close()
        self._passing.closed()


class Followed(_Reader):
    """
    Takes the place of the iterator that a stream reads from.
    """

    def __iter__(self) -> _Loop:
        """Return an iterator for one loop, which notices when the loop is left."""
        return _Loop(self, self._inner, self._passing)

    def __del__(self) -> None:
        """End the step of a stream that was dropped."""
        self._passing.dropped()


class _Loop(_Reader):
    """
    One loop over a stream; it keeps the stream from being dropped.
    """

    def __init__(self, owner: Followed, inner: Any, passing: Passing) -> None:
        super().__init__(inner, passing)
        self._owner = owner

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __del__(self) -> None:
        """Remember that the loop was left; another one may follow."""
        self._passing.is_left = True


class _AsyncReader:
    """
    Reads an async stream, and records each chunk.
    """

    def __init__(self, inner: Any, passing: Passing) -> None:
        self._inner = inner
        self._passing = passing

    async def __anext__(self) -> Any:
        """Return the next chunk."""
        passing = self._passing
        passing.is_reading = True
        passing.is_left = False
        try:
            chunk = await self._inner.__anext__()
        except StopAsyncIteration:
            passing.exhausted()
            raise
        except BaseException as exc:
            # If another task is reading, only this attempt failed: the stream goes on.
            if not getattr(self._inner, "ag_running", False):
                passing.failed(exc)
            raise
        passing.take(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the iterator, as an async generator is closed."""
        await self._inner.aclose()
        self._passing.closed()


class AsyncFollowed(_AsyncReader):
    """
    Takes the place of the async iterator that a stream reads from.
    """

    def __aiter__(self) -> _AsyncLoop:
        """Return an iterator for one loop, which notices when the loop is left."""
        return _AsyncLoop(self, self._inner, self._passing)

    def __del__(self) -> None:
        """End the step of a stream that was dropped."""
        self._passing.dropped()


class _AsyncLoop(_AsyncReader):
    """
    One loop over an async stream; it keeps the stream from being dropped.
    """

    def __init__(self, owner: AsyncFollowed, inner: Any, passing: Passing) -> None:
        super().__init__(inner, passing)
        self._owner = owner

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    def __del__(self) -> None:
        """Remember that the loop was left; another one may follow."""
        self._passing.is_left = True
