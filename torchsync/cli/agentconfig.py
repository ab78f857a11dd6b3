"""`agent --check`: the configuration against this host. Nobody is contacted, nothing is written."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from torchsync.adapters import hostfacts
from torchsync.adapters.credentials import secret_problems
from torchsync.adapters.gitaccess import access_problems
from torchsync.adapters.trustfiles import exposed_files, trust_files, trust_problems
from torchsync.agent.config import AgentConfig, ExecutorKind
from torchsync.cli.agentsettings import search_path
from torchsync.cli.executors import systemd_obstacle
from torchsync.cli.facts import configured_facts
from torchsync.cli.secured import file_problems
from torchsync.core.model import Instant
from torchsync.errors import ConfigInvalid, Problem


def run_check(config: AgentConfig, path: Path) -> int:
    accounts = hostfacts.Accounts()
    receivers = [user for secret in config.policy.secrets.values() for user in secret.users]
    named = (*config.policy.users, config.policy.default_user, *receivers)
    unknown = [name for name in named if accounts.uid(name) is None]
    problems = [
        Problem(code="TS303", message=f"the user {name!r} of the policy does not exist on this host", path=str(path), hint="create it")
        for name in dict.fromkeys(unknown)
    ]
    trust = config.repository.verify
    bad, soon_bad = file_problems(config.http, Instant(time.time_ns() // 1_000_000))
    found = (
        *bad,
        *access_problems(config.remote),
        *trust_problems(trust, trust_files(trust), search_path()),
        *exposed_files(trust),
        *secret_problems({name: secret.file for name, secret in config.policy.secrets.items()}),
    )
    problems += [replace(problem, path=str(path)) for problem in found]
    if config.executor is ExecutorKind.SYSTEMD and (obstacle := systemd_obstacle()):
        problems.append(replace(obstacle, path=str(path)))
    if problems:
        raise ConfigInvalid("TS303", f"{path} names what is not there or cannot be used on this host", problems)
    for problem in soon_bad:
        print(problem, file=sys.stderr)
    facts = configured_facts(config)
    print(f"{path}: valid; this host is {facts.name} with {', '.join(facts.addresses) or 'no address'}; state in {config.paths.state}")
    return 0
