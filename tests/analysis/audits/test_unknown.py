"""What an audit cannot tell it says, with numbers; it never passes for want of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.analysis.audits.findings import Status
from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.audits.questions import CALLS, Doubt, Unknown
from stocktake.model.configuration import Format
from stocktake.model.fields import BY_NAME, TEXT, Kind, Source
from tests.analysis.audits.planted import (
    ALL_FIELDS,
    OLD,
    OTHER_KEY,
    PLANTED,
    Planted,
    acl,
    planted_report,
)
from tests.analysis.audits.test_pack import audited, finding
from tests.analysis.questions import answer

CLEAN = tuple(each for each in PLANTED if not each.found_by)
NEEDS = [(audit.name, need) for audit in PACK for need in audit.needs]
NEEDED = sorted({need for _, need in NEEDS})
VERSION_FIELDS = {name for name, field in BY_NAME.items() if field.kind is Kind.VERSIONS}
# Where these are empty, listing or HEAD has said "none"; an empty value of any other is not known.
NONE_IS_A_VALUE = (
    "ReplicationStatus", "ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus",
    "ChecksumAlgorithm", "LifecycleExpirationDate",
)  # fmt: skip
# Those of HEAD: where it told nothing at all of an object, "none" is not known either.
HEADED = {
    need for need in NONE_IS_A_VALUE if BY_NAME[need].source in (Source.HEAD, Source.HEAD_CHECKSUM)
}


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("need", NEEDED)
def test_without_a_field_its_audits_cannot_tell_and_all_others_find_what_was_planted(
    tmp_path: Path, need: str, report_format: Format
) -> None:
    absent = VERSION_FIELDS if need in VERSION_FIELDS else {need}
    # Without its fields of versions, a report is of current objects alone.
    planted = [each for each in PLANTED if need not in VERSION_FIELDS or _is_current(each)]
    fields = [each for each in ALL_FIELDS if each not in absent]
    report = planted_report(
        tmp_path, report_format, fields=fields, planted=planted,
        all_versions=need not in VERSION_FIELDS,
    )  # fmt: skip
    for each, audit in zip(audited(report).findings, PACK, strict=True):
        expected = [row.key for row in planted if audit.name in row.found_by]
        if lacking := [name for name in audit.needs if name in absent]:
            unknown = tuple(Unknown(Doubt.MISSING, name, len(planted)) for name in lacking)
            assert (each.status, each.rows, each.unknown) == (Status.UNKNOWN, 0, unknown), each
            continue
        assert (each.status, each.unknown) == (Status.FOUND, ()), each
        assert each.rows == len(expected), audit.name
        assert {row["Key"] for row in each.examples} <= set(expected)


def _is_current(each: Planted) -> bool:
    return not each.changes.get("is_delete_marker") and bool(each.changes.get("is_latest", True))


@pytest.mark.parametrize("report_format", Format)
def test_without_any_optional_field_every_audit_that_needs_one_cannot_tell(
    tmp_path: Path, report_format: Format
) -> None:
    found = audited(planted_report(tmp_path, report_format, fields=(), all_versions=False))
    for each, audit in zip(found.findings, PACK, strict=True):
        assert {doubt.what for doubt in each.unknown} == set(audit.needs), each
        assert each.status is (Status.UNKNOWN if audit.needs else Status.FOUND)


# AWS's ORC and Parquet have NULL where there is no value; others write an empty text there, as CSV has it.
ABSENT = [
    (name, need, value)
    for name, need in NEEDS
    for value in (None, *[""] * (BY_NAME[need].type == TEXT))
]


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(
    ("name", "need", "value"), [each for each in ABSENT if each[1] not in NONE_IS_A_VALUE]
)
def test_a_row_without_a_value_that_every_object_has_is_counted(
    tmp_path: Path, name: str, need: str, value: object, report_format: Format
) -> None:
    # Each in a row that the audit would otherwise look at for that value.
    odd = Planted("k", (), {BY_NAME[need].column: value, **_LOOKED_AT.get((name, need), {})})
    report = planted_report(tmp_path, report_format, planted=(*CLEAN, odd))
    found = audited(report)
    each = finding(found, name)
    assert each.status is Status.UNKNOWN
    assert [(doubt.doubt, doubt.rows) for doubt in each.unknown] == [(Doubt.EMPTY, 1)]
    assert answer(report, each.sql) == []


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("nothing", [None, ""])
def test_rows_without_an_etag_leave_no_others_of_their_size_in_doubt(
    tmp_path: Path, nothing: str | None, report_format: Format
) -> None:
    without = {"size": 5000, "e_tag": nothing}
    odd = (Planted("a", (), without), Planted("b", (), without), Planted("c", (), {"size": 5000}))
    report = planted_report(tmp_path, report_format, planted=(*CLEAN, *odd))
    each = finding(audited(report), "duplicate")
    assert [(doubt.doubt, doubt.rows) for doubt in each.unknown] == [(Doubt.EMPTY, 2)]
    assert (each.status, each.rows) == (Status.UNKNOWN, 0)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("nothing", [None, ""])
def test_where_head_told_nothing_none_of_its_fields_is_taken_for_none(
    tmp_path: Path, nothing: str | None, report_format: Format
) -> None:
    fields = [BY_NAME[name] for name in (*HEADED, "EncryptionStatus")]
    silent = {each.column: nothing if each.type == TEXT else None for each in fields}
    found = audited(
        planted_report(tmp_path, report_format, planted=(*CLEAN, Planted("k", (), silent)))
    )
    for each, audit in zip(found.findings, PACK, strict=True):
        if HEADED & set(audit.needs):
            assert (each.status, each.rows) == (Status.UNKNOWN, 0), each
            assert [(doubt.doubt, doubt.rows) for doubt in each.unknown] == [(Doubt.EMPTY, 1)]


_LOOKED_AT: dict[tuple[str, str], dict[str, object]] = {
    ("wrong-kms-key", "EncryptionStatus"): {"kms_key_arn": OTHER_KEY},
    ("bucket-key-off", "EncryptionStatus"): {"bucket_key_status": "DISABLED"},
    ("replication-pending", "LastModifiedDate"): {"replication_status": "PENDING"},
    ("archive-candidate", "StorageClass"): {"last_modified_date": OLD},
    ("archive-candidate", "Size"): {"last_modified_date": OLD},
    ("below-minimum-size", "Size"): {"storage_class": "STANDARD_IA"},
    ("below-minimum-size", "StorageClass"): {"size": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    "broken", [acl(status="UNAVAILABLE"), "no base64!", "bm8gSlNPTg==", "e30=", "W10="]
)
@pytest.mark.parametrize("report_format", Format)
def test_an_acl_that_cannot_be_read_is_not_known(
    tmp_path: Path, broken: str, report_format: Format
) -> None:
    odd = Planted("k", (), {"object_access_control_list": broken})
    found = audited(planted_report(tmp_path, report_format, planted=(*CLEAN, odd)))
    for name in ("public-grant", "foreign-grant"):
        each = finding(found, name)
        assert each.status is Status.UNKNOWN
        assert [(doubt.doubt, doubt.rows) for doubt in each.unknown] == [(Doubt.EMPTY, 1)]


@pytest.mark.parametrize("report_format", Format)
def test_an_owner_that_is_not_available_is_not_known(tmp_path: Path, report_format: Format) -> None:
    odd = Planted("k", (), {"object_owner": "UNAVAILABLE"})
    found = audited(planted_report(tmp_path, report_format, planted=(*CLEAN, odd)))
    for name in ("foreign-owner", "foreign-grant"):
        assert finding(found, name).status is Status.UNKNOWN


@pytest.mark.parametrize(("name", "need"), NEEDS)
def test_values_that_may_be_withheld_are_counted_by_field(
    tmp_path: Path, name: str, need: str
) -> None:
    report = planted_report(
        tmp_path, planted=CLEAN, unknowable={need: 7}, problems={"unknowable": 7}
    )
    each = finding(audited(report), name)
    assert each.status is Status.UNKNOWN
    assert each.unknown == (Unknown(Doubt.WITHHELD, need, 7),)


@pytest.mark.parametrize("kind", ["refused", "failed", "vanished", "postponed", "of-tomorrow"])
def test_a_problem_leaves_in_doubt_what_calls_about_objects_yield(
    tmp_path: Path, kind: str
) -> None:
    found = audited(planted_report(tmp_path, planted=CLEAN, problems={kind: 3}))
    doubtful = {each.name for each in found.findings if each.unknown}
    assert doubtful == {
        audit.name for audit in PACK if any(BY_NAME[need].source in CALLS for need in audit.needs)
    }
    assert finding(found, "not-locked").unknown == (Unknown(Doubt.PROBLEM, kind, 3),)
    assert found.exit_code == 3


def test_where_a_run_counted_field_by_field_only_their_audits_are_in_doubt(tmp_path: Path) -> None:
    told = {
        "problems": {"refused": 9, "postponed": 2},
        "missing": {"ObjectAccessControlList": {"refused": 5}, "EncryptionStatus": {"failed": 1}},
    }
    found = audited(planted_report(tmp_path, planted=CLEAN, **told))
    put_off = Unknown(Doubt.PROBLEM, "postponed", 2)
    refused, failed = Unknown(Doubt.PROBLEM, "refused", 5), Unknown(Doubt.PROBLEM, "failed", 1)
    assert finding(found, "public-grant").unknown == (refused, put_off)
    assert finding(found, "not-encrypted").unknown == (put_off, failed)
    assert finding(found, "legal-hold").unknown == (put_off,)
    assert finding(found, "duplicate").unknown == ()


def test_a_row_that_is_all_of_a_newer_object_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path, planted=CLEAN, problems={"changed": 3}))
    assert not [each.name for each in found.findings if each.unknown]
    assert found.exit_code == 0


def test_what_a_customers_key_hides_is_counted(tmp_path: Path) -> None:
    told = {"problems": {"unknowable": 5}, "unknowable": {"ObjectTags": 2}}
    found = audited(planted_report(tmp_path, planted=CLEAN, **told))
    assert finding(found, "not-locked").unknown == (Unknown(Doubt.HIDDEN, "SSE-C", 3),)
    for name in ("not-encrypted", "wrong-kms-key"):
        assert finding(found, name).unknown == ()


def test_what_a_customers_key_hides_is_not_taken_for_no(tmp_path: Path) -> None:
    hidden = dict.fromkeys(("object_lock_mode", "object_lock_retain_until_date", "kms_key_arn"))
    odd = Planted("k", (), {**hidden, "encryption_status": "SSE-C", "replication_status": None})
    report = planted_report(tmp_path, planted=(*CLEAN, odd), problems={"unknowable": 1})
    found = audited(report)
    for name in ("not-locked", "not-replicated"):
        each = finding(found, name)
        assert (each.status, each.rows, each.unknown_rows) == (Status.UNKNOWN, 0, 1), name
    assert finding(found, "customer-key").rows == 1


def test_one_object_that_is_not_known_for_two_reasons_is_one(tmp_path: Path) -> None:
    odd = Planted("k", (), {"encryption_status": None})
    report = planted_report(tmp_path, planted=(*CLEAN, odd), problems={"refused": 1})
    each = finding(audited(report), "not-encrypted")
    assert [doubt.rows for doubt in each.unknown] == [1, 1]
    assert each.unknown_rows == 1


def test_keys_without_exactly_one_latest_version_are_counted(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path, planted=CLEAN, problems={"latest": 2}))
    [each] = [each for each in found.findings if each.unknown]
    assert each.name == "noncurrent-version"
    assert each.unknown == (Unknown(Doubt.LATEST, "latest", 2),)


def test_a_field_that_nobody_fills_in_is_not_an_answer(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path, never=("ChecksumAlgorithm",)))
    each = finding(found, "no-checksum")
    assert each.status is Status.UNKNOWN
    assert each.unknown == (Unknown(Doubt.NEVER, "ChecksumAlgorithm", len(PLANTED)),)
    assert each.rows == 0


def test_what_is_found_is_found_and_what_is_not_known_is_told_beside_it(tmp_path: Path) -> None:
    each = finding(audited(planted_report(tmp_path, problems={"refused": 3})), "not-locked")
    assert (each.status, each.rows) == (Status.FOUND, 3)
    assert each.unknown == (Unknown(Doubt.PROBLEM, "refused", 3),)
