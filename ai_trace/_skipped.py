r"""
Blocks of lines that are skipped, because what they say is not wanted or already known.

Nothing is decoded here. A block is skipped only if that is safe for each of its lines;
all other blocks are read as usual.
"""

from __future__ import annotations

import io
import re
import struct

from ai_trace._files import HEADER_MARK
from ai_trace._interruption import interrupts


# See _files.py: this is loaded whenever a directory is listed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Takes the index of the file, where the block begins, and its lines; returns how
    # many lines are skipped: all of them, or 0.
    Skip = Callable[[int, int, bytes], int]

_STARTED_AT = b'"started_at":'
# What the beginnings of lines do not show: another header, and a whole step inside a
# damaged line (see _lines.py). Both begin with the same two bytes. The search is for
# these, since looking behind is then done only where they occur.
_HIDDEN = re.compile(
    rb'\{"(?:format":(?<=' + re.escape(HEADER_MARK) + rb")"
    rb'|name":(?<!\n\{"name":) ?"[^"\\]*(?:\\.[^"\\]*)*", ?"kind": ?")'
)
_ID_LENGTH = 16
_MOST_DIGITS = 15


def began_before(moment: float) -> Skip:
    """
    Skip steps that began earlier.

    Args:
        moment: Epoch seconds.

    Returns:
        A function that tells whether all steps of a block began before.
    """

    def skip(_: int, __: int, data: bytes) -> int:
        # The last line is tried first: steps stand in the order of their ends.
        if not _began_before(moment, data[data.rfind(b"\n", 0, -1) + 1 :]):
            return 0
        lines = list(io.BytesIO(data))
        all_did = all(_began_before(moment, line) for line in reversed(lines))
        return len(lines) if all_did else 0

    return skip


def _began_before(moment: float, line: bytes) -> bool:
    # A quote inside a string has a backslash before it, so this is a key. It is the
    # step's own if it is the only one.
    at = line.find(_STARTED_AT)
    if at < 0 or line.find(_STARTED_AT, at + 1) >= 0:
        return False
    at += len(_STARTED_AT)
    try:
        return float(line[at : line.find(b",", at)]) < moment
    except ValueError as exc:
        if interrupts(exc):
            raise
        return False


class Block:
    """
    Some lines that were skipped, and what each says of its place in the tree.

    Attributes:
        part: The index of their file.
        begin: Where the first begins.
        end: Where the last ends.
    """

    __slots__ = ("_ids", "_parents", "begin", "end", "part")

    def __init__(
        self, part: int, begin: int, end: int, ids: bytes, parents: bytes
    ) -> None:
        self.part = part
        self.begin = begin
        self.end = end
        # All in one: as separate texts they would take five times the memory.
        self._ids = ids
        self._parents = parents

    @property
    def ids(self) -> Sequence[bytes]:
        """The steps' ids."""
        return _apart(self._ids)

    @property
    def parents(self) -> Sequence[bytes]:
        """The ids of their parents, without those of roots."""
        return _apart(self._parents)


class Later:
    """
    Skips steps that started later than the first ones, and notes their places.

    Only the beginnings of the lines are checked. Every step in them has the id and the
    parent that are noted, and started later; but not everything that is noted need be a
    step, since the rest of a line may be damaged.

    Args:
        digits: Steps whose ``seq`` has no more digits are the first ones.

    Attributes:
        blocks: What was skipped.
        looked: How many bytes were not skipped.
    """

    def __init__(self, digits: int) -> None:
        self.blocks: list[Block] = []
        self.looked = 0
        self._found = _plain_lines(digits).findall

    def skip(self, part: int, begin: int, data: bytes) -> int:
        """
        Check whether all lines of a block are plain and of later steps.

        Args:
            part: The index of the file.
            begin: Where the block begins.
            data: The lines.

        Returns:
            How many lines are skipped; 0 if they have to be read.
        """
        lines = b"\n" + data
        found = self._found(lines)
        if data[-1:] == b"\n":
            del found[-1]
        ids, parents = map(b"".join, zip(*found)) if found else (b"", b"")
        is_plain = found and len(ids) == _ID_LENGTH * len(found)
        if not is_plain or _HIDDEN.search(lines):
            self.looked += len(data)
            return 0
        self.blocks.append(Block(part, begin, begin + len(data), ids, parents))
        return len(found)


def _plain_lines(digits: int) -> re.Pattern[bytes]:
    # One match for each newline; without an id if no plain line follows. A text is
    # taken to end at the next quote. If that is an escaped one, what follows is not
    # JSON, and so the line is not a step. A newline in a text means two lines that are
    # not steps.
    beyond = f"[1-9][0-9]{{{digits},{_MOST_DIGITS}}}"
    return re.compile(
        rb'\n(?:\{"name":"[^"]*","kind":"[a-z]+",(?:"function":"[^"]*",)?'
        rb'"id":"([^"]{16})","parent_id":(?:"([^"]{16})"|null),"trace_id":"[^"]{32}",'
        rb'"seq":' + beyond.encode() + rb",|)"
    )


def _apart(ids: bytes) -> Sequence[bytes]:
    return struct.unpack(f"{_ID_LENGTH}s" * (len(ids) // _ID_LENGTH), ids)
