"""Which units of a host become jobs: `core/foreign/unitset.py` and `core/foreign/unitjobs.py`."""

from __future__ import annotations

from torchsync.core.foreign.job import Reading, SourceFile, SourceHost
from torchsync.core.foreign.unitjobs import UnitWishes, read_hosts

TIMER = "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"
SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/a %i\n"
DAEMON = "[Service]\nExecStart=/bin/d\nRestart=always\n[Install]\nWantedBy=multi-user.target\n"
ETC, LIB = "etc/systemd/system/", "usr/lib/systemd/system/"


def reading(files: dict[str, str], *, links: dict[str, str] | None = None, wishes: UnitWishes | None = None) -> Reading:
    """What is read from a host with these files, by their path on it."""
    found = [SourceFile(path=f"web-1/{path}", inner=path, content=text.encode()) for path, text in files.items()]
    found += [SourceFile(path=f"web-1/{path}", inner=path, content=b"", link=link) for path, link in (links or {}).items()]
    return read_hosts([SourceHost(name="web-1", files=tuple(found))], wishes or UnitWishes())


def jobs(found: Reading) -> dict[str, object]:
    return {job.name: job.fields["command"] for job in found.jobs}


def test_a_timer_takes_the_service_of_its_name_or_the_one_it_names() -> None:
    found = reading({f"{ETC}a.timer": TIMER, f"{ETC}a.service": SERVICE, f"{ETC}b.timer": TIMER.replace("daily", "daily\nUnit=a.service")})
    assert jobs(found) == {"a": ["/bin/a", ""], "b": ["/bin/a", ""]}
    assert found.problems == ()
    assert [(job.origin.host, str(job.origin)) for job in found.jobs] == [
        ("web-1", f"web-1/{ETC}a.timer:2"),
        ("web-1", f"web-1/{ETC}b.timer:2"),
    ]


def said(found: Reading) -> str:
    return "\n".join(remark.message for _, remark in found.remarks)


def test_a_service_of_several_timers_is_told_since_their_tasks_do_not_know_each_other() -> None:
    files = {f"{ETC}a.timer": TIMER, f"{ETC}a.service": SERVICE, f"{ETC}b.timer": TIMER.replace("daily", "daily\nUnit=a.service")}
    assert "a.service is started by a.timer, b.timer, and runs once at a time" in said(reading(files))
    del files[f"{ETC}b.timer"]
    assert "at a time;" not in said(reading(files))


def test_timers_of_users_run_only_while_these_are_there() -> None:
    files = {"etc/systemd/user/a.timer": TIMER, "etc/systemd/user/a.service": SERVICE}
    assert "while that user is logged in" in said(reading(files))
    assert "while that user is logged in" not in said(reading({f"{ETC}a.timer": TIMER, f"{ETC}a.service": SERVICE}))


def test_dropins_add_to_a_unit_and_etc_wins_over_usr() -> None:
    files = {
        f"{ETC}a.timer": TIMER,
        f"{LIB}a.service": SERVICE,
        f"{ETC}a.service.d/20.conf": "[Service]\nExecStart=\nExecStart=/bin/b\n",
        f"{ETC}a.service.d/10.conf": "[Service]\nUser=old\n",
        f"{LIB}a.service.d/10.conf": "[Service]\nUser=older\n",
    }
    (job,) = reading(files).jobs
    assert (job.fields["command"], job.fields["user"]) == (["/bin/b"], "old")


def test_an_instance_is_known_by_its_link_and_its_service_by_the_template() -> None:
    files = {f"{ETC}a@.timer": TIMER, f"{ETC}a@.service": SERVICE}
    found = reading(files, links={f"{ETC}timers.target.wants/a@db.timer": "../a@.timer"})
    assert jobs(found) == {"a@db": ["/bin/a", "db"]}
    assert "enabled" not in found.jobs[0].fields
    (problem,) = reading(files).problems
    assert "a@.timer: it is a template, and no instance of it is named here" in problem.message


def test_a_timer_that_nothing_pulls_in_becomes_a_task_that_is_not_enabled() -> None:
    files = {
        f"{ETC}{name}": text for name, text in (("a.timer", TIMER), ("a.service", SERVICE), ("b.timer", TIMER), ("b.service", SERVICE))
    }
    links = {f"{ETC}timers.target.wants/a.timer": "../a.timer"}
    found = {job.name: job.fields.get("enabled", True) for job in reading(files, links=links).jobs}
    assert found == {"a": True, "b": False}
    wished = reading(files, links=links, wishes=UnitWishes(disabled=True))
    assert all("enabled" not in job.fields for job in wished.jobs)
    assert all("enabled" not in job.fields for job in reading(files).jobs), "without any link nobody can tell"


def test_timers_of_packages_stay_with_systemd_unless_they_are_asked_for() -> None:
    files = {f"{LIB}apt.timer": TIMER, f"{LIB}apt.service": SERVICE, f"{ETC}a.timer": TIMER, f"{ETC}a.service": SERVICE}
    found = reading(files)
    assert jobs(found).keys() == {"a"}
    assert "1 timers of packages are left to systemd: apt.timer" in [remark.message for _, remark in found.remarks]
    assert jobs(reading(files, wishes=UnitWishes(packaged=True))).keys() == {"a", "apt"}


def test_what_is_masked_or_missing_is_told() -> None:
    links = {f"{ETC}a.timer": "/dev/null", f"{ETC}c.service": "/dev/null"}
    files = {f"{ETC}b.timer": TIMER, f"{ETC}c.timer": TIMER, f"{ETC}d.timer": TIMER.replace("daily", "daily\nUnit=x.target")}
    found = reading(files, links=links)
    assert "a.timer is masked, so it is left out" in [remark.message for _, remark in found.remarks]
    assert [problem.message for problem in found.problems] == [
        "b.timer: its service b.service is not among the files",
        "c.timer: its service c.service is masked, so the timer starts nothing",
        "d.timer: it starts x.target, which is no service",
    ]


def test_faults_of_files_are_told_all_at_once() -> None:
    files = {f"{ETC}a.timer": TIMER + "garbage\n", f"{ETC}a.service": "[Service]\nExecStart=/bin/a 'x\n", f"{ETC}e.timer": "\x7fELF\0"}
    told = list(map(str, reading(files).problems))
    expected = [
        f"web-1/{ETC}a.timer:5: TS170 `garbage` is not a setting: `Key=value` was expected",
        f"web-1/{ETC}e.timer:1: TS170 this is not a text",
        f"web-1/{ETC}a.service: TS171 a.timer: a.service cannot be translated: `ExecStart=/bin/a 'x`: a quote (') is opened",
        f"web-1/{ETC}e.timer: TS171 e.timer: its service e.service is not among the files",
    ]
    assert all(one.startswith(start) for one, start in zip(told, expected, strict=True)), told


def test_a_file_that_could_not_be_read_is_told_once() -> None:
    fault = "cannot be read: Permission denied"
    files = (
        SourceFile(path="a.timer", inner=f"{ETC}a.timer", content=b"", fault=fault),
        SourceFile(path="b.timer", inner=f"{ETC}b.timer", content=TIMER.encode()),
        SourceFile(path="b.service", inner=f"{ETC}b.service", content=b"", fault=fault, link="/opt/b.service"),
    )
    found = read_hosts([SourceHost(name="web-1", files=files)], UnitWishes())
    assert list(map(str, found.problems)) == [
        "a.timer: TS172 cannot be read: Permission denied (see that it is a text that you may read)",
        "b.service: TS172 cannot be read: Permission denied (see that it is a text that you may read)",
        "b.timer: TS171 b.timer: its service b.service cannot be read (see that it can be, or write the task by hand)",
    ]


def test_a_link_to_a_unit_of_another_name_is_no_second_task() -> None:
    text = TIMER.encode()
    files = [
        SourceFile(path=f"web-1/{ETC}{name}", inner=f"{ETC}{name}", content=text, link=link)
        for name, link in (("a.timer", ""), ("z.timer", "a.timer"))
    ]
    files.append(SourceFile(path=f"web-1/{ETC}a.service", inner=f"{ETC}a.service", content=SERVICE.encode()))
    assert jobs(read_hosts([SourceHost(name="web-1", files=tuple(files))], UnitWishes())).keys() == {"a"}


def test_services_that_are_kept_running_become_daemons_when_asked_for() -> None:
    files = {f"{ETC}d.service": DAEMON, f"{ETC}a.timer": TIMER, f"{ETC}a.service": SERVICE.replace("Type", "Restart=on-failure\nType")}
    assert jobs(reading(files)).keys() == {"a"}
    assert "1 services that are kept running are left to systemd: d.service" in [remark.message for _, remark in reading(files).remarks]
    found = reading(files, wishes=UnitWishes(daemons=True))
    assert [(job.name, job.fields.get("type", "cron")) for job in found.jobs] == [("a", "cron"), ("d", "daemon")]


def test_units_of_a_user_run_as_the_user() -> None:
    place = "home/ann/.config/systemd/user/"
    (job,) = reading({f"{place}a.timer": TIMER, f"{place}a.service": "[Service]\nExecStart=/bin/a\n"}).jobs
    assert (job.fields["user"], job.fields["working_dir"]) == ("ann", "~")


def test_times_that_no_one_schedule_has_become_several_jobs() -> None:
    files = {f"{ETC}a.timer": "[Timer]\nOnCalendar=1:00\nOnCalendar=2:30\nOnBootSec=0\n", f"{ETC}a.service": SERVICE}
    found = reading(files).jobs
    assert [job.fields["schedule"] for job in found] == ["0 1 * * *", "30 2 * * *", "@startup"]
    assert all("a.timer says 3 times that no one schedule has" in job.remarks[-1].message for job in found)


def test_other_files_in_the_folder_of_dropins_add_nothing() -> None:
    files = {
        f"{ETC}a.timer": TIMER,
        f"{ETC}a.service": SERVICE,
        f"{ETC}a.service.d/note.txt": "[Service]\nUser=x\n",
        f"{ETC}x.target": "[Unit]\n",
    }
    found = reading(files)
    assert found.jobs[0].fields["user"] == "root"
    assert found.problems == ()


def test_a_file_whose_name_says_nothing_is_told() -> None:
    files = [SourceFile(path=name, inner=name, content=TIMER.encode()) for name in ("stdin", "notes.txt", "a.timer")]
    found = read_hosts([SourceHost(files=tuple(files))], UnitWishes())
    assert [origin.path for origin, remark in found.remarks if remark.message.startswith("passed over")] == ["stdin", "notes.txt"]
