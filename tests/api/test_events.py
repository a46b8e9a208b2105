"""Following a run: what is told of it, to how many, and how that ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from stocktake.api import events, server
from stocktake.service import house
from stocktake.state.ledger import Ledger
from tests.acceptance.killing import wait_for
from tests.api.serving import ADMIN, READER, Api, signed
from tests.api.test_v1 import ROOT, refused
from tests.state.scheduling import claimed, put


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY_S", 0.05)


@pytest.fixture
def ledger(api: Api) -> Iterator[Ledger]:
    with Ledger.open(api.state_folder, now=house.now) as opened:
        for run in opened.schedule.list():  # of earlier tests
            if run.finished is None:
                opened.schedule.cancel(run.id)
        yield opened


@contextmanager
def stream(api: Api, run: str, last: str = "") -> Iterator[http.client.HTTPResponse]:
    """An open stream; whoever had the event `last` says so."""
    target = f"{ROOT}/runs/{run}/events"
    said = {"Host": urlsplit(api.endpoint_url).netloc} | ({"Last-Event-ID": last} if last else {})
    connection = http.client.HTTPConnection(*api.address, timeout=60)
    try:
        connection.request("GET", target, headers=signed("GET", target, b"", said, READER))
        yield connection.getresponse()
    finally:
        connection.close()


def event(answer: http.client.HTTPResponse) -> tuple[str, str, dict[str, object]]:
    """The next event: its name, its id, its data."""
    said: dict[str, str] = {}
    for line in iter(answer.readline, b""):
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if "data" in said and not name:
            return said["event"], said["id"], json.loads(said["data"])
        said[name] = value
    raise AssertionError(f"the stream is over: {said}")


def test_a_run_is_followed_to_its_end_and_nothing_is_told_twice(api: Api, ledger: Ledger) -> None:
    run = ledger.schedule.run_now(put(ledger, "followed", "team-events"))
    with stream(api, run) as answer:
        assert (answer.status, answer.headers["content-type"]) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        assert answer.headers["cache-control"] == "no-store"
        assert answer.readline() == b"retry: 2000\n"
        name, first, data = event(answer)
        assert (name, data["run"], data["state"]) == ("progress", run, "waiting")
        held = claimed(ledger)
        assert event(answer)[2]["state"] == "running"
        ledger.claims.beat(held, {"stage": "list", "rows": 7})
        _, last, data = event(answer)
        assert data["progress"] == {"stage": "list", "rows": 7}
    with stream(api, run, first) as answer:  # it is further than that
        assert event(answer)[1] == last
    with stream(api, run, last) as answer:  # nothing twice
        threading.Timer(0.3, ledger.schedule.cancel, [run]).start()
        name, end, data = event(answer)
        assert (name, data["state"]) == ("end", "cancelled")
        assert answer.read() == b""
    with stream(api, run) as answer:  # who comes late hears the end
        assert event(answer)[:2] == ("end", end)
    with stream(api, run, end) as answer:
        assert (answer.status, answer.read()) == (204, b"")


def test_a_stream_outlives_the_patience_for_a_request_and_shows_that_it_is_there(
    api: Api, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_S_MAX", 2.0)
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.8)
    run = ledger.schedule.run_now(put(ledger, "long", "team-events"))
    begun = time.monotonic()
    with stream(api, run) as answer:
        assert event(answer)[0] == "progress"
        lines = [answer.readline() for _ in range(6)]
        # Each of them comes so long after the one before, and all of them after the patience for a request.
        assert time.monotonic() - begun >= 3 * events.HEARTBEAT_S > server.REQUEST_S_MAX
        assert lines == [b": still there\n", b"\n"] * 3
        monkeypatch.setattr(events, "STREAM_S_MAX", 0.0)
        said = answer.read().decode()
        assert said.replace(": still there\n\n", "") == ""
    ledger.schedule.cancel(run)


def test_streams_are_bounded_and_their_places_are_free_again(
    api: Api, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAMS_OF_SENDER_MAX", 2)
    run = ledger.schedule.run_now(put(ledger, "many", "team-events"))
    target = f"{ROOT}/runs/{run}/events"
    with stream(api, run) as one, stream(api, run) as other:
        assert event(one)[1] == event(other)[1]
        refused(api.ask("GET", target, key=READER), 503, "SlowDown")
        ledger.schedule.cancel(run)
        assert event(one)[0] == "end"
        assert api.ask("GET", target, key=ADMIN).status == 200, "another key has places of its own"
    # Those that are gone are noticed soon.
    assert wait_for(lambda: api.ask("GET", target, key=READER).status == 200, 180)
    refused(api.ask("GET", f"{ROOT}/runs/zzz/events"), 404, "NoSuchRun")


def test_a_reader_who_goes_away_is_forgotten(
    api: Api, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAMS_OF_SENDER_MAX", 1)
    run = ledger.schedule.run_now(put(ledger, "gone", "team-events"))

    def is_told() -> bool:
        with stream(api, run) as answer:
            return answer.status == 200 and event(answer)[0] == "progress"

    for _ in range(3):  # each finds the place of the one before free, the run being under way
        assert wait_for(is_told, 180)
    ledger.schedule.cancel(run)
