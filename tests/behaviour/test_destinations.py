"""One suite for everything a report can be delivered to: a folder, an embedded store, a real one."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stocktake.model.errors import (
    DestinationError,
    InventoryError,
    NoSuchBucketError,
    SpoolError,
    StoppedError,
)
from stocktake.store.client import Client
from stocktake.store.destinations import BucketDestination, Destination, FolderDestination
from stocktake.store.uploads import UploadLimits
from tests.servers.server import Server

MIB = 2**20
ROOT = "reports/source/daily"
LIMITS = UploadLimits(multipart_bytes_min=6 * MIB, part_bytes=5 * MIB)
DOORS = ["folder", "moto_server", pytest.param("ceph_server", marks=pytest.mark.server)]


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def made(door: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Destination:
    """The destination called `name`; a bucket is not made."""
    if door == "folder":
        return FolderDestination(tmp_path / "delivered" / name, name)
    server: Server = request.getfixturevalue(door)
    return BucketDestination(Client(server.client(), Counter(), uploads=LIMITS), name)


@pytest.fixture
def destination(door: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Destination]:
    name = f"destinations-{uuid.uuid4().hex[:12]}"
    if door != "folder":
        request.getfixturevalue(door).client().create_bucket(Bucket=name)
    with made(door, name, tmp_path, request) as opened:
        yield opened


def content(
    destination: Destination, key: str, tmp_path: Path, request: pytest.FixtureRequest
) -> bytes:
    """What lies there, read by other means than the destination's own."""
    bucket = destination.bucket_arn.rpartition(":")[2]
    if isinstance(destination, FolderDestination):
        return (tmp_path / "delivered" / bucket / key).read_bytes()
    server: Server = request.getfixturevalue(request.node.callspec.params["door"])
    body: bytes = server.client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


@pytest.mark.parametrize(
    "key", ["a", f"{ROOT}/data/x.csv.gz", "sp ace/ü%2F+?#/😀", "..a/b..", "a/...", "-/~/*", "a\\b"]
)
def test_what_is_delivered_lies_under_its_key(
    destination: Destination, key: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert not destination.exists(key)
    destination.put(key, b"body\0\n")
    assert destination.exists(key)
    assert content(destination, key, tmp_path, request) == b"body\0\n"
    assert list(destination.list("")) == [key]


@pytest.mark.parametrize("size", [0, 1, 7 * MIB])
def test_an_uploaded_file_arrives_whole(
    destination: Destination, size: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "spool").write_bytes(body)
    destination.upload(f"{ROOT}/data/file", tmp_path / "spool")
    assert content(destination, f"{ROOT}/data/file", tmp_path, request) == body


def test_keys_are_listed_by_prefix_and_in_order_of_their_bytes(destination: Destination) -> None:
    keys = ["a", "a-b", "a/b", "a/b/c", "a/é", "a0", "b/ﾮ", "b/😀"]
    # A folder cannot hold both the file `a` and something below it; a bucket can.
    stored = [key for key in keys if key not in {"a", "a/b"}]
    for key in reversed(stored):
        destination.put(key, b"")
    assert list(destination.list("")) == stored
    assert list(destination.list("a/")) == ["a/b/c", "a/é"]
    assert list(destination.list("a/b")) == ["a/b/c"]
    assert list(destination.list("a")) == ["a-b", "a/b/c", "a/é", "a0"]
    assert list(destination.list("b/ﾮ")) == ["b/ﾮ"]
    for prefix in ("nothing", "nothing/", "a//", "../", "/", "a/b/c/d"):
        assert list(destination.list(prefix)) == []


def test_a_folder_of_keys_is_not_a_file(destination: Destination) -> None:
    destination.put("a/b/c", b"")
    assert not destination.exists("a/b")
    assert not destination.exists("a/b/c/d")


def test_what_is_removed_is_gone_and_the_rest_stays(destination: Destination) -> None:
    for key in ("p/a", "p/b", "p/q/c"):
        destination.put(key, b"")
    destination.remove("p/a")
    destination.remove("p/a")
    destination.remove("p/q/c")
    destination.remove("p/b/under a file")
    assert list(destination.list("")) == ["p/b"]
    assert not destination.exists("p/a")


def test_what_was_removed_can_be_delivered_again(destination: Destination) -> None:
    destination.put("p/q/a", b"1")
    destination.remove("p/q/a")
    destination.put("p/q/a", b"2")
    assert destination.exists("p/q/a")


@pytest.mark.parametrize("key", ["", ".", "..", "../a", "a/../b", "a/./b"])
def test_a_key_that_leads_elsewhere_is_never_removed(destination: Destination, key: str) -> None:
    destination.put("b", b"")
    with pytest.raises(InventoryError):
        destination.remove(key)
    assert destination.exists("b")


def test_trying_out_leaves_nothing_behind(destination: Destination, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    destination.check_writable(ROOT)
    destination.check_writable(ROOT)
    assert list(destination.list("")) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_destination_is_made_or_refused_but_never_found_out_late(
    door: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with made(door, "destinations-no-such", tmp_path, request) as destination:
        if door == "folder":
            destination.check_writable(ROOT)
            destination.put("k", b"")
            return
        with pytest.raises(NoSuchBucketError, match="destinations-no-such"):
            destination.check_writable(ROOT)
        with pytest.raises(NoSuchBucketError, match="destinations-no-such"):
            destination.put("k", b"")


def test_a_file_that_cannot_be_read_is_not_the_destinations_fault(
    destination: Destination, tmp_path: Path
) -> None:
    with pytest.raises(SpoolError, match="gone"):
        destination.upload("a/b", tmp_path / "gone")
    assert list(destination.list("")) == []


def test_an_upload_that_is_told_to_stop_leaves_nothing(
    destination: Destination, tmp_path: Path
) -> None:
    stopping = threading.Event()
    stopping.set()
    (tmp_path / "spool").write_bytes(b"x" * 16 * MIB)
    with pytest.raises(StoppedError):
        destination.upload(f"{ROOT}/data/x", tmp_path / "spool", stopping)
    assert list(destination.list("")) == []


def test_uris_and_arns_are_those_readers_expect(destination: Destination, tmp_path: Path) -> None:
    bucket = destination.bucket_arn.removeprefix("arn:aws:s3:::")
    assert bucket.startswith("destinations-")
    if isinstance(destination, FolderDestination):
        folder = f"file://{tmp_path}/delivered/{bucket}"
        assert destination.uri("a b/ü%") == f"{folder}/a%20b/%C3%BC%25"
    else:
        assert destination.uri("a b/ü%") == f"s3://{bucket}/a b/ü%"


def test_many_deliver_at_once_without_getting_in_each_others_way(
    destination: Destination,
) -> None:
    failures: list[BaseException] = []

    def deliver(number: int) -> None:
        try:
            for turn in range(5):
                key = f"{ROOT}/data/{number}-{turn}"
                destination.put(key, b"x")
                if turn % 2:
                    destination.remove(key)
        except BaseException as error:  # noqa: BLE001 - a thread must not fail unseen
            failures.append(error)

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(destination.list(ROOT))) == 18


def test_closing_twice_is_fine(destination: Destination) -> None:
    with suppress(DestinationError):
        destination.put("a", b"")
    destination.close()
    destination.close()
