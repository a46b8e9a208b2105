"""The replay server's pages: LIST as S3 means it, read by stocktake's exact parser."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow.compute as pc
import pytest
from benchmarks.replay.bucket import UNVERSIONED, VERSIONED, Bucket, Histories
from benchmarks.replay.heads import BLOCKS_MAX, Heads
from benchmarks.replay.listing import Lister
from benchmarks.replay.shapes import SHAPES
from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.headers import read_headers
from stocktake.store.pages import Page, read_page
from stocktake.store.pages_exact import read_exact

OBJECTS = 12_000
URL = {"encoding-type": b"url"}
BUCKETS = {name: Bucket.named(name, OBJECTS) for name in SHAPES}
LISTERS = {name: Lister(bucket, "replay") for name, bucket in BUCKETS.items()}
names = st.sampled_from(list(SHAPES))


def listed(name: str, **query: bytes) -> Page:
    """One page of current objects."""
    return read_exact(LISTERS[name].objects(URL | query).body, versions=False)


def keys_of(page: Page) -> list[str]:
    keys: list[str] = page.batch.column("key").to_pylist()
    return keys


@cache
def current_keys(name: str) -> list[str]:
    """All the keys that LIST is to show."""
    bucket = BUCKETS[name]
    shown = (rank for rank in range(bucket.shape.count) if bucket.histories.history(rank)[0] != "D")
    return [bucket.shape.key(rank).decode() for rank in shown]


@pytest.mark.parametrize("name", SHAPES)
def test_the_pages_of_a_bucket_hold_each_of_its_keys_once_and_in_order(name: str) -> None:
    found, token = [], b""
    for _ in range(OBJECTS // 1000 + 1):
        page = listed(name, **{"continuation-token": token} if token else {})
        found += keys_of(page)
        if not page.truncated:
            break
        assert page.next_token
        token = page.next_token.encode()
    assert found == current_keys(name)


@given(names, st.data())
def test_a_page_begins_behind_any_text_and_holds_as_many_keys_as_asked_for(
    name: str, data: st.DataObject
) -> None:
    keys = current_keys(name)
    known = data.draw(st.sampled_from(keys))
    after = known[: data.draw(st.integers(0, len(known)))] + data.draw(st.text(max_size=3))
    encoded = after.encode(errors="ignore")
    rows_max = data.draw(st.integers(0, 1200))
    page = listed(name, **{"start-after": encoded, "max-keys": b"%d" % rows_max})
    expected = [key for key in keys if key.encode() > encoded]
    assert keys_of(page) == expected[: min(rows_max, 1000)]
    assert page.truncated == (rows_max > 0 and len(expected) > min(rows_max, 1000))


@given(names, st.data())
def test_a_page_with_a_prefix_holds_only_keys_that_have_it(name: str, data: st.DataObject) -> None:
    keys = current_keys(name)
    known = data.draw(st.sampled_from(keys))
    prefix, after = known[: data.draw(st.integers(0, len(known)))], data.draw(st.sampled_from(keys))
    page = listed(name, prefix=prefix.encode(), **{"start-after": after.encode()})
    assert keys_of(page) == [key for key in keys if key.startswith(prefix) and key > after][:1000]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("query", [URL, {}], ids=["percent-encoded", "plain"])
def test_stocktake_reads_a_page_as_its_exact_parser_does(
    name: str, query: dict[str, bytes]
) -> None:
    versions = name == "versions"
    lister = LISTERS[name]
    body = (lister.versions(query) if versions else lister.objects(query)).body
    page = read_page(body, versions=versions)
    assert page == read_exact(body, versions=versions)
    assert page.batch.num_rows == 1000


def test_a_record_has_about_the_size_of_a_real_one() -> None:
    page = LISTERS["uuid"].objects(URL)
    assert 300 < len(page.body) / page.rows < 340


@pytest.mark.parametrize("name", ["hex", "zipf"])
def test_objects_differ_as_objects_do(name: str) -> None:
    batch = listed(name).batch
    tags = batch.column("e_tag").to_pylist()
    assert len(set(tags)) == 1000
    assert 20 < sum("-" in tag for tag in tags) < 150
    assert len(set(batch.column("size").to_pylist())) > 500
    moments = batch.column("last_modified_date")
    assert pc.count_distinct(moments).as_py() > 950
    assert datetime(2024, 12, 1, tzinfo=UTC) < pc.min(moments).as_py()
    assert pc.max(moments).as_py() < datetime(2026, 9, 1, tzinfo=UTC)


def test_owners_are_named_when_they_are_asked_for() -> None:
    assert listed("hex").batch.column("object_owner").null_count == 1000
    asked = listed("hex", **{"fetch-owner": b"true"})
    assert asked.batch.column("object_owner").null_count == 0


# versions


def all_versions(name: str, rows_max: int) -> list[dict[str, Any]]:
    """Every row of ListObjectVersions, page by page."""
    rows: list[dict[str, Any]] = []
    query = URL | {"max-keys": b"%d" % rows_max}
    for _ in range(2 * OBJECTS // rows_max):
        page = read_exact(LISTERS[name].versions(query).body, versions=True)
        rows += page.batch.to_pylist()
        if not page.truncated:
            return rows
        assert page.next_key
        assert page.next_version
        query |= {
            "key-marker": page.next_key.encode(),
            "version-id-marker": page.next_version.encode(),
        }
    raise AssertionError("the listing does not end")


@pytest.mark.parametrize("rows_max", [1000, 997])
def test_the_versions_of_each_key_are_listed_once_and_newest_first(rows_max: int) -> None:
    rows = all_versions("versions", rows_max)
    bucket = BUCKETS["versions"]
    assert len(rows) == bucket.rows == OBJECTS
    histories: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        histories.setdefault(row["key"], []).append(row)
    assert list(histories) == [
        bucket.shape.key(rank).decode() for rank in range(bucket.shape.count)
    ]
    for rank, history in enumerate(histories.values()):
        kinds = "".join("D" if row["is_delete_marker"] else "V" for row in history)
        assert kinds == bucket.histories.history(rank)
        assert [row["is_latest"] for row in history] == [True] + [False] * (len(history) - 1)
        moments = [row["last_modified_date"] for row in history]
        assert moments == sorted(moments, reverse=True)
    assert len({row["version_id"] for row in rows}) == OBJECTS


def test_a_bucket_without_history_lists_one_version_for_each_object() -> None:
    rows = all_versions("dates", 1000)
    assert [row["key"] for row in rows] == current_keys("dates")
    assert all(row["is_latest"] and not row["is_delete_marker"] for row in rows)


@given(st.sampled_from([UNVERSIONED, VERSIONED]), st.integers(0, 10**9), st.integers(1, 40))
def test_keys_rows_and_current_objects_are_counted_alike_in_both_directions(
    pattern: tuple[str, ...], first: int, keys: int
) -> None:
    histories = Histories(pattern)
    batch, markers = histories.rows(
        histories.rows_before(first), histories.rows_before(first + keys)
    )
    expected = [
        (rank, age)
        for rank in range(first, first + keys)
        for age in range(len(histories.history(rank)))
    ]
    assert batch.ages is not None
    assert list(zip(batch.ranks.tolist(), batch.ages.tolist(), strict=True)) == expected
    assert [histories.history(rank)[age] == "D" for rank, age in expected] == [
        row in markers for row in range(len(expected))
    ]
    shown = histories.current_keys(
        histories.current_before(first), histories.current_before(first + keys)
    )
    assert shown.tolist() == [
        rank for rank in range(first, first + keys) if histories.history(rank)[0] == "V"
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"max-keys": b"many"},
        {"max-keys": b"-1"},
        {"encoding-type": b"base64"},
        {"continuation-token": b"x"},
    ],
)
def test_parameters_that_mean_nothing_are_refused(query: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        LISTERS["hex"].objects(query)


# HEAD


@given(st.sampled_from(["hex", "zipf", "cjk", "versions"]), st.data())
def test_head_says_of_an_object_what_list_says(name: str, data: st.DataObject) -> None:
    page = listed(
        name, **{"start-after": data.draw(st.sampled_from(current_keys(name)[:-1000])).encode()}
    )
    row = page.batch.to_pylist()[data.draw(st.integers(0, 999))]
    wire = Heads(BUCKETS[name]).head(row["key"].encode(), b"", checksum=False)
    assert wire is not None
    headers = read_headers(wire)
    assert headers[b"etag"].decode() == f'"{row["e_tag"]}"'
    assert int(headers[b"content-length"]) == row["size"]
    modified = row["last_modified_date"].strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert headers[b"last-modified"].decode() == modified


def test_a_head_has_19_headers_with_the_checksum_and_17_without() -> None:
    heads, key = Heads(BUCKETS["hex"]), BUCKETS["hex"].shape.key(5)
    for checksum, expected in ((True, 19), (False, 17)):
        wire = heads.head(key, b"", checksum=checksum)
        assert wire is not None
        assert wire.endswith(b"\r\n\r\n")
        assert len(read_headers(wire)) == expected


def test_every_version_answers_head_but_for_delete_markers() -> None:
    heads = Heads(BUCKETS["versions"])
    for row in all_versions("versions", 1000)[:200]:
        wire = heads.head(row["key"].encode(), row["version_id"].encode(), checksum=False)
        assert (wire is None) == row["is_delete_marker"]
        if wire:
            assert read_headers(wire)[b"x-amz-version-id"].decode() == row["version_id"]
        if row["is_latest"]:
            assert heads.head(row["key"].encode(), b"", checksum=False) == wire


def test_there_is_no_answer_for_a_key_that_does_not_exist() -> None:
    heads = Heads(BUCKETS["hex"])
    assert heads.head(b"missing", b"", checksum=False) is None
    assert heads.head(BUCKETS["hex"].shape.key(3), b"no-version", checksum=False) is None


def test_answers_stay_right_when_more_keys_are_asked_for_than_are_kept() -> None:
    bucket = Bucket.named("hex", (BLOCKS_MAX + 3) * 1000)
    heads = Heads(bucket)
    keys = [bucket.shape.key(block * 1000) for block in range(BLOCKS_MAX + 3)]
    first = [heads.head(key, b"", checksum=True) for key in keys]
    assert None not in first
    assert [heads.head(key, b"", checksum=True) for key in keys] == first
