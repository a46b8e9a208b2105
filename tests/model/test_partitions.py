"""Ranges of partitions: what `--dt` means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import UsageError
from stocktake.model.partitions import PartitionRange, parse_partition_range, partition_name


def test_a_partition_is_the_moment_in_utc_as_awss_hive_folder_has_it() -> None:
    east = timezone(timedelta(hours=2))
    assert partition_name(datetime(2026, 11, 22, 3, 7, tzinfo=east)) == "2026-11-22-01-07"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2026-11-01..2026-11-22", ["2026-11-01-00-00", "2026-11-22-23-59"],
         ["2026-10-31-23-59", "2026-11-23-00-00"]),
        ("2026-11-22", ["2026-11-22-00-00", "2026-11-22-23-59"], ["2026-11-21-23-59", "2026-11-23-00-00"]),
        ("2026-11..", ["2026-11-01-00-00", "2031-01-01-00-00"], ["2026-10-31-23-59"]),
        ("..2025", ["2019-01-01-00-00", "2025-12-31-23-59"], ["2026-01-01-00-00"]),
        ("..", ["0001-01-01-00-00", "9999-12-31-23-59"], []),
        ("2026-11-22T01-00Z..2026-11-22-01-05", ["2026-11-22-01-00", "2026-11-22-01-05"],
         ["2026-11-22-00-59", "2026-11-22-01-06"]),
    ],
)  # fmt: skip
def test_an_end_stands_for_all_of_its_day_or_year(
    text: str, inside: list[str], outside: list[str]
) -> None:
    found = parse_partition_range(text)
    assert all(partition in found for partition in inside)
    assert not any(partition in found for partition in outside)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13", "2026-02-30..", "2026-11-22..2026-11-01", "2026..2025-06", "22"],
)
def test_what_is_no_range_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected FROM\.\.TO") as error:
        parse_partition_range(text)
    assert text in error.value.message


MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, MOMENTS, MOMENTS)
def test_between_two_minutes_lie_the_minutes_between(
    first: datetime, last: datetime, moment: datetime
) -> None:
    first, last = sorted((partition_name(first), partition_name(last)))
    found = partition_name(moment) in PartitionRange(first, last)
    assert found is (first <= partition_name(moment) <= last)
    assert parse_partition_range(f"{first}..{last}") == PartitionRange(first, last)
