"""
What stands where a secret could: placeholders, code, names of other things.

What is let through here is recorded as it is, so no rule may fit a real secret.
"""

from __future__ import annotations

from ai_trace._patterns import compiled
from ai_trace._secret_names import Names


_LONGEST_WORD = 82
"""The most characters of an identifier, as it is matched below."""

_END = r"(?=\.?(?:[\s\"'`,;&)}\]<>\\|]|\Z))"

# What stands in the place of a secret: a placeholder, a type, nothing. Strong passwords
# begin like one, so that it has to close again, or to reach the end of the value.
PLACEHOLDER = (
    r"\[(?:redact|REDACT|secure|filtered|FILTERED|hidden|masked)[^\]\r\n\"']{0,128}\]"
    rf"|(?:[xX]{{4}}|\*{{3}}|\.{{3}}|…)[xX*.…_-]{{0,256}}{_END}"
    r"|//(?:(?<=://)|[ \t])"
    r"|\$(?:\{\{?[^}\r\n\"']{1,256}\}|\([^)\r\n\"']{1,256}\)|\([a-z][\w./-]{0,32} )"
    rf"|(?:\$[A-Z_]{{3}}[A-Z0-9_]{{0,64}}|%s)(?:[:/@$%]|{_END})|%\("
    r"|\{\{[^{}\r\n]{1,256}\}\}|\{\{?[ ]?\\{0,3}[\"']"
    r"|\{[A-Za-z_ ][^{}\r\n\"']{0,64}(?:\[[\"'][\w-]{1,32}[\"']\])?\}"
    r"|<[A-Za-z/](?:[^<>\r\n\"']{0,128}>|[A-Za-z]{0,16} [\w-]{1,32}=)"
    rf"|(?:[yY]our|YOUR)[_-][A-Za-z_-]{{0,64}}{_END}"
    r"|(?:[nN]one|null|nil|undefined|[tT]rue|[fF]alse|str|string|bytes|int|bool|float"
    r"|[aA]ny|Optional|Union|SecretStr|object|lambda|await|not|on_create)"
    r"(?![\w@#$%^*+!~-])"
)
CODE = (
    r"\{(?:[^}\r\n]{0,256}\}|(?=[\s\"'\\\[({]|\Z))"
    r"|(?:self|cls|this|os|env|settings|config|cfg|args|options|process|request)"
    r"\.[a-zA-Z_]"
)
# A call or index; its bracket is closed on the same line, or goes on on the next one.
CALLED = r"(?:[A-Za-z_][\w.]{0,80})?(?=[(\[])"
CLOSED = (
    r"[(\[](?:\\[nrt]|(?<=\()[^)\r\n]{0,256}(?:\)|(?<=[(,%+]) ?[\r\n])"
    r"|(?<=\[)[^\]\r\n]{0,256}(?:\]|(?<=[\[,%+]) ?[\r\n])|\Z)"
)
# Options of gcloud that say by which name a secret is kept elsewhere.
REFERENCE = (
    r"--(?:set|update)-secrets(?:[ =][\"']?[^\s\"']{0,128})?\Z"
    r"|\bgcloud [^\r\n|;]{0,200} --secret\Z"
)
IDENTIFIER = r"[A-Za-z_][\w.]{0,80}(?![^\s,;)}\]\"'])"

SEVERAL = r"(?:auth|cred|creds|credential|credentials|args|pair|parts|row)\b"
# The name of a variable, in three words or more: AWS_ACCESS_KEY_ID
VARIABLE = r"[A-Z]{2,16}_[A-Z]{2,16}_[A-Z_]{2,64}\Z"
# The name of a module: http.cookies
MODULE = r"[a-z]{2,32}\.[a-z]{2,32}\Z"
# Two capitals at least, as in SecretsCollection.
CLASS = r"[A-Z][a-z]{2,16}[A-Z][a-z]{2,16}(?:[A-Z][a-z]{2,16})?\Z"


def is_placeholder(text: str, start: int = 0) -> bool:
    """Tell whether a placeholder stands at this point of a text."""
    return compiled(PLACEHOLDER).match(text, start) is not None


def is_elsewhere(text: str, at: int, start: int) -> bool:
    """
    Tell whether a value only stands for a secret, as a placeholder or by its name.

    Args:
        text: The text.
        at: Where the name before the value ends.
        start: Where the value begins.
    """
    return is_placeholder(text, start) or _is_reference(text, at, start)


def _is_reference(text: str, at: int, start: int) -> bool:
    """Tell whether an option of gcloud or docker names a secret of theirs."""
    option = text[max(0, at - 256) : at].rstrip(" ")
    is_of_docker = option.endswith("--secret") and text.startswith("id=", start)
    return is_of_docker or compiled(REFERENCE).search(option) is not None


def is_code(text: str, start: int, at: int, names: Names) -> bool:
    """Tell whether a value is read from elsewhere: ``password=settings.password``."""
    called = compiled(CALLED).match(text, start)
    if called is not None and compiled(CLOSED).match(text, called.end()):
        return True
    if compiled(CODE).match(text, start) or _is_unpacked(text, start, at):
        return True
    found = compiled(IDENTIFIER).match(text, start)
    if found is None:
        return False
    word = found[0]
    compound = "_" in word or "." in word
    name = text[max(0, at - 2 * _LONGEST_WORD) : at].rstrip(" \t")
    if text[at] == ":" and _is_type(word, name):
        return True
    # In Python: headers["Authorization"] = signature
    if name.endswith(("']", '"]')) and text[at - 1 : at + 2] == " = ":
        return _is_plain_word(word)
    return name.endswith(word) or (compound and names.end_says(word) > 0)


def is_prompt(text: str, at: int, quote: str) -> bool:
    """Tell whether the quote behind a name ends what it is in: ``'Password: '``."""
    said = text[max(0, at - _LONGEST_WORD) : at]
    before, _, words = said.rpartition(quote or "\n")
    is_word = words[:1].isalnum() and words[-1:].isalnum()
    return bool(quote and before) and is_word and words.replace(" ", "").isalnum()


def is_place(text: str, start: int, at: int, said: str) -> bool:
    """Tell whether it is a directory, ``PWD=/home``, or a name, ``arn:x:secret:y``."""
    if text[at] == ":" and start == at + 1 and said.endswith(":secret"):
        return True
    return text.startswith(("/", "~"), start) and text.endswith("PWD", 0, at)


def is_name(value: str, said: str) -> bool:
    """
    Tell whether a quoted value is a name: of a variable, or of a module.

    ``ACCESS_KEY = 'AWS_ACCESS_KEY_ID'`` names what it is called itself; a cookie has
    a "=", ``'Cookie': 'http.cookies'`` has none.

    Args:
        value: What stands between the quotes.
        said: The end of the name before it, in lower case.
    """
    if said.endswith("cookie"):
        return compiled(MODULE).match(value) is not None
    name = said.rpartition(" ")[2].rpartition("\n")[2]
    is_variable = compiled(VARIABLE).match(value) is not None and "_" in name
    return is_variable and f"_{name}" in value.lower() and value.lower() != name


def _is_unpacked(text: str, start: int, at: int) -> bool:
    """Tell whether one thing is given to several names: ``user, password = auth``."""
    if text[at] != "=" or compiled(SEVERAL).match(text, start) is None:
        return False
    line = text[max(0, at - 256) : at].rpartition("\n")[2]
    return "," in line and all(name.strip().isidentifier() for name in line.split(","))


def _is_type(word: str, name: str) -> bool:
    """Tell whether a class is named for what it is: ``secrets: SecretsCollection``."""
    last = name.lower().rpartition("_")[2].rpartition(" ")[2].rpartition("\n")[2]
    is_class = compiled(CLASS).match(word) is not None
    return is_class and len(last) > 2 and word.lower().startswith(last)


def _is_plain_word(word: str) -> bool:
    """Tell whether a word can be a variable: no digit, lower case."""
    return word.islower() and word.replace("_", "").isalpha()
