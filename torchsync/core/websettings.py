"""What goes wrong between the settings of `http`, each of which is fine by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """As in agent.yaml; empty is what is not set."""

    listen: str
    hooks_listen: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""
    webhook_secret_file: str = ""
    allow_plain: bool = False

    @property
    def is_encrypted(self) -> bool:
        return bool(self.tls_cert or self.tls_key)


@dataclass(frozen=True, slots=True)
class Misfit:
    setting: str
    message: str
    hint: str


def web_misfits(settings: WebSettings) -> Iterator[Misfit]:
    yield from _open_addresses(settings)
    if settings.tls_cert and not settings.tls_key:
        yield Misfit("tls_cert", "`http.tls_cert` is a certificate without its key", "name the file of its key in `http.tls_key`")
    if settings.tls_key and not settings.tls_cert:
        yield Misfit("tls_key", "`http.tls_key` is a key without its certificate", "name the file of the certificate in `http.tls_cert`")
    if settings.client_ca and not settings.is_encrypted:
        hint = "set `http.tls_cert` and `http.tls_key` beside it"
        yield Misfit("client_ca", "`http.client_ca` asks for certificates, which nobody can show without TLS", hint)
    if settings.client_ca and settings.webhook_secret_file and not settings.hooks_listen:
        message = "webhooks come to `http.listen`, where `http.client_ca` asks for a certificate, and forges have none"
        yield Misfit("client_ca", message, "give webhooks an address of their own in `http.hooks_listen`")


def _open_addresses(settings: WebSettings) -> Iterator[Misfit]:
    if settings.allow_plain or settings.is_encrypted:
        return
    for name, address in (("listen", settings.listen), ("hooks_listen", settings.hooks_listen)):
        if address and not is_loopback(address):
            message = f"other hosts can reach {address}, and nothing there is encrypted"
            hint = (
                "set `http.tls_cert` and `http.tls_key`; or listen on 127.0.0.1, behind a server with TLS; or set `http.allow_plain: true` when the"
                " network may read along"
            )
            yield Misfit(name, message, hint)


def is_loopback(address: str) -> bool:
    """Whether only this host reaches HOST:PORT. A name is taken to be reached by others, but for `localhost`."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
