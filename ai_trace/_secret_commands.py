r"""
Secrets that stand behind the short options of well-known programs.

What an option means depends on the program: ``-p`` of mysql is a password, of ssh a
port. So each is known together with the program, on the same line of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ai_trace._patterns import compiled


# Between the words of a command line, and of a list of them.
_GAP = r"(?: {1,4}|[\"'], {0,2}[\"'])"
_NEXT = r"(?: |[\"'], ?[\"'])"
_LINE = r"[^|;\r\n]{0,120}?[ \"']"
_GIVEN = r"(?![-$<,.)\[])(?:(?<=[\"'])[^\"'\r\n]+|[^\s\"'|;]+)"

# Only sudo's own options: those after a command belong to another program.
_STDIN = r"sudo (?:-[A-Za-z] ){0,3}-[A-Za-z]{0,3}S\b"
_PIPED = (
    r"((?:echo|printf) (?:-[en] )?[\"']?)(?![-$<])[^\r\n\"'|;$`]{1,32}(?<! )"
    rf"(?=[\"']? ?\| ?{_STDIN})"
)

# A word that has to be in the text, and what stands before the password and its quote.
_BEFORE = (
    ("mysql", rf"mysql[a-z]{{0,8}}\b{_LINE}-p(?![\"']?[0-9]{{2,5}}:)"),
    ("mariadb", rf"mariadb[a-z-]{{0,8}}\b{_LINE}-p(?![\"']?[0-9]{{2,5}}:)"),
    ("sshpass", rf"sshpass\b{_LINE}-p{_GAP}?"),
    ("login", rf"(?:docker|podman|registry){_NEXT}login\b{_LINE}-p{_GAP}"),
    ("login", rf"(?:az|acr|oc){_NEXT}login\b{_LINE}-p{_GAP}"),
    ("mongo", rf"mongo[a-z]{{0,8}}\b{_LINE}-p{_GAP}"),
    ("redis-cli", rf"redis-cli\b{_LINE}-a{_GAP}"),
    ("ldap", rf"ldap[a-z]{{3,8}}\b{_LINE}-w{_GAP}"),
    ("sqlcmd", rf"sqlcmd\b{_LINE}-P{_GAP}?"),
    ("openssl", rf"openssl\b{_LINE}-pass(?:in|out)?{_GAP}[\"']?pass:"),
    # Name and password are the last words, the file is left out with -n.
    (
        "htpasswd",
        r"htpasswd -[a-zA-Z]?b[a-zA-Z]{0,2} (?:[^\s'\"]{1,32} )?[^\s'\"]{1,24} ",
    ),
    ("twine", rf"twine{_NEXT}upload\b{_LINE}-p{_GAP}"),
    ("zip", rf"zip\b{_LINE}-P{_GAP}"),
    ("storepass", rf"[ \"']-(?:store|key)pass{_GAP}"),
    ("gh secret", rf"gh secret set\b{_LINE}(?:--body|-b){_GAP}"),
    ("sudo", rf"{_STDIN}[^|;\r\n<]{{0,120}}<<< ?"),
    # httpie
    ("http", r"https? (?:-a|--auth)[ =][\"']?[A-Za-z][\w.@-]{0,32}:"),
)
# Kind, a word that is in the text, and the pattern; its first group is kept.
OPTIONS = (
    *(("password", word, rf"({before}[\"']?){_GIVEN}") for word, before in _BEFORE),
    ("password", "sudo", _PIPED),
    (
        "cookie",
        "curl",
        rf"([ \"'](?:-b|--cookie)(?:{_GAP}|=)?[\"']?[^\s\"'=;@]{{1,64}}=)[^\"'\r\n]+",
    ),
    (
        "basic-credentials",
        "curl",
        (
            rf"([ \"'](?:-[a-zA-Z]{{0,4}}[uU]|--(?:proxy-)?user)(?:{_GAP}|=)?([\"'])?"
            r"(?=[A-Za-z:])[A-Za-z0-9._@-]{0,64}:)(?![\[/$])"
            r"(?(2)[^\"'\r\n]+|[^\s\"']+)"
        ),
    ),
)


def commands(text: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield kind and pattern of what finds a secret in a text with command lines."""
    for kind, word, pattern in OPTIONS:
        if word in text and compiled(pattern).search(text):
            yield kind, compiled(pattern)


_END_LENGTH, _START_LENGTH = 24, 72

ODD = "[^A-Za-z0-9_@:=+/-]"


def gives_secret(items: Sequence[Any]) -> bool:
    """Tell quickly whether a list is a command line that gives a secret."""
    # Not joined as they are: a list may hold one long text ten thousand times.
    if not any(type(item) is str and item[:1] == "-" for item in items):
        return False
    return bool(secret_words(items))


def secret_words(items: Sequence[object]) -> set[int]:
    """
    Return which words of a command line are secrets that a short option gives.

    Args:
        items: The words, such as ``["mysql", "-psecret"]``.
    """
    from bisect import bisect_right

    words = [_shown(item) for item in items]
    starts: list[int] = []
    at = 1
    for word in words:
        starts.append(at)
        at += len(word) + len("', '")
    text = "'" + "', '".join(words) + "'"
    return {
        bisect_right(starts, found.end(1)) - 1
        for _, pattern in commands(text)
        for found in pattern.finditer(text)
    }


def _shown(item: object) -> str:
    """Return a word as the patterns read it: cut, and odd characters replaced."""
    if type(item) is bytes:
        item = item[:_START_LENGTH].decode("latin-1")
    if type(item) is not str:
        return "x"
    if ":" in item or "=" in item or item[:1] == "-":
        return compiled(ODD).sub("x", item[:_START_LENGTH])
    # The name of a program stands at the end of its path.
    return compiled(ODD).sub("x", item[-_END_LENGTH:])
