"""
What the command lines of all verbs share.
"""

from __future__ import annotations

import argparse
import sys

from ai_trace.cli._words import Answered, UsageError, did_you_mean


# Type checkers know this name. Importing typing would take as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn


_HELP_WIDTH = 80
_DIGITS = len(str(sys.maxsize))
# All words behind it are names.
_NAMES = "--"


class Parser(argparse.ArgumentParser):
    """
    A parser that takes no abbreviated options and reports errors in one sentence.

    Args:
        prog: The command that is parsed.
        description: What it does.
        epilog: Examples.
        elsewhere: Where an option that is unknown here may belong, as a sentence.
    """

    def __init__(
        self, prog: str, description: str, epilog: str, elsewhere: str = ""
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        self._elsewhere = elsewhere

    def parse(
        self, arguments: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """
        Parse the words of the command line.

        Args:
            arguments: The words.
            namespace: Takes the values; it may hold some already.

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
            raise UsageError(self._explain(unknown, arguments))
        for action in self._actions:
            value: Any = getattr(parsed, action.dest, None)
            if value == "" or (action.nargs == "*" and "" in value):
                self._refuse_empty(action)
        return parsed

    def _print_message(self, message: str, file: object = None) -> NoReturn:
        # argparse would not say that nobody took its help, and would end the process.
        del file
        raise Answered(message)

    def error(self, message: str) -> NoReturn:
        """Stop with the message and a pointer to the help."""
        before, is_missing, _ = message.partition(": expected one argument")
        name = before.rpartition("/")[2].rpartition(" ")[2]
        hint = ""
        if is_missing and name.startswith("--"):
            # It may well be there, and be taken for an option.
            hint = f" One that begins with '-' is written {name}=-... ."
        msg = f"{message[:1].upper()}{message[1:]}.{hint} See {self.prog} --help."
        raise UsageError(msg)

    def _refuse_empty(self, action: argparse.Action) -> NoReturn:
        name = "/".join(action.option_strings) or action.metavar
        self.error(f"argument {name}: an empty word, as from an unset shell variable")

    def _explain(self, unknown: Sequence[str], arguments: Sequence[str]) -> str:
        options = [name for action in self._actions for name in action.option_strings]
        word = next((each for each in unknown if each != _NAMES), _NAMES)
        names = arguments[arguments.index(_NAMES) :] if _NAMES in arguments else ()
        if word.startswith("-") and word in names:
            what = f"There is one word too many: {word!r}."
            hint = f" Behind {_NAMES!r} there are no options."
        elif word.startswith("-"):
            what = f"There is no option {word!r} here."
            hint = did_you_mean(word, options) or self._elsewhere
        else:
            what = f"There is one word too many: {word!r}."
            hint = f" Did you mean '--agent {word}'?" if "--agent" in options else ""
        return f"{what}{hint} See {self.prog} --help."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    # With a fixed width, help looks the same everywhere, and argparse does not load the
    # modules that it measures terminals with.
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=_HELP_WIDTH)


def add_dir(parser: argparse.ArgumentParser) -> None:
    """
    Add ``--dir``, which may stand before or after the verb.

    Args:
        parser: The parser of the command or of a verb. The verb's value wins.
    """
    parser.add_argument(
        "--dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="the trace directory (default: AI_TRACE_DIR, else 'traces')",
    )


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """
    Add ``--json``, for machines.

    Args:
        parser: The parser of a verb.
        what: What it prints, for the help.
    """
    parser.add_argument("--json", action="store_true", help=f"for machines: {what}")


def count(text: str) -> int:
    """
    Read a count.

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
    # More than there can be of anything means all of it.
    return int(text) if len(text) < _DIGITS else sys.maxsize


def positive(text: str) -> int:
    """
    Read a count of at least one.

    Args:
        text: A word of the command line.

    Returns:
        The number, not below 1.

    Raises:
        argparse.ArgumentTypeError: If the word is no such number.
    """
    number = count(text) if text.isdecimal() else 0
    if not number:
        msg = f"{text!r} is not a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return number
