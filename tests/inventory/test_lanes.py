"""Coroutines over one transport: each goes on when its own answers have come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stocktake.inventory.lanes import Lanes, Pause
from stocktake.inventory.listing import OpenRange
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Call
from stocktake.store.requests import Request
from stocktake.store.transport import Transport
from tests.inventory.lanes import open_lane
from tests.servers.fault import FaultServer, latency, synthetic


@pytest.fixture
def transport(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    fault_server.bucket("b", generated=synthetic(5000))
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        yield lane.transport


def head(number: int) -> Request:
    return Request(Call.HEAD, "HEAD", "b", f"data/{number:09d}")


def run_all(lanes: Lanes) -> None:
    for _ in range(10_000):
        if not len(lanes):
            return
        lanes.turn(0.01)
    raise AssertionError("the lanes do not end")


def test_lanes_wait_side_by_side(transport: Transport, fault_server: FaultServer) -> None:
    fault_server.rule(latency(0.3))
    ended: list[int] = []

    async def lane(number: int) -> None:
        for step in range(3):
            [answer] = await transport.ask([head(number * 10 + step)])
            assert answer.status == 200
        ended.append(number)

    lanes = Lanes(transport)
    for number in range(8):
        lanes.start(lane(number))
    run_all(lanes)
    assert sorted(ended) == list(range(8))
    assert fault_server.in_flight_max > 1


def test_a_lane_that_pauses_keeps_no_other_waiting(transport: Transport) -> None:
    told: list[str] = []

    async def patient() -> None:
        await Pause(lambda: "busy" in told)
        told.append("patient")

    async def busy() -> None:
        await transport.ask([head(1), head(2)])
        told.append("busy")

    lanes = Lanes(transport)
    lanes.start(patient())
    lanes.start(busy())
    run_all(lanes)
    assert told == ["busy", "patient"]


def test_what_a_lane_raises_ends_the_turn_and_closing_ends_the_others(
    transport: Transport,
) -> None:
    closed: list[bool] = []

    async def failing() -> None:
        await transport.ask([head(1)])
        raise ValueError("of the lane")

    async def other() -> None:
        try:
            await Pause(lambda: False)
        finally:
            closed.append(True)

    lanes = Lanes(transport)
    lanes.start(other())
    lanes.start(failing())
    with pytest.raises(ValueError, match="of the lane"):
        run_all(lanes)
    lanes.close()
    assert closed == [True]
    assert not len(lanes)


def test_a_range_is_split_only_behind_what_was_kept_of_it() -> None:
    keys = OpenRange(KeyRange("b", "m"))
    assert not keys.split("b")
    assert not keys.split("m")
    assert keys.split("h")
    assert keys.upto == "h"
    assert not keys.split("k")
    keys.kept = "f"
    assert not keys.split("e")
    assert not keys.split("f")
    assert keys.split("g")
    keys.done = True
    assert not keys.split("fa")


def test_a_page_on_its_way_counts_as_far_as_the_range_still_reaches(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("b", generated=synthetic(5000))
    keys = OpenRange(KeyRange("", "data/000004000"))
    fault_server.after_page(2, lambda: keys.split("data/000001500"))
    with open_lane(fault_server.as_server(), "b", monkeypatch) as lane:
        pages = lane.pages(keys)
    assert [page.facts.rows for page in pages] == [1000, 501]
    assert pages[1].facts.discarded == 499
    assert pages[1].facts.beyond == "data/000001501"
    assert pages[1].facts.last == keys.kept == "data/000001500"
    assert [page.facts.done for page in pages] == [False, True]
    first, *others = pages[1].facts.samples
    assert first == ("", "data/000001000")
    for earlier, key in others:
        assert int(key[5:]) == int(earlier[5:]) + 1
