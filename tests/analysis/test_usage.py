"""Usage: counted by the engine, it is what a plain count of the rows comes to, whatever the format and the bounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.analysis.query import QueryLimits
from stocktake.analysis.report import Report
from stocktake.analysis.usage.counting import count_usage
from stocktake.analysis.usage.cube import find_cube, known_fields, tellable
from stocktake.analysis.usage.questions import Bounds
from stocktake.analysis.usage.tree import OTHERS, folder_tree
from stocktake.analysis.usage.usage import Kind, UsageSource
from stocktake.formats.tables import decode_table
from stocktake.model.configuration import Format
from stocktake.model.errors import ReportError, UndecidedError
from stocktake.model.prices import AWS, Prices
from stocktake.model.usage import AGES, PREFIXES_MAX, SCHEMA, SIZES, Dimension
from stocktake.service.usage import counted
from tests.analysis.audits.planted import planted_report, rows
from tests.analysis.audits.test_genuine import FILES, delivered
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, Row, objects, our_report, write

FIELDS = ("Size", "LastModifiedDate", "StorageClass", "ObjectOwner")
EVERYTHING = Bounds(prefixes_max=10**6, value_prefixes_max=10**6, values_max=10**6)


def unwarned(text: str) -> None:
    raise AssertionError(text)


def source_of(*reports: Report, prices: Prices = AWS) -> UsageSource:
    return UsageSource(reports, prices, count=counted, warn=unwarned)


def below(made: Sequence[Row], prefix: str) -> list[Row]:
    return [row for row in made if str(row["key"]).startswith(prefix)]


def folders_of(made: Sequence[Row], depth: int) -> set[str]:
    found = {""}
    for row in made:
        parts = str(row["key"]).split("/")[:-1][:depth]
        found |= {"/".join(parts[:level]) + "/" for level in range(1, len(parts) + 1)}
    return found


def size(made: Sequence[Row]) -> int:
    return sum(int(str(row.get("size") or 0)) for row in made)


KEYS = st.lists(
    st.text(st.sampled_from("ab/./é\n"), min_size=1, max_size=12),
    min_size=1,
    max_size=40,
    unique=True,
)


@st.composite
def some_rows(draw: st.DrawFn) -> list[dict[str, object]]:
    keys = sorted(draw(KEYS), key=str.encode)
    return [
        {
            "key": key,
            "size": draw(st.none() | st.integers(0, 2**40)),
            "storage_class": draw(st.sampled_from([None, "STANDARD", "GLACIER", "COLD"])),
            "object_owner": draw(st.sampled_from([None, "me", "you", "others", ""])),
            "last_modified_date": OUR_MOMENT - timedelta(days=draw(st.integers(-1, 4000))),
            "bucket": "source",
        }
        for key in keys
    ]


@settings(max_examples=15, deadline=None)
@given(made=some_rows(), prefixes_max=st.integers(1, 6), report_format=st.sampled_from(Format))
def test_every_folder_that_is_told_holds_exactly_what_lies_below_it(
    made: list[dict[str, object]], prefixes_max: int, report_format: Format
) -> None:
    bounds = Bounds(prefix_depth=3, prefixes_max=prefixes_max, value_prefixes_max=2, values_max=2)
    with TemporaryDirectory() as folder:
        report = opened(
            our_report(Path(folder), report_format, [made], fields=FIELDS).manifest_path
        )
        cube = count_usage(report, bounds=bounds)
    cells = cube.table.to_pylist()
    for dimension in Dimension:
        root = folder_tree(cube, AWS, dimension)
        told = list(root.walk(3))
        if dimension not in tellable(cube.facts.known):
            assert len(told) == 1
            continue
        for each in told:
            mine = below(made, each.prefix)
            assert (each.total.objects, each.total.bytes) == (len(mine), size(mine))
            assert each.total.unsized == sum(row["size"] is None for row in mine)
            assert each.total.oldest == min(row["last_modified_date"] for row in mine)  # type: ignore[type-var]
            if each.values:
                assert sum(value.objects for value in each.values.values()) == len(mine)
        if dimension is Dimension.PREFIX:
            every = folders_of(made, 3)
            assert {each.prefix for each in told} <= every
            assert len(told) == min(len(every), prefixes_max)
            apart = {str(row["key"]).rpartition("/")[0].count("/") for row in made}
            folded = sum(each.here.folded for each in told)
            assert folded == cube.facts.folded
            assert (folded == 0) or prefixes_max < len(every) or max(apart) >= 3
    assert all(row["objects"] > 0 for row in cells)


@settings(max_examples=8, deadline=None)
@given(made=some_rows())
def test_values_are_those_of_the_rows(made: list[dict[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        report = opened(
            our_report(Path(folder), Format.PARQUET, [made], fields=FIELDS).manifest_path
        )
        cube = count_usage(report, bounds=EVERYTHING)

    def counted(dimension: Dimension, value_of: object) -> None:
        expected: dict[object, list[int]] = defaultdict(lambda: [0, 0])
        for row in made:
            value = value_of(row)  # type: ignore[operator]
            expected[value][0] += 1
            expected[value][1] += int(str(row["size"] or 0))
        found = folder_tree(cube, AWS, dimension).values
        assert {value: [m.objects, m.bytes] for value, m in found.items()} == dict(expected)

    def bucket(number: object, buckets: object) -> object:
        if number is None:
            return None
        return next(b.name for b in buckets if b.end is None or number < b.end)  # type: ignore[attr-defined]

    # An empty text is no value.
    counted(Dimension.CLASS, lambda row: row["storage_class"] or None)
    counted(Dimension.OWNER, lambda row: row["object_owner"] or None)
    counted(Dimension.SIZE, lambda row: bucket(row["size"], SIZES))
    counted(
        Dimension.AGE,
        lambda row: bucket((OUR_MOMENT - row["last_modified_date"]) / timedelta(days=1), AGES),
    )


def test_extensions_are_the_letters_behind_the_last_dot_of_a_name(tmp_path: Path) -> None:
    keys = [
        "a.jpg", "b/C.JPG", "d.tar.gz", ".bashrc", "x/.profile", "no", "a.b/c", "d.", "e.verylongextension",
        "f.p\u00e4r", "g.mp4",
    ]  # fmt: skip
    made = objects(sorted(keys, key=str.encode))
    cube = count_usage(opened(our_report(tmp_path, Format.ORC, [made]).manifest_path))
    found = folder_tree(cube, AWS, Dimension.EXTENSION).values
    assert {value: each.objects for value, each in found.items()} == {
        "jpg": 2, "gz": 1, "mp4": 1, "": 7,
    }  # fmt: skip


def test_all_formats_give_the_same_cube(tmp_path: Path) -> None:
    tables = []
    for report_format in Format:
        report = planted_report(tmp_path / report_format, report_format)
        tables.append(count_usage(report).table)
    assert tables[0].num_rows > 100
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_versions_and_delete_markers_are_told_apart(tmp_path: Path) -> None:
    source = source_of(planted_report(tmp_path))
    root = source.root(Dimension.PREFIX)
    told, made = source.figures(root.total), rows()
    markers = [row for row in made if row["is_delete_marker"]]
    noncurrent = [row for row in made if not row["is_latest"]]
    assert (
        (told.delete_markers, told.objects)
        == (len(markers), len(made) - len(markers))
        == (1, told.objects)
    )
    assert (told.noncurrent, told.noncurrent_bytes) == (len(noncurrent), size(noncurrent))
    assert told.noncurrent_share == size(noncurrent) / size(made)
    states = source.root(Dimension.VERSION_STATE).values
    assert states["delete marker"].delete_markers == 1
    assert states["noncurrent"].objects == 1
    assert states["current"].objects == told.objects - 1


@pytest.mark.parametrize("nothing", [None, ""])
def test_money_is_what_each_class_costs(tmp_path: Path, nothing: str | None) -> None:
    made = [
        {"bucket": "b", "key": "a", "size": 2**30, "storage_class": "STANDARD"},
        {"bucket": "b", "key": "b", "size": 2**31, "storage_class": "GLACIER"},
        {"bucket": "b", "key": "c", "size": 2**30, "storage_class": nothing},
    ]
    report = opened(
        our_report(tmp_path, Format.PARQUET, [made], fields=("Size", "StorageClass")).manifest_path
    )
    told = source_of(report).usage(Dimension.CLASS, 0)
    assert told.total.money == pytest.approx(0.023 + 2 * 0.0036)
    assert told.total.unpriced == 1
    assert [(line.kind, line.value) for line in told.lines if not line.figures.money] == [
        (Kind.UNKNOWN, "")
    ]
    assert "money of 1 objects: they have no storage class" in told.untold
    flat = Prices(name="flat", storage_per_gb_month=0.5)
    assert source_of(report, prices=flat).usage(Dimension.PREFIX, 0).total.money == pytest.approx(
        2.0
    )


def test_a_field_that_is_lacking_is_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    report = opened(
        our_report(tmp_path, Format.CSV, [objects(["a", "b/c"])], fields=("ETag",)).manifest_path
    )
    source = source_of(report)
    told = source.usage(Dimension.PREFIX, 1)
    total = told.total
    assert total.objects == 2
    assert [
        total.bytes, total.mean, total.oldest, total.newest, total.noncurrent, total.noncurrent_share,
        total.delete_markers, total.money,
    ] == [None] * 8  # fmt: skip
    assert told.untold == (
        "bytes and mean: the report lacks Size",
        "oldest and newest: the report lacks LastModifiedDate",
        "the noncurrent share: the report lacks IsLatest",
        "money: the report lacks Size, StorageClass",
    )
    assert source.dimensions == (Dimension.PREFIX, Dimension.EXTENSION)
    for each in set(Dimension) - set(source.dimensions):
        with pytest.raises(UndecidedError, match=f"by {each} cannot be told: .* lacks"):
            source.usage(each, 0)


def test_a_field_that_nobody_could_fill_in_is_not_told(tmp_path: Path) -> None:
    report = planted_report(tmp_path, never=("ObjectOwner",))
    assert "ObjectOwner" not in known_fields(report)
    with pytest.raises(UndecidedError, match="nobody could fill in ObjectOwner"):
        source_of(report).root(Dimension.OWNER)


@pytest.mark.parametrize(("name", "report_format", "schema"), FILES)
def test_a_genuine_file_is_told_by_all_that_it_has(
    tmp_path: Path, name: str, report_format: Format, schema: str
) -> None:
    report = opened(delivered(tmp_path, name, report_format, schema))
    source = source_of(report)
    told = source.usage(Dimension.PREFIX, 8)
    if name.startswith("versions"):
        assert (told.total.objects, told.total.delete_markers, told.total.noncurrent) == (4, 1, 2)
        assert told.untold == ()
        assert Dimension.ENCRYPTION in source.dimensions
    else:
        assert told.total.noncurrent is None
        assert told.total.money is None
        assert set(source.dimensions) == {
            Dimension.PREFIX, Dimension.AGE, Dimension.SIZE, Dimension.EXTENSION,
        }  # fmt: skip


def test_a_report_without_rows_has_no_usage(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.PARQUET, [], fields=FIELDS).manifest_path)
    told = source_of(report).usage(Dimension.AGE, 1)
    assert (told.total.objects, told.total.bytes, told.total.mean, told.total.money) == (
        0,
        0,
        None,
        0,
    )


def test_more_values_than_are_kept_are_one_line(tmp_path: Path) -> None:
    made = [
        {**row, "object_owner": f"user-{number:02}"}
        for number, row in enumerate(objects([*"abcdef"]))
    ]
    report = opened(our_report(tmp_path, Format.PARQUET, [made], fields=FIELDS).manifest_path)
    cube = count_usage(report, bounds=Bounds(values_max=2))
    found = folder_tree(cube, AWS, Dimension.OWNER).values
    assert {value: each.objects for value, each in found.items()} == {
        "user-05": 1, "user-04": 1, OTHERS: 4,
    }  # fmt: skip


def test_more_folders_than_are_kept_are_counted_above_and_said(tmp_path: Path) -> None:
    made = pa.table(
        {
            "bucket": ["source"] * 30_000,
            "key": [f"users/{number:05}/x" for number in range(30_000)],
            "size": pa.array(range(30_000), pa.int64()),
        }
    )
    report = opened(our_report(tmp_path, Format.PARQUET, [made], fields=("Size",)).manifest_path)
    limits = QueryLimits(memory_bytes_max=96 * 2**20, threads=1)
    cube = count_usage(report, limits=limits)
    root = folder_tree(cube, AWS)
    [users] = root.folders
    assert len(users.folders) == PREFIXES_MAX - 2
    # Those with the most bytes are kept; the first of all has none.
    assert [each.name for each in users.folders[:2]] == ["29999/", "29998/"]
    assert (
        users.here.folded == users.here.objects == cube.facts.folded == 30_000 - len(users.folders)
    )
    assert users.here.bytes == sum(range(users.here.objects))
    assert (root.total.objects, root.total.bytes) == (30_000, sum(range(30_000)))
    assert len(cube.encode()) < 2**20


# -- the file ---------------------------------------------------------------------------------------


def beside(report: Report, root: Path, body: bytes) -> Path:
    return write(root, report.paths.usage.removeprefix(str(root).lstrip("/") + "/"), body)


def test_a_cube_that_fits_answers_and_the_rows_are_not_read(tmp_path: Path) -> None:
    report = planted_report(tmp_path)
    cube = count_usage(report)
    first = source_of(report).usage(Dimension.ENCRYPTION, 2)
    beside(report, tmp_path, cube.encode())
    found = find_cube(report)
    assert found is not None
    assert found.facts == cube.facts
    assert found.table.equals(cube.table)
    for data in tmp_path.rglob("data/*"):
        data.unlink()
    again = source_of(report).usage(Dimension.ENCRYPTION, 2)
    assert again.counted == ()
    assert first.counted == (report.address,)
    assert again == replace(first, counted=())


def test_a_question_that_goes_deeper_than_the_cube_reads_the_rows(tmp_path: Path) -> None:
    made = objects(["a/b/c/d/e"])
    report = opened(our_report(tmp_path, Format.PARQUET, [made]).manifest_path)
    beside(report, tmp_path, count_usage(report).encode())
    told = source_of(report).usage(Dimension.CLASS, 4)
    assert told.counted == (report.address,)
    assert [line.prefix for line in told.lines if line.kind == "folder"] == [
        "", "a/", "a/b/", "a/b/c/", "a/b/c/d/",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda body, _: body[:100], "cannot be read as Parquet"),
        (lambda body, other: other, "of another report"),
        (
            lambda body, _: body[:200] + bytes([body[200] ^ 1]) + body[201:],
            "cannot be read as Parquet",
        ),
    ],
    ids=["cut off", "another report's", "damaged"],
)
def test_a_cube_that_does_not_fit_is_told_and_the_rows_are_read(
    tmp_path: Path, spoil: object, why: str
) -> None:
    report = planted_report(tmp_path)
    other = opened(our_report(tmp_path / "other", Format.PARQUET, [objects(["a"])]).manifest_path)
    body = spoil(count_usage(report).encode(), count_usage(other).encode())  # type: ignore[operator]
    beside(report, tmp_path, body)
    with pytest.raises(ReportError, match=why):
        find_cube(report)
    said: list[str] = []
    told = UsageSource([report], AWS, count=counted, warn=said.append).usage(Dimension.PREFIX, 1)
    assert told.counted == (report.address,)
    assert len(said) == 1
    assert why in said[0]


def test_the_file_is_as_its_description_says(tmp_path: Path) -> None:
    body = count_usage(planted_report(tmp_path)).encode()
    table = decode_table(body, SCHEMA)
    assert table.schema.equals(SCHEMA)
    for dimension in set(table.column("dimension").to_pylist()):
        counted = [row["objects"] for row in table.to_pylist() if row["dimension"] == dimension]
        assert sum(counted) == len(rows())
