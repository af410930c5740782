"""
``ai-trace completion``: a script that lets a shell complete this command.
"""

from __future__ import annotations

import argparse
import re
from itertools import islice

from ai_trace._find import Directory
from ai_trace._parts import agent_and_id
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND
from ai_trace.exceptions import TraceReadError


# Type checkers know this name. Importing typing would take as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


DESCRIPTION = """\
Print a script that lets bash, zsh or fish complete the verbs, their options,
and the names of the sessions and agents in the trace directory.

The script asks for these names itself, with 'completion sessions' and
'completion agents': the newest ones that begin with what was typed so far."""

EXAMPLES = """\
examples:
  ai-trace completion fish > ~/.config/fish/completions/ai-trace.fish
  eval "$(ai-trace completion bash)"     in ~/.bashrc
  eval "$(ai-trace completion zsh)"      in ~/.zshrc, after compinit"""

SHELLS = ("bash", "zsh", "fish")
_SESSIONS, _AGENTS = "sessions", "agents"
# A file may have any name, and a shell would take some of them for more than one word.
# Such names are not offered: they have to be typed.
_PLAIN = re.compile(r"(?!-)[\w.@%+,=-]+")
_MOST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    parser.add_argument(
        "what",
        metavar="SHELL",
        choices=(*SHELLS, _SESSIONS, _AGENTS),
        help=f"{', '.join(SHELLS)}; or {_SESSIONS} or {_AGENTS} for their names",
    )
    parser.add_argument(
        "begins", nargs="?", metavar="BEGINNING", help="only names that begin with this"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Print a script, or names.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    if options.what in SHELLS:
        from ai_trace.cli._completion_scripts import script

        terminal.write_pieces([script(options.what, options.parsers())])
        return FOUND
    names = _names(options.dir, options.what)
    begins = options.begins or ""
    fitting = (n for n in names if n.startswith(begins) and _PLAIN.fullmatch(n))
    terminal.write_all(islice(dict.fromkeys(fitting), _MOST))
    return FOUND


def _names(directory: str, what: str) -> Iterator[str]:
    # A shell expects words alone, so errors are not reported here.
    try:
        found = Directory(directory)
    except TraceReadError:
        return
    split = {stem: agent_and_id(stem) for stem in found.stems}
    slugs = {agent: stem for stem, (agent, _) in reversed(split.items()) if agent}
    if what == _AGENTS:
        infos = map(found.look, slugs.values())
        yield from (info.header.agent for info in infos if info is not None)
        return
    yield from ["latest"] if split else []
    yield from reversed(slugs)
    for stem, (_, session_id) in split.items():
        yield session_id if found.ids[session_id] == 1 else stem
