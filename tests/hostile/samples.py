"""
Real trace files and journals, and what may have become of them.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from faults import figures
from hypothesis import strategies as st

from ai_trace import Tracer, step
from ai_trace.testing import CountingIds, SetClock


STEM = "agent_20231114_221320"


class Files(NamedTuple):
    """
    The files of one session.

    Attributes:
        trace: The trace file's bytes.
        journal: Those of the journal's first file.
        other: Those of its second one.
    """

    trace: bytes
    journal: bytes = b""
    other: bytes = b""

    def write(self, directory: Path) -> Path:
        """Write them to a directory, and return the trace file."""
        figures.counts[figures.HOSTILE] += 1
        path = directory / f"{STEM}.jsonl"
        path.write_bytes(self.trace)
        for suffix, data in ((".open", self.journal), (".open2", self.other)):
            if data:
                path.with_suffix(suffix).write_bytes(data)
        return path


@cache
def sample() -> Files:
    """Return the files of a session that was killed: nine steps, two of them open."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        clock = SetClock()
        with Tracer(
            "agent", directory, meta={"model": "m"}, clock=clock, ids=CountingIds()
        ) as tracer:
            with step("session", budget=100.0) as session:
                for symbol in ("BTCUSDT", "ETHUSDT"):
                    with step("scan", symbol=symbol, text="é\u2028" * 5) as scan:
                        scan.log(signal=0.87, nested={"a": [1, [2, {"b": None}]]})
                        with step("fetch", url="https://example.org") as fetch:
                            clock.advance(0.25)
                            fetch.set_result({"prices": [1.5, 2e-9, -3]})
                session.log(decision="hold")
                try:
                    with step("risk", size=12.5):
                        raise ValueError("position too large")
                except ValueError:
                    pass
                with step("order", side="buy") as order:
                    order.log(attempt=1)
                    session.log(waiting=True)
                    assert tracer.path is not None
                    trace = tracer.path.read_bytes()
                    journal = tracer.path.with_suffix(".open").read_bytes()
        *older, newer = journal.splitlines(keepends=True)
        return Files(trace, b"".join([*older, newer]), b"".join(older[:3]))


# --- damage --------------------------------------------------------------------------


def _flip(data: bytes, place: int, value: int) -> bytes:
    at = place % len(data)
    return data[:at] + bytes([data[at] ^ (value or 1)]) + data[at + 1 :]


def _cut(data: bytes, place: int, length: int) -> bytes:
    at = place % len(data)
    return data[:at] + data[at + length :]


def _double(data: bytes, place: int, length: int) -> bytes:
    at = place % len(data)
    return data[: at + length] + data[at:]


def _end(data: bytes, place: int, length: int) -> bytes:
    return data[: place % len(data)]


def _zero(data: bytes, place: int, length: int) -> bytes:
    at = place % len(data)
    return data[:at] + b"\0" * length + data[at + length :]


def _swap(data: bytes, place: int, other: int) -> bytes:
    lines = data.splitlines(keepends=True)
    first, second = place % len(lines), other % len(lines)
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def _splice(data: bytes, place: int, other: int) -> bytes:
    # The end of one line behind the beginning of another.
    return _cut(data, place, other * 7)


_DAMAGES = (_flip, _cut, _double, _end, _zero, _swap, _splice)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw what may have become of a file: bits flipped, pieces cut, lines swapped."""
    for _ in range(draw(st.integers(0, 4))):
        if not data:
            break
        damage = draw(st.sampled_from(_DAMAGES))
        place, amount = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 255))
        data = damage(data, place, amount)
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=40)) + data[at:]
    return data


@st.composite
def damaged_sessions(draw: st.DrawFn) -> Files:
    """Draw the files of a session after something has happened to them."""
    return Files(*(draw(damaged(data)) for data in sample()))


_SIGNS = (
    *(bytes([sign]) for sign in b'\n{}":,[]\0\xff'),
    b'{"name":"a"',
    b'"outcome":"ok"}',
    b'"session":{"format":',
    b'{"log":"',
    b'"id":"a"',
    b"1e999",
)


def any_sessions() -> st.SearchStrategy[Files]:
    """Draw files that hold anything at all."""
    signs = st.sampled_from(_SIGNS)
    pieces = st.lists(signs | st.binary(max_size=9), max_size=30).map(b"".join)
    return st.builds(Files, pieces, pieces, pieces)
