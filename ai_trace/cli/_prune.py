"""
``ai-trace prune``: delete old sessions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ai_trace.cli._arguments import add_json, positive
from ai_trace.cli._bytes import FORMS as SIZES
from ai_trace.cli._bytes import number_of_bytes
from ai_trace.cli._hindered import is_free
from ai_trace.cli._moment import FORMS as MOMENTS
from ai_trace.cli._moment import moment
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._unfinished import remove_unfinished
from ai_trace.cli._words import FOUND, NOTHING_FOUND, UsageError
from ai_trace.exceptions import TraceError
from ai_trace.housekeeping import Stored, delete, prunable, survey
from ai_trace.render import json
from ai_trace.render._escape import term
from ai_trace.render._values import counted, size


DESCRIPTION = """\
Delete old sessions, or the oldest until the rest is small enough. It says which
ones first, and asks before it deletes them; with --dry-run, it only says which
ones. Where nobody can be asked, as in a cron job or with --json, give --yes.

The newest N of --keep-last are kept, whatever the other options say. A session
that is being written is never touched; one whose process died goes like any
other, with the steps that it died in. A directory that holds anything but
traces and hidden files is refused. Unfinished files that a killed command left
behind (.ai_trace-*.tmp) are removed after an hour, too."""

EXAMPLES = """\
examples:
  ai-trace prune --older-than 30d --dry-run  what would be deleted
  ai-trace prune --older-than 30d --yes      without being asked, as in cron
  ai-trace prune --max-size 5GB --keep-last 100
                                             the oldest, until 5 GB remain
  ai-trace prune --keep-last 100             all but the newest hundred"""

_YES = ("y", "yes")

Choice = Sequence["tuple[Stored, str]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    parser.add_argument(
        "--older-than",
        metavar="WHEN",
        type=moment,
        help=f"sessions last written before this time: {MOMENTS}",
    )
    parser.add_argument(
        "--keep-last", metavar="N", type=positive, help="keep the newest N sessions"
    )
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=number_of_bytes,
        help=f"how much all sessions together may take: {SIZES}",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say which ones, but delete nothing"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask; needed where nobody can be asked",
    )
    add_json(parser, 'one object, {"deleted": [...], "bytes": N}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Delete sessions.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    is_asked = not (options.yes or options.dry_run)
    _check(options, is_asked=is_asked)
    stored = survey(options.dir)
    chosen = prunable(
        stored,
        before=options.older_than,
        keep_last=options.keep_last,
        max_size=options.max_size,
    )
    if options.dry_run:
        chosen = [each for each in chosen if is_free(each[0], terminal)]
    if not options.json:
        terminal.write_all(_plan(chosen, options))
    _complain_of_size(stored, chosen, options.max_size, terminal)
    if chosen and is_asked and not _agreed(terminal):
        terminal.write("Nothing was deleted.")
        return NOTHING_FOUND
    return _carry_out(chosen, options, terminal)


def _check(options: argparse.Namespace, *, is_asked: bool) -> None:
    choices = (options.older_than, options.keep_last, options.max_size)
    if all(choice is None for choice in choices):
        msg = (
            "Say which sessions to delete: --older-than 30d, --max-size 5GB or "
            "--keep-last 100. See ai-trace prune --help."
        )
        raise UsageError(msg)
    if is_asked and not _can_ask(options):
        msg = (
            "There is nobody to ask here, so nothing was deleted: --yes deletes "
            "without asking, --dry-run says what would be deleted."
        )
        raise UsageError(msg)


def _complain_of_size(
    stored: Sequence[Stored], chosen: Choice, most: int | None, terminal: Terminal
) -> None:
    """Say so if the sessions that are kept take more room than they may."""
    kept = sum(each.size for each in stored) - sum(each.size for each, _ in chosen)
    if most is not None and kept > most:
        terminal.complain(
            f"What is kept takes {size(kept)}, more than --max-size {size(most)}: it "
            "is being written, or is kept by --keep-last."
        )


def _plan(chosen: Choice, options: argparse.Namespace) -> list[str]:
    if not chosen:
        return [term(f"There is no session to delete in {options.dir}.")]
    total = size(sum(session.size for session, _ in chosen))
    count = counted(len(chosen), "session")
    verb = "would be deleted" if options.dry_run else "will be deleted"
    lines = [f"{count} in {options.dir} {verb}, {total}:"]
    lines += [
        f"  {session.stem}  {size(session.size)}  ({why})" for session, why in chosen
    ]
    return [term(line) for line in lines]


def _can_ask(options: argparse.Namespace) -> bool:
    # Somebody who sends the output to a pager or a file can still be asked; but a
    # question has no place in an object for machines.
    return not options.json and sys.stdin is not None and sys.stdin.isatty()


def _agreed(terminal: Terminal) -> bool:
    if terminal.is_terminal:
        terminal.write_pieces(["Delete them? [y/N] "])
        terminal.flush()
    else:
        terminal.complain("Delete them? [y/N]")
    return sys.stdin.readline().strip().lower() in _YES


def _carry_out(chosen: Choice, options: argparse.Namespace, terminal: Terminal) -> int:
    status, deleted = FOUND, []
    for session, _ in () if options.dry_run else chosen:
        try:
            delete(session)
            deleted.append(session)
        except TraceError as exc:
            terminal.complain(str(exc))
            status = NOTHING_FOUND
    if deleted and not options.json:
        freed = sum(session.size for session in deleted)
        terminal.write(f"{counted(len(deleted), 'session')} deleted, {size(freed)}.")
    unfinished = remove_unfinished(options, terminal)
    if options.json:
        shown = [session for session, _ in chosen] if options.dry_run else deleted
        result = {
            "deleted": [session.stem for session in shown],
            "bytes": sum(session.size for session in shown),
            "unfinished_files": unfinished,
            "dry_run": options.dry_run,
        }
        terminal.write(json.encode(result, indent=2))
    return status
