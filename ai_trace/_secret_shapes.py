"""
Secrets that are known by their shape.

No pattern here takes more than linear time on any text: what may repeat without end
stands last, all else is bounded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from functools import cache


# Kind, prefix of fixed width, rest: to the end of the word, for what follows it at once
# would begin a word when it is gone.
TOKENS = (
    ("anthropic-key", "sk-ant-", r"[A-Za-z0-9_-]{16,}"),
    ("openrouter-key", "sk-or-", r"[A-Za-z0-9_-]{16,}"),
    (
        "openai-key",
        "sk-",
        # Words with hyphens, such as sk-fading-circle-animation, have no digit.
        (
            r"(?=(?:proj|svcacct|admin|None)-|[A-Za-z0-9]{20}|[A-Za-z_-]{0,64}[0-9])"
            r"[A-Za-z0-9_-]{20,}"
        ),
    ),
    (
        "aws-key",
        "A[KS]IA",
        # The secret half has no shape of its own: it is known beside its id.
        (
            r"[A-Z0-9]{16}(?![A-Za-z0-9])"
            r"(?:[^A-Za-z0-9/+]{1,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?"
        ),
    ),
    ("github-token", "gh[pousr]_", r"[A-Za-z0-9]{20,}"),
    ("github-token", "github_pat_", r"[A-Za-z0-9_]{20,}"),
    (
        "gitlab-token",
        "glpat-",
        r"[A-Za-z0-9_-]{16,300}(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?[A-Za-z0-9]*",
    ),
    ("slack-token", "xox[abeprs]-", r"[A-Za-z0-9-]{10,}"),
    ("slack-token", "xapp-", r"[A-Za-z0-9-]{10,}"),
    ("google-key", "AIza", r"[A-Za-z0-9_-]{30,}"),
    ("huggingface-token", "hf_", r"[A-Za-z0-9]{20,}"),
    ("sendgrid-key", r"SG\.", r"[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    ("stripe-key", "[rs]k_(?:live|test)_", r"[A-Za-z0-9]{10,}"),
    ("groq-key", "gsk_", r"[A-Za-z0-9]{20,}"),
    ("xai-key", "xai-", r"[A-Za-z0-9]{20,}"),
    ("perplexity-key", "pplx-", r"[A-Za-z0-9]{20,}"),
    ("elevenlabs-key", "sk_", r"[a-f0-9]{48}[A-Za-z0-9]*"),
    ("replicate-token", "r8_", r"[A-Za-z0-9]{30,}"),
    ("nvidia-key", "nvapi-", r"[A-Za-z0-9_-]{40,}"),
    ("tavily-key", "tvly-", r"[A-Za-z0-9-]{20,}"),
    ("pinecone-key", "pcsk_", r"[A-Za-z0-9_]{40,}"),
    ("langsmith-key", "lsv2_[ps][tk]_", r"[a-f0-9]{32}_[a-f0-9]{10}[A-Za-z0-9]*"),
    ("notion-token", "ntn_", r"[A-Za-z0-9]{40,}"),
    ("linear-key", "lin_api_", r"[A-Za-z0-9]{32,}"),
    ("npm-token", "npm_", r"[A-Za-z0-9]{36,}"),
    ("pypi-token", "pypi-", r"AgE[A-Za-z0-9_-]{32,}"),
    ("docker-token", "dckr_pat_", r"[A-Za-z0-9_-]{20,}"),
    ("google-secret", "GOCSPX-", r"[A-Za-z0-9_-]{20,}"),
    ("webhook-secret", "whsec_", r"[A-Za-z0-9+/]{24,}"),
    ("digitalocean-token", "do[opr]_v1_", r"[a-f0-9]{40}[A-Za-z0-9]*"),
    ("shopify-token", "shpat_", r"[A-Fa-f0-9]{32}[A-Za-z0-9]*"),
    ("figma-token", "figd_", r"[A-Za-z0-9_-]{32,}"),
    ("newrelic-key", "NRAK-", r"[A-Z0-9]{27}[A-Za-z0-9]*"),
    ("jwt", "eyJ", r"[A-Za-z0-9_-]{10,600}\.[A-Za-z0-9_-]{10}[A-Za-z0-9_.-]*"),
)

BEARER = (
    r"(Bearer {1,4})(?=[A-Za-z._~+/=-]{0,64}[0-9]|[A-Za-z0-9._~+/=-]{20})"
    r"[A-Za-z0-9._~+/=-]{6,}"
)
BASIC = r"(Basic {1,4})(?=[a-z]{0,64}[A-Z0-9+/=])([A-Za-z0-9+/=]{8,})"
URL = r"(://[^\s/?#@:\"'<>\\\[]{0,128}:)(?!\[redacted:)[^\s/\"'<>\\]{1,256}(?=@)"

# Kind, a sign and a text that are in each of them, pattern; its first group is kept. To
# look for the sign takes 1 µs in 100 kB of prose, for the text 27 to 72.
LINKS = (
    ("url-password", "@", "://", URL),
    (
        "slack-webhook",
        "/",
        "hooks.slack.com/",
        r"(hooks\.slack\.com/[a-z]{1,16}/)[A-Za-z0-9/_-]{20,}",
    ),
    (
        "discord-webhook",
        "/",
        "/webhooks/",
        r"(/webhooks/[0-9]{15,22}/)[A-Za-z0-9_-]{40,}",
    ),
    ("telegram-token", ":", ":AA", r"(:(?<=[0-9]{6}:))AA[A-Za-z0-9_-]{30,}"),
    (
        "url-signature",
        "=",
        "ignature=",
        r"(X-(?:Amz|Goog)-Signature=)[A-Za-z0-9%]{20,}",
    ),
    ("url-signature", "=", "sig=", r"([?&]sig=)[A-Za-z0-9%+/=_-]{20,}"),
    (
        "basic-credentials",
        ":",
        "curl ",
        (
            r"( (?:-[a-zA-Z]{0,4}u ?|--user[ =])[\"']?[A-Za-z][A-Za-z0-9._@-]{0,64}:)"
            r"(?!\[redacted:)[^\s\"']{1,256}"
        ),
    ),
)

PEM = r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
PEM_END = r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
PEM_CUT = r"[A-Za-z0-9+/=\s\\:,-]*"
"""What is taken for the body of a private key that has no end."""

# One search for one character stands for all shapes but links: with "_", "J", "I", "G"
# and "B" read as "-", each has a "-" at a known place. 100 kB of prose take 60 µs;
# a search for each prefix takes 800 µs, one for any first letter 1,100 µs.
MARK = (
    r"-(?:(?<=(?:[rs]k|hf|at|h[pousr]|x[abeprs]|ey|lx|ai|pp"
    r"|r8|pi|ly|pt|tn|pm|PX|ec|v1|gd|AK)-)(?:"
    r"(?:(?<=[rs]k-)(?<![a-z][a-z].k-)|(?<=(?:gl|b-)pat-))[A-Za-z0-9-]{15}"
    r"|(?:(?<=hf-)(?<![a-z][a-z]hf-)|(?<=gh[pousr]-)|(?<=pplx-)|(?<=xai-))"
    r"[A-Za-z0-9-]{20}|(?:(?<=xox[abeprs]-)|(?<=xapp-)"
    r"|(?<=ey-)(?<![a-z][a-z]ey-)(?<![kK]ey-))[A-Za-z0-9-]{10}"
    r"|[A-Za-z0-9+/-]{20}(?:(?<=r8-.{20})|(?<=nvapi-.{20})|(?<=tvly-.{20})"
    r"|(?<=pcsk-.{20})|(?<=lsv2-[ps][tk]-.{20})|(?<=ntn-.{20})|(?<=lin-api-.{20})"
    r"|(?<=npm-.{20})|(?<=pypi-.{20})|(?<=dckr-pat-.{20})|(?<=OCSPX-.{20})"
    r"|(?<=whsec-.{20})|(?<=do[opr]-v1-.{20})|(?<=shpat-.{20})|(?<=figd-.{20})"
    r"|(?<=NRAK-.{20})))"
    r"|A(?:(?<=AK-A)|(?<=AS-A))[A-Z0-9-]{16}"
    r"|za(?<=A-za)[A-Za-z0-9-]{30}"
    r"|\.(?<=S-\.)[A-Za-z0-9-]{16}"
    r"|earer {1,4}(?=[A-Za-z._~+/=-]{0,64}[0-9]|[A-Za-z0-9._~+/=-]{20})"
    r"|asic {1,4}(?=[a-z]{0,64}[A-Z0-9+/=-])[A-Za-z0-9+/-]{8}"
    r"|-(?:---(?=-E--N )|[a-z][A-Za-z0-9-]{0,48}?(?:word|sswd|pwd|cret|oken|key)"
    r"(?: |[\"'], ?[\"'][^-])))"
)


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
        if _mark(folded.replace("G", "-").replace("B", "-")):
            return True
    for _, sign, hint, pattern in LINKS:
        if sign in text and hint in text and _compiled(pattern).search(text):
            return True
    return False


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
            text = taken_out(_compiled(pattern), kind, text, found, keep)
    return _compiled(BASIC).sub(lambda match: _without_basic(match, found), text)


def taken_out(
    pattern: re.Pattern[str], kind: str, text: str, found: list[str], keep: int = 0
) -> str:
    """Replace each match, but for the group to keep, by its kind."""

    def kind_of(match: re.Match[str]) -> str:
        found.append(kind)
        return f"{match[keep] if keep else ''}[redacted:{kind}]"

    return pattern.sub(kind_of, text)


def token_pattern(prefix: str, rest: str) -> str:
    """
    Return the pattern of a token that begins where a word may begin.

    The prefix comes first, so that the search is one for plain letters. A word may
    begin after an escaped newline, an escape of a URL, or a colour of a terminal.
    """
    before = (
        rf"(?<![A-Za-z0-9]{prefix})",
        rf"(?<=\\[nrt]{prefix})",
        rf"(?<=(?:%[0-9A-F][0-9A-F]|[\[;0-9][0-9]m){prefix})",
    )
    return f"{prefix}(?:{'|'.join(before)}){rest}"


@cache
def _patterns() -> list[tuple[str, str, str, int]]:
    """Return kind, plain start, pattern, and group to keep, of each shape."""
    found = [(kind, hint, pattern, 1) for kind, _, hint, pattern in LINKS]
    found.append(("bearer-token", "Bearer", BEARER, 1))
    for kind, prefix, rest in TOKENS:
        hint = re.split(r"[\[\\]", prefix)[0]
        found.append((kind, hint, token_pattern(prefix, rest), 0))
    return found


# Compiled when first met: all of them take 10 ms.
@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_mark = re.compile(MARK).search


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


def _without_private_keys(text: str, found: list[str]) -> str:
    parts = []
    at = 0
    for begin in _compiled(PEM).finditer(text):
        if begin.start() < at:
            continue
        parts += [text[at : begin.start()], "[redacted:private-key]"]
        at = _end_of_private_key(text, begin.end())
        found.append("private-key")
    return "".join([*parts, text[at:]])


def _end_of_private_key(text: str, start: int) -> int:
    """Return where a private key ends; it may have been cut."""
    dashes = text.find("-----", start)
    end = _compiled(PEM_END).match(text, dashes) if dashes >= 0 else None
    if end is None:
        end = _compiled(PEM_CUT).match(text, start)
    return end.end() if end else start


def told_items(items: Iterable[object], count: int) -> Iterator[object]:
    """
    Yield of each item of a list what those before it say that it is, or ``None``.

    A header, or an option of a command line, names the item behind it; the first
    line of a private key says what the lines behind it are.

    Args:
        items: The first items.
        count: How many there are in all.
    """
    before: object = None
    in_key = False
    for item in items:
        text = item if type(item) is str else ""
        in_key = in_key and bool(text) and _is_of_key(text)
        if in_key:
            yield "private key"
        else:
            yield before if count == 2 or _is_option(before) else None
        in_key = "-----END" not in text and (in_key or _begins_key(text))
        before = item


def _is_option(item: object) -> bool:
    return type(item) is str and item.startswith("--") and not item.startswith("---")


def _begins_key(text: str) -> bool:
    return "-----BEGIN" in text and _compiled(PEM).search(text) is not None


def _is_of_key(text: str) -> bool:
    return _compiled(PEM_CUT).fullmatch(text) is not None
