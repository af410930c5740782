"""
Finds the secrets of columns, in tables and in CSV.

In a column whose head names a secret, only what looks like one is taken: "yes",
"required" and ``OPENAI_API_KEY`` are something else.
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_trace._assigned import Span, looks_secret
from ai_trace._patterns import compiled
from ai_trace._secret_names import TOKEN, Names, looks_drawn


_HEAD = 512
"""The most characters of the first line of CSV."""

_TOKEN = 16
"""A shorter text in a column of tokens may be a word, or a symbol that is traded."""

# The line below the heads, in Markdown and as databases draw it: |---|:--:|, ---+---
RULE = r"\n[ \t]{0,16}[|+]?[ :]?--[-:|+ ]{1,512}(?=[\r\n])"

# The first head of CSV: no space follows its comma, as one does in a sentence. Where
# pandas writes an index, it is empty.
FIRST = r"(?:[^{\[(<\n,\t|][^\n,\t|]{0,63}[,\t|]|,)(?=[^\s|])"

# In SQL: INSERT INTO users (name, password) VALUES ('ann', 'x'), ('bob', 'y')
INSERT = r"\(([^()]{1,1024})\)\s{1,16}(?:VALUES|[vV]alues)\b"
ROW = r",?\s{0,16}\("
PIECE = r"['\"(),]"
BARE = r"\s{0,16}([^\s(]{1,64})\s{0,16}\Z"

_PIECES = 256
"""A row of SQL has at most so many quotes, brackets and commas."""

_UNCLOSED = 8
"""Where so many rows do not end, the text is no SQL."""

_BEHIND = tuple(",) \t\r\n:;")
_AROUND = " \t\r\"'`*"

# Such a column holds the names of what is kept elsewhere.
_NAMES = ("secret", "secrets", "cookie", "cookies", "credential", "credentials")


def columns(text: str, names: Names) -> Iterator[Span]:
    """
    Yield where the secrets in columns begin and end, from left to right.

    Args:
        text: Any text: its first line may be the head of CSV, any line that of a table.
        names: What to look for.
    """
    head = text[:_HEAD].partition("\n")[0]
    done = len(head) + 1
    first = compiled(FIRST).match(head)
    if first is not None:
        for span in _rows(text, head, (done, len(text)), first[0][-1], names):
            done = span[1]
            yield span
    rules = list(compiled(RULE).finditer(text)) if "|" in text and "---" in text else []
    # Each table ends at the next rule at the latest, so that no line is read twice.
    ends = [rule.start() for rule in rules[1:]] + [len(text)]
    for rule, end in zip(rules, ends):
        if rule.start() >= done - 1:
            head = text[text.rfind("\n", 0, rule.start()) + 1 : rule.start()]
            yield from _rows(text, head, (rule.end() + 1, end), "|", names)


def inserted(text: str, names: Names) -> Iterator[Span]:
    """Yield where the secrets in the rows of an INSERT of SQL begin and end."""
    unclosed = 0
    has_rows = "VALUES" in text or "alues" in text
    for found in compiled(INSERT).finditer(text) if has_rows else ():
        told = _told(found[1], ",", names)
        row = compiled(ROW).match(text, found.end()) if any(told) else None
        while row is not None and unclosed < _UNCLOSED:
            cells, end = _row_of_sql(text, row.end())
            if len(cells) == len(told):
                yield from _row(text, cells, told, names)
            unclosed += not cells
            row = compiled(ROW).match(text, end)


def _row_of_sql(text: str, at: int) -> tuple[list[Span], int]:
    """Return the first text of each cell, ``crypt('x', f())``, and where all ends."""
    cells: list[Span] = []
    start, depth, said = at, 0, None
    for _ in range(_PIECES):
        piece = compiled(PIECE).search(text, at)
        mark = piece[0] if piece else ""
        at = piece.end() if piece else len(text)
        close = text.find(mark, at) if mark in ("'", '"') else -1
        if close >= 0:
            is_escaped = text[close - 1] == "\\"
            # A quote that is written twice, or behind a backslash, is in the text.
            if said is None or at <= said[1] + 2:
                said = (said[0] if said else at), close - is_escaped
            at = close + (not is_escaped or text[close + 1 : close + 2] in _BEHIND)
        elif mark == "(":
            depth += 1
        elif mark == ")" and depth:
            depth -= 1
        elif mark == ")" or (mark == "," and not depth):
            bare = compiled(BARE).match(text, start, at - 1)
            cells.append(said or (bare.span(1) if bare else (start, start)))
            start, said = at, None
            if mark == ")":
                return cells, at
        elif mark != ",":
            break
    return [], at


def _rows(text: str, head: str, part: Span, mark: str, names: Names) -> Iterator[Span]:
    """Yield the secrets in the lines of a part that have as many cells as the head."""
    at, last = part
    told = _told(head, mark, names)
    while any(told) and at < last:
        end = text.find("\n", at, last)
        end = end if end >= 0 else last
        cells = list(_cells(text, at, end, mark))
        if len(cells) == len(told):
            yield from _row(text, cells, told, names)
        at = end + 1


def _told(head: str, mark: str, names: Names) -> list[int]:
    """Return what each head says of its column."""
    cells = _cells(head, 0, len(head), mark)
    heads = [head[start:end].lower().strip("[]") for start, end in cells]
    return [0 if name in _NAMES else names.end_says(name) for name in heads]


def _row(text: str, cells: list[Span], told: list[int], names: Names) -> Iterator[Span]:
    for says, (start, stop) in zip(told, cells):
        value = text[start:stop] if says else ""
        is_drawn = len(value) >= _TOKEN and looks_drawn(value)
        if (is_drawn or says != TOKEN) and looks_secret(value, names):
            yield start, stop


def _cells(text: str, at: int, end: int, mark: str) -> Iterator[Span]:
    """Yield where the texts of a line's cells stand; quotes keep a mark inside one."""
    while at <= end:
        quote = '"' if text.startswith('"', at) else ""
        stop = text.find(quote + mark, at + len(quote), end)
        stop = stop + len(quote) if stop >= 0 else end
        cell = text[at:stop]
        first = at + len(cell) - len(cell.lstrip(_AROUND))
        yield first, max(first, at + len(cell.rstrip(_AROUND)))
        at = stop + 1
