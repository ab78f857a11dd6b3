"""Checks of what the TCP addresses ask of those who come: the certificate, and the passwords."""

from __future__ import annotations

import time
from collections.abc import Iterator

from torchsync.adapters import certificates, passwordgate
from torchsync.adapters.passwordhash import find_check
from torchsync.cli.secured import is_good, security_settings
from torchsync.cli.site import Site
from torchsync.core.certificate import date_of
from torchsync.core.checkup import Finding, Level, fine, problem, told, warning
from torchsync.core.model import Instant
from torchsync.core.websettings import is_loopback
from torchsync.errors import Problem


def certificate(site: Site) -> Iterator[Finding]:
    """The certificate of the TCP addresses and its key fit together, are only the agent's, and good for a while."""
    files = security_settings(site.settings.http).tls
    if not files.cert:
        yield fine("no TLS is asked for")
        return
    loaded = certificates.load(files)
    if isinstance(loaded, Problem):
        yield told(loaded)
        return
    now = Instant(time.time_ns() // 1_000_000)
    if expiry := certificates.expiry_problem(files, loaded.validity, now):
        yield told(expiry, Level.WARNING if is_good(loaded, now) else Level.PROBLEM)
    else:
        until = f", good until {date_of(loaded.validity.end)}" if loaded.validity else ""
        clients = f", and clients need one by {files.client_ca}" if files.client_ca else ""
        yield fine(f"{files.cert} and its key are in order{until}{clients}")


def passwords(site: Site) -> Iterator[Finding]:
    """The passwords of the TCP addresses can be checked, are only the agent's, and do not cross the network in the clear."""
    http = site.settings.http
    if not http.basic_auth_file:
        yield fine("no passwords are asked for")
        return
    if find_check() is None:
        yield problem(
            "this host has no crypt(3) that knows bcrypt and SHA-512", "apt install libcrypt1, or take out http.basic_auth_file", "TS344"
        )
    if http.allow_plain and not http.tls_cert and not is_loopback(http.listen):
        yield warning(f"passwords come to {http.listen} in the clear", "set http.tls_cert and http.tls_key")
    found = passwordgate.load(http.basic_auth_file)
    yield told(found) if isinstance(found, Problem) else fine(f"{len(found.hashes)} users of {http.basic_auth_file} may ask on TCP")
