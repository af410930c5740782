"""
``ai-trace view``: one session as a tree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from ai_trace import reading
from ai_trace._meant import resolve
from ai_trace._record import StepRecord
from ai_trace._tree import Session
from ai_trace._unfolding import ContradictionError, Step, Unfolding
from ai_trace.cli._arguments import add_json, positive
from ai_trace.cli._criteria import add_selection
from ai_trace.cli._selection import Selection
from ai_trace.cli._sessions import add_session, name_damage, read_found
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND, NOTHING_FOUND, UsageError
from ai_trace.exceptions import TraceReadError
from ai_trace.render import chat, json, text


_NAMED = 5
_NO_STEP = (
    "It has no steps yet. Calls of traced functions and `with step(...)` blocks are "
    "recorded inside `with Tracer(...)` or after tracer.activate(); for threads, see "
    "ai_trace.propagate."
)

DESCRIPTION = """\
Show a session as a tree: for each step how it ended, its name, its kind, how
long it took, and on the same line what it saw and decided. Below an LLM call is
what was said since the previous call of the same conversation.

--errors, --outcome, --name, --kind, --grep, --since and --until choose steps;
they are shown below the steps that they were made in. Damage in the file is
reported on standard error, and the rest is shown."""

EXAMPLES = """\
examples:
  ai-trace view                       the newest session
  ai-trace view 20240301_143022       by session id, or a part of it
  ai-trace view trading --errors      what went wrong, and where
  ai-trace view --outcome cancelled   what was cancelled, such as by a timeout
  ai-trace view --since 03:00 --until 03:10
                                      what it did in these ten minutes, today
                                      or yesterday
  ai-trace view --times --depth 1     when each of the outermost steps started
  ai-trace view --name 'fetch_*' --full
                                      everything these steps saw and returned
  ai-trace view --step 7f3a           one step whole, by its id or a part of it
  ai-trace view --grep BTCUSDT        steps that recorded this text
  ai-trace view --chat                what was said to the models, and by them
  ai-trace view --json > run.json     the session as one JSON object"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_session(parser)
    parser.add_argument(
        "--full",
        action="store_true",
        help="all that each step recorded, instead of one line",
    )
    parser.add_argument(
        "--step",
        metavar="ID",
        help="only this step, whole (for the steps below it, add --depth)",
    )
    parser.add_argument(
        "--times",
        action="store_true",
        help="when each step started, in local time (--since and --until imply it)",
    )
    parser.add_argument(
        "--depth",
        metavar="N",
        type=positive,
        help="only N levels; 1 is the roots alone",
    )
    parser.add_argument(
        "--chat",
        action="store_true",
        help="only the conversations with models, each message once; --full adds "
        "what the models reasoned",
    )
    add_selection(parser)
    add_json(parser, 'one object, {"session": {...}, "steps": [...]}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Show a session.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    if options.chat and options.json:
        msg = "--chat is for people; --json has the messages of each call. Choose one."
        raise UsageError(msg)
    only = Selection.from_options(options)
    path = resolve(options.dir, options.session)
    if not (only or options.step or options.chat or options.json):
        unfolding = reading.unfold(path)
        if unfolding is not None:
            _print_unfolding(path, unfolding, options, terminal)
            return FOUND
    wanted = None if options.chat else options.step
    session = read_found(path, terminal, wanted, below=bool(options.depth))
    top = _find_step(session, options.step) if options.step else None
    if options.chat:
        return _print_chat(session, top, only, options, terminal)
    show = _print_json if options.json else _print_tree
    if not show(session, top, only, options, terminal):
        terminal.complain(_nothing_matches(session, only, options))
        return NOTHING_FOUND
    if not (session.outcomes or options.json):
        terminal.complain(_NO_STEP)
    return FOUND


def _find_step(session: Session, step_id: str) -> StepRecord:
    step = session.find(step_id)
    if step is not None:
        return step
    ids = session.candidates(step_id)
    if not ids:
        msg = (
            f"No step of {session.path} has an id that begins or ends with "
            f"{step_id!r}. --full shows the ids, --name finds steps by name."
        )
        raise TraceReadError(msg)
    some = ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")
    msg = f"{len(ids)} ids of {session.path} begin or end with {step_id!r}: {some}."
    raise TraceReadError(msg)


def _nothing_matches(
    session: Session, only: Selection, options: argparse.Namespace
) -> str:
    hint = only.meant()
    if not hint and options.errors and "cancelled" in session.outcomes:
        hint = " Cancelled steps are not errors: --outcome cancelled shows them."
    return f"No step of {session.path} matches{_within(options)}.{hint}"


def _within(options: argparse.Namespace) -> str:
    # The tree looks deeper, and says how many there are; the others do not.
    if not (options.depth and (options.json or options.chat)):
        return ""
    return f" within --depth {options.depth}; what is deeper was not looked at"


def _print_tree(
    session: Session,
    top: StepRecord | None,
    only: Selection,
    options: argparse.Namespace,
    terminal: Terminal,
) -> bool:
    # A single step is shown to see it whole; its children are not meant.
    depth = options.depth or (None if top is None else 1)
    lines = text.tree(
        session,
        fitting(terminal),
        full=options.full or top is not None,
        depth=depth,
        only=only or None,
        possible=only.possible(session) if only else None,
        top=top,
        times=_times(options),
    )
    # Whether a step is chosen is known once there is a line: none is looked at twice.
    first = next(lines, None)
    if first is None:
        return False
    terminal.write_all(chain([first], lines))
    return True


def _times(options: argparse.Namespace) -> bool:
    # Somebody who chooses by time wants to see the times.
    is_asked = options.since is not None or options.until is not None
    return bool(options.times or is_asked)


def _print_unfolding(
    path: Path, unfolding: Unfolding, options: argparse.Namespace, terminal: Terminal
) -> None:
    style = fitting(terminal)

    def steps() -> Iterator[Step]:
        yield from unfolding.first()
        # The rest takes a while.
        terminal.flush()
        name_damage(path, unfolding.whole(), terminal)
        yield from unfolding.rest()

    terminal.write_all(text.beginning(unfolding.header, style))
    terminal.write()
    terminal.flush()
    full, depth, times = options.full, options.depth, options.times
    try:
        lines = text.unfolding(steps(), style, full=full, depth=depth, times=times)
        terminal.write_all(lines)
    except ContradictionError as exc:
        terminal.complain(f"{exc} It is shown again from the start.")
        terminal.write()
        session = unfolding.whole()
        lines = text.tree(session, style, full=full, depth=depth, times=times)
        terminal.write_all(lines)
        return
    terminal.write()
    terminal.write_all(text.ending(unfolding.whole(), style))


def _print_chat(
    session: Session,
    top: StepRecord | None,
    only: Selection,
    options: argparse.Namespace,
    terminal: Terminal,
) -> int:
    style = fitting(terminal)
    steps = _part(session, top, options.depth)
    lines = chat.chat(
        session,
        steps,
        style,
        full=options.full,
        times=_times(options),
        only=only or None,
    )
    first = next(lines, None)
    if first is None:
        hint = only.meant()
        none = f"{session.path} holds no conversation that matches"
        terminal.complain(f"{none}{_within(options)}.{hint}")
        return NOTHING_FOUND
    terminal.write_all(text.header(session, style))
    terminal.write_all(chain([first], lines))
    return FOUND


def _part(
    session: Session, top: StepRecord | None, depth: int | None
) -> Sequence[StepRecord]:
    if top is None and depth is None:
        return session.select(session.possible_calls())
    return _down_to(session, top, depth or sys.maxsize)


def _print_json(
    session: Session,
    top: StepRecord | None,
    only: Selection,
    options: argparse.Namespace,
    terminal: Terminal,
) -> bool:
    steps = _chosen(session, top, options.depth, only)
    first = next(steps, None)
    # A session without steps is shown, too.
    if only and first is None:
        return False
    found = chain([] if first is None else [first], steps)
    header = json.encode(session.header.to_dict())
    terminal.write_pieces([f'{{"session": {header}, "steps": ['])
    terminal.write_pieces(_listed(map(json.line, found)))
    terminal.write("\n]}")
    return True


def _listed(lines: Iterable[str]) -> Iterator[str]:
    between = "\n"
    for line in lines:
        yield between + line
        between = ",\n"


def _chosen(
    session: Session, top: StepRecord | None, depth: int | None, only: Selection
) -> Iterator[StepRecord]:
    """Yield the wanted steps, in the order of their starts."""
    steps: Iterable[StepRecord] = session.select(only.possible(session))
    if top is not None and depth is None:
        steps = [top]
    elif depth is not None:
        steps = _down_to(session, top, depth)
    for step in steps:
        if only(step):
            yield step


def _down_to(
    session: Session, top: StepRecord | None, depth: int
) -> Sequence[StepRecord]:
    places = session.outline(None if top is None else session.number_of(top))
    chosen = bytearray(session.numbers)
    for place in places:
        chosen[place.number] = place.depth < depth
    return session.select(chosen)
