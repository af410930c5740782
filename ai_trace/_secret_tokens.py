"""
Tokens that are known by their prefix, and the quick look for them.
"""

from __future__ import annotations

import re


SOURCEGRAPH = r"[A-Fa-f0-9_local]{0,17}[A-Fa-f0-9]{40}[A-Za-z0-9]*"

# Kind, prefix of fixed width, rest. The rest goes on to the end of the word: what was
# left behind it would begin a word of its own once the token is gone.
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
    ("slack-token", "xox[abcdeoprs]-", r"[A-Za-z0-9-]{10,}"),
    ("slack-token", "xapp-", r"[A-Za-z0-9-]{10,}"),
    ("google-key", "AIza", r"[A-Za-z0-9_-]{30,}"),
    ("huggingface-token", "hf_", r"[A-Za-z0-9]{20,}"),
    ("sendgrid-key", r"SG\.", r"[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    ("stripe-key", "[rs]k_(?:live|test|prod)_", r"[A-Za-z0-9]{10,}"),
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
    ("docker-token", "dckr_[po]at_", r"[A-Za-z0-9_-]{20,}"),
    ("google-secret", "GOCSPX-", r"[A-Za-z0-9_-]{20,}"),
    ("webhook-secret", "whsec_", r"[A-Za-z0-9+/]{24,}"),
    ("digitalocean-token", "do[opr]_v1_", r"[a-f0-9]{40}[A-Za-z0-9]*"),
    ("shopify-token", "shp(?:at|ca|pa|ss)_", r"[A-Fa-f0-9]{32}[A-Za-z0-9]*"),
    ("figma-token", "fig[dou]_", r"[A-Za-z0-9_-]{32,}"),
    ("newrelic-key", "NR(?:AK|II)-", r"[A-Za-z0-9]{27}[A-Za-z0-9-]*"),
    ("gitlab-token", "gl(?:dt|ft|rt)-", r"[A-Za-z0-9_-]{20,}"),
    ("gitlab-token", "gl(?:cbt|ptt|imt|oas)-", r"[A-Za-z0-9_-]{20,}"),
    ("gitlab-token", "glsoat-", r"[A-Za-z0-9_-]{20,}"),
    ("gitlab-token", "glagent-", r"[A-Za-z0-9_-]{40,}"),
    ("google-token", r"ya29\.", r"[A-Za-z0-9_-]{20,}"),
    ("vault-token", r"hv[sbr]\.", r"[A-Za-z0-9_-]{24,}"),
    ("age-key", "AGE-SECRET-KEY-", r"1[A-Z0-9]{50}[A-Za-z0-9]*"),
    ("mailgun-key", "key-", r"[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("notion-token", "secret_", r"(?=[A-Za-z]{0,64}[0-9])[A-Za-z0-9]{40,}"),
    ("airtable-token", "pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{64}[A-Za-z0-9]*"),
    ("rubygems-key", "rubygems_", r"[a-f0-9]{48}[A-Za-z0-9]*"),
    ("1password-token", "ops_", r"eyJ[A-Za-z0-9+/=_-]{100,}"),
    ("atlassian-token", "AT[AC]TT3", r"[A-Za-z0-9_=-]{60,}"),
    ("bitbucket-token", "BBDC-", r"[A-Za-z0-9+/@_-]{40,}"),
    ("circleci-token", "CCIP(?:AT|RJ)_", r"[A-Za-z0-9]{22}_[a-f0-9]{40}[A-Za-z0-9]*"),
    ("planetscale-token", "pscale_tkn_", r"[A-Za-z0-9_=.-]{32,}"),
    ("planetscale-token", "pscale_oauth_", r"[A-Za-z0-9_=.-]{32,}"),
    ("planetscale-token", "pscale_pw_", r"[A-Za-z0-9_=.-]{32,}"),
    ("postman-key", "PMAK-", r"[A-Fa-f0-9]{24}-[A-Fa-f0-9]{34}[A-Za-z0-9]*"),
    ("prefect-key", "pn(?:b|u)_", r"[A-Za-z0-9]{36,}"),
    ("pulumi-token", "pul-", r"[a-f0-9]{40}[A-Za-z0-9]*"),
    ("readme-key", "rdme_", r"[a-z0-9]{70}[A-Za-z0-9]*"),
    ("brevo-key", "xkeysib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16,}"),
    ("sentry-token", "sntrys_", r"eyJ[A-Za-z0-9+/=_-]{40,}"),
    ("sentry-token", "sntryu_", r"[a-f0-9]{64}[A-Za-z0-9]*"),
    ("shippo-token", "shippo_(?:live|test)_", r"[A-Fa-f0-9]{40}[A-Za-z0-9]*"),
    ("sourcegraph-token", "sgp_", SOURCEGRAPH),
    ("square-token", "sq0(?:atp|csp)-", r"[A-Za-z0-9_-]{22,}"),
    ("sonar-token", "sq[aup]_", r"[a-f0-9]{40}[A-Za-z0-9]*"),
    ("typeform-token", "tfp_", r"[A-Za-z0-9_.=-]{40,}"),
    ("grafana-token", "glsa_", r"[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}[A-Za-z0-9]*"),
    ("grafana-token", "glc_", r"[A-Za-z0-9+/=]{32,}"),
    ("duffel-token", "duffel_(?:live|test)_", r"[A-Za-z0-9_=-]{43,}"),
    ("flutterwave-key", "FLWSECK(?:_TEST|_LIVE)-", r"[a-z0-9]{32}[A-Za-z0-9-]*"),
    ("fly-token", "fo1_", r"[A-Za-z0-9_-]{43,}"),
    ("fly-token", "fm1[ar]_", r"[A-Za-z0-9+/=]{100,}"),
    ("fly-token", "fm2_", r"[A-Za-z0-9+/=]{100,}"),
    ("heroku-key", "HRKU-", r"[A-Za-z0-9_-]{36,}"),
    ("clojars-token", "CLOJARS_", r"[a-f0-9]{60}[A-Za-z0-9]*"),
    ("adobe-secret", "p8e-", r"[A-Za-z0-9_-]{32,}"),
    ("plaid-token", "access-sandbox-", r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9-]{22,}"),
    ("plaid-token", "access-production-", r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9-]{22,}"),
    ("tailscale-key", "tskey-", r"[a-z]{2,16}-[A-Za-z0-9]{6,32}-[A-Za-z0-9]{16,}"),
    (
        "hubspot-token",
        "pat-(?:na|eu|ap)[123]-",
        r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9-]{22,}",
    ),
    ("supabase-key", "sb_secret_", r"[A-Za-z0-9_-]{20,}"),
    ("supabase-key", "sbp_", r"[a-f0-9]{40}[A-Za-z0-9]*"),
    ("doppler-token", r"dp\.(?:pt|st|ct|sa)\.", r"[A-Za-z0-9_.-]{40,}"),
    ("dynatrace-token", r"dt0c01\.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}[A-Za-z0-9]*"),
    ("firecrawl-key", "fc-", r"[a-f0-9]{32}(?![A-Za-z0-9])"),
    ("netlify-token", "nfp_", r"[A-Za-z0-9]{36,}"),
    ("together-key", "tgp_v1_", r"[A-Za-z0-9_-]{40,}"),
    ("wandb-key", "wandb_v1_", r"[A-Za-z0-9_-]{40,}"),
    ("posthog-key", "phx_", r"[A-Za-z0-9]{40,}"),
    ("cerebras-key", "csk-", r"[a-z0-9]{40}[A-Za-z0-9]*"),
    # In Base64, as in files for kubectl: one of three texts stands for "PRIVATE".
    (
        "private-key",
        "LS0tLS1CRUdJTiB",
        (
            r"[A-Za-z0-9]{0,24}?(?:UFJJVkFUR|BSSVZBVEU|QUklWQVRF)[A-Za-z0-9+/]{16}"
            r"[A-Za-z0-9+/=]*"
        ),
    ),
    ("jwt", "eyJ", r"[A-Za-z0-9_-]{10,600}\.[A-Za-z0-9_-]{10}[A-Za-z0-9_.-]*"),
)


def token_pattern(prefix: str, rest: str) -> str:
    """
    Return the pattern of a token that begins where a word may begin.

    The prefix comes first, so that plain letters are searched for. A word may also
    begin after an escaped newline, an escape in a URL, or a colour of a terminal.
    """
    before = (
        rf"(?<![A-Za-z0-9]{prefix})",
        rf"(?<=\\[nrt]{prefix})",
        rf"(?<=(?:%[0-9A-F][0-9A-F]|[\[;0-9][0-9]m){prefix})",
    )
    return f"{prefix}(?:{'|'.join(before)}){rest}"


def _spellings(prefix: str) -> list[str]:
    """Return every spelling of a prefix that has choices and classes in it."""
    choice = re.search(r"\(\?:([^)]*)\)|\[([^\]]*)\]", prefix)
    if choice is None:
        return [prefix.replace("\\", "")]
    chosen = choice[2] or choice[1].split("|")
    before, after = prefix[: choice.start()], prefix[choice.end() :]
    return [end for each in chosen for end in _spellings(f"{before}{each}{after}")]


def _tokens_behind_dash() -> tuple[str, str]:
    """
    Return what may stand before the "-" that ends a prefix: two letters, and all of it.

    The two letters rule out most words; to look for each prefix would take longer.
    """
    spelled = {
        (word[:-1].translate(_FOLDED), "[a-f0-9]" if rest[:8] == "[a-f0-9]" else ".")
        for _, prefix, rest in TOKENS
        for word in _spellings(prefix)
        if word[-1] in "-_" and rest and not word.startswith(_SHORT)
    }
    after = f"{{{_SHORTEST}}}"
    ends: dict[str, str] = {}
    groups: dict[tuple[int, str], list[str]] = {}
    for word, rest in sorted(spelled):
        ends[word[-1]] = ends.get(word[-1], "") + word[-2]
        groups.setdefault((len(word), rest), []).append(word)
    each = "|".join(
        f"(?<=(?:{'|'.join(words)})-{rest}{after})(?<![a-z][a-z].{{{length}}}-.{after})"
        for (length, rest), words in groups.items()
    )
    for word in ("sk", "rk", "xapp", "ey", "glpat", *_spellings("xox[abcdeoprs]")):
        ends[word[-1]] = ends.get(word[-1], "") + word[-2]
    any_end = "|".join(
        f"[{''.join(sorted(set(first)))}]{last}" for last, first in ends.items()
    )
    return f"(?<=(?:{any_end})-.{{10}})", each


_FOLDED = str.maketrans("_JIGB", "-----")
_SHORTEST = 20
_SHORT = ("sk", "rk", "xox", "xapp", "glpat")

_ANY_END, _ANY_PREFIX = _tokens_behind_dash()

# One search for one character finds all shapes but links: with "_", "J", "I", "G" and
# "B" read as "-", each has a "-" at a known place, or else a dot. In 100 kB a search
# for each prefix would take 60 µs apiece.
MARK = (
    # Most words behind a "-" are shorter.
    rf"-(?:[A-Za-z0-9+/=-]{{10}}{_ANY_END}"
    r"(?:(?<=xox[abcdeoprs]-.{10})|(?<=xapp-.{10})"
    r"|(?<=ey-.{10})(?<![a-z][a-z]ey-.{10})(?<![kK]ey-.{10})"
    r"|[A-Za-z0-9-]{5}(?:(?<=[rs]k-.{15})(?<![a-z][a-z].k-.{15})|(?<=glpat-.{15}))"
    rf"|[A-Za-z0-9+/=-]{{10}}(?:{_ANY_PREFIX}))"
    r"|A(?:(?<=AK-A)|(?<=AS-A))[A-Z0-9-]{16}"
    r"|\.(?<=S-\.)[A-Za-z0-9-]{16}"
    # The first letter rules out most of the rest. Signed links name the key that has
    # signed them: AWSAccessKeyId=.
    r"|[zFuSdeaTPDo](?:a(?<=A-za)[A-Za-z0-9-]{30}|0(?<=AT[AC]TT3xFf-F0)"
    r"|s(?=[0-9])(?<=[a-f0-9]{32}-us)|ignature=|ata; name="
    r"|arer {1,4}(?=[A-Za-z._~+/=-]{0,64}[0-9]|[A-Za-z0-9._~+/=-]{20})"
    r"|sic {1,4}(?=[a-z]{0,64}[A-Z0-9+/=-])[A-Za-z0-9+/-]{8}"
    r"|air--d=|=(?<=SAccessKey-d=)|ogleAccess-d=|ENT-F-ED -Y "
    r"|i-(?<=LS0tLS1CRUd-Ti-)[A-Za-z0-9-]{0,24}?(?:UF--VkFUR|-SSVZ-VEU|QUklWQVRF)"
    r"|ccess-key (?=[A-Za-z0-9/+-]{40})|uthToken (?=[A-Za-z0-9-]{20}))"
    r"|-(?:---(?=-E--N )|(?:pass|[a-z][A-Za-z0-9.-]{0,48}?(?:word|sswd|[pP]wd|cret|oken"
    r"|[kK]ey|hrase|earer|pass))(?: |\\{0,3}[\"'],|[\"']?[\r\n]))"
    # Perhaps an option that stands before a secret.
    r"|(?<=[ \"']-)([pub][^ ,.)]|[a-zA-Z]{0,4}[pPawbuUS][ \"']"
    r"|storepass[ \"']|-(?:user|proxy-user|cookie|body)[ \"'=]))"
)
# The character behind the dot comes first, and rules out the ends of sentences: 20 ns
# for each dot of 100 kB, not 40.
DOT = (
    r"\.[A-Za-z0-9_-](?:[A-Za-z0-9_-]{15}(?:(?<=ya29\..{16})|(?<=hv[sbr]\..{16})"
    r"|(?<=dp\.[pscs][tta]\..{16})|(?<=dt0c01\..{16})|(?<=pat.{14}\.[a-f0-9]{16}))"
    r"|[A-Za-z0-9-]{1,23}[ \t\r\n]{1,8}login[ \t]"
    r"|nfura\.io/|lchemy\.com/v2/)"
)
