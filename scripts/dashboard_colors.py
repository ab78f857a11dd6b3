"""Colours that mean the same on every graph: what is well is green, what failed is red, what operators asked for is blue."""

OUTCOMES = {
    "succeeded": "green",
    "failed": "red",
    "timed_out": "orange",
    "start_failed": "dark-red",
    "lost": "purple",
    "stopped": "blue",
    "replaced": "light-blue",
}
SYNCS = {
    "applied": "green",
    "unchanged": "dark-green",
    "rejected": "red",
    "refused": "dark-red",
    "unavailable": "orange",
    "failed": "purple",
    "paused": "blue",
}
SKIPS = {"missed": "red", "overlap": "orange", "pool": "yellow", "paused": "blue", "lease": "light-blue", "removed": "text"}
REASONS = {
    **dict.fromkeys(("yaml", "schema", "schedule", "reference", "duplicate", "path", "size", "version"), "red"),
    **dict.fromkeys(("guard", "policy", "user", "limit", "count"), "orange"),
    **dict.fromkeys(("signature", "rewind"), "purple"),
}
STATES = {"active": "green", "disabled": "text", "paused": "blue", "not_selected": "dark-green"}
TROUBLE = {"do not answer": "red", "state cannot be written": "dark-red", "agent.yaml refused": "orange", "other facts": "yellow"}
SHARE = {"failed": "red"}
