"""Signatures were computed by openssl, or are the examples of GitHub's manual and of the Standard Webhooks specification."""

import json

import pytest

from torchsync.core.webhook import Check, OtherEvent, Push, announced, is_about, proof_of, secrets_in

SECRET = b"It's a Secret to Everybody"
BODY = b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SHA1 = "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"

STANDARD_SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER_SIGNATURE = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
BEFORE, AFTER = "1" * 40, "2" * 40


def holds(headers, secret=SECRET, body=BODY):
    proof = proof_of(headers)
    if isinstance(proof, str):
        return proof
    check = Check(proof, [secret])
    for byte in body:
        check.feed(bytes([byte]))
    return check.fitting() == 1


# Signatures over the body.


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST}", "x-hub-signature": SHA1}, id="github"),
        pytest.param(
            {"x-gitea-signature": DIGEST, "x-gogs-signature": DIGEST, "x-hub-signature": SHA1, "x-hub-signature-256": f"sha256={DIGEST}"},
            id="gitea",
        ),
        pytest.param({"x-gitea-signature": DIGEST}, id="older gitea"),
        pytest.param({"x-forgejo-signature": DIGEST, "x-gitea-signature": DIGEST}, id="forgejo"),
        pytest.param({"x-hub-signature": f"sha256={DIGEST}"}, id="bitbucket"),
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST.upper()}"}, id="upper case"),
    ],
)
def test_the_signature_of_a_forge_holds_for_its_body_and_secret_only(headers):
    assert holds(headers) is True
    assert holds(headers, body=BODY + b" ") is False
    assert holds(headers, secret=SECRET + b".") is False


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param({}, "not signed", id="nothing"),
        pytest.param({"x-hub-signature": SHA1}, "not signed", id="sha1 only"),
        pytest.param({"x-hub-signature-256": ""}, "64 hex digits", id="empty"),
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST[:-2]}"}, "64 hex digits", id="short"),
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST}, sha256={DIGEST}"}, "64 hex digits", id="twice"),
        pytest.param({"x-hub-signature-256": f"sha1={DIGEST}"}, "64 hex digits", id="of another kind"),
        pytest.param({"x-gitea-signature": "é" * 64}, "64 hex digits", id="no digits"),
        pytest.param({"x-gitea-signature": DIGEST, "x-hub-signature-256": "sha256=" + "0" * 64}, "contradict", id="one wrong"),
        pytest.param({"x-gitea-signature": DIGEST, "x-hub-signature": "sha256=" + "0" * 64}, "contradict", id="older one wrong"),
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST}", "x-gitlab-token": "x"}, "two ways", id="with a token"),
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST}", **STANDARD}, "two ways", id="with a signed message"),
    ],
)
def test_what_is_no_proof_or_contradicts_itself_is_told_and_never_checked(headers, said):
    assert said in holds(headers)


# Signed messages.


def test_a_signed_message_holds_for_its_body_secret_id_and_time_only():
    assert holds(STANDARD, STANDARD_SECRET, STANDARD_BODY) is True
    assert holds(STANDARD, STANDARD_SECRET, STANDARD_BODY + b" ") is False
    assert holds(STANDARD, b"whsec_" + b"A" * 32, STANDARD_BODY) is False
    for name in ("webhook-id", "webhook-timestamp"):
        assert holds({**STANDARD, name: "1"}, STANDARD_SECRET, STANDARD_BODY) is False


def test_of_several_signatures_of_a_message_one_must_hold():
    for signatures in (f"{OTHER_SIGNATURE} {STANDARD['webhook-signature']}", f"v1a,xyz {STANDARD['webhook-signature']}"):
        assert holds({**STANDARD, "webhook-signature": signatures}, STANDARD_SECRET, STANDARD_BODY) is True
    assert holds({**STANDARD, "webhook-signature": f"{OTHER_SIGNATURE} {OTHER_SIGNATURE}"}, STANDARD_SECRET, STANDARD_BODY) is False


def test_a_token_does_not_make_up_for_a_signature_that_is_wrong():
    headers = {**STANDARD, "webhook-signature": OTHER_SIGNATURE, "x-gitlab-token": STANDARD_SECRET.decode()}
    assert holds(headers, STANDARD_SECRET, STANDARD_BODY) is False
    assert holds({**STANDARD, "x-gitlab-token": "of the same webhook"}, STANDARD_SECRET, STANDARD_BODY) is True


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-id": ""},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_signed_message_that_lacks_something_is_no_proof(changes):
    assert isinstance(holds({**STANDARD, **changes}, STANDARD_SECRET, STANDARD_BODY), str)


def test_a_secret_that_only_looks_like_a_signing_token_is_taken_as_it_is():
    assert Check(proof_of(STANDARD), [b"whsec_not base64!"]).fitting() == 0


# Several secrets.


@pytest.mark.parametrize(
    ("headers", "body", "known"),
    [
        pytest.param({"x-hub-signature-256": f"sha256={DIGEST}"}, BODY, SECRET, id="body"),
        pytest.param(STANDARD, STANDARD_BODY, STANDARD_SECRET, id="message"),
        pytest.param({"x-gitlab-token": SECRET.decode()}, BODY, SECRET, id="token"),
    ],
)
def test_each_of_several_secrets_counts_and_it_is_known_which_one_did(headers, body, known):
    for secrets, place in (((known, b"new" * 8), 1), ((b"new" * 8, known), 2), ((b"new" * 8, b"newer" * 8), 0)):
        check = Check(proof_of(headers), secrets)
        check.feed(body)
        assert check.fitting() == place


def test_secrets_stand_in_lines_of_their_own_without_the_blanks_around_them():
    assert secrets_in(b"\n  " + b"a" * 16 + b" \r\n\n# " + b"b" * 16) == (b"a" * 16, b"# " + b"b" * 16)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no secrets"),
        (b" \n\r\n", "no secrets"),
        (b"a" * 16 + b"\n" + b"b" * 15, "15 bytes in line 2"),
        (b"a" * 4097, "4097 bytes in line 1"),
        ((b"a" * 16 + b"\n") * 5, "5 secrets; write one a line, at most 4"),
    ],
)
def test_a_file_with_a_line_that_is_no_secret_holds_none(content, said):
    assert said in secrets_in(content)


# Tokens.


def test_a_token_is_the_secret_and_nothing_else():
    assert holds({"x-gitlab-token": SECRET.decode()}) is True
    for token in ("", SECRET.decode()[:-1], SECRET.decode() + " ", SECRET.decode() + ", " + SECRET.decode()):
        assert holds({"x-gitlab-token": token}) is False


def test_a_secret_of_other_letters_arrives_as_its_bytes():
    secret = "Grüße aus Köln, Žižkov".encode()
    assert holds({"x-gitlab-token": secret.decode("latin-1")}, secret) is True


# What is announced.


def body_of(**fields):
    return json.dumps(fields).encode()


PUSHED = {"ref": "refs/heads/main", "before": BEFORE, "after": AFTER}
PUSH = Push(ref="refs/heads/main", before=BEFORE, after=AFTER)


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        pytest.param({"x-github-event": "push"}, {**PUSHED, "repository": {"full_name": "ops/tasks"}, "commits": []}, id="github"),
        pytest.param({"x-gitea-event": "push", "x-github-event": "push"}, {**PUSHED, "compare_url": "", "commits": []}, id="gitea"),
        pytest.param({"x-forgejo-event": "push", "x-gitea-event": "push", "x-github-event": "push"}, PUSHED, id="forgejo"),
        pytest.param({"x-gitlab-event": "Push Hook"}, {"object_kind": "push", **PUSHED, "checkout_sha": AFTER}, id="gitlab"),
        pytest.param({"x-gitlab-event": "System Hook"}, {"event_name": "push", **PUSHED}, id="gitlab system hook"),
        pytest.param({}, PUSHED, id="by hand"),
    ],
)
def test_a_push_tells_its_ref_and_commits(headers, fields):
    assert announced(headers, body_of(**fields)) == PUSH


@pytest.mark.parametrize(
    ("headers", "fields", "name"),
    [
        ({"x-github-event": "ping"}, {"zen": "Keep it logically awesome."}, "ping"),
        ({"x-github-event": "issues"}, {}, "issues"),
        ({"x-gitea-event": "pull_request", "x-github-event": "push"}, {}, "pull_request"),
        ({"x-gitlab-event": "Merge Request Hook"}, {}, "Merge Request Hook"),
        ({"x-gitlab-event": "System Hook"}, {"event_name": "user_create"}, "user_create"),
        ({"x-gitlab-event": "System Hook"}, {}, "System Hook"),
        ({"x-event-key": "diagnostics:ping"}, {"test": True}, "diagnostics:ping"),
    ],
)
def test_what_is_no_push_needs_no_sync(headers, fields, name):
    assert announced(headers, body_of(**fields)) == OtherEvent(name)


def test_bitbucket_tells_no_more_than_that_there_was_a_push():
    assert announced({"x-event-key": "repo:push"}, body_of(push={"changes": []})) == Push()


def test_a_form_holds_the_same_document():
    body = b"payload=" + json.dumps(PUSHED).replace(" ", "+").replace('"', "%22").encode()
    assert announced({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, body) == PUSH
    assert announced({"content-type": "application/x-www-form-urlencoded"}, b"a=b") == Push()


def test_a_document_that_curl_calls_a_form_is_read_all_the_same():
    assert announced({"content-type": "application/x-www-form-urlencoded"}, body_of(**PUSHED)) == PUSH


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="too long to be kept"),
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="broken"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[1]", id="no mapping"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"ref": ' + b"1" * 10_000 + b"}", id="a long number"),
        pytest.param(body_of(ref=["refs/heads/main"], before=1, after=None), id="of other types"),
        pytest.param(body_of(ref="a\nb", before="x" * 40, after="0" * 40), id="of other forms"),
        pytest.param(body_of(ref="r" * 2000), id="endless"),
    ],
)
def test_a_push_whose_body_tells_nothing_is_a_push_all_the_same(body):
    assert announced({"x-github-event": "push"}, body) == Push()


@pytest.mark.parametrize(
    ("pushed", "followed", "is_ours"),
    [
        ("refs/heads/main", "main", True),
        ("refs/tags/main", "main", True),
        ("refs/heads/other", "main", False),
        ("refs/heads/team/main", "main", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/tags/main", "refs/heads/main", False),
        ("refs/heads/other", "HEAD", True),
        ("refs/heads/other", "a" * 40, True),
        ("", "main", True),
        ("other", "main", True),
    ],
)
def test_only_a_push_that_certainly_went_elsewhere_is_not_ours(pushed, followed, is_ours):
    assert is_about(Push(ref=pushed), followed) is is_ours
