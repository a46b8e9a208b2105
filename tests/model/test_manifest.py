from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given

from stocktake.model.configuration import Format
from stocktake.model.errors import ManifestError
from stocktake.model.fields import BY_NAME, FLAG, MOMENT, NUMBER, TEXT, report_fields
from stocktake.model.manifest import (
    Manifest,
    ManifestFile,
    destination_bucket_name,
    file_schema,
    parse_file_schema,
    parse_manifest,
    render_checksum,
    render_manifest,
    render_symlink,
)
from tests.formats.rows import EVERY_FIELD, GENUINE_FIELDS
from tests.model.documents import manifests

AWS = Path(__file__).parents[1] / "golden" / "aws"
MANIFEST = (AWS / "manifest.json").read_bytes()


def test_a_manifest_is_rendered_as_aws_prints_it() -> None:
    manifest = Manifest(
        source_bucket="example-source",
        destination_bucket="arn:aws:s3:::example-destination",
        created=datetime(2020, 6, 27, tzinfo=UTC),
        format=Format.PARQUET,
        schema=file_schema(Format.PARQUET, report_fields(("Size",), all_versions=False)),
        files=(
            ManifestFile(
                "inventory/example-source/daily/data/ea8268b2-a6ba-42de-8694-91a9833b4ff1.parquet",
                46473,
                "f92e97e547625c91737495137cd306c7",
            ),
            ManifestFile(
                "inventory/example-source/daily/data/0b0e5e2c-33f1-4d57-8d6c-9a3f7a1f9b11.parquet",
                1,
                "d41d8cd98f00b204e9800998ecf8427e",
            ),
        ),
    )  # fmt: skip
    assert render_manifest(manifest) == MANIFEST
    assert parse_manifest(MANIFEST) == manifest


def test_a_manifest_without_files_is_json_in_the_same_form() -> None:
    manifest = parse_manifest(MANIFEST)
    body = render_manifest(
        Manifest("s", manifest.destination_bucket, manifest.created, Format.CSV, "Bucket, Key", ())
    )
    assert body.endswith(b'  "fileSchema" : "Bucket, Key",\n  "files" : [ ]\n}\n')
    assert parse_manifest(body).files == ()


@given(manifests())
def test_a_manifest_is_read_back_as_it_was(manifest: Manifest) -> None:
    body = render_manifest(manifest)
    assert parse_manifest(body) == manifest
    # Other people's readers: JSON, and one file's key on a line.
    document = json.loads(body)
    assert [file["key"] for file in document["files"]] == [file.key for file in manifest.files]
    lines = body.split(b"\n")
    assert sum(line.startswith(b'    "key" : ') for line in lines) == len(manifest.files)


def test_the_checksum_is_33_bytes_over_every_byte_of_the_manifest() -> None:
    checksum = render_checksum(MANIFEST)
    assert len(checksum) == 33
    assert checksum == hashlib.md5(MANIFEST).hexdigest().encode() + b"\n"
    assert checksum != render_checksum(MANIFEST.rstrip(b"\n"))


def test_the_symlink_file_has_no_newline_at_its_end() -> None:
    uri = "s3://example-pictures/inventory/example-pictures/full/data/573a77fc-0397-4005-96d6-13a758a7635a.csv.gz"
    assert render_symlink([uri, uri]) == f"{uri}\n{uri}".encode()
    assert render_symlink([]) == b""


@pytest.mark.parametrize("report_format", list(Format))
def test_the_file_schema_is_the_genuine_one(report_format: Format) -> None:
    genuine = (AWS / f"schema.{report_format.lower()}.txt").read_text()
    assert file_schema(report_format, GENUINE_FIELDS) == genuine
    assert parse_file_schema(report_format, genuine) == GENUINE_FIELDS


def test_the_newest_documented_columns_follow_in_the_documented_order() -> None:
    names = (
        "LifecycleExpirationDate",
        "ObjectOwner",
        "ObjectAccessControlList",
        "ChecksumAlgorithm",
    )
    fields = report_fields(names, all_versions=False)
    assert file_schema(Format.CSV, fields) == (
        "Bucket, Key, ChecksumAlgorithm, ObjectAccessControlList, ObjectOwner, LifecycleExpirationDate"
    )
    assert file_schema(Format.ORC, fields) == (
        "struct<bucket:string,key:string,checksum_algorithm:string,object_access_control_list:string,"
        "object_owner:string,lifecycle_expiration_date:timestamp>"
    )


@pytest.mark.parametrize("report_format", list(Format))
def test_every_field_is_found_again_in_its_schema(report_format: Format) -> None:
    assert parse_file_schema(report_format, file_schema(report_format, EVERY_FIELD)) == EVERY_FIELD


def test_the_form_of_the_documentation_is_read_too() -> None:
    documented = (
        "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8);"
        " optional int64 size; optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag (UTF8);}"
    )  # fmt: skip
    fields = report_fields(("Size", "LastModifiedDate", "ETag"), all_versions=False)
    assert parse_file_schema(Format.PARQUET, documented) == fields


@pytest.mark.parametrize("names", [str.lower, str.upper, lambda name: BY_NAME[name].column])
def test_names_of_columns_are_known_however_they_are_spelt(names: Callable[[str], str]) -> None:
    schema = ", ".join(names(field.name) for field in EVERY_FIELD)
    assert parse_file_schema(Format.CSV, schema) == EVERY_FIELD


@pytest.mark.parametrize(
    ("report_format", "schema", "complaint"),
    [
        (Format.CSV, "", "no columns"),
        (Format.ORC, "struct<>", "no columns"),
        (Format.PARQUET, "Bucket, Key", "no columns"),
        (Format.CSV, "Bucket, Key, Size, size", "names the column `size` 2 times"),
        (Format.ORC, "struct<key:string,new:string,new:bigint>", "names the column `new` 2 times"),
    ],
)
def test_a_schema_without_columns_or_with_one_twice_is_none(
    report_format: Format, schema: str, complaint: str
) -> None:
    with pytest.raises(ManifestError, match=complaint):
        parse_file_schema(report_format, schema)


@pytest.mark.parametrize(
    ("report_format", "schema", "types"),
    [
        (Format.CSV, "Bucket, Key, ANewColour", [TEXT]),
        (Format.ORC, "struct<key:string,a_new_colour:string,is_new:boolean,new_size:bigint,new_date:timestamp>",
         [TEXT, FLAG, NUMBER, MOMENT]),
        (Format.PARQUET, "message s3.inventory {  required binary key (STRING);  optional binary a_new_colour (STRING);"
         "  optional boolean is_new;  optional int64 new_size;  optional int64 new_date (TIMESTAMP(MILLIS,true));}",
         [TEXT, FLAG, NUMBER, MOMENT]),
    ],
)  # fmt: skip
def test_a_column_that_aws_adds_one_day_is_read_with_the_type_it_has(
    report_format: Format, schema: str, types: list[object]
) -> None:
    added = parse_file_schema(report_format, schema)[-len(types) :]
    assert [field.type for field in added] == types
    assert added[0].column == "a_new_colour"


def changed(**members: object) -> bytes:
    return json.dumps(json.loads(MANIFEST) | members).encode()


def without(name: str) -> bytes:
    document = json.loads(MANIFEST)
    del document[name]
    return json.dumps(document).encode()


FILE = {"key": "k", "size": 1, "MD5checksum": "0" * 32}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not an inventory manifest"),
        (b"\xff\xfe{", "not an inventory manifest"),
        (b"[]", "not an inventory manifest"),
        (b"null", "not an inventory manifest"),
        (b"[" * 100_000, "not an inventory manifest"),
        (b"<Error/>", "not an inventory manifest"),
        (without("files"), "lacks 'files'"),
        (without("creationTimestamp"), "lacks 'creationTimestamp'"),
        (changed(fileFormat="csv"), "'csv' is not a valid Format"),
        (changed(creationTimestamp="yesterday"), "yesterday"),
        (changed(creationTimestamp="9" * 40), "not an inventory manifest"),
        (changed(sourceBucket=5), "found '5', expected str"),
        (changed(files={}), "expected list"),
        (changed(files=["data/x.csv.gz"]), "not an inventory manifest"),
        (changed(files=[{"key": "k", "size": 1}]), "lacks 'MD5checksum'"),
        (changed(files=[FILE | {"size": "1"}]), "expected int"),
        (changed(files=[FILE | {"size": True}]), "expected int"),
        (changed(files=[FILE | {"MD5checksum": "Z" * 32}]), "expected 32 lower-case hex digits"),
    ],
)
def test_what_is_no_manifest_is_one_clear_error(body: bytes, complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        parse_manifest(body)


def test_members_nobody_knows_are_ignored() -> None:
    assert parse_manifest(changed(rowCount=5)) == parse_manifest(MANIFEST)


def test_a_destination_may_be_a_bare_name() -> None:
    assert destination_bucket_name(parse_manifest(MANIFEST)) == "example-destination"
    assert destination_bucket_name(parse_manifest(changed(destinationBucket="plain"))) == "plain"
