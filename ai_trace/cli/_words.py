"""
How a command line ends, and what is wrong with it; needs no argparse.
"""

from __future__ import annotations


# Type checkers know this name. Importing typing would take as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


FOUND = 0
NOTHING_FOUND = 1
USAGE = 2
NOT_WHOLE = 3
CLOSED_PIPE = 141
STOPPED = 130


class Answered(Exception):  # noqa: N818  (nothing went wrong)
    """
    The help or the version was asked for; the message is its text.
    """


class UsageError(Exception):
    """
    The command line is wrong; the message says how.
    """


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """
    Suggest the known word that is most like a mistyped one.

    Args:
        word: What was typed.
        known: What would have been understood.

    Returns:
        A question such as `` Did you mean 'list'?``, or nothing, to be put after a
        sentence.
    """
    # Needed only after a mistake, so not loaded at the start.
    import difflib

    # The hyphens would make all options alike.
    bare = {each.lstrip("-"): each for each in known}
    close = difflib.get_close_matches(word.lstrip("-"), bare, n=1)
    return f" Did you mean {bare[close[0]]!r}?" if close else ""
