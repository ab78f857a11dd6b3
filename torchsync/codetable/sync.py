"""TS2xx: the repository and the sync."""

from __future__ import annotations

from torchsync.codetable.row import CodeInfo, Reason

SYNC_CODES = (
    CodeInfo("TS201", "remote not reachable", "The git remote did not answer.", "Check repository.url, the network and the server."),
    CodeInfo(
        "TS202",
        "remote refuses the credentials",
        "The remote asked for other credentials, or those that are configured cannot be used: the message says which file or command and why.",
        "Check the token file or the key, its rights and its expiry, or run the credential command by hand.",
    ),
    CodeInfo(
        "TS203",
        "host key not known",
        "The ssh server showed a key, and repository.known_hosts has none for it.",
        "Compare its fingerprint with the one the server's operator publishes, then add it to that file. Nothing adds it by itself.",
    ),
    CodeInfo(
        "TS204",
        "remote too slow",
        "A git process did not end within repository.timeout, the first fetch not within clone_timeout, or a server said next to nothing for longer "
        "than the timeout.",
        "Check the network, or raise the timeout.",
    ),
    CodeInfo("TS205", "ref not found", "The remote has no such branch, tag or commit.", "Check repository.ref."),
    CodeInfo(
        "TS206",
        "signature not accepted",
        "By `repository.verify` of this host a commit is not signed, not by a key that counts at its date, or is dated before a commit it follows.",
        "Sign it anew, or add the key to the file of trusted keys; see docs/how-to/signing.md.",
        Reason.SIGNATURE,
    ),
    CodeInfo(
        "TS207",
        "history rewritten",
        "The remote's tip does not descend from the newest commit accepted here.",
        "Push a descendant of that commit; or set repository.rewind to `allow` when the rewrite is meant.",
        Reason.REWIND,
    ),
    CodeInfo("TS208", "guard against removal", "The commit would remove more tasks than the guard allows.", "See guards.", Reason.GUARD),
    CodeInfo(
        "TS209",
        "local copy damaged",
        "The mirror of the repository on this host is damaged.",
        "Nothing: it is rebuilt. Look at the disk when it comes back.",
    ),
    CodeInfo(
        "TS210",
        "TLS failure",
        "The server's certificate is not trusted, expired or for another name.",
        "Correct the certificate, or set repository.ca_file.",
    ),
    CodeInfo(
        "TS211",
        "host key changed",
        "The ssh server showed another key than repository.known_hosts has for it, or one that is marked there as revoked. The server has got a new "
        "key, or somebody stands between.",
        "Ask the server's operator for the new fingerprint. Only when it is the one in the message, replace the key in that file.",
    ),
    CodeInfo(
        "TS215", "commit from the future", "A commit is dated later than this host says it is.", "Correct the clock.", Reason.SIGNATURE
    ),
    CodeInfo(
        "TS216",
        "signatures cannot be checked",
        "A file of `repository.verify` is missing, empty, too large or unreadable, or the program that checks signatures is not installed.",
        "Do what the message says. Until then nothing new is accepted here.",
        Reason.SIGNATURE,
    ),
    CodeInfo(
        "TS219",
        "pin that cannot be followed",
        "An operator pinned a revision that neither the remote's ref nor what was accepted here before leads to.",
        "Pin a commit of the branch, or say `torchsync unpin`. What is in force stays so meanwhile.",
    ),
    CodeInfo("TS220", "sync failed", "The sync process ended without an answer that makes sense.", "See the log; it is tried again."),
    CodeInfo(
        "TS221",
        "remote without its whole history",
        "The remote repository is a shallow copy. What a commit descends from cannot be known by it.",
        "Say `git fetch --unshallow` in it, or follow the repository it was copied from.",
    ),
)
