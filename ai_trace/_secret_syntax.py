"""
Finds secrets by the syntax around them: in calls, XML, HTML, SQL and manifests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ai_trace._assigned import Span, end_of_quoted, is_given
from ai_trace._patterns import compiled
from ai_trace._secret_names import Names, plain
from ai_trace._secret_shapes import holds_credentials
from ai_trace._stand_ins import is_placeholder


_TAG = 80
"""The most characters of a closing tag."""

_ELEMENT = 4096
"""How far before its closing tag an element may begin, in characters."""

_STATEMENT = 256
"""How far before a password its SQL statement may say that it is one."""

# The head of auth=(, "auth": [ and HTTPBasicAuth(. Here and below the rarest letters
# come first: in 100 kB of code that is 0.1 ms, where "[aA]uth" takes 1.3 ms.
SIGN_IN = r"uth(?<=[aA]uth)\\?[\"']?\]? ?[=:]? ?[(\[]"
LOGIN = r"\.login\("
# The head of "auth": "YW5uOng=" and _auth=YW5uOng=
ENCODED = r"uth(?<=[aA]uth)\\{0,3}[\"']? ?[=:] ?\\{0,3}[\"']?([A-Za-z0-9+/=]{8,})"
# The name that comes first, a text or a variable: 'ann@example.com',
FIRST = r"\s{0,8}(?:b?\\?[\"'][^\"'\\\r\n]{0,64}\\?[\"']|[A-Za-z_][\w.]{0,64}) ?,"
SECOND = r"\s{0,16}b?(\\?[\"'])"
TAG_NAME = r"[\w:.-]{1,64}\Z"
INPUT = r"<input\b[^<>]{0,1024}"
TYPE = r"type ?= ?\\?[\"']?password\b"
GIVEN = r"\bvalue ?= ?(\\?[\"'])"
# The head of <add key="ApiKey" value="x"/> and <string name="api_key">x</string>
NAMED = (
    r"=(?<=[ey ]=)(?:(?<=\bname=)|(?<=\bname =)|(?<=\bkey=)|(?<=\bkey =))"
    r" ?(\\?[\"'])([\w. -]{1,64})\1"
    r"(?: {1,4}value ?= ?(\\?[\"'])|>(?=[^<\s]))"
)
# What requests and httpx show of a cookie.
JAR = r"<Cookie [^\s=<>]{1,64}=(?=[^\s<>]{1,512} for )"
# In YAML and JSON: kind: Secret, "kind": "Secret"
KIND = r"\bkind(?:\\?[\"'])? ?: ?(?:\\?[\"'])?Secret\b"
DATA = r"\b(?:data|stringData)(?:\\?[\"'])? ?:[ \t]{0,8}(\{|\r?(?=\n))"
ENTRY = r"[\s\\nrt,]{0,32}[\"'][\w.-]{1,253}"
GIVES = r"\\?[\"'] ?: ?(\\?[\"'])"
SENSITIVE = r"\bsensitive\\?[\"'] ?: ?true\b"
OUTPUT = r"\bvalue\\?[\"'] ?: ?(\\?[\"'])"
# The quote of: PASSWORD 'x', BY "x"
SQL_QUOTE = (
    r"[\"'](?<=[dDyY] .)(?:(?<=[pP][aA][sS][sS][wW][oO][rR][dD] .)|(?<= [bB][yY] .))"
)


_ROLES = frozenset("role user group options encrypted with login".split())


def may_sign_in(text: str) -> bool:
    """Tell quickly whether a text may hold a name and a password for a client."""
    return "uth" in text or ("(" in text and ".login(" in text)


def may_state(text: str) -> bool:
    """Tell quickly whether a text may be SQL that gives a password."""
    if " '" in text:
        return True
    return '"' in text and ("identified" in text or "IDENTIFIED" in text)


def signed_in(text: str) -> Iterator[Span]:
    """Yield the passwords that clients are given with a name, from left to right."""
    done = 0
    heads = [found.end() for found in compiled(SIGN_IN).finditer(text)]
    heads += [found.end() for found in compiled(LOGIN).finditer(text)]
    for head in sorted(heads):
        first = compiled(FIRST).match(text, head)
        second = compiled(SECOND).match(text, first.end()) if first else None
        if second is None or second.end() < done:
            continue
        start = second.end()
        end = end_of_quoted(text, start, second[1])
        if start < end and not is_placeholder(text, start):
            done = end
            yield start, end


def authorized(text: str) -> Iterator[Span]:
    """Yield names and passwords as Docker and npm keep them: ``_auth=YW5uOng=``."""
    for found in compiled(ENCODED).finditer(text):
        if holds_credentials(found[1]):
            yield found.span(1)


def marked_up(text: str, names: Names) -> Iterator[Span]:
    """
    Yield the secrets in elements of XML, in fields of HTML that hide them, and cookies.

    ``<password>x</password>``, ``<input type="password" value="x">``.
    """
    done = 0
    spans = [
        *_in_inputs(text),
        *_in_elements(text, names),
        *_in_attributes(text, names),
        *_in_jars(text),
    ]
    for start, end in sorted(spans):
        if start >= done:
            done = end
            yield start, end


def _in_jars(text: str) -> Iterator[Span]:
    for found in compiled(JAR).finditer(text) if "<Cookie" in text else ():
        yield found.end(), text.index(" for ", found.end())


def _in_elements(text: str, names: Names) -> Iterator[Span]:
    if "</" not in text or not names.may_be_in(text.replace(">", ":")):
        return
    for at, says in names.signs(text.replace(">", ":")):
        close = text.rfind("</", max(0, at - _TAG), at)
        if close < 0 or text[at] != ">":
            continue
        name = text[close + 2 : at]
        if not compiled(TAG_NAME).match(name):
            continue
        start, end = _content(text, close)
        before = text[max(0, start - _ELEMENT) : start]
        is_whole = not is_placeholder(text, start) and _opens(before, name)
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
    for found in compiled(INPUT).finditer(text) if "<input" in text else ():
        is_hidden = compiled(TYPE).search(found[0])
        given = compiled(GIVEN).search(found[0]) if is_hidden else None
        if given is not None:
            start = found.start() + given.end()
            end = end_of_quoted(text, start, given[1])
            if start < end and not is_placeholder(text, start):
                yield start, min(end, found.end())


def _in_attributes(text: str, names: Names) -> Iterator[Span]:
    for found in compiled(NAMED).finditer(text):
        says, start = names.end_says(found[2]), found.end()
        if says and not is_placeholder(text, start):
            if found[3]:
                end = end_of_quoted(text, start, found[3])
            else:
                end = text.find("<", start, start + _ELEMENT)
            if is_given(text, start, end, says):
                yield start, end


def set_apart(text: str) -> Iterator[Span]:
    """
    Yield what manifests declare to be secret, whatever it is called.

    All data of an object of Kubernetes whose kind is ``Secret``, and what Terraform
    calls sensitive: ``"conn": {"value": "x", "sensitive": true}``.
    """
    if "Secret" in text and compiled(KIND).search(text):
        done = 0
        for found in compiled(DATA).finditer(text):
            start = found.end()
            if start < done:
                continue
            end = _end_of_entries(text, start) if found[1] == "{" else None
            end = _end_of_block(text, found.start()) if end is None else end
            if start < end:
                done = end
                yield start, end
    elif "sensitive" in text:
        yield from _outputs(text)


def _end_of_entries(text: str, start: int) -> int:
    """Return where the last text of a JSON object ends that holds only texts."""
    entry = compiled(ENTRY).match(text, start)
    value = compiled(GIVES).match(text, entry.end()) if entry else None
    while value is not None:
        start = end_of_quoted(text, value.end(), value[1]) + len(value[1])
        entry = compiled(ENTRY).match(text, start)
        value = compiled(GIVES).match(text, entry.end()) if entry else None
    return start


def _end_of_block(text: str, at: int) -> int:
    """Return where the lines end that are indented further than the one above them."""
    indent = at - text.rfind("\n", 0, at) - 1
    end = text.find("\n", at)
    while text.startswith(" " * (indent + 1), end + 1):
        end = text.find("\n", end + 1)
        if end < 0:
            return len(text)
    return end


def _outputs(text: str) -> Iterator[Span]:
    done = 0
    for found in compiled(SENSITIVE).finditer(text):
        brace = text.rfind("{", max(0, found.start() - _ELEMENT), found.start())
        if brace < 0:
            continue
        first = max(done, brace)
        last = text.find("}", found.end(), found.end() + _ELEMENT)
        inside = text[first : last if last >= 0 else len(text)][: 2 * _ELEMENT]
        output = compiled(OUTPUT).search(inside)
        if output is not None and not is_placeholder(text, first + output.end()):
            start = first + output.end()
            end = end_of_quoted(text, start, output[1])
            if start < end:
                done = end
                yield start, end


def stated(text: str) -> Iterator[Span]:
    """Yield the passwords in SQL: ``IDENTIFIED BY 'x'``, ``ROLE ann PASSWORD 'x'``."""
    done = 0
    for found in compiled(SQL_QUOTE).finditer(text):
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
    """Return where a text in SQL ends: a quote inside it is written twice."""
    end = text.find(quote, start)
    while end >= 0 and text.startswith(quote, end + 1):
        end = text.find(quote, end + 2)
    end = end if end >= 0 else len(text)
    line = text.find("\n", start, end)
    return line if line >= 0 else end


def signs_in(value: Any) -> bool:
    """Tell whether a value is a name and a password, as clients of HTTP take them."""
    if type(value) is str:
        return holds_credentials(value)
    is_pair = (type(value) is tuple or type(value) is list) and len(value) == 2
    return is_pair and all(map(_is_said, value)) and bool(plain(value[1]))


def _is_said(value: object) -> bool:
    return issubclass(type(value), (str, bytes))
