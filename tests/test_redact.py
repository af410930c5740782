from __future__ import annotations

import contextlib
import dataclasses
import json
import string
import urllib.parse
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_trace import Limits, Tracer, _secret_names, step, traced
from ai_trace._capture import Capture
from ai_trace._redact import Redaction
from ai_trace._secret_names import OPEN, Names
from ai_trace.exceptions import TraceConfigError


# Secrets of the right shape that open nothing, put together here so that no scanner of
# repositories takes them for real ones.
MIX = "aB3dE5gH7jK9mN1pQ"
OPENAI = "sk-" + MIX * 3
OPENAI_PROJECT = "sk-proj-" + MIX + "_" + MIX
ANTHROPIC = "sk-ant-" + "api03-" + MIX * 3
OPENROUTER = "sk-or-" + "v1-" + "0a1b2c3d" * 8
AWS_ID = "AKIA" + "IOSFODNN7EXAMPLE"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"
GITHUB = "ghp_" + MIX * 2 + "ab"
GITHUB_FINE = "github_pat_" + MIX + "_" + MIX * 3
GITLAB = "glpat-" + MIX + "xyz"
SLACK = "xoxb-" + "123456789012-1234567890123-" + MIX
GOOGLE = "AIza" + MIX * 2 + "x"
HUGGINGFACE = "hf_" + MIX * 2
SENDGRID = "SG." + MIX + "abcde." + MIX * 2 + "abcdefghi"
STRIPE = "sk_live_" + MIX + "abcdefg"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + MIX * 2
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7"
    "\nMhQWz5hLe2fGLoc1wJalrXUtnFEMI=\n-----END RSA PRIVATE KEY-----"
)
LOCKED_PEM = PEM.replace(
    "-----\nM", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\nM", 1
)


def redacted(value, redaction=None):
    """Return a value as it stands in the record, and the notes on it."""
    capture = Capture(Limits(), redaction or Redaction())
    text, notes = capture.plain(value), []
    if text is None:
        text, notes = capture.full(value, "$.context")
    return json.loads(text), notes


def kinds(notes):
    """Return the kinds of what was taken out."""
    return [note["kind"] for note in notes if note["note"] == "redacted"]


# -- shapes -------------------------------------------------------------------------

SHAPES = [
    (OPENAI, "openai-key"),
    (OPENAI_PROJECT, "openai-key"),
    ("sk-svcacct-" + MIX * 2, "openai-key"),
    ("sk-" + "0a1b2c3d" * 4, "openai-key"),
    ("sk-" + "abcdefghijklmnopqrstuvwxyz", "openai-key"),
    (ANTHROPIC, "anthropic-key"),
    (OPENROUTER, "openrouter-key"),
    (AWS_ID, "aws-key"),
    ("ASIA" + AWS_ID[4:], "aws-key"),
    (f"{AWS_ID}:{AWS_SECRET}", "aws-key"),
    (f"{AWS_ID}, {AWS_SECRET}", "aws-key"),
    (GITHUB, "github-token"),
    ("gho_" + GITHUB[4:], "github-token"),
    ("ghu_" + GITHUB[4:], "github-token"),
    ("ghs_" + GITHUB[4:], "github-token"),
    ("ghr_" + GITHUB[4:], "github-token"),
    (GITHUB_FINE, "github-token"),
    (GITLAB, "gitlab-token"),
    (GITLAB + ".01.0a1b2c3d4", "gitlab-token"),
    (SLACK, "slack-token"),
    ("xoxp-" + SLACK[5:], "slack-token"),
    ("xapp-1-" + MIX, "slack-token"),
    (GOOGLE, "google-key"),
    (HUGGINGFACE, "huggingface-token"),
    (SENDGRID, "sendgrid-key"),
    (STRIPE, "stripe-key"),
    ("rk_test_" + STRIPE[8:], "stripe-key"),
    ("sk_test_" + STRIPE[8:], "stripe-key"),
    ("gsk_" + MIX * 3, "groq-key"),
    ("xai-" + MIX * 4, "xai-key"),
    ("pplx-" + MIX * 3, "perplexity-key"),
    ("sk_" + "0a1b2c3d" * 6, "elevenlabs-key"),
    ("r8_" + MIX * 3, "replicate-token"),
    ("nvapi-" + MIX * 4, "nvidia-key"),
    ("tvly-dev-" + MIX * 2, "tavily-key"),
    ("pcsk_" + MIX + "_" + MIX * 3, "pinecone-key"),
    ("lsv2_pt_" + "0a1b2c3d" * 4 + "_0a1b2c3d4e", "langsmith-key"),
    ("lsv2_sk_" + "0a1b2c3d" * 4 + "_0a1b2c3d4e", "langsmith-key"),
    ("ntn_" + MIX * 4, "notion-token"),
    ("lin_api_" + MIX * 3, "linear-key"),
    ("npm_" + MIX * 3, "npm-token"),
    ("pypi-" + "AgEIcHlwaS5vcmc" + MIX * 3, "pypi-token"),
    ("dckr_pat_" + MIX * 2, "docker-token"),
    ("GOCSPX-" + MIX * 2, "google-secret"),
    ("whsec_" + MIX * 2, "webhook-secret"),
    ("dop_v1_" + "0a1b2c3d" * 8, "digitalocean-token"),
    ("shpat_" + "0a1b2c3d" * 4, "shopify-token"),
    ("figd_" + MIX * 3, "figma-token"),
    ("NRAK-" + "A1B2C3D4E" * 3, "newrelic-key"),
    ("ya29." + MIX * 4, "google-token"),
    ("hvs." + MIX * 2, "vault-token"),
    ("hvb.AAAA" + MIX * 8, "vault-token"),
    ("AGE-SECRET-KEY-" + "1" + "QPZRY9X8GF" * 6, "age-key"),
    ("key-" + "0a1b2c3d" * 4, "mailgun-key"),
    ("0a1b2c3d" * 4 + "-us12", "mailchimp-key"),
    ("secret_" + MIX * 3, "notion-token"),
    ("pat" + MIX[:14] + "." + "0a1b2c3d" * 8, "airtable-token"),
    ("rubygems_" + "0a1b2c3d" * 6, "rubygems-key"),
    ("ATATT3xFfGF0" + MIX * 10 + "=0A1B2C3D", "atlassian-token"),
    ("pscale_tkn_" + MIX * 3, "planetscale-token"),
    ("PMAK-" + "0a1b2c3d" * 3 + "-" + "0a1b2c3d" * 4 + "0a", "postman-key"),
    ("pul-" + "0a1b2c3d" * 5, "pulumi-token"),
    ("glrt-" + MIX * 2, "gitlab-token"),
    ("glptt-" + MIX * 3, "gitlab-token"),
    ("xkeysib-" + "0a1b2c3d" * 8 + "-" + MIX, "brevo-key"),
    ("sntryu_" + "0a1b2c3d" * 8, "sentry-token"),
    ("shpss_" + "0a1b2c3d" * 4, "shopify-token"),
    ("sq0csp-" + MIX * 3, "square-token"),
    ("squ_" + "0a1b2c3d" * 5, "sonar-token"),
    ("dp.pt." + MIX * 3, "doppler-token"),
    ("HRKU-" + MIX * 4, "heroku-key"),
    ("BBDC-" + MIX * 3, "bitbucket-token"),
    ("tskey-auth-" + MIX + "-" + MIX * 2, "tailscale-key"),
    ("ABc8Q~" + MIX * 2, "azure-secret"),
    (JWT, "jwt"),
    (JWT.rpartition(".")[0] + ".", "jwt"),
    (PEM, "private-key"),
    (PEM.replace("RSA ", ""), "private-key"),
    (PEM.replace("\n", "\\n"), "private-key"),
    (LOCKED_PEM, "private-key"),
    ("LS0tLS1CRUdJTiB" + "SU0EgUFJJVkFURSBLRVkt" + MIX * 2, "private-key"),
    ("LS0tLS1CRUdJTiB" + "QUklWQVRFIEtFWS0t" + MIX * 2, "private-key"),
    ("LS0tLS1CRUdJTiB" + "PUEVOU1NIIFBSSVZBVEUgS0VZ" + MIX * 2, "private-key"),
    (PEM.replace("KEY-----", "KEY BLOCK-----").replace("RSA", "PGP"), "private-key"),
]


@pytest.mark.parametrize(("secret", "kind"), SHAPES)
@pytest.mark.parametrize(
    "around", ["{}", "Error: {} is not valid.", "<{}>", 'x="{}"', "é\t{}\n日本", "({})"]
)
def test_shapes(secret, kind, around):
    """A token of known shape is replaced by its kind, and all around it stays."""
    value, notes = redacted(around.format(secret))

    assert around.format(f"[redacted:{kind}]") == value
    assert [{"path": "$.context", "note": "redacted", "kind": kind}] == notes


@pytest.mark.parametrize(
    "before", ["\\n", "%3D", "%20", "\x1b[1m", "\x1b[32m", "/", "_"]
)
@pytest.mark.parametrize("secret", [OPENAI, AWS_ID, GITHUB, SLACK, GOOGLE])
def test_shapes_after_escapes(before, secret):
    """A token is found behind what ends a word: escapes, URL codes, colours."""
    value, _ = redacted(f"{before}{secret}")

    assert value.startswith(f"{before}[redacted:")
    assert secret not in value


def test_shapes_that_touch():
    """Every secret of a text is replaced, each with its own note."""
    value, notes = redacted(f"{OPENAI} {ANTHROPIC},{GITHUB}\n{OPENAI}")

    assert (
        "[redacted:openai-key] [redacted:anthropic-key],[redacted:github-token]\n"
        "[redacted:openai-key]"
    ) == value
    assert ["anthropic-key", "openai-key", "openai-key", "github-token"] == kinds(notes)


def test_private_key_without_its_end():
    """A private key that was cut is taken out as far as it goes."""
    value, _ = redacted(PEM[:80])

    assert "[redacted:private-key]" == value


# -- names in text ------------------------------------------------------------------

ASSIGNED = [
    ("Bearer {abc123def456}", "bearer-token"),
    ("curl -H 'X: Bearer {abcdefghijklmnopqrstuvwxyz}'", "bearer-token"),
    ("sent Basic {dXNlcjpwYXNz} to", "basic-credentials"),
    ("https://user:{hunter2}@example.com/path", "url-password"),
    ("postgres://admin:{p%40ss:w?rd}@db:5432/x?a=b", "url-password"),
    (
        f"https://AWS:{{{MIX * 110}}}@1.dkr.ecr.us-east-1.amazonaws.com/a",
        "url-password",
    ),
    (f"psql postgres://app_user:{{{MIX * 20}%2F}}@db:5432/x", "url-password"),
    (f'form-data; name="password"\r\n\r\n{{{"a b" * 2000}\\r x}}\r\n--x', "key"),
    ("redis://:{secret}@cache:6379", "url-password"),
    (f"POST https://hooks.slack.com/services/{{T0AB/B0CD/{MIX}}}", "slack-webhook"),
    (f"https://discord.com/api/webhooks/{'9' * 18}/{{{MIX * 3}}}", "discord-webhook"),
    (
        f"https://api.telegram.org/bot123456789:{{AA{MIX}_-{MIX}}}/getMe",
        "telegram-token",
    ),
    (f"TG 123456789:{{AA{MIX}_-{MIX}}} is it", "telegram-token"),
    (
        f"https://b.s3.amazonaws.com/k?X-Amz-Signature={{{'0a' * 32}}}&x=1",
        "url-signature",
    ),
    (
        f"https://a.blob.core.windows.net/c/b?sv=2024&sig={{{MIX}%2Bx%3D}}&se=2026",
        "url-signature",
    ),
    ("curl -s -u ada:{hunter2} https://example.com", "basic-credentials"),
    ("curl https://example.com --user 'ada:{hunter2}'", "basic-credentials"),
    ("GET /x?access_token={abc}&page=2", "key"),
    ("GET /x?page=2&api_key={abc} HTTP/1.1", "key"),
    ("user[email]=a&user[password]={hunter2}&commit=x", "key"),
    ("user%5Bemail%5D=a&user%5Bpassword%5D={hunter2}&b=c", "key"),
    ("POST /login?u%5bapi_key%5d={abc}", "key"),
    ("password[]={hunter2}&a=b", "key"),
    ('{{"user[password]": "{hunter2}", "n": 1}}', "key"),
    ('{{"body": "{{\\"user[password]\\": \\"{x}\\"}}"}}', "key"),
    ("grant_type=x&client_secret={abc}&scope=y", "key"),
    ("?token={8f3a9c2e}", "key"),
    ("password={hunter2}", "key"),
    ("PASSWORD={hunter2};Server=db", "key"),
    ("Server=db;Password={hunter2};", "key"),
    ("AccountKey={abc+def/==};EndpointSuffix=x", "key"),
    ("OPENAI_API_KEY={abc}", "key"),
    ("export AWS_SECRET_ACCESS_KEY={abc/def+ghi}", "key"),
    ("API_KEY2={abc}", "key"),
    (f"aws_secret_access_key = {{{AWS_SECRET}}}", "key"),
    ("dbPassword: {hunter2}", "key"),
    ("password: {swordfish}", "key"),
    *(
        (f'{{{{"password": "{{{start}k9hunter2}}"}}}}', "key")
        for start in (
            *("<", "<a", "%s", "%", "$ABC", "$(", "xxxx", "***", "...", "//", "your-"),
            *("[redact", "null#", "YOUR_"),
        )
    ),
    ("--api-key {xxxxk9hunter2}", "key"),
    ("DB_PASSWORD={Tr0ub4(dor3}\nX=(1)", "key"),
    ("password: {aB3[kd9x}", "key"),
    ("password={[a1b2c3d4}\n]", "key"),
    ("password: {swordfish}\nuser: bob", "key"),
    ("the API key: {8f3a9c2e41} is used", "key"),
    ("secret={x}, user=bob", "key"),
    ('connect(password="{hunter2}", user="bob")', "key"),
    ("connect(password='{hunter 2}', user='bob')", "key"),
    ('{{"password": "{x}"}}', "key"),
    ('{{"password":"{a\\"b}","user":"bob"}}', "key"),
    ('{{"token": "{8f3a9c2e}"}}', "key"),
    ('{{"body": "{{\\"password\\": \\"{x}\\"}}"}}', "key"),
    ('{{"body": "{{\\"password\\": \\"{a\\\\\\"b}\\"}}"}}', "key"),
    ('{{"set-cookie": ["{a=b; Path=/}"]}}', "key"),
    ("{{'Authorization': 'Bearer {abc}'}}", "key"),
    ("Authorization: Bearer {x}", "key"),
    ("authorization: token {8f3a9c2e}", "key"),
    ("Proxy-Authorization: {8f3a9c2e}", "key"),
    ("Cookie: {sid=1; theme=dark}", "key"),
    ('GET / HTTP/1.1\nCookie: {a=b; session="hunter2"; c=d}\nHost: x', "key"),
    ("Cookie: {flag; sid=hunter2}\r\nHost: x", "key"),
    ("curl -H 'Cookie: {a=b; c=d}' -H \"X: y\"", "key"),
    ("set-cookie: {sid=1; Path=/}\nHost: x", "key"),
    ("[('authorization', '{Bearer x}'), ('host', 'x')]", "key"),
    ("[(b'x-api-key', b'{opaque}')]", "key"),
    ('[["cookie", "{a=b}"]]', "key"),
    ("mysql --password {hunter2} --host db", "key"),
    ("run --api-key '{a b}'", "key"),
    ("run --api-key={abc}", "key"),
    ("run --api_key {hunter2} --hf-model x", "key"),
    ("run --hf_token {hunter2}\n", "key"),
    ("run --dbPassword {hunter2} --apiHost x", "key"),
    ("run --db.password {hunter2} --db.user x", "key"),
    ("run --api-key \\\n  {hunter2} \\\n --x", "key"),
    ("args:\n- --api-key\n- {hunter2}\n- -y1234\n", "key"),
    ("args:\n  - '--token'\n  - '{hunter2}'\n  - b1c2\n", "key"),
    ('["-y",\n  "--api-key",\n  "{hunter2}",\n  "b1c2"\n]', "key"),
    ('["--pass", "{Jhunter2}", "--x"]', "key"),
    (r'"[\n  \"--api-key\",\n  \"{hunter2}\",\n  \"-v1234\"\n]"', "key"),
    ("""os.environ["X_API_KEY"] = "{abc}\"""", "key"),
    ("if password == '{hunter2}':", "key"),
    ("password => {hunter2}", "key"),
    ("connection_string='{Server=db}'", "key"),
    ("pwd: {hunter2}", "key"),
    ("SMTP_PASS={hunter2}", "key"),
    ('{{"passwords": "{hunter2}"}}', "key"),
    ('{{"name": "Authorization", "value": "{Bearer abc}"}}', "key"),
    ('{{"name":"DB_PASSWORD", "value":"{hunter2}"}}', "key"),
    ('{{"key": "api_key",\n "value": "{opaque}"}}', "key"),
    ('{{"Key": "secret", "Value": "{opaque}"}}', "key"),
    ('{{"a": "{{\\"name\\": \\"cookie\\", \\"value\\": \\"{x=1}\\"}}"}}', "key"),
    ("env:\n- name: DB_PASSWORD\n  value: {hunter2}\n- name: B\n  value: c", "key"),
    ('- name: DB_PASSWORD\n  value: "{hunter2}"\n- name: B\n  value: "c"', "key"),
    ("- name: 'DB_PASSWORD'\n  value: '{hunter 2}'", "key"),
    (
        '{{"db_password": {{"sensitive": true, "type": "string", "value": "{x}"}}}}',
        "key",
    ),
    ('{{"secret": {{\n  "value": "{x}"\n }}, "size": {{"value": "large"}}}}', "key"),
    ('db_password     = "{hunter2}"\ndb_user         = "ann"', "key"),
    ("password\t= {hunter2}", "key"),
    ("Password:                {hunter2}", "key"),
    ('"password":\n    "{hunter2}"', "key"),
    ("API_KEY_2={abc}", "key"),
    ("export OPENAI_API_KEY_17={abc}", "key"),
    ('{{"API_KEY_17": "{abc}", "max_tokens_17": "5"}}', "key"),
    ('{{"a": "{{\\"api_key_2\\": \\"{x}\\"}}"}}', "key"),
    ('password = """{hunter 2}"""\nuser = "ann"', "key"),
    ("password = '''{it's}'''", "key"),
    ('password: str = "{hunter2}"', "key"),
    ("def f(password: Optional[str] = '{hunter2}', user: str = 'ann'):", "key"),
    ('let password: &str = "{hunter2}";', "key"),
    (
        "password: |\n  {hunter2}\n  {second}\nuser: ann".replace("}\n  {", "\n  "),
        "key",
    ),
    ("password_confirmation={hunter2}&user=ann", "key"),
    ('{{"Name": "db", "SecretString": "{hunter2}"}}', "key"),
    ('{{"passphrases": "{hunter2}"}}', "key"),
    ("API key: `{abc123def}`.", "key"),
    ("const apiKey = `{abc123def}`;", "key"),
    ("Command '['x', '--api-key', '{abc123}', '-v']' returned 1", "key"),
    ('["x", "--db-password", "{hunter2}"]', "key"),
    ("- name: DB_PASSWORD value: '{hunter2}'", "key"),
    ("ansible_become_pass: {hunter2}", "key"),
    ("ansible_ssh_pass={hunter2}", "key"),
    ("curl -su ada:{hunter2} https://example.com", "basic-credentials"),
    ("curl -uada:{hunter2} https://example.com", "basic-credentials"),
    ("['curl', '-u', 'ada:{hunter2}', 'https://example.com']", "basic-credentials"),
    ("curl -b 'sid={abc; a=b}' https://example.com", "cookie"),
    ("curl --cookie sid={abc}", "cookie"),
    ("mysql -uroot -p{hunter2} db", "password"),
    ("CompletedProcess(args=['mysql', '-p{hunter2}'], returncode=0)", "password"),
    ("sshpass -p {hunter2} ssh ann@example.com", "password"),
    ("docker login -u ann -p {hunter2} example.com", "password"),
    ("['docker', 'login', '-u', 'ann', '-p', '{hunter2}']", "password"),
    ("redis-cli -h cache -a {hunter2} ping", "password"),
    ("openssl rsa -passin pass:{hunter2} -in k.pem", "password"),
    ("machine a.example.com login ann password {hunter2}", "netrc-password"),
    ("machine localhost login ann password {hunter2}", "netrc-password"),
    ("default login ann password {hunter2}\n", "netrc-password"),
    ("machine db port 21 login ann password {hunter2}", "netrc-password"),
    ("machine db\n\tlogin ann account b\n\tpassword {hunter2}", "netrc-password"),
    ('machine db login ann password "{hunter2}"', "netrc-password"),
    ("*:*:*:ann:{hunter2}", "password"),
    ("db:5433:shop:ann:{hunter2}\n", "password"),
    ("pooler.example.com:6543:postgres:ann:{hunter2}", "password"),
    ("machine a.example.com\n  login ann\n  password {hunter2}\n", "netrc-password"),
    ('form-data; name="password"\r\n\r\n{hunter2}\r\n--x', "key"),
    ('user: "ann" password: "{hunter2}"', "key"),
    ("user='ann' password='{hunter2}'", "key"),
    ("postgres://ann:{pa#ss/w}@db.example.com/x", "url-password"),
    ("redis://:{pa/ss}@cache:6379", "url-password"),
    ("requests.get(url, auth=('ann', '{hunter2}'))", "key"),
    ('httpx.Client(auth = ("ann@example.com", "{hunter 2}"), timeout=3)', "key"),
    ("{{'auth': ('ann', '{hunter2}'), 'timeout': 3}}", "key"),
    ('{{"auth": ["", "{hunter2}"]}}', "key"),
    ("session.auth = (user, '{hunter2}')", "key"),
    ("HTTPBasicAuth('ann', '{hunter2}')", "key"),
    ('smtp.login("ann@example.com", "{hunter2}")', "key"),
    ("smtp.login(user, '{hunter2}')", "key"),
    ("<user>ann</user><password>{hunter2}</password>", "key"),
    ("<ns:apiKey>\n{hunter2}\n</ns:apiKey>", "key"),
    ('<db_password type="string">{hunter2}</db_password>', "key"),
    ("<password><![CDATA[{a<b}]]></password>", "key"),
    ('<input type="password" name="p" value="{hunter2}">', "key"),
    ("<input value='{hunter2}' name='p' type='password'/>", "key"),
    ("CREATE USER ann IDENTIFIED BY '{hunter2}'", "key"),
    ("create user 'ann'@'%' identified by \"{hunter2}\" account lock", "key"),
    ("ALTER USER ann IDENTIFIED WITH sha2 BY '{it''s}' REPLACE x", "key"),
    ("CREATE ROLE ann LOGIN PASSWORD '{hunter2}' VALID UNTIL 'x'", "key"),
    ("alter role ann with encrypted password '{hunter2}'", "key"),
    ('<property name="password" value="{hunter2}"/>', "key"),
    ('<add key="ApiKey" value="{hunter2}"/>', "key"),
    ('<string name="api_key">{hunter2}</string>', "key"),
    ("kind: Secret\ndata:{\n  user: YW5u\n  conn: |\n    eA==}\nkind: x", "key"),
    ("  kind: Secret\n  stringData:{\n    conn: x}\n  metadata:\n    n: x", "key"),
    ('{{"kind": "Secret", "data": {{{"conn": "eA=="} }}, "type": "x"}}', "key"),
    ('{{"data": {{{\n "a": "b",\n "c": "d"}\n}}, "kind":"Secret"}}', "key"),
    (
        '{{"conn": {{"value": "{hunter2}", "type": "string", "sensitive": true}}}}',
        "key",
    ),
    ('{{"auths": {{"ghcr.io": {{"auth": "{dXNlcjpwYXNzMTIz}"}}}}}}', "key"),
    ('{{"a": "{{\\"auth\\": \\"{dXNlcjpwYXNzMTIz}\\"}}"}}', "key"),
    ("_auth={dXNlcjpwYXNzd29yZA==}\nalways-auth=true", "key"),
    ("//npm.example.com/:_auth = {dXNlcjpwYXNzMTIz}", "key"),
    ("//npm.example.com/:_authToken={8f3a9c2e-1b7d}", "key"),
    (f"npm config set //npm.example.com/:_authToken {{{MIX}abc}}", "key"),
    (f"aws configure set aws_secret_access_key {{{AWS_SECRET}}} --profile x", "key"),
    ("CREATE USER scott IDENTIFIED BY {tiger};", "password"),
    ("ALTER USER scott IDENTIFIED BY {tiger2} ACCOUNT UNLOCK", "password"),
    ("CREATE LOGIN ann WITH PASSWORD = N'{hunter2}';", "key"),
    ("htpasswd -b /etc/nginx/.htpasswd ann {hunter2}", "password"),
    ("htpasswd -bnB ann '{hunter 2}'", "password"),
    ("mysql -u root -p'{hunter 2}' -e 'show tables'", "password"),
    ("sshpass -p '{hunter 2}' ssh ann@example.com", "password"),
    ("twine upload -u ann -p {hunter2} dist/*", "password"),
    ("unzip -P {hunter2} x.zip", "password"),
    ("keytool -list -storepass {changeit} -alias x", "password"),
    ('gh secret set API_KEY --body "{hunter 2}"', "password"),
    ("http -a ann:{hunter2} GET https://example.com", "password"),
    ('curl -u "ann:{hunter 2}" https://example.com', "basic-credentials"),
    ("curl -u :{8f3a9c2e} https://example.com", "basic-credentials"),
    ("curl --oauth2-bearer {8f3a9c2e1b7d} https://example.com", "key"),
    ("redis-server --requirepass {hunter2} --port 6379", "key"),
    ("redis-cli --pass {hunter2} PING", "key"),
    ("gpg --batch --passphrase {hunter2} -d x.gpg", "key"),
    ("SECRET_KEY_BASE={8f3a9c2e}", "key"),
    ("PresharedKey = {FpCyhws9cxwWoV4xELtfJvjJN}", "key"),
    ('seed_phrase = "{abandon ability able}"', "key"),
    ('~ "DB_PASSWORD" = "{hunter2}"', "key"),
    ('environment = [{{ name = "DB_PASSWORD", value = "{hunter2}" }}]', "key"),
    ('+ name  = "auth.password"\n      + value = "{hunter2}"', "key"),
    (
        '"Name": "/prod/db/password",\n "Type": "SecureString",\n "Value": "{x}"',
        "key",
    ),
    ('{{"password": {{"S": "{hunter2}"}}, "age": {{"N": "42"}}}}', "key"),
    ('[{{"name": "sid", "value": "{x}", "path": "/", "httpOnly": true}}]', "key"),
    (
        "{{'httpOnly': False, 'name': 'sid', 'value': '{8f3a}'}}, {{'value': 'x'}}",
        "key",
    ),
    ("<RequestsCookieJar[<Cookie sid={8f3a9c2e} for example.com/>]>", "key"),
    (
        "https://a.b/k?AWSAccessKeyId=X&Signature={8f3a9c2e1b7d4a6f8f3a9c2e1b7%3D}",
        "url-signature",
    ),
    (
        "https://a.b/o?GoogleAccessId=x@y&Signature={8f3a9c2e1b7d4a6f8f3a9c2e%2B%3D}",
        "url-signature",
    ),
    (
        "https://a.b/x?Signature={nitfHRCrtziwO2HwPfWw~yYDh-}&Key-Pair-Id=APKAEXAMPLE",
        "url-signature",
    ),
    ("jdbc:oracle:thin:scott/{tiger}@//db.example.com:1521/ORCL", "password"),
    ("sqlplus -s scott/{tiger}@localhost:1521/XE @query.sql", "password"),
    (f"git clone https://{{{MIX * 3}}}@dev.azure.com/acme/_git/app", "url-password"),
    (f"GET /data/2.5/weather?q=Rome&appid={{{'0a1b2c3d' * 4}}}&units=x", "key"),
    (f"wss://mainnet.infura.io/ws/v3/{{{'0a1b2c3d' * 4}}}", "key"),
    (f"https://eth-mainnet.g.alchemy.com/v2/{{{MIX + MIX[:15]}}}", "key"),
    (f"hash $2b$12${{{'./A0z' * 10}abc}}, rounds 12", "password-hash"),
    (f"root:$6$q9.Xz/a${{{'aB3./' * 17}c}}:19700:0:99999:7:::", "password-hash"),
    (f"$5$rounds=5000$salt${{{'aB3./' * 8}aB3}}", "password-hash"),
    (f"$argon2id$v=19$m=65536,t=3,p=4${MIX}${{{MIX * 2}+/}}", "password-hash"),
    (".example.com\tTRUE\t/\tFALSE\t1893456000\tsid\t{a%20b}\n# end", "cookie"),
    ("x\na.example\tFALSE\t/app\tTRUE\t0\t__Host-a\t{k=v|w}", "cookie"),
    ("# .pgpass\ndb.example.com:5432:shop:ann:{hunter2!}\n", "password"),
    ("localhost:5432:*:postgres:{x}", "password"),
    ("echo {hunter2} | sudo -S apt update", "password"),
    ("sh -c \"echo '{hunt er2}' | sudo -kS ls\"", "password"),
    ("printf '{hunter2\\n}'|sudo -k -S ls /root", "password"),
    ("sudo -S ls /root <<< '{hunter2}'", "password"),
    ("sudo -S -p '' ls <<<{hunter2}; ls", "password"),
    (
        "INSERT INTO users (name, password) VALUES ('ann', '{hunter2hunter2}')",
        "key",
    ),
    (
        "insert into `users` (`id`,`api_key`,`b`)\n  values (1,'{8f3a9c2}','k1')",
        "key",
    ),
]


@pytest.mark.parametrize(("text", "kind"), ASSIGNED)
def test_values_of_secret_names_in_text(text, kind):
    """A value that a text gives to a secret's name is replaced; the name stays."""
    plain = text.replace("{{", "\0").replace("}}", "\1")
    before, _, rest = plain.partition("{")
    secret, _, after = rest.rpartition("}")
    wanted = f"{before}[redacted:{kind}]{after}"

    value, notes = redacted(restored(before + secret + after))

    assert restored(wanted) == value
    assert [kind] == kinds(notes)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            '{"passwords": ["a", "b", "", "c"], "users": ["ann", "bob"]}',
            '{"passwords": ["KEY", "KEY", "", "KEY"], "users": ["ann", "bob"]}',
        ),
        (
            '{\n  "secrets": [\n    "a",\n    "b"\n  ],\n  "n": 1\n}',
            '{\n  "secrets": [\n    "KEY",\n    "KEY"\n  ],\n  "n": 1\n}',
        ),
        (
            r'{"x": "{\"passwords\": [\n  \"a\",\n  \"b\"]}", "y": ["c", "d"]}',
            r'{"x": "{\"passwords\": [\n  \"KEY\",\n  \"KEY\"]}", "y": ["c", "d"]}',
        ),
        (
            "f(secrets=('a', 'b'), to=('c', 'd'))",
            "f(secrets=('KEY', 'KEY'), to=('c', 'd'))",
        ),
        (
            "passwords:\n  - hunter2\n  - 'hunter3'\n  - ann\nhosts:\n  - host1\n",
            "passwords:\n  - KEY\n  - 'KEY'\n  - ann\nhosts:\n  - host1\n",
        ),
        (
            '"api_keys":\r\n- 8f3a9c2e\r\n- "0a1b2c3d"\r\n- name: x1y2',
            '"api_keys":\r\n- KEY\r\n- "KEY"\r\n- name: x1y2',
        ),
        (
            "f(cookies={'a': '8f3a9c', 'b': 'dark', 'c': '0a1b2c'}, a={'c': 'd1e2f3'})",
            "f(cookies={'a': 'KEY', 'b': 'dark', 'c': 'KEY'}, a={'c': 'd1e2f3'})",
        ),
        (
            '~ "DB_PASSWORD" = "hunter1" -> "hunter2"\n"A" = "b" -> "c"',
            '~ "DB_PASSWORD" = "KEY" -> "KEY"\n"A" = "b" -> "c"',
        ),
    ],
)
def test_lists_of_secrets_in_text(text, wanted):
    """Of a list of secrets each is taken out, of the list behind it none."""
    value, notes = redacted(text)

    assert wanted == value.replace("[redacted:key]", "KEY")
    assert wanted.count("KEY") == len(kinds(notes))


COLUMNS = [
    (
        "|user | password | a|\n|---|:--:|---|\n| ann| `hunter2` | a1b2 |\n\nhunter3",
        "|user | password | a|\n|---|:--:|---|\n| ann| `KEY` | a1b2 |\n\nhunter3",
    ),
    (
        "id | password  | a\n---+-----------+----\n 1 | hunter2   | a1@b\n(1 row)",
        "id | password  | a\n---+-----------+----\n 1 | KEY   | a1@b\n(1 row)",
    ),
    (
        "+----+---+\n| id | api_key |\n+----+---------+\n| 1 | 8f3a9c2 |\n+---+",
        "+----+---+\n| id | api_key |\n+----+---------+\n| 1 | KEY |\n+---+",
    ),
    (
        'id,password,email\r\n1,hunter2,a1@b\r\n2,"hunt,er2","x,y"\r\n\r\n3,hunter4,z',
        'id,password,email\r\n1,KEY,a1@b\r\n2,"KEY","x,y"\r\n\r\n3,KEY,z',
    ),
    (
        ",user,password\n0,ann,hunter2\n\nsaid,twice\n1,bob,hunter3",
        ",user,password\n0,ann,KEY\n\nsaid,twice\n1,bob,KEY",
    ),
    (
        f"Access key ID,Secret access key\nAKIDEXAMPLE1,{AWS_SECRET}",
        "Access key ID,Secret access key\nAKIDEXAMPLE1,KEY",
    ),
    ("user\ttoken\nann\t" + MIX + "\nbob\tBTC2", "user\ttoken\nann\tKEY\nbob\tBTC2"),
    ("name|password\nann|hunter2", "name|password\nann|KEY"),
    (
        "INSERT INTO u(password, a)\nVALUES\n ('hunter2', 'b1'), ('i''s4',5),(NULL,1);",
        "INSERT INTO u(password, a)\nVALUES\n ('KEY', 'b1'), ('KEY',5),(NULL,1);",
    ),
    (
        "INTO u (password, a) VALUES ('a1,b2', 'c'), ('a1b2', 'c'), (1), ('a1b2', f())",
        "INTO u (password, a) VALUES ('KEY', 'c'), ('KEY', 'c'), (1), ('KEY', f())",
    ),
    (
        "INTO u ([password], b) Values (N'it''s (2)'::text, f()), ('a1\\'b2', '(''x,')",
        "INTO u ([password], b) Values (N'it''s (2)'::text, f()), ('KEY', '(''x,')",
    ),
    (
        "q = \"INTO u (b, password) VALUES (f(')', 2),\n crypt('a1b2', g('bf')))\"",
        "q = \"INTO u (b, password) VALUES (f(')', 2),\n crypt('KEY', g('bf')))\"",
    ),
    (
        r'"INTO u (b, password) VALUES (\"a, b\", \"a1b2\"), (NULL, \"c3d4\")"',
        r'"INTO u (b, password) VALUES (\"a, b\", \"KEY\"), (NULL, \"KEY\")"',
    ),
]


@pytest.mark.parametrize(("text", "wanted"), COLUMNS)
def test_columns_of_secrets(text, wanted):
    """Of a table or CSV what stands below the name of a secret is taken out."""
    value, notes = redacted(text)

    assert wanted == value.replace("[redacted:key]", "KEY")
    assert wanted.count("KEY") == len(kinds(notes))


def restored(text):
    """Return a text of the table with its own braces."""
    return text.replace("\0", "{").replace("\1", "}")


# -- what stays ---------------------------------------------------------------------

STAYS = [
    # prose
    "the secret of success is patience",
    "Password reset email sent",
    "The password: must have 8 letters",
    "password: required",
    "Invalid password: incorrect.",
    "Your token limit: 4096",
    "The bearer of bad news",
    "Bearer authentication is required for this endpoint",
    "Basic understanding of Python, Basic JavaScript, Basic authentication",
    "authorization: the process of granting access",
    "Authorization is pending: ask an admin",
    "cookie: chocolate chip and oatmeal",
    "key: value, keys: many, keyboard: qwerty, monkey: see, secretary: Ann",
    "passenger: 12A, author: Knuth, authors: many, tokenizer: bpe",
    "risk-adjusted-returns-2024-and-beyond of task-based desk-research-2024-q1",
    "a mask-like ask-me-anything-session-number-12345",
    "Sk-learn and sk-fading-circle-animation-class are no keys",
    "call me at 555-0100, or write to ann@example.com",
    "ratio 3:4 at 12:30:45 on 2024-01-01T00:00:00Z",
    "see https://example.com/a?b=c#d and http://localhost:8080/x@y",
    "git+ssh://git@github.com/org/repo.git@v1.0",
    "mailto:ann@example.com?subject=hi",
    "read https://hooks.slack.com/services/ and https://api.telegram.org/bots",
    "https://discord.com/api/webhooks/{id}/{token}, ratio 1234567:AABB",
    "https://example.com/?sig=short&signature=of-the-method",
    "curl -u ada https://example.com; docker run -u 1000:1000 x; and curl --url http://localhost:8080/",
    "password: `required`, token: `string`, `api_key`: `your-api-key`",
    "npm_config_registry, ntn_agenda, r8_x, figd_up and lin_api_version",
    "Q: what is the API key? A: it opens the API",
    # numbers, ids, hashes
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "request 123e4567-e89b-12d3-a456-426614174000 done",
    "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
    "token=0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "arn:aws:iam::123456789012:user/Development/product_1234/*",
    "QUtJQUlPU0ZPRE5ON0VYQU1QTEVzazEyMzQ1Njc4OTBhYmNkZWY=",
    # agents' everyday text
    "max_tokens=4096, temperature=0.2, top_p=1",
    '{"max_tokens": 4096, "token_count": 17, "prompt_tokens": 3}',
    '{"author": "Ann", "session_id": "20240101_120000", "key": "value"}',
    "prompt_tokens: 12, completion_tokens: 30, total_tokens: 42",
    "token=BTC, base_token=USDC, quote_token='WETH'",
    "next_token=AAAAbbbb1111cccc2222, page_token: AAAAbbbb1111cccc2222",
    "symbol=BTCUSDT&interval=4h&limit=500",
    "BTC/USDT: 43120.50 (+2.1%), ETH/USDT: 2310.10 (-0.4%)",
    "model=claude-haiku-4-5-20251001 gpt-4o-mini-2024-07-18 text-embedding-3-large",
    "tool_call_id=call_abc123DEF456ghi789JKL012 msg_01XFDUDYJgAACzvnptvVoYEL",
    "chatcmpl-123abc456DEF789ghi012JKL345mno",
    "ai-driven, at-the-money, half-hearted: hf_dataset_loader, hub-pat-terns",
    # code
    "sorted(rows, key=lambda row: row.token)",
    '{"name": "symbol", "value": "BTC"}, {"name": "token", "value": "ETH"}',
    '{"name": "password", "value": ""}, {"key": "sort_key", "value": "price"}',
    "- name: password\n  valueFrom:\n    secretKeyRef: x",
    "first_pass: gpt-4o-mini, bypass: abc123def, pass: test_case_1",
    '<a accesskey="n" href="x.html">Next</a>',
    "def connect(user: str, password: str, token: Optional[str] = None) -> None:",
    "connect(password=password, api_key=self.api_key, token=settings.token)",
    "client = OpenAI(api_key=os.environ['OPENAI_API_KEY'])",
    "password = getpass.getpass()",
    "password = read_password(user)",
    "api_key=db_api_key",
    "token = tokens[i]",
    'token: "word"',
    "password=None, secret=null, token=undefined",
    "password=${DB_PASSWORD} secret=$SECRET token={token} api_key=<your key>",
    "api_key=YOUR_API_KEY, api_key='your-api-key-here', password=***",
    'password="{password}"',
    "this machine shows the login page password reset, default login: admin",
    "a.py:543:main:error:x1, b.py:5401: in f:g:h, crontab: 0 5 * * *:a:b:c1, *:*:a",
    "cookie: chocolate chip; oatmeal, a = b\ncookies: many; more",
    f"see http://localhost:8080/{'a' * 300}@b and http://a:{'b' * 300}/c@d",
    "INSERT INTO u (password, n) VALUES (md5sum1(x), 'a1b2'), ('at first, a1', 'a",
    "(name, password) Values of 2024 (users1, see 'a') and (a, b1c2d3",
    "['x', '--token', '--verbose', '--api-key', '-v']",
    "args:\n- --no-token\n- --verbose1\n- --api-key\n- required\n- --token\n\n- a1b2",
    "['--api-key',\n '-v1234', '--model.key', '--max_tokens', 'a1b2c3']\n--token\na1b2",
    "--model.name gpt-4o-mini-2024-07-18 --max_tokens 4096 --keyboard a1",
    "[password]: https://example.com/x1y2\n[api-key]: <https://a.b/c1d2>",
    "seen[password] = hashed\nlengths[token]=12\nuser[name]=a1b2c3&tokens[]=BTC",
    "filter%5Btoken%5D=BTC&page%5Bsize%5D=100&fields%5Btoken_count%5D=4096a",
    'password="{os.environ[\'PW\']}" secret=\'{{ lookup("env", "A") }}\' token=%(t)s',
    "password = '%s:%s' % (a, b); password='$USER:$PASS', secret='<the secret>'.",
    "password = read(a,\n  b); secret = ask('a' +\n'b'), api_key = keys[\n0]",
    "password=$(cat ~/.pw | head -1) secret=${{ secrets.A }} pwd: // see below",
    '{"password": "xxxxxxxx", "secret": "...", "token": "****-****", "pwd": "%s"}',
    "password='your-password', secret='YOUR_SECRET.' api_key=\"...\"",
    "Authorization: Bearer ${TOKEN}",
    "f'Bearer {token}'",
    "required = ['name', 'password', 'email']",
    "PWD=/home/ann",
    "secret://kv/data/x",
    "arn:aws:secretsmanager:us-west-2:123456789012:secret:production-1a2b3c",
    '{"credentials": {"user": "ann"}, "secrets": [], "cookies": ()}',
    '{"password": {\n  "type": "string"}}',
    "start_token: Token  # at which it begins",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "| a | b |\n|-----|-----|\n-----BEGIN-----",
    "He changed his password 12:30:45 hours ago, his secret 2024: none",
    "password: unchanged, status='ok'",
    "description   = 'text', confirmation: sent, library: numpy, string: 'abc'",
    'password: str = ""',
    "password: | or its hash",
    "x-----y__init____name__ __tokens__",
    "--verbose --max-tokens 100 --key-file x.pem",
    "eyJhbGciOiJIUzI1NiJ9 has no dot",
    "sk-short, ghp_short, AKIASHORT, hf_short, SG.short.short, xoxb-1",
    "docker run -p 8080:80 x; ssh -p 22 x; mkdir -p /a/b; mysql -p, then type it",
    "key-value, secret_access_key_id_of_the_user, cookies -b cookies.txt, login.html",
    "image registry.example.com:5000/team/app@sha256, http://localhost:8080/a@b",
    "md5 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d in us-east-1, hvs.short and ya29.short",
    "self._cookie = cookie; self.pwd = pwd\nnew_secrets = secrets\n",
    "def ask(prompt='Password: ', stream=None, other=\"Your API key: \", more=1):",
    "[redacted:openai-key] password=[redacted:key] Bearer [redacted:bearer-token]",
    "username, password = auth",
    "ACCESS_KEY = 'AWS_ACCESS_KEY_ID'",
    "headers['Authorization'] = signature\n",
    "'Cookie': 'http.cookies', 'cookielib': 'http.cookiejar'",
    "secrets: SecretsCollection",
    "requests.get(url, auth=('user', password), proxies=('a', 'b'))",
    "auth=('', ''), author=('Ann', 'Bob'), authors = ('Ann', 'Bob')",
    "login('ann'), log.login(user, password), blogin('a', 'b')",
    "<password></password><token>BTC</token><b>password</b><tokens>12</tokens>",
    '<input type="password" name="value" value=""> <input type="text" value="x">',
    "<password>${DB_PASSWORD}</password>",
    "the password 'must be long', says he; a user's password is secret, isn't it",
    "ALTER ROLE ann PASSWORD NULL; DROP USER 'ann'; sorted by 'price'",
    "CREATE USER ann IDENTIFIED BY '${PASSWORD}'",
    '<property name="symbol" value="BTC"/> <string name="title">Key</string>',
    "kind: SecretStore\ndata:\n  a: b\n",
    "kind: Secret\nmetadata:\n  name: x\ntype: Opaque\n",
    '{"kind": "Secret", "metadata": {"name": "x"}, "data": {}}',
    "kind: ConfigMap\ndata:\n  a: b\n",
    "auth = get_auth(), auth=basic_auth, 'auth': 'required', auth_mode=oauthbearer",
    '{"auth": "bm90aGluZyBpbiBpdA==", "auth2": "0a1b2c3d4e5f6a7b", "author": "YTpi"}',
    "| model | token count | max_tokens |\n|---|---|---|\n| haiku | 1234 | 40960000 |",
    "| login | API key | password |\n|---|---|---|\n| yes | OPENAI_API_KEY_2 | none |",
    "| password | type | see |\n|---|---|---|\n| at least 8 | str | https://a.b/c1 |",
    "| Parameter | Type |\n|---|---|\n| password | varchar64 |\n| token | int64 |",
    "| Secret | Used by |\n|---|---|\n| db-login-v2 | app1 |\n\n| a | b | password",
    "token,price,volume\nBTC,43120.50,1200\n1INCH,2310.10,54000",
    "token,count\nthe,1234\ncovid19,12\n",
    ", and the password\nof 5,users12\n",
    ",password reset,users\n1,done at 12:30,5\n2,not yet,users1",
    "First,the password\nand then 8 characters,x\n",
    "Passwords:\n- use 12 characters\n- never\n- [rules](https://a.b/1)\n",
    "secrets:\n  - db_password\n  - source: cert1\n  - api-key-2\ntokens:\n- a1b2c3",
    '"cookies": {"theme": "dark"}, "credentials": {"region": "us-east-1", "a": "b1c2"}',
    "permissions:\n  id-token: write\n  contents: read\nsecrets: inherit\n",
    "token: XXXXX-XXXXX-XXXXX, authorization: [secure], password=[FILTERED]",
    "IDENTIFIED BY THE POLICE; CREATE USER x IDENTIFIED EXTERNALLY; identified by id",
    "ALTER USER x IDENTIFIED BY VALUES; aws configure set region us-east-1 --profile x",
    "aws configure set aws_access_key_id X; npm config set registry https://npm.example",
    "aws_secret_access_key of the account, access-key rotation-of-the-secrets-of-all",
    "gzip -9 x; zip -r x.zip a -x b; htpasswd -c .htpasswd ann; http --auth-type jwt a",
    "gh pr create --body 'all good'; ffmpeg -pass 2; --bypass 12345; --two-pass 2024a",
    "https://a.b/x?AWSAccessKeyId=X&Signature=short; Key-Pair-Id=APKA; user_Id=5",
    'name = "symbol"\nvalue = "BTC"\nname = "password"\nvalue = compute(x)',
    '[{"name": "sid", "value": "x"}, {"httpOnly": true}], {"Type": "SecureString"}',
    '"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUNMRENDQWRLZ0F3SUJBZ0lCQURBS0Jn"',
    "database: app1, DATABASE=app1, knowledge_base: kb12345, <Cookie sid=1>",
    '{"password": {"N": "5"}}, {"password": {"S": ""}}, a -> "b"',
    "jdbc:oracle:thin:@//db:1521/ORCL, mail a/b@example.com, https://db:1521/a/b@c",
    "https://ann@dev.azure.com/acme, appid=wx0a1b2c3d, https://a.infura.io/docs/v3/",
    "$2.50 a piece, $6$, sed 's/a/$1$2$3/', $2b$12$short, $argon2id$ is a scheme",
    "A\tTRUE\tB\nE\t/home\tROOT\t12\tname",
    "grep: a.py:5432:12:error:here's one",
    "127.0.0.1:5432:5432, db:5432:shop:ann:$PGPASSWORD, postgres://db:5432/shop",
    "echo y | sudo pacman -S vim; echo $PW | sudo -S ls; echo a; sudo -S ls < pw.txt",
    "echo on | sudo tee /sys/power/state; printf 'a b' | sort -S 50%",
    "INSERT INTO users (name, password) VALUES (?, ?), (%s, %s), ('ann', '{password}')",
    "INSERT INTO u (name, password_hint) VALUES ('ann', 'dog1dog2'), ('a', 'b1b2')",
    "UPDATE t SET a = f(password) VALUES (x), values (1, 'password1')",
    "gcloud run deploy a --set-secrets=API_KEY=api-key-2:latest,/x/y=tls-secret-1:3",
    "gcloud run deploy a --update-secrets DB_PASSWORD=db-password-1:latest --quiet",
    "gcloud secrets versions access latest --secret=db-password-2024 --project p",
    "gcloud secrets versions access 3 --secret db-password-2024",
    "docker build --secret id=npmrc2024,src=/x .; docker build --secret=id=a1b2c,env=A",
    "user: name=ann update_password=on_create\n- user:\n    update_password: on_create",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_stays(text):
    """Prose, ids, hashes, everyday parameters and code are recorded as they are."""
    assert (text, []) == redacted(text)
    assert ({"x": [text]}, []) == redacted({"x": [text]})


@pytest.mark.parametrize("text", STAYS[23:49])
def test_ordinary_text_takes_the_short_way(text):
    """Ids and the everyday text of agents are not even suspected."""
    assert Capture(Limits(), Redaction()).plain({"text": text}) is not None


# -- names of keys ------------------------------------------------------------------

SECRET_KEYS = """
user[password] user[session][api_key] password[]
password passwd passphrase pwd secret secrets api_key apikey apiKey APIKey api-key
x-api-key X-Api-Key access_token accessToken refresh_token id_token auth_token
oauth_token bearer_token session_token authorization Authorization AUTHORIZATION
proxy-authorization Proxy-Authorization cookie Cookie cookies set-cookie Set-Cookie
private_key privateKey client_secret clientSecret credentials credential
connection_string connectionString ConnectionString openai_api_key OPENAI-API-KEY
OPENAI_API_KEY_2 OPENAI_API_KEY_17 api_key_2024 passphrases password_confirmation
SecretString SecretBinary dbPassword DB_PASSWORD db.password user_password newPassword
password1 passwords DB_PASS smtpPass user-pass AWS_SECRET_ACCESS_KEY
aws_secret_access_key SecretAccessKey secret_key
access_key signing_key encryption_key master_key webhook_secret jwt_secret pAsSwOrD
""".split()

OPEN_KEYS = """
max_tokens token_count tokens prompt_tokens total_tokens author authors session_id key
keys keyboard monkey turkey secretary passenger password_hint password_length
secret_name primary_key cache_key sort_key foreign_key public_key key_id
private_key_id tokenizer authorized authority cookie_count next_token page_token
bypass compass first_pass pass symbol price name
""".split()


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_secret_keys(key):
    """The value of a secret's name is replaced wherever it stands; the key stays."""
    assert {key: "[redacted:key]"} == redacted({key: "opaque"})[0]
    assert [{"a": {key: "[redacted:key]"}}] == redacted([{"a": {key: "opaque"}}])[0]
    assert {key: "[redacted:key]", "x": "<object>"} == redacted(
        {key: b"opaque", "x": object()}
    )[0]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_secret_keys_of_fields(key):
    """A context, a log or a meta whose name is a secret's is taken out, with a note."""
    text, notes = Capture(Limits(), Redaction()).fields({key: "opaque"}, "$.context")

    assert {key: "[redacted:key]"} == json.loads(text)
    note = {"path": f"$.context.{key}", "note": "redacted", "kind": "key"}
    assert [note] == notes


@pytest.mark.parametrize("key", OPEN_KEYS)
def test_open_keys(key):
    """Keys that only look like those of secrets keep their values."""
    value = {key: "8f3a9c2e-opaque-text"}

    assert (value, []) == redacted(value)
    assert Capture(Limits(), Redaction()).plain(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        {"api_key": None, "secret": True, "cookie": "", "credentials": {}},
        {"api_key": 5, "token": 17, "token_secret": 0.5},
        {"token": "BTC", "base_token": "USDC", "new_token": " the"},
        {"token": "understanding", "token_1": ["a", "b"]},
        {"token": "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"},
        {"pwd": "/home/ann"},
        {"properties": {"password": {"type": "string", "minLength": 8}}},
        {"secret": {"type": "string", "default": "", "example": None}},
    ],
)
def test_values_that_are_no_secrets(value):
    """Flags, numbers, words, symbols, schemas and what is empty stay readable."""
    assert (value, []) == redacted(value)


@pytest.mark.parametrize(
    "value",
    [
        {"password": 1234},
        {"token": "8f3a9c2e"},
        {"credentials": {"a": "b"}},
        {"db_password": {"sensitive": True, "type": "string", "value": "hunter2"}},
        {"secret": {"type": "string", "data": "hunter2"}},
        {"password": {"type": "string", "default": "hunter2"}},
    ],
)
def test_values_that_may_be_secrets(value):
    """A number may be a password, a token is drawn, a container may hold anything."""
    (key,) = value

    assert {key: "[redacted:key]"} == redacted(value)[0]


def test_when_ansible_sets_a_password_is_none():
    """In Ansible's word ``update_password`` says when; else it is a password."""
    module = {"name": "ann", "update_password": "on_create", "password": "opaque"}

    expected = {**module, "password": "[redacted:key]"}
    assert expected == redacted(module)[0]
    assert "[redacted:key]" == redacted({"update_password": "opaque"})[0].popitem()[1]


def test_a_key_without_a_value_does_not_stop_the_short_way():
    """An empty or counted value of a secret's name costs no long way."""
    capture = Capture(Limits(), Redaction())

    assert '{"token":5,"api_key":null}' == capture.plain({"token": 5, "api_key": None})


@pytest.mark.parametrize(
    ("name", "value"), [("name", "value"), ("key", "value"), ("Key", "Value")]
)
def test_headers_as_objects(name, value):
    """An object that names its value is read as a header, on both ways."""
    headers = [{name: "Authorization", value: "opaque"}, {name: "Host", value: "x"}]
    plain = {name: "symbol", value: "opaque"}

    for _ in range(2):
        found, notes = redacted(headers)
        assert [{name: "Authorization", value: "[redacted:key]"}, headers[1]] == found
        path = f"$.context[0].{value}"
        assert [{"path": path, "note": "redacted", "kind": "key"}] == notes
        assert (plain, []) == redacted(plain)
    assert "[redacted:key]" == redacted([*headers, object()])[0][0][value]


@pytest.mark.parametrize("name", [b"password", b"X-Api-Key", b"x" * 9_999 + b"_token"])
@pytest.mark.parametrize("value", ["opaque12", b"opaque12"])
def test_headers_as_objects_in_bytes(name, value):
    """What an object calls its value in bytes counts like a text."""
    found, notes = redacted({"name": name, "value": value, "path": "/"})

    assert ("[redacted:key]", "/") == (found["value"], found["path"])
    assert "redacted" in [note["note"] for note in notes]
    assert "opaque" not in str(redacted({"Name": name, "Value": value})[0])
    assert "opaque12" == redacted({"name": b"symbol", "value": "opaque12"})[0]["value"]


def test_headers_as_objects_are_seen_after_others_of_the_same_keys():
    """What the same keys said before, in an object that names nothing, is not kept."""
    capture = Capture(Limits(), Redaction())
    for harmless in [{"name": 5, "value": "x"}, {"name": "a"}, {"value": "x"}]:
        assert capture.plain(harmless) is not None

    assert capture.plain({"name": "cookie", "value": "sid=1"}) is None
    assert capture.plain({"value": "sid=1", "name": "cookie"}) is None


def test_the_name_of_a_value_may_itself_be_a_secret():
    """A further name that is spelled as the key of a value counts as any other."""
    capture = Capture(Limits(), Redaction(keys=["value"]))

    assert capture.plain({"value": "hunter2"}) is None
    assert capture.plain({"value": "hunter2", "name": "symbol"}) is None


@pytest.mark.parametrize(
    "name", [*_secret_names._PASSWORDS, *_secret_names._SECRETS, "token"]
)
@pytest.mark.parametrize("number", ["", "2", "_17", "_2024"])
def test_no_name_is_missed_by_the_quick_look(name, number):
    """Whatever the name of a key says, the quick look at all keys sees it."""
    for key in (name, name.upper(), f"x_{name}"):
        assert Redaction().key_kind(f"{key}{number}", "8f3a9c2e") == "key"
        assert not Redaction().are_plain({f"{key}{number}": "8f3a9c2e"}, set())


@pytest.mark.parametrize(
    ("command", "redaction"),
    [
        (["mysql", "--pwd", "hunter2", "--host", "db"], Redaction()),
        (["atm", "--pin", "47", "--host", "db"], Redaction(keys=["pin"])),
        (["atm", "--k", "47", "--host", "db"], Redaction(keys=["k"])),
    ],
)
def test_short_options(command, redaction):
    """The shortest option that names a secret is seen, on both ways."""
    expected = [*command[:2], "[redacted:key]", *command[3:]]

    assert expected == redacted(command, redaction)[0]
    assert expected == redacted([command, object()], redaction)[0][0]


def test_a_private_key_in_lines():
    """Of a private key that is read line by line no line is recorded."""
    lines = ["The key:", *PEM.splitlines(), "and its owner"]
    value, notes = redacted({"lines": lines})

    assert ["The key:", "[redacted:private-key]"] == value["lines"][:2]
    assert {"[redacted:key]"} == set(value["lines"][2:-1])
    assert "and its owner" == value["lines"][-1]
    assert len(PEM.splitlines()) == len(kinds(notes))


def test_lines_behind_a_private_key_that_was_cut():
    """What cannot be of the key any more is recorded."""
    lines = [*PEM.splitlines()[:2], "if x(y):", "value", 5]

    assert ["if x(y):", "value", 5] == redacted(lines)[0][2:]


@pytest.mark.parametrize("parted", [urllib.parse.urlsplit, urllib.parse.urlparse])
def test_an_url_in_its_parts(parted):
    """The password of an URL that was taken apart is found as in the whole."""
    url = "https://ann:hunter2@example.com/a;b?c=d#e"

    value, notes = redacted({"url": parted(url)})
    assert {"url": url.replace("hunter2", "[redacted:url-password]")} == value
    assert ["url-password"] == kinds(notes)
    assert "hunter2" not in json.dumps(redacted([parted(url.encode())])[0])


@pytest.mark.parametrize("pair", [list, tuple])
@pytest.mark.parametrize("name", ["authorization", b"authorization", "X-Api-Key"])
def test_pairs_of_headers(pair, name):
    """A pair of a name and a value is read as a header."""
    value, notes = redacted([pair([name, b"opaque"]), pair(["host", "x"])])

    assert "[redacted:key]" == value[0][1]
    assert ["host", "x"] == value[1]
    assert [{"path": "$.context[0][1]", "note": "redacted", "kind": "key"}] == notes


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
def test_pairs_of_headers_made_of_text(name):
    """A pair of two texts is seen on the short way, too."""
    assert [[name, "[redacted:key]"]] == redacted([(name, "opaque")])[0]


COMMANDS = [
    (["mysql", "-psecret"], 1),
    (["/usr/bin/mysql", "-uroot", "-psecret", "db"], 2),
    (["mysql", "-h", "a" * 90, "-D", "b" * 90, "-psecret"], 5),
    (["curl", "-u", "a:b"], 2),
    (["curl", "-sSu", "ada:hunter 2", "https://example.com"], 2),
    (["curl", "https://example.com", "--user", "ada:'"], 3),
    (["curl", "-d", "a; b | c", "-uada:hunter2"], 3),
    (["curl", "-b", "sid=abc", "https://example.com"], 2),
    (["sshpass", "-p", "x"], 2),
    (["sshpass", "-p", "$x", "ssh", "-p", "22", "ann@example.com"], 2),
    (["sshpass", "-p", 1234, "ssh", "x"], 2),
    (["sudo", "-n", "sshpass", "-p", "x"], 4),
    (["docker", "login", "-u", "ann", "-p", "x", "example.com"], 5),
    (["redis-cli", "-a", "x", "ping"], 2),
    (["openssl", "rsa", "-passin", "pass:x"], 3),
    ([b"sshpass", b"-p", b"x"], 2),
]


@pytest.mark.parametrize("made", [list, tuple])
@pytest.mark.parametrize(("command", "at"), COMMANDS)
def test_short_options_of_command_lines(command, at, made):
    """In a list of words, too, what a short option gives is taken out."""
    shown, notes = redacted({"args": made(command)})
    others = [redacted(word)[0] for n, word in enumerate(command) if n != at]

    assert "[redacted:key]" == shown["args"].pop(at)
    assert others == shown["args"]
    assert {"path": f"$.context.args[{at}]", "note": "redacted", "kind": "key"} in notes


@pytest.mark.parametrize(
    "command",
    [
        ["ssh", "-p", "22", "ann@example.com"],
        ["mkdir", "-p", "/a/b"],
        ["mysql", "-p", "-u", "root"],
        ["docker", "run", "-p", "8080:80", "-u", "1000:1000", "x"],
        ["curl", "-o", "x", "-b", "cookies.txt", "https://example.com"],
        ["a", "-b", "c", 5, None, {"d": ["-p", "x"]}],
    ],
)
def test_other_short_options(command):
    """Short options that give no secret stay as they are."""
    assert (command, []) == redacted(command)


@pytest.mark.parametrize(
    "pair",
    [("ann", "hunter2"), ["", "hunter2"], "dXNlcjpwYXNzMTIz", "dXNlcjpwYXNzMQ=="],
)
@pytest.mark.parametrize("key", ["auth", "http_auth", "basic_auth", "proxy-auth"])
def test_names_and_passwords_for_a_client(key, pair):
    """Who signs in and with what, as HTTP clients take it, is taken out."""
    for capture in (Capture(Limits(), Redaction()) for _ in range(2)):
        assert capture.plain({key: "none"}) is not None
        assert capture.plain({key: pair}) is None

    assert {key: "[redacted:key]"} == redacted({key: pair})[0]


@pytest.mark.parametrize("name", ["data", "stringData"])
def test_secrets_of_kubernetes(name):
    """Whatever an object of the kind Secret holds is one."""
    found = {"kind": "Secret", name: {"conn": "eA=="}, "metadata": {"name": "x"}}
    other = {**found, "kind": "ConfigMap"}
    capture = Capture(Limits(), Redaction())

    assert capture.plain(other) is not None
    assert capture.plain(found) is None
    assert {**found, name: "[redacted:key]"} == redacted(found)[0]


def test_sensitive_outputs_of_terraform():
    """What Terraform calls sensitive is taken out, whatever its name."""
    output = {"conn": {"value": "x", "type": "string", "sensitive": True}}
    capture = Capture(Limits(), Redaction())

    assert capture.plain({"conn": {**output["conn"], "sensitive": False}}) is not None
    assert capture.plain(output) is None
    assert "[redacted:key]" == redacted(output)[0]["conn"]["value"]


def test_cookies_of_browsers():
    """What a browser says of a cookie tells that its value is one."""
    cookie = {"name": "sid", "value": "x", "path": "/", "httpOnly": True}
    other = {"name": "sid", "value": "x", "path": "/"}
    capture = Capture(Limits(), Redaction())

    assert capture.plain([other]) is not None
    assert capture.plain([cookie]) is None
    assert [{**cookie, "value": "[redacted:key]"}] == redacted([cookie])[0]
    assert capture.plain(other) is not None


class Word(str):
    """Text of a class of its own, as of headers and enums; it lies about itself."""

    __slots__ = ()

    def __eq__(self, other):
        return False

    def __hash__(self):
        return str.__hash__(self)

    def __str__(self):
        return "lie"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([(Word("Cookie"), "x"), ("Host", "y")], [["Cookie", "KEY"], ["Host", "y"]]),
        (
            [{"name": Word("X-Api-Key"), "value": "x"}],
            [{"name": "X-Api-Key", "value": "KEY"}],
        ),
        (
            {"kind": Word("Secret"), "data": {"a": "x"}},
            {"kind": "Secret", "data": "KEY"},
        ),
        (["a", Word("--password"), "x"], ["a", "--password", "KEY"]),
        ([Word("mysql"), Word("-psecret")], ["mysql", "KEY"]),
        ({"auth": ("ann", Word("x"))}, {"auth": "KEY"}),
        ({"auth": Word("dXNlcjpwYXNzMQ==")}, {"auth": "KEY"}),
        ({"token": Word(MIX)}, {"token": "KEY"}),
        ({Word("password"): "x"}, {"password": "KEY"}),
        (
            {"token": Word("BTC"), "password": Word("")},
            {"token": "BTC", "password": ""},
        ),
        ((Word("name"), Word("value")), ["name", "value"]),
    ],
)
def test_names_of_a_class_of_their_own(value, shown):
    """A name, option or secret is known whatever class its text is of."""
    said = json.dumps(redacted(value)[0]).replace("[redacted:key]", "KEY")

    assert shown == json.loads(said)


@pytest.mark.parametrize("option", ["-password", "-dbPassword", "-storepass-secret"])
def test_long_options_behind_one_hyphen(option):
    """Some programs have one hyphen before a long option."""
    command = ["run", option, "x", "-v"]

    assert ["run", option, "[redacted:key]", "-v"] == redacted(command)[0]


@pytest.mark.parametrize(
    "value",
    [
        *("oauth2", "requires", "bm90aGluZyBpbiBpdA==", "Og==", "dXNlcjpwYXNzMQ="),
        *(True, None, ["a", "b", "c"], [1, 2], {"type": "x"}, ("a", ""), "é" * 8),
    ],
)
def test_what_else_is_called_auth(value):
    """The name of a method, or of a file, is no name and password."""
    assert json.loads(json.dumps({"auth": value})) == redacted({"auth": value})[0]


@pytest.mark.parametrize(
    "option", ["--password", "--api-key", "--token", "--db-password"]
)
def test_options_of_command_lines(option):
    """The item behind an option that names a secret is taken out."""
    command = ["run", option, "8f3a9c2e", "--verbose", "x"]

    value, _ = redacted(command)

    assert ["run", option, "[redacted:key]", "--verbose", "x"] == value


@pytest.mark.parametrize(
    "given",
    [
        {b"name": b"password", b"value": "hunter2-9"},
        {b"name": "password", b"value": "hunter2-9"},
        {"name": b"password", b"value": "hunter2-9"},
        {b"Key": b"db_password", b"Value": b"hunter2-9"},
        {b"httpOnly": True, b"value": "hunter2-9"},
        {"kind": "Secret", b"data": {"a": "hunter2-9"}},
    ],
)
def test_objects_with_keys_of_bytes(given):
    """Keys of bytes say what the value beside them is, as keys of text do."""
    value, notes = redacted(given)

    assert "[redacted:key]" in value.values()
    assert "hunter2" not in str(value)
    assert ["key"] == kinds(notes)


def test_keys_of_bytes():
    """A key of bytes says as much as one of text."""
    value, notes = redacted({b"authorization": b"opaque"})

    assert ["[redacted:key]"] == list(value.values())
    assert ["key"] == kinds(notes)


def test_fields_of_objects():
    """The fields of a dataclass are read like the keys of a mapping."""

    @dataclasses.dataclass
    class Settings:
        model: str
        api_key: str
        note: str

    value, _ = redacted(Settings("haiku", "opaque", f"uses {OPENAI}"))

    assert {
        "model": "haiku",
        "api_key": "[redacted:key]",
        "note": "uses [redacted:openai-key]",
    } == value


def test_every_known_name_is_found_in_text():
    """No name that says something of a key is missed by the search in text."""
    names = Names(frozenset())

    missed = [key for key in SECRET_KEYS if not names.may_be_among(key)]
    unsaid = [key for key in SECRET_KEYS if names.say(key) == OPEN]

    assert ([], []) == (missed, unsaid)


# -- where secrets pass -------------------------------------------------------------


def tell_everywhere(tracer, secret):
    """Record a secret in every place that a program can put it."""
    source = f"def call():\n    client({secret!r})\n"
    file = tracer.trace_dir.parent / "source.py"
    file.write_text(source)
    names = {"client": int}
    exec(compile(source, str(file), "exec"), names)
    with tracer.step(f"call {secret}", kept=secret, **{secret: 1}) as made:
        made.log(note=f"with {secret}", inside=json.dumps({"a": json.dumps([secret])}))
        made.log(**{secret: [{"deep": secret.encode()}]})
        made.set_result({"url": f"https://example.org/?q={secret}&page=2"})
        copy = b"".join(path.read_bytes() for path in tracer.trace_dir.iterdir())
    tracer.step("by hand").start().fail(f"refused: {secret}")
    tracer.step("by hand").start().finish(f"ok {secret}")
    with contextlib.suppress(KeyError, ValueError), tracer.step("raises"):
        try:
            names["call"]()
        except ValueError as exc:
            raise KeyError(f"no {secret}") from exc
    traced(name=f"traced {secret}")(lambda given: given)([secret])
    return copy


@pytest.mark.parametrize(("secret", "kind"), SHAPES[:36:5])
def test_no_file_holds_a_secret(tmp_path, secret, kind):
    """S40: trace, journal, documents and their names: a secret is in none of them."""
    directory = tmp_path / "traces"
    meta = {"url": f"https://example.org/{secret}", secret: 1}
    with Tracer(f"bot {secret}", directory, meta=meta) as tracer:
        written = tell_everywhere(tracer, secret)
        tracer.save()
        tracer.save_markdown()
    for path in directory.iterdir():
        written += path.name.encode() + path.read_bytes()

    assert 3 == len(list(directory.iterdir()))
    assert written.count(f"[redacted:{kind}]".encode()) > 40
    assert secret[4:].encode() not in written


def test_secret_in_a_key():
    """A key is text like any other: a secret in it is taken out, of notes as well."""
    capture = Capture(Limits(), Redaction())

    for captured in (
        capture.full({OPENAI: object()}, "$.context"),
        capture.fields({OPENAI: object(), "a": OPENAI}, "$.context"),
    ):
        assert "[redacted:openai-key]" in captured.text
        assert OPENAI not in captured.text + json.dumps(captured.notes)


def test_secrets_in_keys_that_are_redacted_alike():
    """Two keys that are replaced by the same text keep their own values."""
    value, _ = redacted({OPENAI: 1, OPENAI_PROJECT: 2})

    assert [1, 2] == list(value.values())


def test_secret_in_an_exception():
    """What an exception says is text like any other."""
    value, _ = redacted(ValueError(f"bad key {ANTHROPIC}"))

    assert "ValueError: bad key [redacted:anthropic-key]" == value


@pytest.mark.parametrize("path", ["$.name", "$.error", "$.traceback", "$.agent"])
def test_text_of_our_own_making(path):
    """Names, errors, tracebacks and the agent are redacted, with a note."""
    text, notes = Capture(Limits(), Redaction()).text(f"step {GITHUB} failed", path)

    assert "step [redacted:github-token] failed" == text
    assert [{"path": path, "note": "redacted", "kind": "github-token"}] == notes


@pytest.mark.parametrize(
    "data",
    [
        *(b"password=abcd", f"x {AWS_ID}".encode(), bytearray(b"Cookie: a=b")),
        b"postgresql+asyncpg://service_user:" + b"hunter2-" * 9 + b"@db.example.com/x",
        b"the key for the account is " + ANTHROPIC.encode(),
        memoryview(b"GET / HTTP/1.1\r\nHost: a.example\r\nA: Bearer " + MIX.encode()),
    ],
)
def test_head_of_bytes(data):
    """Neither the first bytes nor a hash of them tells a secret."""
    value, notes = redacted({"data": data})

    assert len(data) == value["data"]["bytes"]
    assert value["data"]["head"].startswith("[redacted:")
    assert "sha256" not in value["data"]
    assert {"$.context.data"} == {note["path"] for note in notes}
    assert 1 == len(kinds(notes))


def test_head_of_bytes_without_a_secret():
    """Bytes that hold no secret keep their head and hash."""
    value, _ = redacted(b"\x89PNG\r\n\x1a\n")

    assert "iVBORw0KGgo=" == value["head"]
    assert 64 == len(value["sha256"])


def test_a_secret_behind_the_head_of_bytes():
    """Bytes whose secret stands behind what is shown keep their head."""
    value, notes = redacted(b"x" * 48 + b" password=abcd")

    assert ("eHh4" * 16, ["truncated"]) == (
        value["head"],
        [note["note"] for note in notes],
    )


# -- limits -------------------------------------------------------------------------


def cut(text, limit):
    """Return a text within a limit, and the notes."""
    captured = Capture(Limits(string=limit), Redaction()).full(text, "$")
    return json.loads(captured.text), captured.notes


@pytest.mark.parametrize("limit", range(1, 70, 3))
def test_a_secret_that_straddles_the_limit(limit):
    """A secret is taken out before the text is cut, so no part of it is left."""
    text = f"the key is {ANTHROPIC} ok" * 3

    shown, notes = cut(text, limit)

    wanted = "the key is [redacted:anthropic-key] ok" * 3
    assert wanted[:limit] == shown
    assert {"path": "$", "note": "truncated", "characters": len(text)} in notes


def test_limits_of_tracers_with_one_redaction():
    """A key that one tracer may show in full is cut to the limit of another."""
    redaction, value = Redaction(), {"a_long_name": 1}
    wide, narrow = (
        Capture(Limits(string=limit), redaction) for limit in (100, len("a_long"))
    )

    assert '{"a_long_name":1}' == wide.plain(value)
    assert narrow.plain(value) is None


@pytest.mark.parametrize("start", [16_390, 16_480, 16_490])
def test_a_secret_that_straddles_what_is_read(start):
    """Of a long text only the part that may be kept is read, and no secret is left."""
    text = f"{PEM}{'-' * (start - len(PEM))} {ANTHROPIC}" + "." * 1_000_000

    shown, notes = cut(text, 100)

    assert "sk-ant" not in shown
    assert "truncated" in [note["note"] for note in notes]


def test_redaction_never_hides_a_cut():
    """A text that is cut says so, even if what was read shrinks below the limit."""
    text = PEM.replace("MII", "MII" + "A" * 16_000, 1) + "x" * 100_000

    shown, notes = cut(text, 1_000)

    assert len(shown) <= 1_000
    assert {"path": "$", "note": "truncated", "characters": len(text)} in notes


def test_notes_are_bounded():
    """A text of secrets leaves a bounded number of notes."""
    shown, notes = cut(f"{GITHUB} " * 5_000, 262_144)

    assert "ghp_" not in shown
    assert len(notes) <= 102


# -- a program's own rules ----------------------------------------------------------


@pytest.mark.parametrize("key", ["pin", "PIN", "account-number", "Account_Number"])
def test_own_keys(key):
    """Own names are compared whole, in any case, - and _ alike."""
    redaction = Redaction(keys=["pin", "account_number"])

    assert {key: "[redacted:key]"} == redacted({key: 4711}, redaction)[0]
    assert f"{key}=[redacted:key]&a=b" == redacted(f"{key}=4711&a=b", redaction)[0]
    json_text = f'{{"{key}": "x"}}'
    assert json_text.replace("x", "[redacted:key]") == redacted(json_text, redaction)[0]


@pytest.mark.parametrize("key", ["spin", "pins", "pin_code", "number"])
def test_own_keys_are_whole_names(key):
    """A key that only contains an own name is another name."""
    redaction = Redaction(keys=["pin", "account_number"])

    assert ({key: "4711"}, []) == redacted({key: "4711"}, redaction)
    assert (f"{key}=4711", []) == redacted(f"{key}=4711", redaction)


def test_own_keys_stand_beside_the_known_ones():
    """Own names add to what is known."""
    value, _ = redacted(
        {"password": "x", "pin": 1, "a": OPENAI}, Redaction(keys=["pin"])
    )

    assert ["[redacted:key]"] * 2 + ["[redacted:openai-key]"] == list(value.values())


def test_own_patterns():
    """Own patterns are replaced by their kind, before all others, in any text."""
    redaction = Redaction(
        patterns={"badge": "ACME-[0-9]+", "sk": "sk-acme[a-z0-9]{20}"}
    )

    value, notes = redacted(["ACME-1", f"sk-acme{'a1' * 10} {OPENAI}"], redaction)

    assert ["[redacted:badge]", "[redacted:sk] [redacted:openai-key]"] == value
    assert ["badge", "sk", "openai-key"] == kinds(notes)


def test_plain_text_as_a_pattern():
    """A secret that is known as text is a pattern once it is escaped."""
    import re

    redaction = Redaction(patterns={"known": re.escape("a.*(")})

    assert "x [redacted:known] abc(" == redacted("x a.*( abc(", redaction)[0]


def test_own_function():
    """The function sees path and value of every leaf, after all else."""
    seen = []

    def hide(path, value):
        seen.append((path, value))
        return "***" if value == "Ann" else value

    value, notes = redacted(
        {"user": "Ann", "n": [1, None], "k": OPENAI, "password": "x"},
        Redaction(replace=hide),
    )

    assert ["***", [1, None], "[redacted:openai-key]", "[redacted:key]"] == list(
        value.values()
    )
    assert [
        ("$.context.user", "Ann"),
        ("$.context.n[0]", 1),
        ("$.context.n[1]", None),
        ("$.context.k", "[redacted:openai-key]"),
    ] == seen
    assert ["replace", "openai-key", "key"] == kinds(notes)


def test_own_function_that_fails():
    """A function that raises costs the value that it was given, not the others."""

    def hide(path, value):
        if value == "b":
            raise KeyError("secret")
        return value

    value, notes = redacted(["a", "b", "c"], Redaction(replace=hide))

    assert ["a", "[redaction failed]", "c"] == value
    note = {"note": "failed", "what": "redaction", "error": "KeyError"}
    assert [{"path": "$.context[1]", **note}] == notes


@pytest.mark.parametrize("of_tracer", [False, True])
def test_own_function_is_not_traced_itself(tmp_path, of_tracer):
    """What it traces is counted, not recorded: it would be asked for that, too."""
    made, calls = [], []

    def hide(path, value):
        calls.append((path, value))
        if made and len(calls) < 100:
            make = made[0].step if of_tracer else step
            with make("look up", of=value) as inner:
                inner.log(found=value)
        return value

    with Tracer("agent", tmp_path, redact=hide) as tracer:
        made.append(tracer)
        calls.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with tracer.step("greet", customer="Ann"):
                pass

    assert [("$.context.customer", "Ann"), ("$.name", "greet")] == calls
    assert ["greet"] == [record.name for record in tracer.steps]
    refused = "not recorded: it was made inside a redactor"
    assert 2 == tracer.health()["step"][refused]


@pytest.mark.parametrize(
    "function", [str.split, min, "{} {}".format, lambda *given: given[1]]
)
def test_own_function_that_takes_two(function):
    """Whatever may be called with two arguments is a function of path and value."""
    made = Redaction(replace=function)

    assert function is made.replace


def test_own_function_in_text_of_our_own_making():
    """Errors and names pass the function as well, and stay text."""
    capture = Capture(Limits(), Redaction(replace=lambda path, value: len(value)))

    assert "5" == capture.text("Error", "$.error")[0]


@pytest.mark.parametrize(
    "given", [object(), {1, 2}, b"x", float("nan"), ["a", {"b": 1}]]
)
def test_own_function_may_return_anything(given):
    """What the function returns is captured like any value."""
    text, _ = Capture(Limits(), Redaction(replace=lambda path, value: given)).full(
        "a", "$"
    )

    json.loads(text, parse_constant=pytest.fail)


def test_own_function_is_not_asked_about_containers_or_keys():
    """Mappings and lists are walked, and keys are not values."""
    seen = []

    redacted({"a": [], 1: {}}, Redaction(replace=lambda path, value: seen.append(path)))

    assert [] == seen


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"keys": "pin"}, "list of names"),
        ({"keys": b"pin"}, "list of names"),
        ({"keys": 5}, "list of names"),
        ({"keys": ["pin", 5]}, "list of names"),
        ({"keys": ["pin", " "]}, "empty"),
        ({"patterns": "abc"}, "mapping"),
        ({"patterns": ["abc"]}, "mapping"),
        ({"patterns": {"a b": "abc"}}, "a kind is"),
        ({"patterns": {"": "abc"}}, "a kind is"),
        ({"patterns": {5: "abc"}}, "a kind is"),
        ({"patterns": {"a": 5}}, "as text"),
        ({"patterns": {"a": "("}}, "does not compile"),
        ({"patterns": {"a": "a**"}}, "does not compile"),
        ({"patterns": {"a": "a*"}}, "empty text"),
        ({"patterns": {"a": ""}}, "empty text"),
        ({"patterns": {"a": "|b"}}, "empty text"),
        ({"patterns": {"a": r"\b"}}, "empty text"),
        ({"patterns": {"a": "(?=b)"}}, "empty text"),
        ({"patterns": {"a": "[A-Z]*_KEY"}}, "Bound it"),
        ({"patterns": {"a": "(a+)+b"}}, "Bound it"),
        ({"patterns": {"a": "(?:a|aa)+b"}}, "Bound it"),
        ({"patterns": {"a": "(?:a?){30}b"}}, "Write what is repeated out"),
        ({"patterns": {"a": "a{0,300}a{0,300}b"}}, "Lower them"),
        ({"patterns": {"a": "x(?=.*y)"}}, "Bound it"),
        ({"replace": "x"}, "function"),
        ({"replace": lambda value: value}, "of a path and a value"),
        ({"replace": lambda *, path, value: value}, "of a path and a value"),
        ({"replace": repr}, "of a path and a value"),
    ],
)
def test_bad_configuration(arguments, part):
    """A wrong argument is refused with the value, the rule and the way out."""
    with pytest.raises(TraceConfigError) as caught:
        Redaction(**arguments)

    message = str(caught.value)
    (value,) = arguments.values()
    assert part in message
    assert message.startswith("Redaction(")
    assert message.rstrip(")").endswith((".", '"')), message
    assert repr(value)[1:-1] in message


def test_what_it_is_made_of_can_be_read():
    """A redaction shows its arguments."""
    made = Redaction(keys=["pin"], patterns={"a": "b+"})

    assert "Redaction(keys=('pin',), patterns={'a': 'b+'}, replace=None)" == repr(made)


# -- for any text -------------------------------------------------------------------

FRAGMENTS = [
    *(secret for secret, _ in SHAPES),
    *"Bearer |Basic |dXNlcjpwYXNz|://|user|@host|password|api_key|token|secret".split(
        "|"
    ),
    *'Authorization|cookie|API_KEY|apiKey|=|:|: | = |,|, |"|\'|\\"|\\\\\\"'.split("|"),
    *"\\|(|[|]|)|{|}|--|-|_| |\n|\\n|.|..|&|?|hunter2|required|None|self.|f(".split(
        "|"
    ),
    *"auth|_auth|dXNlcjpwYXNzd29yZDEy|<token>|sensitive|kind: Secret|\t".split("|"),
    *"machine x |login a |password h1|*:*:|a:|:5433:".split("|"),
    *"(password, a) VALUES (|'a1b2'|)|''|--api_key|--hf.pass|\r\n|- ".split("|"),
    *"user[|%5B|%5D|$ABC|xxxx|{a|%s|your-|<a|a]|(b".split("|"),
    *"${X}|[redacted:key]|[redacted:|***|<|é|%3D|\x1b[32m|1|/|a=b|; |b'".split("|"),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join) | st.text()


@given(TEXTS)
def test_redaction_is_idempotent(text):
    """What was redacted once is not changed by redacting it again."""
    once = Redaction().text(text, 100_000)[0]

    assert (once, []) == Redaction().text(once, 100_000)


@given(TEXTS)
@example("password=\\")
@example("_auth: dXNlcjpwYXNzd29yZDEy")
@example('"auth": "dXNlcjpwYXNzd29yZDEy"')
def test_what_is_not_suspected_is_not_changed(text):
    """The cheap test before any other misses nothing."""
    redaction = Redaction()

    changed, found = redaction.text(text, 100_000)

    assert (changed != text) == bool(found)
    assert redaction.suspects(text) or len(text) < 7 or changed == text


@given(st.text(string.ascii_letters + string.digits + " .,;!?\n"))
@example("J" * 50 + " B I G")
def test_text_without_any_sign_is_unchanged(text):
    """Letters, digits and the marks of sentences are never a secret."""
    assert (text, []) == redacted(text)


@given(st.sampled_from(SHAPES[:32]), st.text(), st.text())
def test_surroundings_are_kept(shape, before, after):
    """Of a text with a secret only the secret changes."""
    secret, kind = shape
    redaction = Redaction()
    before = redaction.text(before, 10_000)[0] + "\n"
    after = "\n" + redaction.text(after, 10_000)[0]

    changed, found = redaction.text(f"{before}{secret}{after}", 10_000)

    assert f"{before}[redacted:{kind}]{after}" == changed
    assert [kind] == found


LEAVES = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(SECRET_KEYS + OPEN_KEYS) | TEXTS, inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(VALUES)
def test_both_ways_agree(value):
    """The short way says what the long way says, or leaves the value to it."""
    capture = Capture(Limits(), Redaction())
    for _ in range(2):
        plain = capture.plain(value)
        full = capture.full(value, "$")
        if plain is None:
            continue
        assert json.loads(plain) == json.loads(full.text)
        assert [] == full.notes


def test_keys_that_spell_others_when_joined():
    """A key with a line break does not make other keys look harmless."""
    capture = Capture(Limits(), Redaction())

    assert capture.plain({"password\nuser": "x"}) is not None
    assert capture.plain({"password": "x", "user": "y"}) is None


def test_without_redaction_nothing_is_taken_out():
    """Redaction can be switched off."""
    value = {"password": "x", "text": OPENAI, "pair": ["cookie", "a=b"]}

    text = Capture(Limits(), None).plain(value)

    assert value == json.loads(text or "")
