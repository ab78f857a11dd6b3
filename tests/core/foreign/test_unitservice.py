from __future__ import annotations

import pytest

from torchsync.core.foreign.job import RemarkKind
from torchsync.core.foreign.unitdraft import Draft
from torchsync.core.foreign.unitfile import Unit, read_unit
from torchsync.core.foreign.unitservice import draft_of
from torchsync.core.foreign.unitspecifiers import Naming
from torchsync.core.jsontext import Json


def draft(lines: str, *, name: str = "a.service", account: str = "", of_user: bool = False, is_daemon: bool = False) -> Draft:
    text = lines if "[" in lines else f"[Service]\nType=oneshot\nExecStart=/bin/a\n{lines}"
    unit = Unit(name=name, path=name, settings=read_unit(name, text.encode())[0])
    return draft_of(unit, Naming(unit=name, account=account, of_user=of_user), is_daemon=is_daemon)


def told(found: Draft) -> list[tuple[str, str]]:
    return [(remark.kind.value, remark.message) for remark in found.remarks]


PLAIN = {"command": ["/bin/a"], "user": "root", "working_dir": "/"}


def test_what_systemd_takes_for_granted_is_written_out() -> None:
    assert draft("").fields == PLAIN
    assert draft("").remarks == []


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ("User=backup\nGroup=disk\nUMask=27", {"user": "backup", "group": "disk", "umask": "027"}),
        ("WorkingDirectory=~", {"working_dir": "~"}),
        ("WorkingDirectory=%S/%p", {"working_dir": "/var/lib/a"}),
        ('Environment=A=1 "B=x y"\nEnvironment=A=2\nUnsetEnvironment=B', {"env": {"A": "2"}}),
        ("TimeoutStartSec=2h", {"timeout": "2h", "stop_grace": "1m30s"}),
        ("TimeoutSec=5min", {"timeout": "5m", "stop_grace": "5m"}),
        ("TimeoutStartSec=infinity\nTimeoutStopSec=20", {"stop_grace": "20s"}),
        ("KillSignal=SIGINT", {"stop_signal": "INT"}),
        ("SuccessExitStatus=3 TEMPFAIL", {"success_exit_codes": [0, 3, 75]}),
        ("Nice=5\nIOSchedulingClass=idle\nLimitNOFILE=1024:4096", {"limits": {"files": 1024, "nice": 5, "io": "idle"}}),
        ("IOSchedulingPriority=7", {"limits": {"io": "best-effort:7"}}),
        ("MemoryMax=infinity\nTasksMax=infinity", {}),
        ("StandardOutput=journal\nSyslogIdentifier=x\nStandardInput=null", {}),
        ("Restart=on-failure\nRestartSec=1\nX-Mine=1", {"retry": {"attempts": 5, "delay": "1s"}}),
    ],
)
def test_settings_with_an_equal_need_no_remark(lines: str, fields: dict[str, Json]) -> None:
    assert draft(lines).fields == PLAIN | fields
    assert draft(lines).remarks == []


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ("MemoryMax=1G\nCPUQuota=20%", "kept", "limits of memory, cpu and pids are enforced by hosts with the systemd executor; others refuse"),
        ("MemoryMax=10%", "lost", "`MemoryMax=10%` is not a number that is the same on every host"),
        ("Restart=on-failure\nRestartSec=60", "changed", "systemd would try again without end; a task is tried 100 times"),
        ("Restart=always", "changed", "Restart=always: systemd keeps the service running once the timer has started it; the task runs once for"),
        ("RemainAfterExit=yes", "changed", "RemainAfterExit=yes: systemd takes the service for active after its end and does not start it again;"),
        ("Environment=DB_PASSWORD=x", "changed", "DB_PASSWORD in Environment= may be a secret, and whatever is in git is read by many"),
        ("Environment=oops", "lost", "a setting Environment= cannot be read: `oops` is not `NAME=value`"),
        ("EnvironmentFile=-/etc/default/a", "changed", "EnvironmentFile= with `-` may be missing; for a task that is an error: /etc/default/a"),
        ("EnvironmentFile=/a\nEnvironmentFile=/b", "lost", "a task has one env_file: /b is left out"),
        ("PassEnvironment=HOME", "lost", "`PassEnvironment=HOME` hands on variables of the service manager, which a task does not see"),
        ("ProtectSystem=strict\nPrivateTmp=yes\nNoNewPrivileges=yes", "lost", "sandbox: ProtectSystem=, PrivateTmp=, NoNewPrivileges="),
        ("LoadCredential=db:/etc/db", "changed", "the hosts have to grant the credentials db"),
        ("SetCredential=db:hunter2", "lost", "SetCredential= has the secret in the unit; it was not taken over"),
        ("StandardOutput=append:/var/log/a", "changed", "`StandardOutput=append:/var/log/a`: the output of a run is kept by torchsync"),
        ("StandardInput=file:/x", "lost", "`StandardInput=file:/x`: a run reads /dev/null"),
        ("ExecStopPost=/bin/b", "lost", "commands for the end: ExecStopPost="),
        ("StateDirectory=a", "lost", "folders that systemd makes: StateDirectory="),
        ("Foo=1\nBar=2", "lost", "settings that a task has no field for: Foo=, Bar="),
        ("KillMode=process", "changed", "`KillMode=process`: a task that is stopped takes all that it started with it"),
        ("DynamicUser=yes", "changed", "DynamicUser= makes a user for each start; the task runs as the host's default user"),
        ("TimeoutStartSec=soon", "lost", "`TimeoutStartSec=soon`: `soon` is not a time span: write such as `5min 20s`"),
        ("ExecStartPre=/bin/b", "kept", "2 commands became one text for the shell, which ends with the first that fails, as the unit does"),
        ("User=x\nExecStartPre=+/bin/b", "lost", "a command with `+` or `!` runs as root beside User=; here all of them run as the user"),
        ("ExecStartPre=/bin/b %m", "lost", "`ExecStartPre=/bin/b %m`: %m is not known here and stays as it is"),
        ("ExecStartPre=/bin/b $A/b", "changed", "systemd takes `$A/b` for a variable that there cannot be, so the program never saw it"),
        ("[Unit]\nAfter=x\nConditionHost=y\n[Service]\nExecStart=/bin/a", "lost", "conditions: ConditionHost="),
        ("[Unit]\nAfter=x\n[Service]\nExecStart=/bin/a", "lost", "order and dependencies: After="),
        ("[Unit]\nOnFailure=mail.service\n[Service]\nExecStart=/bin/a", "lost", "`OnFailure=mail.service` starts a unit"),
        ("[Service]\nType=forking\nExecStart=/bin/a", "changed", "Type=forking: the program goes into the background, so the run ends at once"),
        ("[Service]\nType=notify\nExecStart=/bin/a", "changed", "Type=notify: nobody waits for the program to say that it is ready; a run"),
        ("[Service]\nExecStart=/bin/a\nExecStartPost=/bin/b", "lost", "ExecStartPost= runs beside a service that is not oneshot, which a task"),
        ("[Service]\nEnvironment='O=\"x y\"'\nExecStart=/bin/a $O", "changed", "systemd heeds the quotes in the value of O, and the shell does not"),
    ],
)  # fmt: skip
def test_what_a_task_has_no_equal_for_is_said(lines: str, kind: str, message: str) -> None:
    assert [one for one in told(draft(lines)) if one[0] == kind and one[1].startswith(message)]


def test_no_secret_of_a_unit_is_told() -> None:
    found = draft("SetCredential=db:hunter2\nEnvironment=TOKEN=hunter3")
    assert "hunter" not in " ".join(f"{remark.message} {remark.hint}" for remark in found.remarks)
    assert "hunter2" not in str(found.fields)


def test_commands_before_and_after_a_oneshot_are_part_of_it() -> None:
    found = draft("ExecStartPre=-/bin/b\nExecStart=/bin/c ${X}\nExecStartPost=/bin/d")
    assert found.fields["command"] == '{ /bin/b || :; } && /bin/a && /bin/c "${X}" && /bin/d'


def test_specifiers_name_the_instance_and_the_host() -> None:
    found = draft("[Service]\nExecStart=/bin/dump %i %I %n %p %% %H", name="dump@my-db.service")
    assert found.fields["command"] == 'exec /bin/dump my-db my/db dump@my-db.service dump % "${TORCHSYNC_HOST}"'


def test_a_unit_of_a_user_runs_as_the_user_in_the_home() -> None:
    found = draft("[Service]\nExecStart=%h/bin/a %h/x\nWorkingDirectory=%h/work", account="ann", of_user=True)
    assert found.fields == {"command": 'exec "${HOME}"/bin/a "${HOME}"/x', "user": "ann", "working_dir": "~/work"}
    assert draft("[Service]\nExecStart=/bin/a", of_user=True).fields == {"command": ["/bin/a"], "working_dir": "~"}


def test_a_daemon_starts_again_and_has_no_timeout() -> None:
    found = draft("[Service]\nExecStart=/bin/a\nRestart=always\nRestartSec=5\nRuntimeMaxSec=1h", is_daemon=True)
    assert found.fields == PLAIN | {"type": "daemon", "restart": {"delay": "5s", "backoff": 1}, "stop_grace": "1m30s"}
    assert told(found) == [("lost", "RuntimeMaxSec=: a daemon has no timeout")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[Service]\nType=oneshot", "it has no ExecStart="),
        ('[Service]\nExecStart=/bin/a "b', r"`ExecStart=/bin/a \"b`: a quote \(\"\) is opened and not closed"),
        ("[Service]\nExecStart=/opt/$X/a", "systemd expands no variable in the name of a program"),
    ],
)
def test_what_cannot_be_run_is_refused(lines: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draft(lines)


def test_every_remark_has_a_message_without_a_full_stop_and_lost_ones_say_what_to_do() -> None:
    found = draft("ProtectHome=yes\nFoo=1\nOnFailure=x\nExecStop=/bin/x\nStandardInput=tty\nMemoryMax=5%\nPassEnvironment=X")
    assert found.remarks
    for remark in found.remarks:
        assert not remark.message.endswith(".")
        assert remark.hint or remark.kind is not RemarkKind.LOST


def test_several_commands_of_a_service_that_is_not_oneshot_are_told() -> None:
    found = draft("[Service]\nExecStart=/bin/a\nExecStart=/bin/b")
    assert found.fields["command"] == "/bin/a && /bin/b"
    assert ("changed", "systemd refuses several ExecStart= but for Type=oneshot; here they run one after the other") in told(found)
    assert "systemd refuses" not in str(draft("ExecStart=/bin/b").remarks)


def test_settings_that_were_taken_back_are_not_told() -> None:
    assert draft("Foo=1\nFoo=\nPrivateTmp=yes\nPrivateTmp=").remarks == []


def test_many_settings_are_told_in_few_words() -> None:
    (remark,) = draft("\n".join(f"Foo{number}=1" for number in range(40))).remarks
    assert remark.message.endswith("Foo29= and 10 more")


def test_a_limit_of_many_years_is_none() -> None:
    found = draft("TimeoutStartSec=5y")
    assert "timeout" not in found.fields
    assert told(found)[0] == ("changed", "timeout: more than 366d is no limit, so it is left out")


def test_specifiers_for_a_file_come_from_the_instance_or_the_name() -> None:
    assert draft("[Service]\nExecStart=/bin/a %f", name="x@srv-a.service").fields["command"] == ["/bin/a", "/srv/a"]
    assert draft("[Service]\nExecStart=/bin/a %f %N %j %J", name="srv-a.service").fields["command"] == [
        "/bin/a",
        "/srv/a",
        "srv-a",
        "a",
        "a",
    ]
