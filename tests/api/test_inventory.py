"""The four operations, as clients of AWS's know them: statuses, forms, order, pages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings

from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.fields import OPTIONAL_FIELDS
from stocktake.model.stored import CONFIGURATIONS_PER_BUCKET_MAX, ConfigurationKey
from stocktake.model.submission import read_submission
from stocktake.model.xml import render_configuration_xml
from stocktake.state.ledger import Ledger
from tests.api.conftest import DOMAIN
from tests.api.serving import (
    ADMIN,
    NAMESPACE,
    READER,
    Answer,
    Api,
    destination,
    document,
    presigned,
    signed,
)
from tests.model.documents import XML_TEXTS, configurations
from tests.servers.server import Server
from tests.state.ledgers import Clock, fill_ledger

WHOLE = {
    "Id": "report1",
    "IsEnabled": True,
    "Filter": {"Prefix": "logs/é <&>\n"},
    "Destination": {
        "S3BucketDestination": {
            "AccountId": "111122223333",
            "Bucket": "arn:aws:s3:::dest",
            "Format": "Parquet",
            "Prefix": "inv",
            "Encryption": {"SSEKMS": {"KeyId": "arn:aws:kms:us-east-1:111122223333:key/abc"}},
        }
    },
    "Schedule": {"Frequency": "Weekly"},
    "IncludedObjectVersions": "All",
    "OptionalFields": ["Size", "ETag", "LastModifiedDate"],
}


def put(api: Api, bucket: str, configuration: dict[str, Any]) -> None:
    answer = api.client().put_bucket_inventory_configuration(
        Bucket=bucket, Id=configuration["Id"], InventoryConfiguration=configuration
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


def plain(name: str, **more: Any) -> dict[str, Any]:
    """A configuration with nothing that it may lack."""
    where = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::dest", "Format": "CSV"}}
    return {
        "Id": name,
        "IsEnabled": True,
        "Destination": where,
        "Schedule": {"Frequency": "Daily"},
        "IncludedObjectVersions": "Current",
        **more,
    }


@pytest.mark.parametrize(
    "configuration",
    [
        WHOLE,
        plain("plain"),
        plain("off", IsEnabled=False),
        plain("all-fields", OptionalFields=list(reversed(OPTIONAL_FIELDS))),
        plain("empty", Filter={"Prefix": ""}),
    ],
    ids=lambda each: each["Id"],
)
def test_what_was_put_is_got_and_listed_and_nothing_is_filled_in(
    api: Api, bucket: str, configuration: dict[str, Any]
) -> None:
    put(api, bucket, configuration)
    got = api.client().get_bucket_inventory_configuration(Bucket=bucket, Id=configuration["Id"])
    assert got["InventoryConfiguration"] == configuration
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = api.client().list_bucket_inventory_configurations(Bucket=bucket)
    assert listed["InventoryConfigurationList"] == [configuration]
    assert listed["IsTruncated"] is False
    assert "ContinuationToken" not in listed
    assert "NextContinuationToken" not in listed


def test_a_put_replaces_and_a_deletion_ends_it(api: Api, bucket: str) -> None:
    put(api, bucket, plain("report1"))
    put(api, bucket, WHOLE)
    client = api.client()
    listed = client.list_bucket_inventory_configurations(Bucket=bucket)
    assert listed["InventoryConfigurationList"] == [WHOLE]
    answer = client.delete_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    listed = client.list_bucket_inventory_configurations(Bucket=bucket)
    assert listed.get("InventoryConfigurationList", []) == []
    assert listed["IsTruncated"] is False


def test_answers_are_one_line_with_aws_names(api: Api, bucket: str) -> None:
    more = "<Encryption><SSE-S3 /></Encryption>"
    body = document(Destination=destination(more=more), OptionalFields="<OptionalFields/>")
    assert api.ask("PUT", f"/{bucket}?inventory&id=report1", body).status == 204
    got = api.ask("GET", f"/{bucket}?inventory&id=report1")
    assert got.headers["content-type"] == "application/xml"
    inside = body.replace(b"<SSE-S3 />", b"<SSE-S3/>")
    assert got.body == b'<?xml version="1.0" encoding="UTF-8"?>' + inside
    listed = api.ask("GET", f"/{bucket}?inventory")
    one = inside.replace(f' xmlns="{NAMESPACE}"'.encode(), b"")
    assert listed.body == (
        b'<?xml version="1.0" encoding="UTF-8"?><ListInventoryConfigurationsResult xmlns="'
        + NAMESPACE.encode()
        + b'">'
        + one
        + b"<IsTruncated>false</IsTruncated></ListInventoryConfigurationsResult>"
    )


FIELDS = "<OptionalFields>{}</OptionalFields>"
PREFIX = "<Prefix>Inventories/644160558196</Prefix>"
ALL = "<IncludedObjectVersions>All</IncludedObjectVersions>"
KMS = "<Encryption><SSE-KMS><KeyId>arn:valid:kms</KeyId></SSE-KMS></Encryption>"


def _fields(*names: str) -> str:
    return FIELDS.format("".join(f"<Field>{name}</Field>" for name in names))


# Content-Length of LIST answers that AWS gave in 2017, and what had been put before.
RECORDED: dict[int, tuple[str, bytes]] = {
    189: ("", b""),
    604: (
        "something",
        document(
            "something",
            Destination=destination("arn:aws:s3:::custodian-inv", more="<Prefix>abcdef</Prefix>"),
            IncludedObjectVersions=ALL,
            OptionalFields=_fields("LastModifiedDate"),
        ),
    ),
    645: (
        "something",
        document(
            "something",
            Destination=destination("arn:aws:s3:::custodian-inv", more=PREFIX),
            OptionalFields=_fields("LastModifiedDate", "Size"),
        ),
    ),
    673: (
        "inv-name",
        document(
            "inv-name",
            Destination=destination(
                "arn:aws:s3:::inv-dest", more=f"{PREFIX}<Encryption><SSE-S3/></Encryption>"
            ),
            OptionalFields=_fields("Size", "EncryptionStatus"),
        ),
    ),
    711: (
        "inv-name",
        document(
            "inv-name",
            Destination=destination("arn:aws:s3:::inv-dest", more=f"{PREFIX}{KMS}"),
            OptionalFields=_fields("Size", "EncryptionStatus"),
        ),
    ),
}


@pytest.mark.parametrize("length", RECORDED)
def test_lists_are_as_long_as_those_that_aws_was_recorded_with(
    api: Api, bucket: str, length: int
) -> None:
    name, body = RECORDED[length]
    if name:
        assert api.ask("PUT", f"/{bucket}?inventory&id={name}", body).status == 204
    answer = api.ask("GET", f"/{bucket}?inventory")
    assert answer.headers["content-length"] == str(length)
    assert len(answer.body) == length


@given(configurations(XML_TEXTS))
@settings(max_examples=40)
def test_what_is_answered_may_be_put_again_with_or_without_a_namespace(
    configuration: InventoryConfiguration,
) -> None:
    rendered = render_configuration_xml(configuration)
    assert read_submission(rendered, configuration.id) == configuration
    bare = rendered.replace(f' xmlns="{NAMESPACE}"'.encode(), b"", 1)
    assert read_submission(bare, configuration.id) == configuration


def test_elements_may_come_in_any_order(api: Api, bucket: str) -> None:
    rng = random.Random(5)
    names = list(WHOLE)
    for _ in range(10):
        rng.shuffle(names)
        put(api, bucket, {name: WHOLE[name] for name in names})
        got = api.client().get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
        assert got["InventoryConfiguration"] == WHOLE


def test_the_sample_of_the_documentation_without_encryption_is_understood(
    api: Api, bucket: str
) -> None:
    body = document(Destination=destination(more="<SSE-S3/>"))
    assert api.ask("PUT", f"/{bucket}?inventory&id=report1", body).status == 204
    got = api.client().get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    delivery = got["InventoryConfiguration"]["Destination"]["S3BucketDestination"]
    assert delivery["Encryption"] == {"SSES3": {}}


def test_lists_are_sorted_by_id_and_cut_after_a_hundred(
    api: Api, bucket: str, buckets: Callable[..., str]
) -> None:
    names = [f"{number:03}" for number in range(201)] + ["a-test", "test-1", "z-test"]
    mixed = random.Random(7).sample(names, len(names))
    fill_ledger(api.state_folder, "default", bucket, mixed)
    client, pages, token = api.client(), [], {}
    for _ in range(3):
        page = client.list_bucket_inventory_configurations(Bucket=bucket, **token)
        pages.append([each["Id"] for each in page["InventoryConfigurationList"]])
        assert page.get("ContinuationToken") == token.get("ContinuationToken")
        token = {"ContinuationToken": page.get("NextContinuationToken")}
        assert page["IsTruncated"] is (len(pages) < 3)
    assert [len(page) for page in pages] == [100, 100, 4]
    assert token == {"ContinuationToken": None}
    assert [name for page in pages for name in page] == sorted(names)


def test_a_thousand_is_the_end(api: Api, bucket: str) -> None:
    names = [f"{number:04}" for number in range(CONFIGURATIONS_PER_BUCKET_MAX)]
    fill_ledger(api.state_folder, "default", bucket, names)
    refused = api.ask("PUT", f"/{bucket}?inventory&id=report1", document())
    assert refused.error == (
        400,
        "TooManyConfigurations",
        "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.",
    )
    assert api.ask("PUT", f"/{bucket}?inventory&id=0007", document("0007")).status == 204


def test_a_put_leaves_our_options_alone_and_a_deletion_takes_them(api: Api, bucket: str) -> None:
    key = ConfigurationKey("default", bucket, "report1")
    put(api, bucket, WHOLE)
    with Ledger.open(api.state_folder, now=Clock()) as ledger:
        ledger.configurations.put_options(key, {"keep": 3})
        put(api, bucket, plain("report1"))
        assert ledger.configurations.options(key) == {"keep": 3}
        api.client().delete_bucket_inventory_configuration(Bucket=bucket, Id="report1")
        put(api, bucket, WHOLE)
        assert ledger.configurations.options(key) == {}


# -- where the bucket stands, and how a request is signed ------------------------------------------


@pytest.mark.parametrize("port", ["", ":80", ":8443"])
def test_the_bucket_may_stand_in_the_host_name(api: Api, bucket: str, port: str) -> None:
    virtual = {"Host": f"{bucket.upper() if port else bucket}.{DOMAIN}{port}"}
    target = "/?inventory&id=report1"
    assert api.ask("PUT", target, document(), headers=virtual).status == 204
    got = api.ask("GET", f"/{bucket}?inventory&id=report1", headers={"Host": f"{DOMAIN}{port}"})
    assert got.status == 200
    assert api.ask("GET", target, headers=virtual).body == got.body
    assert api.ask("DELETE", target, headers=virtual).status == 204


@pytest.mark.parametrize(
    "query",
    [
        "inventory=&id=report1",
        "id=report1&inventory",
        "%69nv%65ntory&id=report1",
        "id=%72epo%72t1&%69%6e%76%65%6E%74%6f%72%79=",
    ],
)
def test_the_query_may_be_written_in_any_way(api: Api, bucket: str, query: str) -> None:
    put(api, bucket, WHOLE)
    headers = {"Host": urlsplit(api.endpoint_url).netloc}
    said = signed("GET", f"/{bucket}?id=report1&inventory=", b"", headers, ADMIN)
    answer = api.send("GET", f"/{bucket}?{query}", b"", said)
    assert answer.status == 200, answer.body
    assert b"<Id>report1</Id>" in answer.body


def test_parameters_that_clients_add_do_no_harm(api: Api, bucket: str) -> None:
    put(api, bucket, WHOLE)
    named = "x-id=GetBucketInventoryConfiguration"
    assert api.ask("GET", f"/{bucket}/?id=report1&inventory=&{named}").status == 200


def test_a_presigned_url_works_for_what_it_was_signed_for(api: Api, bucket: str) -> None:
    url = f"{api.endpoint_url}/{bucket}?inventory=&id=report1"
    assert api.ask("PUT", presigned(url, "PUT", ADMIN), document(), key=None).status == 204

    def ask(method: str, version: str) -> Answer:
        named = ("get_bucket_inventory_configuration", {"Bucket": bucket, "Id": "report1"})
        made: str = api.client(signature_version=version).generate_presigned_url(*named)
        return api.ask(method, made.removeprefix(api.endpoint_url), key=None)

    assert ask("GET", "s3v4").status == 200
    assert ask("DELETE", "s3v4").error[1] == "SignatureDoesNotMatch"
    assert ask("GET", "s3").error == (
        400,
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )


def test_a_bucket_of_another_store_is_another_bucket(
    moto_server: Server, api: Api, bucket: str
) -> None:
    put(api, bucket, WHOLE)
    with Ledger.open(api.state_folder, now=Clock()) as ledger:
        assert len(ledger.configurations.page("default", bucket)) == 1
        assert ledger.configurations.page("other", bucket) == ()


def test_readers_read(api: Api, bucket: str) -> None:
    put(api, bucket, WHOLE)
    got = api.client(READER).get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    assert got["InventoryConfiguration"] == WHOLE


def test_health_is_told_and_nothing_else_is_there(api: Api) -> None:
    assert api.ask("GET", "/healthz", key=None).status == 200
    nobody = api.ask("GET", "/readyz", key=None)
    assert (nobody.status, b"no worker was heard of for 60 s" in nobody.body) == (503, True)
    api.worker_beats()
    assert api.ask("GET", "/readyz", key=None).status == 200
    for target in ("/", "/bucket", "/bucket?inventor", "/docs", "/openapi.json"):
        answer = api.ask("GET", target, key=None)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
