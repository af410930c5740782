r"""
Blocks of lines that are passed over: what they say is of no interest, or known already.

Nothing is decoded here. A block is passed over only if that can be told of each of its
lines; all other blocks are looked at as ever.
"""

from __future__ import annotations

import io
import re
import struct

from ai_trace._files import HEADER_MARK


# See _files.py: this is loaded for every look at a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Of which file, where the block begins, and its lines; how many lines are passed
    # over, or 0.
    Passes = Callable[[int, int, bytes], int]

_STARTED_AT = b'"started_at":'
# What is told by no beginning of a line: another header, and where a whole step may
# begin inside of a damaged line, see _lines.py. Both begin with the same two bytes, and
# are searched for by them: a look behind takes no time elsewhere.
_HIDDEN = re.compile(
    rb'\{"(?:format":(?<=' + re.escape(HEADER_MARK) + rb")"
    rb'|name":(?<!\n\{"name":) ?"[^"\\]*(?:\\.[^"\\]*)*", ?"kind": ?")'
)
_ID_LENGTH = 16
_MOST_DIGITS = 15


def began_before(moment: float) -> Passes:
    """
    Pass over steps that began earlier.

    Args:
        moment: Epoch seconds.

    Returns:
        What tells of a block whether all its steps began before.
    """

    def passes(_: int, __: int, data: bytes) -> int:
        # The last first: steps stand in the order of their ends.
        if not _began_before(moment, data[data.rfind(b"\n", 0, -1) + 1 :]):
            return 0
        lines = list(io.BytesIO(data))
        all_did = all(_began_before(moment, line) for line in reversed(lines))
        return len(lines) if all_did else 0

    return passes


def _began_before(moment: float, line: bytes) -> bool:
    # A quote inside of a string has a backslash before it, so this is a key. It is
    # that of the step if it is the only one.
    at = line.find(_STARTED_AT)
    if at < 0 or line.find(_STARTED_AT, at + 1) >= 0:
        return False
    at += len(_STARTED_AT)
    try:
        return float(line[at : line.find(b",", at)]) < moment
    except ValueError:
        return False


class Block:
    """
    Some lines that were passed over, and what each says of its place in the tree.

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
        # One behind the other: as texts they would take five times the memory.
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
    Passes over steps that started later than the first ones, and notes their places.

    The lines are not held to any grammar. Whatever is a step in them has the id and
    the parent that are noted, and started later; but not all that is noted need be a
    step, since behind its beginning a line may be damaged.

    Args:
        digits: Steps whose ``seq`` has no more digits are the first ones.

    Attributes:
        blocks: What was passed over.
        looked: How many bytes were not.
    """

    def __init__(self, digits: int) -> None:
        self.blocks: list[Block] = []
        self.looked = 0
        self._found = _plain_lines(digits).findall

    def passes(self, part: int, begin: int, data: bytes) -> int:
        """
        Look whether all lines of a block are plain and of later steps.

        Args:
            part: The index of the file.
            begin: Where the block begins.
            data: The lines.

        Returns:
            How many lines are passed over; 0 if they have to be looked at.
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
    # One match for each newline, without an id where no plain line begins. A text is
    # taken to end at the next quote: if that is none, as a backslash stands before it,
    # no JSON follows, and so no step. A newline in one means two lines without a step.
    beyond = f"[1-9][0-9]{{{digits},{_MOST_DIGITS}}}"
    return re.compile(
        rb'\n(?:\{"name":"[^"]*","kind":"[a-z]+",(?:"function":"[^"]*",)?'
        rb'"id":"([^"]{16})","parent_id":(?:"([^"]{16})"|null),"trace_id":"[^"]{32}",'
        rb'"seq":' + beyond.encode() + rb",|)"
    )


def _apart(ids: bytes) -> Sequence[bytes]:
    return struct.unpack(f"{_ID_LENGTH}s" * (len(ids) // _ID_LENGTH), ids)
