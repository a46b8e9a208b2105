from __future__ import annotations

import re
from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import UnknownFieldError
from stocktake.model.fields import (
    BY_COLUMN,
    BY_NAME,
    EXTENSION_FIELDS,
    FIELD_SETS,
    FIELDS,
    FLAG,
    MOMENT,
    NUMBER,
    OPTIONAL_FIELDS,
    TEXT,
    Kind,
    Source,
    choose_fields,
    report_fields,
    report_schema,
)

# As botocore's model enumerates them in November 2026.
AWS_OPTIONAL_FIELDS = {
    "Size", "LastModifiedDate", "StorageClass", "ETag", "IsMultipartUploaded", "ReplicationStatus",
    "EncryptionStatus", "ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus",
    "ObjectLockEventHoldStatus", "ObjectLockEventHoldDuration", "IntelligentTieringAccessTier",
    "BucketKeyStatus", "ChecksumAlgorithm", "ObjectAccessControlList", "ObjectOwner",
    "LifecycleExpirationDate", "IntelligentTieringReferenceDate",
}  # fmt: skip


def test_every_optional_field_of_aws_is_there_and_no_other() -> None:
    assert set(OPTIONAL_FIELDS) == AWS_OPTIONAL_FIELDS
    assert len(OPTIONAL_FIELDS) == 19


def test_names_and_columns_are_unique() -> None:
    assert len(FIELDS) == len(BY_NAME) == len(BY_COLUMN)


def test_columns_follow_aws_rule_of_names() -> None:
    for field in FIELDS:
        assert field.column == re.sub(r"(?<!^)(?=[A-Z])", "_", field.name).lower(), field.name


def test_only_bucket_and_key_are_required() -> None:
    assert [field.name for field in FIELDS if not field.nullable] == ["Bucket", "Key"]
    assert [field.name for field in FIELDS if field.kind is Kind.ALWAYS] == ["Bucket", "Key"]


def test_every_field_has_one_of_four_types() -> None:
    assert {field.type for field in FIELDS} == {TEXT, FLAG, NUMBER, MOMENT}
    assert pa.timestamp("ms", tz="UTC") == MOMENT


def test_extensions_come_after_all_of_aws() -> None:
    kinds = [field.kind is Kind.EXTENSION for field in FIELDS]
    assert kinds == sorted(kinds)


def test_a_field_no_call_yields_is_told_so() -> None:
    assert [field.name for field in FIELDS if field.source is Source.NEVER] == [
        "IntelligentTieringReferenceDate"
    ]


@given(st.sets(st.sampled_from(OPTIONAL_FIELDS + EXTENSION_FIELDS)), st.booleans())
def test_columns_stand_in_canonical_order_whatever_was_asked_first(
    names: set[str], versions: bool
) -> None:
    fields = report_fields(names, all_versions=versions)
    assert list(fields) == sorted(fields, key=FIELDS.index)
    always = {"Bucket", "Key"} | (
        {"VersionId", "IsLatest", "IsDeleteMarker"} if versions else set()
    )
    assert {field.name for field in fields} == names | always
    assert report_schema(fields).names == [field.column for field in fields]


def test_the_sets_grow() -> None:
    default, free, everything = (set(FIELD_SETS[name]) for name in ("default", "free", "all"))
    assert default < free < everything == set(OPTIONAL_FIELDS)
    assert "ObjectOwner" in free - default
    assert "EncryptionStatus" in everything - free


@given(st.lists(st.sampled_from(OPTIONAL_FIELDS + EXTENSION_FIELDS), min_size=1), st.randoms())
def test_fields_are_chosen_in_any_case_and_order(names: list[str], chance: object) -> None:
    words = [chance.choice([name, name.lower(), f" {name.upper()} "]) for name in names]  # type: ignore[attr-defined]
    assert choose_fields(words) == tuple(f.name for f in FIELDS if f.name in names)


def test_sets_and_fields_can_be_mixed() -> None:
    chosen = choose_fields(["default", "ObjectTags"])
    assert chosen == (*FIELD_SETS["default"], "ObjectTags")
    assert choose_fields(["All"]) == OPTIONAL_FIELDS


@pytest.mark.parametrize("word", ["Colour", "", "Bucket", "VersionId", "e_tag"])
def test_an_unknown_field_is_named_with_those_there_are(word: str) -> None:
    with pytest.raises(UnknownFieldError, match=f"unknown field `{word}`") as caught:
        choose_fields([word])
    assert "EncryptionStatus" in caught.value.hint
    assert "ObjectTags" in caught.value.hint


def test_no_set_has_the_name_of_a_field() -> None:
    names = {name.lower() for name in BY_NAME}
    assert all(not (a & b) for a, b in combinations([names, set(FIELD_SETS)], 2))
