"""`stocktake check` finds what is missing, says what to change, and leaves nothing behind, whatever befalls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.policies import BUCKET_ACTIONS, OBJECT_ACTIONS
from tests.acceptance.command_line import command, files_below, stocktake
from tests.acceptance.killing import wait_for
from tests.servers.fault import (
    Action,
    FaultServer,
    FixtureObject,
    Request,
    access_denied,
    hold,
    internal_error,
    latency,
    reset,
    respond,
)
from tests.servers.server import Server

ALL = "all,ObjectTags"
OURS = "arn:aws:iam:::user/inventory"


def checked(server: Server | FaultServer, *words: str, code: int) -> dict[str, Any]:
    """The findings of `stocktake check WORDS`, by question, once it ended with `code`."""
    done = stocktake("check", *words, "--json", environment=server.environment())
    assert done.code == code, done
    document = done.document
    return {**{row["check"]: row for row in document["checks"]}, "left": document["left"]}


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {name: row["outcome"] for name, row in found.items() if name != "left"}


def nothing_left(server: Server, bucket: str, *, other: bool = False) -> bool:
    """Whether the bucket has no object, version, delete marker or upload."""
    client = server.client(other=other)
    listed = client.list_object_versions(Bucket=bucket)
    uploads = client.list_multipart_uploads(Bucket=bucket)
    found = (listed.get("Versions"), listed.get("DeleteMarkers"), uploads.get("Uploads"))
    return not any(found)


@pytest.mark.parametrize(
    "store", ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)]
)
@pytest.mark.parametrize("versioned", ["", "Enabled", "Suspended"])
def test_where_all_is_allowed_all_works_and_nothing_is_left(
    request: pytest.FixtureRequest, buckets: Callable[..., str], store: str, versioned: str
) -> None:
    server: Server = request.getfixturevalue(store)
    client, source, destination = server.client(), buckets("photos"), buckets("audit")
    for bucket in (source, destination):
        client.create_bucket(Bucket=bucket)
        if versioned:
            client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": versioned}
            )
    for number in range(7):
        client.put_object(Bucket=source, Key=f"{number}", Body=b"x")
    client.delete_object(Bucket=source, Key="3")
    words = ["--fields", ALL, "--encryption", "SSE-KMS=testkey-1", "--owner-full-control"]
    if versioned:
        words += ["--versions", "All"]
    found = checked(server, f"s3://{source}", f"s3://{destination}/inv/", *words, code=0)
    assert set(outcomes(found).values()) == {"ok"}
    asked = {"list", "head", "lock", "acl", "tagging", "destination", "write", "read"}
    assert set(found) >= {*asked, "encryption", "multipart", "delete"}
    assert ("versioning" in found) == bool(versioned)
    assert nothing_left(server, destination)


def test_people_see_what_was_tried_and_what_to_change(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("photos", [FixtureObject("a\x1b[31m")])
    environment = fault_server.environment()
    done = stocktake("check", "s3://photos", tmp_path, environment=environment)
    assert done.code == 0, done
    assert done.out.splitlines()[0] == f"s3://photos to {tmp_path}"
    assert done.out.endswith("a run can do all that it is to do\n")
    assert files_below(tmp_path) == []
    done = stocktake("check", "s3://photos", "s3://no", "--fields", "all", environment=environment)
    assert done.code == 1
    assert "destination: check the bucket's name" in done.out
    assert "Traceback" not in done.err


def test_an_empty_bucket_tells_too_little(fault_server: FaultServer) -> None:
    fault_server.bucket("photos")
    fault_server.bucket("audit")
    assert outcomes(checked(fault_server, "s3://photos", "s3://audit", code=0))["list"] == "ok"
    found = checked(fault_server, "s3://photos", "s3://audit", "--fields", ALL, code=3)
    assert found["head"]["evidence"] == "there is no object to try it on"


@pytest.fixture
def store(fault_server: FaultServer) -> FaultServer:
    fault_server.bucket("photos", [FixtureObject(f"{n}", body=b"x") for n in range(9)])
    fault_server.bucket("audit", versioning="Enabled")
    return fault_server


def has_acl(request: Request) -> bool:
    return "x-amz-acl" in request.headers


WRITES = ("PutObject", "CreateMultipartUpload")


@pytest.mark.parametrize(
    ("action", "where", "told"),
    [
        (access_denied(), {"operation": "ListObjectsV2"}, ("list", "failed", "allow s3:ListBucket on")),
        (internal_error(), {"operation": "ListObjectsV2"}, ("list", "unknown", "")),
        (access_denied(), {"operation": "HeadObject", "bucket": "photos"}, ("head", "failed", "arn:aws:s3:::photos/*")),
        (access_denied(), {"operation": "HeadObject", "key": "0"}, ("head", "failed", "belong to somebody else")),
        (access_denied(), {"operation": "GetObjectAcl"}, ("acl", "failed", "allow s3:GetObjectAcl on")),
        (respond(501, "NotImplemented"), {"operation": "GetObjectAcl"}, ("acl", "failed", "no such thing")),
        (access_denied(), {"operation": "GetObjectTagging"}, ("tagging", "failed", "allow s3:GetObjectTagging on")),
        (access_denied(), {"operation": "PutObject"}, ("write", "failed", " on arn:aws:s3:::audit/photos/stocktake/*")),
        (access_denied(), {"operation": WRITES, "where": has_acl}, ("write", "failed", "without the ACL")),
        (internal_error(), {"operation": "PutObject"}, ("write", "unknown", "")),
        (access_denied(), {"operation": "GetObject"}, ("read", "failed", "allow s3:GetObject on")),
        (internal_error(), {"operation": "GetObject"}, ("read", "unknown", "")),
        (access_denied(), {"operation": "UploadPart"}, ("multipart", "failed", "")),
        (respond(501, "NotImplemented"), {"operation": "CreateMultipartUpload"}, ("multipart", "unknown", "")),
        (reset(), {"operation": "PutObject", "times": 1}, ("delete", "ok", "")),
        (reset(), {"operation": "PutObject"}, ("write", "unknown", "")),
        (reset(), {"operation": "CreateMultipartUpload", "times": 1}, ("multipart", "ok", "")),
        (reset(), {"operation": "CompleteMultipartUpload"}, ("multipart", "unknown", "")),
        (internal_error(), {"operation": "DeleteObject", "after": 1, "times": 1}, ("delete", "ok", "")),
    ],
)  # fmt: skip
def test_each_lack_is_found_with_what_to_change_and_nothing_is_left(
    store: FaultServer, action: Action, where: dict[str, Any], told: tuple[str, str, str]
) -> None:
    check, outcome, said = told
    store.rule(action, **where)
    words = ("s3://photos", "s3://audit", "--fields", ALL, "--owner-full-control")
    done = stocktake("check", *words, "--json", environment=store.environment())
    rows = {row["check"]: row for row in done.document["checks"]}
    assert rows[check]["outcome"] == outcome, rows
    assert said in rows[check]["remedy"]
    assert done.document["verdict"] == ("ok" if outcome == "ok" else outcome)
    assert done.document["left"] == []
    bucket = store.bucket_named("audit")
    assert (bucket.keys(), bucket.uploads) == ([], {})


@pytest.mark.parametrize(
    ("operation", "check", "never"),
    [
        ("DeleteObject", "delete", "PutObject"),
        ("AbortMultipartUpload", "multipart", "CreateMultipartUpload"),
        ("GetObjectLockConfiguration", "delete", "PutObject"),
    ],
)
def test_nothing_is_written_that_could_not_be_removed(
    store: FaultServer, operation: str, check: str, never: str
) -> None:
    store.rule(access_denied(), operation=operation)
    found = outcomes(
        checked(store, "s3://photos", "s3://audit", code=3 if "Lock" in operation else 1)
    )
    assert found[check] == ("unknown" if "Lock" in operation else "failed")
    assert found["write"] == "ok"
    assert never not in store.counts
    assert store.bucket_named("audit").keys() == []


def test_what_is_left_all_the_same_is_named(store: FaultServer) -> None:
    store.rule(access_denied(), operation="DeleteObject", after=1)
    found = checked(store, "s3://photos", "s3://audit", code=1)
    assert found["delete"]["outcome"] == "failed"
    assert all(
        "version" in line and "s3://audit/photos/stocktake" in line for line in found["left"]
    )
    assert len(found["left"]) == 2


def test_it_ends_in_time_and_clears_up(store: FaultServer) -> None:
    store.rule(latency(0.2), bucket="audit")
    began = time.monotonic()
    found = checked(store, "s3://photos", "s3://audit", "--time-max", "1", code=3)
    assert time.monotonic() - began < 60
    assert found["multipart"]["evidence"] == "not tried: there was no time left"
    assert store.bucket_named("audit").keys() == []
    words = ("--time-max", "0")
    stocktake("check", "s3://photos", "s3://audit", *words).failed_clearly(2, "out of bounds")


def test_the_way_there_is_tried_too(store: FaultServer) -> None:
    words = ("check", "s3://photos", "s3://audit", "--json")
    nobody = stocktake(*words, "--endpoint-url", store.endpoint_url)
    assert nobody.code == 1, nobody
    assert "AWS_ACCESS_KEY_ID" in nobody.document["checks"][0]["remedy"]
    environment = store.environment() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    closed = stocktake(*words, environment=environment)
    assert (closed.code, closed.document["verdict"]) == (3, "unknown"), closed
    stocktake(*words, "--profile", "none", environment=environment).failed_clearly(2, "`none`")
    stocktake("check", "s3://photos", environment=environment).failed_clearly(2, "DESTINATION")
    assert store.bucket_named("audit").keys() == []


def test_a_signal_in_the_middle_leaves_nothing(store: FaultServer) -> None:
    asked = threading.Event()
    store.rule(hold(asked), operation="GetObject", bucket="audit")
    store.rule(latency(3), operation="GetObject", bucket="audit")
    running = subprocess.Popen(
        command("check", "s3://photos", "s3://audit"),
        env={**os.environ, **store.environment()},
        stderr=subprocess.PIPE,
        text=True,
    )
    # What was written is being read.
    assert wait_for(lambda: store.counts["GetObject"] > 0, 180)
    running.send_signal(signal.SIGTERM)
    asked.set()
    _, said = running.communicate(timeout=60)
    assert (running.returncode, "Traceback" in said) == (143, False), said
    assert store.bucket_named("audit").keys() == []


# -- a store that means what its policies say --------------------------------------------------------


def allow(server: Server, bucket: str, actions: list[str], *, folder: str = "") -> None:
    """Let our user do just these in the other user's bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [OURS]},
        "Action": actions,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{folder}*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    server.client(other=True).put_bucket_policy(Bucket=bucket, Policy=policy)


@pytest.mark.server
def test_each_permission_that_the_source_lacks_is_named(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    theirs, source = ceph_server.client(other=True), buckets("photos")
    theirs.create_bucket(Bucket=source, ObjectLockEnabledForBucket=True)
    theirs.put_object(Bucket=source, Key="k", Body=b"x")
    every = {
        "list": "s3:ListBucketVersions",
        "head": "s3:GetObjectVersion",
        "lock": "s3:GetObjectRetention",
        "acl": "s3:GetObjectVersionAcl",
        "tagging": "s3:GetObjectVersionTagging",
    }
    besides = [
        "s3:GetObjectLegalHold",
        "s3:GetBucketVersioning",
        "s3:GetBucketObjectLockConfiguration",
    ]
    for lacking in [*every, ""]:
        allowed = [action for check, action in every.items() if check != lacking]
        allow(ceph_server, source, [*allowed, *besides, "s3:ListBucket"])
        words = ("--fields", ALL, "--versions", "All")
        done = stocktake(
            "check",
            f"s3://{source}",
            tmp_path,
            *words,
            "--json",
            environment=ceph_server.environment(),
        )
        rows = {row["check"]: row for row in done.document["checks"] if row["check"] in every}
        wrong = {name for name, row in rows.items() if row["outcome"] == "failed"}
        assert wrong == ({lacking} if lacking else set()), (lacking, rows)
        assert all(every[name] in rows[name]["remedy"] for name in wrong)


@pytest.mark.server
def test_each_permission_that_the_destination_lacks_is_named_and_nothing_is_left(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    ours, theirs = ceph_server.client(), ceph_server.client(other=True)
    source, destination = buckets("photos"), buckets("audit")
    ours.create_bucket(Bucket=source)
    theirs.create_bucket(Bucket=destination)
    theirs.put_bucket_versioning(Bucket=destination, VersioningConfiguration={"Status": "Enabled"})
    every = [*OBJECT_ACTIONS, *BUCKET_ACTIONS]
    expected = {
        "s3:PutObject": "write",
        "s3:AbortMultipartUpload": "multipart",
        "s3:DeleteObjectVersion": "delete",
        "s3:GetBucketObjectLockConfiguration": "delete",
        "": None,
    }
    for lacking, check in expected.items():
        allow(ceph_server, destination, [action for action in every if action != lacking])
        words = ("check", f"s3://{source}", f"s3://{destination}", "--json")
        done = stocktake(*words, environment=ceph_server.environment())
        rows = {row["check"]: row for row in done.document["checks"]}
        wrong = [name for name, row in rows.items() if row["remedy"]]
        assert wrong == ([] if check is None else [check]), (lacking, rows)
        assert check is None or lacking in rows[check]["remedy"]
        assert (done.code, done.document["left"]) == (0 if check is None else done.code, [])
        assert nothing_left(ceph_server, destination, other=True)


@pytest.mark.server
def test_a_bucket_that_locks_what_is_written_gets_no_object(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    client, source, destination = ceph_server.client(), buckets("photos"), buckets("audit")
    client.create_bucket(Bucket=source)
    client.create_bucket(Bucket=destination, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket=destination,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    found = checked(ceph_server, f"s3://{source}", f"s3://{destination}", code=3)
    assert outcomes(found)["write"] == "ok"
    assert found["delete"]["evidence"] == "the bucket locks what is written, so no object was"
    assert nothing_left(ceph_server, destination)


@pytest.mark.server
def test_encryption_that_the_store_ignores_or_refuses_is_told_apart(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    client, source, destination = ceph_server.client(), buckets("photos"), buckets("audit")
    client.create_bucket(Bucket=source)
    client.create_bucket(Bucket=destination)
    addresses = f"s3://{source}", f"s3://{destination}"
    ignored = checked(ceph_server, *addresses, "--encryption", "SSE-S3", code=1)
    assert "applied no encryption" in ignored["encryption"]["evidence"]
    refused = checked(ceph_server, *addresses, "--encryption", "SSE-KMS=none", code=1)
    assert refused["write"]["remedy"].startswith("without encryption it works")
    assert nothing_left(ceph_server, destination)
