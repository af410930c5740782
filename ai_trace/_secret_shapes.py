"""
Secrets that are known by their shape.

No pattern here takes more than linear time on any text: a repeat without bound stands
only at the end of one.
"""

from __future__ import annotations

import binascii
import re
from functools import cache

from ai_trace._patterns import compiled
from ai_trace._secret_commands import commands
from ai_trace._secret_tokens import DOT, MARK, TOKENS, token_pattern


BEARER = (
    r"(Bearer {1,4})(?=[A-Za-z._~+/=-]{0,64}[0-9]|[A-Za-z0-9._~+/=-]{20})"
    r"[A-Za-z0-9._~+/=-]{6,}"
)
BASIC = r"(Basic {1,4})(?=[a-z]{0,64}[A-Z0-9+/=])([A-Za-z0-9+/=]{8,})"
URL = r"(://[^\s/?#@:\"'<>\\\[]{0,128}:)(?!\[redacted:)[^\s/\"'<>\\]{1,256}(?=@)"
# Tokens that stand for a password, as of ECR and RDS: the name before is short.
URL_LONG = r"(://[^\s/?#@:\"'<>\\\[]{0,16}:)(?!\[redacted:)[^\s/\"'<>\\]{257,2560}(?=@)"
# With a slash in the password: it is no port, and the name before it is no host.
URL_SLASH = (
    r"(://[^\s/?#@:.\"'<>\\\[]{0,32}:)(?![0-9]{1,5}[/?#])"
    r"[^\s@\"'<>\\,\[]{1,128}(?=@[A-Za-z0-9])"
)

SLACK = r"(hooks\.slack\.com/[a-z]{1,16}/)[A-Za-z0-9/_-]{20,}"
DISCORD = r"(/webhooks/[0-9]{15,22}/)[A-Za-z0-9_-]{40,}"

# Azure DevOps takes a token for a name.
URL_USER = r"(://)[A-Za-z0-9]{40,256}(?=@[A-Za-z0-9])"
# scott/tiger@//db:1521/ORCL: the port is that of Oracle.
ORACLE = r"(/(?<=\w/))[^\s/@\"']{1,128}(?=@(?://)?[\w.-]{1,128}:1521\b)"

# Hashes of passwords by bcrypt, SHA-crypt and Argon2: whoever has one can guess.
CRYPT = (
    r"(\$(?:2[abxy]\$[0-9]{2}|[56]\$(?:rounds=[0-9]{1,9}\$)?[./A-Za-z0-9]{1,16}"
    r"|argon2i?d?\$(?:v=[0-9]{2}\$)?m=[0-9]{2,7},t=[0-9]{1,2},p=[0-9]{1,2}"
    r"\$[A-Za-z0-9+/]{8,48})\$)[./+A-Za-z0-9]{22,}"
)
# A line of a Netscape cookie file, as curl and wget write it, and one of .pgpass.
COOKIE_LINE = r"(E\t/[^\t\n]{0,23}\t[A-Z]{4,5}\t[0-9]{1,12}\t[^\t\n]{1,64}\t)[^\s\"']+"
PGPASS = (
    r"(:(?:54[0-9]{2}|6432|6543|(?<=\*:)\*):[A-Za-z_*][^\s:]{0,64}:[A-Za-z_][^\s:]{0,64}:)"
    r"(?![$<{%])[^\s\"']+"
)
# Where the machine has no dot in its name: behind "machine" and the like.
_LOGIN = (
    r"\s{1,4}login[ \t][^\s\"']{1,32}\s{1,4}password[ \t][\"']?)"
    r"(?![$<{\[])[^\s\"']{1,256}"
)
ACCOUNT = r"(login \S{1,32}\s{1,4}account \S{1,32}\s{1,4}password )[^\s\"'$<{\[=]\S*"

# Kind, a sign and a text that each of them holds, pattern; its first group is kept. To
# look for a sign of one character takes 1 µs in 100 kB of prose, for a text, "login"
# among them, 27 to 72 µs.
LINKS = (
    ("url-password", "@", "://", URL),
    ("url-password", "@", "://", URL_LONG),
    ("url-password", "@", "://", URL_SLASH),
    ("slack-webhook", "/", "hooks.slack.com/", SLACK),
    ("discord-webhook", "/", "/webhooks/", DISCORD),
    ("telegram-token", ":", ":AA", r"(:(?<=[0-9]{6}:))AA[A-Za-z0-9_-]{30,}"),
    ("url-signature", "=", "sig=", r"([?&]sig=)[A-Za-z0-9%+/=_-]{20,}"),
    ("password", "@", ":1521", ORACLE),
    ("url-password", "@", "://", URL_USER),
    # OpenWeather
    ("key", "=", "appid=", r"([?&]appid=)[0-9a-f]{32}\b"),
    ("password-hash", "$", "$", CRYPT),
    ("cookie", "\t", "E\t/", COOKIE_LINE),
    ("password", ":", ":54", PGPASS),
    ("password", ":", ":6", PGPASS),
    ("password", ":", "*:*:", PGPASS),
    ("netrc-password", "login", "machine", rf"(machine[ \t][^\s\"']{{1,32}}{_LOGIN}"),
    ("netrc-password", "login", "default", f"(default{_LOGIN}"),
    ("netrc-password", "login", "port ", f"(port [0-9]{{1,5}}{_LOGIN}"),
    ("netrc-password", "login", "account", ACCOUNT),
)

# By the sign: each is looked for once.
_LINKS_OF = tuple(
    (sign, tuple((hint, text) for _, said, hint, text in LINKS if said == sign))
    for sign in dict.fromkeys(sign for _, sign, _, _ in LINKS)
)

AZURE = r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"
OPENSHIFT = r"(sha256~)[A-Za-z0-9_-]{43,}"
TILDE = r"~(?:(?<=Q~)[A-Za-z0-9_~.-]{31}|(?<=sha256~)[A-Za-z0-9_-]{43})"
SIGNATURE = r"(X-(?:Amz|Goog)-Signature=)[A-Za-z0-9%]{20,}"
SIGNED = r"([?&]Signature=)[A-Za-z0-9%+/=_~-]{20,}"
# No sign stands between the name of a setting and its value: aws configure set, npm
# config set, and Oracle's SQL.
AWS_SETTING = r"(_secret_access_key {1,4})[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
NPM_SETTING = r"(:_authToken {1,4})[A-Za-z0-9-]{20,}"
IDENTIFIED = (
    r"((?:CREATE|ALTER) USER [^\s;]{1,64} IDENTIFIED BY )"
    r"(?!VALUES\b|PASSWORD\b)[A-Za-z0-9_][^\s;\"']{0,128}"
)
INFURA = r"(infura\.io/(?:ws/)?v3/)[0-9a-f]{32}\b"
ALCHEMY = r"(\.g\.alchemy\.com/v2/)[A-Za-z0-9_-]{32}\b"
MAILCHIMP = r"(?<![A-Za-z0-9])[a-f0-9]{32}-us[0-9]{1,2}(?![A-Za-z0-9])"
NETRC = (
    r"(login[ \t]{1,4}[^\s\"']{1,64}\s{1,8}password[ \t]{1,4})"
    r"(?![$<{\[])[^\s\"']{1,256}"
)
FORM = (
    r"(form-data; name=\\?\"[\w.\[-]{0,32}"
    r"(?:[pP]assword|[pP]wd|secret|Secret|[tT]oken|[kK]ey)\]?\\?\""
    r"(?:(\r?\n)\r?\n|\\r\\n\\r\\n))(?!\[redacted:|--)(?(2)[^\r\n]+|[^\r\n\\]+)"
)

PEM = r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
PEM_END = r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
PEM_CUT = r"[A-Za-z0-9+/=\s\\:,-]*"
"""What is taken for the body of a private key that has no end."""


_ENCODED = 4096
"""The most characters of a name and a password in Base64."""


def may_hold_shape(text: str) -> bool:
    """Tell quickly whether a text may hold a shape, or an option with a secret."""
    if (
        "-" in text
        or "_" in text
        or "J" in text
        or "I" in text
        or "G" in text
        or "B" in text
    ):
        folded = text.replace("_", "-").replace("J", "-").replace("I", "-")
        folded = folded.replace("G", "-").replace("B", "-")
        if compiled(MARK).search(folded) and _is_marked(text, folded):
            return True
    if "." in text and compiled(DOT).search(text):
        return True
    if "~" in text and compiled(TILDE).search(text):
        return True
    for sign, links in _LINKS_OF:
        if sign in text:
            for hint, pattern in links:
                if hint in text and compiled(pattern).search(text):
                    return True
    return False


def _is_marked(text: str, folded: str) -> bool:
    """Tell whether a mark belongs to a shape, or to an option before a secret."""
    perhaps = False
    for mark in compiled(MARK).finditer(folded):
        if mark.lastindex is None:
            return True
        # What was read as a "-" may have been a letter.
        perhaps = perhaps or text[mark.start()] == "-"
    return perhaps and any(commands(text))


def without_shapes(text: str, found: list[str]) -> str:
    """
    Take the secrets of known shape out of a text.

    Args:
        text: Any text.
        found: Takes the kind of each secret that was replaced.
    """
    if "-----BEGIN" in text:
        text = _without_private_keys(text, found)
    for kind, hint, pattern, keep in _patterns():
        if hint in text:
            text = taken_out(compiled(pattern), kind, text, found, keep)
    for kind, command in commands(text):
        text = taken_out(command, kind, text, found, 1)
    return compiled(BASIC).sub(lambda match: _without_basic(match, found), text)


def taken_out(
    pattern: re.Pattern[str], kind: str, text: str, found: list[str], keep: int = 0
) -> str:
    """Replace each match by its kind, but keep one group, if any."""

    def kind_of(match: re.Match[str]) -> str:
        found.append(kind)
        return f"{match[keep] if keep else ''}[redacted:{kind}]"

    return pattern.sub(kind_of, text)


@cache
def _patterns() -> list[tuple[str, str, str, int]]:
    """Return of each shape kind, a text that it holds, pattern, and group to keep."""
    return [
        *((kind, hint, pattern, 1) for kind, _, hint, pattern in LINKS),
        ("azure-secret", "Q~", AZURE, 0),
        ("openshift-token", "sha256~", OPENSHIFT, 1),
        ("url-signature", "-Signature=", SIGNATURE, 1),
        ("url-signature", "Signature=", SIGNED, 1),
        ("key", "_secret_access_key ", AWS_SETTING, 1),
        ("key", ":_authToken ", NPM_SETTING, 1),
        ("password", "IDENTIFIED BY ", IDENTIFIED, 1),
        ("key", "infura.io/", INFURA, 1),
        ("key", ".g.alchemy.com/v2/", ALCHEMY, 1),
        ("mailchimp-key", "-us", MAILCHIMP, 0),
        ("netrc-password", "login", NETRC, 1),
        ("key", "form-data", FORM, 1),
        ("bearer-token", "Bearer", BEARER, 1),
        *(
            (kind, re.split(r"[(\[\\]", prefix)[0], token_pattern(prefix, rest), 0)
            for kind, prefix, rest in TOKENS
        ),
    ]


def _without_basic(match: re.Match[str], found: list[str]) -> str:
    """Replace credentials of the scheme Basic, and leave words as they are."""
    try:
        credentials = binascii.a2b_base64(match[2] + "=" * (-len(match[2]) % 4))
    except binascii.Error:
        return match[0]
    if b":" not in credentials:
        return match[0]
    found.append("basic-credentials")
    return f"{match[1]}[redacted:basic-credentials]"


def holds_credentials(encoded: str) -> bool:
    """Tell whether a text is a name, a colon and a password in Base64, and no more."""
    if not 8 <= len(encoded) <= _ENCODED:
        return False
    try:
        raw = binascii.a2b_base64(encoded)
        said = raw.decode()
    except ValueError:
        return False
    is_whole = binascii.b2a_base64(raw, newline=False).decode() == encoded
    return is_whole and ":" in said and said.isprintable()


def _without_private_keys(text: str, found: list[str]) -> str:
    parts = []
    at = 0
    for begin in compiled(PEM).finditer(text):
        if begin.start() < at:
            continue
        parts += [text[at : begin.start()], "[redacted:private-key]"]
        at = _end_of_private_key(text, begin.end())
        found.append("private-key")
    return "".join([*parts, text[at:]])


def _end_of_private_key(text: str, start: int) -> int:
    """Return where a private key ends; it may have been cut."""
    dashes = text.find("-----", start)
    end = compiled(PEM_END).match(text, dashes) if dashes >= 0 else None
    if end is None:
        end = compiled(PEM_CUT).match(text, start)
    return end.end() if end else start
