"""agent.yaml: its defaults with and without root, and every setting that cannot work."""

from __future__ import annotations

from typing import Any

import pytest

from torchsync.adapters.schemas import read_schema
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.errors import Problem

READER = ConfigFileReader(read_schema("agent"))
ROOT = Account(user="root", is_root=True, state_home="/root/.local/state")
JOE = Account(user="joe", is_root=False, state_home="/home/joe/.local/state", runtime_dir="/run/user/1000")
SMALLEST = "version: 1\nrepository: {url: https://git.example.org/tasks.git}\n"


def document_of(text: str, account: Account = ROOT) -> Any:
    document, problems = READER.read("agent.yaml", text.encode(), account)
    assert not problems, "\n".join(map(str, problems))
    return document


def problems_of(text: str, account: Account = ROOT) -> tuple[Problem, ...]:
    document, problems = READER.read("agent.yaml", text.encode(), account)
    assert document is None
    return problems


def with_repository(settings: str) -> str:
    return f"version: 1\nrepository: {{{settings}}}\n"


def with_hooks(listen: str) -> str:
    return SMALLEST + f"http: {{hooks_listen: '{listen}', webhook_secret_file: /etc/hook}}\n"


def test_the_smallest_file_takes_the_documented_defaults() -> None:
    assert document_of(SMALLEST) == {
        "account": {"user": "root", "is_root": True, "most_files": 0, "least_nice": -20},
        "repository": {
            "url": "https://git.example.org/tasks.git",
            "ref": "HEAD",
            "path": ".",
            "interval": 30_000,
            "timeout": 60_000,
            "clone_timeout": 900_000,
            "jitter": 0.1,
            "username": "",
            "token_file": "",
            "ca_file": "",
            "ssh_key": "",
            "known_hosts": "",
            "proxy": "",
            "proxy_username": "",
            "proxy_password_file": "",
            "credential_command": [],
            "insecure": False,
            "rewind": "refuse",
            "watch": "auto",
            "verify": {"mode": "none", "allowed_signers": "", "gpg_keyring": "", "revoked_keys": "", "root": ""},
        },
        "host": {"name": "", "labels": {}, "addresses": []},
        "paths": {"state": "/var/lib/torchsync", "run": "/run/torchsync"},
        "http": {
            "listen": "127.0.0.1:9747",
            "hooks_listen": "",
            "tls_cert": "",
            "tls_key": "",
            "client_ca": "",
            "basic_auth_file": "",
            "webhook_secret_file": "",
            "allow_plain": False,
        },
        "executor": "auto",
        "policy": {
            "users": {},
            "default_user": "torchsync-run",
            "allow_root": False,
            "max_tasks": 2000,
            "secrets": {},
            "notify_hosts": [],
        },
        "pools": {},
        "retention": {"ledger_days": 90, "runs_days": 30, "total_output": 2 << 30},
        "metrics": {"per_task": "full", "textfile": ""},
        "log": {"format": "auto", "level": "info"},
    }


def test_without_root_the_defaults_are_those_of_the_user() -> None:
    document = document_of(SMALLEST, JOE)
    assert document["paths"] == {"state": "/home/joe/.local/state/torchsync", "run": "/run/user/1000/torchsync"}
    assert document["policy"]["default_user"] == "joe"


def test_without_a_runtime_directory_the_socket_lies_below_the_state() -> None:
    account = Account(user="joe", is_root=False, state_home="/home/joe/.local/state")
    assert document_of(SMALLEST, account)["paths"]["run"] == "/home/joe/.local/state/torchsync/run"
    assert document_of(SMALLEST + "paths: {state: /srv/state/}\n", account)["paths"]["run"] == "/srv/state/run"


def test_everything_can_be_set() -> None:
    document = document_of(
        """\
version: 1
repository: {url: "https://git.example.org/x", ref: refs/heads/main, path: ./ops//cron/, interval: 100ms, jitter: 0%, timeout: 5s,
  clone_timeout: 1h, username: git, token_file: /etc/token, ca_file: /etc/ca.pem, proxy: "http://proxy:3128",
  proxy_username: bot, proxy_password_file: /etc/proxy,
  insecure: true, rewind: allow, watch: off}
host: {name: DB-01.Example.org, labels: {role: db}, addresses: [10.2.0.7, "2001:db8::7"]}
paths: {state: /srv/state, run: /srv/run}
http: {listen: "0.0.0.0:80", hooks_listen: "0.0.0.0:81", webhook_secret_file: /etc/hook, allow_plain: true}
executor: process
policy: {users: {deploy: ["tasks/web/**"]}, default_user: runner, allow_root: true, max_tasks: 5,
  secrets: {slack-ops: {file: /etc/slack, users: [deploy], notify: true}, db: {file: /etc/db}}, notify_hosts: ["*.example.org"]}
log: {format: json, level: debug}
retention: {ledger_days: 365, runs_days: 7, total_output: 20GiB}
"""
    )
    assert document["retention"] == {"ledger_days": 365, "runs_days": 7, "total_output": 20 << 30}
    assert document["repository"]["path"] == "ops/cron"
    assert (document["repository"]["interval"], document["repository"]["jitter"]) == (100, 0.0)
    assert (document["repository"]["proxy"], document["repository"]["insecure"]) == ("http://proxy:3128", True)
    assert document["host"] == {"name": "db-01.example.org", "labels": {"role": "db"}, "addresses": ["10.2.0.7", "2001:db8::7"]}
    assert document["policy"] == {
        "users": {"deploy": ["tasks/web/**"]},
        "default_user": "runner",
        "allow_root": True,
        "max_tasks": 5,
        "secrets": {
            "slack-ops": {"file": "/etc/slack", "users": ["deploy"], "notify": True},
            "db": {"file": "/etc/db", "users": [], "notify": False},
        },
        "notify_hosts": ["*.example.org"],
    }
    assert document["paths"] == {"state": "/srv/state", "run": "/srv/run"}
    assert document["http"]["hooks_listen"] == "0.0.0.0:81"
    assert document["http"]["webhook_secret_file"] == "/etc/hook"


def test_an_address_with_tls_may_be_reached_by_others() -> None:
    text = SMALLEST + "http: {listen: '0.0.0.0:80', tls_cert: /c, tls_key: /k, client_ca: /a, basic_auth_file: /b}\n"
    http = document_of(text)["http"]
    assert (http["tls_cert"], http["tls_key"], http["client_ca"], http["basic_auth_file"]) == ("/c", "/k", "/a", "/b")


def test_commits_can_be_verified_by_keys_of_both_kinds() -> None:
    text = f"url: /x, verify: {{mode: all, allowed_signers: /s, gpg_keyring: /g, revoked_keys: /r, root: {'AB' * 20}}}"
    found = document_of(with_repository(text))["repository"]["verify"]
    assert found == {"mode": "all", "allowed_signers": "/s", "gpg_keyring": "/g", "revoked_keys": "/r", "root": "ab" * 20}
    assert document_of(with_repository("url: /x, verify: {mode: head, gpg_keyring: /g}"))


def test_keys_that_nothing_is_verified_by_are_each_told() -> None:
    found = problems_of(with_repository(f"url: /x, verify: {{allowed_signers: /s, root: {'a' * 40}}}"))
    assert [problem.message.split()[0] for problem in found] == ["`repository.verify.allowed_signers`", "`repository.verify.root`"]


def test_a_key_without_a_value_is_as_if_it_were_not_there() -> None:
    assert document_of(SMALLEST + "host:\nlog: {level: }\n") == document_of(SMALLEST)


@pytest.mark.parametrize(
    "url",
    [
        *("https://git.example.org/x.git", "https://git@git.example.org:8443/x", "file:///srv/x.git", "file://localhost/srv/x"),
        *("/srv/x.git", "HTTPS://git.example.org/x"),
    ],
)
def test_an_address_this_version_follows_is_accepted(url: str) -> None:
    assert document_of(with_repository(f'url: "{url}"'))["repository"]["url"] == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        pytest.param("https://user:secret@git.example.org/x", "TS303", id="password"),
        pytest.param("https://user:@git.example.org/x", "TS303", id="empty password"),
        pytest.param("https://ghp_secret@git.example.org/x", "TS303", id="token as user"),
        pytest.param("file://user:secret@localhost/x", "TS303", id="password in a file address"),
        pytest.param("http://git.example.org/x", "TS303", id="http"),
        pytest.param("https:///x", "TS303", id="no host"),
        pytest.param("https://git.example.org:99999/x", "TS303", id="no port"),
        pytest.param("https://[::1/x", "TS303", id="no address"),
        pytest.param("file://server/x", "TS303", id="file on a server"),
        pytest.param("file:x", "TS303", id="looks like ssh"),
        pytest.param("git://git.example.org/x", "TS303", id="git"),
        pytest.param("ssh://git:secret@git.example.org/x", "TS303", id="password for ssh"),
        pytest.param("ext::sh -c true", "TS302", id="ext with spaces"),
        pytest.param("ext::true", "TS303", id="ext"),
        pytest.param("ftp://git.example.org/x", "TS303", id="ftp"),
        pytest.param("relative/path", "TS303", id="relative"),
        pytest.param("--upload-pack=x", "TS303", id="an option"),
    ],
)
def test_an_address_that_will_not_do_is_refused_and_no_secret_is_quoted(url: str, code: str) -> None:
    (problem,) = problems_of(with_repository(f'url: "{url}"'))
    assert (problem.code, problem.line, problem.column) == (code, 2, 19)
    assert "secret" not in str(problem)


@pytest.mark.parametrize("settings", ["url: 'https://user:secret@h/a b'", "url: /x, proxy: 'socks5://user:secret@p:1'"])
def test_no_secret_of_an_address_is_quoted_where_it_is_not_even_of_the_right_form(settings: str) -> None:
    (problem,) = problems_of(with_repository(settings))
    assert problem.code == "TS302"
    assert "secret" not in str(problem)


def test_http_needs_a_word_of_the_operator() -> None:
    assert document_of(with_repository("url: http://git.example.org/x, insecure: true"))
    assert document_of(with_repository("url: git://git.example.org/x, insecure: true"))


SSH = "url: 'ssh://git@git.example.org:2222/x', ssh_key: /etc/key, known_hosts: /etc/known"


def test_a_repository_over_ssh_has_a_key_and_known_hosts() -> None:
    document = document_of(with_repository(SSH))["repository"]
    assert (document["ssh_key"], document["known_hosts"]) == ("/etc/key", "/etc/known")


def test_ssh_without_its_files_is_told_with_what_to_do() -> None:
    found = problems_of(with_repository("url: 'ssh://git@git.example.org:2222/x'"))
    assert [(problem.code, problem.line, problem.column) for problem in found] == [("TS303", 2, 19), ("TS303", 2, 19)]
    (hint,) = [problem.hint for problem in found if "known_hosts" in problem.message]
    assert "`ssh-keyscan -p 2222 git.example.org > FILE`" in hint
    assert "fingerprints" in hint


def test_a_credential_command_is_a_list() -> None:
    command = ["/usr/bin/token", "--app", "4 2"]
    document = document_of(with_repository(f"url: https://git.example.org/x, credential_command: {command}"))
    assert document["repository"]["credential_command"] == command


def test_a_setting_that_does_nothing_is_told_where_it_stands() -> None:
    (problem,) = problems_of("version: 1\nrepository:\n  url: https://git.example.org/x\n  known_hosts: /etc/known\n")
    assert (problem.code, problem.line, problem.column) == ("TS303", 4, 16)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        pytest.param("", "TS301", "nothing but blanks", id="empty"),
        pytest.param("version: 1\nrepository: {url: *x}\n", "TS301", "alias", id="yaml"),
        pytest.param(SMALLEST + "version: 1\n", "TS301", "twice", id="key twice"),
        pytest.param("version: 1\n", "TS302", "lacks `repository`", id="no repository"),
        pytest.param("version: 1\nrepository: {}\n", "TS302", "lacks `url`", id="no url"),
        pytest.param("repository: {url: /x}\n", "TS302", "lacks `version`", id="no version"),
        pytest.param("version: 9\nrepository: {url: /x}\n", "TS113", "version 9", id="newer"),
        pytest.param(SMALLEST + "executor: docker\n", "TS302", "one of `auto`, `process`", id="executor"),
        pytest.param(
            SMALLEST + "http: {tls_cert: x, tls_key: /x}\n", "TS302", "`http.tls_cert` must be an absolute path", id="relative cert"
        ),
        pytest.param(SMALLEST + "metrics: {textfile: metrics.prom}\n", "TS302", "absolute path that ends in `.prom`", id="metrics file"),
        pytest.param(SMALLEST + "metrics: {textfile: /srv/.prom}\n", "TS302", "`.prom`", id="metrics file without a name"),
        pytest.param(SMALLEST + "metrics: {per_task: some}\n", "TS302", "compact", id="metrics of tasks"),
        pytest.param(SMALLEST + "retention: {ledger_days: 0}\n", "TS302", "from 1 to 3650", id="no days"),
        pytest.param(SMALLEST + "retention: {runs_days: 1.5}\n", "TS302", "from 1 to 3650", id="half a day"),
        pytest.param(SMALLEST + "retention: {total_output: 2GB}\n", "TS302", "a size such as", id="no size"),
        pytest.param(SMALLEST + "retention: {total_output: 1KiB}\n", "TS303", "must be from 16MiB to 1024TiB, found 1KiB", id="no room"),
        pytest.param(SMALLEST + "policy: {secrets: {a: {file: b}}}\n", "TS302", "an absolute path", id="a secret somewhere"),
        pytest.param(SMALLEST + "htp: {}\n", "TS302", "unknown field `htp`", id="unknown"),
        pytest.param(with_repository("url: /x, ssh_key: /y"), "TS303", "no effect on an address with file", id="key for a file address"),
        pytest.param(with_repository(f"{SSH}, proxy: 'http://p:1'"), "TS303", "no effect on an address with ssh", id="proxy for ssh"),
        pytest.param(with_repository(SSH.replace("/etc/known", "known")), "TS302", "an absolute path", id="relative known hosts"),
        pytest.param(with_repository(SSH.replace("/etc/key", "~/key")), "TS302", "an absolute path", id="key at home"),
        pytest.param(with_repository("url: 'https://h/x', credential_command: /t"), "TS302", "a list of", id="command as text"),
        pytest.param(
            with_repository("url: 'https://h/x', credential_command: [token]"), "TS303", "no absolute path", id="command to look for"
        ),
        pytest.param(with_repository("url: 'https://h/x', proxy: 'p:3128'"), "TS302", "the address of a proxy", id="proxy without scheme"),
        pytest.param(with_repository("url: 'https://h/x', proxy: 'http://u:secret@p:1'"), "TS303", "password", id="password of a proxy"),
        pytest.param(with_repository("url: 'https://h/x', username: bot"), "TS303", "proves nothing", id="username alone"),
        pytest.param(with_repository("url: /x, interval: 99ms"), "TS303", "from 100ms", id="interval too short"),
        pytest.param(with_repository("url: /x, interval: 30"), "TS302", "a duration", id="interval as number"),
        pytest.param(with_repository("url: /x, jitter: 101%"), "TS302", "a share", id="jitter"),
        pytest.param(with_repository("url: /x, path: ../y"), "TS303", "inside the repository", id="path above"),
        pytest.param(with_repository("url: /x, path: /y"), "TS303", "inside the repository", id="path absolute"),
        pytest.param(with_repository("url: /x, ref: -x"), "TS302", "the name of a branch", id="ref that is an option"),
        pytest.param(with_repository("url: /x, ref: a..b"), "TS303", "name of a ref", id="ref that is a range"),
        pytest.param(with_repository("url: /x, ref: a.lock"), "TS303", "name of a ref", id="ref that git refuses"),
        pytest.param(with_repository("url: /x, token_file: token"), "TS302", "an absolute path", id="relative file"),
        pytest.param(with_repository("url: /x, verify: {mode: head}"), "TS303", "no keys are named", id="nobody to trust"),
        pytest.param(with_repository("url: /x, verify: {allowed_signers: /s}"), "TS303", "nothing is verified", id="no mode"),
        pytest.param(
            with_repository("url: /x, verify: {mode: all, gpg_keyring: /g, revoked_keys: /r}"), "TS303", "not set", id="revoked of none"
        ),
        pytest.param(with_repository("url: /x, verify: {mode: yes}"), "TS302", "one of `none`, `head`, `all`", id="verify mode"),
        pytest.param(
            with_repository("url: /x, verify: {mode: head, gpg_keyring: ring}"), "TS302", "an absolute path", id="relative keyring"
        ),
        pytest.param(
            with_repository("url: /x, verify: {mode: head, gpg_keyring: /g, root: main}"), "TS302", "a full commit id", id="root by name"
        ),
        pytest.param(SMALLEST + "http: {listen: '0.0.0.0:9747'}\n", "TS303", "other hosts can reach", id="open to all"),
        pytest.param(SMALLEST + "http: {listen: 'db-01:9747'}\n", "TS303", "other hosts can reach", id="open by name"),
        pytest.param(SMALLEST + "http: {listen: '[::]:9747'}\n", "TS303", "other hosts can reach", id="open to all of IPv6"),
        pytest.param(SMALLEST + "http: {listen: '127.0.0.1:70000'}\n", "TS303", "no port", id="port"),
        pytest.param(SMALLEST + "http: {listen: '9747'}\n", "TS302", "an address and a port", id="port only"),
        pytest.param(SMALLEST + "http: {webhook_secret_file: hook}\n", "TS302", "an absolute path", id="relative secret"),
        pytest.param(SMALLEST + "http: {hooks_listen: '127.0.0.1:1'}\n", "TS303", "no secret", id="hooks without secret"),
        pytest.param(with_hooks("0.0.0.0:1"), "TS303", "other hosts can reach 0.0.0.0:1", id="hooks open to all"),
        pytest.param(with_hooks("127.0.0.1:70000"), "TS303", "no port", id="port of hooks"),
        pytest.param(with_hooks("127.0.0.1:9747"), "TS303", "both 127.0.0.1:9747", id="hooks on the same port"),
        pytest.param(with_hooks("9748"), "TS302", "an address and a port", id="port of hooks only"),
        pytest.param(SMALLEST + "host: {addresses: [10.2.0.300]}\n", "TS303", "no IP address", id="address"),
        pytest.param(SMALLEST + f"paths: {{run: /{'x' * 95}}}\n", "TS303", "at most 107", id="socket path"),
        pytest.param(SMALLEST + "policy: {default_user: root}\n", "TS303", "allow_root", id="root by default"),
        pytest.param(SMALLEST + "policy: {users: {deploy: x}}\n", "TS302", "a list of path patterns", id="grant as text"),
        pytest.param(SMALLEST + "policy: {secrets: {x: {users: [a]}}}\n", "TS302", "`file`", id="secret without a file"),
        pytest.param(SMALLEST + "policy: {secrets: {x: {file: a}}}\n", "TS302", "an absolute path", id="secret in a relative file"),
        pytest.param(
            SMALLEST + "policy: {secrets: {../x: {file: /a}}}\n", "TS302", "the name of a secret", id="secret with a path for a name"
        ),
        pytest.param(SMALLEST + "policy: {notify_hosts: [https://a/b]}\n", "TS302", "a host such as", id="notify host with a path"),
    ],
)
def test_a_setting_that_is_wrong_is_told_in_one_problem(text: str, code: str, message: str) -> None:
    (problem,) = problems_of(text)
    assert (problem.code, problem.path) == (code, "agent.yaml")
    assert message in problem.message
    assert problem.line


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.8.8:80", "[::1]:9747", "localhost:9747"])
def test_a_loopback_address_needs_no_permission(listen: str) -> None:
    assert document_of(SMALLEST + f"http: {{listen: '{listen}'}}\n")["http"]["listen"] == listen


def test_a_socket_path_that_just_fits_is_accepted() -> None:
    run = "/" + "x" * (107 - len("/control.sock") - 1)
    assert document_of(SMALLEST + f"paths: {{run: {run}}}\n")["paths"]["run"] == run


def test_the_length_of_a_socket_path_is_counted_in_bytes() -> None:
    assert problems_of(SMALLEST + f"paths: {{run: /{'ü' * 50}}}\n")[0].code == "TS303"


def test_without_root_nothing_can_be_granted() -> None:
    found = problems_of(SMALLEST + "policy: {users: {deploy: [x]}, default_user: other}\n", JOE)
    assert [(problem.code, problem.line) for problem in found] == [("TS303", 3), ("TS303", 3)]
    assert document_of(SMALLEST + "policy: {users: {}, default_user: joe}\n", JOE)


def test_all_that_is_wrong_is_told_at_once_in_order() -> None:
    found = problems_of("version: 1\nrepository: {url: 'http://a:b@c/x', interval: 1ms, nam: x}\nhttp: {tls_cert: /x}\nlog: {level: 010}\n")
    assert [(problem.code, problem.line) for problem in found] == [("TS303", 2), ("TS303", 2), ("TS302", 2), ("TS303", 3), ("TS301", 4)]
