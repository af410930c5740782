"""
``ai-trace compress``: make the files of finished sessions smaller.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ai_trace.cli._arguments import add_json
from ai_trace.cli._hindered import is_free
from ai_trace.cli._moment import FORMS, moment
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._unfinished import remove_unfinished
from ai_trace.cli._words import FOUND, NOTHING_FOUND
from ai_trace.exceptions import TraceError
from ai_trace.housekeeping import Stored, compress, compressible, survey
from ai_trace.render import json
from ai_trace.render._escape import term
from ai_trace.render._values import counted, size


DESCRIPTION = """\
Compress the trace files of finished sessions to .jsonl.gz: about a tenth of the
size, and every verb reads them as before. An original is deleted only when its
compressed file is complete, has been read back, and is safely on the disk.

A session that is being written is never touched, nor is one whose process died
(recover it first). A directory that holds anything but traces and hidden files
is refused. Unfinished files that a killed command left behind (.ai_trace-*.tmp)
are removed after an hour, too."""

EXAMPLES = """\
examples:
  ai-trace compress --older-than 1d             those not written to for a day
  ai-trace compress --older-than 1d --dry-run   which ones that would be"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    parser.add_argument(
        "--older-than",
        metavar="WHEN",
        type=moment,
        help=f"only sessions last written before this time: {FORMS}",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say which ones, and which have to stay; compress nothing",
    )
    add_json(parser, 'one object, {"compressed": [...], "bytes_saved": N}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Compress sessions.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    # Each night's run passes over what has a journal in silence.
    stored, before, dry_run = survey(options.dir), options.older_than, options.dry_run
    chosen = compressible(stored, before=before, with_journals=dry_run)
    sessions = list(chosen)[::-1]
    if dry_run:
        sessions = [session for session in sessions if _would_be(session, terminal)]
    if not options.json:
        terminal.write(term(_plan(sessions, options)))
    saved, done, status = 0, [session.stem for session in sessions], FOUND
    if not dry_run:
        saved, done = _carry_out(sessions, terminal)
        status = FOUND if len(done) == len(sessions) else NOTHING_FOUND
    _report(done, saved, options, terminal)
    return status


def _would_be(session: Stored, terminal: Terminal) -> bool:
    if not is_free(session, terminal):
        return False
    if session.journals:
        terminal.complain(
            f"{session.stem} has the journal of a process that died: recover it first; "
            "it would stay."
        )
    return not session.journals


def _plan(sessions: Sequence[Stored], options: argparse.Namespace) -> str:
    if not sessions:
        return f"There is no session to compress in {options.dir}."
    total = size(sum(session.size for session in sessions))
    verb = "would be" if options.dry_run else "will be"
    count = counted(len(sessions), "session")
    return f"{count} of {total} in {options.dir} {verb} compressed."


def _carry_out(sessions: Sequence[Stored], terminal: Terminal) -> tuple[int, list[str]]:
    saved, done = 0, []
    for number, session in enumerate(sessions, 1):
        _show(f"{number} of {len(sessions)}: {session.stem}")
        try:
            saved += compress(session)
            done.append(session.stem)
        except TraceError as exc:
            _show("")
            terminal.complain(str(exc))
    _show("")
    return saved, done


def _show(progress: str) -> None:
    """Show the progress, on a terminal only."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{term(progress)}")
        sys.stderr.flush()


def _report(
    done: Sequence[str], saved: int, options: argparse.Namespace, terminal: Terminal
) -> None:
    if options.dry_run and not options.json:
        terminal.write_all(f"  {term(stem)}" for stem in done)
    elif done and not options.json:
        count = counted(len(done), "session")
        terminal.write(f"{count} compressed, {size(saved)} less.")
    unfinished = remove_unfinished(options, terminal)
    if options.json:
        result = {
            "compressed": done,
            "bytes_saved": saved,
            "unfinished_files": unfinished,
            "dry_run": options.dry_run,
        }
        terminal.write(json.encode(result, indent=2))
