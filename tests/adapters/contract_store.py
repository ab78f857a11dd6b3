"""What every `ports.Store` does."""

from __future__ import annotations

from torchsync.ports import Store


def nothing_is_read_before_it_is_written(store: Store) -> None:
    assert store.read("generation.json") is None


def what_was_written_last_is_read(store: Store) -> None:
    store.write("generation.json", b"one" * 10_000)
    store.write("generation.json", b"two")
    store.write("sync.json", b"")
    assert store.read("generation.json") == b"two"
    assert store.read("sync.json") == b""


def a_file_set_aside_is_kept_but_not_read(store: Store) -> None:
    for content in (b"bad 1", b"bad 2"):
        store.write("sync.json", content)
        kept = store.set_aside("sync.json")
        assert store.read("sync.json") is None
        assert store.read(kept.name) == content
    assert kept.name == "sync.json.damaged-2"


CONTRACT = (nothing_is_read_before_it_is_written, what_was_written_last_is_read, a_file_set_aside_is_kept_but_not_read)
