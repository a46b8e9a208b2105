"""What was begun under a key is found and removed, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    DestinationError,
    ServerError,
)
from stocktake.model.ledger import Upload
from stocktake.store.unfinished import BucketUploads, FolderRemains
from tests.servers.fault import (
    FaultServer,
    access_denied,
    ignore_subresource,
    internal_error,
    respond,
)
from tests.servers.fault_rules import Action
from tests.servers.server import Server
from tests.store.doors import connect

PREFIX = "root/data/"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, moto_server: Server) -> Any:
    return connect(monkeypatch, moto_server).client()


@pytest.fixture
def bucket(s3: Any, buckets: Callable[..., str]) -> str:
    name = buckets()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def uploads(
    monkeypatch: pytest.MonkeyPatch, moto_server: Server, bucket: str
) -> Iterator[BucketUploads]:
    with BucketUploads.open(connect(monkeypatch, moto_server), bucket) as opened:
        yield opened


def begin(s3: Any, bucket: str, key: str) -> Upload:
    return Upload(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])


def test_the_open_uploads_below_a_prefix_are_found(
    s3: Any, bucket: str, uploads: BucketUploads
) -> None:
    ours = [begin(s3, bucket, f"{PREFIX}{name}") for name in ("b", "a", "a")]
    begin(s3, bucket, "root/other")
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}c", Body=b"")
    assert set(uploads.find(PREFIX) or ()) == set(ours)
    assert set(uploads.find(f"{PREFIX}a") or ()) == set(ours[1:])
    assert uploads.find("nothing") == []


def test_an_upload_is_aborted_once_and_for_all(
    s3: Any, bucket: str, uploads: BucketUploads
) -> None:
    gone, stays = begin(s3, bucket, f"{PREFIX}a"), begin(s3, bucket, f"{PREFIX}a")
    uploads.remove(gone)
    uploads.remove(gone)
    assert uploads.find(PREFIX) == [stays]


# -- stores of another kind ----------------------------------------------------------------------


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer) -> Iterator[BucketUploads]:
    fault_server.bucket("bucket")
    with BucketUploads.open(connect(monkeypatch, fault_server.as_server()), "bucket") as opened:
        yield opened


@pytest.mark.parametrize(
    "action",
    [access_denied(), respond(405), respond(501), ignore_subresource()],
    ids=lambda action: str(action.name),
)
def test_a_store_that_does_not_list_uploads_is_not_taken_to_have_none(
    fault_server: FaultServer, others: BucketUploads, action: Action
) -> None:
    assert others.find(PREFIX) == []
    fault_server.rule(action, operation="ListMultipartUploads")
    assert others.find(PREFIX) is None


def test_a_store_that_fails_is_told(fault_server: FaultServer, others: BucketUploads) -> None:
    fault_server.rule(internal_error(), operation="ListMultipartUploads")
    fault_server.rule(access_denied(), operation="AbortMultipartUpload")
    with pytest.raises(ServerError, match="cannot list the multipart uploads of s3://bucket/root"):
        others.find(PREFIX)
    with pytest.raises(AccessDeniedError, match="cannot abort multipart upload id of") as caught:
        others.remove(Upload("root/data/a", "id"))
    assert "s3:AbortMultipartUpload on bucket" in caught.value.hint


def page(key: str, marker: str) -> bytes:
    return (
        "<ListMultipartUploadsResult><Bucket>bucket</Bucket><IsTruncated>true</IsTruncated>"
        f"<NextKeyMarker>{marker}</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
        f"<Upload><Key>{key}</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>"
    ).encode()


def test_the_pages_of_a_listing_are_followed(
    fault_server: FaultServer, others: BucketUploads
) -> None:
    fault_server.rule(
        respond(200, body=page(f"{PREFIX}a", f"{PREFIX}a")),
        operation="ListMultipartUploads",
        times=1,
    )
    assert others.find(PREFIX) == [Upload(f"{PREFIX}a", "1")]
    assert fault_server.counts["ListMultipartUploads"] == 2


def test_a_listing_that_stands_still_is_given_up(
    fault_server: FaultServer, others: BucketUploads
) -> None:
    fault_server.rule(respond(200, body=page(f"{PREFIX}a", "m")), operation="ListMultipartUploads")
    with pytest.raises(ContradictionError, match="does not end"):
        others.find(PREFIX)
    assert fault_server.counts["ListMultipartUploads"] == 2


# -- folders -------------------------------------------------------------------------------------


def test_the_temporary_files_of_a_folder_are_found_by_the_file_they_were_to_become(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "root" / "data"
    folder.mkdir(parents=True)
    for name in (".stocktake-a.parquet.1-2", ".stocktake-b.parquet.3", "a.parquet", ".other"):
        (folder / name).write_bytes(b"")
    remains = FolderRemains(tmp_path)
    begun = Upload(f"{PREFIX}a.parquet", ".stocktake-a.parquet.1-2")
    assert remains.find(PREFIX) == [begun, Upload(f"{PREFIX}b.parquet", ".stocktake-b.parquet.3")]
    assert remains.find(f"{PREFIX}a") == [begun]
    remains.remove(begun)
    remains.remove(begun)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".other", ".stocktake-b.parquet.3", "a.parquet",
    ]  # fmt: skip


def test_folders_that_are_empty_without_it_go_with_a_temporary_file(tmp_path: Path) -> None:
    data = tmp_path / "reports" / "root" / "data"
    data.mkdir(parents=True)
    (data.parent / "kept").write_bytes(b"")
    (data / ".stocktake-a.1").write_bytes(b"")
    FolderRemains(tmp_path / "reports").remove(Upload("root/data/a", ".stocktake-a.1"))
    assert not data.exists()
    (data.parent / "kept").unlink()
    (data.parent / ".stocktake-b.2").write_bytes(b"")
    FolderRemains(tmp_path / "reports").remove(Upload("root/b", ".stocktake-b.2"))
    assert list(tmp_path.iterdir()) == [tmp_path / "reports"]
    assert list((tmp_path / "reports").iterdir()) == []


def test_where_there_is_no_folder_nothing_is_unfinished(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    remains = FolderRemains(tmp_path)
    assert remains.find("root/data/") == ()
    assert remains.find("file/data") == ()


def test_a_folder_in_the_place_of_a_temporary_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".stocktake-a.1").mkdir()
    with pytest.raises(DestinationError, match="cannot remove"):
        FolderRemains(tmp_path).remove(Upload("a", ".stocktake-a.1"))
