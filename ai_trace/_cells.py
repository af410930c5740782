"""
The cells of tables that are secrets by the names of their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable


HIDDEN = "[redacted:key]"


def shown_cells(
    cells: Sequence[Any],
    names: Sequence[Any],
    path: str,
    is_secret: Callable[[Any, Any, str], bool],
) -> list[Any]:
    """
    Return cells, those that are secrets replaced.

    Args:
        cells: The cells of a column or row, or rows of them.
        names: What each cell is called; of a row, a list of such names.
        path: Where the cells stand in the record.
        is_secret: Tells of a name, a value and its path whether it is a secret.
    """
    shown: list[Any] = []
    for i, (cell, name) in enumerate(zip(cells, names)):
        place = f"{path}[{i}]"
        if type(name) is list:
            shown.append(shown_cells(cell, name, place, is_secret))
            continue
        # The names of columns may have several levels.
        parts = name if type(name) is tuple else (name,)
        hidden = any(is_secret(part, cell, place) for part in parts)
        shown.append(HIDDEN if hidden else cell)
    return shown
