"""What may be a secret does not get through, in whatever form; what is none stays."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.redaction import redacted

SECRET = "hunter2-canary"
FORMS = [
    "fatal: unable to access 'https://bot:{}@git.example.org/tasks.git/': 403",
    "https://{}@git.example.org/x",
    "HTTPS://bot:p@ss{}@git.example.org",
    "ssh://bot:{}@git.example.org:22/tasks.git and more",
    "http://me:{}@proxy.example.org:3128",
    "> Authorization: Basic {}",
    "proxy-authorization: Bearer {} and the rest",
    "X-Gitlab-Token: {}",
    "header 'PRIVATE-TOKEN: {}'",
    "Cookie: session={}; other=1",
    "X-Hub-Signature-256: sha256={}",
    "sent Bearer {} to it",
    "GET /push?token={}&x=1",
    "https://blob.example.org/a?sv=1&sig={}&se=2",
    "password={}",
    "password: {}",
    'DB_PASSWORD="{} with blanks"',
    "MYSQL_PWD={}",
    '{{"client_secret": "{}", "a": 1}}',
    '{{\\"api_key\\": \\"{}\\"}}',
    "aws_secret_access_key = {}",
    "post to https://hooks.slack.com/services/T0/B0/{} failed",
    "https://discord.com/api/webhooks/1/{}",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nabc{}",
    "ghp_{}",
    "github_pat_{}",
    "it says glpat-{} is not known",
    "xoxb-{}",
    "clone of https://bot:pa/ss{}@git.example.org/x failed",
    "https://bot:p#ss{}@git.example.org",
    "mysqldump --password {} all",
    "deploy --api-token {} --dry-run",
    "curl -s -u bot:{} https://example.org",
    "curl --user=bot:{} https://example.org",
    "sshpass -p {} ssh db",
    "SMTP_PASS={}",
    "secret_key={}",
    "tokens={}",
    "password := {}",
    "'password' => '{}'",
    "<db:password>{}</db:password>",
    "password=\x1b[31m{}\x1b[0m",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}",
    "eyJhbGciOiJIUzI1NiJ9.{}",
    "npm_{}",
    "https://api.telegram.org/bot12:{}/sendMessage",
    "https://hc-ping.com/{}/fail",
]


def test_a_key_whose_beginning_is_cut_off_does_not_get_through() -> None:
    text = "bbbb\nMIIEcanary\n-----END RSA PRIVATE KEY-----\nand then"
    assert redacted(text) == "[hidden] -----END RSA PRIVATE KEY-----\nand then"
    assert redacted(f"... the end of it ...\n{text}") == "... the end of it ...\n[hidden] -----END RSA PRIVATE KEY-----\nand then"


LINES = ["  client_secret: {}", "- token: {} # of the bot", "api-key: '{}'"]
"""Those that are secrets where nothing else stands on the line: in a sentence a colon and a blank are more often prose."""


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("around", ["{}", "a\n{}\nb", "a: b\n{}\nc: d\n"])
def test_a_line_that_says_a_secret_and_nothing_else_does_not_get_through(form: str, around: str) -> None:
    assert SECRET not in redacted(around.format(form.format(SECRET)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", ["{}", "12:00 {}", "a\n{}\nb", "({})"])
def test_a_secret_does_not_get_through(form: str, around: str) -> None:
    assert SECRET not in redacted(around.format(form.format(SECRET)))


@given(
    st.text(alphabet=string.ascii_letters + string.digits + "-_~", min_size=12, max_size=60),
    st.lists(st.sampled_from(FORMS), min_size=1, max_size=4),
    st.text(max_size=40),
)
def test_no_secret_gets_through_wherever_it_stands(secret: str, forms: list[str], other: str) -> None:
    text = other + "\n" + "\n".join(form.format(secret) for form in forms) + "\n" + other
    assert secret not in redacted(text).replace(other, "")


@pytest.mark.parametrize(
    "text",
    [
        "backup failed with exit status 3 after 2s; `torchsync logs 0193-1a2b` shows what it wrote",
        "`repository.token_file` /etc/token cannot be read: Permission denied",
        "entry 1 of `credentials` must be the name of a secret: at most 63 letters",
        "https://git.example.org/ops/tasks.git cannot be reached: Could not resolve host",
        "git@git.example.org:ops/tasks.git did not answer within 60 s",
        "a credential command prints `username=` and `password=` lines",
        "http://proxy.example.org:3128/a@b is not tried",
        "https://registry.example.org/@scope/package",
        "signature: not signed by anyone of allowed_signers",
        "--token-file /etc/token was given",
        "docker run -u root image",
        "an entry of `policy.secrets` is called token: it is granted to deploy",
        "webhooks are refused: /etc/torchsync/hook is open to every user of this host (mode 0644)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
