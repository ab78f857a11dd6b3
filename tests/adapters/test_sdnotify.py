import os
import socket

import pytest

from torchsync.adapters.sdnotify import Notifier, watchdog_interval


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@torchsync-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(60)
        yield name, listener


def test_the_service_manager_is_told_each_step(manager):
    name, listener = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("12 tasks")
    notifier.status("two\nlines")
    notifier.reloading(1_234_567)
    notifier.alive()
    notifier.stopping("told to end")
    notifier.close()
    assert [listener.recv(4096) for _ in range(5)] == [
        b"READY=1\nSTATUS=12 tasks",
        b"STATUS=two lines",
        b"RELOADING=1\nMONOTONIC_USEC=1234567",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=told to end",
    ]


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/notify"}, {"NOTIFY_SOCKET": "vsock:2:1"}]
)
def test_without_a_service_manager_nothing_happens(environment):
    notifier = Notifier(environment)
    notifier.ready("up")
    notifier.alive()
    notifier.close()


def test_a_service_manager_that_does_not_listen_blocks_nobody(manager):
    name, _ = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for _ in range(5_000):
        notifier.alive()
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        pytest.param({"WATCHDOG_USEC": "30000000"}, 15_000, id="half of what is allowed"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 15_000, id="for us"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, None, id="for another process"),
        pytest.param({}, None, id="none"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="zero"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="nonsense"),
        pytest.param({"WATCHDOG_USEC": "500"}, 1, id="never zero"),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(environment, interval):
    assert watchdog_interval(environment, 77) == interval
