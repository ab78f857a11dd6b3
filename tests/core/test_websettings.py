import pytest

from torchsync.core.websettings import WebSettings, is_loopback, web_misfits

HOOK = "/etc/hook"


def settings(listen: str = "127.0.0.1:1", **more: object) -> WebSettings:
    return WebSettings(listen=listen, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fitting",
    [
        settings(),
        settings("0.0.0.0:1", tls_cert="/c", tls_key="/k"),
        settings("0.0.0.0:1", tls_cert="/c", tls_key="/k", hooks_listen="0.0.0.0:2", webhook_secret_file=HOOK, client_ca="/a"),
        settings("db-01:1", hooks_listen="[::]:2", webhook_secret_file=HOOK, allow_plain=True),
        settings(webhook_secret_file=HOOK),
    ],
)
def test_settings_that_fit_are_not_complained_of(fitting: WebSettings) -> None:
    assert list(web_misfits(fitting)) == []


@pytest.mark.parametrize(
    ("misfitting", "told"),
    [
        (settings("0.0.0.0:1"), ["listen"]),
        (settings("db-01:1", hooks_listen="10.0.0.1:2", webhook_secret_file=HOOK), ["listen", "hooks_listen"]),
        (settings(hooks_listen="[2001:db8::1]:2", webhook_secret_file=HOOK), ["hooks_listen"]),
        (settings("0.0.0.0:1", tls_cert="/c"), ["tls_cert"]),
        (settings(tls_key="/k"), ["tls_key"]),
        (settings(client_ca="/a"), ["client_ca"]),
        (settings(client_ca="/a", tls_cert="/c", tls_key="/k", webhook_secret_file=HOOK), ["client_ca"]),
    ],
)
def test_settings_that_do_not_fit_are_told_where_they_stand_with_what_to_write(misfitting: WebSettings, told: list[str]) -> None:
    found = list(web_misfits(misfitting))
    assert [misfit.setting for misfit in found] == told
    assert all("`http." in misfit.hint for misfit in found)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"])
def test_loopback_is_an_address_or_localhost(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "localhost.example.org:1", "db-01:1", "10.0.0.1:1"])
def test_everything_else_is_taken_to_be_reached_by_others(address: str) -> None:
    assert not is_loopback(address)
