"""Which versions a run wrote, on either database: with its report's place, whatever becomes of the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stocktake.model.addresses import S3Address
from stocktake.model.errors import RunStateError
from stocktake.model.retention import Doomed, Expiry
from stocktake.model.store import Store
from stocktake.state.expiries import place_of
from stocktake.state.ledger import Ledger
from stocktake.state.report_versions import KNOWN_FOR
from tests.state.ledgers import START, Clock, begin, delivery

ROOT = "p/b/report1"
EXPIRY = Expiry(S3Address("dest"), Store("http://s3"), ROOT, START, ())


def test_they_are_known_by_the_report_and_go_with_it(ledger: Ledger) -> None:
    claim = begin(ledger)
    assert ledger.choose_folder(claim, place_of(EXPIRY), ROOT, START)
    ledger.name(claim, "data/1")
    file = delivery("data/1", "", None)
    ledger.deliver(claim, replace(file, file=replace(file.file, version="v1")), ())
    ledger.place(claim, "manifest.json", "v2")
    ledger.place(claim, "manifest.json", "v3")
    ledger.place(claim, "manifest.json", "v3")
    ledger.publish(claim, "s3://dest/manifest.json", ["data/1"], 10)
    ledger.expiries.wrote(claim.run, "usage.parquet", "v4")
    known = {
        "data/1": {"v1"},
        "manifest.json": {"v2", "v3"},
        "usage.parquet": {"v4"},
    }
    assert ledger.expiries.versions(EXPIRY) == known
    with pytest.raises(RunStateError):
        ledger.place(claim, "manifest.json", "v5")
    # What was begun and is given up, and what left others behind, stays known.
    for expiry, removed in ((EXPIRY, False), (replace(EXPIRY, others=1), True)):
        ledger.expiries.over(ledger.expiries.begin(expiry), removed=removed)
        assert ledger.expiries.versions(EXPIRY) == known
    ledger.expiries.over(ledger.expiries.begin(replace(EXPIRY, objects=(Doomed("k", "v"),))))
    assert ledger.expiries.versions(EXPIRY) == {}


def test_they_move_with_the_report_and_end_with_the_run(ledger: Ledger) -> None:
    claim = begin(ledger)
    ledger.place(claim, "symlink.txt", "v0")  # nowhere yet
    assert ledger.choose_folder(claim, "elsewhere", ROOT, START)
    ledger.place(claim, "symlink.txt", "v1")
    assert ledger.choose_folder(claim, place_of(EXPIRY), ROOT, START)
    ledger.place(claim, "stocktake.json", "v2")
    assert ledger.expiries.versions(EXPIRY) == {"symlink.txt": {"v1"}, "stocktake.json": {"v2"}}
    ledger.forget(claim.run, ["symlink.txt"])
    assert ledger.expiries.versions(EXPIRY) == {"stocktake.json": {"v2"}}
    ledger.forget_all(claim.run)
    assert ledger.expiries.versions(EXPIRY) == {}


def test_they_are_forgotten_in_the_end(ledger: Ledger, clock: Clock) -> None:
    claim = begin(ledger)
    ledger.choose_folder(claim, place_of(EXPIRY), ROOT, START)
    ledger.place(claim, "manifest.json", "v1")
    ledger.publish(claim, "s3://dest/manifest.json", [], 0)
    clock.moment += KNOWN_FOR
    begin(ledger)
    assert ledger.expiries.versions(EXPIRY) == {"manifest.json": {"v1"}}
    clock.moment += timedelta(seconds=1)
    begin(ledger)
    assert ledger.expiries.versions(EXPIRY) == {}
