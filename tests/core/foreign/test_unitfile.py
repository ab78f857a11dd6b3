from __future__ import annotations

from torchsync.core.foreign.unitfile import Unit, dropin_folders, instance_of, read_unit, template_of


def unit(text: str) -> Unit:
    return Unit(name="a.service", path="a.service", settings=read_unit("a.service", text.encode())[0])


def test_lines_go_on_after_a_backslash_and_comments_stand_between() -> None:
    settings, garbage = read_unit("a", b"[Service]\n# one\nExecStart=/bin/a \\\n; two\n  --b \\\n  c\nUser = x \n")
    assert [(one.section, one.key, one.value.split(), one.line) for one in settings] == [
        ("Service", "ExecStart", ["/bin/a", "--b", "c"], 3),
        ("Service", "User", ["x"], 7),
    ]
    assert garbage == ()


def test_an_empty_setting_takes_back_what_was_said() -> None:
    both = unit("[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nExecStart=/bin/c\nUser=x\nUser=\n")
    assert [one.value for one in both.all("Service", "ExecStart")] == ["/bin/b", "/bin/c"]
    assert both.last("Service", "User") is None
    assert both.text("Service", "User", "root") == "root"


def test_yes_has_many_names() -> None:
    assert [unit(f"[Timer]\nPersistent={word}\n").yes("Timer", "Persistent") for word in ("yes", "True", "1", "on", "no", "0", "")] == [
        True
    ] * 4 + [False] * 3


def test_lines_that_systemd_passes_over_are_told_with_their_place() -> None:
    settings, garbage = read_unit("a", b"Key=before\n[Service]\ngarbage\n[Broken\nUser=x\n[Service]\nUmlaut=\xff\nGroup=y\n")
    assert [one.key for one in settings] == ["Group"]
    assert [(one.line, one.message) for one in garbage] == [
        (1, "`Key=` stands before the first section, so systemd passes it over"),
        (3, "`garbage` is not a setting: `Key=value` was expected"),
        (4, "`[Broken` is not the name of a section"),
        (5, "`User=` stands before the first section, so systemd passes it over"),
        (7, "this line is not UTF-8, so systemd passes it over"),
    ]


def test_what_is_no_text_is_told_once() -> None:
    assert read_unit("a", b"\x7fELF\0\0\0" * 100)[0] == ()
    assert [one.message for one in read_unit("a", b"\x7fELF\0\0\0" * 100)[1]] == ["this is not a text"]


def test_names_of_instances() -> None:
    assert dropin_folders("foo-bar@x.timer") == ("timer.d", "foo-.timer.d", "foo-bar@.timer.d", "foo-bar@x.timer.d")
    assert dropin_folders("foo.service") == ("service.d", "foo.service.d")
    assert (template_of("foo@x.timer"), template_of("foo.timer"), instance_of("foo@x.timer"), instance_of("foo@.timer")) == (
        "foo@.timer",
        "foo.timer",
        "x",
        "",
    )


def test_many_lines_of_garbage_are_told_in_few_words() -> None:
    garbage = read_unit("a", b"[Service]\n" + b"garbage\n" * 1_000)[1]
    assert len(garbage) == 21
    assert (garbage[-1].line, garbage[-1].message) == (22, "980 more lines from here on are no settings")
