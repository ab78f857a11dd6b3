from __future__ import annotations

import subprocess

import pytest

from torchsync.core.foreign.crontabfield import Dialect
from torchsync.core.foreign.crontabline import CronLine, LineFault, Setting, read_job, read_setting, with_input


def job(text: str, *, has_user: bool = False, dialect: Dialect = Dialect.DEBIAN) -> CronLine:
    found = read_job(text, dialect, has_user=has_user)
    assert isinstance(found, CronLine), found
    return found


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("SHELL=/bin/bash", "SHELL", "/bin/bash"),
        ("  FOO =  bar baz  ", "FOO", "bar baz"),
        ("\"FOO\"='a b'", "FOO", "a b"),
        ('FOO=" a "  ', "FOO", " a "),
        ('MAILTO=""', "MAILTO", ""),
        ("MAILTO=", "MAILTO", ""),
        ("A=b=c", "A", "b=c"),
        ("P=$HOME/bin # no comment", "P", "$HOME/bin # no comment"),
    ],
)
def test_a_setting_is_read_as_cron_reads_it(text, name, value) -> None:
    assert read_setting(text) == Setting(name, value)


@pytest.mark.parametrize("text", ["FOO BAR=1", 'FOO="a"b', "* * * * * FOO=bar x", "@daily FOO=bar x", "nonsense"])
def test_what_is_no_setting_is_none(text) -> None:
    assert read_setting(text) is None


def test_a_job_of_a_user_has_no_user_and_one_of_a_system_crontab_has() -> None:
    assert (job("0 3 * * *  make  all").user, job("0 3 * * *  make  all").command) == ("", "make  all")
    system = job("0\t3 * * *\troot\tcd / && make", has_user=True)
    assert (system.user, system.command, system.when) == ("root", "cd / && make", "0 3 * * *")


def test_reboot_has_no_fields_and_other_macros_keep_their_name() -> None:
    assert (job("@reboot /bin/x").when, job("@reboot /bin/x").fields) == ("@startup", ())
    assert (job("@daily /bin/x").when, len(job("@daily /bin/x").fields)) == ("@daily", 5)


@pytest.mark.parametrize(
    "text",
    [
        "@Daily x",
        "@every_minute x",
        "* * * *  true",
        "61 * * * * x",
        "* * * * *",
        "@reboot",
        "what is this",
        "* * * * * root",
        "* * * * * * x",
    ],
)
def test_a_line_that_cron_does_not_run_says_why(text) -> None:
    found = read_job(text, Dialect.DEBIAN, has_user=text.endswith(("root", "* x")))
    assert isinstance(found, LineFault)
    assert found.message
    assert found.hint


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("date +\\%F", "date +%F", None),
        ("cat%one%two \\% x", "cat", "one\ntwo % x\n"),
        ("mail joe%Joe,%%Where are your kids?%", "mail joe", "Joe,\n\nWhere are your kids?\n"),
        ("cat%%", "cat", "\n"),
        ("cat%", "cat", None),
        (r"cat%a\%b\c\\d\\%e", "cat", "a%b\\c\\\\d\\%e\n"),
    ],
)
def test_percent_signs_are_newlines_of_standard_input(text, command, stdin) -> None:
    found = job(f"* * * * * {text}")
    assert (found.command, found.stdin) == (command, stdin)


@pytest.mark.parametrize(
    ("text", "debian", "cronie"),
    [
        (r"echo p\q \\ \%n", r"echo p\q \ %n", r"echo p\q \\ %n"),
        (r"echo x\\%y", "echo x\\", "echo x\\\\"),
        (r"echo \\\%z", r"echo \%z", r"echo \\%z"),
        ("echo end\\", "echo end\\", "echo end\\"),
    ],
)
def test_two_backslashes_are_one_to_debians_cron_and_two_to_cronie(text, debian, cronie) -> None:
    assert job(f"* * * * * {text}").command == debian
    assert job(f"* * * * * {text}", dialect=Dialect.CRONIE).command == cronie


@pytest.mark.parametrize(
    ("command", "stdin", "status", "output"),
    [
        ("cat", "one\ntwo % $HOME `x`\n", 0, "one\ntwo % $HOME `x`\n"),
        ("read a; cat # to the end", "1\n2\n", 0, "2\n"),
        ("cat; exit 3", "END_OF_INPUT\n", 3, "END_OF_INPUT\n"),
        ("cat | tr a b && false", "aa\n", 1, "bb\n"),
    ],
)
def test_a_command_with_input_means_the_same_to_the_shell(command, stdin, status, output) -> None:
    ran = subprocess.run(["/bin/sh", "-c", with_input(command, stdin)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, output, "")


def test_n_before_the_command_is_cronies_way_to_mail_failures_only() -> None:
    found = job("* * * * * root -n\tmake all", has_user=True, dialect=Dialect.CRONIE)
    assert (found.command, found.mails_failures_only) == ("make all", True)
    assert job("* * * * * -n x").command == "-n x"
    assert not job("* * * * * -nx", dialect=Dialect.CRONIE).mails_failures_only


def test_a_dash_in_front_is_cronies_way_to_keep_a_job_out_of_syslog() -> None:
    assert job("-*/5 * * * * x", dialect=Dialect.CRONIE).is_unlogged
    assert isinstance(read_job("-*/5 * * * * x", Dialect.DEBIAN, has_user=False), LineFault)


@pytest.mark.parametrize("line", ["0 5 * * * /opt/backup.sh --all", "0 5 * * * root:adm x", "0 5 * * * ~/bin/x y"])
def test_what_can_be_no_user_is_none(line) -> None:
    found = read_job(line, Dialect.DEBIAN, has_user=True)
    assert isinstance(found, LineFault)
    assert "for a user" in found.message


@pytest.mark.parametrize("user", ["www-data", "svc_1", "svc@corp.example", "CORP\\svc", "host$"])
def test_users_of_other_directories_are_users(user) -> None:
    assert job(f"0 5 * * * {user} x", has_user=True).user == user


def test_a_range_that_runs_backwards_is_taken_by_cron_and_never_comes() -> None:
    backwards, wrong = (read_job(f"0 {hour} * * * x", Dialect.DEBIAN, has_user=False) for hour in ("22-2", "24"))
    assert isinstance(backwards, LineFault)
    assert not backwards.by_cron
    assert isinstance(wrong, LineFault)
    assert wrong.by_cron
