"""
The command line: which verb is called, and with which status it ends.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

from ai_trace._environment import trace_directory
from ai_trace._version import __version__
from ai_trace.cli._terminal import OutputError, Terminal
from ai_trace.cli._words import (
    CLOSED_PIPE,
    FOUND,
    NOTHING_FOUND,
    STOPPED,
    USAGE,
    Answered,
    UsageError,
    did_you_mean,
)
from ai_trace.exceptions import TraceError


# Type checkers know this name. Importing typing would take as long as argparse.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import ModuleType

    from ai_trace.cli._arguments import Parser


# Each verb is a file ``_<verb>.py`` with DESCRIPTION, EXAMPLES, ``add_arguments`` and
# ``run``, which is loaded when the verb is called. What ``ai-trace --help`` needs is
# here. A verb that is often called without arguments has DEFAULTS, their values:
# loading argparse would take as long as a short list.
VERBS = {
    "list": "the sessions, newest first",
    "view": "one session as a tree: what the agent saw and decided",
    "tail": "the last steps, then each step as it finishes",
    "stats": "counts and durations per step name, over all sessions",
    "report": "one session as a Markdown page",
    "recover": "add the steps that a killed process left open to its file",
    "doctor": "is this session whole?",
    "prune": "delete old sessions",
    "compress": "make finished sessions smaller; all verbs still read them",
    "demo": "record a small trading agent on real prices, and look at it",
    "completion": "print a script that lets your shell complete this command",
}

# These hold some files open for each process of a session.
_HOLD_MANY_FILES = frozenset(("tail", "recover", "prune", "compress"))

_DESCRIPTION = """\
Look at what an AI agent saw, what it decided, why, and how long it took: the
traces that ai_trace records in a directory of this machine."""

_EPILOG = """\
verbs:
{verbs}

examples:
  ai-trace demo                                  a first trace to look at
  ai-trace list                                  which sessions there are
  ai-trace view                                  the newest session
  ai-trace view 20240301_143022 --errors         what went wrong in that one
  ai-trace --dir /var/log/agent/traces list      another directory
  ai-trace view --help                           all that a verb can do

Output is coloured on a terminal and plain elsewhere; NO_COLOR and FORCE_COLOR
change that. Lines are cut to the width of a terminal, but not in a pipe or a
file; COLUMNS sets the width everywhere. Times are local; session ids are UTC.

Exit status: 0 on success, 1 when nothing was found, 2 when the command line is
wrong, 3 when 'doctor' finds that a session is not whole."""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command ``ai-trace``.

    Args:
        argv: The words after the command; by default those of this process.

    Returns:
        The exit status: 0 on success, 1 when nothing was found, 2 when the command line
        is wrong, 3 when a session is not whole, 130 after Ctrl-C, 141 when nobody reads
        the output any longer.
    """
    terminal = Terminal()
    if argv is None:
        argv = sys.argv[1:]
        if not _HOLD_MANY_FILES.isdisjoint(argv):
            # Loaded late, and only where the process is nobody else's.
            from ai_trace.cli._descriptors import allow_many

            allow_many()
    try:
        status = _run(argv, terminal)
        terminal.flush()
    except KeyboardInterrupt:
        status = STOPPED
    except BrokenPipeError:
        status = CLOSED_PIPE
    except OutputError as exc:
        # Perhaps raised by a complaint, which comes after all output.
        terminal.abandon_output()
        terminal.complain(str(exc))
        status = NOTHING_FOUND
    terminal.close()
    return status


def _run(words: Sequence[str], terminal: Terminal) -> int:
    try:
        status = _dispatch(words, terminal)
        terminal.flush()
        return status
    except Answered as exc:
        terminal.write_pieces([str(exc)])
        return FOUND
    except UsageError as exc:
        terminal.complain(str(exc))
        return USAGE
    except TraceError as exc:
        terminal.complain(str(exc))
        return NOTHING_FOUND
    except MemoryError:
        terminal.complain("There is not enough memory to read or show all of this.")
        return NOTHING_FOUND
    except BrokenPipeError:
        raise
    except OSError as exc:
        terminal.complain(f"{exc.filename or 'A file'} cannot be used: {exc.strerror}.")
        return NOTHING_FOUND


def _dispatch(words: Sequence[str], terminal: Terminal) -> int:
    if len(words) == 1 and words[0] in VERBS:
        return _run_verb(words[0], [], None, terminal)
    front = _front_parser()
    if not words:
        terminal.say(front.format_help())
        return USAGE
    namespace = front.parse(words)
    if not namespace.command:
        front.error(f"there is no verb: name one, such as {next(iter(VERBS))}")
    verb, *rest = namespace.command
    return _run_verb(_known(verb), rest, namespace, terminal)


def _run_verb(
    verb: str,
    words: list[str],
    namespace: argparse.Namespace | None,
    terminal: Terminal,
) -> int:
    module = _load(verb)
    defaults = getattr(module, "DEFAULTS", None)
    if namespace is None and defaults is not None:
        options = SimpleNamespace(dir=trace_directory(), **defaults)
        return int(module.run(options, terminal))
    parser = _parser(verb, module)
    # ``completion`` has to know the options of every verb.
    parser.set_defaults(dir=trace_directory(), parsers=_parsers)
    return int(module.run(parser.parse(words, namespace), terminal))


def _parser(verb: str, module: ModuleType) -> Parser:
    from ai_trace.cli._arguments import Parser, add_dir

    parser = Parser(f"ai-trace {verb}", module.DESCRIPTION, module.EXAMPLES)
    module.add_arguments(parser)
    add_dir(parser)
    return parser


def _parsers() -> dict[str, tuple[str, Parser]]:
    """Return what each verb does, and its parser."""
    return {verb: (what, _parser(verb, _load(verb))) for verb, what in VERBS.items()}


def _load(verb: str) -> ModuleType:  # noqa: C901  (one branch a verb)
    # Each has an import statement: tools that freeze programs look for those.
    if verb == "list":
        from ai_trace.cli import _list

        return _list
    if verb == "view":
        from ai_trace.cli import _view

        return _view
    if verb == "tail":
        from ai_trace.cli import _tail

        return _tail
    if verb == "stats":
        from ai_trace.cli import _stats

        return _stats
    if verb == "report":
        from ai_trace.cli import _report

        return _report
    if verb == "recover":
        from ai_trace.cli import _recover

        return _recover
    if verb == "doctor":
        from ai_trace.cli import _doctor

        return _doctor
    if verb == "prune":
        from ai_trace.cli import _prune

        return _prune
    if verb == "compress":
        from ai_trace.cli import _compress

        return _compress
    if verb == "demo":
        from ai_trace.cli import _demo

        return _demo
    from ai_trace.cli import _completion

    return _completion


def _known(verb: str) -> str:
    if verb in VERBS:
        return verb
    hint = did_you_mean(verb, list(VERBS))
    if not hint and os.path.exists(verb):
        known = f"--dir {verb} list" if os.path.isdir(verb) else f"view {verb}"
        hint = f" Did you mean 'ai-trace {known}'?"
    hint = hint or f" The verbs are {', '.join(VERBS)}."
    msg = f"There is no verb {verb!r}.{hint} See ai-trace --help."
    raise UsageError(msg)


def _front_parser() -> Parser:
    import argparse

    from ai_trace.cli._arguments import Parser, add_dir

    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:{width}}{what}" for verb, what in VERBS.items())
    epilog = _EPILOG.format(verbs=verbs)
    elsewhere = " The options of a verb come after it."
    parser = Parser("ai-trace", _DESCRIPTION, epilog, elsewhere)
    parser.set_defaults(dir=trace_directory())
    add_dir(parser)
    version = f"ai-trace {__version__}"
    parser.add_argument("--version", action="version", version=version)
    verb = parser.add_argument(
        "command",
        nargs=argparse.PARSER,
        metavar="VERB",
        help="what to do; its own options follow it",
    )
    # Otherwise a wrong option before it would be reported as a missing verb.
    verb.required = False
    return parser
