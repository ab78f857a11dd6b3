"""What a host is and what it allows, as it can be carried to where a pull request is judged: `torchsync facts --json` writes it there, and
`plan --facts` reads it. Pure.

The verdict of a host asks for the ids and groups of users, which only the host knows. A user counts there only when the policy grants it or it is a
default, so those of these users are all that the verdict can depend on. Of secrets the names are told and who may have them, never where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from torchsync.core.codec import Codec
from torchsync.core.jsontext import Json
from torchsync.core.model import HostFacts
from torchsync.core.policy import GroupsOf, HostPolicy, HostRules, UidOf

_CODEC = Codec()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedPolicy:
    """The policy of a host, and the ids and groups of the users it grants. A user without an id does not exist there."""

    rules: HostPolicy
    uids: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSheet:
    """`policy` is None where it is not known, as on a machine without an agent."""

    facts: HostFacts
    policy: GrantedPolicy | None = None

    @property
    def rules(self) -> HostRules | None:
        """What decides whether the host takes the tasks selected for it."""
        if self.policy is None:
            return None
        groups = self.policy.groups
        return HostRules(self.policy.rules, self.policy.uids.get, lambda user: groups.get(user, ()))


def granted(policy: HostPolicy, uid_of: UidOf, groups_of: GroupsOf) -> GrantedPolicy:
    """The policy together with the ids and groups of the users it grants on this host."""
    names = {policy.agent_user, policy.default_user, *policy.users}
    found = {name: uid_of(name) for name in sorted(names)}
    secrets = {name: replace(secret, file="") for name, secret in policy.secrets.items()}  # who may use it decides, not where it is
    uids = {name: uid for name, uid in found.items() if uid is not None}
    groups = {name: tuple(groups_of(name)) for name in uids}
    return GrantedPolicy(rules=replace(policy, secrets=secrets), uids=uids, groups=groups)


def sheet_document(sheet: HostSheet) -> dict[str, Json]:
    """The facts as keys of the document, and the policy under `policy` when it is known."""
    document = _object(sheet.facts)
    if sheet.policy is None:
        return document
    people: dict[str, Json] = {
        "uids": dict(sheet.policy.uids),
        "groups": {name: list(groups) for name, groups in sheet.policy.groups.items()},
    }
    return {**document, "policy": {**_object(sheet.policy.rules), **people}}


def sheet_from_document(document: object) -> HostSheet:
    """The sheet that the document stands for. Raises ValueError with a sentence when it is none, or has a key that nobody knows."""
    facts = _CODEC.value(HostFacts, document, "the host facts")
    assert isinstance(document, dict)  # else it had no name
    _check_keys(document, HostFacts, {"policy"}, "is not a fact of a host")
    policy = document.get("policy")
    if policy is None:
        return HostSheet(facts=facts)
    rules = _CODEC.value(HostPolicy, policy, "the policy")
    _check_keys(policy, HostPolicy, {"uids", "groups"}, "is nothing that a policy has")
    return HostSheet(
        facts=facts,
        policy=_CODEC.value(
            GrantedPolicy, {"rules": _object(rules), "uids": policy.get("uids", {}), "groups": policy.get("groups", {})}, "the policy"
        ),
    )


def _object(value: HostFacts | HostPolicy) -> dict[str, Json]:
    document = _CODEC.document(value)
    assert isinstance(document, dict)
    return document


def _check_keys(document: Mapping[str, object], kind: type[HostFacts | HostPolicy], besides: set[str], what: str) -> None:
    unknown = sorted(document.keys() - {item.name for item in fields(kind)} - besides)
    if unknown:
        raise ValueError(f"{unknown[0]!r} {what}")
