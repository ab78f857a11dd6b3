"""What a task has no field for: the settings that no other step dealt with, told in groups. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from torchsync.core.foreign.unitdraft import Draft, brief

_SANDBOX = (
    "Protect*", "Private*", "Restrict*", "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "NoNewPrivileges",
    "CapabilityBoundingSet", "AmbientCapabilities", "SystemCall*", "LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC", "Device*", "Bind*Paths",
    "TemporaryFileSystem", "Root*", "Mount*", "IPAddress*", "SocketBind*", "SecureBits", "KeyringMode", "ProcSubset", "SELinuxContext",
    "AppArmorProfile", "SmackProcessLabel", "NetworkNamespacePath", "Personality", "ReadOnlyDirectories", "ReadWriteDirectories",
    "InaccessibleDirectories",
)  # fmt: skip
_MOST_NAMED = 30
_FOLDERS = ("StateDirectory", "RuntimeDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory")
_ORDER = (
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "Before",
    "After",
    "RequiresMountsFor",
    "JoinsNamespaceOf",
)
_OUTPUT = ("StandardOutput", "StandardError")
_JOURNAL = ("journal", "inherit", "syslog", "kmsg", "journal+console", "syslog+console", "")
_WITHOUT_EFFECT = (
    "DefaultDependencies", "SyslogIdentifier", "SyslogFacility", "SyslogLevel*", "LogLevelMax", "LogRateLimit*", "LogExtraFields", "LogNamespace",
    "StartLimit*", "CollectMode", "RefuseManual*", "StopWhenUnneeded", "SourcePath", "*Accounting", "ExecReload", "TTY*", "RestartPreventExitStatus",
    "RestartForceExitStatus", "RestartKillSignal", "TimeoutAbortSec", "TimeoutStartFailureMode", "TimeoutStopFailureMode", "SurviveFinalKillSignal",
    "IgnoreOnIsolate", "AllowIsolate", "IgnoreSIGPIPE", "X-*", "Delegate",
)  # fmt: skip


def take_leftovers(draft: Draft) -> None:
    """Each setting of [Unit] and [Service] that nothing was said of is told, those of a kind together."""
    _take_notices(draft)
    _take_credentials(draft)
    _take_output(draft)
    _take_group(
        draft, _SANDBOX, "sandbox", "the hosts' executor decides what tasks may see; keep the service as a unit where the sandbox is needed"
    )
    _take_group(draft, _FOLDERS, "folders that systemd makes", "make them in the command, or once on the hosts")
    _take_group(
        draft, ("Condition*", "Assert*", "ExecCondition"), "conditions", "test it in the command, and `exit 0` when it does not hold"
    )
    _take_group(
        draft, _ORDER, "order and dependencies", "a run starts at its instant, whatever else runs; wait in the command where that matters"
    )
    _take_group(draft, ("ExecStop", "ExecStopPost"), "commands for the end", "use `trap` in the command, or notify: {exec: ...}")
    draft.used.update(key for key in _keys(draft) if _is_one_of(key, _WITHOUT_EFFECT))
    _take_group(draft, ("*",), "settings that a task has no field for", "see systemd.directives(7) for what they do")


def _take_notices(draft: Draft) -> None:
    for key, event in (("OnFailure", "failure"), ("OnSuccess", "success")):
        setting = draft.last(key, "Unit")
        if setting:
            draft.lost(f"`{brief(setting)}` starts a unit", f"write `notify: [{{on: [{event}], ...}}]`, or let an alert tell")


def _take_credentials(draft: Draft) -> None:
    loaded = draft.all("LoadCredential", "LoadCredentialEncrypted")
    names = [setting.value.partition(":")[0] for setting in loaded]
    if names:
        draft.fields["credentials"] = list(dict.fromkeys(names))
        draft.changed(
            f"the hosts have to grant the credentials {', '.join(names)}", "name their files under `policy.secrets` of agent.yaml"
        )
    if draft.all("SetCredential", "SetCredentialEncrypted"):
        draft.lost(
            "SetCredential= has the secret in the unit; it was not taken over", "put it into a file of the hosts, and see `credentials`"
        )


def _take_output(draft: Draft) -> None:
    for key in _OUTPUT:
        setting = draft.last(key)
        if setting and setting.value not in _JOURNAL:
            draft.changed(
                f"`{brief(setting)}`: the output of a run is kept by torchsync (`torchsync logs`)",
                "redirect it in the command to have it elsewhere",
            )
    given = [setting for setting in draft.all("StandardInput", "StandardInputText", "StandardInputData") if setting.value != "null"]
    if given:
        draft.lost(f"`{brief(given[0])}`: a run reads /dev/null", "redirect a file in the command")


def _take_group(draft: Draft, patterns: tuple[str, ...], what: str, hint: str) -> None:
    found = [key for key in _keys(draft) if key not in draft.used and _is_one_of(key, patterns)]
    if found:
        draft.used.update(found)
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        draft.lost(f"{what}: {', '.join(f'{key}=' for key in found[:_MOST_NAMED])}{more}", hint)


def _keys(draft: Draft) -> list[str]:
    """The settings that hold, each once, in the order they are given."""
    found: dict[tuple[str, str], None] = {}
    for setting in draft.unit.settings:
        place = (setting.section, setting.key)
        if setting.value and setting.section in ("Unit", "Service"):
            found[place] = None
        else:
            found.pop(place, None)
    return list(dict.fromkeys(key for _, key in found))


def _is_one_of(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
