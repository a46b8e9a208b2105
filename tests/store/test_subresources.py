from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from stocktake.model.errors import UnreachableError
from stocktake.model.runs import Call
from stocktake.store.requests import Answer
from stocktake.store.subresources import (
    ACLS_SCHEMA,
    TAGGINGS_SCHEMA,
    acl_request,
    read_acls,
    read_taggings,
    tagging_request,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "pages"
ACL = "object_access_control_list"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def acl_document(grants: str, owner: str = "<Owner><ID>me</ID></Owner>") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{owner}<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    ).encode()


def grant(grantee: str, permission: str, kind: str = "CanonicalUser") -> str:
    return (
        f'<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}">{grantee}</Grantee>'
        f"<Permission>{permission}</Permission></Grant>"
    )


def acl(answer: Answer) -> tuple[int, str, str]:
    """Status, the JSON in the ACL column, the owner."""
    row = read_acls([answer]).to_pylist()[0]
    return row["status"], b64decode(row[ACL], validate=True).decode(), row["object_owner"]


UNAVAILABLE = '{"version":"2022-11-10","status":"UNAVAILABLE","grants":[]}'

# What stores answered to a sub-resource that they lack, or what stands in for the object itself.
OTHER_DOCUMENTS = [
    golden("ceph-inventory-answered-with-a-listing.xml"),
    b"",
    b"the object's own bytes",
    b"\x00\x01" * 1000,
    b"<html><body>sign in</body></html>",
    b"<!DOCTYPE html><html></html>",
    b"<AccessControlPolicy><Owner>",
    b"<Tagging><TagSet>",
    b'<!DOCTYPE a [<!ENTITY x "y">]><Tagging/>',
]


def test_the_acl_of_aws_s_own_example_is_written_byte_for_byte() -> None:
    body = acl_document(
        grant("<ID>example-canonical-user-ID</ID><DisplayName>x</DisplayName>", "READ")
    )
    [row] = read_acls([Answer(200, b"", body)]).to_pylist()
    assert row == {
        "status": 200,
        ACL: "eyJ2ZXJzaW9uIjoiMjAyMi0xMS0xMCIsInN0YXR1cyI6IkFWQUlMQUJMRSIsImdyYW50cyI6W3siY2Fub25pY2FsSWQiOiJleGFtcGxl"
        "LWNhbm9uaWNhbC11c2VyLUlEIiwidHlwZSI6IkNhbm9uaWNhbFVzZXIiLCJwZXJtaXNzaW9uIjoiUkVBRCJ9XX0=",
        "object_owner": "me",
    }


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("ceph-acl.xml", "inventory"),
        ("moto-acl.xml", "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"),
    ],
)
def test_acls_of_real_stores_are_read(name: str, owner: str) -> None:
    status, text, found = acl(Answer(200, b"", golden(name)))
    assert (status, found) == (200, owner)
    assert json.loads(text)["grants"] == [
        {"canonicalId": owner, "type": "CanonicalUser", "permission": "FULL_CONTROL"}
    ]


def test_grants_to_groups_and_several_grants_keep_their_order() -> None:
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    body = acl_document(
        grant(f"<URI>{everyone}</URI>", "READ", "Group") + grant("<ID>me</ID>", "FULL_CONTROL")
    )
    assert acl(Answer(200, b"", body))[1] == (
        '{"version":"2022-11-10","status":"AVAILABLE","grants":['
        f'{{"uri":"{everyone}","type":"Group","permission":"READ"}},'
        '{"canonicalId":"me","type":"CanonicalUser","permission":"FULL_CONTROL"}]}'
    )


def test_an_acl_without_grants_is_available() -> None:
    assert json.loads(acl(Answer(200, b"", acl_document("")))[1]) == {
        "version": "2022-11-10", "status": "AVAILABLE", "grants": [],
    }  # fmt: skip


@pytest.mark.parametrize("status", [0, 403, 404, 405, 501, 503])
def test_an_acl_that_cannot_be_had_is_unavailable_and_so_is_the_owner(status: int) -> None:
    error = UnreachableError("no answer") if status == 0 else None
    answer = Answer(status, b"", golden("ceph-acl.xml"), error=error)
    assert acl(answer) == (status, UNAVAILABLE, "UNAVAILABLE")


@pytest.mark.parametrize("body", [*OTHER_DOCUMENTS, golden("ceph-tagging.xml")])
def test_another_document_than_an_acl_means_that_acls_are_not_supported(body: bytes) -> None:
    assert acl(Answer(200, b"", body)) == (501, UNAVAILABLE, "UNAVAILABLE")


def test_a_cut_answer_is_none_even_where_its_start_could_be_read() -> None:
    assert acl(Answer(200, b"", golden("ceph-acl.xml"), cut=True))[0] == 501
    assert read_taggings([Answer(200, b"", golden("ceph-tagging.xml"), cut=True)]).to_pylist() == [
        {"status": 501, "object_tags": None}
    ]


def test_rows_stand_in_the_order_of_the_answers() -> None:
    bodies = [golden("ceph-acl.xml"), b"", golden("moto-acl.xml"), golden("ceph-acl.xml")]
    batch = read_acls([Answer(200, b"", body) for body in bodies])
    assert batch.schema == ACLS_SCHEMA
    assert batch.column("status").to_pylist() == [200, 501, 200, 200]
    assert batch.column("object_owner").to_pylist()[::3] == ["inventory", "inventory"]
    assert read_acls([]).num_rows == 0


# --- tags --------------------------------------------------------------------------------------------------------


def tags(body: bytes, status: int = 200) -> tuple[int, str | None]:
    batch = read_taggings([Answer(status, b"", body)])
    assert batch.schema == TAGGINGS_SCHEMA
    return batch.column("status")[0].as_py(), batch.column("object_tags")[0].as_py()


def tagging(*pairs: tuple[str, str]) -> bytes:
    inner = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
    return f"<Tagging><TagSet>{inner}</TagSet></Tagging>".encode()


def test_tags_are_json_with_sorted_names() -> None:
    assert tags(golden("ceph-tagging.xml")) == (200, '{"a":"1","b":"2"}')
    assert tags(tagging(("z", ""), ("a", "é &amp; &lt;"), ("B", '"'))) == (
        200,
        '{"B":"\\"","a":"é & <","z":""}',
    )


@pytest.mark.parametrize("name", ["ceph-tagging-none.xml", "moto-tagging-none.xml"])
def test_an_object_without_tags_has_an_empty_object(name: str) -> None:
    assert tags(golden(name)) == (200, "{}")


def test_a_store_that_answers_no_tags_with_404_means_no_tags() -> None:
    body = b"<Error><Code>NoSuchTagSet</Code><Message>The TagSet does not exist</Message></Error>"
    assert tags(body, 404) == (200, "{}")
    assert tags(golden("ceph-no-such-key.xml"), 404) == (404, None)
    assert tags(body, 403) == (403, None)


@pytest.mark.parametrize("body", [*OTHER_DOCUMENTS, golden("ceph-acl.xml")])
def test_another_document_than_tags_means_that_tags_are_not_supported(body: bytes) -> None:
    assert tags(body) == (501, None)


# --- requests ----------------------------------------------------------------------------------------------------


def test_requests_name_the_sub_resource_the_version_and_a_bound() -> None:
    request = acl_request("b", "k", "null", request_payer=True)
    assert (request.call, request.method, request.bucket, request.key) == (
        Call.ACL,
        "GET",
        "b",
        "k",
    )
    assert request.query == (("acl", ""), ("versionId", "null"))
    assert request.headers == (("x-amz-request-payer", "requester"),)
    request = tagging_request("b", "k", None, body_bytes_max=5)
    assert (request.call, request.query, request.headers) == (Call.TAGGING, (("tagging", ""),), ())
    assert request.body_bytes_max == 5
