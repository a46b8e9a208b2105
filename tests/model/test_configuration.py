from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from pydantic import ValidationError

from stocktake.model.configuration import (
    InventoryConfiguration,
    bucket_arn,
    parse_bucket_arn,
    parse_configuration_json,
    valid_bucket_name,
)
from stocktake.model.errors import ConfigurationError
from tests.model.documents import TEXTS, configurations

DOCUMENT = {
    "Id": "report1",
    "IsEnabled": True,
    "Filter": {"Prefix": "logs/"},
    "Destination": {
        "S3BucketDestination": {
            "AccountId": "111122223333",
            "Bucket": "arn:aws:s3:::dest",
            "Format": "Parquet",
            "Prefix": "inv",
            "Encryption": {"SSEKMS": {"KeyId": "arn:aws:kms:us-east-1:111122223333:key/abc"}},
        }
    },
    "Schedule": {"Frequency": "Daily"},
    "IncludedObjectVersions": "All",
    "OptionalFields": ["Size", "ETag"],
}


def changed(path: str, value: object) -> bytes:
    """The document with one part replaced, or removed where `value` is None."""
    document = json.loads(json.dumps(DOCUMENT))
    *parents, name = path.split(".")
    part = document
    for parent in parents:
        part = part[parent]
    if value is None:
        del part[name]
    else:
        part[name] = value
    return json.dumps(document).encode()


def test_the_document_of_the_aws_cli_is_read() -> None:
    configuration = parse_configuration_json(json.dumps(DOCUMENT))
    assert configuration.id == "report1"
    assert configuration.prefix == "logs/"
    assert configuration.all_versions
    assert configuration.delivery.bucket_name == "dest"
    assert configuration.delivery.format == "Parquet"
    assert configuration.optional_fields == ("Size", "ETag")
    encryption = configuration.delivery.encryption
    assert encryption is not None
    assert encryption.sse_kms is not None
    assert encryption.sse_kms.key_id.endswith(":key/abc")


def test_what_is_printed_is_what_was_read() -> None:
    configuration = parse_configuration_json(json.dumps(DOCUMENT))
    assert json.loads(configuration.to_json()) == DOCUMENT


def test_a_document_as_get_prints_it_is_read_too() -> None:
    wrapped = json.dumps({"InventoryConfiguration": DOCUMENT}, indent=2)
    assert parse_configuration_json(wrapped) == parse_configuration_json(json.dumps(DOCUMENT))


@given(configurations(TEXTS))
def test_a_configuration_is_read_back_as_it_was(configuration: InventoryConfiguration) -> None:
    text = configuration.to_json()
    assert parse_configuration_json(text) == configuration
    assert parse_configuration_json(text.encode()) == configuration


DESTINATION = "Destination.S3BucketDestination"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[]", "the document: .*found"),
        (changed("Id", None), "Id: Field required"),
        (changed("Id", "a/b"), "`a/b` cannot be an Id"),
        (changed("Id", ".."), "cannot be an Id"),
        (changed("Id", ""), "cannot be an Id"),
        (changed("Id", "x" * 65), "cannot be an Id"),
        (changed("Id", "a\n"), "cannot be an Id"),
        (changed("IsEnabled", None), "IsEnabled: Field required"),
        (changed("IsEnabled", "true"), "IsEnabled: .*found `true`"),
        (changed("IsEnabled", 1), "IsEnabled: .*found `1`"),
        (json.dumps(DOCUMENT).replace('"Id"', '"id"').encode(), "Id: Field required"),
        (b"{", r"the document: Invalid JSON: [^`]*$"),
        (changed("Schedule.Frequency", "Hourly"), "Frequency: .*found `Hourly`"),
        (changed("IncludedObjectVersions", "all"), "IncludedObjectVersions: .*found `all`"),
        (changed(f"{DESTINATION}.Bucket", "dest"), "`dest` is not a bucket ARN; expected arn:aws:s3:::"),
        (changed(f"{DESTINATION}.Bucket", "arn:aws:s3:::"), "is not a bucket ARN"),
        (changed(f"{DESTINATION}.Format", "csv"), "Format: .*found `csv`"),
        (changed(f"{DESTINATION}.AccountId", "12"), "`12` is not an account"),
        (changed(f"{DESTINATION}.Encryption", {"SSES3": {}, "SSEKMS": {"KeyId": "k"}}), "at most one"),
        (changed(f"{DESTINATION}.Encryption", {"SSEKMS": {}}), "KeyId: Field required"),
        (changed(f"{DESTINATION}.Encryption", {"SSEKMS": {"KeyId": ""}}), "KeyId"),
        (changed("Filter", {}), "Prefix: Field required"),
        (changed("OptionalFields", ["Size", "Colour"]), "`Colour` is not one of AWS's OptionalFields: Size"),
        (changed("OptionalFields", ["ObjectTags"]), "`ObjectTags` is not one of AWS's OptionalFields"),
        (changed("Colour", "red"), "Colour: Extra inputs"),
        (changed(f"{DESTINATION}.Colour", "red"), r"S3BucketDestination\.Colour: Extra inputs"),
    ],
)  # fmt: skip
def test_what_aws_would_refuse_is_one_clear_error(body: bytes, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        parse_configuration_json(body)
    assert caught.value.message.startswith("malformed inventory configuration: ")
    assert "put-bucket-inventory-configuration" in caught.value.hint
    assert "\n" not in caught.value.message


def test_several_mistakes_are_counted() -> None:
    with pytest.raises(ConfigurationError, match=r"\(and \d more\)"):
        parse_configuration_json(b"{}")


def test_a_configuration_cannot_be_changed() -> None:
    configuration = parse_configuration_json(json.dumps(DOCUMENT))
    with pytest.raises(ValidationError):
        configuration.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["b", "my-bucket.v2", "Old_Style", "tenant:bucket", "x" * 255])
def test_a_bucket_name_survives_its_arn(name: str) -> None:
    assert valid_bucket_name(name)
    if ":" not in name:
        assert parse_bucket_arn(bucket_arn(name)) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "arn:aws:s3:::b", "a b", "é", "x" * 256])
def test_what_is_no_bucket_name_is_told(name: str) -> None:
    assert not valid_bucket_name(name)


@pytest.mark.parametrize("arn", ["arn:aws-cn:s3:::b", "arn:aws-us-gov:s3:::b", "arn:aws:s3:eu:1:b"])
def test_arns_of_other_partitions_name_their_bucket(arn: str) -> None:
    assert parse_bucket_arn(arn) == "b"


@pytest.mark.parametrize("arn", ["b", "arn:aws:sns:::b", "arn:aws:s3:::", "arn:aws:s3:::b/key"])
def test_what_is_no_bucket_arn_is_an_error(arn: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"`{arn}` is not a bucket ARN")):
        parse_bucket_arn(arn)
