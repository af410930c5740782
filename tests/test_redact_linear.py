from __future__ import annotations

import ast
import re
import sys
import time
from pathlib import Path

import pytest

from ai_trace import (
    _assigned,
    _patterns,
    _redact,
    _secret_commands,
    _secret_labels,
    _secret_names,
    _secret_shapes,
    _secret_syntax,
    _secret_tables,
    _secret_tokens,
    _stand_ins,
    _told_items,
)
from ai_trace._patterns import may_be_empty, why_not_linear
from ai_trace._redact import Redaction


MODULES = (
    _assigned,
    _patterns,
    _redact,
    _secret_commands,
    _secret_labels,
    _secret_names,
    _secret_shapes,
    _secret_syntax,
    _secret_tables,
    _secret_tokens,
    _stand_ins,
    _told_items,
)

TOKEN_PATTERNS = {
    f"{kind} {prefix}": _secret_tokens.token_pattern(prefix, rest)
    for kind, prefix, rest in _secret_tokens.TOKENS
}
LINK_PATTERNS = {
    f"{kind} {hint}": pattern for kind, _, hint, pattern in _secret_shapes.LINKS
}
# Patterns are constants of their modules, in capitals and without an underscore.
CONSTANTS = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
}
OPTION_PATTERNS = {
    f"option {n} {word}": pattern
    for n, (_, word, pattern) in enumerate(_secret_commands.OPTIONS)
}
PATTERNS = {**TOKEN_PATTERNS, **LINK_PATTERNS, **OPTION_PATTERNS, **CONSTANTS}

SAID = """
password secret api_key= api_key=f( token token: token= token="x authorization: Bearer
cookie: cookie:a= sk- sk-ant- eyJ -eyJ eyJaaaaaaaaaaa. AKIA AIza SG. xoxb- ghp_ glpat-
-----BEGIN -----BEGIN·PRIVATE·KEY----- Bearer Basic :// ://a:b ://a:b@ ('token','
["token",' --password --a-token \\ \\\\a " ' \\" = : - _ A J é password=\\n token:\\"
password=password=\\n token=a[redacted: {{ ${ 1 %3DeyJ [0meyJ value: "value":
"name":"token","value":"x name:·cookie\\nvalue:·
curl· curl·-u·a: :AA 123456:AA &sig= X-Amz-Signature=
hooks.slack.com/ /webhooks/
mysql· mysql·-p curl·-b· sshpass·-p· docker·login·-p· ·-p a.b·login· login·a·password
form-data;·name="token" ya29. hvs. ://a:b/ Q~ key- secret_ -us1
password··= password:·|¶· password:str=" password=''' "passwords":["a6b7c8",
token:["w·token:[" auth=(' auth=('a', .login(a,' <input <input·type="password"
<password> </password> <password></password> <password>a</password> <![CDATA[
kind:·Secret¶data:¶ kind:Secret·data:{ data: "a":"b" "sensitive":true "value":"
{"value":"x","sensitive":true
name="token">a name="token"·value="
user·password·' identified·by·' a,·password·=·auth
"secret":{"value":"v "secret":{"type":" key_12 password:¶·"
"auth":" _auth=YTpi auth=YTpi passwords:¶-·a1b2 passwords:¶ cookies={'a':'a1b2c3','
|password|¶|---|¶ |password|¶|---|¶|a1b2c3|¶ ¶|password,a¶ ¶--|--¶ {"value":" httpOnly"
htpasswd·-b·a· http·-a·a: LS0tLS1CRUdJTiB CREATE·USER·a·IDENTIFIED·BY· <Cookie·a=
_secret_access_key· $2b$ $2b$12$ $6$a$ $argon2id$ E\t/ E\t/a\tTRUE\t1\t :5432:
:5432:a:b: echo·a echo·a·|·sudo·- sudo·-S· sudo·-a·-S·a<<< (password)·VALUES·(
(password)·VALUES(a), ('a',(password)·values --set-secrets= --set-secrets=password=
gcloud·--secret= gcloud·
(password)·VALUES·('' (password)·VALUES·(" (password)·VALUES·('\\' ,''
--a_key --a.key·\\¶ "--a-token",¶ "--a-token",¶" ¶-·--a-token¶ ¶-·--a-token¶-·" [token]
password"·=·"a"·->·" "Value":"x","Type":"SecureString", name·=·"a"¶
""".split()
SAID_OFTEN = [part.replace("·", " ").replace("¶", "\n") for part in SAID]
"""What an attacker would repeat: the beginnings of secrets that never come."""

UNCLOSED = ['password="', "password='", 'password=\\"', "('token', '", "eyJ", "x://a:"]


# What is compiled by a name of its own: entries of the tables above, a program's own
# patterns, and choices of two constants.
BY_NAME = {
    "pattern",
    "text",
    "self._signs",
    "NEXT if opening and opening.is_list else CHANGED",
}


def compiled(module):
    """Return what each call of a module that compiles is given."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    return [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("re.compile", "compiled")
    ]


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_linear_by_construction(name):
    """Each compiles, what repeats without bound stands last, no repeat is repeated."""
    assert re.compile(PATTERNS[name])
    assert why_not_linear(PATTERNS[name]) is None


@pytest.mark.parametrize("module", MODULES)
def test_every_pattern_is_checked(module):
    """Each pattern that a module compiles is a constant above, or linear as well."""
    given = compiled(module)
    literals = [node.value for node in given if isinstance(node, ast.Constant)]
    names = {ast.unparse(node) for node in given if not isinstance(node, ast.Constant)}
    constants = {name for name in vars(module) if name.isupper()}

    assert [] == [text for text in literals if why_not_linear(text)]
    assert set() == names - constants - BY_NAME


@pytest.mark.parametrize(
    "pattern",
    [
        "[A-Z0-9_]*(?:SECRET|KEY)",
        "a+b",
        "(a+)+",
        "(a*)*b",
        "(a|a)*b",
        "(?:a|ab)+$",
        "(?:a{1,3}){1,30}b",
        "(?:a?){30}a{30}",
        ".*x",
        "x.*y.*z",
        "x(?=[a-z]*!)",
        "(?<!x)a+b",
        "a{0,200}a{0,200}a{0,200}b",
        "(x)?(?(1)a*b|c)",
        "a{5,}b",
        "a+?b",
    ],
)
def test_what_may_take_long_is_refused(pattern):
    """Patterns that are known to be quadratic or worse are refused."""
    assert why_not_linear(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        "ACME-[0-9]+",
        "ACME-[0-9]{1,64}-[a-z]*",
        "(?i)acme[ -]?[0-9]{6}",
        "(?:[0-9]{4}-){3}[0-9]{4}",
        "a|b+|c",
        r"(?<=key )\S+",
        "[^;]{0,64};",
        "((?P<x>[ab])(?P=x))",
    ],
)
def test_what_is_linear_is_let_through(pattern):
    """Patterns of the usual kind are let through."""
    assert why_not_linear(pattern) is None
    assert not may_be_empty(pattern)


def steps(text):
    """Count the lines of Python that redaction runs for a text."""
    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event == "line"
        return counting

    redaction = Redaction()
    redaction.text(text, len(text))
    before = sys.gettrace()
    sys.settrace(counting)
    try:
        redaction.suspects(text)
        redaction.text(text, len(text))
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("part", [*SAID_OFTEN, *UNCLOSED])
def test_work_grows_with_the_text(part):
    """Four times the text takes no more than four times the steps, and a few."""
    short = steps(part * 200)

    assert steps(part * 800) <= 4 * short + 250


def seconds(text):
    """Return the time of the processor that redaction takes for a text."""
    redaction = Redaction()
    start = time.thread_time()
    redaction.suspects(text)
    redaction.text(text, len(text))
    return time.thread_time() - start


@pytest.mark.parametrize(
    "many", [" ".join(SAID_OFTEN), "".join(SAID_OFTEN), *SAID_OFTEN, "A", "a."]
)
def test_time_does_not_grow_faster_than_the_text(many):
    """Eight times the text takes nowhere near sixty-four times the time."""
    short = (many * (4_000 // len(many) + 1))[:4_000]

    # What else the machine does may spoil a measurement, but not each of five.
    assert any(seconds(short * 8) < 24 * seconds(short) + 0.02 for _ in range(5))
