"""How usage has grown over several reports, and what follows if it goes on like that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

REPORTS_MIN = 3  # a line through two leaves nothing to say how good it is
HORIZONS_DAYS = (30, 90, 365)
_BAND = 2  # standard errors: about 95 % where deviations are independent and normal
_DAY = timedelta(days=1)
METHOD = (
    "a straight line through the reports by least squares; the range is two standard errors of a single value"
    " to both sides, which holds in 95 % of all cases if growth stays as it was and deviations are normal"
)


@dataclass(frozen=True, slots=True)
class Point:
    """What a report came to as a whole. None: it cannot be told."""

    dt: str
    address: str
    created: datetime
    objects: int
    bytes: int | None
    money: float | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected `days` after the newest report: between `low` and `high`, and none is below 0."""

    days: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where `what` (objects, bytes or money) goes, which has grown by `per_day`; empty for want of reports."""

    what: str
    per_day: float
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """The reports in the order of their moments, and forecasts by `method`; where there are none, `why_not` tells."""

    points: tuple[Point, ...]
    forecasts: tuple[Forecast, ...]
    method: str
    why_not: str


def growth_of(points: Sequence[Point]) -> Growth:
    """What the points, oldest first, let expect."""
    if len(points) < REPORTS_MIN:
        return Growth(tuple(points), (), METHOD, f"it takes {REPORTS_MIN} reports to forecast")
    if points[0].created == points[-1].created:
        return Growth(tuple(points), (), METHOD, "all reports are of one moment")
    found = []
    for what in ("objects", "bytes", "money"):
        values = [getattr(point, what) for point in points]
        if all(value is not None for value in values):
            found.append(forecast_line(what, [each.created for each in points], values))
    return Growth(tuple(points), tuple(found), METHOD, "")


def forecast_line(what: str, moments: Sequence[datetime], values: Sequence[float]) -> Forecast:
    """The straight line through `values` at `moments`, at least three and not all the same, and where it leads."""
    count = len(values)
    days = [(moment - moments[-1]) / _DAY for moment in moments]
    middle, mean = sum(days) / count, sum(values) / count
    spread = sum((day - middle) ** 2 for day in days)
    slope = (
        sum((day - middle) * (value - mean) for day, value in zip(days, values, strict=True))
        / spread
    )
    errors = (
        value - mean - slope * (day - middle) for day, value in zip(days, values, strict=True)
    )
    deviation = sqrt(sum(error**2 for error in errors) / (count - 2))
    expected = []
    for ahead in HORIZONS_DAYS:
        value = mean + slope * (ahead - middle)
        band = _BAND * deviation * sqrt(1 + 1 / count + (ahead - middle) ** 2 / spread)
        expected.append(
            Expected(ahead, *(max(0.0, each) for each in (value, value - band, value + band)))
        )
    return Forecast(what, slope, tuple(expected))
