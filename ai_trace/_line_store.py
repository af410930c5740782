"""
Where the lines of a session are, at a few bytes for each, to load them by number.
"""

from __future__ import annotations

import weakref
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ai_trace._files import without_header
from ai_trace._glance import glancer
from ai_trace._lines import LINE_LIMIT, TOO_LARGE, Line, decode, open_anywhere
from ai_trace._names import PACKINGS
from ai_trace._plain_record import plain_record
from ai_trace._record import SessionHeader, StepRecord
from ai_trace.exceptions import TraceReadError


# A compressed file is unpacked when it is opened, all of it: more of them stay open.
_OPEN_LIMIT, _UNPACKED_LIMIT = 16, 128
# For fewer lines it is not worth loading the quick decoder of plain lines.
_MANY = 1_000
_NO_PART = -1


class LineStore:
    """
    Where the lines of a session are in its files, to load them by number.

    Args:
        paths: The files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        # Where each header begins to hold: nearly always a file has but one.
        self._begins: list[int] = []
        self._headers: list[SessionHeader] = []
        self._kept: list[StepRecord] = []
        self._part = array("i")
        self._offset = array("q")
        self._size = array("i")
        self._files: dict[int, BinaryIO] = {}
        weakref.finalize(self, _close_all, self._files)

    def add(self, part: int, offset: int, size: int, header: SessionHeader) -> None:
        """
        Remember the next line.

        Args:
            part: Index of its file.
            offset: Where the line begins.
            size: Its bytes.
            header: The session that it belongs to.
        """
        self._begin(header)
        self._part.append(part)
        self._offset.append(offset)
        self._size.append(size)

    def add_all(
        self,
        part: int,
        offsets: Sequence[int],
        sizes: Sequence[int],
        header: SessionHeader,
    ) -> None:
        """
        Remember the next lines.

        Args:
            part: Index of their file.
            offsets: Where each begins; there may be more of them than sizes.
            sizes: The bytes of each.
            header: The session that they belong to.
        """
        self._begin(header)
        self._part.extend([part] * len(sizes))
        self._offset.extend(offsets[: len(sizes)])
        self._size.extend(sizes)

    def _begin(self, header: SessionHeader) -> None:
        if not self._headers or header is not self._headers[-1]:
            self._begins.append(len(self._size))
            self._headers.append(header)

    def keep(self, record: StepRecord) -> None:
        """
        Remember a step that has no line.

        Args:
            record: The step.
        """
        self._part.append(_NO_PART)
        self._offset.append(len(self._kept))
        self._size.append(0)
        # Only its line: decoded, it may need twenty times the memory.
        self._kept.append(StepRecord(record.line, record.header))

    def where(self, number: int) -> tuple[int, int]:
        """
        Tell where a line is.

        Args:
            number: How many lines and steps were added before it.

        Returns:
            The index of its file, and where it begins.
        """
        return self._part[number], self._offset[number]

    def load(self, number: int) -> StepRecord:
        """
        Read a line again.

        Args:
            number: How many lines and steps were added before it.

        Returns:
            The record.

        Raises:
            TraceReadError: If the file is gone or has changed, or the line is too
                large for the memory.
        """
        part, size = self._part[number], self._size[number]
        if part == _NO_PART:
            kept = self._kept[self._offset[number]]
            return StepRecord(kept.line, kept.header)
        header = self._headers[bisect_right(self._begins, number) - 1]
        file = self._files.get(part) or self._open(part)
        offset = self._offset[number]
        file.seek(offset)
        try:
            data = file.read(size)
            plain = self._plain(data, header)
        except MemoryError:
            raise self._too_large(part, offset) from None
        if plain is not None:
            return plain
        record = decode(Line(offset, size, data, True), header)
        if isinstance(record, StepRecord):
            return record
        if TOO_LARGE in record:
            raise self._too_large(part, offset)
        # It was taken for a step at a glance, as where a key stands twice.
        parted = without_header(data)
        data = data if parted is None else parted[0]
        (looked,) = glancer()(data, [data])
        if looked is None:
            msg = f"{self._paths[part]} changed while it was shown; read it again."
            raise TraceReadError(msg)
        return StepRecord(data, header)

    def _plain(self, data: bytes, header: SessionHeader) -> StepRecord | None:
        if len(self._size) < _MANY or len(data) > LINE_LIMIT:
            return None
        return plain_record(data, header)

    def _too_large(self, part: int, offset: int) -> TraceReadError:
        path = self._paths[part]
        return TraceReadError(f"{path}, offset {offset}: a line is {TOO_LARGE}.")

    def _open(self, part: int) -> BinaryIO:
        is_packed = self._is_packed(part)
        alike = [each for each in self._files if self._is_packed(each) == is_packed]
        if len(alike) >= (_UNPACKED_LIMIT if is_packed else _OPEN_LIMIT):
            self._files.pop(alike[0]).close()
        self._files[part] = open_anywhere(self._paths[part])
        return self._files[part]

    def _is_packed(self, part: int) -> bool:
        return self._paths[part].name.endswith(PACKINGS)


def _close_all(files: dict[int, BinaryIO]) -> None:
    for file in files.values():
        file.close()
