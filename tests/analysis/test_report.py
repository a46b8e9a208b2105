"""Opening a report wherever it lies."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.analysis.report import Report, open_report
from stocktake.model.configuration import Format, bucket_arn
from stocktake.model.errors import DataFileError, ManifestError, NoReportError
from stocktake.store.client import Client
from stocktake.store.files import BucketFiles
from tests.analysis.questions import opened
from tests.analysis.reports import (
    DESTINATION,
    GENUINE_FIELDS,
    OUR_MOMENT,
    SOURCE,
    aws_report,
    genuine_rows,
    objects,
    our_report,
    republish,
)
from tests.servers.server import Server


def rows(report: Report) -> list[dict[str, object]]:
    return [row for batch in report.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize("report_format", Format)
def test_a_genuine_report_opens_and_its_rows_are_the_same_in_all_formats(
    tmp_path: Path, report_format: Format
) -> None:
    report = opened(aws_report(tmp_path, report_format))
    assert report.manifest.format is report_format
    assert report.fields == GENUINE_FIELDS
    assert report.sidecar is None
    assert rows(report) == genuine_rows()


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("slash", ["", "/"])
def test_manifest_report_folder_and_configuration_folder_all_name_the_report(
    tmp_path: Path, depth: int, slash: str
) -> None:
    manifest = aws_report(tmp_path, Format.CSV)
    address = (manifest, *manifest.parents)[depth]
    report = opened(f"{address}{slash if depth else ''}")
    assert report.address == str(manifest)
    assert rows(report) == genuine_rows()


def test_of_several_runs_the_newest_that_is_published_is_taken(tmp_path: Path) -> None:
    for minutes in range(3):
        moment = OUR_MOMENT + timedelta(minutes=minutes)
        ours = our_report(tmp_path, Format.CSV, [objects(["k"])], moment=moment)
    (tmp_path / ours.paths.checksum).unlink()
    configuration = tmp_path / ours.paths.root
    assert opened(configuration).paths.moment == OUR_MOMENT + timedelta(minutes=1)


def test_a_folder_without_a_checksum_is_an_unpublished_report_and_says_so(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["k"])])
    (tmp_path / ours.paths.checksum).unlink()
    for address in (ours.manifest_path, ours.manifest_path.parent):
        with pytest.raises(
            NoReportError, match=r"is not published: there is no manifest\.checksum"
        ):
            opened(address)
    with pytest.raises(
        NoReportError, match=r"none of its 1 report folders has a manifest\.checksum"
    ):
        opened(ours.manifest_path.parents[1])


def test_where_nothing_is_the_error_says_what_to_give(tmp_path: Path) -> None:
    for address in (tmp_path, tmp_path / "none", tmp_path / "none" / "manifest.json"):
        with pytest.raises(NoReportError) as error:
            opened(address)
        assert str(address) in error.value.message
    assert opened_hint(tmp_path)


def opened_hint(path: Path) -> bool:
    with pytest.raises(NoReportError) as error:
        opened(path)
    return "manifest.json" in error.value.hint


def test_a_manifest_that_disagrees_with_its_checksum_is_refused(tmp_path: Path) -> None:
    manifest = aws_report(tmp_path, Format.CSV)
    manifest.write_bytes(manifest.read_bytes().replace(b"CSV", b"ORC"))
    with pytest.raises(ManifestError, match=r"found MD5 [0-9a-f]{32}, manifest.checksum says"):
        opened(manifest)


@pytest.mark.parametrize("surround", ["{}", "{}\n\n", "  {}\r\n"])
def test_blanks_around_the_checksum_do_not_matter(tmp_path: Path, surround: str) -> None:
    manifest = aws_report(tmp_path, Format.CSV)
    checksum = manifest.parent / "manifest.checksum"
    checksum.write_text(surround.format(checksum.read_text().strip()))
    assert opened(manifest).address == str(manifest)


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    manifest = aws_report(tmp_path, Format.CSV)
    manifest.write_bytes(b"[]")
    (manifest.parent / "manifest.checksum").write_text("d751713988987e9331980363e24189ce\n")
    with pytest.raises(ManifestError, match="not an inventory manifest"):
        opened(manifest)


def test_a_copy_of_the_tree_opens_wherever_it_was_copied_to(tmp_path: Path) -> None:
    aws_report(tmp_path / "bucket", Format.ORC, prefix="deep/prefix")
    copy = tmp_path / "somewhere" / "else"
    shutil.copytree(tmp_path / "bucket", copy)
    shutil.rmtree(tmp_path / "bucket")
    assert rows(opened(copy / "deep" / "prefix" / SOURCE / "all-versions")) == genuine_rows()


def test_a_copy_of_the_configuration_folder_alone_is_read_from_its_own_data_folder(
    tmp_path: Path,
) -> None:
    manifest = aws_report(tmp_path / "bucket", Format.PARQUET)
    shutil.copytree(manifest.parents[1], tmp_path / "copy")
    shutil.rmtree(tmp_path / "bucket")
    report = opened(tmp_path / "copy")
    assert rows(report) == genuine_rows()
    assert report.locate(report.manifest.files[0]).startswith(
        str(tmp_path / "copy" / "data").lstrip("/")
    )


def test_a_renamed_report_folder_still_opens(tmp_path: Path) -> None:
    manifest = aws_report(tmp_path, Format.CSV)
    folder = manifest.parent.rename(manifest.parents[1] / "yesterday")
    report = opened(folder)
    assert rows(report) == genuine_rows()
    assert report.paths.moment == report.manifest.created


def test_the_manifests_own_key_wins_over_the_data_folder_beside_it(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["k"])])
    shutil.copytree(ours.manifest_path.parents[1], tmp_path / "other" / "copy")
    report = opened(tmp_path / "other" / "copy")
    located = Path("/", report.locate(report.manifest.files[0]))
    assert located == ours.data_path(tmp_path)


def test_a_missing_data_file_is_named_with_both_places_it_was_looked_for(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["k"])])
    ours.data_path(tmp_path).unlink()
    report = opened(ours.manifest_path)
    with pytest.raises(DataFileError) as error:
        rows(report)
    assert ours.manifest.files[0].key in error.value.message
    assert "is missing" in error.value.message
    assert f"any folder above {ours.manifest_path}" in error.value.message
    assert str(ours.data_path(tmp_path)) in error.value.message


def test_a_data_file_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["k"])])
    path = ours.data_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    size = ours.manifest.files[0].size
    with pytest.raises(DataFileError, match=f"{path} holds {size - 3} bytes, expected {size}"):
        rows(opened(ours.manifest_path))


def test_a_manifest_cannot_lead_out_of_the_folders_above_it(tmp_path: Path) -> None:
    ours = our_report(tmp_path / "a", Format.CSV, [objects(["k"])])
    (tmp_path / "secret").write_bytes(b"secret")
    file = ours.manifest.files[0]
    stolen = type(file)("x/../../../../../../secret", 6, file.md5)
    republish(tmp_path / "a", ours.paths, ours.manifest, files=(stolen,))
    with pytest.raises(DataFileError, match="missing"):
        rows(opened(ours.manifest_path))


def test_a_report_of_no_files_has_no_rows(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [])
    assert rows(opened(ours.manifest_path)) == []


def test_a_damaged_stocktake_json_does_not_keep_the_report_from_opening(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["k"])])
    (tmp_path / ours.paths.sidecar).write_bytes(b"{")
    report = opened(ours.manifest_path)
    assert report.sidecar is None
    assert "stocktake.json" in report.sidecar_error
    assert len(rows(report)) == 1


# -- in buckets ----------------------------------------------------------------------------------


@contextmanager
def uploaded(server: Server, folder: Path, bucket: str, prefix: str = "") -> Iterator[BucketFiles]:
    """The files below `folder` in a new bucket."""
    s3 = server.client()
    s3.create_bucket(Bucket=bucket)
    for path in folder.rglob("*"):
        if path.is_file():
            key = prefix + path.relative_to(folder).as_posix()
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    with Client(s3, Counter()) as client:
        yield BucketFiles(client, bucket)


def delivered_to(root: Path, bucket: str) -> Path:
    """A report whose manifest says that it was delivered to `bucket`."""
    ours = our_report(root, Format.PARQUET, [objects(["a", "b"]), objects(["c"])])
    republish(root, ours.paths, ours.manifest, destination_bucket=bucket_arn(bucket))
    return ours.manifest_path


@pytest.mark.parametrize(
    "server", ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)]
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_report_in_the_bucket_it_was_delivered_to_opens(
    request: pytest.FixtureRequest,
    server: str,
    buckets: Callable[..., str],
    tmp_path: Path,
    depth: int,
) -> None:
    bucket = buckets("analysis")
    manifest = delivered_to(tmp_path, bucket)
    with uploaded(request.getfixturevalue(server), tmp_path, bucket) as files:
        key = (manifest, *manifest.parents)[depth].relative_to(tmp_path).as_posix()
        for address in (key, f"{key}/"):
            report = open_report(files, address)
            assert report.at_destination
            assert report.address.startswith(f"s3://{bucket}/inventory/source/stocktake/2026-")
            assert [row["key"] for row in rows(report)] == ["a", "b", "c"]


@pytest.mark.parametrize("prefix", ["", "backups/2026/"])
def test_a_report_copied_to_another_bucket_opens_there(
    moto_server: Server, buckets: Callable[..., str], tmp_path: Path, prefix: str
) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["a", "b"])])
    with uploaded(moto_server, tmp_path, buckets("copy"), prefix) as files:
        report = open_report(files, prefix + ours.paths.manifest)
        assert not report.at_destination
        assert report.locate(report.manifest.files[0]) == prefix + report.manifest.files[0].key
        assert [row["key"] for row in rows(report)] == ["a", "b"]


def test_a_report_whose_keys_no_longer_fit_is_read_from_the_data_beside_it(
    moto_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["a", "b"])])
    with uploaded(moto_server, tmp_path / "inventory" / "source", buckets("copy"), "x/") as files:
        report = open_report(files, "x/stocktake")
        assert report.locate(report.manifest.files[0]).startswith("x/stocktake/data/")
        assert [row["key"] for row in rows(report)] == ["a", "b"]
        assert ours.manifest.destination_bucket.endswith(DESTINATION)


def test_an_unpublished_or_missing_report_in_a_bucket_says_so(
    moto_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["a"])])
    (tmp_path / ours.paths.checksum).unlink()
    with uploaded(moto_server, tmp_path, buckets("copy")) as files:
        for key in (ours.paths.manifest, ours.paths.folder, ours.paths.root):
            with pytest.raises(NoReportError, match="published"):
                open_report(files, key)
        for key in ("", "nothing", "nothing/manifest.json"):
            with pytest.raises(NoReportError, match="there is no"):
                open_report(files, key)
