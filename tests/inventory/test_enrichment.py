"""What HEAD, ACL and tagging add to listed rows, and what becomes of a row when they cannot."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stocktake.model.errors import CredentialsError
from stocktake.model.runs import missing_values
from tests.inventory.lanes import QUICK, open_lane
from tests.inventory.rows import one
from tests.servers.fault import (
    Action,
    FaultServer,
    FixtureObject,
    access_denied,
    ignore_subresource,
    internal_error,
    reset,
    respond,
    slow_down,
    with_headers,
    without_headers,
)
from tests.servers.fault_fixtures import WRITTEN

KMS = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:r:1:key/k",
}


def test_a_refused_object_keeps_its_row_with_what_listing_knew(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b", [FixtureObject("mine", size=1), FixtureObject("theirs", size=2, denied=True)]
    )
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields="all,ObjectTags") as lane:
        rows = lane.reported()
    theirs = one(rows, "theirs")
    assert (theirs["size"], theirs["storage_class"]) == (2, "STANDARD")
    assert theirs["encryption_status"] is None
    assert theirs["bucket_key_status"] is None
    assert theirs["object_tags"] is None
    document = json.loads(base64.b64decode(str(theirs["object_access_control_list"])))
    assert document["status"] == "UNAVAILABLE"
    assert one(rows, "mine")["encryption_status"] == "NOT-SSE"
    assert lane.problems() == {"refused": 1}
    missing = missing_values(lane.counters)
    assert set(missing) >= {"EncryptionStatus", "ObjectAccessControlList", "ObjectTags"}
    assert {str(each) for each in missing.values()} == {"{'refused': 1}"}
    assert not {"ObjectOwner", "ChecksumAlgorithm"} & set(missing)  # listing knows them


def test_what_one_call_does_not_tell_is_missing_in_its_fields_alone(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject("k", head_headers=KMS)])
    fault_server.rule(access_denied(), operation="GetObjectAcl", key="k")
    fields = "EncryptionStatus,ObjectAccessControlList"
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields=fields) as lane:
        assert one(lane.reported(), "k")["encryption_status"] == "SSE-KMS"
    assert missing_values(lane.counters) == {"ObjectAccessControlList": {"refused": 1}}


def test_sse_c_is_believed_only_when_the_store_says_so(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b",
        [
            FixtureObject("customer", sse_c=True),
            FixtureObject("odd"),
            FixtureObject("once"),
            FixtureObject("plain"),
        ],
    )
    fault_server.rule(respond(400, "InvalidRequest", "no such luck"), key="odd")
    fault_server.rule(
        respond(400, "Whatever", "just once"), operation="HeadObject", key="once", times=1
    )
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus") as lane:
        found = {row["key"]: row["encryption_status"] for row in lane.reported()}
    assert found == {"customer": "SSE-C", "odd": None, "once": "NOT-SSE", "plain": "NOT-SSE"}
    assert lane.problems() == {"failed": 1}


@pytest.mark.parametrize(
    "fault", [slow_down(), internal_error(), reset()], ids=["slow down", "500", "reset"]
)
def test_a_passing_fault_leaves_no_trace_in_the_rows(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, fault: Action
) -> None:
    fault_server.bucket("b", [FixtureObject(f"k{n}", head_headers=KMS) for n in range(40)])
    fault_server.rule(fault, operation="HeadObject", nth=1, per_target=True)
    with open_lane(fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus") as lane:
        assert {row["encryption_status"] for row in lane.reported()} == {"SSE-KMS"}
    assert lane.problems() == {}


def test_an_object_whose_head_keeps_failing_is_counted_and_the_rest_is_whole(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject(f"k{n}", head_headers=KMS) for n in range(10)])
    fault_server.rule(internal_error(), operation="HeadObject", key="k3")
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus,KmsKeyArn"
    ) as lane:
        rows = lane.reported()
    assert one(rows, "k3")["encryption_status"] is None
    assert {str(row["kms_key_arn"]) for row in rows if row["key"] != "k3"} == {
        KMS["x-amz-server-side-encryption-aws-kms-key-id"]
    }
    assert lane.problems() == {"failed": 1}
    each = {"failed": 1}
    assert missing_values(lane.counters) == {"EncryptionStatus": each, "KmsKeyArn": each}


def test_an_answer_that_makes_no_sense_is_a_failure_and_no_row_of_nulls(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = FixtureObject("b", head_headers={"x-amz-meta-odd": "half an end\rof a line"})
    fault_server.bucket("b", [FixtureObject("a", head_headers=KMS), odd])
    limits = replace(QUICK, concurrency=1)  # so that both are asked about on one connection
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus", limits=limits
    ) as lane:
        found = {row["key"]: row["encryption_status"] for row in lane.reported()}
    assert found == {"a": "SSE-KMS", "b": None}
    assert lane.problems() == {"failed": 1}


def test_credentials_that_are_no_longer_accepted_end_the_run_and_are_not_taken_for_refusals(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = fault_server.bucket("b", [FixtureObject(f"k{n}") for n in range(20)])
    fault_server.after_page(1, lambda: fault_server.require({"somebody else"}))
    with (
        open_lane(fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus") as lane,
        pytest.raises(CredentialsError),
    ):
        lane.reported()
    assert bucket.keys()


def test_sub_resources_that_answer_with_something_else_are_no_answer(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b", [FixtureObject("k", body=b"<Tagging>" + b"x" * 3_000_000, tags={"a": "b"})]
    )
    fault_server.rule(ignore_subresource())
    with open_lane(
        fault_server.as_server(),
        "b",
        monkeypatch,
        fields="ObjectAccessControlList,ObjectOwner,ObjectTags",
    ) as lane:
        [row] = lane.reported()
    assert row["object_tags"] is None
    assert row["object_access_control_list"] is None
    assert row["object_owner"] is not None  # listing knew it
    assert lane.problems() == {}
    assert lane.counters["without.acl"] == lane.counters["without.tagging"] == 1


def test_tags_cost_a_call_only_where_there_are_some_and_one_to_prove_the_permission(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = [FixtureObject(f"t{n}", tags={"n": str(n), "é": "ü"}) for n in range(3)]
    fault_server.bucket("b", [*tagged, *(FixtureObject(f"u{n}") for n in range(20))])
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus,ObjectTags"
    ) as lane:
        rows = lane.reported()
    assert json.loads(str(one(rows, "t2")["object_tags"])) == {"n": "2", "é": "ü"}
    assert {row["object_tags"] for row in rows if str(row["key"]).startswith("u")} == {"{}"}
    assert fault_server.counts["GetObjectTagging"] == 4


def test_tags_that_may_be_withheld_are_unknown_and_not_none(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b", [FixtureObject(f"k{n}", tags={"a": "b"}) for n in range(5)], withheld={"tagging"}
    )
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus,ObjectTags"
    ) as lane:
        rows = lane.reported()
    assert {row["object_tags"] for row in rows} == {None}
    assert lane.counters["unknowable.ObjectTags"] == 4
    assert lane.problems() == {"refused": 1}


def test_head_always_names_the_version_and_never_asks_about_a_delete_marker(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b",
        [
            FixtureObject("k", version_id="v3", delete_marker=True),
            FixtureObject("k", version_id="v2", head_headers=KMS),
            FixtureObject("k"),
        ],
    )
    with open_lane(
        fault_server.as_server(),
        "b",
        monkeypatch,
        fields="EncryptionStatus,BucketKeyStatus",
        versions="All",
    ) as lane:
        rows = lane.reported()
    found = [
        (row["version_id"], row["encryption_status"], row["bucket_key_status"]) for row in rows
    ]
    assert found == [
        (None, "NOT-SSE", "DISABLED"),
        ("v2", "SSE-KMS", "DISABLED"),
        ("v3", None, "DISABLED"),
    ]
    asked = [entry.query for entry in fault_server.log if entry.operation == "HeadObject"]
    assert sorted(asked) == ["versionId=null", "versionId=v2"]


@pytest.mark.parametrize("status", [400, 404])
def test_a_store_that_knows_no_null_version_is_asked_without_it(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    fault_server.bucket("b", [FixtureObject("k", head_headers=KMS)])
    fault_server.rule(
        respond(status),
        operation=("HeadObject", "GetObject"),
        where=lambda request: "versionId" in request.query,
    )
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus", versions="All"
    ) as lane:
        [row] = lane.reported()
    assert row["encryption_status"] == "SSE-KMS"
    assert lane.problems() == {}


def test_a_null_version_that_is_gone_never_borrows_from_the_current_one(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket(
        "b",
        [FixtureObject("k", size=5, version_id="v2", head_headers=KMS), FixtureObject("k", size=3)],
    )
    fault_server.rule(
        respond(404),
        operation="HeadObject",
        where=lambda request: request.query.get("versionId") == "null",
    )
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="Size,EncryptionStatus", versions="All"
    ) as lane:
        rows = lane.reported()
    assert [(row["version_id"], row["size"], row["encryption_status"]) for row in rows] == [
        (None, 3, None),
        ("v2", 5, "SSE-KMS"),
    ]
    assert lane.problems() == {"vanished": 1}


def test_tags_are_read_of_objects_whose_head_needs_the_customers_key(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject("k", sse_c=True, tags={"team": "x"})])
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="EncryptionStatus,ObjectTags"
    ) as lane:
        [row] = lane.reported()
    assert row["encryption_status"] == "SSE-C"
    assert json.loads(str(row["object_tags"])) == {"team": "x"}
    assert lane.problems() == {}


def test_a_head_without_an_etag_is_not_taken_for_a_change(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", [FixtureObject("k")])
    fault_server.rule(without_headers("ETag", "Last-Modified"), operation="HeadObject")
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="ETag,EncryptionStatus"
    ) as lane:
        [row] = lane.reported()
    assert row["e_tag"] is not None
    assert lane.problems() == {}


def test_a_head_that_is_younger_than_the_listing_says_but_not_new_is_no_change(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Ceph, where setting an ACL moves what HEAD says and leaves what LIST says."""
    fault_server.bucket("b", [FixtureObject("k")])
    touched = {"Last-Modified": "Tue, 07 May 2024 10:00:00 GMT"}
    fault_server.rule(with_headers(touched), operation="HeadObject")
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="LastModifiedDate,EncryptionStatus"
    ) as lane:
        [row] = lane.reported()
    assert row["last_modified_date"] == WRITTEN
    assert lane.problems() == {}


AHEAD = datetime(2095, 12, 23, tzinfo=UTC)
HEAD_AHEAD = with_headers({"Last-Modified": "Fri, 23 Dec 2095 00:00:00 GMT"})


def test_an_object_written_again_with_the_same_bytes_is_a_change(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = fault_server.bucket("b", [FixtureObject("k"), FixtureObject("k2")])
    fault_server.before_head("k", lambda: bucket.overwrite("k", last_modified=AHEAD))
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="LastModifiedDate,EncryptionStatus"
    ) as lane:
        row, other = lane.reported()
    assert (row["last_modified_date"], other["last_modified_date"]) == (AHEAD, WRITTEN)
    assert lane.problems() == {"changed": 1}


@pytest.mark.parametrize("versions", ["Current", "All"])
def test_a_moment_of_head_that_a_second_listing_does_not_have_is_no_change(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    """As on Ceph, right after an ACL was set. Keys that begin with the key are not it."""
    fault_server.bucket("b", [FixtureObject(key) for key in ("k", "k & <k>", "k/k")])
    fault_server.rule(HEAD_AHEAD, operation="HeadObject")
    with open_lane(
        fault_server.as_server(),
        "b",
        monkeypatch,
        fields="LastModifiedDate,EncryptionStatus",
        versions=versions,
    ) as lane:
        rows = lane.reported()
    assert [row["last_modified_date"] for row in rows] == [WRITTEN] * 3
    assert lane.problems() == {}


@pytest.mark.parametrize(
    "fault",
    [access_denied(), respond(200, "", "<html>not a listing</html>")],
    ids=["refused", "HTML"],
)
def test_what_cannot_be_listed_again_is_believed_as_head_has_it(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, fault: Action
) -> None:
    fault_server.bucket("b", [FixtureObject("k")])
    fault_server.rule(HEAD_AHEAD, operation="HeadObject")
    fault_server.rule(fault, operation="ListObjectsV2", prefix="k")
    with open_lane(
        fault_server.as_server(), "b", monkeypatch, fields="LastModifiedDate,EncryptionStatus"
    ) as lane:
        [row] = lane.reported()
    assert row["last_modified_date"] == AHEAD
    assert lane.problems() == {"changed": 1}
