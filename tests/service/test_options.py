"""What users type, and the run it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.addresses import LocalAddress, S3Address
from stocktake.model.configuration import (
    Format,
    IncludedObjectVersions,
    InventoryConfiguration,
    parse_configuration_json,
)
from stocktake.model.errors import AddressError, ConfigurationError, UnknownFieldError, UsageError
from stocktake.model.fields import EXTENSION_FIELDS, FIELD_SETS, OPTIONAL_FIELDS
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Addressing, Store
from stocktake.service.options import RunOptions, make_options, make_store
from stocktake.service.planning import notes, plan_run

MOMENT = datetime(2026, 11, 22, 14, 27, 59, 123456, tzinfo=UTC)
HERE = Path("/home/somebody")
SPOOL = Path("/var/spool/stocktake")

CONFIGURATION = parse_configuration_json(
    """{
      "Id": "weekly", "IsEnabled": true, "IncludedObjectVersions": "All",
      "Schedule": {"Frequency": "Weekly"}, "Filter": {"Prefix": "logs/"},
      "OptionalFields": ["EncryptionStatus", "Size"],
      "Destination": {"S3BucketDestination": {
        "Bucket": "arn:aws:s3:::audit", "Format": "ORC", "Prefix": "inventory/",
        "AccountId": "123456789012", "Encryption": {"SSEKMS": {"KeyId": "k-1"}}}}
    }"""
)


def planned(configuration: InventoryConfiguration | None = None, **options: Any) -> InventoryRun:
    options.setdefault("source", "s3://photos")
    if configuration is None:
        options.setdefault("destination", "s3://audit")
    return plan_run(
        RunOptions(**options),
        configuration,
        moment=MOMENT,
        working_folder=HERE,
        spool_folder=SPOOL,
        cores=3,
        file_rows=5_000,
    )


def test_two_addresses_alone_make_a_current_parquet_report_of_what_a_plain_list_yields() -> None:
    run = planned(source="s3://photos/2026/", destination="s3://audit/inventory")
    configuration = run.configuration
    assert (run.bucket, configuration.prefix) == ("photos", "2026/")
    assert run.address == S3Address("audit", "inventory")
    assert configuration.id == "stocktake"
    assert configuration.is_enabled
    assert configuration.delivery.bucket == "arn:aws:s3:::audit"
    assert configuration.delivery.prefix == "inventory"
    assert configuration.delivery.format is Format.PARQUET
    assert configuration.included_object_versions is IncludedObjectVersions.CURRENT
    assert configuration.optional_fields == FIELD_SETS["default"]
    assert run.extension_fields == ()
    assert run.destination == run.source == Store()
    assert run.spool_folder == SPOOL


def test_there_are_as_many_processes_as_cores_unless_said() -> None:
    assert planned().limits.processes == 3
    assert planned().limits.file_rows_max == 5_000
    assert planned(processes=7, concurrency=9).limits == replace(
        planned().limits, processes=7, concurrency=9
    )


def test_the_moment_of_a_run_is_its_minute() -> None:
    assert planned().moment == datetime(2026, 11, 22, 14, 27, tzinfo=UTC)


@pytest.mark.parametrize("text", ["csv", "CSV", "Csv"])
def test_a_format_may_be_written_in_any_letter_case(text: str) -> None:
    assert planned(format=text).configuration.delivery.format is Format.CSV


def test_fields_are_split_into_aws_s_and_extensions_in_the_report_s_order() -> None:
    run = planned(fields="contenttype, EncryptionStatus,Size,ObjectTags")
    assert run.configuration.optional_fields == ("Size", "EncryptionStatus")
    assert run.extension_fields == ("ObjectTags", "ContentType")


def test_no_fields_at_all_leave_bucket_and_key() -> None:
    assert [field.name for field in planned(fields="").fields] == ["Bucket", "Key"]


@given(st.lists(st.sampled_from(OPTIONAL_FIELDS + EXTENSION_FIELDS), unique=True))
def test_any_choice_of_fields_stands_in_the_report_and_nothing_else(names: list[str]) -> None:
    chosen = {field.name for field in planned(fields=names).fields}
    assert chosen == {"Bucket", "Key", *names}


def test_an_unknown_field_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownFieldError, match="did you mean `EncryptionStatus`") as caught:
        planned(fields="Size,encryption_status")
    assert "ObjectOwner" in caught.value.hint


def test_a_local_destination_is_absolute_and_stands_for_a_bucket_of_its_name() -> None:
    run = planned(destination="work/../reports")
    assert run.address == LocalAddress(Path("/home/somebody/reports"))
    assert run.configuration.delivery.bucket == "arn:aws:s3:::reports"
    assert run.configuration.delivery.prefix is None


def test_a_file_url_is_a_local_destination_and_its_bucket_can_be_named() -> None:
    run = planned(destination="file:///srv/a%20b", destination_bucket="audit")
    assert run.address == LocalAddress(Path("/srv/a b"))
    assert run.configuration.delivery.bucket_name == "audit"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"source": "arn:aws:s3:::photos"}, "no bucket address"),
        ({"source": "s3://arn:aws:s3:::photos"}, "names no bucket"),
        ({"source": "photos"}, "no bucket address"),
        ({"source": "s3://"}, "names no bucket"),
        ({"destination": "arn:aws:s3:::audit"}, "no bucket address"),
        ({"destination": "gs://audit"}, "is no address"),
        ({"destination": ""}, "is no address"),
        ({"destination": "file://elsewhere/folder"}, "no local folder"),
    ],
)
def test_an_address_that_is_none_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(AddressError, match=expected):
        planned(**options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"format": "xlsx"}, "unknown format `xlsx`; expected CSV, ORC, Parquet"),
        ({"versions": "some"}, "unknown choice of versions `some`; expected All, Current"),
        ({"encryption": "AES256"}, "unknown encryption `AES256`; expected SSE-S3 or SSE-KMS=KEY"),
        ({"encryption": "SSE-KMS"}, "unknown encryption"),
        ({"encryption": "SSE-S3=x"}, "unknown encryption"),
        ({"concurrency": 0}, "--concurrency 0 is out of bounds; expected 1 to"),
        ({"processes": 100_000}, "--processes 100000 is out of bounds"),
        ({"destination": None}, "where the report goes is not said"),
        ({"destination": "s3://audit/a/../b"}, "expected a prefix without segments"),
        ({"destination": "s3://audit/a\ns3://b/c"}, "to a prefix with a line break"),
        ({"destination": "/"}, "has no name a bucket could have"),
        ({"destination": "/r", "destination_bucket": "arn:aws:s3:::b"}, "is an ARN"),
        ({"destination": "/r", "destination_bucket": "a b"}, "cannot be a bucket's name"),
        ({"destination_bucket": "other"}, "--destination-bucket is for local folders"),
        ({"destination": "/r", "destination_store": Store(profile="p")}, "is a local folder"),
        ({"destination": "/r", "encryption": "SSE-S3"}, "cannot be encrypted"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        planned(**options)


@pytest.mark.parametrize("text", ["", "a/b", "x" * 65, "..", "später"])
def test_an_id_that_cannot_be_a_folder_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be an Id"):
        planned(id=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sse-s3", {"SSES3": {}}),
        ("SSE-KMS=arn:aws:kms:eu-1:1:key/a=b", {"SSEKMS": {"KeyId": "arn:aws:kms:eu-1:1:key/a=b"}}),
    ],
)
def test_the_report_s_encryption_is_aws_s_element(text: str, expected: dict[str, Any]) -> None:
    encryption = planned(encryption=text).configuration.delivery.encryption
    assert encryption is not None
    assert encryption.model_dump(by_alias=True, exclude_none=True) == expected


def test_a_configuration_alone_says_where_the_report_goes_and_what_it_holds() -> None:
    run = planned(CONFIGURATION)
    assert run.configuration is CONFIGURATION
    assert run.address == S3Address("audit", "inventory/")
    assert run.owner_full_control  # it names an account
    assert [field.name for field in run.fields][5:] == ["Size", "EncryptionStatus"]


def test_options_may_repeat_what_the_configuration_says_and_add_what_it_cannot() -> None:
    run = planned(
        CONFIGURATION,
        source="s3://photos/logs/",
        destination="s3://audit/inventory",
        id="weekly",
        format="orc",
        fields="Size,EncryptionStatus,ObjectTags",
        versions="all",
        encryption="SSE-KMS=k-1",
        destination_store=Store(endpoint_url="http://other"),
    )
    assert run.configuration is CONFIGURATION
    assert run.extension_fields == ("ObjectTags",)
    assert run.destination.endpoint_url == "http://other"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"id": "daily"}, "Id"),
        ({"format": "CSV"}, "Format"),
        ({"versions": "Current"}, "IncludedObjectVersions"),
        ({"encryption": "SSE-S3"}, "Encryption"),
        ({"fields": "Size"}, "OptionalFields"),
        ({"source": "s3://photos/other/"}, "Filter.Prefix"),
        ({"destination": "s3://audit/elsewhere"}, "Destination"),
        ({"destination": "s3://other/inventory/"}, "Destination"),
    ],
)
def test_an_option_that_contradicts_the_configuration_is_refused(
    options: dict[str, Any], part: str
) -> None:
    with pytest.raises(UsageError, match=f"contradicts the configuration, whose {part} is"):
        planned(CONFIGURATION, **options)


def test_a_folder_can_stand_for_the_configuration_s_bucket_and_keeps_its_prefix() -> None:
    delivery = CONFIGURATION.delivery.model_copy(update={"encryption": None})
    destination = CONFIGURATION.destination.model_copy(update={"s3_bucket_destination": delivery})
    plain = CONFIGURATION.model_copy(update={"destination": destination})
    run = planned(plain, destination="/srv/copy", destination_bucket="audit")
    assert run.address == LocalAddress(Path("/srv/copy"))
    assert run.configuration.delivery.bucket_name == "audit"
    assert run.configuration.delivery.prefix == "inventory/"
    with pytest.raises(UsageError, match="contradicts"):
        planned(plain, destination="/srv/copy", destination_bucket="copy")


def test_a_configuration_that_is_not_enabled_runs_when_asked_for_and_says_so() -> None:
    assert notes(planned(CONFIGURATION)) == ()
    (note,) = notes(planned(CONFIGURATION.model_copy(update={"is_enabled": False})))
    assert "`weekly` is not enabled" in note


def test_a_store_is_described_in_the_aws_cli_s_words() -> None:
    assert make_store(
        endpoint_url="https://rgw",
        profile="p",
        region="r",
        addressing_style="PATH",
        no_sign_request=True,
        request_payer=True,
        ca_bundle=Path("/ca.pem"),
        no_verify_ssl=True,
    ) == Store("https://rgw", "p", "r", Addressing.PATH, False, True, "/ca.pem", False)


def test_the_destination_is_the_same_store_unless_something_describes_another() -> None:
    options = make_options("s3://photos", None, endpoint_url="http://rgw", profile="p")
    assert options.store == Store(endpoint_url="http://rgw", profile="p")
    assert options.destination_store is None
    silent = make_options(
        "s3://photos", None, destination_endpoint_url=None, destination_no_sign_request=False
    )
    assert silent.destination_store is None
    other = make_options("s3://photos", None, profile="p", destination_region="r")
    assert other.destination_store == Store(region="r")
    unchecked = make_options("s3://photos", None, destination_no_verify_ssl=True)
    assert unchecked.destination_store == Store(verify_tls=False)


def test_paths_may_be_given_as_text() -> None:
    options = make_options(
        "s3://photos", Path("/srv/reports"), configuration="c.json", spool_folder="/spool"
    )
    assert options.destination == "/srv/reports"
    assert options.configuration == Path("c.json")
    assert options.spool_folder == Path("/spool")


def test_a_store_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="`rgw:8000` is no endpoint"):
        make_store(endpoint_url="rgw:8000")
    with pytest.raises(UsageError, match="unknown addressing style `dns`"):
        make_store(addressing_style="dns")
