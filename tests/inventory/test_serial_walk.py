"""Stores that cannot begin a page where they are asked to: walked serially, and found out where they lie as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from stocktake.model.capabilities import Walk
from stocktake.model.errors import ContradictionError, InventoryError, StoreError
from stocktake.model.pieces import Segment
from stocktake.model.runs import InventoryResult
from stocktake.model.sidecar import Sidecar, parse_sidecar
from tests.inventory.whole_runs import LIMITS, Notes, rows, take
from tests.servers.fault import (
    Action,
    Exchange,
    FaultServer,
    FixtureObject,
    Request,
    drop_keys,
    ignore_start_after,
    internal_error,
    repeat_page,
    respond,
    short_pages,
    stop_early,
    stuck_marker,
    synthetic,
    unordered,
)
from tests.servers.fault_starts import include_start_after, no_tokens, start_behind_all

OBJECTS = 12_500


def key(number: int) -> str:
    return f"{number // 2000:03d}/{number:07d}"


KEYS = {key(number) for number in range(OBJECTS)}
WARNING = "does not begin a page where it is asked to"


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(OBJECTS, key))
    return fault_server


def sidecar(folder: Path) -> Sidecar:
    [path] = folder.rglob("stocktake.json")
    return parse_sidecar(path.read_bytes())


def assert_serial(folder: Path, result: InventoryResult) -> None:
    """All of it is there, once and in order, and the report says how it was listed."""
    assert [row[1] for row in rows(folder, result)] == sorted(KEYS)
    assert result.walk is sidecar(folder).walk is Walk.SERIAL
    assert any(WARNING in warning for warning in result.warnings)
    assert sidecar(folder).warnings == result.warnings


def starts_at_no_key(request: Request) -> bool:
    return request.query.get("start-after", "") not in KEYS


# What a store may be unable to do from the first page on: all of it mended by beginning at the first key.
UNABLE: dict[str, Callable[[FaultServer], object]] = {
    "start-after is ignored": lambda store: store.rule(ignore_start_after(), operation="List"),
    "start-after is included": lambda store: store.rule(include_start_after(), operation="List"),
    "start-after must be a key": lambda store: store.rule(
        ignore_start_after(), operation="List", where=starts_at_no_key
    ),
}


@pytest.mark.parametrize("hinted", [False, True], ids=["first run", "with hints"])
@pytest.mark.parametrize("manner", UNABLE)
def test_a_store_that_cannot_begin_a_page_anywhere_is_walked_serially(
    store: FaultServer, tmp_path: Path, manner: str, hinted: bool
) -> None:
    UNABLE[manner](store)
    hints = [f"{folder:03d}/~" for folder in range(6)] if hinted else []
    result = take(store, tmp_path / "out", hints=hints)
    if asked_for_what_it_cannot(store, manner):
        assert_serial(tmp_path / "out", result)
    else:  # one lane may have been through before another was split off: nothing to be unable of
        assert not hinted
        assert result.walk is Walk.PARALLEL
        assert [row[1] for row in rows(tmp_path / "out", result)] == sorted(KEYS)


def asked_for_what_it_cannot(store: FaultServer, manner: str) -> bool:
    """Whether any page was to begin where this store begins none."""
    starts = [
        start for entry in store.log for start in parse_qs(entry.query).get("start-after", ())
    ]
    return any(start not in KEYS or "must be a key" not in manner for start in starts)


def test_what_lies_beside_the_prefix_is_no_contradiction(
    store: FaultServer, tmp_path: Path
) -> None:
    store.rule(ignore_start_after(), operation="List")
    result = take(store, tmp_path / "out", prefix="001/000")
    assert result.walk is Walk.SERIAL
    assert {row[1] for row in rows(tmp_path / "out", result)} == {
        each for each in KEYS if each.startswith("001/000")
    }


def test_a_bucket_of_one_page_needs_nothing_of_it(store: FaultServer, tmp_path: Path) -> None:
    store.bucket("b", generated=synthetic(700, key))
    store.rule(ignore_start_after(), operation="List")
    result = take(store, tmp_path / "out")
    assert (result.walk, result.counters["rows"], result.warnings) == (Walk.PARALLEL, 700, ())
    assert store.counts["ListObjectsV2"] == 1


@pytest.mark.parametrize("able", [True, False])
def test_behind_one_page_that_is_full_is_looked_once(
    store: FaultServer, tmp_path: Path, able: bool
) -> None:
    store.bucket("b", generated=synthetic(1000, key))
    if not able:
        store.rule(ignore_start_after(), operation="List")
    result = take(store, tmp_path / "out")
    assert (result.walk is Walk.PARALLEL, result.counters["rows"]) == (able, 1000)
    lists = [e.query for e in store.log if e.operation == "ListObjectsV2"]
    assert len(lists) == 2 or not able, lists


def test_versions_are_walked_by_key_and_version(store: FaultServer, tmp_path: Path) -> None:
    versions = [
        FixtureObject(f"{number:04d}", version_id=f"v{version}")
        for number in range(2500)
        for version in range(3)
    ]
    store.bucket("b", versions)
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm", versions="All"))
    assert len(expected) == 7500
    store.rule(
        ignore_start_after(), operation="List", where=lambda r: "version-id-marker" not in r.query
    )
    result = take(store, tmp_path / "out", versions="All", hints=["1000", "2000"])
    assert rows(tmp_path / "out", result) == expected
    assert result.walk is Walk.SERIAL


def test_versions_that_cannot_be_gone_on_with_at_all_end_the_run(
    store: FaultServer, tmp_path: Path
) -> None:
    store.rule(ignore_start_after(), operation="List")
    with pytest.raises(ContradictionError, match="asked for the keys after"):
        take(store, tmp_path / "out", versions="All")
    assert list((tmp_path / "out").rglob("manifest*")) == []


def test_without_tokens_there_is_no_way_on(store: FaultServer, tmp_path: Path) -> None:
    UNABLE["start-after is ignored"](store)
    store.rule(no_tokens(), operation="List")
    with pytest.raises(ContradictionError, match="asked for the keys after"):
        take(store, tmp_path / "out")


def follows_a_page(request: Request) -> bool:
    return "continuation-token" in request.query


# What a store may do beside: what is lost by it is found out, and what is not lost is there.
LIES: dict[str, Callable[[FaultServer], object]] = {
    "keys missing from a page": lambda store: store.rule(
        drop_keys(200), where=follows_a_page, nth=6
    ),
    "the same page again": lambda store: store.rule(repeat_page(), where=follows_a_page, after=4),
    "the same page for ever": lambda store: store.rule(
        stuck_marker(), where=follows_a_page, after=4
    ),
    "no order": lambda store: store.rule(unordered(), where=follows_a_page, nth=6),
    "the end too soon, once": lambda store: store.rule(stop_early(), where=follows_a_page, nth=6),
    "the end too soon, always": lambda store: store.rule(stop_early(), operation="List", after=7),
    "tokens ignored": lambda store: store.rule(forget_tokens(), where=follows_a_page, nth=6),
}


def forget_tokens() -> Action:
    """A page that begins at the first key, whatever the token."""

    def before(exchange: Exchange) -> None:
        query = {**exchange.request.query, "continuation-token": ""}
        exchange.request = replace(exchange.request, query=query)

    return Action("tokens forgotten", before=before)


@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_on_a_serial_walk_is_found_out(
    store: FaultServer, tmp_path: Path, lie: str
) -> None:
    store.rule(ignore_start_after(), operation="List")
    LIES[lie](store)
    with pytest.raises(ContradictionError):
        take(store, tmp_path / "out")
    assert list((tmp_path / "out").rglob("manifest*")) == []


def test_a_fault_that_stays_names_what_is_missing(store: FaultServer, tmp_path: Path) -> None:
    store.rule(ignore_start_after(), operation="List")
    store.rule(internal_error(), where=follows_a_page, after=5)
    limits = replace(LIMITS, tries_max=2)
    with pytest.raises(StoreError, match=r"missing are the keys after '002/0005999' up to the end"):
        take(store, tmp_path / "out", limits=limits)


def test_short_pages_are_looked_at_again(store: FaultServer, tmp_path: Path) -> None:
    store.rule(ignore_start_after(), operation="List")
    store.rule(short_pages(700), operation="List")
    assert_serial(tmp_path / "out", take(store, tmp_path / "out"))


def test_a_token_that_is_good_for_once_is_no_contradiction(
    store: FaultServer, tmp_path: Path
) -> None:
    seen: set[str] = set()

    def used_before(request: Request) -> bool:
        token = request.query.get("continuation-token")
        return token is not None and (token in seen or bool(seen.add(token)))

    store.rule(ignore_start_after(), operation="List")
    store.rule(respond(400, "InvalidArgument"), operation="List", where=used_before)
    result = take(store, tmp_path / "out")
    assert_serial(tmp_path / "out", result)
    assert any(re.search(r"\d places could not be looked at again", w) for w in result.warnings)


class Interrupted(Notes):
    """A journal that fails once it was told of so many segments."""

    def __init__(self, segments: int) -> None:
        super().__init__()
        self._left = segments

    def spooled(self, segment: Segment) -> None:
        super().spooled(segment)
        self._left -= 1
        if not self._left:
            raise InventoryError("interrupted")


def test_a_serial_walk_that_was_interrupted_keeps_the_rows_it_has(
    store: FaultServer, tmp_path: Path
) -> None:
    store.rule(ignore_start_after(), operation="List")
    notes = Interrupted(3)
    limits = replace(LIMITS, file_rows_max=2_500)
    with pytest.raises(InventoryError, match="interrupted"):
        take(store, tmp_path / "out", limits=limits, notes=notes)
    kept = notes.kept()
    assert 7_500 <= kept.counters["rows"] < OBJECTS
    result = take(store, tmp_path / "out", limits=limits, notes=notes.resumed())
    assert_serial(tmp_path / "out", result)
    assert {each.file for each in kept.files} <= set(result.files)


def test_what_was_kept_before_a_hole_is_not_taken_twice(store: FaultServer, tmp_path: Path) -> None:
    whole = Notes()
    limits = replace(LIMITS, file_rows_max=2_500, processes=1, concurrency=1)
    take(store, tmp_path / "whole", limits=limits, notes=whole)
    files = sorted(whole.files, key=lambda each: each.file.range.after)
    assert len(files) == 5
    for each in (files[0], files[2]):
        target = tmp_path / "out" / each.file.file.key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tmp_path / "whole" / each.file.file.key).read_bytes())
    store.rule(ignore_start_after(), operation="List")
    notes = Notes()
    notes.files = [files[0], files[2]]
    result = take(store, tmp_path / "out", limits=limits, notes=notes)
    assert_serial(tmp_path / "out", result)


def test_a_serial_walk_that_comes_past_nothing_that_was_kept_is_found_out(
    store: FaultServer, tmp_path: Path
) -> None:
    whole = Notes()
    limits = replace(LIMITS, file_rows_max=2_500, processes=1, concurrency=1)
    take(store, tmp_path / "whole", limits=limits, notes=whole)
    notes = Notes()
    notes.files = [min(whole.files, key=lambda each: each.file.range.after)]
    store.rule(ignore_start_after(), operation="List", nth=1)
    store.rule(start_behind_all(), operation="List", after=1)
    with pytest.raises(ContradictionError, match="has it still, and does not list it now"):
        take(store, tmp_path / "out", limits=limits, notes=notes)
    assert list((tmp_path / "out").rglob("manifest*")) == []
