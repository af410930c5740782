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

# The first head of CSV: no space follows its comma, as one does in a sentence.
FIRST = r"[^{\[(<\n,\t|][^\n,\t|]{0,63}[,\t|](?=[^\s|])"


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


def _rows(text: str, head: str, part: Span, mark: str, names: Names) -> Iterator[Span]:
    """Yield the secrets in the lines of a part that have as many cells as the head."""
    at, last = part
    heads = [head[start:end].lower() for start, end in _cells(head, 0, len(head), mark)]
    says = {n: names.end_says(name) for n, name in enumerate(heads)}
    told = [n for n in says if says[n] and heads[n] not in _NAMES]
    while told and at < last:
        end = text.find("\n", at, last)
        end = end if end >= 0 else last
        cells = list(_cells(text, at, end, mark))
        if len(cells) != len(heads):
            break
        for n in told:
            start, stop = cells[n]
            value = text[start:stop]
            is_drawn = len(value) >= _TOKEN and looks_drawn(value)
            if (is_drawn or says[n] != TOKEN) and looks_secret(value, names):
                yield start, stop
        at = end + 1


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
