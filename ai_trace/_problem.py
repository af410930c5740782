"""
What is wrong in the files of a session.
"""

from __future__ import annotations

from ai_trace._named import NamedTuple


class Problem(NamedTuple):
    """
    Something in a trace file that is not as a tracer writes it.

    Attributes:
        where: The place, as in ``line 41, offset 8123``.
        what: What is wrong there, as one sentence.
        kind: What sort of problem: ``damaged``, a line that cannot be read; ``torn``,
            the end of a line is lost; ``odd``, it can be read all the same; ``newer``,
            a later version wrote it; ``file``, a file that cannot be read; ``journal``;
            ``missing``, a parent; ``twin``; ``circle``; ``more``, several that are not
            named one by one.
    """

    where: str
    what: str
    kind: str = "damaged"


def in_file(problem: Problem, name: str) -> Problem:
    """
    Say of a problem in which file it is.

    Args:
        problem: The problem.
        name: The name of the file.
    """
    return problem._replace(where=f"{name}, {problem.where}")


def not_listed(count: int) -> Problem:
    """
    Say that there are more problems than a person can read.

    Args:
        count: How many are left out, one or more.
    """
    left_out = "problem is" if count == 1 else "problems are"
    return Problem("elsewhere", f"{count} more {left_out} not listed.", "more")
