"""The policies and lifecycle rules that are printed: no more is allowed than is needed, and nobody else is let in."""

from __future__ import annotations

import json

import pytest

from stocktake.model.addresses import parse_s3_address
from stocktake.model.configuration import Frequency
from stocktake.model.errors import UsageError
from stocktake.model.lifecycle import lifecycle
from stocktake.model.policies import (
    bucket_policy,
    key_statement,
    read_principals,
    read_service,
)

PHOTOS = parse_s3_address("s3://photos/2026/")
AUDIT = parse_s3_address("s3://audit/inventory/")
ROLE = "arn:aws-cn:iam::111122223333:role/stocktake"


def test_our_policy_allows_objects_in_our_folder_alone_and_questions_about_the_bucket() -> None:
    policy = bucket_policy(PHOTOS, AUDIT, read_principals([ROLE]))
    objects, bucket = policy["Statement"]
    assert objects["Resource"] == "arn:aws-cn:s3:::audit/inventory/photos/*"
    assert bucket["Resource"] == "arn:aws-cn:s3:::audit"
    assert objects["Principal"] == bucket["Principal"] == {"AWS": [ROLE]}
    assert "s3:PutObjectAcl" not in objects["Action"]
    assert all(name.startswith(("s3:List", "s3:Get")) for name in bucket["Action"])
    with_acl = bucket_policy(PHOTOS, AUDIT, read_principals([ROLE]), owner_full_control=True)
    assert "s3:PutObjectAcl" in with_acl["Statement"][0]["Action"]


def test_a_prefix_with_wildcards_stands_for_no_more_than_a_character() -> None:
    odd = bucket_policy(PHOTOS, parse_s3_address("s3://audit/a*b?${c"), read_principals([ROLE]))
    assert odd["Statement"][0]["Resource"].endswith(":audit/a?b??{c/photos/*")


def test_the_form_for_aws_is_the_one_that_aws_documents() -> None:
    service = read_service("111122223333")
    [statement] = bucket_policy(PHOTOS, AUDIT, service)["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "s3:PutObject"
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"},
        "StringEquals": {
            "aws:SourceAccount": "111122223333",
            "s3:x-amz-acl": "bucket-owner-full-control",
        },
    }
    assert key_statement(PHOTOS, service)["Action"] == ["kms:GenerateDataKey"]
    assert key_statement(PHOTOS, service)["Condition"]["ArnLike"] == {
        "aws:SourceARN": "arn:aws:s3:::photos"
    }


@pytest.mark.parametrize(
    "word", ["*", "arn:aws:iam::111122223333:user/*", "bob", "arn:aws:s3:::audit", ""]
)
def test_nobody_is_let_in_who_is_not_named(word: str) -> None:
    with pytest.raises(UsageError, match="no principal"):
        read_principals([word])


def test_an_account_is_its_root() -> None:
    assert read_principals(["111122223333", ROLE]).arns == ("arn:aws:iam::111122223333:root", ROLE)


def test_lifecycle_rules_are_about_one_configuration_or_all_and_nothing_else() -> None:
    one = lifecycle(PHOTOS, AUDIT, keep_days=30, identity="daily")
    every = lifecycle(PHOTOS, AUDIT, keep_days=30)
    assert {rule["Filter"]["Prefix"] for rule in one.configuration["Rules"]} == {
        "inventory/photos/daily/"
    }
    assert {rule["Filter"]["Prefix"] for rule in every.configuration["Rules"]} == {
        "inventory/photos/"
    }
    by_age, markers = one.configuration["Rules"]
    assert by_age["Expiration"] == {"Days": 30}
    assert markers["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert one.cannot
    assert json.loads(json.dumps(one.to_json()))["cannot"] == list(one.cannot)


@pytest.mark.parametrize(
    ("days", "frequency", "warned"),
    [
        (1, Frequency.DAILY, True),
        (2, Frequency.DAILY, False),
        (7, Frequency.WEEKLY, True),
        (8, Frequency.WEEKLY, False),
        (1, None, False),
    ],
)
def test_days_that_leave_no_report_between_two_are_warned_of(
    days: int, frequency: Frequency | None, warned: bool
) -> None:
    assert bool(lifecycle(PHOTOS, AUDIT, keep_days=days, frequency=frequency).notes) is warned


@pytest.mark.parametrize(("days", "identity"), [(0, None), (-1, None), (40_000, None), (1, "a/b")])
def test_what_no_rule_can_be_is_refused(days: int, identity: str | None) -> None:
    with pytest.raises(UsageError):
        lifecycle(PHOTOS, AUDIT, keep_days=days, identity=identity)
