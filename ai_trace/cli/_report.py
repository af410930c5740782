"""
``ai-trace report``: one session as a Markdown page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ai_trace._parts import session_stem
from ai_trace.cli._arguments import add_json
from ai_trace.cli._sessions import add_session, read_session
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND, UsageError
from ai_trace.exceptions import TraceError
from ai_trace.render import json, markdown
from ai_trace.render._escape import term
from ai_trace.sinks._files import write_atomically


DESCRIPTION = """\
Write a session as a Markdown page: its summary, its metadata, and its steps as
a tree with what each saw, logged, returned, and why it failed.

A page of the same name is replaced as a whole, or not at all."""

EXAMPLES = """\
examples:
  ai-trace report                                   beside the newest trace
  ai-trace report 20240301_143022 -o postmortem.md  where you want it
  ai-trace report latest -o - | less                to standard output"""

_STANDARD_OUTPUT = "-"
# Names of files that a browser or a program would take for something else.
_OF_OTHERS = (".htm", ".html", ".json", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_session(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.md",
        help="the page's file; '-' is standard output (default: beside the trace)",
    )
    add_json(parser, 'one object, {"path": ...}, when the page is written')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Write the page.

    Args:
        options: The parsed command line.
        terminal: Where to write the page, or to say where it was written.

    Returns:
        The exit status.
    """
    if options.json and options.output == _STANDARD_OUTPUT:
        msg = "'-o -' prints the page itself. Leave out --json, or give -o FILE.md."
        raise UsageError(msg)
    trace, session = read_session(options.dir, options.session, terminal)
    pieces = markdown.session(session)
    if options.output == _STANDARD_OUTPUT:
        terminal.write_pieces(pieces)
        return FOUND
    page = Path(options.output or _beside(trace))
    # A link is followed only where the page was named: one that was put in the place of
    # the default page is not to be trusted.
    _write(page, page.resolve() if options.output else page, pieces)
    if options.json:
        terminal.write(json.encode({"path": str(page)}, indent=2))
    else:
        terminal.write(term(str(page)))
    return FOUND


def _beside(trace: Path) -> Path:
    return trace.with_name(f"{session_stem(trace.name) or trace.name}.md")


def _write(page: Path, target: Path, pieces: Iterator[str]) -> None:
    if session_stem(page.name) is not None:
        msg = f"{str(page)!r} would be taken for a trace. Give the page another name."
        raise UsageError(msg)
    if page.suffix.lower() in _OF_OTHERS:
        msg = (
            f"{str(page)!r} is not the name of a Markdown page, which is what a report "
            f"is. Give -o {page.with_suffix('.md')}; "
            "'ai-trace view --json' prints JSON."
        )
        raise UsageError(msg)
    if page.is_dir() or not page.parent.is_dir():
        msg = f"{str(page)!r} is not a file in a directory that exists."
        raise UsageError(msg)
    try:
        if page.exists() and not page.is_file():
            # A pipe or a device is written to, not replaced by a file.
            page.write_text("".join(pieces), encoding="utf-8")
        else:
            write_atomically(target, pieces)
    except OSError as exc:
        msg = f"{str(page)!r} could not be written: {exc.strerror}. Choose -o FILE.md."
        raise TraceError(msg) from exc
