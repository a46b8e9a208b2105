"""Under the store's own address, by the nginx configuration that is shipped: unmodified clients, the store's own keys.

What nginx must never do is let a request about inventories through to the store: to many that is DELETE of the bucket.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.clients import client_program
from tests.api.front import Front
from tests.api.serving import document
from tests.api.test_inventory import WHOLE, plain
from tests.servers.nginx import wait_for_port
from tests.servers.ports import reserved_port
from tests.servers.server import Server

RUN_S_MAX = 120


@pytest.fixture
def empty_store(moto_server: Server, tmp_path: Path) -> Iterator[Server]:
    """An embedded store in a process of its own: Custodian asks fifteen questions about every bucket that there is."""
    port = reserved_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(process, port, tmp_path / "moto.log")
        yield replace(moto_server, endpoint_url=f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=RUN_S_MAX)


def run(
    front: Front, program: str, *words: str | Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """A client as its users run it: with the address and the keys of the store, and nothing else."""
    return subprocess.run(
        [client_program(program), *map(str, words)],
        env={**os.environ, **front.server.environment()},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
    )


def aws(front: Front, *words: str, folder: Path) -> Any:
    """What the AWS CLI prints, as JSON."""
    done = run(front, "aws", "s3api", *words, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


@pytest.mark.slow
@pytest.mark.server
def test_the_aws_cli_puts_reads_lists_replaces_and_deletes(
    front: Front, buckets: Callable[..., str], tmp_path: Path
) -> None:
    bucket = buckets("cli")
    aws(front, "create-bucket", "--bucket", bucket, folder=tmp_path)  # by the store
    named = ("--bucket", bucket, "--id", "report1")
    for configuration in (plain("report1"), WHOLE):
        (tmp_path / "configuration.json").write_text(json.dumps(configuration))
        given = ("--inventory-configuration", "file://configuration.json")
        aws(front, "put-bucket-inventory-configuration", *named, *given, folder=tmp_path)
    got = aws(front, "get-bucket-inventory-configuration", *named, folder=tmp_path)
    assert got == {"InventoryConfiguration": WHOLE}
    listed = aws(front, "list-bucket-inventory-configurations", "--bucket", bucket, folder=tmp_path)
    assert listed["InventoryConfigurationList"] == [WHOLE]
    aws(front, "delete-bucket-inventory-configuration", *named, folder=tmp_path)
    done = run(front, "aws", "s3api", "get-bucket-inventory-configuration", *named, folder=tmp_path)
    assert "(NoSuchConfiguration)" in done.stderr
    assert done.returncode != 0
    front.client.head_bucket(Bucket=bucket)


@pytest.mark.server
def test_boto3_finds_the_store_and_the_inventories_in_one_place(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket, client = buckets("boto"), front.client
    client.create_bucket(Bucket=bucket)
    body = os.urandom(3 * 2**20)
    client.put_object(Bucket=bucket, Key="a?inventory&id=x", Body=body)
    assert client.get_object(Bucket=bucket, Key="a?inventory&id=x")["Body"].read() == body
    client.put_bucket_inventory_configuration(
        Bucket=bucket, Id="report1", InventoryConfiguration=WHOLE
    )
    got = client.get_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    assert got["InventoryConfiguration"] == WHOLE
    listed = client.list_bucket_inventory_configurations(Bucket=bucket)
    assert listed["InventoryConfigurationList"] == [WHOLE]
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == [
        "a?inventory&id=x"
    ]
    client.delete_bucket_inventory_configuration(Bucket=bucket, Id="report1")
    with pytest.raises(ClientError, match="NoSuchConfiguration"):
        client.delete_bucket_inventory_configuration(Bucket=bucket, Id="report1")


POLICY = """\
policies:
  - name: inventories
    resource: aws.s3
    filters:
      - Name: {bucket}
    actions:
      - type: set-inventory
        name: custodian
        destination: inventories
        format: Parquet
        schedule: Weekly
        fields: [Size, ETag]
        encryption: SSES3
"""


@pytest.mark.slow
@pytest.mark.parametrize("front", ["empty_store"], indirect=True)
def test_cloud_custodian_sets_an_inventory_and_a_second_run_changes_nothing(
    front: Front, buckets: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = buckets("custodian")
    front.client.create_bucket(Bucket=bucket)
    policy = tmp_path / "policy.yml"
    policy.write_text(POLICY.format(bucket=bucket))

    def custodian() -> None:
        done = run(
            front,
            "custodian",
            "run",
            "--cache",
            "",
            "-s",
            tmp_path / "out",
            "-r",
            "us-east-1",
            policy,
            folder=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr, done.stderr
        assert "policy:inventories resource:aws.s3 region:us-east-1 count:1" in done.stderr

    def found() -> Any:
        return front.client.list_bucket_inventory_configurations(Bucket=bucket)[
            "InventoryConfigurationList"
        ]

    custodian()
    [configuration] = found()
    assert configuration["Destination"]["S3BucketDestination"]["Encryption"] == {"SSES3": {}}
    assert configuration["OptionalFields"] in (["Size", "ETag"], ["ETag", "Size"])
    with caplog.at_level("INFO", logger="stocktake"):
        custodian()
    assert " GET " in caplog.text
    assert " PUT " not in caplog.text
    assert found() == [configuration]


SPELLINGS = [
    "inventory&id=report1",
    "inventory=&id=report1",
    "id=report1&inventory",
    "id=report1&inventory=",
    "id=report1&inventory=true",
    "id=inventory&inventory",
    "%69nventory&id=report1",
    "%69%6E%76%65%6e%74%6F%72%79=&id=report1",
    "x-id=DeleteBucketInventoryConfiguration&inventory&id=report1",
    "inventory",
    "inventory&id=",
    "id=a&id=b&inventory&inventory",
]


@pytest.mark.server
def test_a_store_takes_the_deletion_of_an_inventory_for_that_of_the_bucket(
    front: Front, buckets: Callable[..., str]
) -> None:
    """Why nothing may fall through: this is what would happen."""
    bucket = buckets("premise")
    front.client.create_bucket(Bucket=bucket)
    assert (
        front.ask("DELETE", f"/{bucket}?inventory&id=a", at=front.behind.endpoint_url).status == 204
    )
    with pytest.raises(ClientError, match="404"):
        front.client.head_bucket(Bucket=bucket)


@pytest.mark.server
def test_without_the_service_nothing_about_inventories_reaches_the_store(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket = buckets("down")
    front.client.create_bucket(Bucket=bucket)
    for query in SPELLINGS[:-3]:
        answer = front.ask("DELETE", f"/{bucket}?{query}")
        assert 400 <= answer.status < 500, (query, answer)
    front.stop_service()
    for query in SPELLINGS:
        for slash in ("", "/"):
            assert front.ask("DELETE", f"/{bucket}{slash}?{query}").status == 502, query
        assert front.ask("PUT", f"/{bucket}?{query}", document()).status == 502, query
        assert front.ask("GET", f"/{bucket}?{query}").status == 502, query
    front.client.head_bucket(Bucket=bucket)  # it is still there
    new = buckets("new")
    assert front.ask("PUT", f"/{new}?inventory&id=report1", document()).status == 502
    assert new not in [each["Name"] for each in front.client.list_buckets()["Buckets"]]


@pytest.mark.server
def test_what_is_not_about_inventories_goes_to_the_store(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket = buckets("store")
    front.client.create_bucket(Bucket=bucket)
    front.stop_service()
    for query in (
        "location",
        "versioning",
        "list-type=2&prefix=inventory",
        "inventory2",
        "xinventory",
        "prefix=a%26inventory",
        "prefix=a%3Binventory",
        "x=1&prefix==inventory",
    ):
        assert front.ask("GET", f"/{bucket}?{query}").status == 200, query
    front.client.put_object(Bucket=bucket, Key="inventory", Body=b"x" * 2**21)
    front.client.delete_object(Bucket=bucket, Key="inventory")
