"""What differs between two reports: the same as a person would find who compares every row with every other."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.analysis.differences import Differences, compare_reports
from stocktake.analysis.differences_comparison import Mode
from stocktake.analysis.differences_totals import Change
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, UsageError
from stocktake.model.fields import Field, report_fields
from stocktake.model.manifest import ManifestFile
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, OurReport, encoded, our_report, republish, write

FIELDS = ("Size", "LastModifiedDate", "ETag", "StorageClass")
COMPARED = ("size", "last_modified_date", "e_tag", "storage_class")
VERSIONED = ("is_delete_marker", *COMPARED)

keys = st.sampled_from(["a", "a/b", "a/c/d", "a0", "ä", "\U0001f600", "z\nz", "z%", "y" * 30])
rows = st.fixed_dictionaries(
    {
        "key": keys,
        "version_id": st.sampled_from([None, "1", "2", "11"]),
        "is_latest": st.booleans(),
        "is_delete_marker": st.booleans(),
        "size": st.sampled_from([None, 0, 5]),
        "e_tag": st.sampled_from([None, "a" * 32, "b" * 32]),
        "storage_class": st.sampled_from(["STANDARD", "GLACIER"]),
        "last_modified_date": st.sampled_from([OUR_MOMENT, OUR_MOMENT + timedelta(seconds=1)]),
    }
)


def written(
    root: Path,
    rows: Sequence[dict[str, object]],
    *,
    ordered: bool = True,
    all_versions: bool = False,
    report_format: Format = Format.PARQUET,
    files: int = 1,
    fields: Sequence[str] = FIELDS,
) -> Report:
    """A report of these rows; one that is not ordered says no more about itself than AWS's do."""
    listed = [{"bucket": "source", **row} for row in rows]
    if ordered:
        listed.sort(key=lambda row: str(row["key"]))
    ours = our_report(root, report_format, [listed], all_versions=all_versions, fields=fields)
    if not ordered:
        batches = [listed[start::files] for start in range(files)]
        _disorder(root, ours, report_fields(fields, all_versions=all_versions), batches)
    return opened(ours.manifest_path)


def _disorder(root: Path, ours: OurReport, fields: Sequence[Field], batches: Sequence[Any]) -> None:
    """Publish other data files. stocktake.json, whose ranges of keys make no sense then, goes away."""
    files = []
    for number, batch in enumerate(batches):
        key = ours.paths.data(UUID(int=100 + number), ours.manifest.format)
        body = encoded(ours.manifest.format, fields, batch)
        write(root, key, body)
        files.append(ManifestFile(key, len(body), hashlib.md5(body).hexdigest()))
    republish(root, ours.paths, ours.manifest, files=tuple(files))
    (root / ours.paths.sidecar).unlink()


def unique(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return list({(row["key"], row["version_id"]): row for row in rows}.values())


def brute_force(
    a: Sequence[dict[str, object]],
    b: Sequence[dict[str, object]],
    identity: Sequence[str],
    compared: Sequence[str],
) -> tuple[dict[Change, Counter[Any]], int]:
    """Which objects differ how, found row by row."""
    found: dict[Change, Counter[Any]] = {kind: Counter() for kind in Change}
    old = {tuple(row[name] for name in identity): row for row in a}
    new = {tuple(row[name] for name in identity): row for row in b}
    same = 0
    for name, row in new.items():
        if name not in old:
            found[Change.CREATED][name] += 1
        elif columns := tuple(column for column in compared if row[column] != old[name][column]):
            found[Change.CHANGED][name, columns] += 1
        else:
            same += 1
    for name in old.keys() - new.keys():
        found[Change.DELETED][name] += 1
    return found, same


def found(
    differences: Differences, identity: Sequence[str]
) -> tuple[dict[Change, Counter[Any]], int]:
    """The same, as the merge finds it."""
    kinds: dict[Change, Counter[Any]] = {kind: Counter() for kind in Change}

    def names(table: Any) -> list[tuple[object, ...]]:
        return [tuple(row[name] for name in identity) for row in table.to_pylist()]

    for window in differences.all_windows():
        kinds[Change.CREATED].update(names(window.created))
        kinds[Change.DELETED].update(names(window.deleted))
        columns = [tuple(each) for each in window.changed_columns.to_pylist()]
        kinds[Change.CHANGED].update(zip(names(window.changed_b), columns, strict=True))
        assert names(window.changed_a) == names(window.changed_b)
        kinds[Change.UNDECIDED].update(names(window.undecided_b))
    return kinds, differences.totals.same


@settings(max_examples=120, deadline=None)
@given(
    a=st.lists(rows, max_size=30).map(unique),
    b=st.lists(rows, max_size=30).map(unique),
    ordered=st.tuples(st.booleans(), st.booleans()),
    formats=st.tuples(st.sampled_from(Format), st.sampled_from(Format)),
    window_rows=st.integers(1, 9),
    prefix=st.sampled_from(["", "", "a", "a/", "z", "nothing"]),
)
def test_all_versions_differ_as_brute_force_finds(
    a: list[dict[str, object]],
    b: list[dict[str, object]],
    *,
    ordered: tuple[bool, bool],
    formats: tuple[Format, Format],
    window_rows: int,
    prefix: str,
) -> None:
    identity = ("key", "version_id")
    with tempfile.TemporaryDirectory() as folder:
        reports = [
            written(
                Path(folder, name),
                listed,
                ordered=order,
                all_versions=True,
                report_format=form,
                files=2,
            )
            for name, listed, order, form in zip("ab", (a, b), ordered, formats, strict=True)
        ]
        differences = compare_reports(
            *reports, mode=Mode.HISTORY, window_rows=window_rows, prefix=prefix
        )
        a, b = ([row for row in each if str(row["key"]).startswith(prefix)] for each in (a, b))
        kinds, same = brute_force(a, b, identity, VERSIONED)
        assert found(differences, identity) == (kinds, same)
        counts = differences.totals.counts
        assert {kind: counts[kind].objects for kind in Change} == {
            kind: sum(each.values()) for kind, each in kinds.items()
        }


@settings(max_examples=80, deadline=None)
@given(
    a=st.lists(rows, max_size=20, unique_by=lambda row: row["key"]),
    b=st.lists(rows, max_size=20).map(unique),
    ordered=st.tuples(st.booleans(), st.booleans()),
    window_rows=st.integers(1, 9),
)
def test_current_objects_differ_from_the_current_ones_among_all_versions_as_brute_force_finds(
    a: list[dict[str, object]],
    b: list[dict[str, object]],
    ordered: tuple[bool, bool],
    window_rows: int,
) -> None:
    latest = {row["key"]: row for row in b}
    b = [{**row, "is_latest": latest[row["key"]] is row} for row in b]
    current = [row for row in b if row["is_latest"] and not row["is_delete_marker"]]
    with tempfile.TemporaryDirectory() as folder:
        reports = (
            written(Path(folder, "a"), a, ordered=ordered[0], files=3),
            written(Path(folder, "b"), b, ordered=ordered[1], all_versions=True, files=3),
        )
        differences = compare_reports(*reports, mode=Mode.HISTORY, window_rows=window_rows)
        assert not differences.comparison.by_version
        assert found(differences, ["key"]) == brute_force(a, current, ["key"], COMPARED)


def covering(root: Path, key_prefix: str, keys: Sequence[str], *, sidecar: bool = True) -> Report:
    """A report of what lies below a prefix, a data file for each key; without its sidecar nobody knows of it."""
    listed = [[{"bucket": "source", **one(key)}] for key in keys]
    ours = our_report(root, Format.PARQUET, listed, fields=FIELDS, key_prefix=key_prefix)
    if not sidecar:
        (root / ours.paths.sidecar).unlink()
    return opened(ours.manifest_path)


@pytest.mark.parametrize("sidecar", [True, False])
def test_only_what_both_reports_cover_is_compared(tmp_path: Path, sidecar: bool) -> None:
    a = covering(tmp_path / "a", "", ["a/1", "b/2", "b0", "c/3"], sidecar=sidecar)
    b = covering(tmp_path / "b", "b/", ["b/2", "b/4"])
    differences = compare_reports(a, b)
    kinds, same = found(differences, ["key"])
    assert kinds == {kind: Counter([("b/4",)] * (kind is Change.CREATED)) for kind in Change}
    assert same == 1
    assert differences.to_json()["prefix"] == "b/"
    assert "only what lies below 'b/' was compared" in differences.warnings()[0]


def test_files_without_what_is_compared_are_not_read(tmp_path: Path) -> None:
    a = covering(tmp_path / "a", "", ["a/1", "b/2", "c/3"])
    b = covering(tmp_path / "b", "b/", ["b/2"])
    for file in (a.manifest.files[0], a.manifest.files[2]):
        (tmp_path / "a" / file.key).unlink()
    differences = compare_reports(a, b)
    differences.count()
    assert (differences.totals.same, differences.differ) == (1, False)


def test_reports_that_cover_nothing_in_common_cannot_be_compared(tmp_path: Path) -> None:
    a, b = covering(tmp_path / "a", "a/", ["a/1"]), covering(tmp_path / "b", "b/", ["b/1"])
    with pytest.raises(UsageError, match="covers the prefix 'a/', report B 'b/'"):
        compare_reports(a, b)
    with pytest.raises(UsageError, match="the prefix 'b/' was asked for"):
        compare_reports(a, a, prefix="b/")


def one(key: str = "k", **values: object) -> dict[str, object]:
    return {"key": key, "size": 9, "last_modified_date": OUR_MOMENT, **values}


MULTIPART, PLAIN, OTHER = "c" * 32 + "-2", "a" * 32, "b" * 32
CRC = {"checksum_algorithm": "CRC32", "checksum_value": "AAAAAA=="}


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        ({"e_tag": PLAIN}, {"e_tag": PLAIN}, None),
        ({"e_tag": PLAIN}, {"e_tag": OTHER}, Change.CHANGED),
        ({"e_tag": PLAIN}, {"e_tag": MULTIPART}, Change.UNDECIDED),
        ({"e_tag": MULTIPART}, {"e_tag": MULTIPART}, None),
        ({"e_tag": MULTIPART}, {"e_tag": "d" * 32 + "-2"}, Change.UNDECIDED),
        ({"e_tag": f"{PLAIN}-1"}, {"e_tag": f"{OTHER}-1"}, Change.CHANGED),
        ({"e_tag": f"{PLAIN}-1"}, {"e_tag": PLAIN}, Change.UNDECIDED),
        ({"e_tag": MULTIPART}, {"e_tag": PLAIN, "size": 8}, Change.CHANGED),
        ({"e_tag": PLAIN}, {"e_tag": OTHER, "encryption_status": "SSE-KMS"}, Change.UNDECIDED),
        ({"e_tag": None}, {"e_tag": PLAIN}, Change.UNDECIDED),
        ({"e_tag": None}, {"e_tag": None}, Change.UNDECIDED),
        ({"e_tag": MULTIPART, **CRC}, {"e_tag": PLAIN, **CRC}, None),
        ({"e_tag": MULTIPART, **CRC}, {"e_tag": PLAIN, **CRC, "checksum_value": "B"}, Change.CHANGED),
        ({"e_tag": MULTIPART, **CRC}, {"e_tag": PLAIN, **CRC, "checksum_value": "B-2"}, Change.UNDECIDED),
        ({"e_tag": MULTIPART, **CRC}, {"e_tag": PLAIN, **CRC, "checksum_algorithm": "SHA1"}, Change.UNDECIDED),
    ],
)  # fmt: skip
def test_the_content_of_copies_is_the_same_another_or_undecided(
    a: dict[str, object], b: dict[str, object], kind: Change | None, tmp_path: Path
) -> None:
    fields = (*FIELDS, "ChecksumAlgorithm", "EncryptionStatus", "ChecksumValue")
    reports = [
        written(tmp_path / name, [one(**values)], fields=fields)
        for name, values in (("a", a), ("b", b))
    ]
    differences = compare_reports(*reports, mode=Mode.COPIES)
    differences.count()
    expected = {each: int(each is kind) for each in Change}
    assert {each: differences.totals.counts[each].objects for each in Change} == expected
    assert differences.totals.same == int(kind is None)


def test_reports_that_share_no_telling_column_cannot_tell(tmp_path: Path) -> None:
    reports = [written(tmp_path / name, [one()], fields=["Size"]) for name in "ab"]
    differences = compare_reports(*reports)
    differences.count()
    assert differences.undecided
    assert not differences.differ


def test_a_row_that_is_there_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [one("k"), one("k"), one("l")])
    b = written(tmp_path / "b", [one("k"), one("l")])
    differences = compare_reports(a, b)
    differences.count()
    assert (differences.totals.same, differences.differ) == (2, False)
    assert "report A names 1 rows of objects it has named before" in differences.warnings()[0]


def test_an_order_that_is_claimed_and_not_kept_is_an_error(tmp_path: Path) -> None:
    report = our_report(
        tmp_path / "a", Format.PARQUET, [[{"bucket": "source", **one(key)} for key in "ba"]]
    )
    other = written(tmp_path / "b", [one("a")])
    differences = compare_reports(opened(report.manifest_path), other)
    with pytest.raises(DataFileError, match="not in the order of their keys"):
        differences.count()


def test_prefixes_beyond_the_bound_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktake.analysis.differences_totals.PREFIXES_MAX", 3)
    many = [one(f"{folder:02}/{name}") for folder in range(20) for name in range(1 + (folder < 3))]
    a, b = written(tmp_path / "a", []), written(tmp_path / "b", many)
    differences = compare_reports(a, b, window_rows=2)
    differences.count()
    prefixes = {
        prefix: kinds[Change.CREATED].objects for prefix, kinds in differences.worst_prefixes()
    }
    assert [prefixes[f"{folder:02}/"] for folder in range(3)] == [2, 2, 2]
    assert len(prefixes) <= 6
    assert sum(prefixes.values()) + differences.totals.beside == len(many)
