"""What the agent makes of its configuration: the settings of the loop, of the syncs and of webhooks."""

from __future__ import annotations

import os
from importlib.metadata import version

from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH
from torchsync.adapters.hookapi import HookSettings
from torchsync.adapters.hostfacts import Accounts
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.statefile import StateDirectory
from torchsync.adapters.tree import Trees
from torchsync.adapters.treewatch import TreeWatch
from torchsync.adapters.trustfiles import trust_files, trust_stamp
from torchsync.agent.config import AgentConfig
from torchsync.agent.loop import Settings
from torchsync.agent.sync import Syncs, SyncSettings
from torchsync.cli.executors import Choice
from torchsync.cli.facts import configured_facts
from torchsync.core.policy import seen_accounts
from torchsync.ports import Clock


def settings_of(config: AgentConfig, choice: Choice) -> Settings:
    policy = choice.policy(config)
    sync = SyncSettings(
        remote=config.remote,
        interval=config.repository.interval,
        jitter=config.repository.jitter,
        facts=configured_facts(config),
        trust=config.repository.verify,
        config=f"{config.stamp} {policy.executor.value}",
    )
    return Settings(config=config, sync=sync, policy=policy)


def hook_settings(config: AgentConfig) -> HookSettings:
    return HookSettings(secret_file=config.http.webhook_secret_file, ref=config.repository.ref)


def syncs_of(source: RemoteGit, settings: Settings, store: StateDirectory, clock: Clock) -> Syncs:
    syncs = Syncs(source, settings.sync, state=str(store.path), version=version("torchsync"))
    syncs.tree_is_whole = TreeWatch(Trees(store.worktrees), clock).is_whole
    accounts = Accounts()
    syncs.look_up = lambda users: seen_accounts(users, accounts.uid, accounts.groups)
    syncs.trust_stamp = lambda trust: trust_stamp(trust, trust_files(trust), search_path())
    return syncs


def search_path() -> str:
    return os.environ.get("PATH", DEFAULT_SEARCH_PATH)
