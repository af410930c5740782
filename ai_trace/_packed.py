"""
Compressed trace files, unpacked while they are read, in bounded memory.

A few bytes may unpack to gigabytes, and a file may be cut off or damaged anywhere. So
there is a limit to what is unpacked, and damage ends the file and is reported.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import tempfile
import zlib
from typing import Any, BinaryIO, Callable, NamedTuple, cast

from ai_trace._interruption import interrupts
from ai_trace.exceptions import TraceReadError


_BLOCK = 64 * 1024
# A file may be several compressed pieces, one after another. The first portion of each
# is small, because what follows the end of a piece has to be copied.
_LITTLE = 512
# Beginning a piece may take as long as unpacking 100 kB. This many may be empty; more
# only if each of them holds a line.
_PIECES = 10_000
_SHORTEST_LINE = 100
# Compression makes traces five to thirty times smaller, at most a hundred times.
_USUAL_RATIO = 100
_ALWAYS = 1024**3
# The id and the time of a step take ten bytes even when compressed, so a file with a
# line for every four bytes does not hold steps. Counting lines takes a third of the
# time of unpacking, so it is done only where a file grows more than traces do.
_BYTES_A_LINE = 4
_LINES = 100_000
_DENSE = 32
_GZIP = 31  # zlib's number for the gzip format
_ERRORS = (OSError, EOFError, ValueError, MemoryError)


def unpacking(file: BinaryIO, path: str | os.PathLike[str]) -> BinaryIO:
    """
    Read a compressed file from its beginning to its end.

    Args:
        file: The open file.
        path: Its path, whose suffix tells how it is compressed.

    Returns:
        A file with the unpacked content, which can only be read forwards;
        ``problem_of`` tells whether all of it could be read.

    Raises:
        TraceReadError: If this Python cannot unpack it.
    """
    kind = _kind_of(path)
    return cast("BinaryIO", io.BufferedReader(_Unpacking(file, kind), _BLOCK))


def unpacked(file: BinaryIO) -> BinaryIO:
    """
    Unpack a whole file, to read it in any order.

    Args:
        file: What ``unpacking`` has returned.

    Returns:
        A temporary file with all that can be unpacked, which is deleted when it is
        closed; its ``problem`` is what ``problem_of`` said.
    """
    raw = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (the caller closes it)
    whole = _Unpacked(raw)
    with file:
        shutil.copyfileobj(file, whole, _BLOCK)
        whole.problem = problem_of(file)
    whole.seek(0)
    return cast("BinaryIO", whole)


def problem_of(file: BinaryIO) -> str:
    """
    Tell why a file ended too early.

    Args:
        file: Any open file that was read to its end.

    Returns:
        A sentence; empty if nothing is wrong.
    """
    raw = getattr(file, "raw", None)
    return raw.problem if isinstance(raw, _Unpacking) else ""


class _Unpacked(io.BufferedRandom):
    problem = ""


class _Unpacking(io.RawIOBase):
    # Compressed files may be joined into one: all of them are read.

    def __init__(self, file: BinaryIO, kind: _Kind) -> None:
        self.problem = ""
        self._file = file
        self._kind = kind
        size = os.fstat(file.fileno()).st_size
        self._room = max(_ALWAYS, _USUAL_RATIO * size)
        self._line_room = _LINES + size // _BYTES_A_LINE
        self._lines = 0
        self._unpacker = kind.make()
        self._pending = b""
        self._portion = _LITTLE
        self._pieces = 1
        # The file may end only between two pieces.
        self._inside = True
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) not in ((self._at, io.SEEK_SET), (0, io.SEEK_CUR)):
            msg = "It is compressed, and can only be read forwards."
            raise io.UnsupportedOperation(msg)
        return self._at

    def tell(self) -> int:
        return self._at

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = b"" if self.problem else self._more(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        if self._at > _DENSE * self._file.tell():
            self._lines += data.count(b"\n")
        return len(data)

    def _more(self, size: int) -> bytes:
        left = self._room - self._at
        if left <= 0 or self._lines > self._line_room:
            limit = f"{self._room} bytes" if left <= 0 else f"{self._line_room} lines"
            self.problem = f"It unpacks to more than {limit}; the rest is not read."
            return b""
        try:
            return self._unpack(min(size, left))
        except self._kind.errors as exc:
            if interrupts(exc):
                raise
            self.problem = f"It cannot be unpacked any further: {exc}."
            return b""

    def _unpack(self, size: int) -> bytes:
        while True:
            if self._unpacker.eof and not self._begin_next():
                return b""
            given = b""
            if self._unpacker.needs_input:
                given = self._next_portion()
                if not given:
                    if self._inside:
                        self.problem = "It is cut off: the end is missing."
                    return b""
            self._inside = True
            data: bytes = self._unpacker.decompress(given, size)
            if data:
                return data

    def _begin_next(self) -> bool:
        if self._pieces > _PIECES + self._at / _SHORTEST_LINE:
            what = f"Its first {self._pieces} pieces hold only {self._at} bytes"
            self.problem = f"{what}; the rest is not read."
            return False
        self._pending = self._unpacker.unused_data
        self._unpacker, self._inside = self._kind.make(), False
        self._portion = _LITTLE
        self._pieces += 1
        return True

    def _next_portion(self) -> bytes:
        given, self._pending = self._pending or self._file.read(self._portion), b""
        self._portion = min(2 * self._portion, _BLOCK)
        return given


class _Kind(NamedTuple):
    make: Callable[[], Any]
    errors: tuple[type[BaseException], ...]


class _Gzip:
    # Gives zlib's decompressor the interface of the one for zstd.

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, size: int) -> bytes:
        unpacked = self._inner.decompress(self._inner.unconsumed_tail + data, size)
        # It may still hold output of input that it has taken.
        self.needs_input = len(unpacked) < size and not self._inner.unconsumed_tail
        return unpacked


def _kind_of(path: str | os.PathLike[str]) -> _Kind:
    if os.fspath(path).endswith(".gz"):
        return _Kind(_Gzip, (*_ERRORS, zlib.error))
    zstd = _zstandard()
    if zstd is not None:
        return _Kind(zstd.ZstdDecompressor, (*_ERRORS, zstd.ZstdError))
    msg = (
        f"{os.fspath(path)} cannot be read: this Python does not know Zstandard. "
        "Install 'ai-decision-tracer[zstd]>=1', or unpack the file with 'zstd -d'."
    )
    raise TraceReadError(msg)


def _zstandard() -> Any:
    # Part of Python since 3.14; before that, the extra installs it.
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        pass
    try:
        return importlib.import_module("backports.zstd")
    except ImportError:
        return None
