"""
Standard output and standard error: their width, colours, encoding and end.

There is no pager. A verb writes lines of text and need not know whether the output is
a pipe, a file or a terminal that shows ASCII alone.
"""

from __future__ import annotations

import io
import os
import sys

from ai_trace.render._escape import term


# Type checkers know this name. Importing typing would take as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO


_DIGITS = len(str(sys.maxsize))


class OutputError(Exception):
    """
    Standard output cannot be written to; the message says why.
    """


class Terminal:
    """
    Where a verb writes: results to standard output, all else to standard error.

    Attributes:
        is_terminal: Whether a person is likely to watch standard output.
        colour: Whether colours are wanted there.
        encoding: Of standard output, by name; ``None`` where it takes any text.
    """

    def __init__(self) -> None:
        self._out = _open_stream(sys.stdout)
        self._err = _open_stream(sys.stderr)
        self.is_terminal = self._out.isatty()
        self.colour = _wants_colour(self.is_terminal)
        self.encoding: str | None = self._out.encoding

    @property
    def width(self) -> int | None:
        """The columns that lines have to fit into; ``None`` for any number."""
        return _find_width(self._out, self.is_terminal)

    def write(self, line: str = "") -> None:
        """
        Write one line to standard output.

        Args:
            line: Text that is already safe for a terminal, without its newline.
        """
        self.write_pieces([line, "\n"])

    def write_all(self, lines: Iterable[str]) -> None:
        """
        Write lines as they come.

        Args:
            lines: Texts that are already safe for a terminal, without newlines.
        """
        self.write_pieces(f"{line}\n" for line in lines)

    def write_pieces(self, pieces: Iterable[str]) -> None:
        """
        Write text that has its own newlines.

        Args:
            pieces: Texts that are already safe for a terminal.

        Raises:
            BrokenPipeError: If nobody reads any more.
            OutputError: If the text cannot be written for another reason.
        """
        for piece in pieces:
            try:
                self._out.write(piece)
            except OSError as exc:
                raise _explained(exc) from exc

    def flush(self) -> None:
        """
        Hand everything that was written to the operating system.

        Raises:
            BrokenPipeError: If nobody reads any more.
            OutputError: If it cannot be written for another reason.
        """
        try:
            self._out.flush()
        except OSError as exc:
            raise _explained(exc) from exc

    def complain(self, message: str) -> None:
        """
        Write one line to standard error, after all that went to standard output.

        Args:
            message: A sentence; it may hold text from a file or the command line,
                so it is escaped here.
        """
        self.say(f"ai-trace: {term(message)}\n")

    def say(self, text: str) -> None:
        """
        Write to standard error, after all that went to standard output.

        Args:
            text: Text that is already safe for a terminal, with its newlines.
        """
        self.flush()
        # If even this cannot be written, there is nobody left to tell.
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            _abandon(self._err)

    def abandon_output(self) -> None:
        """Discard what standard output did not take."""
        _abandon(self._out)

    def close(self) -> None:
        """Flush for the last time; discard what nobody takes."""
        for stream in (self._out, self._err):
            try:
                stream.flush()
            except OSError:
                _abandon(stream)


def _explained(exc: OSError) -> Exception:
    if isinstance(exc, BrokenPipeError):
        return exc
    return OutputError(f"The output could not be written: {exc.strerror or exc}.")


def _open_stream(stream: TextIO | None) -> TextIO:
    # Python has no stream if the descriptor was closed before it started.
    if stream is None:
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _abandon(stream: TextIO) -> None:
    # Python flushes once more when it exits and would complain: what is left in the
    # buffer goes to the null device instead.
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _wants_colour(is_terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def _find_width(stream: TextIO, is_terminal: bool) -> int | None:
    columns = os.environ.get("COLUMNS", "")
    # Python refuses to read a number of thousands of digits.
    if columns.isdecimal() and len(columns) < _DIGITS and int(columns) > 0:
        return int(columns)
    if not is_terminal:
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None
