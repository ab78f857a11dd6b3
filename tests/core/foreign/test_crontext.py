from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.foreign.crontext import as_logged, folder_of, logged_forms, runs_folder
from torchsync.core.model import ProgramCommand, ShellCommand


@pytest.mark.parametrize(
    ("command", "logged"),
    [
        ("echo Grüße >/dev/null", r"echo Gr\303\274\303\237e >/dev/null"),
        ("printf 'a\ttab'", "printf 'a^Itab'"),
        ("echo   spaced    out   ", "echo   spaced    out   "),
        ("cd / && run-parts --report /etc/cron.hourly", "   cd / && run-parts --report /etc/cron.hourly"),
        ("echo ~/x ^I", "echo ~/x ^I"),
        ("echo \x7f", "echo ^?"),
    ],
)
def test_a_command_is_what_cron_wrote_of_it(command, logged):
    """`logged` is as Debian's cron wrote it."""
    assert as_logged(logged) in logged_forms(ShellCommand(command))


@pytest.mark.parametrize(
    ("command", "logged"),
    [
        ("{ cat >/dev/null\n} <<'END_OF_INPUT'\nhello\nworld\nEND_OF_INPUT\n", "cat >/dev/null"),
        ("cat >/dev/null <<'EOT'\nhello\nEOT", "cat >/dev/null"),
        ("cat <<EOT\nEOT\n", "cat"),
        ("printf 'hello\\nworld\\n' | cat >/dev/null", "cat >/dev/null"),
        ('cd "$HOME" && ./backup.sh --all', "./backup.sh --all"),
        ("cd ~; ./backup.sh", "./backup.sh"),
        ("cd /srv/app && { ./run\n} <<'X'\ny\nX\n", "./run"),
    ],
)
def test_what_stands_for_standard_input_or_the_home_does_not_matter(command, logged):
    assert as_logged(logged) in logged_forms(ShellCommand(command))
    assert as_logged(command) in logged_forms(ShellCommand(command))


def test_a_program_is_told_as_a_shell_would_be_given_it_and_as_it_reads():
    assert logged_forms(ProgramCommand(("/usr/bin/x", "a b"))) == {"/usr/bin/x 'a b'", "/usr/bin/x a b"}
    assert "true --now" in logged_forms(ProgramCommand(("/bin/sh", "-c", "true --now")))


def test_other_commands_are_others():
    forms = logged_forms(ShellCommand("./backup.sh --all"))
    assert not {as_logged(text) for text in ("./backup.sh", "./backup.sh --all --now", "backup.sh --all", "")} & forms


@pytest.mark.parametrize(
    ("logged", "folder"),
    [
        ("cd / && run-parts --report /etc/cron.hourly", "/etc/cron.hourly"),
        ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "/etc/cron.daily"),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.weekly )", "/etc/cron.weekly"),
        ("run-parts -v /etc/cron.monthly/", "/etc/cron.monthly"),
        ("anacron cron.daily", "/etc/cron.daily"),
        ("./run-parts-not", ""),
    ],
)
def test_run_parts_is_known_by_its_folder(logged, folder):
    assert folder_of(logged) == folder


def test_a_script_is_of_the_folder_that_it_lies_in():
    assert runs_folder("/etc/cron.daily/apt --quiet", "/etc/cron.daily")
    assert not runs_folder("/etc/cron.daily/sub/apt", "/etc/cron.daily")
    assert not runs_folder("apt", "/etc/cron.daily")
    assert runs_folder("run-parts --report /etc/cron.daily", "/etc/cron.daily")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), min_size=1))
def test_what_cron_wrote_is_printable_and_reads_the_same_again(text):
    logged = as_logged(text)
    assert all(" " <= character <= "~" for character in logged)
    assert as_logged(logged) == logged
