"""From a bucket to what is wrong with it: reports of real stores, audited through the program alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import stocktake
from tests.acceptance.estate import fill_estate
from tests.servers.server import Server

FORMATS = ("CSV", "ORC", "Parquet")


def findings(document: Any) -> dict[str, Any]:
    return {each["name"]: each for each in document["findings"]}


def keys(finding: Any) -> set[str]:
    return {example["Key"] for example in finding["examples"]}


@pytest.mark.parametrize("report_format", FORMATS)
def test_a_report_that_lies_in_a_bucket_is_audited_there(
    moto_server: Server, buckets: Any, report_format: str
) -> None:
    client, source, target = moto_server.client(), buckets("source"), buckets("audit")
    for name in (source, target):
        client.create_bucket(Bucket=name)
    client.put_object(Bucket=source, Key="a//open", Body=b"1", ACL="public-read")
    client.put_object(Bucket=source, Key="b/empty", Body=b"", ServerSideEncryption="AES256")
    client.put_object(Bucket=source, Key="b/grün", Body=b"1", ServerSideEncryption="AES256")
    ran = stocktake(
        "run", f"s3://{source}", f"s3://{target}", "--format", report_format, "--fields", "all",
        "--json", environment=moto_server.environment(),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    done = stocktake(
        "audit", f"s3://{target}/{source}/stocktake", "--json",
        environment=moto_server.environment(),
    )  # fmt: skip
    assert done.code == 1, done.err
    found = findings(done.document)
    assert keys(found["not-encrypted"]) == {"a//open"}
    assert keys(found["public-grant"]) == {"a//open"}
    assert keys(found["double-slash"]) == {"a//open"}
    assert keys(found["empty-object"]) == {"b/empty"}
    assert found["not-nfc"]["status"] == "clean"
    assert found["noncurrent-version"]["status"] == "cannot tell"


@pytest.mark.server
def test_what_is_wrong_in_a_bucket_on_ceph_is_found(ceph_server: Server, tmp_path: Path) -> None:
    bucket = f"audited-{os.urandom(5).hex()}"
    fill_estate(ceph_server, bucket)
    ran = stocktake(
        "run", f"s3://{bucket}", tmp_path, "--fields", "all,KmsKeyArn", "--versions", "All", "--json",
        environment=ceph_server.environment(),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    [manifest] = tmp_path.rglob("manifest.json")
    told = json.loads((manifest.parent / "stocktake.json").read_text())
    policy = tmp_path / "policy.toml"
    policy.write_text('[[expectations]]\nprefix = "lock/"\nobject_lock = ["COMPLIANCE"]\n')
    done = stocktake("audit", manifest, "--policy", policy, "--json")
    assert done.code == 1, done.err
    found = findings(done.document)
    assert done.document["rows"] == told["rows"]
    assert keys(found["customer-key"]) == {"."}
    assert keys(found["not-locked"]) == {"lock/governed", "lock/held"}
    assert keys(found["retention-ending"]) == {"lock/governed"}
    assert keys(found["legal-hold"]) == {"lock/held"}
    assert "tagged" in keys(found["public-grant"])
    assert found["noncurrent-version"]["rows"] == 5
    assert found["delete-marker"]["rows"] == 2
    assert keys(found["control-character"]) == {
        "tab\there", "line\nfeed", 'a,"b",\nc', "carriage\rreturn", "\x01", "\x1f", "\x7f", "\x85",
    }  # fmt: skip
    assert keys(found["double-slash"]) == {"/", "/a", "a//b"}
    assert keys(found["not-nfc"]) == {"e\u0301"}
    assert found["long-key"]["rows"] == 2
    # The other user's object is closed to the bucket's owner, and a customer's key hides the rest of its own.
    for name in ("not-encrypted", "bucket-key-off", "public-grant"):
        rows = {each["what"]: each["rows"] for each in found[name]["unknown"]}
        assert rows.pop("refused") == told["problems"]["refused"]
        assert list(rows.values()) == [1], name
    refused = {each["what"]: each["rows"] for each in found["replication-failed"]["unknown"]}
    assert refused["refused"] == told["problems"]["refused"]
    assert refused["SSE-C"] == 1
    assert found["replication-failed"]["status"] == "cannot tell"
