"""
Finds the values that a text gives to names of secrets.

``api_key=x``, ``password: x``, ``"token": "x"``, ``('cookie', 'x')``, ``--secret x``:
in queries, forms, settings, headers, code, and JSON that is carried inside a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ai_trace._named import NamedTuple
from ai_trace._secret_names import OPEN, TOKEN, Names, looks_drawn
from ai_trace._stand_ins import (
    is_code,
    is_name,
    is_place,
    is_placeholder,
    is_prompt,
)


Span = tuple[int, int]

_JUDGED = 256
"""A value is judged by its first characters, so that a text is read only once."""

_BEFORE = 256
"""So far before its value an object may name it."""

SIGN = r"([=:]{1,3}>?)([ \t]{0,64})"
NEXT_LINE = r"\r?\n[ \t]{0,64}(?=[\"'])"
IN_LIST = r"[\[(][\s\\nrt]{0,64}(?<!\\)(?=b?\\{0,3}[\"'])"
QUOTE = r"(?:[bBrRuUfF]{1,2}(?=[\"'\\]))?(\"{3}|'{3}|\\{0,3}[\"'])"
NEXT = r"(\\{0,3}[\"'])[\s\\nrt]{0,64},[\s\\nrt]{0,64}b?\1"
ANNOTATION = (
    r": ?&?[A-Za-z_][\w.\[\]]{0,40}(?: \| None)?[ \t]{0,8}"
    r"(?== ?[bBrRuUfF]{0,2}[\"'])"
)
PAIR = r"\( ?b?(\\{0,3}[\"'])([\w-]{1,64})\1, ?b?\1"
VALUE = r"lue(\\{0,3}[\"']|) ?: ?"
BLOCK = r":[ \t]{0,8}[|>][+-]?[ \t]{0,8}\r?\n([ \t]{1,64})"
LABEL = r"(?:name|key|Name|Key)(\\{0,3}[\"']|) ?: ?(?:\1|[\"'])([\w. -]{1,64})\Z"
OWNER = r"([\w.-]{1,64})\\{0,3}[\"'] ?: ?\Z"
OWNED = r"[\w\s\\\"',:]{0,128}\Z"
SCHEME = r"(?:Bearer|Basic|Token|Digest|ApiKey|Negotiate|bearer|basic|token) {1,4}"
PLAIN = r"[^\s\"'`,;&)}\]<\\\[]*"
COOKIES = r"[^\s\"'\\=;]{1,64}=[^\r\n\"'\\]+"
PLAIN_END = r"\\[nrt\"']|\[redacted:|[^\\\[]|\Z"
END_OF_LINE = r"[,;.)}\]]{0,3}[ \t]{0,8}(?:[\r\n\"'`]|\\[nr\"]|\Z)"
FLAG = (
    r"--(?=[a-z])[A-Za-z0-9-]{0,48}?(?:password|passwd|pwd|secret|token|key)"
    r"(?: {1,4}(?=[^\s-])|[\"'], ?(?=[\"'][^-]))"
)

_sign = re.compile(SIGN).match
_next_line = re.compile(NEXT_LINE).match
_in_list = re.compile(IN_LIST).match
_quote = re.compile(QUOTE).match
_pairs = re.compile(PAIR).finditer
_next = re.compile(NEXT).match
_annotation = re.compile(ANNOTATION).match
_block = re.compile(BLOCK).match
_value = re.compile(VALUE)
_label = re.compile(LABEL).search
_owner = re.compile(OWNER).search
_owned = re.compile(OWNED).match
_scheme = re.compile(SCHEME).match
_plain = re.compile(PLAIN).match
_cookies = re.compile(COOKIES).match
_plain_end = re.compile(PLAIN_END).match
_end_of_line = re.compile(END_OF_LINE).match
_flags = re.compile(FLAG).finditer

# What is said of a secret in prose: "password: required".
_SAID = frozenset(
    "required optional missing invalid incorrect wrong empty hidden unknown unset set "
    "changed reset expired rejected accepted denied valid ok yes no none on off "
    "enabled disabled text password secret token error failed".split()
)


class _Opening(NamedTuple):
    """
    What stands between a name and its value, and where the value begins.
    """

    sign: str
    gap: str
    is_list: bool
    quote: str
    end: int


def assigned(text: str, names: Names) -> Iterator[Span]:
    """
    Yield where the values of secrets begin and end, from left to right.

    Args:
        text: Any text.
        names: What to look for.
    """
    done = 0
    for at, says in names.signs(text):
        if at >= done:
            span = _block_after(text, at) or _value_after(text, at, says, names)
            while span is not None:
                done = span[1]
                yield span
                span = _next_in_list(text, at, done, says)


def paired(text: str, names: Names) -> Iterator[Span]:
    """Yield where the values of pairs, such as headers, begin and end."""
    done = 0
    for pair in _pairs(text.replace("[", "(")):
        start = pair.end()
        says = names.end_says(pair[2]) if start >= done else OPEN
        if says and not is_placeholder(text, start):
            end = end_of_quoted(text, start, pair[1])
            is_pair = text.startswith((")", "]"), end + len(pair[1]))
            if is_pair and is_given(text, start, end, says):
                done = end
                yield start, end


def signed(text: str) -> str:
    """Return a text with a sign behind each word that may name a value further on."""
    if "lue" not in text or _value.search(text) is None:
        return text
    for mark, before in ((",", ":"), ("\n", ":"), (" v", ":v"), (" V", ":V")):
        text = text.replace(mark, before)
    return text


def named(text: str, names: Names) -> Iterator[Span]:
    """
    Yield where the values of objects that name them begin and end.

    In JSON ``{"name": "Cookie", "value": "sid=1"}``, in YAML on two lines; in outputs
    of Terraform ``"db_password": {"type": "string", "value": "x"}``.
    """
    done = 0
    for found in _value.finditer(text):
        start, quote = found.end(), found[1]
        before = text[max(0, found.start() - _BEFORE) : found.start()]
        says = names.end_says(_name_before(before, quote)) if start >= done else OPEN
        if not quote and text.startswith(("'", '"'), start):
            # YAML needs no quotes for keys, and often has them for values.
            quote = text[start]
        if not says or not text.startswith(quote, start):
            continue
        start += len(quote)
        if is_placeholder(text, start):
            continue
        end = (
            end_of_quoted(text, start, quote)
            if quote
            else _plain_span(text, start, len(text))[1]
        )
        if is_given(text, start, end, says):
            done = end
            yield start, end


def _name_before(text: str, quote: str) -> str:
    """Return what is named at the end of a text, just before "va" of "value"."""
    parts = text[: -2 - len(quote)].rstrip().removesuffix(",")
    if text[-2:] not in ("va", "Va") or not text[:-2].endswith(quote):
        return ""
    outer, brace, inner = text[: -2 - len(quote)].rpartition("{")
    owner = _owner(outer) if quote and brace and _owned(inner) else None
    if owner is not None:
        return owner[1]
    label = _label(parts.removesuffix(quote) if quote else parts.rstrip("\"'"))
    return label[2] if label is not None and label[1] == quote else ""


def flagged(text: str) -> Iterator[Span]:
    """Yield where the values of secret options of a command line begin and end."""
    done = 0
    for flag in _flags(text):
        start = flag.end()
        if start < done or is_placeholder(text, start):
            continue
        if text[start] in "\"'":
            span = start + 1, end_of_quoted(text, start + 1, text[start])
            in_list = "," in flag[0]
            # In a call, the name of the option's variable may stand there.
            if in_list and not _drawn_or_number(text[start + 1 : span[1]][:_JUDGED]):
                continue
        elif _drawn_or_number(_judged(text, start)):
            span = _plain_span(text, start, len(text))
        else:
            continue
        done = span[1]
        yield span


def _next_in_list(text: str, at: int, end: int, says: int) -> Span | None:
    """Return the next secret of a list of them, behind one that ends in it."""
    opening = _opening(text, at)
    further = _next(text, end) if opening and opening.is_list else None
    while further is not None:
        start = further.end()
        end = end_of_quoted(text, start, further[1])
        if is_given(text, start, end, says):
            return start, end
        further = _next(text, end)
    return None


def _block_after(text: str, at: int) -> Span | None:
    """Return the lines that YAML takes as one text: all that go in as far."""
    block = _block(text, at)
    if block is None:
        return None
    end = text.find("\n", block.end())
    while end >= 0 and text.startswith(block[1], end + 1):
        end = text.find("\n", end + 1)
    return block.end(), end if end >= 0 else len(text)


def _opening(text: str, at: int) -> _Opening | None:
    """Return what opens a value behind its sign, or behind the type that is between."""
    annotation = _annotation(text, at)
    sign = _sign(text, annotation.end() if annotation else at)
    if sign is None:
        return None
    line = _next_line(text, sign.end())
    start = line.end() if line else sign.end()
    list_ = _in_list(text, start)
    start = list_.end() if list_ else start
    quote = _quote(text, start)
    return _Opening(
        sign[1],
        sign[2],
        bool(list_),
        quote[1] if quote else "",
        quote.end() if quote else start,
    )


def _value_after(text: str, at: int, says: int, names: Names) -> Span | None:
    opening = _opening(text, at)
    if opening is None:
        return None
    said = text[max(0, at - 16) : at].rstrip(" \"'\\]").lower()
    # In Markdown a value stands in backticks, in JavaScript some texts do.
    start = opening.end + text.startswith("`", opening.end)
    scheme = _scheme(text, start) if said.endswith("authorization") else None
    if scheme:
        start = scheme.end()
    if is_placeholder(text, start) or is_prompt(text, at, opening.quote):
        return None
    if opening.quote:
        end = end_of_quoted(text, start, opening.quote)
        # In HTML, the key to press for a link.
        is_secret = end - start > 1 or not said.endswith("accesskey")
        is_secret = is_secret and not is_name(text[start:end][:_JUDGED], said)
        given = is_secret and is_given(text, start, end, says)
        return (start, end) if given else None
    is_colon = ":" in opening.sign
    if is_code(text, start, at, names) or is_place(text, start, at, said):
        return None
    if is_colon and said.endswith(("cookie", "cookies")):
        cookies = _cookies(text, start)
        return (start, cookies.end()) if cookies else None
    if scheme and scheme[0][0].isupper():
        return _plain_span(text, start, len(text))
    value = _judged(text, start)
    if says == TOKEN and not scheme:
        given = looks_drawn(value)
    elif opening.gap or is_colon:
        given = _drawn_or_number(value) or _stands_alone(text, start, value)
    else:
        given = bool(value)
    return _plain_span(text, start, len(text)) if given else None


def is_given(text: str, start: int, end: int, says: int) -> bool:
    """Tell whether what stands between quotes is a secret."""
    if says == TOKEN:
        return looks_drawn(text[start : min(end, start + _JUDGED)])
    return start < end


def end_of_quoted(text: str, start: int, quote: str) -> int:
    """
    Return where a quoted text ends; at the end of the line if it is not closed.

    The quotes of JSON that is carried in JSON are escaped: in a text that is opened
    by a quote with n backslashes, the one that closes it has n of each 2n + 2. Three
    quotes are closed by three.
    """
    if quote[0] == quote[-1] and len(quote) > 1:
        end = text.find(quote, start)
        return end if end >= 0 else len(text)
    escapes = len(quote) - 1
    end = text.find(quote[-1], start)
    while end >= 0:
        backslash = end
        while backslash > start and text[backslash - 1] == "\\":
            backslash -= 1
        if (end - backslash) % (2 * escapes + 2) == escapes:
            break
        end = text.find(quote[-1], end + 1)
    end = end - escapes if end >= 0 else len(text)
    newline = text.find("\n", start, end)
    return end if newline < 0 else newline


def _plain_span(text: str, start: int, stop: int) -> Span:
    """Return where a value without quotes ends; its sentence may end there, too."""
    end = start
    while True:
        found = _plain(text, end, stop)
        end = found.end() if found else stop
        if end >= stop or _plain_end(text, end):
            break
        end += 1
    while end > start and text[end - 1] == ".":
        end -= 1
    return start, end


def _judged(text: str, start: int) -> str:
    return text[start : _plain_span(text, start, start + _JUDGED)[1]]


def _drawn_or_number(value: str) -> bool:
    return len(value) >= 20 or (len(value) >= 4 and any(map(str.isdigit, value)))


def _stands_alone(text: str, start: int, value: str) -> bool:
    """Tell whether a value is all that its line says of the secret."""
    if not value or value.lower() in _SAID:
        return False
    return _end_of_line(text, start + len(value)) is not None
