"""
A table of figures that leaves columns out on a narrow terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ai_trace.render._style import NOT_OK, Span, Style, columns


_NARROWEST_NAME = 12
_GAP = 2


def not_ok(outcomes: Iterable[Mapping[str, int]]) -> list[str]:
    """Return the outcomes other than ``ok`` and ``error`` that need a column."""
    seen = {outcome for each in outcomes for outcome in each}
    return [outcome for outcome in NOT_OK if outcome in seen]


def figures(
    what: str,
    titles: Sequence[str],
    rows: Mapping[str, Sequence[str]],
    dispensable: Sequence[str],
    style: Style,
) -> Iterator[str]:
    """
    Render a row of figures for each name.

    Args:
        what: What the names are: the title of the first column.
        titles: The titles of the others.
        rows: The figures as text, by name. A name is traced text, a figure is not.
        dispensable: The titles of columns that may be left out, in this order.
        style: What the output can show.

    Yields:
        Lines, without their newlines.
    """
    cells = [titles, *rows.values()]
    names = [style.clean(name) for name in rows]
    widths = {
        title: max(columns(row[place]) for row in cells) + _GAP
        for place, title in enumerate(titles)
    }
    shown = _shown(widths, dispensable, style.width)
    room = max(_NARROWEST_NAME, *map(columns, names))
    if style.width is not None:
        room = min(room, max(_NARROWEST_NAME, style.width - sum(shown.values())))
    fitted = style._replace(colour=False, width=room)
    for name, row in zip([what, *names], cells):
        text = fitted.line([Span(name)])
        text += " " * (room - columns(text))
        for title, cell in zip(titles, row):
            if title in shown:
                text += " " * (widths[title] - columns(cell)) + cell
        yield style.line([Span(text, "quiet" if row is titles else "")])


def _shown(
    widths: Mapping[str, int], dispensable: Sequence[str], width: int | None
) -> dict[str, int]:
    shown = dict(widths)
    for title in dispensable:
        if width is not None and _NARROWEST_NAME + sum(shown.values()) > width:
            shown.pop(title, None)
    return shown
