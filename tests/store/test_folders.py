"""A folder as destination: never half a file, never over another, never outside, never left dirty."""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import DestinationError, InventoryError, ReportExistsError
from stocktake.store.folders import FolderDestination

ROOT = "source/daily"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def destination(root: Path) -> FolderDestination:
    return FolderDestination(root, "reports")


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b"/"
        for path in sorted(root.rglob("*"))
    }


# -- which keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/../b", "a/..", "a\0b",
        "\ud800", "a/.stocktake-x",
    ],
)  # fmt: skip
def test_a_key_that_is_no_path_below_the_root_is_refused_by_everything(
    destination: FolderDestination, tmp_path: Path, root: Path, key: str
) -> None:
    (tmp_path / "spool").write_bytes(b"x")
    for ask in (
        lambda: destination.put(key, b""),
        lambda: destination.upload(key, tmp_path / "spool"),
        lambda: destination.exists(key),
        lambda: destination.remove(key),
        lambda: destination.uri(key),
    ):
        with pytest.raises(DestinationError, match="cannot be a file"):
            ask()
    assert not root.exists()


def test_a_report_root_that_leads_elsewhere_is_refused(destination: FolderDestination) -> None:
    with pytest.raises(DestinationError):
        destination.check_writable("../elsewhere")


@pytest.mark.parametrize("key", ["link/a", "link/sub/a", "a/deep/b", "file"])
def test_symbolic_links_that_lead_out_are_not_followed(
    destination: FolderDestination, tmp_path: Path, root: Path, key: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "a").write_bytes(b"precious")
    (root / "a").mkdir(parents=True)
    (root / "link").symlink_to(outside)
    (root / "a" / "deep").symlink_to("../../outside")
    (root / "file").symlink_to(outside / "a")
    before = tree(outside)
    for ask in (
        lambda: destination.put(key, b"overwritten"),
        lambda: destination.exists(key),
        lambda: destination.remove(key),
        lambda: destination.check_writable(key),
    ):
        with pytest.raises(DestinationError, match="symbolic link"):
            ask()
    assert tree(outside) == before
    assert "link/a" not in list(destination.list(""))


def test_links_inside_the_root_and_a_root_that_is_one_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real" / "b").mkdir(parents=True)
    (tmp_path / "real" / "a").symlink_to("b")
    (tmp_path / "root").symlink_to("real")
    destination = FolderDestination(tmp_path / "root", "root")
    destination.put("a/x", b"1")
    assert destination.exists("b/x")


def test_links_that_lead_in_a_circle_are_an_error(
    destination: FolderDestination, root: Path
) -> None:
    root.mkdir()
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(DestinationError):
        destination.put("a/x", b"")


segments = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(segments.filter(lambda s: len(s.encode()) < 200), min_size=1, max_size=4))
def test_every_key_either_round_trips_or_is_refused(parts: list[str]) -> None:
    key = "/".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        destination = FolderDestination(Path(folder) / "root", "root")
        try:
            destination.put(key, b"body")
        except DestinationError:
            assert {".", ".."} & set(parts) or parts[-1].startswith(".stocktake-")
            assert list(destination.list("")) == []
        else:
            assert list(destination.list("")) == [key]
            assert destination.exists(key)
            assert (Path(folder) / "root" / key).read_bytes() == b"body"
        assert [path.name for path in Path(folder).iterdir()] in ([], ["root"])


# -- whole files, once ---------------------------------------------------------------------------


def test_a_file_that_exists_is_never_overwritten(
    destination: FolderDestination, tmp_path: Path, root: Path
) -> None:
    (tmp_path / "spool").write_bytes(b"other")
    destination.put("a/b", b"first")
    for again in (
        lambda: destination.put("a/b", b"second"),
        lambda: destination.upload("a/b", tmp_path / "spool"),
    ):
        with pytest.raises(ReportExistsError, match="a/b is there already") as caught:
            again()
        assert caught.value.hint
    assert tree(root) == {"a": b"/", "a/b": b"first"}


@pytest.mark.parametrize("hard_links", [True, False])
def test_of_many_writers_of_one_file_exactly_one_wins(
    root: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:
        forbid_hard_links(monkeypatch)
    barrier, won = threading.Barrier(8), []

    def write(number: int) -> None:
        destination = FolderDestination(root, "reports")
        barrier.wait()
        try:
            destination.put("a/b", b"%d" % number * 1000)
        except ReportExistsError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert tree(root) == {"a": b"/", "a/b": b"%d" % won[0] * 1000}


def forbid_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on FAT and some network disks."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


def test_disks_without_hard_links_will_do(
    destination: FolderDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_hard_links(monkeypatch)
    destination.put("a/b", b"body")
    with pytest.raises(ReportExistsError):
        destination.put("a/b", b"other")
    assert tree(root) == {"a": b"/", "a/b": b"body"}


def test_what_a_crash_left_unfinished_is_no_file_of_the_report(
    destination: FolderDestination, root: Path
) -> None:
    destination.put("a/b", b"")
    (root / "a" / ".stocktake-left").write_bytes(b"half")
    assert list(destination.list("")) == ["a/b"]
    destination.remove("a/b")
    assert (root / "a" / ".stocktake-left").exists()


def test_files_have_the_permissions_that_the_umask_leaves(
    destination: FolderDestination, root: Path
) -> None:
    before = os.umask(0o027)
    try:
        destination.put("a/b", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o640


def test_files_are_on_the_disk_before_they_have_their_name_and_folders_after(
    destination: FolderDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    sync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append("file" if ".stocktake-" in path.name else path.name)
        sync(descriptor)

    def linked(*arguments: object, **more: object) -> None:
        seen.append("link")
        link(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    destination.put("a/b", b"body")
    # The new folders' own names first, each in the folder above.
    assert seen == [root.parent.name, root.name, "file", "link", "a"]


def test_trying_out_removes_only_what_it_made(destination: FolderDestination, root: Path) -> None:
    (root / "source").mkdir(parents=True)
    (root / "source" / "file").write_bytes(b"1")
    destination.check_writable(f"{ROOT}/data/probe")
    assert tree(root) == {"source": b"/", "source/file": b"1"}


def test_errors_are_those_of_the_tree(destination: FolderDestination) -> None:
    with pytest.raises(InventoryError):
        destination.put("a/../../b", b"")


def test_an_uploaded_file_is_moved_where_it_looks_as_one_made_there(
    destination: FolderDestination, tmp_path: Path, root: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"rows")
    number = spool.stat().st_ino
    destination.upload("a/b", spool)
    assert tree(root) == {"a": b"/", "a/b": b"rows"}
    assert (root / "a" / "b").stat().st_ino == number
    assert not spool.exists()


def _another_mode(spool: Path, _: pytest.MonkeyPatch) -> None:
    spool.chmod(0o600)


def _another_name(spool: Path, _: pytest.MonkeyPatch) -> None:
    spool.with_name("other").hardlink_to(spool)


def _another_disk(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: str) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, target)

    monkeypatch.setattr(Path, "replace", refuse)


def _attributes_untold(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_number: int) -> list[str]:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "listxattr", refuse, raising=False)


@pytest.mark.parametrize("make", [_another_mode, _another_name, _another_disk, _attributes_untold])
def test_an_uploaded_file_is_copied_where_moving_it_would_make_a_difference(
    destination: FolderDestination,
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"rows")
    make(spool, monkeypatch)
    destination.put("usual", b"")
    destination.upload("a/b", spool)
    assert tree(root) == {"a": b"/", "a/b": b"rows", "usual": b""}
    usual, made = (root / "usual").stat(), (root / "a" / "b").stat()
    assert (made.st_mode, made.st_nlink) == (usual.st_mode, usual.st_nlink)
    assert made.st_ino != spool.stat().st_ino


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to any group")
def test_an_uploaded_file_has_the_group_that_its_folder_gives(
    destination: FolderDestination, tmp_path: Path, root: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"rows")
    root.mkdir(exist_ok=True)
    os.chown(root, -1, 12345)
    root.chmod(0o2775)
    destination.upload("b", spool)
    assert (root / "b").stat().st_gid == 12345


def _access_list(user: int) -> bytes:
    """An access list that lets `user` read, as Linux keeps it: a version, then tag, rights and id of each entry."""
    nobody = 0xFFFFFFFF
    entries = [(1, 7, nobody), (2, 5, user), (4, 5, nobody), (0x10, 5, nobody), (0x20, 5, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="there are no such access lists here")
def test_an_uploaded_file_may_be_read_by_whom_its_folder_names(
    destination: FolderDestination, tmp_path: Path, root: Path
) -> None:
    for folder, user in ((tmp_path / "spools", 12345), (root, 12346)):
        folder.mkdir()
        try:
            os.setxattr(folder, "system.posix_acl_default", _access_list(user))
        except OSError:
            pytest.skip("this disk has no access lists")
    spool = tmp_path / "spools" / "spool"
    spool.write_bytes(b"rows")
    destination.put("usual", b"")
    destination.upload("b", spool)
    usual, made = (os.getxattr(root / name, "system.posix_acl_access") for name in ("usual", "b"))
    assert made == usual
