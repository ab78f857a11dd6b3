from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.foreign.syslog import LogSource, gap_around, merged, read_log, span
from torchsync.core.instants import parse_rfc3339

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400_000


def source(until: str, zone: ZoneInfo = BERLIN, host: str = "web-1") -> LogSource:
    return LogSource(host=host, zone=zone, until=parse_rfc3339(until))


def starts(text: str, until: str = "2026-11-30T00:00:00Z", **changes):
    return read_log("syslog", text.encode("utf-8", "surrogateescape"), source(until, **changes)).starts


def traditional(at: int, zone: ZoneInfo, command: str = "true") -> str:
    """As rsyslog writes it (RSYSLOG_TraditionalFileFormat)."""
    wall = datetime.fromtimestamp(at / 1000, zone)
    return f"{wall:%b} {wall.day:2} {wall:%H:%M:%S} web-1 CRON[7]: (root) CMD ({command})"


def test_starts_are_found_among_everything_else_that_cron_says():
    text = """\
Nov 26 17:15:14 web-1 rsyslogd: [origin software="rsyslogd"] start
Nov 26 17:15:15 web-1 cron[6967]: (CRON) INFO (Running @reboot jobs)
Nov 26 17:15:15 web-1 CRON[6969]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)
Nov 26 17:16:01 web-1 CRON[6970]: (root) CMD (printf 'a^Itab (paren) "quote"' >/dev/null)
Nov 26 17:16:01 web-1 CRON[6971]: (deploy) CMD ([6971] ./deploy.sh)
Nov 26 17:16:02 web-1 CROND[6972]: (root) CMDEND (run-parts /etc/cron.hourly)
Nov 26 17:16:02 web-1 CRON[6971]: (deploy) END ([6971] ./deploy.sh)
Nov 26 17:16:03 web-1 /USR/SBIN/CRON[6973]: (root) CMD (old)
Nov 26 17:17:03 web-1 CROND[6974]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)
Nov 26 17:17:04 web-1 sshd[6975]: (root) CMD (no cron)
"""
    found = [(start.user, start.command, start.place) for start in starts(text)]
    assert found == [
        ("root", "printf 'a^Itab (paren) \"quote\"' >/dev/null", "syslog:4"),
        ("deploy", "./deploy.sh", "syslog:5"),
        ("root", "old", "syslog:8"),
        ("root", "   cd / && run-parts --report /etc/cron.hourly", "syslog:9"),
    ]


def test_a_repeated_message_counts_as_often_as_it_was_repeated():
    assert len(starts("Nov 26 17:16:01 web-1 CRON[6970]: message repeated 3 times: [ (root) CMD (true)]")) == 3


def test_a_command_that_the_log_cuts_off_is_known_to_be_cut():
    (start,) = starts("Nov 26 17:16:01 web-1 CRON[6970]: (root) CMD (very lo")
    assert (start.command, start.is_cut) == ("very lo", True)


def test_a_job_of_anacron_is_told_by_its_id():
    found = starts(
        "Nov 26 07:35:00 web-1 anacron[7]: Job `cron.daily' started\nNov 26 07:36:00 web-1 anacron[7]: Job `cron.daily' terminated"
    )
    assert [(start.user, start.job) for start in found] == [("root", "cron.daily")]


def test_other_hosts_are_counted_and_a_full_name_is_the_same_host():
    text = "\n".join(f"Nov 26 17:16:01 {host} CRON[7]: (root) CMD (true)" for host in ("web-1.example.org", "WEB-1", "web-2", "web-2"))
    log = read_log("syslog", text.encode(), source("2026-11-30T00:00:00Z"))
    assert (len(log.starts), log.others) == (2, {"web-2": 2})


def test_the_year_turns_where_the_months_begin_anew():
    lines = [traditional(parse_rfc3339(at), BERLIN) for at in ("2025-12-31T22:59:01Z", "2025-12-31T23:00:01Z", "2026-01-01T00:00:01Z")]
    found = [start.at for start in starts("\n".join(lines), "2026-01-02T00:00:00Z")]
    assert found == [parse_rfc3339(at) for at in ("2025-12-31T22:59:01Z", "2025-12-31T23:00:01Z", "2026-01-01T00:00:01Z")]


def test_a_file_of_last_december_that_is_read_in_january_is_of_last_year():
    assert starts("Dec 30 12:00:01 web-1 CRON[7]: (root) CMD (true)", "2026-01-02T00:00:00Z")[0].at == parse_rfc3339("2025-12-30T11:00:01Z")


def test_a_leap_day_is_of_the_last_leap_year():
    assert starts("Feb 29 12:00:01 web-1 CRON[7]: (root) CMD (true)", "2026-11-30T00:00:00Z")[0].at == parse_rfc3339("2024-02-29T11:00:01Z")


def test_in_the_hour_that_comes_twice_the_order_of_the_lines_tells_which_one_it_is():
    # On 2026-10-25 the clock goes from 03:00 back to 02:00 at 01:00Z.
    texts = [f"Oct 25 {at}:01 web-1 CRON[7]: (root) CMD (true)" for at in ("01:30", "02:10", "02:50", "02:10", "02:30", "03:10")]
    found = starts("\n".join(texts))
    assert [f"{datetime.fromtimestamp(start.at / 1000, UTC):%H:%M}" for start in found] == [
        "23:30",
        "00:10",
        "00:50",
        "01:10",
        "01:30",
        "02:10",
    ]


def test_a_line_alone_in_the_hour_that_comes_twice_may_be_of_either():
    (start,) = starts("Oct 25 02:30:01 web-1 CRON[7]: (root) CMD (true)")
    assert (start.at, start.other) == (parse_rfc3339("2026-10-25T00:30:01Z"), parse_rfc3339("2026-10-25T01:30:01Z"))


def test_a_time_that_the_clock_never_showed_is_taken_as_well_as_it_goes():
    (start,) = starts("Mar 29 02:30:01 web-1 CRON[7]: (root) CMD (true)")
    assert start.at == parse_rfc3339("2026-03-29T01:30:01Z")


def test_files_in_any_order_are_one_log_and_what_stands_in_both_is_there_once():
    old, new = traditional(parse_rfc3339("2026-11-25T12:00:01Z"), BERLIN), traditional(parse_rfc3339("2026-11-26T12:00:01Z"), BERLIN)
    logs = [read_log(name, text.encode(), source("2026-11-30T00:00:00Z")) for name, text in (("a", new), ("b", f"{old}\n{new}"))]
    log = merged(logs)
    assert [start.at for start in log.starts] == [parse_rfc3339("2026-11-25T12:00:01Z"), parse_rfc3339("2026-11-26T12:00:01Z")]
    assert span(log) == (parse_rfc3339("2026-11-25T12:00:00Z"), parse_rfc3339("2026-11-26T12:01:00Z"))


def test_a_gap_is_the_time_without_any_line():
    noon = parse_rfc3339("2026-11-26T12:00:00Z")
    minutes = [noon, noon + 60_000, noon + 1_200_000]
    assert gap_around(minutes, noon + 600_000, 600_000) == (noon + 60_000, noon + 1_200_000)
    assert gap_around(minutes, noon + 30_000, 600_000) is None
    assert gap_around(minutes, noon - 30_000, 600_000) is None


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"])


@given(
    zone=ZONES.map(ZoneInfo),
    first=st.integers(min_value=parse_rfc3339("2019-01-01T00:00:00Z") // 1000, max_value=parse_rfc3339("2026-01-01T00:00:00Z") // 1000),
    steps=st.lists(st.integers(min_value=0, max_value=300 * 86_400), max_size=12),
)
def test_local_times_without_a_year_are_read_as_what_they_were_wherever_that_can_be_known(zone, first, steps):
    moments = [first * 1000]
    for step in steps:
        moments.append(moments[-1] + step * 1000)
    text = "\n".join(traditional(at, zone) for at in moments)
    found = read_log("syslog", text.encode(), LogSource(host="web-1", zone=zone, until=moments[-1])).starts
    assert len(found) == len(moments)
    for start, at in zip(found, moments, strict=True):
        assert at in (start.at, start.other)
    assert all(before.at <= after.at for before, after in pairwise(found))


@given(st.binary(max_size=300))
def test_no_content_is_an_error(content):
    read_log("x", content, source("2026-11-30T00:00:00Z"))
    read_log("x", b"__CURSOR=" + content, source("2026-11-30T00:00:00Z"))
