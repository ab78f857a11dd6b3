from __future__ import annotations

import grp
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from torchsync.adapters.hostfacts import Accounts, global_addresses, local_zone, read_host_facts
from torchsync.errors import ConfigInvalid

ASK = "from torchsync.adapters.hostfacts import global_addresses; print(*global_addresses())"


@pytest.fixture
def network() -> Iterator[Callable[[str], str]]:
    """Runs shell commands in a network namespace of their own, which has only a loopback interface that is down."""
    if os.geteuid() != 0:
        pytest.skip("only as root: making a network namespace")
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo made && exec sleep 600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        if holder.stdout.readline() != b"made\n":
            pytest.skip("making a network namespace is not possible here")
        yield lambda commands: inside(holder.pid, commands)
    finally:
        holder.kill()
        holder.communicate()


def inside(holder: int, commands: str) -> str:
    command = ["nsenter", f"--net=/proc/{holder}/ns/net", "sh", "-euc", commands]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(network: Callable[[str], str], setup: str) -> list[str]:
    if setup:
        network("\n".join(f"ip {line}" for line in setup.strip().splitlines()))
    return network(f"{sys.executable} -c '{ASK}'").split()


TWO_LINKS = """
link set lo up
link add out type veth peer name far
link add bridge type bridge
link set out up
link set far up
link set bridge up
address add 172.17.0.1/16 dev bridge
"""


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        pytest.param("", [], id="nothing is up"),
        pytest.param("link set lo up\naddress add 203.0.113.9/32 dev lo", [], id="only loopback"),
        pytest.param(TWO_LINKS + "address add 10.2.0.7/24 dev out", [], id="no default route"),
        pytest.param(TWO_LINKS + "address add 10.2.0.7/24 dev out\nroute add default via 10.2.0.1", ["10.2.0.7"], id="one default route"),
        pytest.param(TWO_LINKS + "address add 10.2.0.7/24 dev out\nroute add default dev out", ["10.2.0.7"], id="a route without gateway"),
        pytest.param(
            TWO_LINKS + "address add 10.2.0.7/24 dev out\naddress add 10.2.0.30/24 dev out\nroute add default via 10.2.0.1",
            ["10.2.0.7", "10.2.0.30"],
            id="a secondary address, in the order of numbers",
        ),
        pytest.param(
            TWO_LINKS + "address add 10.2.0.7 peer 10.9.9.9/32 dev out\nroute add default dev out", ["10.2.0.7"], id="our end of a link"
        ),
        pytest.param(
            TWO_LINKS
            + "address add 10.2.0.7/24 dev out\nroute add default nexthop via 10.2.0.1 dev out weight 1 nexthop via 172.17.0.9 dev bridge weight 1",
            ["10.2.0.7", "172.17.0.1"],
            id="several next hops",
        ),
        pytest.param(
            TWO_LINKS + "address add 10.2.0.7/24 dev out\nroute add default via 10.2.0.1 table 99", [], id="a route of another table"
        ),
        pytest.param(TWO_LINKS + "address add 10.2.0.7/24 dev out\nroute add unreachable default", [], id="a default route to nowhere"),
        pytest.param(
            TWO_LINKS + "address add 10.2.0.7/24 dev out\naddress add 10.3.0.1/24 dev out scope link\nroute add default dev out",
            ["10.2.0.7"],
            id="an address of link scope",
        ),
    ],
)
def test_the_addresses_are_those_others_reach_the_host_by(network, setup, expected):
    assert asked(network, setup) == expected


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this kernel has no IPv6")
def test_lasting_global_addresses_of_ipv6_count_too(network):
    setup = """
    link add out type veth peer name far
    link set out up
    link set far up
    address add 10.2.0.7/24 dev out
    route add default via 10.2.0.1
    -6 address add 2001:db8::7/64 dev out nodad
    -6 address add 2001:db8::dead/64 dev out nodad preferred_lft 0
    -6 route add default via 2001:db8::1
    """
    assert asked(network, setup) == ["10.2.0.7", "2001:db8::7"]


def test_many_addresses_are_all_read(network):
    batch = "\\n".join(f"address add 10.2.{number // 250}.{number % 250 + 1}/16 dev out" for number in range(1000))
    network("ip link add out type veth peer name far; ip link set out up; ip link set far up")
    network(f"printf '{batch}\\n' | ip -batch -; ip route add default dev out")
    assert len(asked(network, "")) == 1000


def test_this_machine_tells_addresses_without_a_subprocess():
    assert all(ip_address(address).is_loopback is False for address in global_addresses())


def test_what_is_configured_wins_over_what_the_system_tells():
    facts = read_host_facts(name="DB-1.Example.org", labels={"role": "db"}, addresses=["10.2.0.7", "2001:DB8::7"])
    assert (facts.name, facts.labels, facts.addresses) == ("db-1.example.org", {"role": "db"}, ("10.2.0.7", "2001:db8::7"))
    assert read_host_facts(addresses=[]).addresses == ()


def test_without_configuration_the_system_is_asked():
    facts = read_host_facts()
    assert facts.name == socket.gethostname().lower()
    assert facts.addresses == global_addresses()
    assert facts.zone == local_zone()
    assert facts.labels == {}


def test_a_configured_address_that_is_none_is_said():
    with pytest.raises(ConfigInvalid, match=r"host\.addresses: '10\.2'") as caught:
        read_host_facts(addresses=["10.2"])
    assert caught.value.code == "TS303"


@pytest.mark.parametrize(
    ("link", "text", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", None, "Europe/Berlin"),
        ("../usr/share/zoneinfo/America/Argentina/Ushuaia", "Asia/Tokyo", "America/Argentina/Ushuaia"),
        ("/usr/share/zoneinfo/posix/Asia/Tokyo", None, "Asia/Tokyo"),
        ("/etc/other", "Asia/Tokyo\n", "Asia/Tokyo"),
        (None, "Asia/Tokyo\n", "Asia/Tokyo"),
        (None, "\n", "UTC"),
        (None, None, "UTC"),
    ],
)
def test_the_zone_is_that_of_localtime_else_that_of_timezone_else_utc(tmp_path, link, text, zone):
    (tmp_path / "etc").mkdir()
    if link is not None:
        (tmp_path / "etc/localtime").symlink_to(link)
    if text is not None:
        (tmp_path / "etc/timezone").write_text(text)
    assert local_zone(tmp_path) == zone


def test_a_name_that_no_zone_data_knows_is_passed_over(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").symlink_to("/usr/share/zoneinfo/Middle/Earth")
    (tmp_path / "etc/timezone").write_text("../../etc/passwd\n")
    assert local_zone(tmp_path) == "UTC"


def test_a_copied_localtime_does_not_hide_timezone(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").write_bytes(b"TZif2")
    (tmp_path / "etc/timezone").write_text("Europe/Berlin\n")
    assert local_zone(tmp_path) == "Europe/Berlin"


def test_the_groups_of_a_user_are_named_the_primary_one_first():
    me = pwd.getpwuid(os.geteuid())
    groups = Accounts().groups(me.pw_name)
    assert groups[0] == grp.getgrgid(me.pw_gid).gr_name
    assert set(groups) == {grp.getgrgid(gid).gr_name for gid in os.getgrouplist(me.pw_name, me.pw_gid)}
    assert Accounts().groups("no-such-user") == ()


def test_users_are_looked_up_by_name_only():
    accounts, own = Accounts(), pwd.getpwuid(os.geteuid())
    found = accounts.get(own.pw_name)
    assert found is not None
    assert (found.uid, found.gid, found.home, found.shell) == (own.pw_uid, own.pw_gid, own.pw_dir, own.pw_shell)
    assert accounts.uid("root") == 0
    assert accounts.name(0) == "root"
    assert accounts.name(3_999_999_999) == "3999999999"
    for stranger in ("no-such-user-here", "0", "", "ro\0ot"):
        assert accounts.uid(stranger) is None
