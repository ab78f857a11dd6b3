"""TS3xx: the host. TS9xx: ourselves."""

from __future__ import annotations

from torchsync.codetable.row import CodeInfo, Reason

HOST_CODES = (
    CodeInfo(
        "TS301", "agent.yaml is not valid YAML", "The agent's configuration cannot be read.", "Correct the line the message points at."
    ),
    CodeInfo(
        "TS302", "agent.yaml breaks its schema", "The agent's configuration has a wrong, unknown or missing field.", "Correct the field."
    ),
    CodeInfo(
        "TS303", "setting that cannot work", "A setting is of the right form but cannot work on this host.", "Do what the message says."
    ),
    CodeInfo(
        "TS304",
        "no agent configuration",
        "The configuration file is not there or cannot be read.",
        "Write it, or name another with --config.",
    ),
    CodeInfo(
        "TS310",
        "user not granted",
        "A task names a user that this host's policy does not grant to its file.",
        "Grant it in policy.users of agent.yaml, or drop `user`.",
        Reason.POLICY,
    ),
    CodeInfo(
        "TS311", "unknown user", "A task names a user this host does not have.", "Create the user, or select other hosts.", Reason.USER
    ),
    CodeInfo(
        "TS312",
        "limit that cannot be enforced",
        "A task asks for what this host cannot do, or names a pool that nobody gives a size.",
        "Drop it, select other hosts, or give the pool a size in torchsync.yaml or agent.yaml.",
        Reason.LIMIT,
    ),
    CodeInfo(
        "TS313",
        "too many tasks",
        "More tasks are selected for this host than policy.max_tasks.",
        "Raise policy.max_tasks, or select fewer.",
        Reason.COUNT,
    ),
    CodeInfo(
        "TS314",
        "host and inventory disagree",
        "agent.yaml overrides a label of hosts.yaml, or hosts.yaml does not have this host. Tasks run all the same.",
        "Correct the one that is wrong.",
    ),
    CodeInfo(
        "TS315",
        "group that the user is not in",
        "A task names a group that its user is not a member of on this host, or that the agent cannot give it without root.",
        "Take the user into the group, name another, or drop `group`.",
        Reason.USER,
    ),
    CodeInfo(
        "TS316",
        "secret not granted",
        "A task names a secret that this host does not have, or does not grant to the user of the task.",
        "Grant it in policy.secrets of agent.yaml, or drop it from `credentials`.",
        Reason.POLICY,
    ),
    CodeInfo(
        "TS318",
        "address not granted",
        "A task wants its notices to go to a secret or a server that this host's policy does not allow for them.",
        "Grant it in policy.secrets or policy.notify_hosts of agent.yaml, or take it out of `notify`.",
        Reason.POLICY,
    ),
    CodeInfo(
        "TS320", "program missing", "A program torchsync needs is not installed or too old.", "Install it; the message names the package."
    ),
    CodeInfo(
        "TS321",
        "clock behind what is decided",
        "The clock went back by more than 15 minutes, and nothing tells that it had been ahead. No instant is decided twice, so tasks are"
        " silent until the clock shows again what they are decided up to.",
        "If the clock is wrong now, set it. If it was wrong before: `torchsync drain --wait`, stop the agent, move ledger.sqlite and"
        " ledger.sqlite-wal out of paths.state, start it, `torchsync resume --drain`. The history begins anew, and tasks count from then on.",
    ),
    CodeInfo(
        "TS330", "state held by another agent", "Another agent runs on the same state directory.", "Stop that one, or set paths.state."
    ),
    CodeInfo(
        "TS331",
        "state cannot be created",
        "The state directory cannot be made.",
        "Create it, give it to the agent's user, or set paths.state.",
    ),
    CodeInfo(
        "TS332",
        "state of another owner",
        "The state directory belongs to another user.",
        "Give it to the agent's user, or set paths.state.",
    ),
    CodeInfo(
        "TS333",
        "state cannot be written",
        "The disk is full or read-only. Runs go on; what they do is kept under paths.run until it can be written.",
        "Free space.",
    ),
    CodeInfo("TS334", "state file damaged", "A state file could not be read. It was moved aside and is rebuilt.", "Look at the disk."),
    CodeInfo(
        "TS335",
        "state of another version",
        "The state was written by a newer torchsync, and this one does not know its form.",
        "Upgrade again, or set paths.state to a new folder.",
    ),
    CodeInfo(
        "TS336",
        "wall clock not believed",
        "The clock is not known to be synchronised, and shows a time before this release or far before the newest entry of the ledger.",
        "Set the clock, or start a time daemon (chrony, systemd-timesyncd). After ten minutes fires go on all the same.",
    ),
    CodeInfo(
        "TS340",
        "address in use",
        "Another process listens on http.listen or http.hooks_listen. Tasks run all the same.",
        "Stop that process or change the setting; it is tried again.",
    ),
    CodeInfo(
        "TS341",
        "webhook secret not usable",
        "The file of http.webhook_secret_file is missing, open to others, or has too short a line. Webhooks are answered with 503 until it is right.",
        "Write at least 16 bytes into it that only the agent can read, such as from `openssl rand -hex 32`; a second secret is a second "
        "line. It is read again by itself.",
    ),
    CodeInfo(
        "TS342",
        "certificate not usable",
        "The certificate, its key or the CA of clients (http.tls_cert, tls_key, client_ca) cannot be used. What was read before stays in force;"
        " where nothing was, connections to the TCP addresses are closed. Tasks run all the same.",
        "Write a certificate and the key that belongs to it, in PEM, the key readable for the agent only; they are read again by themselves.",
    ),
    CodeInfo(
        "TS343",
        "certificate that runs out",
        "The certificate of http.tls_cert has run out, is not good yet, or has less than 14 days or a quarter of its life left.",
        "Renew it and write it over the old one; it is read by itself.",
    ),
    CodeInfo(
        "TS344",
        "passwords not usable",
        "The file of http.basic_auth_file cannot be used. What was read before stays in force; where nothing was, everything on TCP is answered"
        " with 503. Tasks run all the same.",
        "Write lines of `USER:HASH`, made by `htpasswd -nB USER` or `openssl passwd -6`, that only the agent can read; it is read again by itself.",
    ),
    CodeInfo(
        "TS345",
        "notices not delivered",
        "A receiver of `notify` has not answered for ten minutes. Tasks run all the same.",
        "Look at the receiver, and at the address of it; what waits is sent once it answers, for a day.",
    ),
    CodeInfo("TS350", "agent not reachable", "No agent answers on the control socket.", "Start it, or name its socket with --socket."),
    CodeInfo(
        "TS351",
        "not permitted",
        "The control socket is for root, the agent's user and the group torchsync-admin.",
        "Ask for membership, or use sudo.",
    ),
    CodeInfo(
        "TS352", "no such task or run", "The agent knows no task or run of that name.", "See `torchsync status` and `torchsync history`."
    ),
    CodeInfo("TS353", "no such file or folder", "The path given on the command line is not there.", "Correct the path."),
    CodeInfo("TS354", "no such revision", "The repository has no such revision.", "Fetch it, or correct the name."),
    CodeInfo("TS355", "not now", "The agent knows what is meant but cannot do it now.", "Do what the message says, then ask again."),
    CodeInfo(
        "TS356", "request not understood", "The control socket was sent what it does not know.", "Use a client of the agent's version."
    ),
    CodeInfo(
        "TS357", "argument not understood", "A word of the command line is not of the form it must have.", "Write it as the message says."
    ),
    CodeInfo(
        "TS359",
        "no inventory",
        "All hosts are asked for, and the repository has no hosts.yaml that names hosts.",
        "Add hosts.yaml, or name a host.",
    ),
    CodeInfo(
        "TS360",
        "file in the way",
        "`torchsync init` would write a file where another one is. Nothing was written.",
        "Move away what is named, or begin in another folder.",
    ),
    CodeInfo(
        "TS361", "files not written", "`torchsync init` could not write its files. What it wrote was removed again.", "See the message."
    ),
    CodeInfo(
        "TS362",
        "git repository already",
        "`torchsync init --git` is for a folder that is in no git repository.",
        "Leave --git out, and commit the files yourself.",
    ),
    CodeInfo(
        "TS363",
        "first commit not made",
        "git refused a step of `torchsync init --git`. What was written was removed again.",
        "Do what git says, such as setting user.name and user.email, or leave --git out.",
    ),
    CodeInfo(
        "TS364",
        "filter matches nothing",
        "A task, host, owner or label that was asked for is not in the repository.",
        "Correct the pattern; `torchsync fleet` shows everything.",
    ),
    CodeInfo(
        "TS365",
        "Prometheus not reachable",
        "No Prometheus answered at that address in time.",
        "Check the address and the network, and ask again.",
    ),
    CodeInfo(
        "TS366",
        "Prometheus did not answer the question",
        "What answered is no Prometheus, refused the question, or said more than fits.",
        "Do what the message says: another address, credentials, or fewer tasks by --task.",
    ),
    CodeInfo(
        "TS367",
        "credentials for Prometheus not usable",
        "The file with them cannot be read, or is not of the form it must have.",
        "Write one line into it: a token, or NAME:PASSWORD.",
    ),
    CodeInfo(
        "TS370",
        "state of a shadow",
        "The state directory is kept by `torchsync agent --shadow`: what is noted there never ran, and an agent must not take it for what did.",
        "Set paths.state to another folder, or remove that one with what the shadow noted.",
    ),
    CodeInfo(
        "TS371",
        "state of an agent",
        "The state directory belongs to an agent that starts runs, and a shadow must not write into it.",
        "Move the folder that the message names away: a shadow makes its own, beside paths.state.",
    ),
    CodeInfo(
        "TS372",
        "a shadow answers",
        "The agent was started with --shadow. It decides every fire and starts nothing; runs are taken to end at once, and daemons to go on.",
        "Nothing. Start the agent without --shadow when its tasks are to run.",
    ),
    CodeInfo(
        "TS373",
        "nothing to compare",
        "The system logs tell of nothing that cron started on this host, or of no time that the shadow has seen.",
        "Name the logs of this host for the time since the shadow was started; the message says what was found in them.",
    ),
    CodeInfo(
        "TS374",
        "system log not readable",
        "A file that was to be compared with is there, but this user may not read it, or it is damaged.",
        "Use sudo or the group adm; unpack a damaged file as far as it goes, and name what comes out.",
    ),
    CodeInfo(
        "TS375",
        "kernel that lacks something",
        "The kernel, or how it was booted, lacks what torchsync uses.",
        "Do what `torchsync doctor` says with it.",
    ),
    CodeInfo(
        "TS376",
        "clock not synchronised",
        "Nothing keeps the clock of this host right, or it differs from that of the remote: tasks start early or late.",
        "Start a time daemon (chrony, systemd-timesyncd).",
    ),
    CodeInfo(
        "TS377",
        "unit not as it should be",
        "The unit of the agent lacks a setting that a promise rests on, or keeps failing.",
        "Compare `systemctl cat torchsync` with the unit that comes with torchsync.",
    ),
    CodeInfo(
        "TS378",
        "job in cron too",
        "A line of a crontab has the command of a task, or starts the same program: the job would run twice.",
        "Take the line out of the crontab, or pause the task.",
    ),
    CodeInfo(
        "TS379",
        "disk not fit",
        "The disk under paths.state or paths.run is nearly full, read-only, noexec or that of another host.",
        "Do what `torchsync doctor` says with it.",
    ),
    CodeInfo(
        "TS380",
        "agent in trouble",
        "The running agent does not do all that its configuration and its repository say.",
        "See `torchsync status` and the log of the agent.",
    ),
    CodeInfo(
        "TS381",
        "check without a result",
        "A check of `torchsync doctor` failed itself or did not end in time, so it says nothing about the host.",
        "Do what it says, and run it again.",
    ),
    CodeInfo(
        "TS382",
        "key that runs out",
        "A key that vouches for commits has run out or soon will.",
        "Add a newer key to the file, and sign with that.",
    ),
    CodeInfo(
        "TS383",
        "unit of another version",
        "The unit file that is installed, or its drop-in for processes, says otherwise than the one that comes with the installed torchsync.",
        "Take over what differs, after an upgrade above all; keep changes of your own in a drop-in.",
    ),
    CodeInfo(
        "TS390",
        "metrics file cannot be written",
        "The file of metrics.textfile cannot be written. Tasks run all the same, and the metrics over HTTP are not touched.",
        "Make its folder, let the agent write there (the packaged unit needs `ReadWritePaths=`: docs/how-to/metrics.md), or free space;"
        " it is tried again every 15 seconds.",
    ),
    CodeInfo(
        "TS395",
        "log not taken",
        "Whoever takes the log of the agent, such as journald, is gone or does not keep up. Tasks run all the same.",
        "Look at what takes it: `systemctl status systemd-journald`, the disk of the journal, the reader of the pipe.",
    ),
    CodeInfo("TS901", "internal error", "torchsync met a case it does not know. This is a bug.", "Report it with the line from the log."),
)
