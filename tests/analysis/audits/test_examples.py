"""Examples are of what was found, as many as there are or ten, wherever they lie."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.audits.policy import Policy
from stocktake.model.configuration import Format
from tests.analysis.audits.planted import NOW, made_report
from tests.analysis.audits.test_pack import finding
from tests.analysis.questions import opened
from tests.analysis.reports import objects, our_report

FORMATS = tuple(Format)
NAMES = st.text("ab/é", min_size=1, max_size=6)
STATUSES = st.sampled_from(["NOT-SSE", "SSE-S3", "SSE-C", None])
POLICY = Policy(audits=("not-encrypted", "customer-key", "double-slash"))


@settings(max_examples=25)
@given(st.dictionaries(NAMES, STATUSES, max_size=40), st.sampled_from(FORMATS))
def test_counts_and_examples_are_those_of_a_brute_force_answer(
    statuses: dict[str, str | None], report_format: Format
) -> None:
    keys = sorted(statuses, key=str.encode)
    made = [{**row, "encryption_status": statuses[str(row["key"])]} for row in objects(keys)]
    with TemporaryDirectory() as folder:
        report = made_report(
            Path(folder), report_format, [made[:7], made[7:]], ("Size", "EncryptionStatus")
        )
        found = audit_report(report, now=NOW, policy=POLICY)
    truth = {
        "not-encrypted": [key for key in keys if statuses[key] == "NOT-SSE"],
        "customer-key": [key for key in keys if statuses[key] == "SSE-C"],
        "double-slash": [key for key in keys if key.startswith("/") or "//" in key],
    }
    unknown = sum(1 for status in statuses.values() if status is None)
    for name, expected in truth.items():
        each = finding(found, name)
        assert each.rows == len(expected)
        shown = [str(example["Key"]) for example in each.examples]
        assert len(shown) == len(set(shown)) == min(10, len(expected))
        assert set(shown) <= set(expected)
        told = sum(share.rows for share in each.prefixes)
        assert told == each.rows or (told < each.rows and len(each.prefixes) == 10)
        counted = sum(doubt.rows or 0 for doubt in each.unknown)
        assert counted == (0 if name == "double-slash" else unknown)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("folders", [0, 1, 3])
def test_what_is_rare_is_found_among_many_rows(
    tmp_path: Path, report_format: Format, folders: int
) -> None:
    keys = sorted("/".join(["f"] * folders + [f"{number:05}"]) for number in range(5000))
    made = [
        {**row, "encryption_status": {4321: "SSE-C", 77: "SSE-C"}.get(number, "NOT-SSE")}
        for number, row in enumerate(objects(keys))
    ]
    ours = our_report(tmp_path, report_format, [made], fields=("EncryptionStatus",))
    found = audit_report(opened(ours.manifest_path), now=NOW, policy=POLICY)
    rare = finding(found, "customer-key")
    assert [example["Key"] for example in rare.examples] == [keys[77], keys[4321]]
    often = finding(found, "not-encrypted")
    assert often.rows == 4998
    assert [example["Key"] for example in often.examples] == keys[:10]
    assert often.examples[0] == {"Key": keys[0], "EncryptionStatus": "NOT-SSE"}


@pytest.mark.parametrize("report_format", Format)
def test_what_is_rare_is_found_behind_the_folders_beside_it(
    tmp_path: Path, report_format: Format
) -> None:
    rare = ["f/a/x", "f/b", "f/é"]
    keys = sorted([*rare, *(f"f/a/{number:05}" for number in range(1000))], key=str.encode)
    made = [
        {**row, "encryption_status": "SSE-C" if row["key"] in rare else "NOT-SSE"}
        for row in objects(keys)
    ]
    ours = our_report(tmp_path, report_format, [made], fields=("EncryptionStatus",))
    found = finding(
        audit_report(opened(ours.manifest_path), now=NOW, policy=POLICY), "customer-key"
    )
    assert [example["Key"] for example in found.examples] == rare
