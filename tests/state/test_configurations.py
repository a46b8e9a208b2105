"""Configurations in the ledger: what was put comes back, sorted, numbered, with its options beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.errors import (
    LedgerError,
    NoSuchConfigurationError,
    TooManyConfigurationsError,
)
from stocktake.model.stored import CONFIGURATIONS_PER_BUCKET_MAX, ConfigurationKey
from stocktake.state.configurations import Configurations
from stocktake.state.ledger import Ledger
from stocktake.state.migrations.upgrade import upgrade
from stocktake.state.opening import FILE
from stocktake.state.tables import counters
from tests.state.ledgers import START, Clock, fill_ledger

DESTINATION = {"Bucket": "arn:aws:s3:::dest", "Format": "Parquet"}
KEY = ConfigurationKey("ceph", "b", "report1")


def configuration(
    name: str = "report1", *, enabled: bool = True, prefix: str | None = None
) -> InventoryConfiguration:
    document = {
        "Id": name,
        "IsEnabled": enabled,
        "Destination": {"S3BucketDestination": DESTINATION},
        "Schedule": {"Frequency": "Daily"},
        "IncludedObjectVersions": "Current",
        "Filter": None if prefix is None else {"Prefix": prefix},
    }
    return InventoryConfiguration.model_validate(document)


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Iterator[Configurations]:
    with Ledger.open(tmp_path, now=clock) as ledger:
        yield ledger.configurations


def ids(found: object) -> list[str]:
    return [each.key.id for each in found]  # type: ignore[attr-defined]


def test_what_was_put_comes_back_with_its_moments_and_a_greater_version(
    kept: Configurations, clock: Clock
) -> None:
    first = kept.put("ceph", "b", configuration(prefix="é\U0001f600/"))
    assert (first.key, first.created, first.changed) == (KEY, START, START)
    assert first.configuration == configuration(prefix="é\U0001f600/")
    assert kept.get(KEY) == first
    clock.passes(hours=1)
    second = kept.put("ceph", "b", configuration(enabled=False))
    assert kept.get(KEY) == second
    assert (second.created, second.changed) == (START, clock())
    assert second.configuration == configuration(enabled=False)
    assert second.version > first.version


def test_a_version_is_never_used_again(kept: Configurations) -> None:
    first = kept.put("ceph", "b", configuration())
    kept.delete(KEY)
    assert kept.put("ceph", "b", configuration()).version > first.version


@pytest.mark.parametrize(
    "parts", [{}, {"Prefix": "", "Encryption": {}}, {"Encryption": {"SSES3": {}}}]
)
def test_parts_that_are_absent_or_empty_stay_so(
    kept: Configurations, parts: dict[str, object]
) -> None:
    document = configuration().model_dump(by_alias=True, mode="json")
    document["Destination"] = {"S3BucketDestination": DESTINATION | parts}
    document["OptionalFields"] = []
    put = InventoryConfiguration.model_validate(document)
    assert kept.put("ceph", "b", put).configuration == put
    assert kept.get(KEY).configuration.to_json() == put.to_json()


def test_pages_go_by_the_bytes_of_ids(kept: Configurations) -> None:
    for name in ("test-1", "z-test", "a-test", "Z", "_", "a.b", "a-"):
        kept.put("ceph", "b", configuration(name))
    kept.put("ceph", "c", configuration("elsewhere"))
    kept.put("other", "b", configuration("elsewhere"))
    ordered = ["Z", "_", "a-", "a-test", "a.b", "test-1", "z-test"]
    assert ids(kept.page("ceph", "b")) == ordered
    assert ids(kept.page("ceph", "b", rows_max=3)) == ordered[:3]
    assert ids(kept.page("ceph", "b", after="a-", rows_max=2)) == ["a-test", "a.b"]
    assert ids(kept.page("ceph", "b", after="z-test")) == []


def test_all_are_found_or_those_that_are_enabled(kept: Configurations) -> None:
    kept.put("ceph", "b", configuration("off", enabled=False))
    kept.put("ceph", "b", configuration("on"))
    kept.put("a", "z", configuration("on"))
    assert [each.key.store for each in kept.all()] == ["a", "ceph", "ceph"]
    assert ids(kept.all(enabled=True)) == ["on", "on"]
    assert ids(kept.all(enabled=False)) == ["off"]


def test_what_is_not_there_is_told(kept: Configurations) -> None:
    for ask in (kept.get, kept.delete):
        with pytest.raises(NoSuchConfigurationError, match="`report1`"):
            ask(KEY)
    with pytest.raises(NoSuchConfigurationError, match="`report1`"):
        kept.put_options(KEY, {})


def test_a_put_leaves_the_options_alone_and_a_deletion_takes_them(kept: Configurations) -> None:
    kept.put("ceph", "b", configuration())
    assert kept.options(KEY) == {}
    kept.put_options(KEY, {"keep": 3, "hour": "ü"})
    kept.put("ceph", "b", configuration(enabled=False))
    assert kept.options(KEY) == {"keep": 3, "hour": "ü"}
    kept.put_options(KEY, {"keep": 4})
    assert kept.options(KEY) == {"keep": 4}
    kept.delete(KEY)
    kept.put("ceph", "b", configuration())
    assert kept.options(KEY) == {}


def test_a_bucket_has_as_many_as_aws_allows_however_many_put_at_once(
    kept: Configurations, tmp_path: Path
) -> None:
    names = [f"{number:04}" for number in range(CONFIGURATIONS_PER_BUCKET_MAX - 2)]
    fill_ledger(tmp_path, "ceph", "b", names)

    def tries(name: str) -> bool:
        try:
            kept.put("ceph", "b", configuration(name))
        except TooManyConfigurationsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tries, "abcdefgh")) == 2
    kept.put("ceph", "b", configuration("0000", enabled=False))  # in place of one that is there
    kept.put("ceph", "c", configuration())
    with pytest.raises(TooManyConfigurationsError, match="already has 1000"):
        kept.put("ceph", "b", configuration("new"))


def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        ledger.configurations.put("ceph", "b", configuration())
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("UPDATE configurations SET document = '{}'")
        connection.close()
        with pytest.raises(LedgerError, match="configuration report1 of b cannot be read"):
            ledger.configurations.get(KEY)


def test_the_document_is_kept_as_the_aws_cli_takes_it(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        ledger.configurations.put("ceph", "b", configuration(prefix="\x00é"))
    with sqlite3.connect(tmp_path / FILE) as connection:
        [(text,)] = connection.execute("SELECT document FROM configurations").fetchall()
    connection.close()
    assert text.isascii()
    assert parse_configuration_json(text) == configuration(prefix="\x00é")


def test_counting_begins_in_a_ledger_that_was_migrated_too(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite+pysqlite:///{tmp_path / FILE}")
    with engine.begin() as connection:
        upgrade(connection)
        assert connection.execute(select(counters)).all() == [
            ("configurations", 0),
            ("epochs", 0),
        ]
    engine.dispose()
    with Ledger.open(tmp_path, now=Clock()) as ledger:
        assert ledger.configurations.put("ceph", "b", configuration()).version == 1


def test_a_page_that_was_read_before_is_as_it_is_now(kept: Configurations) -> None:
    for name in ("a", "b", "c"):
        kept.put("ceph", "photos", configuration(name))
    first = kept.page("ceph", "photos")
    assert kept.page("ceph", "photos") == first
    again = kept.put("ceph", "photos", configuration("b"))
    kept.delete(first[0].key)
    assert kept.page("ceph", "photos") == (again, first[2])
    anew = kept.put("ceph", "photos", configuration("a"))
    assert anew != first[0]
    assert kept.page("ceph", "photos") == (anew, again, first[2])
