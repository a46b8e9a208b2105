"""Objects handed on: to files and buckets, as data and as manifests for S3 Batch Operations."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.analysis.export import ExportFormat, write_matches
from stocktake.analysis.session import QueryLimits
from stocktake.analysis.tables import one_table
from stocktake.model.configuration import Format
from stocktake.model.keys import decode_csv_key, encode_csv_key
from tests.acceptance.command_line import stocktake
from tests.analysis.questions import opened
from tests.analysis.reports import aws_report, genuine_rows, objects, our_report, republish
from tests.servers.server import Server


@pytest.fixture(params=Format)
def versions(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """AWS's genuine rows: null versions, two versions of a key, a delete marker."""
    return aws_report(tmp_path / "r", request.param)


def test_a_manifest_names_every_version_and_null_where_there_is_none(
    versions: Path, tmp_path: Path
) -> None:
    to = tmp_path / "manifest.csv"
    done = stocktake(
        "export", versions, "--where", "true", "--to", to, "--format", "manifest", "--json"
    )
    assert done.code == 0, done.err
    assert to.read_text() == "".join(
        f"{row['bucket']},{row['key']},{row['version_id'] or 'null'}\n" for row in genuine_rows()
    )
    assert done.document == {
        "location": to.as_uri(),
        "format": "manifest",
        "rows": 5,
        "bytes": 10,
        "delete_markers": 1,
        "written": True,
        "spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key", "VersionId"]},
    }  # fmt: skip
    assert done.err == "warning: 1 row of delete markers, which Batch Operations cannot act on\n"


@pytest.mark.parametrize("report_format", Format)
def test_a_manifest_says_null_for_a_version_whose_id_is_an_empty_text(
    report_format: Format, tmp_path: Path
) -> None:
    rows = [{**row, "version_id": "", "is_latest": True} for row in objects(["a", "b"])]
    path = our_report(tmp_path / "r", report_format, [rows], all_versions=True).manifest_path
    to = tmp_path / "manifest.csv"
    done = stocktake("export", path, "--where", "true", "--to", to, "--format", "manifest")
    assert done.code == 0, done.err
    assert to.read_text() == "source,a,null\nsource,b,null\n"


def test_a_manifest_of_current_objects_has_no_versions_and_encoded_keys(tmp_path: Path) -> None:
    keys = sorted(["a b", 'q"uote,', "plus+", "ü/é", "line\nfeed", "~"])
    path = our_report(tmp_path / "r", Format.PARQUET, [objects(keys)]).manifest_path
    to = tmp_path / "manifest.csv"
    done = stocktake(
        "export", path, "--where", "size < 100 -- all", "--to", to, "--format", "manifest"
    )
    assert done.code == 0, done.err
    assert to.read_text() == "".join(f"source,{encode_csv_key(key)}\n" for key in keys)
    assert done.out == f"6 objects, 15 bytes: written to {to.as_uri()}\n"


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), min_size=1, max_size=8)
)
def test_any_key_comes_back_out_of_a_manifest(tmp_path: Path, keys: set[str]) -> None:
    ordered = sorted(keys, key=str.encode)
    table = one_table(
        opened(our_report(tmp_path, Format.PARQUET, [objects(ordered)]).manifest_path)
    )
    with (tmp_path / "m").open("wb") as sink:
        rows = write_matches(
            table, "true", ExportFormat.MANIFEST, sink, limits=QueryLimits(threads=1)
        )
    lines = (tmp_path / "m").read_text().splitlines()
    assert rows == len(lines) == len(keys)
    assert all(re.fullmatch(r"source,[A-Za-z0-9_./:%-]+", line) for line in lines)
    assert [decode_csv_key(line.partition(",")[2]) for line in lines] == ordered


def test_data_has_all_columns_of_what_matches(versions: Path, tmp_path: Path) -> None:
    for form, name in (("CSV", "x.csv"), ("parquet", "x.parquet"), ("JSONL", "x.jsonl")):
        words = ("--where", "NOT is_latest", "--to", tmp_path / name, "--format", form)
        assert stocktake("export", versions, *words).code == 0
    expected = [row for row in genuine_rows() if not row["is_latest"]]
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == expected
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [(line["key"], line["size"]) for line in lines] == [
        (row["key"], row["size"]) for row in expected
    ]
    assert (tmp_path / "x.csv").read_text().count("\n") == len(expected) + 1


def test_an_object_without_a_key_is_in_no_manifest(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.PARQUET, [objects(["a"])], fields=("Size",))
    path = ours.data_path(tmp_path)
    pq.write_table(
        pa.table({"bucket": ["source"], "key": pa.array([None], pa.string()), "size": [1]}), path
    )
    file = replace(ours.manifest.files[0], size=path.stat().st_size)
    republish(tmp_path, ours.paths, ours.manifest, files=(file,))
    to = tmp_path / "x.csv"
    words = ("--where", "true", "--to", to, "--format", "manifest")
    stocktake("export", ours.manifest_path, *words).failed_clearly(
        1, "a row of the report has no key"
    )
    assert not to.exists()


def test_a_trial_counts_and_writes_nothing(versions: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.csv"
    done = stocktake("export", versions, "--where", "size > 0", "--to", to, "--dry-run")
    assert (done.code, done.out) == (0, "2 objects, 10 bytes: nothing was written\n")
    assert not to.exists()


def test_a_manifest_of_nothing_is_not_written(versions: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.csv"
    done = stocktake("export", versions, "--where", "false", "--to", to, "--format", "manifest")
    assert (done.code, done.out) == (0, "0 objects, 0 bytes: nothing was written\n")
    assert not to.exists()


def test_what_is_there_is_only_replaced_when_asked_to(versions: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.csv"
    to.write_text("precious")
    words = ("export", versions, "--where", "true", "--to", to, "--format", "manifest")
    stocktake(*words).failed_clearly(1, "is there already", "--overwrite")
    assert to.read_text() == "precious"
    assert stocktake(*words, "--overwrite").code == 0
    assert to.read_text().count("\n") == 5


def test_objects_are_handed_on_to_a_bucket_of_another_store(
    versions: Path, moto_server: Server
) -> None:
    client = moto_server.client()
    client.create_bucket(Bucket="handed-on")
    environment = moto_server.environment()
    endpoint = environment.pop("AWS_ENDPOINT_URL")
    key = f"manifests/{versions.parents[4].name}-{versions.stat().st_mtime_ns}.csv"
    words = (
        "export", versions, "--where", "true", "--to", f"s3://handed-on/{key}",
        "--format", "manifest", "--store", f"to:endpoint-url={endpoint}",
    )  # fmt: skip
    done = stocktake(*words, environment=environment)
    assert done.code == 0, done.err
    body = client.get_object(Bucket="handed-on", Key=key)["Body"].read()
    assert body.count(b"\n") == 5
    stocktake(*words, environment=environment).failed_clearly(1, "is there already")
    assert stocktake(*words, "--overwrite", environment=environment).code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--where", "", "--to", "x"], "the condition is empty"),
        (["--where", "sise > 0", "--to", "x"], "sise"),
        (["--where", "size >", "--to", "x"], "the condition is not whole"),
        (["--where", "size > 0\nAND", "--to", "x", "--dry-run"], "the condition is not whole"),
        (["--where", "size) > 0", "--to", "x"], "closes a bracket that it did not open"),
        (["--where", "object_owner = ''", "--to", "x"], "lacks the column `object_owner`"),
        (
            ["--where", "true); DROP VIEW inventory_report; SELECT (1", "--to", "x"],
            "SQL statements",
        ),
        (["--where", "true", "--to", "x", "--format", "xlsx"], "unknown export format"),
        (["--where", "true", "--to", "s3://bucket"], "names no file"),
        (["--where", "true", "--to", "folder/"], "names no file"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(
    tmp_path: Path, words: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = aws_report(tmp_path / "r", Format.CSV)
    monkeypatch.chdir(tmp_path)
    stocktake("export", path, *words).failed_clearly(2, says)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r"]
