"""
``ai-trace demo``: a first session to look at.
"""

from __future__ import annotations

import argparse
import shlex

from ai_trace import demo, reading
from ai_trace._environment import trace_directory
from ai_trace.cli._arguments import add_json
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND
from ai_trace.exceptions import TraceError
from ai_trace.render import json, text
from ai_trace.render._escape import term


DESCRIPTION = """\
Record a small trading agent at work on real daily prices, and show what it saw
and decided. It needs no key and no network, and it leaves one session in the
trace directory."""

EXAMPLES = """\
examples:
  ai-trace demo                       into AI_TRACE_DIR, else ./traces
  ai-trace demo --dir /tmp/traces     into another directory"""

_NEXT = (
    ("view --errors", "what went wrong, and where"),
    ("view --name decide --full", "what the agent saw each time it decided"),
    ("stats", "how often each step ran, and how long it took"),
    ("report", "the same run as a Markdown page"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_json(parser, 'one object, {"path": ...}: the session that was recorded')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Record the session and show it.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    path = demo.run(options.dir)
    if path is None:
        msg = "AI_TRACE_DISABLED is set, so nothing was recorded. Unset it and repeat."
        raise TraceError(msg)
    if options.json:
        terminal.write(json.encode({"path": str(path)}, indent=2))
        return FOUND
    terminal.write_all(text.tree(reading.read(path), fitting(terminal)))
    terminal.write()
    terminal.write(term(f"The session is in {path}. Next:"))
    command = "ai-trace"
    if options.dir != trace_directory():
        command += f" --dir {shlex.quote(options.dir)}"
    width = max(len(words) for words, _ in _NEXT)
    for words, purpose in _NEXT:
        terminal.write(term(f"  {command} {words:{width}}   {purpose}"))
    return FOUND
