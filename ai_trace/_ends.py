"""
How the steps of a short session ended, by one look at its whole file.

A list of many sessions needs to know how the steps of each ended, and when the last one
did. Making an object of each line took half of the time, so all lines are matched at
once. Sessions with lines that are not plain are left to ``Walk``.
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


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ai_trace._glance import Look

    # Takes whole lines and tells when each step finished, as numbers or as texts that
    # sort alike, and how; a line that is not plain has no time. Empty if nothing can be
    # told.
    Told = Callable[[bytes], Sequence[tuple[Any, str]]]

_ENDED = ("finished_at", "outcome")


class Ends(NamedTuple):
    """
    How the steps of a session ended.

    Attributes:
        header: The session, as far as a list shows it.
        outcomes: How many steps ended in each way.
        last: When the last one did, in epoch seconds.
    """

    header: SessionHeader
    outcomes: dict[str, int]
    last: float


def ends_teller() -> Callable[[str], Ends | None]:
    """
    Return a function that tells how the steps of a session ended.

    Returns:
        A function that takes the path of the session's only file, and returns ``None``
        if the file has to be walked through.
    """
    look = fast_glancer()
    told = _by_expression() if look is None else _by_look(look)
    return functools.partial(_ends, told)


def _ends(told: Told, path: str) -> Ends | None:
    try:
        data = read_short(path, BATCH) or b""
    except TraceReadError:
        return None
    # A torn line has to be reported.
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
    # What follows the first step; decoding it as JSON would take ten times as long.
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
        # No line follows the last newline.
        found.pop()
        return found

    return told


def _by_look(look: Look) -> Told:
    ended = attrgetter(*_ENDED)

    def told(data: bytes) -> Sequence[tuple[Any, str]]:
        found = look(data, list(io.BytesIO(data)))
        return list(map(ended, found)) if all(found) else ()

    return told
