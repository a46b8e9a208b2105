"""Disks that refuse: full, read-only, somebody else's. One clear error, and nothing left behind."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.model.errors import DestinationError
from stocktake.store import folders
from stocktake.store.folders import FolderDestination

ROOT = "source/daily"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def destination(root: Path) -> FolderDestination:
    return FolderDestination(root, "reports")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Be somebody whom permissions stop, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else b"/"
        for path in sorted(root.rglob("*"))
    }


# -- disks that refuse ---------------------------------------------------------------------------


def test_a_file_where_a_folder_is_needed_is_named(
    destination: FolderDestination, root: Path
) -> None:
    root.mkdir()
    (root / "source").write_bytes(b"")
    for ask in (
        lambda: destination.check_writable(f"{ROOT}/data/probe"),
        lambda: destination.put(f"{ROOT}/x", b""),
    ):
        with pytest.raises(
            DestinationError, match="a file stands where a folder is needed"
        ) as caught:
            ask()
        assert str(root / "source/daily") in caught.value.message
        assert caught.value.hint
    assert tree(root) == {"source": b""}


def test_a_root_that_is_a_file_is_refused(root: Path, destination: FolderDestination) -> None:
    root.write_bytes(b"precious")
    with pytest.raises(DestinationError):
        destination.check_writable(f"{ROOT}/data/probe")
    assert root.read_bytes() == b"precious"


def test_a_name_that_is_too_long_is_refused_and_leaves_nothing(
    destination: FolderDestination, root: Path
) -> None:
    with pytest.raises(DestinationError, match="longer than that disk allows"):
        destination.put(f"a/b/{'x' * 300}", b"")
    with pytest.raises(DestinationError, match="longer than that disk allows"):
        destination.check_writable("x" * 300)
    assert not root.exists()


@pytest.mark.usefixtures("unprivileged")
def test_without_the_right_to_write_there_is_one_clear_error() -> None:
    # Somebody else's folder: readable, not writable.
    with tempfile.TemporaryDirectory(dir="/tmp") as own:
        folder = Path(own)
        (folder / "reports").mkdir()
        folder.joinpath("reports").chmod(0o555)
        destination = FolderDestination(folder / "reports", "reports")
        for ask in (
            lambda: destination.check_writable(f"{ROOT}/data/probe"),
            lambda: destination.put("a/b", b""),
        ):
            with pytest.raises(DestinationError, match="permission denied") as caught:
                ask()
            assert str(folder / "reports") in caught.value.message
            assert "right to write" in caught.value.hint
        assert list((folder / "reports").iterdir()) == []
        folder.joinpath("reports").chmod(0o755)


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_even_be_looked_into_is_an_error_and_not_empty() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as own:
        folder = Path(own) / "reports"
        (folder / "a").mkdir(parents=True)
        (folder / "a").chmod(0)
        destination = FolderDestination(folder, "reports")
        for ask in (
            lambda: list(destination.list("")),
            lambda: destination.exists("a/b"),
            lambda: destination.remove("a/b"),
        ):
            with pytest.raises(DestinationError, match="permission denied"):
                ask()
        (folder / "a").chmod(0o755)


WRITER = """
import resource, signal, sys
from pathlib import Path
from stocktake.model.errors import DestinationError
from stocktake.store.folders import FolderDestination
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
destination = FolderDestination(Path(sys.argv[1]), "reports")
destination.put("small", b"x")
for attempt in (lambda: destination.put("a/large", b"x" * 200_000),
                lambda: destination.upload("b/large", Path(sys.argv[2]))):
    try:
        attempt()
    except DestinationError as error:
        print(error.message, "|", error.hint)
"""


def test_a_limit_reached_while_writing_leaves_no_part_of_the_file(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_bytes(b"x" * 200_000)
    (tmp_path / "spool").chmod(0o600)  # so that it is copied, and not moved
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(root), str(tmp_path / "spool")],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.count("larger than that disk") == 2
    assert tree(root) == {"small": b"x"}
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


SMALL_DISK = """
set -e
mount -t tmpfs -o "$4" none "$1"
exec "$2" -c "$3" "$1"
"""
SMALL_DISK_WRITER = """
import sys
from pathlib import Path
from stocktake.model.errors import DestinationError
from stocktake.store.folders import FolderDestination
root = Path(sys.argv[1])
try:
    FolderDestination(root, "reports").put("a/large", b"x" * 200_000)
except DestinationError as error:
    print(error.message, "|", error.hint)
print(sorted(path.name for path in root.rglob("*")))
"""


@pytest.mark.parametrize(
    ("options", "reason"), [("size=64k", "no space is left"), ("ro", "is read-only")]
)
def test_a_full_or_read_only_disk_is_said_to_be_one_and_nothing_stays_on_it(
    tmp_path: Path, options: str, reason: str
) -> None:
    alone = [shutil.which("unshare") or "false", "-rm"]
    probe = [*alone, "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    writer = [str(tmp_path), sys.executable, SMALL_DISK_WRITER, options]
    done = subprocess.run(
        [*alone, "sh", "-c", SMALL_DISK, "sh", *writer],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath},
    )  # fmt: skip
    assert reason in done.stdout
    assert "choose another folder" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("reason", sorted(folders._REASONS))
def test_every_reason_a_disk_gives_becomes_one_error_with_a_way_out(
    destination: FolderDestination, root: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DestinationError) as caught:
        destination.put("a/b", b"body")
    assert str(root) in caught.value.message
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, OSError)
    monkeypatch.undo()
    assert not root.exists()


def test_an_interrupt_while_writing_leaves_nothing(
    destination: FolderDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    (root / "source").mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        destination.put("source/b", b"body")
    assert tree(root) == {"source": b"/"}
