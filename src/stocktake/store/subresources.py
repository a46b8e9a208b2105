"""GetObjectAcl and GetObjectTagging answers -> Arrow columns.

Some stores answer a sub-resource that they lack with 200 and something else: a listing, or the object's own bytes. So
the root element is checked, and such an answer counts as 501, not supported.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

import pyarrow as pa
from lxml import etree

from stocktake.model.fields import TEXT
from stocktake.model.runs import Call, Limits
from stocktake.model.xml import XmlError, local_name, parse_xml
from stocktake.store.requests import Answer, Request

ACLS_SCHEMA = pa.schema([
    pa.field("status", pa.int16(), nullable=False),
    pa.field("object_access_control_list", TEXT),
    pa.field("object_owner", TEXT),
])  # fmt: skip
TAGGINGS_SCHEMA = pa.schema([
    pa.field("status", pa.int16(), nullable=False),
    pa.field("object_tags", TEXT),
])  # fmt: skip

_LIMITS = Limits()
_ACL_VERSION = "2022-11-10"  # of AWS's JSON form
_UNAVAILABLE = "UNAVAILABLE"
_NO_TAGS_CODE = (
    b"<Code>NoSuchTagSet"  # what some stores answer, with 404, for an object without tags
)
_DOCUMENT_STARTS = (b"<", b"\xef\xbb\xbf<")

_Found = TypeVar("_Found")


def acl_request(
    bucket: str,
    key: str,
    version_id: str | None,
    *,
    request_payer: bool = False,
    body_bytes_max: int = _LIMITS.sub_resource_bytes_max,
) -> Request:
    """GetObjectAcl of the current object, or of the version named."""
    return _request(Call.ACL, "acl", (bucket, key, version_id), request_payer, body_bytes_max)


def tagging_request(
    bucket: str,
    key: str,
    version_id: str | None,
    *,
    request_payer: bool = False,
    body_bytes_max: int = _LIMITS.sub_resource_bytes_max,
) -> Request:
    """GetObjectTagging of the current object, or of the version named."""
    return _request(
        Call.TAGGING, "tagging", (bucket, key, version_id), request_payer, body_bytes_max
    )


def _request(
    call: Call,
    sub_resource: str,
    named: tuple[str, str, str | None],
    request_payer: bool,  # noqa: FBT001
    body_bytes_max: int,
) -> Request:
    bucket, key, version_id = named
    return Request(
        call=call,
        method="GET",
        bucket=bucket,
        key=key,
        query=(
            (sub_resource, ""),
            *((("versionId", version_id),) if version_id is not None else ()),
        ),
        headers=(("x-amz-request-payer", "requester"),) if request_payer else (),
        body_bytes_max=body_bytes_max,
    )


def read_acls(answers: Sequence[Answer]) -> pa.RecordBatch:
    """One row of ACLS_SCHEMA for each answer, in their order: the ACL as base64 of AWS's compact JSON, and the owner.

    Where the status is not 200 the ACL has the status UNAVAILABLE, and so has the owner.
    """
    found = _read(answers, "AccessControlPolicy", _acl)
    unavailable = (_encoded(_UNAVAILABLE, []), _UNAVAILABLE)
    acls = [acl if acl is not None else unavailable for _, acl in found]
    columns = [
        pa.array([status for status, _ in found], pa.int16()),
        pa.array([acl for acl, _ in acls], TEXT),
        pa.array([owner for _, owner in acls], TEXT),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ACLS_SCHEMA)


def read_taggings(answers: Sequence[Answer]) -> pa.RecordBatch:
    """One row of TAGGINGS_SCHEMA for each answer, in their order: the tags as JSON, names sorted; null unless 200."""
    found = [
        (int(HTTPStatus.OK), "{}") if _says_no_tags(answer) else each
        for answer, each in zip(answers, _read(answers, "Tagging", _tags), strict=True)
    ]
    columns = [
        pa.array([status for status, _ in found], pa.int16()),
        pa.array([tags for _, tags in found], TEXT),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TAGGINGS_SCHEMA)


def _read(
    answers: Sequence[Answer], root_name: str, read: Callable[[etree._Element], _Found]
) -> list[tuple[int, _Found | None]]:
    """Status and content of each answer. Most objects of a bucket say the same, so each text is read once."""
    known: dict[bytes, _Found | None] = {}
    found: list[tuple[int, _Found | None]] = []
    for answer in answers:
        if answer.status != HTTPStatus.OK:
            found.append((answer.status, None))
            continue
        if answer.body not in known:
            known[answer.body] = None if answer.cut else _document(answer.body, root_name, read)
        content = known[answer.body]
        found.append((HTTPStatus.NOT_IMPLEMENTED if content is None else HTTPStatus.OK, content))
    return found


def _document(
    body: bytes, root_name: str, read: Callable[[etree._Element], _Found]
) -> _Found | None:
    if not body.lstrip()[:4].startswith(_DOCUMENT_STARTS):
        return None
    try:
        root = parse_xml(body)
    except XmlError:
        return None
    return read(root) if local_name(root) == root_name else None


def _says_no_tags(answer: Answer) -> bool:
    return answer.status == HTTPStatus.NOT_FOUND and _NO_TAGS_CODE in answer.body


def _acl(root: etree._Element) -> tuple[str, str]:
    """The ACL in AWS's form and the owner's canonical id."""
    grants = [
        _grant(grant)
        for container in _children(root, "AccessControlList")
        for grant in _children(container, "Grant")
    ]
    owner = next((_text(element, "ID") for element in _children(root, "Owner")), "")
    return _encoded("AVAILABLE", grants), owner or _UNAVAILABLE


def _grant(grant: etree._Element) -> dict[str, str]:
    permission = _text(grant, "Permission")
    for grantee in _children(grant, "Grantee"):
        if uri := _text(grantee, "URI"):
            return {"uri": uri, "type": "Group", "permission": permission}
        # Stores answer with the canonical id also where the grant was made to an e-mail address.
        return {
            "canonicalId": _text(grantee, "ID"),
            "type": "CanonicalUser",
            "permission": permission,
        }
    return {"canonicalId": "", "type": "CanonicalUser", "permission": permission}


def _encoded(status: str, grants: list[dict[str, str]]) -> str:
    acl = {"version": _ACL_VERSION, "status": status, "grants": grants}
    return b64encode(json.dumps(acl, ensure_ascii=False, separators=(",", ":")).encode()).decode()


def _tags(root: etree._Element) -> str:
    tags = {
        _text(tag, "Key"): _text(tag, "Value")
        for container in _children(root, "TagSet")
        for tag in _children(container, "Tag")
    }
    return json.dumps(tags, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _children(element: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in element if local_name(child) == name]


def _text(element: etree._Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "")
