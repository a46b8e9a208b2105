"""Policy files: what is expected where, what is excused until when, and what is no policy."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.audits.audit import Severity
from stocktake.analysis.audits.findings import Status
from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.audits.policy import (
    DEFAULT_POLICY,
    FailOn,
    Policy,
    Thresholds,
    parse_policy,
)
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from stocktake.model.prices import FREE, parse_prices
from tests.analysis.audits.planted import NOW, made_report, planted_report
from tests.analysis.audits.test_pack import audited, finding
from tests.analysis.questions import answer
from tests.analysis.reports import objects

WHOLE = """\
fail_on = "high"
audits = ["not-encrypted", "wrong-encryption"]

[thresholds]
retention_ending_days = 60

[[expectations]]
prefix = "finance/"
encryption = ["SSE-KMS", "DSSE-KMS"]
object_lock = ["COMPLIANCE"]

[[exceptions]]
audit = "not-encrypted"
prefix = "finance/public/"
reason = "published anyway, ticket 4711"
until = 2027-03-31
"""


def encrypted(root: Path, statuses: dict[str, str]) -> Report:
    """A report of objects with these encryption statuses."""
    made = [
        {**row, "encryption_status": statuses[str(row["key"])]} for row in objects(sorted(statuses))
    ]
    fields = ("Size", "EncryptionStatus")
    return made_report(root, Format.PARQUET, [made], fields)


def keys(report: Report, sql: str) -> list[object]:
    return [row["key"] for row in answer(report, sql)]


def test_a_policy_is_read_as_it_is_written() -> None:
    policy = parse_policy(WHOLE, "policy.toml")
    assert policy.fail_on is FailOn.HIGH
    assert policy.audits == ("not-encrypted", "wrong-encryption")
    assert policy.thresholds.retention_ending_days == 60
    assert policy.expected("encryption") == [("finance/", ("SSE-KMS", "DSSE-KMS"))]
    assert policy.exceptions[0].until == date(2027, 3, 31)
    assert parse_policy("", "policy.toml") == DEFAULT_POLICY


def test_only_the_audits_that_are_named_are_asked(tmp_path: Path) -> None:
    found = audited(planted_report(tmp_path), policy=parse_policy(WHOLE, "p"))
    assert [each.name for each in found.findings] == ["not-encrypted", "wrong-encryption"]


def test_of_two_expectations_the_longer_prefix_holds(tmp_path: Path) -> None:
    policy = parse_policy(
        """
        [[expectations]]
        prefix = "a/"
        encryption = ["SSE-KMS"]
        [[expectations]]
        prefix = "a/b/"
        encryption = ["SSE-S3"]
        """,
        "p",
    )
    report = encrypted(
        tmp_path,
        {"a/1": "SSE-KMS", "a/2": "SSE-S3", "a/b/1": "SSE-KMS", "a/b/2": "SSE-S3", "c": "SSE-C"},
    )
    each = finding(audited(report, policy=policy), "wrong-encryption")
    assert keys(report, each.sql) == ["a/2", "a/b/1"]
    assert each.rows == 2


def test_a_prefix_is_text_and_no_pattern(tmp_path: Path) -> None:
    policy = parse_policy(
        """
        [[expectations]]
        prefix = "100%_'/"
        encryption = ["SSE-KMS"]
        """,
        "p",
    )
    report = encrypted(tmp_path, {"100%_'/a": "SSE-S3", "1000x'/a": "SSE-S3"})
    each = finding(audited(report, policy=policy), "wrong-encryption")
    assert keys(report, each.sql) == ["100%_'/a"]


def excused(until: str) -> Policy:
    return parse_policy(
        f"""
        [[exceptions]]
        audit = "not-encrypted"
        prefix = "public/"
        reason = "a reason"
        until = {until}
        """,
        "p",
    )


@pytest.mark.parametrize(
    ("until", "rows", "forgiven"),
    [("2026-11-26", 1, 2), ("2026-11-27", 1, 2), ("2026-11-25", 3, 0)],
)
def test_an_exception_excuses_until_its_day_is_over_and_then_no_more(
    tmp_path: Path, until: str, rows: int, forgiven: int
) -> None:
    report = encrypted(
        tmp_path, {"public/1": "NOT-SSE", "public/2": "NOT-SSE", "x": "NOT-SSE", "y": "SSE-S3"}
    )
    found = audited(report, policy=excused(until))
    each = finding(found, "not-encrypted")
    assert (each.rows, each.excused) == (rows, forgiven)
    assert len(keys(report, each.sql)) == rows
    assert [expired.reason for expired in each.expired] == ([] if forgiven else ["a reason"])


def test_the_day_of_an_exception_is_a_day_of_utc(tmp_path: Path) -> None:
    [exception] = excused("2026-11-26").exceptions
    assert exception.holds(datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC))
    assert not exception.holds(datetime(2026, 11, 27, tzinfo=UTC))


def test_an_exception_excuses_one_audit_alone(tmp_path: Path) -> None:
    policy = excused("2027-01-01").model_copy(
        update={"expectations": parse_policy(WHOLE.replace("finance/", ""), "p").expectations}
    )
    report = encrypted(tmp_path, {"public/1": "NOT-SSE"})
    found = audited(report, policy=policy)
    assert finding(found, "not-encrypted").status is Status.CLEAN
    assert finding(found, "wrong-encryption").rows == 1


def test_what_is_excused_is_not_what_cannot_be_told(tmp_path: Path) -> None:
    made = [{**row, "encryption_status": None} for row in objects(["public/1", "x"])]
    fields = ("Size", "EncryptionStatus")
    report = made_report(tmp_path, Format.CSV, [made], fields)
    each = finding(audited(report, policy=excused("2027-01-01")), "not-encrypted")
    assert [doubt.rows for doubt in each.unknown] == [1]


THRESHOLDS = [
    ("retention_ending_days = 901", "retention-ending", 30),
    ("replication_pending_hours = 22", "replication-pending", 2),
    ("archive_after_days = 1000", "archive-candidate", 0),
    ("archive_size_min = 1000", "archive-candidate", 2),
    ('archive_from = ["DEEP_ARCHIVE"]', "archive-candidate", 1),
    ("minimum_size = 1024", "below-minimum-size", 0),
    ('minimum_size_classes = ["STANDARD"]\nminimum_size = 2', "below-minimum-size", 3),
    ('weak_checksums = ["SHA256"]', "weak-checksum", 30),
    ("key_bytes_max = 899", "long-key", 2),
    ("expiring_days = 8", "expiring", 2),
]


@pytest.mark.parametrize(("text", "name", "rows"), THRESHOLDS)
def test_a_threshold_of_the_policy_is_gone_by(
    tmp_path: Path, text: str, name: str, rows: int
) -> None:
    policy = parse_policy(f'audits = ["{name}"]\n[thresholds]\n{text}\n', "p")
    [each] = audited(planted_report(tmp_path), policy=policy).findings
    assert each.rows >= rows if rows == 30 else each.rows == rows


def test_every_threshold_moves_some_audit() -> None:
    tried = {line.split(" = ")[0] for text, _, _ in THRESHOLDS for line in text.splitlines()}
    assert tried | {"archive_class"} == set(Thresholds.model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fail_on = ", "no TOML"),
        ("\nfail_on = 'sometimes'", "line 2: fail_on: "),
        ("colour = 'red'", "line 1: colour: Extra inputs are not permitted"),
        ("audits = ['no-such']", "line 1: audits[1]: there is no audit `no-such`"),
        ("audits = ['not-locked']", "`not-locked` has nothing to ask: no expectation says what"),
        ("audits = []", "line 1: audits: "),
        ("[thresholds]\n\nexpiring_days = -1", "line 3: thresholds.expiring_days: "),
        (
            "[thresholds]\n\narchive_class = 'GLACER'",
            "line 3: thresholds.archive_class: no price table has the storage class `GLACER`; there are STANDARD, ",
        ),
        (
            "[thresholds]\narchive_from = ['STANDARD', 'standard_ia']",
            "line 2: thresholds.archive_from[2]: no price table has the storage class `standard_ia`",
        ),
        (
            "[thresholds]\nminimum_size_classes = ['']",
            "line 2: thresholds.minimum_size_classes[1]: no price table has the storage class ``",
        ),
        (
            "[thresholds]\nweak_checksums = ['MD5', 'ADLER32']",
            "line 2: thresholds.weak_checksums[2]: there is no checksum algorithm `ADLER32`; there are CRC64NVME, ",
        ),
        ("[thresholds]\nexpiring_day = 1", "line 2: thresholds.expiring_day: "),
        (
            "[[expectations]]\nencryption = ['SSE-KMS']",
            "line 1: expectations[1].prefix: Field required",
        ),
        ("[[expectations]]\nprefix = 'a/'\n", "line 1: expectations[1]: it expects nothing"),
        (
            "[[expectations]]\nprefix = 'a/'\nencryption = ['ROT13']",
            "line 3: expectations[1].encryption",
        ),
        (
            "[[expectations]]\nprefix = 'a/'\nreplication = false",
            "line 3: expectations[1].replication",
        ),
        (
            "[[expectations]]\nprefix = ''\nowners = ['a']\n[[expectations]]\nprefix = ''\nowners = ['b']",
            "two expectations say what `owners` should be below ``",
        ),
        (
            WHOLE
            + "[[exceptions]]\naudit = 'legal-hold'\nprefix = ''\nreason = ''\nuntil = 2027-01-01",
            "line 20: exceptions[2].reason: ",
        ),
        (WHOLE.replace("until = 2027-03-31", ""), "line 12: exceptions[1].until: Field required"),
        (WHOLE.replace("2027-03-31", "'soon'"), "line 16: exceptions[1].until: "),
    ],
)
def test_a_bad_policy_is_one_clear_error_that_names_line_and_key(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_policy(text, "policy.toml")
    assert error.value.message.startswith("the policy policy.toml ")
    assert said in error.value.message
    assert "\n" not in error.value.message


def test_a_policy_may_name_the_storage_classes_of_the_prices_it_is_used_with() -> None:
    text = "[thresholds]\narchive_class = 'COLD'\narchive_from = ['WARM', 'STANDARD']"
    for table in ("storage_class_per_gb_month", "minimum_days"):
        prices = parse_prices(f"[{table}]\nCOLD = 1\nWARM = 2", "prices.toml")
        assert parse_policy(text, "policy.toml", prices).thresholds.archive_class == "COLD"
    with pytest.raises(UsageError, match="`WARM`"):
        parse_policy(text, "policy.toml", FREE)
    known = parse_policy("[thresholds]\narchive_class = 'GLACIER'", "policy.toml", FREE)
    assert known.thresholds.archive_class == "GLACIER"


@given(st.text(max_size=200))
def test_no_text_is_anything_but_a_policy_or_a_usage_error(text: str) -> None:
    try:
        parse_policy(text, "policy.toml")
    except UsageError:
        return


@pytest.mark.parametrize("fail_on", FailOn)
def test_findings_below_the_threshold_do_not_fail(tmp_path: Path, fail_on: FailOn) -> None:
    report = planted_report(tmp_path)
    for severity in Severity:
        names = tuple(
            audit.name for audit in PACK if audit.severity is severity and not audit.expects
        )
        policy = Policy(fail_on=fail_on, audits=names)
        assert audited(report, policy=policy).exit_code == int(fail_on.reached_by(severity))


def test_what_cannot_be_told_weighs_less_than_what_is_found_and_more_than_nothing(
    tmp_path: Path,
) -> None:
    policy = Policy(audits=("not-encrypted", "replication-failed", "public-grant"))
    fields = ("Size", "EncryptionStatus")
    made = [{**row, "encryption_status": "SSE-S3"} for row in objects(["a"])]
    report = made_report(tmp_path, Format.CSV, [made], fields)
    assert audited(report, policy=policy).exit_code == 3
    lenient = policy.model_copy(update={"fail_on": FailOn.NEVER})
    assert audited(report, policy=lenient).exit_code == 0
    sure = policy.model_copy(update={"audits": ("not-encrypted",)})
    assert audited(report, policy=sure).exit_code == 0
    bad = planted_report(tmp_path / "bad", problems={"refused": 1})
    assert audited(bad).exit_code == 1


def test_deadlines_count_from_now_and_not_from_the_report(tmp_path: Path) -> None:
    report = planted_report(tmp_path)
    policy = Policy(audits=("expiring", "retention-ending"))
    later = audit_report(report, now=NOW + timedelta(days=2), policy=policy)
    assert [each.rows for each in later.findings] == [1, 2]
