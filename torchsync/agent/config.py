"""The configuration of the agent as typed values, from the document that the reader of agent.yaml makes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.core.codec import Codec
from torchsync.core.jsontext import canonical
from torchsync.core.metrictable import PerTask
from torchsync.core.model import Millis
from torchsync.core.policy import ExecutorName, HostPolicy, Secret, grants_credential
from torchsync.core.syncdoc import RemoteSpec, TrustSpec

_CODEC = Codec()
DAY = Millis(24 * 3600 * 1000)


class Rewind(Enum):
    REFUSE = "refuse"
    ALLOW = "allow"


class Watch(Enum):
    AUTO = "auto"
    POLL = "poll"
    OFF = "off"


class ExecutorKind(Enum):
    AUTO = "auto"
    PROCESS = "process"
    SYSTEMD = "systemd"


class LogFormat(Enum):
    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNALD = "journald"


class LogLevel(Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """Who the agent runs as, and what it can give a run; found, not configured."""

    user: str
    is_root: bool
    most_files: int = 0
    least_nice: int = -20


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """Where the task repository is. `jitter` is a fraction of `interval`; `path` is `.` or relative without `.` and `..`."""

    url: str
    ref: str
    path: str
    interval: Millis
    jitter: float
    timeout: Millis
    clone_timeout: Millis
    username: str
    token_file: str
    ca_file: str
    ssh_key: str
    known_hosts: str
    proxy: str
    credential_command: tuple[str, ...]
    insecure: bool
    rewind: Rewind
    watch: Watch
    verify: TrustSpec = TrustSpec()
    proxy_username: str = ""
    proxy_password_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """What the operator says of the host. An empty name or no addresses: what the host itself says."""

    name: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsConfig:
    """Absolute paths: the state directory, and the directory of the control socket."""

    state: str
    run: str

    @property
    def socket(self) -> str:
        return f"{self.run}/control.sock"

    @property
    def shadow(self) -> PathsConfig:
        """Those of the shadow of an agent with these: beside them, so that neither touches what is the other's."""
        state = f"{self.state.rstrip('/')}-shadow"
        inside = self.run.startswith(f"{self.state.rstrip('/')}/")
        run = state + self.run[len(self.state.rstrip("/")) :] if inside else f"{self.run.rstrip('/')}-shadow"
        return PathsConfig(state=state, run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """`listen` is HOST:PORT, an IPv6 address in brackets; so is `hooks_listen`, or empty: then webhooks come to `listen`. Without a
    `webhook_secret_file` there are none. `tls_cert` and `tls_key` are both set or both empty.
    """

    listen: str
    hooks_listen: str
    tls_cert: str
    tls_key: str
    client_ca: str
    basic_auth_file: str
    webhook_secret_file: str
    allow_plain: bool

    @property
    def address(self) -> tuple[str, int]:
        """Host without brackets, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """`users` maps users to patterns of the task files that may name them."""

    users: Mapping[str, tuple[str, ...]]
    default_user: str
    allow_root: bool
    max_tasks: int
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    notify_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """How long the history goes back and what runs have left is kept, in days; `total_output` is in bytes."""

    ledger_days: int = 90
    runs_days: int = 30
    total_output: int = 2 << 30

    @property
    def ledger(self) -> Millis:
        return Millis(self.ledger_days * DAY)

    @property
    def runs(self) -> Millis:
        """Not longer than the ledger knows the run."""
        return Millis(min(self.runs_days, self.ledger_days) * DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """`textfile` is an absolute path, or empty for none."""

    per_task: PerTask = PerTask.FULL
    textfile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    format: LogFormat
    level: LogLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    account: AccountConfig
    repository: RepositoryConfig
    host: HostConfig
    paths: PathsConfig
    http: HttpConfig
    executor: ExecutorKind
    policy: PolicyConfig
    log: LogConfig
    pools: Mapping[str, int] = field(default_factory=dict)
    retention: RetentionConfig = RetentionConfig()
    metrics: MetricsConfig = MetricsConfig()

    @property
    def remote(self) -> RemoteSpec:
        """The remote as the git source is told of it."""
        repository = self.repository
        return RemoteSpec(
            url=repository.url,
            ref=repository.ref,
            path=repository.path,
            username=repository.username,
            token_file=repository.token_file,
            ca_file=repository.ca_file,
            ssh_key=repository.ssh_key,
            known_hosts=repository.known_hosts,
            proxy=repository.proxy,
            proxy_username=repository.proxy_username,
            proxy_password_file=repository.proxy_password_file,
            credential_command=repository.credential_command,
            insecure=repository.insecure,
            rewind_allowed=repository.rewind is Rewind.ALLOW,
            timeout_ms=repository.timeout,
            clone_timeout_ms=repository.clone_timeout,
        )

    @property
    def stamp(self) -> str:
        """A text that is another one when any setting is."""
        return hashlib.sha256(canonical(_CODEC.document(self)).encode()).hexdigest()

    @property
    def host_policy(self) -> HostPolicy:
        """What tasks may do here, as the verdict of the host takes it."""
        return HostPolicy(
            agent_user=self.account.user,
            is_root=self.account.is_root,
            users=self.policy.users,
            default_user=self.policy.default_user,
            allow_root=self.policy.allow_root,
            max_tasks=self.policy.max_tasks,
            secrets=self.policy.secrets,
            notify_hosts=self.policy.notify_hosts,
            executor=ExecutorName.PROCESS,
            most_files=self.account.most_files,
            least_nice=self.account.least_nice,
            pools=self.pools,
        )

    def secret_files(self, user: str) -> Mapping[str, str]:
        """The files of the secrets that runs of the user may be handed, by name."""
        policy = self.host_policy
        return {name: secret.file for name, secret in policy.secrets.items() if grants_credential(policy, name, user)}


def config_from_document(document: Mapping[str, object]) -> AgentConfig:
    """The configuration the document stands for. Raises ValueError with a sentence when the reader cannot have made it."""
    return _CODEC.value(AgentConfig, document, "the configuration")
