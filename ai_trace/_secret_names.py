"""
Names that say that a value is a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ai_trace._patterns import compiled


OPEN, TOKEN, SECRET, PASSWORD = range(4)
"""What a name says of its value; a number may be a password, not another secret."""

_PASSWORDS = ("password", "passwd", "passphrase", "pwd")
_SECRETS = (
    *("secret", "secrets", "authorization", "cookie", "cookies"),
    *("credential", "credentials", "connectionstring", "servicerolekey"),
    *("apikey", "apikeys", "accesskey", "secretkey", "privatekey", "accountkey"),
    *("signingkey", "encryptionkey", "masterkey", "sshkey", "authkey"),
    *("subscriptionkey", "accesstoken", "refreshtoken", "idtoken", "authtoken"),
    *("bearertoken", "apitoken", "sessiontoken", "securitytoken"),
    # Not every word with this end: bypass, first_pass.
    *("dbpass", "userpass", "smtppass", "mailpass", "ftppass", "mysqlpass"),
    *("adminpass", "rootpass", "proxypass", "becomepass", "sshpass"),
    *("requirepass", "storepass", "keypass", "imappass", "defaultpass", "redispass"),
    *("secretkeybase", "sharedkey", "seedphrase", "recoveryphrase"),
    *("passwords", "passphrases", "passwordconfirmation"),
    *("secretstring", "secretbinary"),
)
# Cursors of pages are no secrets.
_OPEN_TOKENS = ("nexttoken", "pagetoken", "continuationtoken", "synctoken")

_DIGITS = "0123456789"
_SEPARATORS = {ord(mark): None for mark in "_-. "}
_BESIDE_LETTERS = {ord(mark): None for mark in f"_-. {_DIGITS}"}
_NAME_LENGTH = 64
_WORD_LENGTH = 200

ADDRESS = r"0x[0-9a-fA-F]{40}\Z"
LAST_WORD = r"[\w-]{1,64}\Z"


def spelled(name: str) -> str:
    """Return a name in the spelling by which a program's own names are compared."""
    return name.lower().replace("-", "_").strip("_")


def looks_drawn(text: str) -> bool:
    """
    Tell whether a text was drawn by a machine: a token, not a word or a symbol.

    Public addresses of a blockchain are let through: agents trade tokens, too.
    """
    if any(map(str.isspace, text)) or compiled(ADDRESS).match(text):
        return False
    if len(text) >= 20:
        return True
    has_digit = any(map(str.isdigit, text))
    return len(text) >= 6 and has_digit and any(map(str.isalpha, text))


def plain(value: Any) -> Any:
    """Return text of a class of its own as exactly ``str``, all else as it is."""
    return str.__str__(value) if issubclass(type(value), str) else value


def word_of(value: object) -> str | None:
    """Return text or bytes as text, by which a secret is known."""
    if type(value) is bytes:
        return value[-_WORD_LENGTH:].decode("latin-1")
    value = plain(value)
    return value if type(value) is str else None


def told_value(fields: Mapping[str, object]) -> dict[str, str]:
    """
    Return what an object says that its value is.

    Headers, settings and tags are listed as ``{"name": "Cookie", "value": "sid=1"}``.
    Terraform calls a value sensitive, Kubernetes has objects of the kind ``Secret``,
    browsers' cookies say whether they are ``httpOnly``.

    Args:
        fields: What the object holds, by names.

    Returns:
        The key of its value, mapped to what the value is called; empty for others.
    """
    if word_of(fields.get("kind")) == "Secret":
        return {key: "secret" for key in ("data", "stringData") if key in fields}
    if "value" in fields and (fields.get("sensitive") is True or "httpOnly" in fields):
        return {"value": "secret"}
    for value, *names in (("value", "name", "key"), ("Value", "Name", "Key")):
        for name in names if value in fields else ():
            told = word_of(fields.get(name))
            if told is not None:
                return {value: told}
    return {}


def _without_number(name: str) -> str:
    stem = name.rstrip(_DIGITS)
    # "password 12:30" tells the time.
    return name if stem[-1:] == " " and len(name) - len(stem) > 1 else stem


def _end_says(name: str) -> int:
    # Forms of Rails and PHP: user[password], password[]
    bare = _without_number(name.lower().rstrip("[]")).translate(_SEPARATORS)
    if bare.endswith(_PASSWORDS):
        return PASSWORD
    if bare.endswith(_SECRETS):
        return SECRET
    if bare.endswith("token") and not bare.endswith(_OPEN_TOKENS):
        return TOKEN
    return OPEN


_end_of_key_says = lru_cache(maxsize=4096)(_end_says)


# What may stand between a name and its colon: nothing, a quote, space or number, an
# escaped quote as in JSON that is carried in JSON, the end of an index or of a field.
_TAILS = (
    "",
    r"[\"' 0-9\]]",
    r"(?:[\\\"'0-9_-][\"' \]0-9]|\][\"']|\[\])",
    r"(?:[\"'0-9_-][\]\\0-9]|\]\\)[\"' 0-9]",
    r"[\\0-9_-][\\0-9][\\0-9][\"']",
)
_ANY_END = "[ospreakiOSPREAKI][rweitsaylnodRWEITSAYLNOD][dtnesylgDTNESYLG]"
_ENDS = (
    "word ords sswd cret rets oken okie kies tial ials rase ases keys ring nary pass "
    "base"
).split()
_ENDS_4 = "|".join([*_ENDS, *map(str.upper, _ENDS)])


def _names_before(tail: str, length: int) -> str:
    any_tail = "." * length
    return (
        f"(?<={_ANY_END}{tail}:)(?:(?<=(?:{_ENDS_4}){any_tail}:)"
        f"(?<!tabase{any_tail}:)(?<!TABASE{any_tail}:)"
        f"|(?<=(?:pwd|Pwd|PWD){any_tail}:)"
        f"|(?<=(?:key|Key|KEY){any_tail}:)(?<=[A-Za-z_. -]...{any_tail}:)"
        f"|(?<=(?:rization|RIZATION){any_tail}:)"
        f"|(?<=(?:confirmation|CONFIRMATION){any_tail}:))"
    )


# Starts at a plain ":"; classes of letters rule most of them out: 100 ns for a colon
# that follows no such name, where a look at each name takes 1,000 ns.
KNOWN_NAMES = ":(?:{})".format(
    "|".join(_names_before(tail, length) for length, tail in enumerate(_TAILS))
)
ANY_NAME = r":(?<=[\w\"' \]]:)"
COLUMN = r"(?<=[\w\"'\]])[ \t]{1,64}:"


def _with_colons(text: str) -> str:
    """
    Return a text, one character longer, with a colon behind each name.

    Where settings are lined up in columns, the sign stands further on.
    """
    text = f" {text}".replace("=", ":")
    if "%5" in text:
        text = text.replace("%5D:", ":5D:").replace("%5d:", ":5d:")
    if "  :" in text or ("\t" in text and "\t:" in text):
        return compiled(COLUMN).sub(lambda found: f":{found[0][:-1]}", text)
    return text


class Names:
    """
    The names of secrets: those that everybody knows, and a program's own.

    Args:
        own: Names as ``spelled`` returns them.
    """

    __slots__ = ("_own", "_signs")

    def __init__(self, own: frozenset[str]) -> None:
        self._own = own
        self._signs = ANY_NAME if own else KNOWN_NAMES
        # Every step needs it. If the first one compiled it, signal handlers that trace
        # and come faster than that takes would each start over, inside one another.
        compiled(self._signs)

    def say(self, key: str) -> int:
        """
        Return what a key says of its value: one of the constants above.

        Its end decides: ``OPENAI_API_KEY`` and ``dbPassword`` are names of secrets,
        ``password_hint``, ``max_tokens`` and ``key`` are not.
        """
        if self._own and spelled(key) in self._own:
            return PASSWORD
        return _end_of_key_says(key[-_NAME_LENGTH:])

    def may_be_among(self, keys: str) -> bool:
        """Tell quickly whether one of many keys, one to a line, may be such a name."""
        if self._own:
            return any(map(self.say, keys.split("\n")))
        bare = keys.lower().translate(_BESIDE_LETTERS).replace("\n", ":")
        return compiled(self._signs).search(f" {bare}:") is not None

    def may_be_in(self, text: str) -> bool:
        """Tell quickly whether a sign may follow such a name in a text."""
        return compiled(self._signs).search(_with_colons(text)) is not None

    def signs(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where a sign follows such a name in a text, and what the name says."""
        for colon in compiled(self._signs).finditer(_with_colons(text)):
            at = colon.start() - 1
            before = text[max(0, at - _NAME_LENGTH) : at]
            says = self.end_says(before.rstrip(" \t\"'\\[]"))
            # In Markdown: [password]: https://example.com
            if says and (before[-1:] != "]" or text[at] == "=" or before[-2] in "\"'"):
                at += 3 if text[at] == "%" else 0
                while text[at] in " \t":
                    at += 1
                yield at, says

    def end_says(self, text: str) -> int:
        """Return what the name says that a text ends with."""
        if self._own:
            word = compiled(LAST_WORD).search(text)
            if word is not None and spelled(word[0]) in self._own:
                return PASSWORD
        return _end_says(text)
