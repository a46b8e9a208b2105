"""`stocktake audit`, as people and as programs see it."""

from __future__ import annotations

import csv
import io
import shlex
from pathlib import Path

import pytest

from stocktake.analysis.audits.pack import PACK
from stocktake.model.configuration import Format
from tests.acceptance.command_line import Outcome, stocktake
from tests.analysis.audits.planted import PLANTED, Planted, made_report, planted_report
from tests.analysis.reports import aws_report, objects, our_report


@pytest.fixture
def report(tmp_path: Path) -> str:
    return planted_report(tmp_path / "report", problems={"refused": 2}).address


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """A report of two encrypted objects, which says nothing else that matters."""
    made = [{**row, "encryption_status": "SSE-S3"} for row in objects(["a", "b"])]
    fields = ("Size", "EncryptionStatus")
    return made_report(tmp_path / "plain", Format.CSV, [made], fields).address


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def audit(*arguments: str | Path) -> Outcome:
    return stocktake("audit", *arguments)


def test_people_see_a_line_for_each_audit_and_what_to_do(report: str) -> None:
    done = audit(report)
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    found = next(line for line in lines if line.split()[2:3] == ["public-grant"])
    assert found.split()[:2] == ["found", "high"]
    assert "2 objects (2." in found
    doubtful = next(line for line in lines if line.split()[2:3] == ["replication-failed"])
    assert doubtful.endswith("not known of 2 objects")
    assert "  cannot tell  2 objects: the run counted them as: refused" in lines
    assert "  example      x/\\x01" in lines
    assert lines[-1].startswith("verdict: found: of ")


def test_the_export_command_is_one_that_a_shell_reads_back(report: str) -> None:
    document = audit(report, "--only", "not-encrypted", "--json").document
    [finding] = document["findings"]
    assert shlex.split(finding["export"]) == [
        "stocktake", "export", report, "--where", finding["where"],
        "--to", "not-encrypted.csv", "--format", "manifest",
    ]  # fmt: skip


def test_programs_see_all_of_it(report: str) -> None:
    document = audit(report, "--json").document
    assert document["rows"] == len(PLANTED)
    assert document["status"] == "found"
    assert [each["name"] for each in document["findings"]] == [each.name for each in PACK]
    public = next(each for each in document["findings"] if each["name"] == "public-grant")
    assert public["rows"] == 2
    assert public["prefixes"] == [{"prefix": "x/", "rows": 2, "bytes": public["bytes"]}]
    assert len(public["examples"]) == 2
    done = stocktake("query", report, public["sql"], "--format", "csv")
    assert len(done.out.splitlines()) == 3
    failed = next(each for each in document["findings"] if each["name"] == "replication-failed")
    assert failed["unknown"] == [{"doubt": "the run counted them as", "what": "refused", "rows": 2}]


def test_csv_has_a_line_for_each_audit(report: str) -> None:
    rows = list(csv.DictReader(io.StringIO(audit(report, "--csv").out)))
    assert [row["audit"] for row in rows] == [each.name for each in PACK]
    expensive = next(row for row in rows if row["audit"] == "archive-candidate")
    assert float(expensive["money_per_month"]) == pytest.approx(0.019)
    assert (expensive["objects"], expensive["currency"]) == ("1", "USD")


def test_a_clean_report_exits_0_and_one_that_cannot_tell_3(plain: str) -> None:
    clean = audit(plain, "--only", "not-encrypted")
    assert clean.code == 0
    assert "verdict: clean: of 1 audit of severity medium or higher, 0 found" in clean.out
    untold = audit(plain, "--only", "not-encrypted", "--only", "public-grant")
    assert untold.code == 3
    assert "2 objects: the report lacks the field: ObjectAccessControlList" in untold.out


@pytest.mark.parametrize(("fail_on", "code"), [("low", 1), ("medium", 0), ("never", 0)])
def test_the_severity_that_fails_can_be_chosen(tmp_path: Path, fail_on: str, code: int) -> None:
    manifest = our_report(tmp_path / "slash", Format.CSV, [objects(["a//b"])]).manifest_path
    assert audit(manifest, "--only", "double-slash", "--fail-on", fail_on).code == code


def test_with_never_what_was_found_is_said_and_fails_nothing(report: str) -> None:
    done = audit(report, "--fail-on", "never")
    assert done.code == 0
    last = done.out.splitlines()[-1]
    assert last.startswith(f"verdict: found: of {len(PACK)} audits, ")
    assert last.endswith("; the exit code is 0 all the same: nothing fails")
    document = audit(report, "--fail-on", "never", "--json").document
    assert (document["status"], document["fail_on"]) == ("found", "never")


def test_a_policy_file_says_what_is_expected_and_options_come_before_it(
    plain: str, tmp_path: Path
) -> None:
    policy = write(
        tmp_path / "policy.toml",
        'audits = ["wrong-encryption"]\n[[expectations]]\nprefix = "a"\nencryption = ["SSE-KMS"]\n',
    )
    done = audit(plain, "--policy", policy, "--json")
    assert done.code == 1
    assert [each["rows"] for each in done.document["findings"]] == [1]
    assert audit(plain, "--policy", policy, "--fail-on", "never").code == 0
    assert audit(plain, "--policy", policy, "--only", "not-encrypted").code == 0


def test_an_exception_that_has_expired_is_told_and_excuses_nothing(
    report: str, tmp_path: Path
) -> None:
    text = """\
[[exceptions]]
audit = "not-encrypted"
prefix = "public/"
reason = "until the move"
until = {}
"""
    only = ("--only", "not-encrypted")
    past = write(tmp_path / "past.toml", text.format("2020-01-31"))
    said = audit(report, "--policy", past, *only).out
    assert "  expired      until the move (public/, until 2020-01-31)" in said
    assert "found        high    not-encrypted         2 objects" in said
    future = write(tmp_path / "future.toml", text.format("9999-12-31"))
    assert "1 excused" in audit(report, "--policy", future, *only).out


def test_money_goes_by_the_prices_that_are_named(report: str, tmp_path: Path) -> None:
    table = write(tmp_path / "prices.toml", 'currency = "EUR"\nstorage_per_gb_month = 2.0\n')
    done = audit(report, "--prices", table, "--only", "noncurrent-version", "--csv")
    [row] = csv.DictReader(io.StringIO(done.out))
    assert row["currency"] == "EUR"
    assert float(row["money_per_month"]) == pytest.approx(int(row["bytes"]) / 2**30 * 2.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--only", "not-encryptet"],
            "unknown audit `not-encryptet`; did you mean `not-encrypted`?",
        ),
        (["--fail-on", "sometimes"], "unknown severity `sometimes`"),
        (["--only", "not-locked"], "no expectation says what `object_lock` should be"),
        (["--json", "--csv"], "exclude each other"),
        (["--policy", "no-such.toml"], "the policy no-such.toml cannot be read"),
        (["--prices", "no-such.toml"], "the price table no-such.toml cannot be read"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(
    plain: str, arguments: list[str], said: str
) -> None:
    audit(plain, *arguments).failed_clearly(2, said)


def test_a_bad_policy_names_its_line_and_key(plain: str, tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", 'fail_on = "high"\n\n[thresholds]\nexpiring = 3\n')
    audit(plain, "--policy", policy).failed_clearly(2, "line 4: thresholds.expiring: ")
    policy.write_bytes(b"\xff")
    audit(plain, "--policy", policy).failed_clearly(2, "is no UTF-8")
    policy.write_bytes(b"#" * (2**16 + 1))
    audit(plain, "--policy", policy).failed_clearly(2, "is larger than a policy can be")


def test_a_page_that_cannot_be_written_is_one_clear_error(plain: str, tmp_path: Path) -> None:
    audit(plain, "--html", tmp_path / "none" / "page.html").failed_clearly(1, "cannot be written")


@pytest.mark.parametrize("report_format", Format)
def test_reports_of_aws_are_audited_without_special_options(
    tmp_path: Path, report_format: Format
) -> None:
    done = audit(aws_report(tmp_path, report_format), "--fail-on", "high")
    assert done.code == 3
    assert "clean        high    not-encrypted" in done.out
    assert "5 objects: the report lacks the field: ObjectAccessControlList" in done.out


def test_keys_cannot_command_a_terminal(tmp_path: Path) -> None:
    hostile = Planted("k\x1b[2J\nb", ())
    report = planted_report(tmp_path, planted=(hostile,))
    said = audit(report.address, "--only", "control-character").out
    assert "\x1b" not in said
    assert "k\\x1b[2J\\nb" in said
