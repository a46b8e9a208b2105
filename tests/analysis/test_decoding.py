"""Columns that hold more than one value, taken apart in SQL."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from tests.analysis.questions import answer, opened, refusal
from tests.analysis.reports import objects, our_report

# The worked example of AWS's user guide, to the byte.
EXAMPLE = (
    "eyJ2ZXJzaW9uIjoiMjAyMi0xMS0xMCIsInN0YXR1cyI6IkFWQUlMQUJMRSIsImdyYW50cyI6W3siY2Fub25pY2FsSWQiOi"
    "JleGFtcGxlLWNhbm9uaWNhbC11c2VyLUlEIiwidHlwZSI6IkNhbm9uaWNhbFVzZXIiLCJwZXJtaXNzaW9uIjoiUkVBRCJ9XX0="
)
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def acl(status: str, *grants: dict[str, Any]) -> str:
    document = {"version": "2022-11-10", "status": status}
    if status == "AVAILABLE":
        document["grants"] = list(grants)  # type: ignore[assignment]
    return base64.b64encode(json.dumps(document).encode()).decode()


ROWS: list[dict[str, Any]] = [
    {"object_access_control_list": EXAMPLE, "object_tags": '{"a":"1","b":"x,y"}', "user_metadata": "{}"},
    # A key the guide's other example has elsewhere, and one that nobody knows yet.
    {
        "object_access_control_list": acl(
            "AVAILABLE",
            {"permission": "READ", "uri": ALL_USERS, "type": "Group", "until": 1},
            {"permission": "WRITE_ACP", "type": "CanonicalUser", "canonicalId": "ü"},
        ),
        "object_tags": '{"ü\\"":"\\u00e9"}',
        "user_metadata": '{"mtime":"1"}',
    },
    {"object_access_control_list": acl("UNAVAILABLE"), "object_tags": "{}"},
    {"object_access_control_list": acl("AVAILABLE")},
    {},
]  # fmt: skip


@pytest.fixture(params=Format)
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Report:
    rows = [{**row, **more} for row, more in zip(objects([*"abcde"]), ROWS, strict=True)]
    fields = ("ObjectAccessControlList", "ObjectTags", "UserMetadata")
    return opened(our_report(tmp_path, request.param, [rows], fields=fields).manifest_path)


def test_an_acl_is_a_list_of_grants_and_one_that_could_not_be_read_is_unknown(
    report: Report,
) -> None:
    sql = "SELECT grants(object_access_control_list) AS g FROM inventory_report ORDER BY key"
    grants = [row["g"] for row in answer(report, sql)]
    assert grants == [
        [grant("CanonicalUser", "READ", canonical_id="example-canonical-user-ID")],
        [
            grant("Group", "READ", uri=ALL_USERS),
            grant("CanonicalUser", "WRITE_ACP", canonical_id="ü"),
        ],
        None,
        [],
        None,
    ]


def grant(
    kind: str, permission: str, *, canonical_id: str | None = None, uri: str | None = None
) -> Any:
    return {"type": kind, "permission": permission, "canonicalId": canonical_id, "uri": uri}


@pytest.mark.parametrize("grants", ['"grants":[]', '"grants":null', '"other":1'])
def test_an_acl_that_is_not_available_is_unknown_whatever_it_holds(
    report: Report, grants: str
) -> None:
    document = f'{{"status":"UNAVAILABLE",{grants}}}'
    sql = f"SELECT grants(to_base64('{document}'::BLOB)) IS NULL AS unknown"
    assert answer(report, sql) == [{"unknown": True}]


def test_public_grants_are_found_by_a_condition(report: Report) -> None:
    sql = """SELECT key, g.permission FROM inventory_report,
             unnest(grants(object_access_control_list)) t(g) WHERE g.uri LIKE '%AllUsers'"""
    assert answer(report, sql) == [{"key": "b", "permission": "READ"}]


def test_tags_and_metadata_are_maps(report: Report) -> None:
    sql = """SELECT tags(object_tags)['b'] AS b, map_keys(tags(object_tags)) AS k,
             metadata(user_metadata)['mtime'] AS m FROM inventory_report ORDER BY key"""
    rows = answer(report, sql)
    assert [row["b"] for row in rows] == ["x,y", None, None, None, None]
    assert [row["k"] for row in rows] == [["a", "b"], ['ü"'], [], None, None]
    assert [row["m"] for row in rows] == [None, "1", None, None, None]


def test_what_is_no_acl_is_an_error_and_not_nobody(report: Report) -> None:
    assert "base64" in refusal(report, "SELECT grants('!!!')").message
    assert "JSON" in refusal(report, "SELECT grants(to_base64('x'::BLOB))").message
