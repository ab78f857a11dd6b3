from __future__ import annotations

import pytest

from torchsync.core.foreign.crontabname import program_of


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("backup.sh", "backup"),
        ("/usr/local/bin/backup.sh --all >> /var/log/x 2>&1", "backup"),
        ("cd /srv/app && ./bin/ship-logs.sh --all", "ship-logs"),
        ("flock -n /run/x.lock nice -n 10 ./bin/dump.py", "dump"),
        ("flock -n /run/x.lock -c 'make reports'", "make"),
        ("timeout -k 5 60 rsync -a a b", "rsync"),
        ("sudo -u www-data php -f /var/www/cron.php", "cron"),
        ("A=1 B='2 3' env C=4 prog", "prog"),
        ("/usr/bin/python3 -u /opt/app/report.py", "report"),
        ("python3 -m app.jobs", "app.jobs"),
        ("bash -lc 'cd /x && ./nightly'", "nightly"),
        ("[ -x /usr/bin/certbot ] && certbot -q renew", "certbot"),
        ("test -e /run/x || /sbin/e2scrub_all -A", "e2scrub_all"),
        ("test -x /sbin/x || exit 0; exec /sbin/x", "x"),
        ("if [ -x /a/mrtg ]; then env LANG=C /usr/bin/mrtg cfg; fi", "mrtg"),
        ("(cd / && run-parts --report /etc/cron.weekly)", "cron.weekly"),
        ("curl -fsS 'https://a.example/x?y=1&z=2'", "curl"),
        ("echo \"it's", "echo"),
        ("", "file"),
        ("cd /tmp", "file"),
        (">/dev/null", "file"),
    ],
)
def test_a_job_is_named_for_the_program_that_is_meant(command, name) -> None:
    assert program_of(command, "file") == name
