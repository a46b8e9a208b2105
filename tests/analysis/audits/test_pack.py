"""Each audit finds what was planted for it and nothing else, whatever the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.audits.findings import AuditFinding, AuditReport, Status
from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.audits.policy import DEFAULT_POLICY, parse_policy
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from stocktake.model.fields import BY_NAME
from stocktake.model.prices import AWS, FREE, GB, parse_prices
from tests.analysis.audits.planted import NOW, PLANTED, POLICY, planted_report, rows
from tests.analysis.questions import answer, opened
from tests.analysis.reports import aws_report, objects, our_report


def audited(report: Report, **options: object) -> AuditReport:
    return audit_report(report, now=NOW, **{"policy": POLICY, **options})  # type: ignore[arg-type]


def finding(found: AuditReport, name: str) -> AuditFinding:
    return next(each for each in found.findings if each.name == name)


@pytest.mark.parametrize("report_format", Format)
def test_every_audit_finds_what_was_planted_for_it_and_nothing_else(
    tmp_path: Path, report_format: Format
) -> None:
    report = planted_report(tmp_path, report_format)
    found = audited(report)
    assert [each.name for each in found.findings] == [audit.name for audit in PACK]
    assert found.rows == len(PLANTED)
    for each in found.findings:
        planted = sorted(row.key for row in PLANTED if each.name in row.found_by)
        assert planted, f"nothing is planted for {each.name}"
        assert (each.status, each.unknown) == (Status.FOUND, ()), each
        assert each.rows == len(planted), each.name
        assert sorted(row["Key"] for row in each.examples) == planted[:10], each.name
        assert sorted(str(row["key"]) for row in answer(report, each.sql)) == planted, each.name
        assert sum(share.rows for share in each.prefixes) == each.rows


def test_the_three_formats_give_one_answer(tmp_path: Path) -> None:
    answers = []
    for report_format in Format:
        document = audited(planted_report(tmp_path / report_format, report_format)).to_json()
        del document["report"]
        for each in document["findings"]:  # type: ignore[attr-defined]
            del each["export"]
        answers.append(document)
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("report_format", Format)
def test_bytes_shares_and_money_are_those_of_what_was_found(
    tmp_path: Path, report_format: Format
) -> None:
    found = audited(planted_report(tmp_path, report_format))
    total = sum(int(row["size"] or 0) for row in rows())  # type: ignore[call-overload]
    assert found.bytes == total
    old = finding(found, "archive-candidate")
    assert (old.rows, old.bytes) == (1, 2**30)
    assert old.share == 1 / len(PLANTED)
    assert old.share_of_bytes == 2**30 / total
    assert old.money == pytest.approx(0.023 - 0.004)
    small = finding(found, "below-minimum-size")
    assert small.money == pytest.approx((128 - 1) * 1024 / GB * 0.0125, abs=1e-6)
    assert finding(found, "duplicate").bytes == 10_000
    assert finding(found, "public-grant").money is None


def test_money_goes_by_the_price_table(tmp_path: Path) -> None:
    report = planted_report(tmp_path)
    dear = AWS.model_copy(update={"storage_class_per_gb_month": {"STANDARD": 5.0}})
    assert finding(audited(report, prices=dear), "archive-candidate").money == pytest.approx(
        5.0 - 0.023
    )
    assert finding(audited(report, prices=FREE), "archive-candidate").money == 0


def test_what_a_class_costs_besides_storage_is_said_and_its_monitoring_reckoned(
    tmp_path: Path,
) -> None:
    report = planted_report(tmp_path)
    each = finding(audited(report), "archive-candidate")
    assert each.money_means == (
        "what moving them to GLACIER_IR saves in storage; reading a GB back costs 0.03 USD,"
        " an object is charged for 131,072 bytes at least, and for 90 days at least"
    )
    ours = parse_prices(
        "[storage_class_per_gb_month]\nSTANDARD = 5.0\n[monitoring_per_1000_month]\nTIERED = 300.0\n",
        "prices.toml",
    )
    policy = parse_policy('[thresholds]\narchive_class = "TIERED"\n', "p", ours)
    each = finding(audited(report, policy=policy, prices=ours), "archive-candidate")
    assert each.money == pytest.approx(5.0 - 0.3)  # of one object of a GB
    assert each.money_means == "what moving them to TIERED saves in storage"


def test_an_example_tells_what_the_audit_goes_by(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path, Format.ORC))
    [key] = finding(found, "wrong-kms-key").examples
    assert key["Key"] == "x/key"
    assert key["KmsKeyArn"].endswith("/other")
    public = finding(found, "public-grant").examples
    assert all("AllUsers" in each["ObjectAccessControlList"] or
               "AuthenticatedUsers" in each["ObjectAccessControlList"] for each in public)  # fmt: skip


def test_the_worst_prefixes_come_first_and_only_so_many(tmp_path: Path) -> None:
    keys = [
        f"{letter}/{number}" for letter in "abcdefghijklmno" for number in range(ord(letter) - 96)
    ]
    made = [{**row, "encryption_status": "NOT-SSE"} for row in objects(keys)]
    fields = ("Size", "EncryptionStatus")
    report = opened(our_report(tmp_path, Format.CSV, [made], fields=fields).manifest_path)
    shares = finding(audited(report), "not-encrypted").prefixes
    assert [(share.prefix, share.rows) for share in shares] == [
        (f"{letter}/", ord(letter) - 96) for letter in reversed("fghijklmno")
    ]


def test_where_all_lie_in_one_folder_those_below_it_are_told(tmp_path: Path) -> None:
    made = [
        {**row, "encryption_status": "NOT-SSE"}
        for row in objects(["logs/a/1", "logs/a/2", "logs/b/1", "logs/c"])
    ]
    fields = ("EncryptionStatus",)
    report = opened(our_report(tmp_path, Format.CSV, [made], fields=fields).manifest_path)
    each = finding(audited(report), "not-encrypted")
    assert [(share.prefix, share.rows, share.bytes) for share in each.prefixes] == [
        ("logs/a/", 2, None),
        ("logs/", 1, None),
        ("logs/b/", 1, None),
    ]
    assert each.bytes is None
    assert each.share_of_bytes is None


@pytest.mark.parametrize("report_format", Format)
def test_genuine_rows_of_aws_are_audited_without_being_told_anything(
    tmp_path: Path, report_format: Format
) -> None:
    found = audit_report(opened(aws_report(tmp_path, report_format)), now=NOW)
    counts = {each.name: each.rows for each in found.findings if each.rows}
    assert counts == {
        "no-checksum": 4,
        "noncurrent-version": 2,
        "delete-marker": 1,
        "duplicate": 2,
        "empty-object": 1,
    }
    missing = {each.name for each in found.findings if each.status is Status.UNKNOWN}
    assert missing == {"public-grant", "foreign-grant", "expiring"}
    assert finding(found, "not-encrypted").status is Status.CLEAN


def test_without_a_policy_nothing_is_expected_and_that_is_said(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path), policy=DEFAULT_POLICY)
    asked = {each.name for each in found.findings if each.status is not Status.NOT_ASKED}
    assert asked == {audit.name for audit in PACK if not audit.expects or audit.unless is not None}
    # The friend is a stranger then.
    assert finding(found, "foreign-grant").rows == 2


@pytest.mark.parametrize("report_format", Format)
def test_an_empty_report_is_clean_of_what_it_can_tell(
    tmp_path: Path, report_format: Format
) -> None:
    found = audited(planted_report(tmp_path, report_format, planted=()))
    assert {each.status for each in found.findings} == {Status.CLEAN}
    assert (found.rows, found.bytes, found.exit_code) == (0, 0, 0)


def test_a_report_without_optional_fields_still_tells_of_keys(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path, fields=(), all_versions=False))
    told = {each.name for each in found.findings if not each.unknown}
    assert told == {audit.name for audit in PACK if not audit.needs}
    assert finding(found, "double-slash").rows == 2


def test_every_name_of_the_pack_is_told_apart_and_every_field_is_one() -> None:
    assert len({audit.name for audit in PACK}) == len(PACK)
    assert {need for audit in PACK for need in audit.needs} <= set(BY_NAME)
    assert all(audit.question.endswith("?") and audit.remedy for audit in PACK)
