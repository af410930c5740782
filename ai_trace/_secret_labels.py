"""
Finds the values of objects that say what they are called.

In JSON ``{"name": "Cookie", "value": "sid=1"}``, in YAML and Terraform on two lines; in
outputs of Terraform ``"db_password": {"type": "string", "value": "x"}``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_trace._assigned import Span, end_of_value, is_given
from ai_trace._patterns import compiled
from ai_trace._secret_names import OPEN, Names
from ai_trace._stand_ins import is_placeholder


_BEFORE = 256
"""How far before its value an object may name it, in characters."""

_COOKIE = 4096
"""How far behind its value the object of a cookie may end, in characters."""

# With "=" in Terraform's configuration, where texts are in double quotes.
VALUE = r"lue(\\{0,3}[\"']|)(?: ?: ?| {1,8}= (?=\"))"
LABEL = r"(?:[nN]ame|[kK]ey)(\\{0,3}[\"']|) {0,8}[:=] ?(?:\1|[\"'])([\w. /-]{1,64})\Z"
# What the AWS command line puts between name and value.
SECURE = r",\s{0,16}\\{0,3}\"Type\\{0,3}\": ?\\{0,3}\"SecureString\\{0,3}\"\Z"
OWNER = r"([\w.-]{1,64})\\{0,3}[\"'] ?: ?\Z"
OWNED = r"[\w\s\\\"',:]{0,128}\Z"


def signed(text: str) -> str:
    """Return a text with a sign behind each word that may name a later value."""
    if "lue" not in text or compiled(VALUE).search(text) is None:
        return text
    # An indented "value" is on a line of its own: the sign stands for the newline.
    text = text.replace("  v", "  _").replace("httpOnly", "cookie:")
    for mark, before in ((",", ":"), ("\n", ":"), (" v", ":v"), (" V", ":V")):
        text = text.replace(mark, before)
    return text


def named(text: str, names: Names) -> Iterator[Span]:
    """Yield where the values of objects that name them begin and end."""
    done = 0
    for found in compiled(VALUE).finditer(text):
        start, quote = found.end(), found[1]
        before = text[max(0, found.start() - _BEFORE) : found.start()]
        name = "cookie" if _is_cookie(text, start) else _name_before(before, quote)
        says = names.end_says(name) if start >= done else OPEN
        if not quote and text.startswith(("'", '"'), start):
            # YAML needs no quotes for keys, and often has them for values.
            quote = text[start]
        if not says or not text.startswith(quote, start):
            continue
        start += len(quote)
        if is_placeholder(text, start):
            continue
        end = end_of_value(text, start, quote)
        if is_given(text, start, end, says):
            done = end
            yield start, end


def _is_cookie(text: str, at: int) -> bool:
    """Tell whether an object is the cookie of a browser: it says if it is httpOnly."""
    first = text.rfind("{", max(0, at - _BEFORE), at)
    last = text.find("}", at, at + _COOKIE)
    return first >= 0 and text.find("httpOnly", first, max(first, last)) >= 0


def _name_before(text: str, quote: str) -> str:
    """Return the name that a text ends with, just before the "va" of "value"."""
    # Lines of a plan of Terraform begin with "+" or "~".
    parts = text[: -2 - len(quote)].rstrip(" \t\r\n+~").removesuffix(",")
    parts = compiled(SECURE).sub("", parts)
    if text[-2:] not in ("va", "Va") or not text[:-2].endswith(quote):
        return ""
    outer, brace, inner = text[: -2 - len(quote)].rpartition("{")
    is_owned = quote and brace and compiled(OWNED).match(inner)
    owner = compiled(OWNER).search(outer) if is_owned else None
    if owner is not None:
        return owner[1]
    parts = parts.removesuffix(quote) if quote else parts.rstrip("\"'")
    label = compiled(LABEL).search(parts)
    return label[2] if label is not None and label[1] == quote else ""
