"""Checks in the ledger: each put is tried once, by one at a time, and what was found is that put's alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stocktake.model.checks import Check, CheckResult, Finding, Outcome
from stocktake.model.stored import CheckClaim, ConfigurationKey
from stocktake.service import house
from stocktake.state import checks
from stocktake.state.ledger import Ledger
from tests.state.ledgers import opened_at
from tests.state.scheduling import STORE, put

FINE = CheckResult(
    source="s3://b",
    destination="s3://reports",
    checks=(Finding(check=Check.LIST, outcome=Outcome.OK, evidence="a page"),),
    requests=1,
)


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with opened_at(place, house.now) as opened:
        yield opened


def claim(ledger: Ledger) -> CheckClaim:
    found = ledger.checks.claim([STORE])
    assert found is not None
    return found


def finish(ledger: Ledger, held: CheckClaim) -> None:
    ledger.checks.finish(held, ledger.configurations.get(held.key).version, FINE)


def known(ledger: Ledger, bucket: str = "b") -> list[str]:
    found = ledger.checks.of_bucket(STORE, bucket, first="a", last="z")
    assert all(each.result == FINE for each in found.values())
    return sorted(found)


def test_each_put_is_tried_once_in_their_order(ledger: Ledger) -> None:
    first, second = put(ledger, "b1"), put(ledger, "a2")
    put(ledger, "c3", is_enabled=False)
    held = [claim(ledger), claim(ledger)]
    assert [each.key for each in held] == [first, second]
    assert ledger.checks.claim([STORE]) is None
    for each in held:
        finish(ledger, each)
    assert ledger.checks.claim([STORE]) is None
    assert known(ledger) == ["a2", "b1"]
    assert sorted(ledger.checks.of_bucket(STORE, "b", first="b1", last="b1")) == ["b1"]
    put(ledger, "a2")  # anew
    assert known(ledger) == ["b1"]
    assert claim(ledger).key == second


def test_stores_that_a_worker_was_not_told_of_are_left_alone(ledger: Ledger) -> None:
    put(ledger)
    assert ledger.checks.claim(["elsewhere"]) is None
    assert ledger.checks.claim([]) is None


def test_one_of_many_has_each(ledger: Ledger) -> None:
    keys = [put(ledger, f"c{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda _: ledger.checks.claim([STORE]), range(12)))
    got = [each.key for each in held if each is not None]
    assert len(got) == len(set(got)) <= len(keys)


def test_what_was_found_of_another_put_is_not_kept_for_this_one(ledger: Ledger) -> None:
    key = put(ledger)
    held, version = claim(ledger), ledger.configurations.get(key).version
    put(ledger)  # anew, while it is tried
    ledger.checks.finish(held, version, FINE)
    assert known(ledger) == []
    assert claim(ledger).key == key


def test_other_options_and_a_deletion_end_claims_and_what_was_known(ledger: Ledger) -> None:
    key = put(ledger)
    finish(ledger, claim(ledger))
    ledger.configurations.put_options(key, {"owner_full_control": True})
    assert known(ledger) == []
    held = claim(ledger)
    ledger.configurations.put_options(key, {})
    assert not ledger.checks.name_trial(held, "s3://reports/x")
    held = claim(ledger)
    assert ledger.checks.name_trial(held, "s3://reports/x")
    ledger.configurations.delete(key)
    assert not ledger.checks.name_trial(held, None)
    ledger.checks.finish(held, 1, FINE)
    put(ledger)
    assert known(ledger) == []
    assert claim(ledger).trial is None


def test_what_was_tried_can_be_tried_anew(ledger: Ledger) -> None:
    key = put(ledger)
    finish(ledger, claim(ledger))
    ledger.checks.want(key)
    assert known(ledger) == []
    held = claim(ledger)
    ledger.checks.want(key)  # while it is tried
    finish(ledger, held)
    assert known(ledger) == []
    finish(ledger, claim(ledger))
    assert known(ledger) == [key.id]


def test_whoever_does_not_come_back_is_followed_by_somebody_who_knows_what_they_wrote(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = put(ledger)
    gone = claim(ledger)
    assert ledger.checks.name_trial(gone, "s3://reports/x")
    assert ledger.checks.claim([STORE]) is None
    monkeypatch.setattr(checks, "CLAIM_S", 0.0)
    held = claim(ledger)
    assert (held.key, held.trial) == (key, "s3://reports/x")
    finish(ledger, gone)  # it slept
    assert known(ledger) == []
    ledger.checks.give_back(held)
    assert claim(ledger).key == ConfigurationKey(STORE, "b", "daily")
