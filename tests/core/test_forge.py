"""Which forge a remote is at."""

import pytest

from torchsync.core.forge import Forge, guess_forge


@pytest.mark.parametrize(
    ("url", "forge", "host"),
    [
        ("git@github.com:ops/tasks.git", Forge.GITHUB, "github.com"),
        ("https://github.example.org/ops/tasks", Forge.GITHUB, "github.example.org"),
        ("ssh://git@GitLab.example.org:2222/ops/tasks.git", Forge.GITLAB, "gitlab.example.org"),
        ("https://me:github-secret@gitlab.com/github/tasks.git", Forge.GITLAB, "gitlab.com"),
        ("https://codeberg.org/ops/tasks", Forge.GITEA, "codeberg.org"),
        ("forgejo@forgejo.example.org:ops/tasks.git", Forge.GITEA, "forgejo.example.org"),
        ("gitea.example.org:ops/tasks.git", Forge.GITEA, "gitea.example.org"),
        ("https://git.example.org/github/tasks.git", Forge.NONE, "git.example.org"),
    ],
)
def test_a_host_that_bears_the_name_of_a_forge_is_one(url: str, forge: Forge, host: str) -> None:
    guess = guess_forge([url])
    assert guess.forge is forge
    assert f" {host}" in guess.reason
    assert "secret" not in guess.reason


@pytest.mark.parametrize("urls", [[], ["/srv/git/github.git"], ["file:///srv/gitlab"], ["../github:x"], ["C"], [""]])
def test_a_path_on_this_machine_is_no_forge(urls: list[str]) -> None:
    guess = guess_forge(urls)
    assert guess == guess_forge([])
    assert guess.forge is Forge.NONE


def test_the_first_remote_that_tells_counts() -> None:
    assert guess_forge(["git.example.org:a", "git@gitlab.com:a", "git@github.com:a"]).forge is Forge.GITLAB
