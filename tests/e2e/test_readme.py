"""The README does what it says: its task file, its configuration and its commands, in order, as they stand there."""

import re
import shlex
import subprocess
import sys

from tests.e2e.host import ROOT, Host, environment, wait_for
from torchsync.adapters.schemas import read_schema
from torchsync.core.configfile import Account, ConfigFileReader

README = (ROOT / "README.md").read_text()


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of the code blocks under a heading."""
    section = re.split(r"^## ", README, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("torchsync ")]


def test_the_configuration_of_the_readme_is_valid() -> None:
    ((_, text),) = [block for block in blocks("The agent's configuration") if block[0] == "yaml"]
    reader = ConfigFileReader(read_schema("agent"))
    document, problems = reader.read("agent.yaml", text.encode(), Account(user="root", is_root=True))
    assert problems == ()
    assert document is not None


def test_the_first_repository_of_the_readme_is_valid_and_runs_and_can_be_looked_at(host: Host) -> None:
    (_, begin), (_, tasks), (_, checks) = blocks("Your first task repository")
    ((init, folder),) = commands(begin)
    subprocess.run([sys.executable, "-m", "torchsync", init, folder], cwd=host.folder, env=environment(), capture_output=True, check=True)
    assert (host.folder / folder / "tasks/hello.yaml").is_file()
    revision = host.commit({"tasks/hello.yaml": tasks})
    for words in commands(checks):
        command = [sys.executable, "-m", "torchsync", *words]
        done = subprocess.run(command, cwd=host.clone, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    host.start()
    host.wait_for_revision(revision)
    wait_for("hello to run", lambda: "succeeded" in host.outcomes("hello"))
    ((_, looks),) = blocks("Look at it")
    assert len(commands(looks)) >= 6
    for words in commands(looks):
        done = host.torchsync(*words)
        assert done.returncode == 0, (words, done.stderr)
    wait_for("the newest run to have said it", lambda: host.torchsync("logs", "hello").stdout == "hello from h1\n")
