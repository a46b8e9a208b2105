"""Daily and weekly periods: laws, and the days on which calendars are unusual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.configuration import Frequency
from stocktake.model.periods import due_period, next_start, period_at

MOMENTS = st.integers(946_684_800, 4_070_908_800).map(lambda s: datetime.fromtimestamp(s, UTC))
FREQUENCIES = st.sampled_from(Frequency)
HOURS = st.integers(0, 23)
DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


@given(MOMENTS, FREQUENCIES, HOURS)
def test_every_moment_lies_in_one_period_and_periods_follow_each_other(
    moment: datetime, frequency: Frequency, hour: int
) -> None:
    period = period_at(moment, frequency, hour)
    assert moment in period
    assert period.end - period.start == timedelta(days=DAYS[frequency])
    assert (period.start.hour, period.start.minute, period.start.second) == (hour, 0, 0)
    assert frequency is Frequency.DAILY or period.start.strftime("%A") == "Sunday"
    assert period_at(period.start, frequency, hour) == period
    assert period_at(period.end, frequency, hour).start == period.end
    assert period_at(period.start - timedelta.resolution, frequency, hour).end == period.start


@pytest.mark.parametrize(
    ("moment", "frequency", "start"),
    [
        ("2024-02-29T00:59", Frequency.DAILY, "2024-02-28T01:00"),
        ("2024-02-29T01:00", Frequency.DAILY, "2024-02-29T01:00"),
        ("2024-03-01T00:30", Frequency.DAILY, "2024-02-29T01:00"),
        ("2024-12-31T23:59", Frequency.DAILY, "2024-12-31T01:00"),
        ("2026-11-22T00:59", Frequency.WEEKLY, "2026-11-15T01:00"),
        ("2026-11-22T01:00", Frequency.WEEKLY, "2026-11-22T01:00"),
        ("2026-11-28T23:00", Frequency.WEEKLY, "2026-11-22T01:00"),
    ],
)
def test_unusual_days(moment: str, frequency: Frequency, start: str) -> None:
    assert period_at(at(moment), frequency).start == at(start)


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    moment = at("2026-11-26T00:30")
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert period_at(elsewhere, Frequency.DAILY) == period_at(moment, Frequency.DAILY)


def test_the_first_report_is_due_at_once_and_missed_periods_are_not_made_up_for() -> None:
    created = at("2026-11-26T15:00")
    first = due_period(created, Frequency.DAILY, created=created, done=())
    assert first is not None
    assert first.start == at("2026-11-26T01:00")
    later = at("2026-12-09T12:00")
    caught_up = due_period(later, Frequency.DAILY, created=created, done={first.start})
    assert caught_up is not None
    done = {first.start, caught_up.start}
    assert due_period(later, Frequency.DAILY, created=created, done=done) is None
    assert next_start(later, Frequency.DAILY, created=created, done=done) == at("2026-12-10T01:00")


def test_a_clock_from_before_the_configuration_asks_for_nothing() -> None:
    created = at("2026-11-26T15:00")
    before = created - timedelta(days=300)
    assert due_period(before, Frequency.DAILY, created=created, done=()) is None
    assert next_start(before, Frequency.DAILY, created=created, done=()) > created


@given(MOMENTS, FREQUENCIES, HOURS, st.timedeltas(timedelta(), timedelta(days=20)))
def test_what_is_due_next_is_due_then(
    created: datetime, frequency: Frequency, hour: int, passed: timedelta
) -> None:
    now = created + passed
    done = {period_at(now, frequency, hour).start}
    due = next_start(now, frequency, created=created, done=done, hour=hour)
    assert due > now
    assert due_period(due, frequency, created=created, done=done, hour=hour) is not None
    last = due - timedelta.resolution
    assert due_period(last, frequency, created=created, done=done, hour=hour) is None
