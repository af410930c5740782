"""
How the steps of a short session ended, told by one look at the whole of its file.

A list of many sessions needs of each how its steps ended, and when the last one did.
To make an object of each line took half of all time, so the lines are held to the form
of a step together. Whatever is not plain is not told here: ``Walk`` knows what to say
of it.
"""

from __future__ import annotations

import functools
import io
import re
from operator import attrgetter

from ai_trace._file_walk import BATCH
from ai_trace._files import HEADER_BEGINS
from ai_trace._glance import fast_glancer
from ai_trace._header import SessionHeader
from ai_trace._lines import read_short
from ai_trace._named import NamedTuple
from ai_trace._plain_lines import (
    THIS_TIME,
    plain_header,
    plain_step,
    texts_like,
)
from ai_trace.exceptions import TraceReadError


# Known to type checkers by this name; what is not loaded makes a list quicker.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ai_trace._glance import Look

    # Of whole lines when each step finished, as numbers or texts that sort alike, and
    # how; of a line that is not plain, no time. Empty where each has to be looked at.
    Told = Callable[[bytes], Sequence[tuple[Any, str]]]

_ENDED = ("finished_at", "outcome")


class Ends(NamedTuple):
    """
    How the steps of a session ended.

    Attributes:
        header: The session, without what a list does not show.
        outcomes: How many steps ended in which way.
        last: When the last one did, in epoch seconds.
    """

    header: SessionHeader
    outcomes: dict[str, int]
    last: float


def ends_teller() -> Callable[[str], Ends | None]:
    """
    Return what tells how the steps of a session ended.

    Returns:
        A function that takes the path of the session's only file, and returns ``None``
        where one has to walk through that.
    """
    look = fast_glancer()
    told = _by_expression() if look is None else _by_look(look)
    return functools.partial(_ends, told)


def _ends(told: Told, path: str) -> Ends | None:
    try:
        data = read_short(path, BATCH) or b""
    except TraceReadError:
        return None
    # A torn line has to be named.
    if data[-1:] != b"\n":
        return None
    first = data.find(b"\n")
    cut = data.rfind(HEADER_BEGINS, 0, first)
    header = _header(data[cut:first])
    steps = told(data[:cut] + b"}" + data[first:]) if header else ()
    if header is None or not steps:
        return None
    times, outcomes = zip(*steps)
    if not all(times):
        return None
    counts = {each: outcomes.count(each) for each in dict.fromkeys(outcomes)}
    return Ends(header, counts, max(0.0, float(max(times))))


def _header(behind: bytes) -> SessionHeader | None:
    # What stands behind the first step, which JSON would take ten times as long for.
    try:
        text = str(behind, "utf-8")
    except UnicodeDecodeError:
        return None
    match = _header_expression(texts_like(text)).fullmatch(text)
    if match is None:
        return None
    agent, session_id, version, start = match.groups()
    return SessionHeader(agent, session_id, version=version, started_at=float(start))


@functools.cache
def _header_expression(text: str) -> re.Pattern[str]:
    return re.compile(plain_header(text))


def _by_expression() -> Told:
    @functools.cache
    def lines(text: str) -> Any:
        step = plain_step(text, _ENDED, THIS_TIME)
        # One match for each newline.
        return re.compile(rf"\n(?:{step}(?=\n)|)").findall

    def told(data: bytes) -> Sequence[tuple[Any, str]]:
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            return ()
        found: list[tuple[str, str]] = lines(texts_like(text))("\n" + text)
        # Behind the last newline is no line.
        found.pop()
        return found

    return told


def _by_look(look: Look) -> Told:
    ended = attrgetter(*_ENDED)

    def told(data: bytes) -> Sequence[tuple[Any, str]]:
        found = look(data, list(io.BytesIO(data)))
        return list(map(ended, found)) if all(found) else ()

    return told
