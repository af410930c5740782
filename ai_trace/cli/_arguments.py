"""
What the verbs' command lines have in common.
"""

from __future__ import annotations

import argparse
import os


# Known to type checkers by this name; to load typing takes as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


FOUND = 0
NOTHING_FOUND = 1
USAGE = 2
NOT_WHOLE = 3
CLOSED_PIPE = 141
STOPPED = 130

_HELP_WIDTH = 80


class Parser(argparse.ArgumentParser):
    """
    A parser that takes options by their whole names and errs in one sentence.
    """

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def parse(
        self, arguments: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """
        Parse the words of the command line.

        Args:
            arguments: The words.
            namespace: Where the values go, with what is known already.

        Returns:
            The namespace.

        Raises:
            Answered: After ``--help`` and ``--version``.
            UsageError: If a word is wrong.
        """
        parsed, unknown = self.parse_known_args(
            arguments, namespace or argparse.Namespace()
        )
        if unknown:
            raise UsageError(self._explain(unknown[0]))
        return parsed

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the parsing, not the process: what called ``main`` may go on."""
        del status
        raise Answered(message)

    def error(self, message: str) -> NoReturn:
        """Stop with the message, and with where to read more."""
        msg = f"{message[:1].upper()}{message[1:]}. See {self.prog} --help."
        raise UsageError(msg)

    def _explain(self, word: str) -> str:
        if not word.startswith("-"):
            return f"There is a word too many: {word!r}. See {self.prog} --help."
        hint = did_you_mean(word, self._options())
        return f"There is no option {word!r} here.{hint} See {self.prog} --help."

    def _options(self) -> list[str]:
        words = self.format_help().replace(",", " ").split()
        return [word for word in words if word.startswith("-")]


class Answered(Exception):  # noqa: N818  (nothing went wrong)
    """
    The words asked for help or the version, and have got it.
    """


class UsageError(Exception):
    """
    The command line is wrong; the message says how.
    """


class _Formatter(argparse.RawDescriptionHelpFormatter):
    # A fixed width: help reads the same everywhere, and argparse need not load
    # what it measures terminals with.
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=_HELP_WIDTH)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """
    Suggest the known word that is most like a mistyped one.

    Args:
        word: What was typed.
        known: What would have been understood.

    Returns:
        A question such as `` Did you mean 'list'?``, or nothing, to be put behind a
        sentence.
    """
    # Needed after a mistake only, so not at start-up.
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def add_dir(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--dir``, which stands before the verb or after it.

    Args:
        parser: The parser of the command or of a verb; the value given to the
            latter wins.
    """
    parser.add_argument(
        "--dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="directory of the traces (default: AI_TRACE_DIR, else 'traces')",
    )


def default_dir() -> str:
    """Return the directory that is meant where none is named."""
    return os.environ.get("AI_TRACE_DIR") or "traces"


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """
    Add ``--json``, for machines.

    Args:
        parser: The parser of a verb.
        what: What is printed then, for the help.
    """
    parser.add_argument("--json", action="store_true", help=f"for machines: {what}")


def count(text: str) -> int:
    """
    Read a number of things.

    Args:
        text: A word of the command line.

    Returns:
        The number, not below 0.

    Raises:
        argparse.ArgumentTypeError: If the word is no such number.
    """
    if not text.isdecimal():
        msg = f"{text!r} is not a whole number of 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def positive(text: str) -> int:
    """
    Read a number of things of which there has to be one.

    Args:
        text: A word of the command line.

    Returns:
        The number, not below 1.

    Raises:
        argparse.ArgumentTypeError: If the word is no such number.
    """
    if not text.isdecimal() or int(text) == 0:
        msg = f"{text!r} is not a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
