"""The scripts and commands of the sample repository do what they say, also twice, with the programs of other hosts played by small fakes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.host import free_port

SAMPLE = Path(__file__).parent.parent / "sample-repo"
SCRIPTS = SAMPLE / "scripts"
DAY = 86_400

Done = subprocess.CompletedProcess[str]


def run(script: str, *arguments: str, **environment: str) -> Done:
    command = [str(SCRIPTS / script), *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False)


def fake(folder: Path, program: str, text: str) -> str:
    """The PATH on which `program` is this shell text. What it is called with is noted in `calls`, a line a call."""
    folder.mkdir(exist_ok=True)
    path = folder / program
    path.write_text(f'#!/bin/sh\necho "{program} $*" >>"{folder}/calls"\n{text}\n')
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_every_script_is_tested_here() -> None:
    named = set(re.findall(r'"([a-z-]+\.sh)"', Path(__file__).read_text()))
    assert named == {path.name for path in SCRIPTS.iterdir()}


# Every host.


def test_heartbeat_names_host_instant_and_commit() -> None:
    done = run("heartbeat.sh", TORCHSYNC_HOST="web-1", TORCHSYNC_SCHEDULED_AT="2026-01-01T00:00:00Z", TORCHSYNC_COMMIT="0123456789abcdef")
    assert done.stdout == "alive: web-1 at 2026-01-01T00:00:00Z, commit 0123456789ab\n"


@pytest.mark.parametrize(("usage", "status"), [("89%", 0), ("91%", 1)])
def test_disk_usage_fails_above_its_limit(tmp_path: Path, usage: str, status: int) -> None:
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on"
    path = fake(tmp_path, "df", f"echo '{head}'\necho '/dev/sda1 100 90 10 {usage} /srv'")
    done = run("disk-usage.sh", "--limit", "90", PATH=path)
    assert done.returncode == status
    assert ("/srv is 91% full" in done.stdout) is (status == 1)


@pytest.mark.parametrize(("answer", "status"), [("yes", 0), ("no", 1), ("", 1)])
def test_clock_check_fails_unless_the_clock_is_synchronised(tmp_path: Path, answer: str, status: int) -> None:
    assert run("clock-check.sh", PATH=fake(tmp_path, "timedatectl", f"echo '{answer}'")).returncode == status


def test_clock_check_fails_where_nobody_can_be_asked(tmp_path: Path) -> None:
    done = run("clock-check.sh", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "timedatectl is not installed" in done.stderr


def test_boot_report_names_the_kernel() -> None:
    done = run("boot-report.sh", TORCHSYNC_HOST="web-1")
    assert re.fullmatch(rf"web-1: kernel {re.escape(os.uname().release)}, up for \d+ s\n", done.stdout)


def test_pending_updates_names_packages_and_ends_with_100(tmp_path: Path) -> None:
    lines = "Reading package lists...\nInst tar [1.34] (1.35 Debian:12)\nInst gzip [1.12] (1.13 Debian:12)\nConf tar (1.35 Debian:12)"
    done = run("pending-updates.sh", PATH=fake(tmp_path, "apt-get", f"echo '{lines}'"))
    assert (done.returncode, done.stdout) == (100, "updates for 2 packages: tar gzip\n")
    assert calls(tmp_path) == ["apt-get --quiet --simulate upgrade"]


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (7, 7)])
def test_pending_updates_tells_none_from_a_failure(tmp_path: Path, status: int, ends: int) -> None:
    done = run("pending-updates.sh", PATH=fake(tmp_path, "apt-get", f"exit {status}"))
    assert done.returncode == ends
    assert ("up to date" in done.stdout) is (status == 0)


def test_login_accounts_leaves_out_those_without_a_shell(tmp_path: Path) -> None:
    accounts = "root:x:0:0::/root:/bin/bash\nsync:x:4:4::/bin:/bin/sync\nmail:x:8:8::/:/usr/sbin/nologin\nann:x:1000:1000::/:/bin/sh"
    done = run("login-accounts.sh", PATH=fake(tmp_path, "getent", f"echo '{accounts}'"))
    assert (done.returncode, done.stdout) == (0, "2 accounts can log in: root ann\n")


# The web servers.


def test_rotate_logs_compresses_old_and_deletes_very_old(tmp_path: Path) -> None:
    for name, age in (("new.log", 0), ("old.log", 3 * DAY), ("ancient.log.gz", 30 * DAY)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    for _ in range(2):
        assert run("rotate-logs.sh", LOG_DIR=str(tmp_path), KEEP_DAYS="14").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.log", "old.log.gz"]


def test_certificate_expiry_tells_good_ending_and_unreadable(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=x",
        "-keyout",
        "/dev/null",
    ]
    subprocess.run([*make, "-days", "90", "-out", str(tmp_path / "good.pem")], check=True, capture_output=True)
    assert run("certificate-expiry.sh", "--days", "21", str(tmp_path)).returncode == 0
    subprocess.run([*make, "-days", "5", "-out", str(tmp_path / "soon.pem")], check=True, capture_output=True)
    done = run("certificate-expiry.sh", "--days", "21", str(tmp_path))
    assert done.returncode == 1
    assert "soon.pem: ends" in done.stdout
    assert "good.pem: good until" in done.stdout
    (tmp_path / "soon.pem").write_text("nonsense")
    assert run("certificate-expiry.sh", str(tmp_path)).returncode == 1


def worker(spool: Path, copy: int) -> subprocess.Popen[str]:
    environment = os.environ | {"SPOOL_DIR": str(spool), "TORCHSYNC_COPY": str(copy)}
    return subprocess.Popen([str(SCRIPTS / "order-worker.sh")], env=environment, stdout=subprocess.PIPE, text=True)


def test_two_order_workers_work_off_each_order_once_and_end_on_term(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "taken/1").mkdir(parents=True)
    (tmp_path / "taken/1/left").write_text("")  # by a copy that was killed
    for number in range(20):
        (tmp_path / f"new/order{number}").write_text("")
    copies = [worker(tmp_path, 1), worker(tmp_path, 2)]
    wait_until((tmp_path / "taken/2").is_dir)
    wait_until(lambda: len(list((tmp_path / "done").iterdir())) == 21)
    for copy in copies:
        copy.send_signal(signal.SIGTERM)
    printed = [copy.communicate(timeout=60)[0].splitlines() for copy in copies]
    assert [copy.returncode for copy in copies] == [0, 0]
    assert [lines[-1] for lines in printed] == ["stopped between two orders"] * 2
    done = [line for lines in printed for line in lines if line.startswith("done: ")]
    assert sorted(done) == sorted(["done: left", *(f"done: order{number}" for number in range(20))])


def test_an_order_worker_without_a_spool_folder_makes_none_and_waits(tmp_path: Path) -> None:
    with worker(tmp_path / "spool", 1) as copy:
        assert copy.stdout is not None
        assert copy.stdout.readline() == f"{tmp_path}/spool is not there: waiting for it\n"
        assert not (tmp_path / "spool").exists()
        (tmp_path / "spool/new").mkdir(parents=True)
        (tmp_path / "spool/new/order1").write_text("")
        assert copy.stdout.readline() == "done: order1\n"
        copy.terminate()
        assert copy.wait(60) == 0


def test_order_report_counts_those_of_the_last_hour_and_all(tmp_path: Path) -> None:
    assert "no orders on this host" in run("order-report.sh", SPOOL_DIR=str(tmp_path)).stdout
    (tmp_path / "done").mkdir()
    for name, age in (("new", 0), ("old", 2 * 3600)):
        (tmp_path / "done" / name).write_text("")
        os.utime(tmp_path / "done" / name, (time.time() - age,) * 2)
    assert run("order-report.sh", SPOOL_DIR=str(tmp_path)).stdout == "orders of the last hour: 1, in all: 2\n"


# The databases.


def test_database_dump_replaces_the_dump_of_the_day_and_leaves_no_part(tmp_path: Path) -> None:
    path = fake(tmp_path / "bin", "psql", "echo shop; echo stock")
    fake(tmp_path / "bin", "pg_dump", 'echo content >"${2#--file=}"')
    fake(tmp_path / "bin", "date", "echo Sun")
    for _ in range(2):
        done = run("database-dump.sh", PATH=path, DUMP_DIR=str(tmp_path / "dumps"))
        assert (done.returncode, done.stdout) == (0, "dumped shop\ndumped stock\n")
    assert sorted(dump.name for dump in (tmp_path / "dumps").iterdir()) == ["shop-Sun.dump", "stock-Sun.dump"]


def test_database_dump_fails_when_the_server_does_not_answer(tmp_path: Path) -> None:
    assert run("database-dump.sh", PATH=fake(tmp_path / "bin", "psql", "exit 2"), DUMP_DIR=str(tmp_path)).returncode == 2


def test_database_growth_fails_with_its_first_program(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    task = yaml.safe_load((SAMPLE / "tasks/database.yaml").read_text())["tasks"]["database-growth"]
    for text, status, printed in (("exit 2", 2, ""), ("printf '5|a\\n70|b\\n'", 0, "70|b\n5|a\n")):
        environment = os.environ | {"PATH": fake(tmp_path, "psql", text)}
        command = [task["shell"], "-c", task["command"]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (status, printed)


@pytest.mark.parametrize(("restored", "tables", "status"), [("exit 0", 3, 0), ("exit 1", 3, 1), ("exit 0", 0, 1)])
def test_restore_test_takes_the_newest_dump_and_always_drops_its_database(tmp_path: Path, restored: str, tables: int, status: int) -> None:
    for name, age in (("old.dump", DAY), ("new.dump", 0)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    texts = {"dropdb": "", "createdb": "", "pg_restore": restored, "psql": f"echo {tables}"}
    for program, text in texts.items():
        fake(tmp_path / "bin", program, text)
    done = run("restore-test.sh", PATH=f"{tmp_path}/bin:{os.environ['PATH']}", DUMP_DIR=str(tmp_path))
    assert done.returncode == status
    assert (done.stdout == "new.dump was restored: 3 tables\n") is (status == 0)
    assert f"pg_restore --exit-on-error --no-owner --dbname=restore_test {tmp_path}/new.dump" in calls(tmp_path / "bin")
    assert calls(tmp_path / "bin")[-1] == "dropdb --if-exists restore_test"


def test_restore_test_fails_without_a_dump(tmp_path: Path) -> None:
    done = run("restore-test.sh", DUMP_DIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, f"there is no dump in {tmp_path}\n")


# Mail, backup, stores.


@pytest.mark.parametrize(("waiting", "status"), [(0, 0), (2, 0), (3, 1)])
def test_mail_queue_fails_above_its_limit(tmp_path: Path, waiting: int, status: int) -> None:
    path = fake(tmp_path, "postqueue", "\n".join(["echo '{}'"] * waiting))
    done = run("mail-queue.sh", "--limit", "2", PATH=path)
    assert (done.returncode, done.stdout.partition(" ")[0]) == (status, str(waiting))


def test_mail_queue_fails_when_postfix_does_not_answer(tmp_path: Path) -> None:
    assert run("mail-queue.sh", PATH=fake(tmp_path, "postqueue", "exit 69")).returncode == 69


def archive_place(tmp_path: Path) -> dict[str, str]:
    """A host with something to pack, on 4 January 2026, and the environment that leads there."""
    (tmp_path / "root/srv/data").mkdir(parents=True)
    (tmp_path / "root/srv/data/file").write_text("content")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/data.list").write_text("# a comment\nsrv/data\n")
    (tmp_path / "backup").mkdir()
    path = fake(tmp_path / "bin", "date", "echo 2026-01-04")
    return {"ROOT_DIR": str(tmp_path / "root"), "BACKUP_DIR": str(tmp_path / "backup"), "KEEP": "2", "PATH": path}


def test_backup_archive_packs_a_list_once_a_day_and_keeps_the_newest(tmp_path: Path) -> None:
    environment = archive_place(tmp_path)
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        (tmp_path / f"backup/data-{day}.tar.gz").write_text("")
    (tmp_path / "backup/data-of-others-2026-01-01.tar.gz").write_text("")
    for _ in range(2):
        done = run("backup-archive.sh", str(tmp_path / "lists"), **environment)
        assert done.returncode == 0, done.stderr
    names = ["data-2026-01-03.tar.gz", "data-2026-01-04.tar.gz", "data-of-others-2026-01-01.tar.gz"]
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == names
    with tarfile.open(tmp_path / "backup" / names[1]) as archive:
        assert "srv/data/file" in archive.getnames()


def test_backup_archive_keeps_the_archive_of_before_when_something_is_missing(tmp_path: Path) -> None:
    environment = archive_place(tmp_path)
    before = tmp_path / "backup/data-2026-01-04.tar.gz"
    before.write_text("as it was")
    shutil.rmtree(tmp_path / "root/srv/data")
    assert run("backup-archive.sh", str(tmp_path / "lists"), **environment).returncode != 0
    assert before.read_text() == "as it was"
    assert run("backup-archive.sh", str(tmp_path / "backup"), **environment).stderr == f"there is no list in {tmp_path}/backup\n"


def test_backup_check_tells_complete_damaged_and_missing(tmp_path: Path) -> None:
    environment = archive_place(tmp_path)
    lists = str(tmp_path / "lists")
    assert run("backup-check.sh", lists, **environment).stdout == "data: no archive of the last 26 hours\n"
    run("backup-archive.sh", lists, **environment)
    done = run("backup-check.sh", "--hours", "26", lists, **environment)
    assert (done.returncode, done.stdout) == (0, "data: data-2026-01-04.tar.gz is complete\n")
    (archive,) = (tmp_path / "backup").iterdir()
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    done = run("backup-check.sh", lists, **environment)
    assert (done.returncode, done.stdout) == (1, f"data: {archive.name} is damaged\n")
    os.utime(archive, (time.time() - 2 * DAY,) * 2)
    assert run("backup-check.sh", lists, **environment).returncode == 1


def test_delete_invoices_deletes_one_year_and_nothing_else(tmp_path: Path) -> None:
    for year in ("2020", "2021"):
        (tmp_path / year).mkdir()
        (tmp_path / year / "invoice").write_text("")
    for word in ("", "..", "20", "2020/.."):
        assert run("delete-invoices.sh", word, INVOICE_DIR=str(tmp_path)).returncode == 2
    assert run("delete-invoices.sh", "2020", INVOICE_DIR=str(tmp_path)).stdout == "deleted the 1 invoices of 2020\n"
    assert run("delete-invoices.sh", "2020", INVOICE_DIR=str(tmp_path)).stdout == "the invoices of 2020 are not there any more\n"
    assert [path.name for path in tmp_path.iterdir()] == ["2021"]


def test_till_closing_adds_up_the_day(tmp_path: Path) -> None:
    assert run("till-closing.sh", "2026-01-02", TILL_DIR=str(tmp_path)).stdout == "nothing was sold on 2026-01-02\n"
    (tmp_path / "2026-01-02.csv").write_text("09:12;620\n17:40;1180\n")
    for _ in range(2):
        done = run("till-closing.sh", "2026-01-02", TILL_DIR=str(tmp_path))
        assert done.stdout == "closed 2026-01-02: 2 sales, 1800 cents\n"
    assert [path.name for path in (tmp_path / "closed").iterdir()] == ["2026-01-02.total"]


def test_the_price_list_is_served_and_ends_on_its_stop_signal() -> None:
    task = yaml.safe_load((SAMPLE / "tasks/stores.yaml").read_text())["tasks"]["price-list"]
    port = str(free_port())
    command = [port if word == "8080" else word for word in task["command"]]
    environment = os.environ | task["env"]
    server = subprocess.Popen(
        command, cwd=SAMPLE / task["working_dir"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    assert "Serving HTTP" in server.stdout.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        assert b"<title>Price list</title>" in answer.read()
    server.send_signal(signal.Signals[f"SIG{task['stop_signal']}"])
    server.communicate(timeout=60)
    assert server.returncode == 0
