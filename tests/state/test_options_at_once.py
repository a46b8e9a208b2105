"""Options that several change at once: each change is judged by what it replaces, on either database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from stocktake.model.access import Grant, Role
from stocktake.model.errors import NotAllowedError
from stocktake.model.retention import Retention
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.commands.options import put_options
from stocktake.service.kept_configurations import kept_configurations
from stocktake.service.option_words import option_change
from stocktake.state.ledger import Ledger
from tests.state.ledgers import opened_at
from tests.state.scheduling import put

WRITER = Grant(Role.WRITER, ("*",))
OLD, NEW = {"destination_store": "old"}, {"destination_store": "new"}
# Who does not wait for the transaction has done its worst by then; who waits for it, goes on behind it.
ENOUGH_S = 0.5


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with opened_at(place, house.now) as opened:
        yield opened


@pytest.fixture
def other(place: str) -> Iterator[Ledger]:
    """The same ledger, as another process has it: nothing but the database makes it wait."""
    with opened_at(place, house.now) as opened:
        yield opened


def meanwhile(
    ledger: Ledger, key: ConfigurationKey, options: Mapping[str, Any], other: Callable[[], object]
) -> Future[object]:
    """What became of `other`, which began while a transaction was about to put `options`."""
    with ThreadPoolExecutor(1) as pool:
        began: list[Future[object]] = []

        def change(_before: Mapping[str, Any]) -> Mapping[str, Any]:
            began.append(pool.submit(other))
            wait(began, ENOUGH_S)
            return options

        ledger.configurations.change_options(key, change)
    return began[0]


def test_a_writer_cannot_put_a_target_back_that_an_admin_changes(
    ledger: Ledger, other: Ledger
) -> None:
    key = put(ledger)
    ledger.configurations.put_options(key, OLD)
    body = json.dumps(OLD | {"hour": 3}).encode()
    late = meanwhile(ledger, key, NEW, lambda: put_options(other.configurations, WRITER, key, body))
    with pytest.raises(NotAllowedError, match="`destination_store` says whither reports go"):
        late.result()
    assert ledger.configurations.options(key) == NEW


def test_options_do_not_outlive_a_configuration_that_is_deleted(
    ledger: Ledger, other: Ledger
) -> None:
    key = put(ledger)
    meanwhile(ledger, key, NEW, lambda: other.configurations.delete(key)).result()
    put(ledger)
    assert ledger.configurations.options(key) == {}


def test_a_change_of_retention_takes_no_other_change_back(
    ledger: Ledger, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = put(ledger)
    if "://" not in place:
        monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", place)

    def keep_three() -> Retention:
        change = option_change({"keep_last": 3}, key.id)
        url = place if "://" in place else None
        with kept_configurations(None, key.store, Store(), ledger_url=url) as kept:
            return kept.change_options(f"s3://{key.bucket}", key.id, change).retention

    assert meanwhile(ledger, key, NEW, keep_three).result() == Retention(3, None)
    assert ledger.configurations.options(key) == NEW | {"keep_last": 3}
