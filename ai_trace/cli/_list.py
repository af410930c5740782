"""
``ai-trace list``: which sessions there are.
"""

from __future__ import annotations

import sys
import time
from itertools import chain

from ai_trace.cli._counted import DIED, RUNNING, UNFINISHED, Counted, count_all
from ai_trace.cli._sessions import add_agent, find_sessions
from ai_trace.cli._style import fitting
from ai_trace.cli._words import FOUND, NOTHING_FOUND
from ai_trace.render._style import NOT_OK, Span, Style, columns
from ai_trace.render._values import duration, size


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from ai_trace.cli._selection import Selection
    from ai_trace.cli._terminal import Terminal


DESCRIPTION = """\
List the sessions, newest first: session, agent, when it started, how long it
took (or that it is running, died, or has unfinished steps), how many steps it
has, how many of them ended in an error, the size of its trace files, and how
many steps were cancelled, interrupted, left unfinished or closed, if any.

--errors, --outcome, --name, --kind and --grep choose the sessions that have one
step that matches all of them."""

EXAMPLES = """\
examples:
  ai-trace list                                on a terminal: the newest 20
  ai-trace list --all                          all of them
  ai-trace list --errors                       those where something failed
  ai-trace list --grep BTCUSDT                 those where a step recorded this
  ai-trace list --since 03:00 --until 03:30    those active in this half hour
  ai-trace list -n 5 --agent trading_agent     the newest five of one agent
  ai-trace --dir /var/log/agent/traces list    in another directory
  ai-trace list --json                         for machines"""

DEFAULTS = {
    "n": None,
    "all": False,
    "agent": None,
    "errors": False,
    "outcome": None,
    "name": None,
    "kind": None,
    "grep": None,
    "since": None,
    "until": None,
    "json": False,
}

_WITH_STEPS = "sessions with steps"
_SCREENFUL = 20
_SESSION, _AGENT, _STARTED, _TOOK = "SESSION", "AGENT", "STARTED", "TOOK"
_STEPS, _ERRORS, _SIZE, _ALSO = "STEPS", "ERRORS", "SIZE", "ALSO"
_HEAD = (_SESSION, _AGENT, _STARTED, _TOOK, _STEPS, _ERRORS, _SIZE, _ALSO)
_NUMBERS = (_TOOK, _STEPS, _ERRORS, _SIZE)
# What a narrow terminal can do without, in this order: most ids tell when a session
# started.
_DISPENSABLE = (_SIZE, _STARTED, _STEPS, _AGENT)
# These may be cut to so many columns.
_LEAST = {_AGENT: 8, _ALSO: 12}
# All rows are as wide as the widest, and a hostile file may name its agent anything.
_WIDEST = 1_000
# A column of its own tells which sessions are running.
_TOLD = tuple(outcome for outcome in NOT_OK if outcome != RUNNING)
_ROLES = {RUNNING: "good", DIED: "bad", UNFINISHED: "odd"}
_GAP = "  "
_BOUNDLESS = sys.maxsize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    from ai_trace.cli._arguments import add_json, positive
    from ai_trace.cli._criteria import add_names, add_outcomes, add_text, add_times

    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        "-n",
        metavar="N",
        type=positive,
        help=f"only the newest N (default on a terminal: {_SCREENFUL})",
    )
    how_many.add_argument("--all", action="store_true", help="all sessions")
    add_agent(parser)
    add_outcomes(parser, _WITH_STEPS)
    add_names(parser, _WITH_STEPS)
    add_text(parser, _WITH_STEPS)
    add_times(parser, "sessions", "were active")
    add_json(parser, 'one object, {"sessions": [{...}, ...]}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    List sessions.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    only = _chosen_steps(options)
    limit, wanted = _how_many(options, terminal), _choice(options, only)
    found = find_sessions(options.dir, options.agent)
    infos = found.first(None if wanted else limit)
    if options.since is not None:
        from ai_trace.cli._criteria import written_since

        # A session last written before then was not active since, unless its process
        # waits inside a step.
        infos = [
            info
            for info in infos
            if info.has_journals or written_since(info, options.since)
        ]
    counted = count_all([Counted(info, found.ids) for info in infos], terminal)
    sessions = _first(counted, wanted, limit) if wanted else list(counted)
    older = len(sessions) - limit if limit else 0
    sessions = sessions[:limit]
    if options.json:
        from ai_trace.render import json

        objects = [session.to_dict() for session in sessions]
        terminal.write(json.encode({"sessions": objects}, indent=2))
    elif sessions:
        # All at once: without a buffer, each line would take a call of its own.
        terminal.write("\n".join(_table(sessions, fitting(terminal))))
    if not sessions:
        hint = only.meant() if only else ""
        terminal.complain(f"No session in {options.dir} matches.{hint}")
        return NOTHING_FOUND
    if limit and not (options.n or options.json):
        rest = 0 if wanted else len(found) - limit
        if rest > 0:
            terminal.write(f"{rest:,} older ones: ai-trace list --all")
        elif older > 0:
            terminal.write("There are older ones that match: add --all.")
    return FOUND


def _how_many(options: argparse.Namespace, terminal: Terminal) -> int | None:
    by_default = terminal.is_terminal and not options.json and not options.all
    limit: int | None = options.n or (_SCREENFUL if by_default else None)
    return limit


def _chosen_steps(options: argparse.Namespace) -> Selection | None:
    """Return which steps have to be looked for; ``None`` if counts tell enough."""
    if not (options.name or options.kind or options.grep):
        return None
    from ai_trace.cli._selection import Selection

    return Selection(
        errors=options.errors,
        outcome=options.outcome,
        name=options.name,
        kind=options.kind,
        text=options.grep,
    )


def _choice(
    options: argparse.Namespace, only: Selection | None
) -> Callable[[Counted], bool] | None:
    """Return what tells which sessions are wanted; ``None`` if all are."""
    errors, outcome = options.errors, options.outcome
    has_time = options.since is not None or options.until is not None
    if not (errors or outcome or only or has_time):
        return None
    from ai_trace.cli._criteria import WENT_WRONG, times

    since, until = times(options)

    def is_asked_for(ended: str) -> bool:
        return (not errors or ended in WENT_WRONG) and outcome in (None, ended)

    def is_wanted(session: Counted) -> bool:
        return (
            (not (errors or outcome) or any(map(is_asked_for, session.outcomes)))
            and (since is None or session.heard_at >= since)
            and (until is None or session.started_at < until)
            and (only is None or (session.is_readable and _has_step(session, only)))
        )

    return is_wanted


def _has_step(session: Counted, only: Selection) -> bool:
    from ai_trace import reading

    found = chain.from_iterable(reading.batches(session.info))
    return any(only(one) for one in found if not isinstance(one, reading.Problem))


def _first(
    sessions: Iterator[Counted], wanted: Callable[[Counted], bool], limit: int | None
) -> list[Counted]:
    """Return the first that are wanted, and one more if there is one."""
    first = []
    for session in filter(wanted, sessions):
        first.append(session)
        if limit and len(first) > limit:
            break
    return first


def _table(counted: Sequence[Counted], style: Style) -> Iterator[str]:
    rows = [_HEAD, *(_row(session, style) for session in counted)]
    table: dict[str, tuple[str, ...]] = dict(zip(_HEAD, zip(*rows)))
    if not any(table[_ALSO][1:]):
        del table[_ALSO]
    widths = {
        title: min(_WIDEST, max(map(columns, set(cells))))
        for title, cells in table.items()
    }
    shown = _fit(widths, style.width or _BOUNDLESS)
    fitted = [_fitted(title, table[title], shown[title], style) for title in shown]
    if style.width is None and not style.colour:
        # For ten thousand lines in a pipe, spans would take a third of the time.
        lines = map(_GAP.join, zip(*fitted))
        yield from map(str.rstrip, lines) if _ALSO in shown else lines
        return
    is_head = True
    for cells in zip(*fitted):
        yield style.line(_spans(list(shown), cells, is_head=is_head))
        is_head = False


def _fit(widths: dict[str, int], most: int) -> dict[str, int]:
    """Leave columns out, and narrow others, until a line fits."""
    fit = {
        title: min(width, _LEAST.get(title, width)) for title, width in widths.items()
    }
    spare = 0
    for left_out in ("", *_DISPENSABLE):
        fit.pop(left_out, None)
        spare = most - sum(fit.values()) - len(_GAP) * (len(fit) - 1)
        if spare >= 0:
            break
    for title, width in fit.items():
        more = min(max(0, spare), widths[title] - width)
        fit[title] = width + more
        spare -= more
    return fit


def _row(session: Counted, style: Style) -> tuple[str, ...]:
    header, outcomes = session.header, session.outcomes
    also = [f"{outcomes[each]:,} {each}" for each in _TOLD if each in outcomes]
    return (
        style.clean(session.label),
        style.clean(header.agent),
        _minute(session.started_at),
        # How long a session takes is known only when it has ended.
        session.state or style.signs(duration(session.duration_ms)) or "?",
        f"{session.steps:,}" if session.is_readable else "?",
        f"{session.errors:,}" if session.is_readable else "?",
        size(session.info.size),
        ", ".join(also),
    )


def _minute(epoch: float) -> str:
    # Not with datetime, which takes longer to load than to use.
    try:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(epoch))
    except (OverflowError, OSError, ValueError):
        when = ""
    return when if epoch and when else "unknown"


def _fitted(
    title: str, column: Sequence[str], width: int, style: Style
) -> Iterator[str]:
    cut = style._replace(colour=False, width=width)
    fitted = {}
    # Most columns repeat a few different cells.
    for cell in set(column):
        text = cell if columns(cell) <= width else cut.line([Span(cell)])
        padding = "" if title == _ALSO else " " * (width - columns(text))
        fitted[cell] = padding + text if title in _NUMBERS else text + padding
    return map(fitted.__getitem__, column)


def _spans(
    titles: Sequence[str], cells: Sequence[str], *, is_head: bool
) -> Iterator[Span]:
    for place, (title, cell) in enumerate(zip(titles, cells)):
        if place:
            yield Span(_GAP)
        role = "quiet" if is_head else ""
        if title == _ERRORS and not is_head and cell.strip() != "0":
            role = "bad"
        elif title == _TOOK and not is_head:
            role = _ROLES.get(cell.strip(), "")
        elif title == _ALSO:
            role = "quiet" if is_head else "odd"
        yield Span(cell, role)
