"""What `stocktake policy` and `stocktake lifecycle` print is taken by stores, and enough."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.acceptance.command_line import stocktake
from tests.servers.server import Server

OURS = "arn:aws:iam:::user/inventory"


@pytest.mark.server
def test_a_run_delivers_to_the_bucket_of_somebody_who_has_put_the_printed_policy(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    ours, theirs = ceph_server.client(), ceph_server.client(other=True)
    source, destination = buckets("photos"), buckets("audit")
    ours.create_bucket(Bucket=source)
    ours.put_object(Bucket=source, Key="cat.jpg", Body=b"cat")
    theirs.create_bucket(Bucket=destination)
    theirs.put_bucket_versioning(Bucket=destination, VersioningConfiguration={"Status": "Enabled"})
    addresses = f"s3://{source}", f"s3://{destination}/in*v"
    environment = ceph_server.environment()
    stocktake("run", *addresses, environment=environment).failed_clearly(1, "403 AccessDenied")
    printed = stocktake("policy", *addresses, "--principal", OURS, "--owner-full-control")
    theirs.put_bucket_policy(Bucket=destination, Policy=printed.out)
    done = stocktake("run", *addresses, "--owner-full-control", environment=environment)
    assert done.code == 0, done.err
    elsewhere = stocktake("run", addresses[0], f"s3://{destination}", environment=environment)
    elsewhere.failed_clearly(1, "s3:PutObject")


@pytest.mark.parametrize(
    "store", ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)]
)
def test_stores_take_the_printed_rules_and_policies(
    request: pytest.FixtureRequest, buckets: Callable[..., str], store: str
) -> None:
    server: Server = request.getfixturevalue(store)
    client, bucket = server.client(), buckets("audit")
    client.create_bucket(Bucket=bucket)
    printed = stocktake("lifecycle", "s3://photos", f"s3://{bucket}/inv", "--keep-days", "30")
    assert "last good report" in printed.err
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration=json.loads(printed.out)
    )
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert sorted(rule["ID"] for rule in rules) == [
        "stocktake-photos-all",
        "stocktake-photos-all-delete-markers",
    ]
    policy = stocktake("policy", "s3://photos", f"s3://{bucket}", "--principal", OURS)
    client.put_bucket_policy(Bucket=bucket, Policy=policy.out)
    assert json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy.out)


def test_only_the_statement_for_the_key_is_printed_on_demand() -> None:
    words = ["policy", "s3://photos", "s3://audit", "--principal", "111122223333"]
    statement = stocktake(*words, "--kms", "k", "--only", "key").document
    assert statement["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert stocktake(*words, "--kms", "k", "--json").document["kms_statement"] == statement
    stocktake(*words, "--only", "key").failed_clearly(2, "--kms KEY")
    stocktake(*words, "--only", "all").failed_clearly(2, "bucket or key")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["policy", "s3://photos", "s3://audit"], "--principal ARN"),
        (["policy", "s3://photos", "s3://audit", "--principal", "*"], "no principal"),
        (["policy", "s3://photos", "./reports", "--aws"], "no bucket address"),
        (["policy", "s3://photos", "s3://audit", "--aws"], "--source-account"),
        (["lifecycle", "s3://photos", "s3://audit"], "--keep-days"),
        (["lifecycle", "s3://photos", "s3://audit", "--keep-last", "3"], "counts no reports"),
        (["lifecycle", "s3://photos", "--keep-days", "3"], "DESTINATION"),
        (["lifecycle", "s3://photos", "s3://audit", "--keep-days", "0"], "out of bounds"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: list[str], said: str) -> None:
    stocktake(*words).failed_clearly(2, said)
