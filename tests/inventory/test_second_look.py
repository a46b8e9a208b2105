"""What is listed a second time must agree with the first; what changed meanwhile is no contradiction."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from stocktake.inventory.listing import OpenRange
from stocktake.inventory.second_look import Memory, Spot, look_again
from stocktake.model.errors import ContradictionError
from stocktake.model.keys import KeyRange
from tests.inventory.driving import drive
from tests.inventory.lanes import Lane, open_lane
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    drop_keys,
    short_pages,
    synthetic,
)

LISTED_AT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
KEYS = tuple(f"data/{number:09d}" for number in range(2500))


def spot(after: str, keys: tuple[str, ...]) -> Spot:
    return Spot(after, keys, keys[-1])


def look(lane: Lane, place: Spot) -> None:
    drive(lane.transport, look_again(lane.run, place, lane.transport, since_s=LISTED_AT))


@pytest.mark.parametrize("versions", ["Current", "All"])
def test_a_listing_that_stands_is_confirmed(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    with open_lane(fault_server.as_server(), "b", monkeypatch, versions=versions) as lane:
        look(lane, spot("", KEYS[:1000]))
        look(lane, spot(KEYS[499], KEYS[500:510]))
        look(lane, Spot(KEYS[2400], KEYS[2401:], None))
        look(lane, spot("", KEYS))  # more than a page: as far as the page goes


def test_a_page_that_begins_within_a_key_is_confirmed(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [FixtureObject(key, version_id=f"v{n}") for key in "abc" for n in range(600)]
    fault_server.bucket("b", versions)
    with open_lane(fault_server.as_server(), "b", monkeypatch, versions="All") as lane:
        memory = Memory(4, Random(0))
        after = ""
        for page in lane.pages(KeyRange()):
            memory.add(after, page, None)
            after = page.facts.last or after
        spots = [*memory.suspects(), *memory.spots(4)]
        assert Spot("b", ("b", "c"), "c") in spots
        for place in spots:
            look(lane, place)


@pytest.mark.parametrize("versions", ["Current", "All"])
def test_a_key_that_was_left_out_at_first_is_found(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    with (
        open_lane(fault_server.as_server(), "b", monkeypatch, versions=versions) as lane,
        pytest.raises(ContradictionError, match=r"did not list 'data/000000700' .* at first"),
    ):
        look(lane, spot("", (*KEYS[:700], *KEYS[701:1000])))


def test_a_key_that_is_left_out_now_is_found(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    fault_server.rule(drop_keys(lambda key: key == KEYS[3]), operation="List")
    with (
        open_lane(fault_server.as_server(), "b", monkeypatch) as lane,
        pytest.raises(ContradictionError, match="has it still, and does not list it now"),
    ):
        look(lane, spot("", KEYS[:10]))


def test_an_end_that_was_none_is_found(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        look(lane, Spot(KEYS[-1], (), None))
        with pytest.raises(ContradictionError, match="did not list 'data/000001000'"):
            look(lane, Spot(KEYS[999], (), None))


def test_what_was_written_or_deleted_meanwhile_is_no_contradiction(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    young = datetime(2026, 1, 2, tzinfo=UTC)
    fault_server.bucket(
        "b", [FixtureObject("a"), FixtureObject("b", last_modified=young), FixtureObject("d")]
    )
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        look(lane, spot("", ("a", "c", "d")))


def test_suspect_pages_are_remembered_whatever_the_draw(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(9_500))
    fault_server.rule(drop_keys(3), operation="List", nth=4)
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        memory = Memory(4, Random(0))
        after = ""
        for page in lane.pages(KeyRange()):
            memory.add(after, page, None)
            after = page.rows.column("key")[-1].as_py()
        spots = memory.suspects()
        assert [each.after for each in spots] == ["", *(KEYS_LONG[n] for n in (2999, 8999, 9499))]
        assert len(memory.spots(2)) == 2
        with pytest.raises(ContradictionError, match="did not list"):
            look(lane, spots[1])


def test_a_page_is_suspect_too_that_came_before_all_larger_ones(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(9_500))
    fault_server.rule(drop_keys(3), operation="List", nth=1)
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        memory = Memory(4, Random(0))
        after = KEYS[1999]
        for page in lane.pages(KeyRange(after)):
            memory.add(after, page, None)
            after = page.rows.column("key")[-1].as_py()
    assert KEYS[1999] in {spot.after for spot in memory.suspects()}


KEYS_LONG = [f"data/{number:09d}" for number in range(9_500)]


def test_the_first_page_is_remembered_whatever_the_draw(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(40_500))
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        pages = lane.pages(KeyRange())
    for seed in range(5):
        memory = Memory(1, Random(seed))
        for page in pages:
            memory.add(page.marker.key, page, None)
        assert Spot("", KEYS[:1000], KEYS[999]) in memory.suspects()


def test_a_page_without_keys_that_promises_more_shows_nothing(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    fault_server.rule(drop_keys(lambda _key: True), operation="List")
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        place = spot("", KEYS[:10])
        seen = look_again(lane.run, place, lane.transport, since_s=LISTED_AT)
        assert drive(lane.transport, seen) is False


def test_a_store_with_short_pages_makes_no_more_work_than_the_bound(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(3000))
    fault_server.rule(short_pages(90), operation="List")
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        memory = Memory(4, Random(0))
        for page in lane.pages(OpenRange(KeyRange())):
            memory.add("", page, None)
    assert len([*memory.suspects(), *memory.spots(10)]) <= 9
