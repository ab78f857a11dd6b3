"""The command line of ssh that git is told to use. Pure.

No configuration of the machine or of a user counts, no agent is asked, no other key is tried, nothing is asked of a person, and only servers
of the file of known ones are accepted. Nothing is written to that file, not even a new key of a server that proved itself by a known one.

Source: ssh_config(5). A file name in there stands in double quotes, in which `%` begins a token and is written twice; what cannot be written
so, `core/remotesettings.py` refuses.
"""

from __future__ import annotations

import shlex

_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "PreferredAuthentications=publickey",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectTimeout=20",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",  # greetings of the server are not ours to tell
)


def ssh_command(key: str, known_hosts: str) -> str:
    """What `GIT_SSH_COMMAND` holds: a shell takes it apart into ssh and its options."""
    options = (*_OPTIONS, f"IdentityFile={_file(key)}", f"UserKnownHostsFile={_file(known_hosts)}")
    return shlex.join(["ssh", "-F", "none", *(word for option in options for word in ("-o", option))])


def _file(path: str) -> str:
    return '"{}"'.format(path.replace("%", "%%"))
