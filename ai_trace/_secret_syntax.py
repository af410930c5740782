"""
Finds secrets by the syntax around them: in calls, XML, HTML and SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ai_trace._assigned import Span, end_of_quoted, is_given
from ai_trace._secret_names import Names
from ai_trace._stand_ins import is_placeholder


_TAG = 80
"""So many characters a closing tag may have."""

_ELEMENT = 4096
"""So far before its closing tag an element may begin."""

_STATEMENT = 256
"""So far before a password its statement of SQL may say that it is one."""

# The head of auth=(, "auth": [, HTTPBasicAuth( and smtp.login(
SIGN_IN = r"[aA]uth\\?[\"']?\]? ?[=:]? ?[(\[]|\.login\("
# The name that comes first, a text or a variable: 'ann@example.com',
FIRST = r"\s{0,8}(?:b?\\?[\"'][^\"'\\\r\n]{0,64}\\?[\"']|[A-Za-z_][\w.]{0,64}) ?,"
SECOND = r"\s{0,16}b?(\\?[\"'])"
TAG_NAME = r"[\w:.-]{1,64}\Z"
INPUT = r"<input\b[^<>]{0,1024}"
TYPE = r"type ?= ?\\?[\"']?password\b"
GIVEN = r"\bvalue ?= ?(\\?[\"'])"
# The quote of: PASSWORD 'x', BY "x"
SQL_QUOTE = (
    r"[\"'](?<=[dDyY] .)(?:(?<=[pP][aA][sS][sS][wW][oO][rR][dD] .)|(?<= [bB][yY] .))"
)

_sign_ins = re.compile(SIGN_IN).finditer
_first = re.compile(FIRST).match
_second = re.compile(SECOND).match
_tag_name = re.compile(TAG_NAME).match
_inputs = re.compile(INPUT).finditer
_type = re.compile(TYPE).search
_given = re.compile(GIVEN).search
_sql_quotes = re.compile(SQL_QUOTE).finditer

_ROLES = frozenset("role user group options encrypted with login".split())


def signed_in(text: str) -> Iterator[Span]:
    """Yield the passwords that clients are given beside a name, from left to right."""
    if "uth" not in text and ".login(" not in text:
        return
    done = 0
    for found in _sign_ins(text):
        first = _first(text, found.end())
        second = _second(text, first.end()) if first else None
        if second is None or second.end() < done:
            continue
        start = second.end()
        end = end_of_quoted(text, start, second[1])
        if start < end and not is_placeholder(text, start):
            done = end
            yield start, end


def marked_up(text: str, names: Names) -> Iterator[Span]:
    """
    Yield the secrets in elements of XML, and in fields of HTML that hide them.

    ``<password>x</password>``, ``<input type="password" value="x">``.
    """
    spans = [*_in_inputs(text), *_in_elements(text, names)]
    yield from sorted(spans)


def _in_elements(text: str, names: Names) -> Iterator[Span]:
    if "</" not in text or not names.may_be_in(text.replace(">", ":")):
        return
    for at, says in names.signs(text.replace(">", ":")):
        close = text.rfind("</", max(0, at - _TAG), at)
        if close < 0 or text[at] != ">" or not _tag_name(text[close + 2 : at]):
            continue
        start, end = _content(text, close)
        before = text[max(0, start - _ELEMENT) : start]
        is_whole = not is_placeholder(text, start) and _opens(
            before, text[close + 2 : at]
        )
        if is_whole and is_given(text, start, end, says):
            yield start, end


def _content(text: str, close: int) -> Span:
    """Return what stands in the element that is closed, without the space around it."""
    first = max(0, close - _ELEMENT)
    is_quoted = text.endswith("]]>", first, close)
    end = close - 3 if is_quoted else close
    opening = "<![CDATA[" if is_quoted else ">"
    start = text.rfind(opening, first, end) + len(opening)
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, max(start, end)


def _opens(before: str, name: str) -> bool:
    """Tell whether a text ends with the opening tag of a name."""
    tag = before.rstrip().removesuffix("<![CDATA[").rpartition("<")[2]
    return tag.startswith(name) and tag.endswith(">")


def _in_inputs(text: str) -> Iterator[Span]:
    for found in _inputs(text) if "<input" in text else ():
        given = _given(found[0]) if _type(found[0]) else None
        if given is not None:
            start = found.start() + given.end()
            end = end_of_quoted(text, start, given[1])
            if start < end and not is_placeholder(text, start):
                yield start, min(end, found.end())


def stated(text: str) -> Iterator[Span]:
    """Yield the passwords in SQL: ``IDENTIFIED BY 'x'``, ``ROLE ann PASSWORD 'x'``."""
    if not (" '" in text or "IDENTIFIED" in text or "identified" in text):
        return
    done = 0
    for found in _sql_quotes(text):
        start = found.end()
        if start < done or is_placeholder(text, start):
            continue
        words = text[max(0, start - _STATEMENT) : start - 1].lower().split()
        is_by = words[-1] == "by"
        if "identified" in words[-6:] if is_by else not _ROLES.isdisjoint(words):
            end = _end_of_stated(text, start, found[0])
            if start < end:
                done = end
                yield start, end


def _end_of_stated(text: str, start: int, quote: str) -> int:
    """Return where a text of SQL ends: a quote in it is written twice."""
    end = text.find(quote, start)
    while end >= 0 and text.startswith(quote, end + 1):
        end = text.find(quote, end + 2)
    end = end if end >= 0 else len(text)
    line = text.find("\n", start, end)
    return line if line >= 0 else end
