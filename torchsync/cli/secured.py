"""What the TCP addresses ask of those who come: TLS, a certificate, a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torchsync.adapters.certificates import Certificates, Loaded, TlsFiles, expiry_problem
from torchsync.adapters.certificates import load as load_certificate
from torchsync.adapters.hookapi import read_secrets
from torchsync.adapters.passwordgate import PasswordGate
from torchsync.adapters.passwordgate import load as load_passwords
from torchsync.adapters.passwordhash import find_check
from torchsync.adapters.tls import Front
from torchsync.agent.config import HttpConfig
from torchsync.cli.refusals import Refusals
from torchsync.core.certificate import Validity
from torchsync.core.logevents import Log
from torchsync.core.model import Instant, Millis
from torchsync.core.web import Handler
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """The files of agent.yaml; empty where nothing is asked."""

    tls: TlsFiles = TlsFiles()
    passwords: str = ""


def security_settings(http: HttpConfig) -> SecuritySettings:
    return SecuritySettings(tls=TlsFiles(cert=http.tls_cert, key=http.tls_key, client_ca=http.client_ca), passwords=http.basic_auth_file)


class Secured:
    """`look` has to be called before the first connection, and every few seconds after that."""

    def __init__(self, settings: SecuritySettings, *, log: Log, now: Callable[[], Instant], monotonic: Callable[[], Millis]) -> None:
        self._refusals = Refusals(log, monotonic)
        self._certificates = Certificates(settings.tls, log=log, now=now, on_refused=self._refusals)
        self._gate = PasswordGate(settings.passwords, find_check=find_check, log=log, monotonic=monotonic, on_refused=self._refusals)

    def change(self, settings: SecuritySettings) -> None:
        """The next `look` goes by these."""
        self._certificates.files = settings.tls
        self._gate.file = settings.passwords

    def look(self) -> None:
        """What the files hold is in force, or it is said why not. For one thread at a time."""
        self._certificates.look()
        self._gate.look()
        self._refusals.drain()

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (*self._certificates.problems, *([self._gate.problem] if self._gate.problem else []))

    @property
    def validity(self) -> Validity:
        """When the certificate that is shown is good; NEVER where none is."""
        return self._certificates.validity

    def front(self, *, is_hooks: bool = False) -> Front:
        return self._certificates.front(is_hooks=is_hooks)

    def guard(self, handler: Handler) -> Handler:
        """The handler, for those who know a password, where one is asked."""
        return self._gate.guard(handler)


def file_problems(http: HttpConfig, now: Instant) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """What of the files of `http` cannot be used on this host as it is; and what only soon."""
    bad: list[Problem] = []
    soon: list[Problem] = []
    settings = security_settings(http)
    loaded = load_certificate(settings.tls) if settings.tls.cert else None
    if isinstance(loaded, Problem):
        bad.append(loaded)
    elif loaded and (expiry := expiry_problem(settings.tls, loaded.validity, now)):
        (soon if is_good(loaded, now) else bad).append(expiry)
    if settings.passwords and isinstance(found := load_passwords(settings.passwords), Problem):
        bad.append(found)
    if http.webhook_secret_file and isinstance(secrets := read_secrets(http.webhook_secret_file), Problem):
        bad.append(secrets)
    return tuple(bad), tuple(soon)


def is_good(loaded: Loaded, now: Instant) -> bool:
    return loaded.validity is not None and loaded.validity.covers(now)
