"""What `init` makes, from the first commit to the first run."""

from __future__ import annotations

from tests.e2e.host import Host, wait_for
from torchsync.cli.main import main


def test_an_agent_runs_what_init_makes(host: Host) -> None:
    assert main(["init", str(host.clone), "--forge", "none"]) == 0
    revision = host.commit({})
    host.start()
    host.wait_for_revision(revision)
    assert host.torchsync("run", "hello", "--wait").returncode == 0
    # Its own time may come just now.
    wait_for("the newest run to have said it", lambda: host.torchsync("logs", "hello").stdout == "hello from h1\n")
