from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from torchsync.adapters.sourcefiles import SourceWords, Wanted, gather
from torchsync.core.foreign.job import SourceFile, SourceHost
from torchsync.errors import Problem

WANTED = Wanted(paths=("etc/crontab", "etc/cron.d/", "var/spool/cron/crontabs/", "etc/units/**/"))


def host(folder: Path, *, zone: str = "") -> Path:
    """A folder as if it were copied from the root of a host."""
    for path, text in {
        "etc/crontab": "system",
        "etc/cron.d/app": "app",
        "var/spool/cron/crontabs/me": "mine",
        "etc/passwd": "secret",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    if zone:
        (folder / "etc/timezone").write_text(f"{zone}\n")
    return folder


def found(*words: object, **more) -> tuple[tuple[SourceHost, ...], tuple[Problem, ...]]:
    return gather(SourceWords(words=tuple(map(str, words)), wanted=WANTED, **more))


def only(*words: object, **more) -> SourceHost:
    (one,), problems = found(*words, **more)
    assert problems == ()
    return one


def inner(one: SourceHost) -> list[str]:
    return [file.inner for file in one.files]


ALL = ["etc/crontab", "etc/cron.d/app", "var/spool/cron/crontabs/me"]


def test_a_root_gives_the_wanted_files_and_only_those(tmp_path) -> None:
    one = only(f"Web-1={host(tmp_path / 'copy')}")
    assert (one.name, inner(one)) == ("web-1", ALL)
    assert [file.content for file in one.files] == [b"system", b"app", b"mine"]
    assert one.files[1].path == f"{tmp_path}/copy/etc/cron.d/app"


def test_a_root_without_a_host_is_named_for_its_folder(tmp_path) -> None:
    assert only(host(tmp_path / "web-1")).name == "web-1"
    assert only(host(tmp_path / "web-1"), host="db-1").name == "db-1"


def test_a_folder_of_roots_is_a_host_for_each(tmp_path) -> None:
    for name in ("web-1", "web-2", "db-1"):
        host(tmp_path / name)
    (tmp_path / ".cache").mkdir()
    hosts, problems = found(tmp_path)
    assert [one.name for one in hosts] == ["db-1", "web-1", "web-2"]
    assert problems == ()


def test_what_lies_beside_the_folders_of_hosts_is_told(tmp_path) -> None:
    for name in ("web-1", "web 2"):
        host(tmp_path / name)
    (tmp_path / "web-3").mkdir()
    (tmp_path / "notes.txt").write_text("0 3 * * * x")
    hosts, problems = found(tmp_path)
    assert [one.name for one in hosts] == ["web-1"]
    assert [(problem.code, problem.path.rpartition("/")[2]) for problem in problems] == [
        ("TS173", name) for name in ("notes.txt", "web 2", "web-3")
    ]
    assert "'web 2' is no name of a host" in problems[1].message


@pytest.mark.parametrize(
    ("part", "expected"),
    [("etc", ["etc/crontab", "etc/cron.d/app"]), ("etc/cron.d", ["etc/cron.d/app"]), ("var/spool/cron/crontabs", ALL[2:])],
)
def test_a_part_of_a_root_is_known_by_its_path(tmp_path, part, expected) -> None:
    one = only(f"a={host(tmp_path, zone='Europe/Berlin') / part}")
    assert (one.name, one.zone, inner(one)) == ("a", "Europe/Berlin", expected)


def test_a_file_of_a_root_is_known_by_its_path(tmp_path) -> None:
    one = only(f"a={host(tmp_path, zone='Europe/Berlin') / 'etc/cron.d/app'}")
    assert (one.zone, inner(one)) == ("Europe/Berlin", ["etc/cron.d/app"])
    assert inner(only(host(tmp_path) / "etc/passwd")) == [""]


def test_any_other_folder_gives_the_files_in_it(tmp_path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a.tab", "below/b.tab"):
        (tmp_path / name).write_text("x")
    assert inner(only(f"h={tmp_path}")) == ["a.tab"]


def test_below_a_folder_marked_so_everything_counts_but_links_to_folders(tmp_path) -> None:
    deep = tmp_path / "etc/units/x.timer.d"
    deep.mkdir(parents=True)
    (deep / "more.conf").write_text("x")
    (deep / "loop").symlink_to("..")
    assert inner(only(f"h={tmp_path}")) == ["etc/units/x.timer.d/more.conf"]


def test_what_several_words_say_of_a_host_is_joined(tmp_path) -> None:
    (tmp_path / "mine").write_text("x")
    one = only(f"a={host(tmp_path / 'r', zone='UTC')}", f"a={tmp_path / 'mine'}")
    assert (one.name, one.zone, len(one.files)) == ("a", "UTC", 4)


@pytest.mark.parametrize(
    ("timezone", "link", "expected"),
    [
        ("Europe/Berlin\n", "", "Europe/Berlin"),
        ("", "/usr/share/zoneinfo/America/New_York", "America/New_York"),
        ("", "../usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
        ("Mars/Olympus", "/usr/share/zoneinfo/UTC", "UTC"),
        ("", "", ""),
        ("\udcff", "", ""),
    ],
)
def test_the_zone_of_a_host_is_that_of_its_files(tmp_path, timezone, link, expected) -> None:
    root = host(tmp_path)
    if timezone:
        (root / "etc/timezone").write_bytes(timezone.encode("utf-8", "surrogateescape"))
    if link:
        (root / "etc/localtime").symlink_to(link)
    assert only(f"a={root}").zone == expected


def test_a_zone_that_was_said_goes_first(tmp_path) -> None:
    hosts, _ = found(
        f"a={host(tmp_path / 'a', zone='UTC')}", f"b={host(tmp_path / 'b', zone='UTC')}", zones=(("", "Asia/Tokyo"), ("a", "Europe/Berlin"))
    )
    assert [one.zone for one in hosts] == ["Europe/Berlin", "Asia/Tokyo"]


def test_links_are_followed_as_on_the_host_and_never_out_of_the_root(tmp_path) -> None:
    (tmp_path / "outside").write_text("outside")
    root = host(tmp_path / "root")
    (root / "opt").mkdir()
    (root / "opt/tab").write_text("linked")
    for name, target in {
        "absolute": "/opt/tab",
        "relative": "../../opt/tab",
        "climbing": "../../../outside",
        "loop": "loop",
        "gone": "/nowhere",
    }.items():
        (root / "etc/cron.d" / name).symlink_to(target)
    files = {file.inner.rpartition("/")[2]: file for file in only(f"a={root}").files}
    assert (files["absolute"].content, files["absolute"].link) == (b"linked", "/opt/tab")
    assert files["relative"].content == b"linked"
    assert all(files[name].content == b"" and "cannot be read" in files[name].fault for name in ("climbing", "loop", "gone"))


def test_a_link_into_lib_is_one_into_usr_lib_where_the_copy_has_none(tmp_path) -> None:
    """Debian has /lib as a link to usr/lib, and links of systemd by the shorter name; who copies usr/lib/systemd does not copy that link."""
    root = host(tmp_path / "web-1")
    (root / "usr/lib/systemd").mkdir(parents=True)
    (root / "usr/lib/systemd/ssh.service").write_text("[Unit]")
    (root / "etc/cron.d/merged").symlink_to("/lib/systemd/ssh.service")
    (root / "etc/cron.d/gone").symlink_to("/lib/systemd/no.service")
    files = {file.inner.rpartition("/")[2]: file for file in only(root).files}
    assert (files["merged"].content, files["merged"].fault) == (b"[Unit]", "")
    assert files["gone"].fault == "cannot be read: No such file or directory"


def test_a_folder_that_is_a_link_out_of_the_root_is_not_followed(tmp_path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/tab").write_text("outside")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/cron.d").symlink_to(tmp_path / "outside")
    (file,) = only(f"a={root}").files
    assert (file.content, file.fault) == (b"", "is reached by a link out of the folder")


def test_what_cannot_be_read_in_a_folder_is_there_with_its_fault(tmp_path) -> None:
    root = host(tmp_path)
    os.mkfifo(root / "etc/cron.d/pipe")
    (root / "etc/cron.d/large").write_bytes(b"x" * (1024 * 1024 + 1))
    (root / "etc/cron.d/app").chmod(0o755)
    files = {file.inner.rpartition("/")[2]: file for file in only(f"a={root}").files}
    assert files["pipe"].fault == "is not a regular file"
    assert files["large"].fault == "is larger than 1 MiB"
    assert files["app"].is_executable
    assert not files["crontab"].is_executable


def test_a_pipe_that_is_named_itself_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0 1 * * * x\n")
    os.close(writing)
    one = only(f"a=/dev/fd/{reading}")
    os.close(reading)
    assert one.files == (SourceFile(path=f"/dev/fd/{reading}", content=b"0 1 * * * x\n"),)


@pytest.mark.parametrize(("word", "name"), [("-", ""), ("web-1=-", "web-1")])
def test_a_dash_is_standard_input(monkeypatch, word, name) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"tab\xff")))
    one = only(word)
    assert (one.name, one.files) == (name, (SourceFile(path="stdin", content=b"tab\xff"),))


def test_everything_that_is_not_there_is_told_and_the_rest_is_read(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    hosts, problems = found(tmp_path / "gone", f"a={host(tmp_path / 'r')}", f"b={tmp_path}/x", tmp_path / "empty")
    assert [one.name for one in hosts] == ["a"]
    assert [(problem.code, problem.path) for problem in problems] == [
        ("TS353", f"{tmp_path}/gone"),
        ("TS353", f"{tmp_path}/x"),
        ("TS173", f"{tmp_path}/empty"),
    ]


def test_a_path_with_an_equals_sign_is_a_path_where_it_is_there(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").write_text("x")
    assert (only("a=b").name, only("a=b").files[0].path) == ("", "a=b")
