"""
What an exception says about the step that it ended.

Of an exception's own code only ``__str__`` is run, behind a fence: causes, notes and
the members of groups are read where the interpreter keeps them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Callable

from ai_trace._interruption import interrupts, traceback_of
from ai_trace._objects import (
    class_dict,
    instance_dict,
    known_name,
    mro,
    plain_text,
    short_name,
    type_name,
)


_CANCELLED = {
    "asyncio.exceptions.CancelledError",
    "greenlet.GreenletExit",
    "trio.Cancelled",
    "trio._core._exceptions.Cancelled",
}
_GROUPS = {
    "builtins.BaseExceptionGroup",
    "exceptiongroup.BaseExceptionGroup",
}
_MAX_FRAMES = 100
_MAX_FRAMES_OF_RECURSION = 20
_MAX_TOLD = 100
_MAX_MEMBERS = 15
_MAX_MESSAGE = 1_048_576
_LONG_WORD = 4_096
_OF_A_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-./=_"

_cause: Any = BaseException.__dict__["__cause__"]
_context: Any = BaseException.__dict__["__context__"]
_code: Any = SystemExit.__dict__["code"]
_suppress: Any = BaseException.__dict__["__suppress_context__"]

_BY_CAUSE = "The above exception was the direct cause of the following exception:"
_BY_CONTEXT = "During handling of the above exception, another exception occurred:"


def outcome_of(exc: BaseException) -> str:
    """
    Return the outcome of a step that an exception ended.

    Cancellation and closing are ordinary ends, not errors. The classes of asyncio,
    trio and greenlet are known by name, so that asking imports none of them.
    """
    if issubclass(type(exc), GeneratorExit):
        return "closed"
    if issubclass(type(exc), (KeyboardInterrupt, SystemExit)):
        return "interrupted"
    return "cancelled" if _is_cancellation(exc) else "error"


def ends_well(exc: BaseException) -> bool:
    """Tell whether an exception is no failure but an orderly end of a program."""
    kind = type(exc)
    if not issubclass(kind, SystemExit):
        return issubclass(kind, GeneratorExit)
    code = _code.__get__(exc)
    return code is None or (type(code) in (int, bool) and code == 0)


def _is_cancellation(exc: BaseException) -> bool:
    # A group is cancelled when all its leaves are (Python 3.11, anyio, trio).
    return all(
        any(known_name(base) in _CANCELLED for base in mro(type(leaf)))
        for leaf in leaves_of(exc)
    )


def leaves_of(
    exc: BaseException, whole: Callable[[BaseException], bool] | None = None
) -> Iterator[BaseException]:
    """
    Yield the members of a group, down to those that are no groups; else the exception.

    Args:
        exc: Any exception.
        whole: Tells which are left out, with all their members if they are groups.
    """
    # Before Python 3.11 a group may be made to hold itself.
    pending, seen = [exc], {id(exc)}
    while pending:
        one = pending.pop()
        if whole is not None and whole(one):
            continue
        members = _members_of(one)
        if not members:
            yield one
        inner = [each for each in members if id(each) not in seen]
        seen.update(map(id, inner))
        pending += inner


def _members_of(exc: BaseException) -> tuple[BaseException, ...]:
    for base in mro(type(exc)):
        if known_name(base) in _GROUPS:
            found = class_dict(base)["exceptions"].__get__(exc)
            return found if type(found) is tuple else ()
    return ()


def message_of(exc: BaseException) -> str:
    """Return what an exception says of itself, whatever its class does."""
    try:
        message = plain_text(str(exc))
    except Exception as broken:
        if interrupts(broken):
            raise
        return f"<message cannot be shown: {short_name(type(broken))}>"
    if len(message) > _MAX_MESSAGE:
        return f"{_beginning(message)}… of {len(message)} characters"
    return message


def _beginning(message: str) -> str:
    """Cut a message, but between words: half a secret could not be told from text."""
    kept = message[:_MAX_MESSAGE]
    whole = kept.rstrip(_OF_A_WORD)
    return whole if len(kept) - len(whole) < _LONG_WORD else kept


def error_text(exc: BaseException) -> str:
    """Return ``Type: message``, or the type alone where there is no message."""
    return _titled(short_name(type(exc)), exc)


def _titled(name: str, exc: BaseException) -> str:
    message = message_of(exc)
    return f"{name}: {message}" if message else name


def traceback_text(exc: BaseException) -> str:
    """
    Return the full traceback with its chain of causes and the members of groups.

    Of a long stack the innermost 100 frames are kept: the outer ones are in the steps
    further up, and a recursion of 1,000 levels would otherwise be written 1,000
    times. At most 100 exceptions are described.
    """
    return "".join(_described(exc, {id(exc)}))


def _frames(exc: BaseException) -> int:
    """Return how many frames are kept: few of a recursion, which each level tells."""
    recursion = issubclass(type(exc), RecursionError)
    return _MAX_FRAMES_OF_RECURSION if recursion else _MAX_FRAMES


def _places(exc: BaseException) -> list[str]:
    """Return the frames that an exception came through, with the lines of their source.

    The loader of a module is asked for its source, and may fail in any way.
    """
    entries = _last(traceback_of(exc), _frames(exc))
    try:
        return traceback.extract_tb(entries).format()
    except RecursionError:
        raise
    except Exception as broken:
        if interrupts(broken):
            raise
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(entries)]
    return [
        f'  File "{code.co_filename}", line {line}, in {code.co_name}\n'
        for code, line in frames
    ]


def _last(entry: TracebackType | None, limit: int) -> TracebackType | None:
    """
    Return where the last entries of a traceback begin.

    The traceback module looks at each entry before it leaves one out. Where each level
    of a recursion tells of those below it, 500 levels took three seconds.
    """
    ahead = entry
    for _ in range(limit):
        if ahead is None:
            return entry
        ahead = ahead.tb_next
    while ahead is not None and entry is not None:
        entry, ahead = entry.tb_next, ahead.tb_next
    return entry


def _described(exc: BaseException, seen: set[int]) -> Iterator[str]:
    for one, link in reversed(list(_chain(exc, seen))):
        frames = _places(one)
        if frames:
            yield "Traceback (most recent call last):\n"
            yield from frames
        yield f"{_titled(type_name(type(one)), one)}\n"
        yield from _notes(one)
        yield from _members(one, seen)
        if link:
            yield f"\n{link}\n\n"


def _chain(exc: BaseException, seen: set[int]) -> Iterator[tuple[BaseException, str]]:
    """Yield an exception and what led to it, with the words that follow each."""
    one, link = exc, ""
    while True:
        yield one, link
        before, link = _cause.__get__(one), _BY_CAUSE
        if before is None and not _suppress.__get__(one):
            before, link = _context.__get__(one), _BY_CONTEXT
        if before is None or id(before) in seen or len(seen) >= _MAX_TOLD:
            return
        seen.add(id(before))
        one = before


def _notes(exc: BaseException) -> Iterator[str]:
    notes = instance_dict(exc).get("__notes__")
    if type(notes) is list:
        yield from (f"{plain_text(note)}\n" for note in notes[:_MAX_MEMBERS])


def _members(group: BaseException, seen: set[int]) -> Iterator[str]:
    members = _members_of(group)
    for number, member in enumerate(members[:_MAX_MEMBERS], 1):
        if id(member) not in seen and len(seen) < _MAX_TOLD:
            seen.add(id(member))
            yield f"---- {number} of {len(members)} in {type_name(type(group))} ----\n"
            yield from _described(member, seen)
    if len(members) > _MAX_MEMBERS:
        yield f"---- and {len(members) - _MAX_MEMBERS} more ----\n"
