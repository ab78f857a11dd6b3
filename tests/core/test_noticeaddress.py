from __future__ import annotations

import pytest

from torchsync.core.noticeaddress import Address, allows, allows_plain, parse_address


def address(text: str) -> Address:
    found = parse_address(text)
    assert isinstance(found, Address), found
    return found


def test_an_address_comes_apart() -> None:
    found = address("https://Hooks.Example.org/services/T0/B0?a=b")
    assert (found.is_encrypted, found.host, found.port) == (True, "hooks.example.org", 443)
    assert (found.target, found.origin) == ("/services/T0/B0?a=b", "https://hooks.example.org")
    assert address("http://[::1]:8080").origin == "http://[::1]:8080"
    assert address("https://x").target == "/"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "//x/y",
        "ftp://x/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@x/",
        "https://user:secret@x/",
        "https://@x/",
        "https://x/#secret",
        "https://x/ y",
        "https://x/\n",
        "https://x/\r\nHost: y",
        "https://x:99999/",
        "https://x:port/",
        "https://[::1/",
        "https://ünï.example/",
    ],
)
def test_what_is_no_address_is_said_without_quoting_it(text: str) -> None:
    found = parse_address(text)
    assert isinstance(found, str)
    assert "secret" not in found


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        pytest.param(
            "hc-ping.com",
            ["https://hc-ping.com/x", "https://HC-PING.COM:443/"],
            ["http://hc-ping.com/", "https://hc-ping.com:8443/"],
            id="a name",
        ),
        pytest.param("hc-ping.com", [], ["https://xhc-ping.com/", "https://hc-ping.com.evil.org/", "https://a.hc-ping.com/"], id="near it"),
        pytest.param(
            "*.example.org",
            ["https://a.example.org/", "https://a.b.example.org/"],
            ["https://example.org/", "https://aexample.org/"],
            id="a domain",
        ),
        pytest.param("alerts:8443", ["https://alerts:8443/"], ["https://alerts/"], id="a port"),
        pytest.param("http://127.0.0.1:9", ["http://127.0.0.1:9/"], ["https://127.0.0.1:9/", "http://127.0.0.1/"], id="unencrypted"),
        pytest.param("[::1]:9", ["https://[::1]:9/"], ["https://[::2]:9/"], id="an IPv6 address"),
    ],
)
def test_a_host_allows_the_servers_that_it_names(entry: str, allowed: list[str], refused: list[str]) -> None:
    assert [text for text in (*allowed, *refused) if allows(["other.example", entry], address(text))] == allowed
    assert not any(allows((), address(text)) for text in allowed)


def test_what_goes_unencrypted_has_to_be_named_whoever_chose_it() -> None:
    assert allows_plain((), address("https://anywhere/"))
    assert not allows_plain(("anywhere",), address("http://anywhere/"))
    assert allows_plain(("http://anywhere",), address("http://anywhere/"))


def test_a_name_below_an_address_keeps_its_query() -> None:
    base = address("https://hc/slug/?create=1")
    assert base.below("start", "rid=x").target == "/slug/start?create=1&rid=x"
    assert base.below("").target == "/slug/?create=1"
