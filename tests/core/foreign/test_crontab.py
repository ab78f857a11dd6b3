from __future__ import annotations

import pytest

from torchsync.core.foreign.crontab import CrontabKind, CrontabOptions, read_hosts
from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.job import ForeignJob, Reading, RemarkKind, SourceFile, SourceHost

HEADING = "# m h dom mon dow user\tcommand\n"


def file(inner: str, text: str | bytes = "", *, is_executable: bool = False) -> SourceFile:
    content = text.encode() if isinstance(text, str) else text
    return SourceFile(path=f"web-1/{inner}", content=content, inner=inner, is_executable=is_executable)


def script(inner: str) -> SourceFile:
    return file(inner, "#!/bin/sh\n", is_executable=True)


def read(*files: SourceFile, **options) -> Reading:
    return read_hosts([SourceHost(name="web-1", zone="Europe/Berlin", files=files)], CrontabOptions(**options))


def spool(text: str | bytes, **options) -> Reading:
    return read(file("var/spool/cron/crontabs/deploy", text), **options)


def only(reading: Reading) -> ForeignJob:
    (job,) = reading.jobs
    return job


def said(reading: Reading) -> str:
    return "\n".join(f"{origin}: {remark.kind.value}: {remark.message}" for origin, remark in reading.remarks)


def remarks(job: ForeignJob, kind: RemarkKind) -> str:
    return "\n".join(remark.message for remark in job.remarks if remark.kind is kind)


def test_a_crontab_of_the_spool_is_that_of_the_user_it_is_named_for() -> None:
    job = only(spool("# Ship the logs\n30 2 * * * /srv/ship.sh --all\n"))
    assert job.fields == {
        "description": "Ship the logs", "schedule": "30 2 * * *", "command": "/srv/ship.sh --all", "working_dir": "~", "user": "deploy",
    }  # fmt: skip
    assert (job.name, str(job.origin), job.origin.host, job.zone) == ("ship", "web-1/var/spool/cron/crontabs/deploy:2", "web-1", "")


@pytest.mark.parametrize("place", ["etc/crontab", "etc/cron.d/app"])
def test_a_system_crontab_names_the_user_in_each_line(place) -> None:
    assert only(read(file(place, "0 3 * * * www-data /x\n"))).fields["user"] == "www-data"


def test_settings_hold_for_the_lines_below_them() -> None:
    text = "0 1 * * * a\nSHELL=/bin/bash\nPATH=/opt/bin:/bin\nHOME=/srv/app\nLEVEL=' 9'\nLOGNAME=nobody\n0 2 * * * b\nSHELL=/bin/sh\n0 3 * * * c\n"
    first, second, third = spool(text).jobs
    assert "env" not in first.fields
    assert second.fields["shell"] == "/bin/bash"
    assert second.fields["working_dir"] == "/srv/app"
    assert second.fields["env"] == {"PATH": "/opt/bin:/bin", "HOME": "/srv/app", "LEVEL": " 9"}
    assert "shell" not in third.fields


def test_who_got_the_mail_is_the_owner() -> None:
    first, second, third = spool(
        'MAILTO=ops@example.org\n0 1 * * * a\nMAILTO=""\n0 2 * * * b\nMAILTO=' + "x" * 101 + "\n0 3 * * * c\n"
    ).jobs
    assert first.fields["owner"] == "ops@example.org"
    assert "ops@example.org is not sent" in remarks(first, RemarkKind.CHANGED)
    assert "owner" not in second.fields
    assert 'MAILTO=""' in remarks(second, RemarkKind.KEPT)
    assert "MAILTO" in remarks(third, RemarkKind.LOST)


def test_debian_does_not_know_the_settings_of_cronie() -> None:
    job = only(spool("CRON_TZ=America/New_York\nRANDOM_DELAY=10\nTZ=UTC\n0 1 * * * a\n"))
    assert (job.zone, "jitter" in job.fields) == ("", False)
    assert job.fields["env"] == {"CRON_TZ": "America/New_York", "RANDOM_DELAY": "10", "TZ": "UTC"}
    assert "CRON_TZ" in remarks(job, RemarkKind.CHANGED)
    assert "RANDOM_DELAY" in remarks(job, RemarkKind.CHANGED)
    assert "TZ is for the command" in remarks(job, RemarkKind.KEPT)


def test_cronie_has_zones_and_delays() -> None:
    text = "CRON_TZ=America/New_York\nRANDOM_DELAY=10\n0 1 * * * a\n*/5 * * * * b\nCRON_TZ=Mars/Olympus\nRANDOM_DELAY=soon\n0 2 * * * c\n"
    first, second, third = spool(text, dialect=Dialect.CRONIE).jobs
    assert (first.zone, first.fields["jitter"], "env" in first.fields) == ("America/New_York", "10m", False)
    assert "jitter" not in second.fields
    assert "as long as the time between two runs" in remarks(second, RemarkKind.LOST)
    assert (third.zone, "jitter" in third.fields) == ("", False)
    assert "Mars/Olympus" in remarks(third, RemarkKind.CHANGED)
    assert "soon" in remarks(third, RemarkKind.LOST)


@pytest.mark.parametrize(
    "files",
    [
        [file("var/spool/cron/deploy", "0 1 * * fri-sun a\n")],
        [file("etc/cron.d/0hourly", "01 * * * * root run-parts /etc/cron.hourly\n"), file("etc/cron.d/x", "0 1 * * fri-sun root a\n")],
        [file("var/spool/cron/tabs/deploy", "0 1 * * fri-sun a\n")],
        [file("etc/cron.d/y", "0~59 1 * * * root b\n"), file("etc/cron.d/x", "0 1 * * fri-sun root a\n")],
        [file("etc/cron.d/y", "-*/5 1 * * * root b\n"), file("etc/cron.d/x", "0 1 * * fri-sun root a\n")],
    ],
)
def test_cronie_is_known_by_its_places_and_by_what_only_it_takes(files) -> None:
    assert "0 1 * * 0,5,6" in [job.fields["schedule"] for job in read(*files).jobs]


def test_a_time_that_cronie_draws_is_not_compared() -> None:
    job = only(spool("0~59 1 * * * a\n", dialect=Dialect.CRONIE))
    assert (job.fields["schedule"], job.clock) == ("H(0-59) 1 * * *", None)
    assert "by lot" in job.uncompared


def test_at_reboot_becomes_at_startup() -> None:
    job = only(spool("@reboot /x/warm\n"))
    assert (job.fields["schedule"], job.clock) == ("@startup", None)
    assert "each start of the host" in job.uncompared


def test_input_behind_a_percent_sign_needs_a_posix_shell() -> None:
    assert "<<'END_OF_INPUT'" in str(only(spool("0 1 * * * cat%one\n")).fields["command"])
    reading = spool("SHELL=/usr/bin/fish\n0 1 * * * cat%one\n0 2 * * * date +\\%F\n")
    assert only(reading).fields["command"] == "date +%F"
    assert [(problem.code, problem.line) for problem in reading.problems] == [("TS171", 2)]


def test_all_lines_that_cron_does_not_run_are_told_and_the_rest_is_imported() -> None:
    reading = spool("61 * * * * a\nrubbish\n0 1 * * * fine\n22-2 * * * * never\n")
    assert [(problem.code, problem.line) for problem in reading.problems] == [("TS170", 1), ("TS170", 2), ("TS170", 4)]
    assert only(reading).name == "fine"


@pytest.mark.parametrize(
    ("lines", "which"),
    [
        ("0 1 * * * a\n61 * * * * b\n", "line 2;"),
        ("\ufeff# heading\n0 1 * * * a\n", "line 1;"),
        ("MAILTO=\n0 1 * * * a\nrubbish\n", "lines 1, 3;"),
        ("0 1 * * * a\r\n\r\n \r\n", "lines 2, 3;"),
        ("# b\r\n0 1 * * * a\r\n", ""),
        (f"0 1 * * * {'x' * 999}\n", "line 1;"),
        ("0 22-2 * * * a\n0 1 * * * b\n", ""),
        (f'# 0 1 * * * {"x" * 999}\n0 1 * * * a\nMAILTO=""\n', ""),
    ],
)
def test_debian_ignores_a_whole_file_for_one_line_and_that_is_told(lines, which) -> None:
    for job in spool(lines, keeps_disabled=True).jobs:
        found = remarks(job, RemarkKind.CHANGED)
        assert f"crontabs/deploy, since it does not take {which}" in found if which else "cron ignores" not in found
        assert (job.clock is None) == bool(which), "what never ran has no instants to compare with"
    assert not any("cron ignores" in remarks(job, RemarkKind.CHANGED) for job in spool(lines, dialect=Dialect.CRONIE).jobs)


def test_a_setting_with_nothing_behind_it_is_a_problem_to_debian_only() -> None:
    text = "A=b\nMAILTO=\n0 1 * * * a\n"
    assert [(problem.code, problem.line) for problem in spool(text).problems] == [("TS170", 2)]
    assert spool(text, dialect=Dialect.CRONIE).problems == ()


@pytest.mark.parametrize(("home", "folder"), [("/srv/$USER", "/srv/$USER"), ("srv", "~")])
def test_a_home_that_is_no_folder_is_told(home, folder) -> None:
    job = only(spool(f"HOME={home}\n0 1 * * * a\n"))
    assert job.fields["working_dir"] == folder
    assert "/var/spool/cron" in remarks(job, RemarkKind.CHANGED)
    assert "does not start" in remarks(only(spool(f"HOME={home}\n0 1 * * * a\n", dialect=Dialect.CRONIE)), RemarkKind.CHANGED)


def test_jobs_that_are_commented_out_are_told_and_imported_on_request() -> None:
    text = "# Clean up\n#0 4 * * * /usr/local/bin/cleanup\n#*/5 * * * *\tpoll\n# 5 apples a day, and so on\n"
    reading = spool(text)
    assert reading.jobs == ()
    assert said(reading).count("commented out") == 2
    first, second = spool(text, keeps_disabled=True).jobs
    assert (first.fields["enabled"], first.fields["description"]) == (False, "Clean up")
    assert second.fields["enabled"] is False


def test_comments_describe_only_the_job_right_below_them() -> None:
    text = (
        "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# (- installed on Thu Nov 26 16:13:27 2026)\n0 0 * * * a\n"
        "# first paragraph\n#\n#  second, \n#  which counts\n0 1 * * * b\n0 2 * * * c\n\n# far away\n\n0 3 * * * d\n"
        "#Ansible: rotate keys\n0 4 * * * e\n# ------\n# === Reports ===\n0 5 * * * f\n"
        "# *  *  *  *  * user-name command to be executed\n# |  |  .---------- day of month (1 - 31)\n0 6 * * * g\n"
    )
    told = {job.name: job.fields.get("description", "") for job in spool(text).jobs}
    assert told == {"a": "", "b": "second, which counts", "c": "", "d": "", "rotate keys": "", "f": "Reports", "g": ""}


def test_a_file_without_a_newline_at_its_end_did_not_run_on_debian() -> None:
    first, last = spool("0 1 * * * a\n0 2 * * * b").jobs
    assert "no newline ends its last line" in remarks(first, RemarkKind.CHANGED)
    assert "no newline ends its last line" in remarks(last, RemarkKind.CHANGED)
    assert "newline" not in remarks(only(spool("0 1 * * * a\n")), RemarkKind.CHANGED)
    assert "its last line, since no newline" in said(spool("0 1 * * * a", dialect=Dialect.CRONIE))


def test_line_ends_of_dos_and_latin_1_are_read_and_told() -> None:
    reading = spool("# Größe\r\n0 1 * * * echo Größe\r\n".encode("latin-1"))
    assert only(reading).fields["command"] == "echo Größe"
    assert only(reading).fields["description"] == "Größe"
    assert "Latin-1" in said(reading)
    assert "CR LF" in said(reading)


@pytest.mark.parametrize("content", [b"\x7fELF\0\0", b"0 1 * * * a\n\0"])
def test_a_file_that_is_no_text_is_a_problem(content) -> None:
    reading = spool(content)
    assert reading.jobs == ()
    assert [problem.code for problem in reading.problems] == ["TS172"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("DB_PASSWORD=hunter2\n0 1 * * * a\n", "DB_PASSWORD"),
        ("0 1 * * * mysqldump -phunter2 all\n", "command"),
        ("0 1 * * * curl https://me:hunter2@example.org/\n", "command"),
    ],
)
def test_what_looks_like_a_secret_is_told_without_it(text, place) -> None:
    found = remarks(only(spool(text)), RemarkKind.CHANGED)
    assert place in found
    assert "hunter2" not in found


def test_a_command_that_goes_into_the_background_is_told() -> None:
    jobs = spool(
        "0 1 * * * sleep 30 && x &\n0 2 * * * x & # y\n0 3 * * * x && y\n0 4 * * * x 2>&1\n0 5 * * * x & y\n0 6 * * * echo \\&\n"
    ).jobs
    assert ["ends with `&`" in remarks(job, RemarkKind.CHANGED) for job in jobs] == [True, True, False, False, False, False]


def test_a_command_that_is_too_long_for_debian_is_told() -> None:
    assert "longer than 998" in remarks(only(spool(f"0 1 * * * {'x' * 999}\n")), RemarkKind.CHANGED)
    assert "longer" not in remarks(only(spool(f"0 1 * * * {'x' * 998}\n")), RemarkKind.CHANGED)


@pytest.mark.parametrize("name", ["app.conf", "x~", ".placeholder"])
def test_debian_passes_over_files_of_cron_d_with_other_names(name) -> None:
    reading = read(file(f"etc/cron.d/{name}", "0 1 * * * root a\n"))
    assert reading.jobs == ()
    assert ("passes over" in said(reading)) == (name != ".placeholder")


def test_cronie_takes_more_names() -> None:
    files = [file(f"etc/cron.d/{name}", f"0 1 * * * root {name}\n") for name in ("0hourly", "app.conf", "x~", "y.rpmsave")]
    assert sorted(job.name for job in read(*files).jobs) == ["0hourly", "app.conf"]


@pytest.mark.parametrize(
    ("name", "text", "user"),
    [
        ("t", HEADING + "0 1 * * * alice /bin/a\n", "alice"),
        ("t", "0 1 * * * root /bin/a\n0 2 * * * alice b\n", "root"),
        ("t", "0 1 * * * backup\n0 2 * * * /bin/a b\n", None),
        ("t", "0 1 * * * make all\n", None),
        ("t", "0 1 * * * root /bin/a\n0 2 * * * b\n", None),
        ("t", "A=b\n0 1 * * * mail -s hi joe\n0 2 * * * root\n", None),
        ("anacrontab", "1 5 job /bin/a\n", "root"),
    ],
)
def test_without_a_place_the_content_tells_what_a_file_is(name, text, user) -> None:
    reading = read(SourceFile(path=name, content=text.encode()))
    assert reading.jobs[0].fields.get("user") == user


def test_a_crontab_whose_user_is_said_is_no_system_crontab() -> None:
    assert only(read(SourceFile(path="t", content=b"0 1 * * * root make\n"), user="me")).fields["command"] == "root make"


def test_the_kind_can_be_said_and_a_user_crontab_without_a_user_is_told() -> None:
    content = SourceFile(path="t", content=b"0 1 * * * make all\n")
    assert only(read(content, kind=CrontabKind.SYSTEM)).fields["user"] == "make"
    reading = read(content)
    assert "user" not in only(reading).fields
    assert "nobody says whose" in said(reading)


# run-parts and anacron

CALLS = (
    "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n"
    "25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n"
)


def test_each_script_of_a_folder_is_a_task_at_the_time_of_the_line_that_calls_it() -> None:
    reading = read(file("etc/crontab", CALLS), script("etc/cron.daily/apt"), script("etc/cron.daily/rotate"))
    told = {job.name: (job.fields["schedule"], job.fields["command"], job.fields["working_dir"]) for job in reading.jobs}
    assert told == {
        "cron.hourly": ("17 * * * *", "cd / && run-parts --report /etc/cron.hourly", "~"),
        "apt": ("25 6 * * *", "/etc/cron.daily/apt", "/"),
        "rotate": ("25 6 * * *", "/etc/cron.daily/rotate", "/"),
    }
    assert "one after the other" in said(reading)


def test_what_run_parts_passes_over_is_told() -> None:
    files = [
        script("etc/cron.daily/a.sh"),
        file("etc/cron.daily/plain", "x"),
        script("etc/cron.daily/fine"),
        file("etc/cron.daily/.placeholder"),
    ]
    reading = read(file("etc/crontab", CALLS), *files)
    assert [job.name for job in reading.jobs if job.name != "cron.hourly"] == ["fine"]
    assert "a.sh: lost: run-parts passes it over: its name" in said(reading)
    assert "plain: lost: run-parts passes it over: it is not executable" in said(reading)
    assert "one after the other" not in said(reading)


def test_without_a_line_that_calls_it_a_folder_has_debians_usual_time() -> None:
    reading = read(script("etc/cron.weekly/man-db"))
    assert (only(reading).fields["schedule"], only(reading).fields["user"]) == ("47 6 * * 7", "root")
    assert "Debian's usual time is taken: 47 6 * * 7" in said(reading)


def test_where_anacron_is_the_folders_are_left_to_it() -> None:
    tab = "HOME=/root\nSTART_HOURS_RANGE=3-22\nRANDOM_DELAY=45\n1\t5\tcron.daily\trun-parts --report /etc/cron.daily\n"
    reading = read(file("etc/crontab", CALLS), script("etc/cron.daily/apt"), file("etc/anacrontab", tab))
    jobs = {job.name: job for job in reading.jobs}
    assert sorted(jobs) == ["apt", "cron.hourly"]
    assert "leaves /etc/cron.daily to anacron" in said(reading)
    daily = jobs["apt"].fields
    assert (daily["schedule"], daily["misfire"], daily["jitter"], daily["command"]) == (
        "35 3 * * *",
        "latest",
        "45m",
        "/etc/cron.daily/apt",
    )
    assert jobs["apt"].clock is None
    assert "no instants" in jobs["apt"].uncompared


@pytest.mark.parametrize(
    "line",
    [
        "1 * * * * root /usr/sbin/anacron -s",
        "30 7-23 * * * root [ -x /etc/init.d/anacron ] && if true; then invoke-rc.d anacron start >/dev/null; fi",
    ],
)
def test_what_starts_anacron_is_left_out_where_its_jobs_are_imported(line) -> None:
    starter = file("etc/cron.d/starter", f"{line}\n")
    hourly = [file("etc/crontab", CALLS), script("etc/cron.hourly/0anacron"), script("etc/cron.hourly/own")]
    reading = read(starter, *hourly, file("etc/anacrontab", "1 5 daily /x\n"))
    assert sorted(job.name for job in reading.jobs) == ["daily", "own"]
    assert said(reading).count("left out: it is there for anacron") == 2
    assert {"0anacron", "own"} < {job.name for job in read(starter, *hourly).jobs}


def test_what_run_crons_runs_is_not_imported_a_second_time() -> None:
    line = "-*/15 * * * * root test -x /usr/lib/cron/run-crons && /usr/lib/cron/run-crons >/dev/null 2>&1\n"
    reading = read(file("etc/crontab", line), script("etc/cron.daily/logrotate"))
    assert (only(reading).name, only(reading).fields["schedule"]) == ("run-crons", "*/15 * * * *")
    assert "stays one task" in said(reading)


def test_a_job_that_only_mentions_anacron_stays() -> None:
    lines = "0 1 * * * root /opt/anacron-report\n0 2 * * * root test -x /usr/sbin/anacron || /opt/other\n"
    assert len(read(file("etc/cron.d/x", lines), file("etc/anacrontab", "1 5 daily /x\n")).jobs) == 3


@pytest.mark.parametrize(
    ("line", "schedule"),
    [
        ("1 5 a x", "35 7 * * *"),
        ("@daily 40 a x", "10 8 * * *"),
        ("7 10 a x", "40 7 * * 0"),
        ("@monthly 15 a x", "45 7 1 * *"),
        ("@yearly 0 a x", "30 7 1 1 *"),
        ("10 5 a x", "@every 10d"),
        ("1 5000 a x", "59 23 * * *"),
    ],
)
def test_a_period_of_anacron_is_a_schedule_that_makes_up(line, schedule) -> None:
    job = only(read(file("etc/anacrontab", f"{line}\n")))
    assert (job.name, job.fields["schedule"], job.fields["misfire"]) == ("a", schedule, "latest")


def test_lines_that_anacron_does_not_take_are_told() -> None:
    reading = read(file("etc/anacrontab", "1 5 a x\n@sometimes 5 b y\n1 5 c\n400 5 d z\n"))
    assert [(problem.code, problem.line) for problem in reading.problems] == [("TS170", 2), ("TS170", 3), ("TS170", 4)]
    assert only(reading).name == "a"
