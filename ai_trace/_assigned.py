"""
Finds the values that a text gives to names of secrets.

``api_key=x``, ``password: x``, ``"token": "x"``, ``('cookie', 'x')``, ``--secret x``:
in queries, forms, settings, headers, code, and JSON that is carried inside a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Callable, Optional

from ai_trace._named import NamedTuple
from ai_trace._patterns import compiled
from ai_trace._secret_names import OPEN, TOKEN, Names, looks_drawn
from ai_trace._stand_ins import (
    is_code,
    is_elsewhere,
    is_name,
    is_place,
    is_placeholder,
    is_prompt,
)


Span = tuple[int, int]
Follows = Callable[[str, int], Optional["re.Match[str]"]]

_JUDGED = 256
"""A value is judged by its first characters, so that a text is read only once."""

SIGN = r"([=:]{1,3}>?)([ \t]{0,64})"
NEXT_LINE = r"\r?\n[ \t]{0,64}(?=[\"'])"
# In a list, or marked as text the way DynamoDB does it: {"S": "x"}
IN_LIST = (
    r"(?:[\[(][\s\\nrt]{0,64}|\{ ?\\{0,3}[\"']S\\{0,3}[\"'] ?: ?)"
    r"(?<!\\)(?=b?\\{0,3}[\"'])"
)
QUOTE = r"(?:[bBrRuUfFN]{1,2}(?=[\"'\\]))?(\"{3}|'{3}|\\{0,3}[\"'])"
NEXT = r"(\\{0,3}[\"'])[\s\\nrt]{0,64},[\s\\nrt]{0,64}b?\1"
# In Terraform's plans: "old" -> "new"
CHANGED = r"(\\{0,3}[\"']) -> \1"
# The item of a list in YAML, on a line of its own.
ITEM = r"(?::[ \t]{0,8}|(?!:)[^\r\n]{0,128})\r?\n[ \t]{0,64}- ([\"']?)(?=[^\s\"'])"
# The entry of an object: "cookies": {"sid": "x", ...
ENTRY = r"(?:[=:] ?\{|\\{0,3}[\"'],)[\s\\nrt]{0,35}[\"'][\w.-]{1,64}"
GIVES = r"\\{0,3}[\"'] ?: ?(\\{0,3}[\"'])"
ANNOTATION = (
    r": ?&?[A-Za-z_][\w.\[\]]{0,40}(?: \| None)?[ \t]{0,8}"
    r"(?== ?[bBrRuUfF]{0,2}[\"'])"
)
PAIR = r"\( ?b?(\\{0,3}[\"'])([\w-]{1,64})\1, ?b?\1"
BLOCK = r":[ \t]{0,8}[|>][+-]?[ \t]{0,8}\r?\n([ \t]{1,64})"
SCHEME = r"(?:Bearer|Basic|Token|Digest|ApiKey|Negotiate|bearer|basic|token) {1,4}"
PLAIN = r"[^\s\"'`,;&)}\]<\\\[]*"
COOKIES = r"[^\s\"'\\=;]{1,64}=[^\r\n\"'\\]+"
# Outside of quotes, cookies may have some themselves.
COOKIES_OF_LINE = r"[^\s\"'\\=;]{1,64}(?:=|;[^\r\n=]{1,128}=)[^\r\n\\]+"
PLAIN_END = r"\\[nrt\"']|\[redacted:|[^\\\[]|\Z"
END_OF_LINE = r"[,;.)}\]]{0,3}[ \t]{0,8}(?:[\r\n\"'`]|\\[nr\"]|\Z)"
FLAG = (
    r"--(?=[a-z])[A-Za-z0-9_.-]{0,48}?(?:[pP]ass(?:word|wd|phrase)|[pP]wd|[sS]ecret"
    r"|[tT]oken|(?<!--)[kK]ey|[bB]earer|(?<=--)(?:require)?pass)(?=[ \"'\\\r\n])"
)
# On the same line, on the next line of a shell or of YAML, or as the next of a list.
FLAGGED = (
    r"(?: {1,4}(?:\\\r?\n[ \t]{1,64})?|[\"']?\r?\n[ \t]{0,64}- "
    r"|\\{0,3}[\"'],[\s\\nrt]{0,64}(?=(?<!\\)\\{0,3}[\"']))(\\{0,3}[\"'])?(?!\s)"
)


# What is said of a secret in prose: "password: required".
_SAID = frozenset(
    "required optional missing invalid incorrect wrong empty hidden unknown unset set "
    "read write inherit "
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
            for span in _spans_after(text, at, says, names):
                done = span[1]
                yield span


def paired(text: str, names: Names) -> Iterator[Span]:
    """Yield where the values of pairs, such as headers, begin and end."""
    done = 0
    for pair in compiled(PAIR).finditer(text.replace("[", "(")):
        start = pair.end()
        says = names.say(pair[2]) if start >= done else OPEN
        if says and not is_placeholder(text, start):
            end = end_of_quoted(text, start, pair[1])
            is_pair = text.startswith((")", "]"), end + len(pair[1]))
            if is_pair and is_given(text, start, end, says):
                done = end
                yield start, end


def flagged(text: str) -> Iterator[Span]:
    """Yield where the values of secret options of a command line begin and end."""
    done = 0
    for flag in compiled(FLAG).finditer(text):
        given = compiled(FLAGGED).match(text, flag.end())
        if given is None or given.end() < done:
            continue
        start, quote = given.end(), given[1]
        is_alone = not quote or "," in given[0] or "\n" in given[0]
        # Behind a comma or without a quote, this is another option.
        is_option = is_alone and text.startswith("-", start)
        if is_option or is_elsewhere(text, start, start):
            continue
        end = end_of_value(text, start, quote)
        # In a call, the name of the option's variable may stand there.
        if not is_alone or _drawn_or_number(text[start:end][:_JUDGED]):
            done = end
            yield start, end


def _spans_after(text: str, at: int, says: int, names: Names) -> Iterator[Span]:
    """Yield what follows a sign: a text, or each text of a list."""
    said = text[max(0, at - 8) : at].rstrip(" \"'\\]").lower()
    # What is in credentials has names of its own: user, region.
    is_many = said.endswith("s") and not said.endswith("ials")
    for follows in (_item, _entry) if is_many else ():
        if follows(text, at):
            yield from _each(text, at, follows, names)
            return
    span = _block_after(text, at) or _value_after(text, at, says, names)
    while span is not None:
        yield span
        span = _next_in_list(text, at, span[1], says)


def _item(text: str, at: int) -> re.Match[str] | None:
    return compiled(ITEM).match(text, at)


def _entry(text: str, at: int) -> re.Match[str] | None:
    key = compiled(ENTRY).match(text, at)
    return compiled(GIVES).match(text, key.end()) if key else None


def _each(text: str, at: int, follows: Follows, names: Names) -> Iterator[Span]:
    """Yield what looks like a secret in a list, which may list names of secrets."""
    further = follows(text, at)
    while further is not None:
        start = further.end()
        at = end_of_value(text, start, further[1])
        is_alone = further[1] or compiled(END_OF_LINE).match(text, at)
        if is_alone and looks_secret(text[start:at], names):
            yield start, at
        further = follows(text, at)


def looks_secret(value: str, names: Names) -> bool:
    """Tell whether a text looks like a secret, as its place alone says that it is."""
    is_word = not any(mark in value for mark in (" ", ":", "](", "\t"))
    is_drawn = is_word and _drawn_or_number(value[:_JUDGED])
    return is_drawn and not is_placeholder(value) and not names.end_says(value)


def _next_in_list(text: str, at: int, end: int, says: int) -> Span | None:
    """Return the next secret of a list or change, behind the one that ends here."""
    opening = _opening(text, at)
    follows = compiled(NEXT if opening and opening.is_list else CHANGED)
    further = follows.match(text, end)
    while further is not None:
        start = further.end()
        end = end_of_quoted(text, start, further[1])
        if is_given(text, start, end, says):
            return start, end
        further = follows.match(text, end)
    return None


def _block_after(text: str, at: int) -> Span | None:
    """Return the lines that YAML takes as one text: all that are indented as far."""
    block = compiled(BLOCK).match(text, at)
    if block is None:
        return None
    end = text.find("\n", block.end())
    while end >= 0 and text.startswith(block[1], end + 1):
        end = text.find("\n", end + 1)
    return block.end(), end if end >= 0 else len(text)


def _opening(text: str, at: int) -> _Opening | None:
    """Return what opens a value behind its sign, past the type that may come before."""
    annotation = compiled(ANNOTATION).match(text, at)
    sign = compiled(SIGN).match(text, annotation.end() if annotation else at)
    if sign is None:
        return None
    line = compiled(NEXT_LINE).match(text, sign.end())
    start = line.end() if line else sign.end()
    list_ = compiled(IN_LIST).match(text, start)
    start = list_.end() if list_ else start
    quote = compiled(QUOTE).match(text, start)
    end = quote.end() if quote else start
    return _Opening(sign[1], sign[2], bool(list_), quote[1] if quote else "", end)


def _value_after(text: str, at: int, says: int, names: Names) -> Span | None:
    opening = _opening(text, at)
    if opening is None:
        return None
    said = text[max(0, at - 16) : at].rstrip(" \"'\\]").lower()
    # In Markdown a value stands in backticks, in JavaScript some texts do.
    start = opening.end + text.startswith("`", opening.end)
    is_header = said.endswith("authorization")
    scheme = compiled(SCHEME).match(text, start) if is_header else None
    if scheme:
        start = scheme.end()
    if is_elsewhere(text, at, start) or is_prompt(text, at, opening.quote):
        return None
    if opening.quote:
        return _quoted_value(text, start, opening.quote, said, says)
    is_colon = ":" in opening.sign
    if is_code(text, start, at, names) or is_place(text, start, at, said):
        return None
    if is_colon and said.endswith(("cookie", "cookies")):
        line = text[max(0, at - _JUDGED) : at].rpartition("\n")[2]
        is_quoted = any(quote in line for quote in "\"'`\\")
        pattern = COOKIES if is_quoted else COOKIES_OF_LINE
        cookies = compiled(pattern).match(text, start)
        return (start, cookies.end()) if cookies else None
    if scheme and scheme[0][0].isupper():
        return plain_span(text, start, len(text))
    value = _judged(text, start)
    if says == TOKEN and not scheme:
        given = looks_drawn(value)
    elif opening.gap or is_colon:
        given = _drawn_or_number(value) or _stands_alone(text, start, value)
    else:
        given = bool(value)
    return plain_span(text, start, len(text)) if given else None


def _quoted_value(
    text: str, start: int, quote: str, said: str, says: int
) -> Span | None:
    end = end_of_quoted(text, start, quote)
    # In HTML, the key to press for a link.
    is_access_key = end - start <= 1 and said.endswith("accesskey")
    if is_access_key or is_name(text[start:end][:_JUDGED], said):
        return None
    return (start, end) if is_given(text, start, end, says) else None


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


def end_of_value(text: str, start: int, quote: str | None) -> int:
    """Return where a value ends, in quotes or not."""
    if quote:
        return end_of_quoted(text, start, quote)
    return plain_span(text, start, len(text))[1]


def plain_span(text: str, start: int, stop: int) -> Span:
    """Return where a value without quotes ends; its sentence may end there, too."""
    end = start
    while True:
        found = compiled(PLAIN).match(text, end, stop)
        end = found.end() if found else stop
        if end >= stop or compiled(PLAIN_END).match(text, end):
            break
        end += 1
    while end > start and text[end - 1] == ".":
        end -= 1
    return start, end


def _judged(text: str, start: int) -> str:
    return text[start : plain_span(text, start, start + _JUDGED)[1]]


def _drawn_or_number(value: str) -> bool:
    return len(value) >= 20 or (len(value) >= 4 and any(map(str.isdigit, value)))


def _stands_alone(text: str, start: int, value: str) -> bool:
    """Tell whether a value is all that its line says of the secret."""
    if not value or value.lower() in _SAID:
        return False
    return compiled(END_OF_LINE).match(text, start + len(value)) is not None
