from __future__ import annotations

from itertools import pairwise

import pytest

from torchsync.core.trust import CLOCK_SKEW, MOST_TOLD, Ancestry, Kinds, Signature, SignatureStatus, committer_date, judge_trust

NOW = 1_800_000_000
HOUR, DAY, YEAR = 3600, 24 * 3600, 366 * 24 * 3600
SSH = Kinds(ssh=True, gpg=False)


def commit(name: str, date: int | None, *parents: str) -> Ancestry:
    return Ancestry(revision=name, parents=parents, date=date)


def signature(
    name: str, status: SignatureStatus = SignatureStatus.GOOD, signer: str = "alice", key: str = "SHA256:abc", date: int | None = NOW
) -> Signature:
    return Signature(revision=name, date=date, status=status, signer=signer, key=key, committer="bob@example.org")


def line(*dates: int | None) -> list[Ancestry]:
    """A history without branches: commits `1`, `2`, ... with these dates."""
    names = [str(number) for number, _ in enumerate(dates, 1)]
    parents = {child: (parent,) for parent, child in pairwise(names)}
    return [commit(name, date, *parents.get(name, ())) for name, date in zip(names, dates, strict=True)]


def refused(history: list[Ancestry], *wanted: str, now: int = NOW) -> list[str]:
    """Which of these commits, all of them well signed, are not accepted."""
    dates = {one.revision: one.date for one in history}
    found = judge_trust(history, [signature(name, date=dates[name]) for name in wanted or dates], SSH, now)
    return [problem.message.split()[0] for problem in found]


# Signatures.


def test_a_good_signature_of_somebody_counts() -> None:
    assert judge_trust(line(NOW), [signature("1")], SSH, NOW) == ()


@pytest.mark.parametrize("status", [status for status in SignatureStatus if status is not SignatureStatus.GOOD])
def test_no_other_word_of_git_does(status: SignatureStatus) -> None:
    (problem,) = judge_trust(line(NOW), [signature("1", status)], SSH, NOW)
    assert problem.code == "TS206"
    assert problem.hint


@pytest.mark.parametrize("nobody", [signature("1", signer=""), signature("1", key="")])
def test_a_good_signature_of_nobody_or_with_no_key_does_not_count(nobody: Signature) -> None:
    assert judge_trust(line(NOW), [nobody], SSH, NOW) != ()


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (SSH, "has no SSH signature"),
        (Kinds(ssh=False, gpg=True), "has no GPG signature"),
        (Kinds(ssh=True, gpg=True), "is not signed"),
    ],
)
def test_what_is_missing_is_named_by_the_kinds_that_could_be_there(kinds: Kinds, words: str) -> None:
    (problem,) = judge_trust(line(NOW), [signature("1", SignatureStatus.UNSIGNED)], kinds, NOW)
    assert problem.message == f"1 by bob@example.org {words}"


def test_names_with_braces_are_names() -> None:
    (problem,) = judge_trust(line(NOW), [signature("1", SignatureStatus.REVOKED, signer="{by}", key="{0}")], SSH, NOW)
    assert problem.message == "1 by bob@example.org is signed by {by} with {0}, which is revoked"


def test_all_problems_are_told_up_to_a_bound() -> None:
    history = line(*[NOW] * (MOST_TOLD + 5))
    found = judge_trust(history, [signature(one.revision, SignatureStatus.UNSIGNED) for one in history], SSH, NOW)
    assert len(found) == MOST_TOLD + 1
    assert found[0].message.startswith("1 by")
    assert found[-1].message == "5 more of the 25 commits are not accepted"


def test_a_commit_may_have_a_wrong_signature_and_a_wrong_date() -> None:
    found = judge_trust(line(NOW, NOW - YEAR), [signature("2", SignatureStatus.UNSIGNED, date=NOW - YEAR)], SSH, NOW)
    assert len(found) == 2


# Dates.


def test_dates_may_stand_still_and_go_forward() -> None:
    assert refused(line(NOW - YEAR, NOW - YEAR, NOW - DAY, NOW)) == []


def test_a_date_may_go_back_by_the_difference_of_two_clocks_and_no_more() -> None:
    assert refused(line(NOW, NOW - CLOCK_SKEW)) == []
    assert refused(line(NOW, NOW - CLOCK_SKEW - 1)) == ["2"]


def test_many_small_steps_do_not_lead_back_either() -> None:
    assert refused(line(NOW, NOW - HOUR, NOW - 2 * HOUR, NOW - 3 * HOUR)) == ["3", "4"]


def test_a_step_back_over_a_commit_that_need_not_be_signed_counts() -> None:
    assert refused(line(NOW, NOW - DAY, NOW - DAY), "3") == ["3"]


def test_a_merge_is_not_older_than_either_side() -> None:
    history = [
        commit("base", NOW - YEAR),
        commit("old", NOW - YEAR, "base"),
        commit("new", NOW, "base"),
        commit("merge", NOW - DAY, "old", "new"),
    ]
    assert refused(history) == ["merge"]


def test_sides_of_a_merge_are_not_compared_with_each_other() -> None:
    history = [
        commit("base", NOW - YEAR),
        commit("new", NOW, "base"),
        commit("old", NOW - YEAR, "base"),
        commit("merge", NOW, "old", "new"),
    ]
    assert refused(history) == []


def test_a_date_in_the_future_has_its_own_code() -> None:
    assert refused(line(NOW + CLOCK_SKEW)) == []
    (problem,) = judge_trust(line(NOW + CLOCK_SKEW + 1), [signature("1", date=NOW + CLOCK_SKEW + 1)], SSH, NOW)
    assert (problem.code, problem.reason and problem.reason.value) == ("TS215", "signature")


def test_a_date_of_the_far_future_can_be_told() -> None:
    (problem,) = judge_trust(line(1 << 62), [signature("1", date=1 << 62)], SSH, NOW)
    assert f"{1 << 62} s after 1970" in problem.message


def test_dates_are_not_measured_by_old_commits_of_the_future() -> None:
    assert refused(line(NOW + YEAR, NOW), "2") == []
    assert refused(line(NOW, NOW + YEAR, NOW - DAY), "3") == ["3"]


def test_a_commit_without_a_date_is_not_accepted_and_measures_nothing() -> None:
    assert refused(line(NOW, None, NOW - DAY)) == ["2", "3"]
    assert refused(line(None, NOW), "2") == []


HEAD = b"tree 0123\nauthor A <a@example.org> 1 +0000\n"


@pytest.mark.parametrize(
    ("lines", "date"),
    [
        (b"committer A <a@example.org> 1600000000 +0000\n", 1_600_000_000),
        (b"committer A <a@example.org> 1600000000 -0330\ngpgsig x\n committer B <b@c> 5 +0000\n", 1_600_000_000),
        (b"committer <a@example.org> 0 +0000\n", 0),
        (b"committer A <> 1600000000 +0000\nencoding UTF-7\nx +AAo-committer B <b@c> 1900000000 +0000\n", 1_600_000_000),
        (b"committer A <a@b> 1600000000 +0000\ncommitter B <b@c> 1900000000 +0000\n", None),
        (b"committer A <a@b> 1900000000 +0000> 1600000000 +0000\n", None),
        (b"committer A <a@b <c> 1600000000 +0000\n", None),
        (b"committer A <a@b>1600000000 +0000\n", None),
        (b"committer A <a@b> 01600000000 +0000\n", None),
        (b"committer A <a@b> 1600000000 +051800\n", None),
        (b"committer A <a@b> 1600000000 +0000 \n", None),
        (b"committer A <a@b> -1600000000 +0000\n", None),
        (b"committer A <a@b> 99999999999999999999 +0000\n", None),
        (b"committer A\0 <a@b> 1600000000 +0000\n", None),
        (b"", None),
    ],
)
def test_a_commit_has_a_date_when_every_part_of_git_reads_the_same(lines: bytes, date: int | None) -> None:
    assert committer_date(HEAD + lines + b"\ncommitter A <a@b> 1900000000 +0000\n") == date


def test_a_header_without_an_end_has_no_date() -> None:
    assert committer_date(HEAD + b"committer A <a@example.org> 1600000000 +0000\n") is None
