"""Daily and weekly periods: which one a moment lies in, and whether its report is due. Pure functions of time, UTC.

UTC has no daylight saving, so a day is always 24 hours long, 29 February like any other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stocktake.model.configuration import Frequency

HOUR = 1  # at which periods begin unless something else is said
_DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7}
_SUNDAY = 6  # of datetime.weekday(); AWS delivers weekly reports on Sundays


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `start` on, until before `end`, both UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def period_at(moment: datetime, frequency: Frequency, hour: int = HOUR) -> Period:
    """The period in which `moment` lies. Periods begin at `hour` o'clock UTC, weekly ones on Sundays."""
    shifted = moment.astimezone(UTC) - timedelta(hours=hour)
    day = shifted.replace(hour=0, minute=0, second=0, microsecond=0)
    if frequency is Frequency.WEEKLY:
        day -= timedelta(days=(day.weekday() - _SUNDAY) % 7)
    start = day + timedelta(hours=hour)
    return Period(start, start + timedelta(days=_DAYS[frequency]))


def due_period(
    moment: datetime,
    frequency: Frequency,
    *,
    created: datetime,
    done: Collection[datetime],
    hour: int = HOUR,
) -> Period | None:
    """The period whose report is due at `moment`; None where there is none. `created` is when the configuration was put
    first, `done` are the starts of the periods that have a run already, whatever became of it.

    It is the period of the moment or none: the first report is due as soon as the configuration is there, and periods
    that went by while nobody looked are not made up for. A clock that stands before `created` is wrong, and asks for
    nothing.
    """
    period = period_at(moment, frequency, hour)
    return None if moment < created or period.start in done else period


def next_start(
    moment: datetime,
    frequency: Frequency,
    *,
    created: datetime,
    done: Collection[datetime],
    hour: int = HOUR,
) -> datetime:
    """When the next report is due, at `moment` or later."""
    if due_period(moment, frequency, created=created, done=done, hour=hour) is not None:
        return moment
    return period_at(max(moment, created), frequency, hour).end
