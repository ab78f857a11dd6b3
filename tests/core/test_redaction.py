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
]


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
        "webhooks are refused: /etc/torchsync/hook is open to every user of this host (mode 0644)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
