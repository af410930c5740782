"""
``ai-trace recover``: add the steps that a process died in to its trace.
"""

from __future__ import annotations

import argparse

from ai_trace import reading
from ai_trace.cli._arguments import add_json
from ai_trace.cli._sessions import add_session
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND
from ai_trace.recovery import Recovery, recover
from ai_trace.render import json
from ai_trace.render._escape import term
from ai_trace.render._values import counted


DESCRIPTION = """\
Turn the steps that were open when their process died into ordinary lines: they
are appended to the trace file with the outcome 'unfinished', and the journal
that held them is removed. All verbs show such steps in any case; recover a
session before you copy its file to another place.

A session whose process is still at work is left alone. Recovering twice, or
again after a failure, does no harm."""

EXAMPLES = """\
examples:
  ai-trace recover                     the newest session
  ai-trace recover 20240301_143022     by session id, or a part of it
  ai-trace recover --json | jq .steps  for machines"""


_LISTED = 20
_SHOWN = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_session(parser)
    add_json(parser, 'one object, {"path": ..., "steps": [...], ...}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Recover a session.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    done = recover(reading.resolve(options.dir, options.session))
    if options.json:
        terminal.write(json.encode(_object(done), indent=2))
    else:
        terminal.write(term(_sentence(done)))
    if done.damaged:
        lines = counted(done.damaged, "damaged line")
        verb = "is" if done.damaged == 1 else "are"
        terminal.complain(f"{lines} of the journal {verb} lost.")
    return FOUND


def _object(done: Recovery) -> dict[str, object]:
    return {
        "path": str(done.path),
        "steps": [{"id": step.id, "name": step.name} for step in done.steps],
        "removed": [str(path) for path in done.removed],
        "damaged": done.damaged,
    }


def _sentence(done: Recovery) -> str:
    if done.steps:
        names = ", ".join(step.name[:_SHOWN] for step in done.steps[:_LISTED])
        names += ", …" if len(done.steps) > _LISTED else ""
        count = counted(len(done.steps), "step")
        return f"{count} of {done.path} recovered as unfinished: {names}."
    if done.removed:
        return f"No step of {done.path} was open; its journal was removed."
    return f"There is nothing to recover in {done.path}: no step is open."
