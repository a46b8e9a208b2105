"""Everything a report claims is checked, each lie is found, and nothing is held against a true
report.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stocktake.analysis.findings import Verification
from stocktake.analysis.report import open_report
from stocktake.analysis.verify import verify_report
from stocktake.model.configuration import Filter, Format
from stocktake.model.fields import report_fields
from stocktake.model.manifest import ManifestFile, render_symlink
from stocktake.model.sidecar import render_sidecar
from stocktake.store.files import FolderFiles
from tests.analysis.questions import opened
from tests.analysis.reports import (
    AWS_MOMENT,
    DESTINATION,
    OurReport,
    Row,
    aws_report,
    encoded,
    objects,
    our_report,
    republish,
    write,
)

FIELDS = ("Size", "LastModifiedDate", "ETag", "StorageClass")
COLUMNS = report_fields(FIELDS, all_versions=False)


def verified(path: Path) -> Verification:
    return verify_report(opened(path))


@pytest.fixture(params=Format)
def report_format(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


@pytest.fixture
def ours(tmp_path: Path, report_format: Format) -> OurReport:
    return our_report(tmp_path, report_format, [objects(["a", "b"]), objects(["c", "d", "e"])])


def whats(found: Verification) -> list[str]:
    return [finding.what for finding in found.findings]


def exchange(root: Path, ours: OurReport, number: int, rows: Sequence[Row]) -> None:
    """Put other rows into a data file and make size, MD5, manifest and stocktake.json agree with
    it.
    """
    body = encoded(ours.manifest.format, COLUMNS, rows)
    old = ours.manifest.files[number]
    file = ManifestFile(old.key, len(body), hashlib.md5(body).hexdigest())
    write(root, file.key, body)
    files = (*ours.manifest.files[:number], file, *ours.manifest.files[number + 1 :])
    republish(root, ours.paths, ours.manifest, files=files)
    claims = [
        claim.model_copy(update={"size": new.size, "md5": new.md5})
        for claim, new in zip(ours.sidecar.files, files, strict=True)
    ]
    change_sidecar(root, ours, files=tuple(claims))


def change_sidecar(root: Path, ours: OurReport, **changes: Any) -> None:
    write(root, ours.paths.sidecar, render_sidecar(ours.sidecar.model_copy(update=changes)))


# -- true reports --------------------------------------------------------------------------------


def test_a_genuine_report_is_sound_and_says_what_it_does_not_claim(
    tmp_path: Path, report_format: Format
) -> None:
    found = verified(aws_report(tmp_path, report_format))
    assert found.sound
    assert found.findings == ()
    assert len(found.checked) == 4
    assert any("row counts" in fact for fact in found.unclaimed)


def test_our_report_is_sound_and_all_of_it_was_checked(ours: OurReport) -> None:
    found = verified(ours.manifest_path)
    assert found.findings == ()
    assert found.unclaimed == ()
    assert len(found.checked) == 7
    assert any("5 rows counted" in fact for fact in found.checked)


@pytest.mark.parametrize("pieces", [[], [[]]])
def test_an_empty_report_is_sound(
    tmp_path: Path, report_format: Format, pieces: list[list[Row]]
) -> None:
    assert verified(our_report(tmp_path, report_format, pieces).manifest_path).findings == ()


def test_versions_of_one_key_may_follow_each_other_in_any_order(
    tmp_path: Path, report_format: Format
) -> None:
    rows = [row | {"version_id": version} for row in objects(["a"]) for version in ("z", None, "b")]
    ours = our_report(tmp_path, report_format, [rows], all_versions=True)
    assert verified(ours.manifest_path).findings == ()


def test_a_copy_without_its_symlink_is_sound_but_our_own_is_not(
    tmp_path: Path, report_format: Format
) -> None:
    theirs = aws_report(tmp_path / "aws", report_format)
    shutil.rmtree(theirs.parents[1] / "hive")
    found = verified(theirs)
    assert found.sound
    assert "symlink.txt is not in this copy" in found.unclaimed
    ours = our_report(tmp_path / "ours", report_format, [objects(["a"])])
    (tmp_path / "ours" / ours.paths.symlink).unlink()
    assert whats(verified(ours.manifest_path)) == ["symlink.txt"]


def test_a_report_delivered_to_a_folder_names_its_files_by_path(
    tmp_path: Path, ours: OurReport
) -> None:
    uris = [(tmp_path / "ä b" / file.key).as_uri() for file in ours.manifest.files]
    write(tmp_path, ours.paths.symlink, render_symlink(uris))
    assert verified(ours.manifest_path).sound


def test_a_creation_timestamp_may_be_finer_than_the_folders_name(tmp_path: Path) -> None:
    theirs = aws_report(tmp_path, Format.CSV)
    report = opened(theirs)
    later = AWS_MOMENT + timedelta(seconds=59, milliseconds=999)
    republish(Path("/"), report.paths, report.manifest, created=later)
    assert verified(theirs).sound


def test_a_copy_whose_folder_was_renamed_cannot_tell_when_the_run_began(tmp_path: Path) -> None:
    theirs = aws_report(tmp_path, Format.CSV)
    renamed = theirs.parent.rename(theirs.parent.with_name("a copy"))
    found = verified(renamed)
    assert found.sound
    assert any("creationTimestamp" in fact for fact in found.unclaimed)


def test_an_inventory_of_a_prefix_need_not_cover_other_keys(tmp_path: Path) -> None:
    rows = [objects(["logs/1"]), objects(["logs/2"])]
    ours = our_report(tmp_path, Format.CSV, rows, key_prefix="logs/")
    files = list(ours.sidecar.files)
    files[0] = files[0].model_copy(update={"after": "logs"})
    files[1] = files[1].model_copy(update={"upto": "logs0"})
    change_sidecar(tmp_path, ours, files=tuple(files))
    assert verified(ours.manifest_path).findings == ()
    files[1] = files[1].model_copy(update={"upto": "logs/3"})
    change_sidecar(tmp_path, ours, files=tuple(files))
    assert whats(verified(ours.manifest_path)) == ["completeness"]


# -- lies ----------------------------------------------------------------------------------------


def test_a_changed_byte_a_missing_and_a_short_file_are_found_and_named(
    tmp_path: Path, report_format: Format
) -> None:
    ours = our_report(tmp_path, report_format, [objects([key]) for key in "abcd"])
    paths = [ours.data_path(tmp_path, number) for number in range(3)]
    body = bytearray(paths[0].read_bytes())
    body[len(body) // 2] ^= 1
    paths[0].write_bytes(body)
    paths[1].unlink()
    paths[2].write_bytes(paths[2].read_bytes()[:-1])
    found = verified(ours.manifest_path)
    assert not found.sound
    bytewise = [finding for finding in found.findings if finding.what != "rows"]
    assert [finding.what for finding in bytewise] == ["MD5", "data file", "data file"]
    assert [finding.where for finding in bytewise] == [str(path) for path in paths]
    assert bytewise[0].expected == ours.manifest.files[0].md5


def test_another_schema_than_the_manifests_is_found(tmp_path: Path, report_format: Format) -> None:
    theirs = aws_report(tmp_path, report_format)
    report = open_report(FolderFiles(tmp_path), theirs.relative_to(tmp_path).as_posix())
    other = our_report(tmp_path / "x", report_format, [objects(["a"])], fields=("Size",))
    body = other.data_path(tmp_path / "x").read_bytes()
    key = report.manifest.files[0].key
    write(tmp_path, key, body)
    file = ManifestFile(key, len(body), hashlib.md5(body).hexdigest())
    republish(tmp_path, report.paths, report.manifest, files=(file,))
    found = verified(theirs)
    assert whats(found) == ["data file" if report_format is Format.CSV else "schema"]
    assert found.findings[0].where.endswith(file.key)


def test_symlink_lines_that_are_wrong_missing_or_too_many_are_found(
    tmp_path: Path, ours: OurReport
) -> None:
    right = [f"s3://{DESTINATION}/{file.key}" for file in ours.manifest.files]
    for uris in (right[:1], [*right, right[0]], right[::-1], [f"{uri}x" for uri in right]):
        write(tmp_path, ours.paths.symlink, render_symlink(uris))
        assert set(whats(verified(ours.manifest_path))) <= {
            f"symlink.txt line {n}" for n in (1, 2, 3)
        }
        assert not verified(ours.manifest_path).sound


def test_rows_that_are_missing_or_not_the_ones_claimed_are_found(
    tmp_path: Path, ours: OurReport
) -> None:
    exchange(tmp_path, ours, 1, objects(["c", "d"]))
    assert whats(verified(ours.manifest_path)) == ["row count", "last key"]
    exchange(tmp_path, ours, 1, objects(["cc", "d", "e"]))
    assert whats(verified(ours.manifest_path)) == ["first key"]


@pytest.mark.parametrize("keys", [["c", "e", "d"], ["c", "c", "e"]])
def test_keys_out_of_order_or_twice_within_a_file_are_found(
    tmp_path: Path, ours: OurReport, keys: list[str]
) -> None:
    exchange(tmp_path, ours, 1, objects(keys))
    assert "key order" in whats(verified(ours.manifest_path))


def test_disorder_is_found_across_batches_and_in_the_order_of_utf_8(
    tmp_path: Path, report_format: Format
) -> None:
    keys = sorted([f"{number:06}" for number in range(70_000)])
    keys[65_536] = "0"  # the first row of a batch
    ours = our_report(tmp_path, report_format, [objects(keys)])
    assert whats(verified(ours.manifest_path)) == ["key order"]
    right = our_report(tmp_path / "x", report_format, [objects(["\uffee", "\U0001f600"])])
    assert verified(right.manifest_path).sound


def test_files_whose_keys_overlap_are_found(tmp_path: Path, ours: OurReport) -> None:
    exchange(tmp_path, ours, 0, objects(["a", "c"]))
    found = whats(verified(ours.manifest_path))
    assert found == ["last key", "key order"]


@pytest.mark.parametrize(
    ("number", "change", "says"),
    [
        (1, {"after": "bb"}, "is not followed by"),
        (0, {"after": "A"}, "only"),
        (1, {"upto": "f"}, "only"),
        (0, {"rows": 1}, "4 rows, 5 were listed"),
        (1, {"last_key": "b"}, "outside"),
    ],
)
def test_a_gap_or_a_contradiction_in_the_proof_is_found(
    tmp_path: Path, ours: OurReport, number: int, change: dict[str, object], says: str
) -> None:
    files = list(ours.sidecar.files)
    files[number] = files[number].model_copy(update=change)
    change_sidecar(tmp_path, ours, files=tuple(files))
    findings = {finding.what: finding for finding in verified(ours.manifest_path).findings}
    assert says in findings["completeness"].found


def test_a_stocktake_json_that_speaks_of_other_files_is_found(
    tmp_path: Path, ours: OurReport
) -> None:
    change_sidecar(tmp_path, ours, files=ours.sidecar.files[:1], rows=2)
    found = verified(ours.manifest_path)
    assert "file list" in whats(found)
    assert "completeness" in whats(found)


@pytest.mark.parametrize("seconds", [-0.001, 60, 3 * 3600])
def test_a_creation_timestamp_in_another_minute_than_the_folders_is_found(
    tmp_path: Path, seconds: float
) -> None:
    theirs = aws_report(tmp_path, Format.CSV)
    report, other = opened(theirs), AWS_MOMENT + timedelta(seconds=seconds)
    republish(Path("/"), report.paths, report.manifest, created=other)
    [finding] = verified(theirs).findings
    assert (finding.what, finding.where) == ("creationTimestamp", str(theirs))
    assert finding.found == f"{round(other.timestamp() * 1000)}, that is {other:%Y-%m-%dT%H-%MZ}"
    assert finding.expected == "a moment in 2024-05-07T01-00Z"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"schema": "Bucket, Key, Size, LastModifiedDate, FTag, StorageClass"}, "fileSchema"),
        ({"source_bucket": "another"}, "sourceBucket"),
        ({"destination_bucket": "arn:aws:s3:::another"}, "destinationBucket"),
    ],
)
def test_a_manifest_that_says_other_than_the_configuration_did_is_found(
    tmp_path: Path, change: dict[str, str], what: str
) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["a"])])
    republish(tmp_path, ours.paths, ours.manifest, **change)
    assert what in whats(verified(ours.manifest_path))


def test_keys_outside_the_prefix_that_was_asked_for_are_found(
    tmp_path: Path, ours: OurReport
) -> None:
    configuration = ours.sidecar.configuration.model_copy(update={"filter": Filter(prefix="a")})
    change_sidecar(tmp_path, ours, configuration=configuration)
    findings = [
        finding for finding in verified(ours.manifest_path).findings if finding.what == "prefix"
    ]
    assert [finding.found for finding in findings] == ["'b'", "'c'"]


def test_a_damaged_stocktake_json_is_a_finding(tmp_path: Path, ours: OurReport) -> None:
    write(tmp_path, ours.paths.sidecar, b"{")
    found = verified(ours.manifest_path)
    assert whats(found) == ["stocktake.json"]
    assert any("row counts" in fact for fact in found.unclaimed)


def test_a_whole_file_that_is_no_data_file_is_a_finding(tmp_path: Path, ours: OurReport) -> None:
    body = b"not a data file"
    file = replace(ours.manifest.files[0], size=len(body), md5=hashlib.md5(body).hexdigest())
    write(tmp_path, file.key, body)
    republish(tmp_path, ours.paths, ours.manifest, files=(file, ours.manifest.files[1]))
    found = verified(ours.manifest_path)
    assert "rows" in whats(found)
    assert not found.sound


def test_a_verification_is_json(ours: OurReport) -> None:
    found = json.loads(json.dumps(verified(ours.manifest_path).to_json()))
    assert found["sound"] is True
    assert found["address"] == str(ours.manifest_path)
