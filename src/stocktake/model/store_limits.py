"""What a store bears of runs that the service does on its own, as its settings say it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from stocktake.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of every day, UTC, in which a store is left alone: from `begin` on, until before `end`, over midnight
    where that is earlier.
    """

    begin: time
    end: time

    def __contains__(self, moment: datetime) -> bool:
        now = moment.time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What a store bears. None: no bound."""

    requests_per_second: float | None = None  # over all runs
    runs_at_a_time: int | None = None
    quiet_hours: QuietHours | None = None

    @property
    def rate(self) -> float | None:
        """Requests a second that one run may make, so that all together stay within the bound."""
        if self.requests_per_second is None:
            return None
        return self.requests_per_second / (self.runs_at_a_time or 1)

    @property
    def runs_max(self) -> int | None:
        """Runs at a time. Where requests are bounded and runs are not, one: each must know its share."""
        return (
            1 if self.runs_at_a_time is None and self.requests_per_second else self.runs_at_a_time
        )

    def quiet(self, moment: datetime) -> bool:
        """Whether the store is to be left alone at `moment`."""
        return self.quiet_hours is not None and moment in self.quiet_hours


# The settings of a store that bound what it must bear: what each means.
LIMIT_KEYS: Mapping[str, str] = {
    "requests_per_second": "requests a second over all runs, at most; without `runs_at_a_time`, one run at a time",
    "runs_at_a_time": "runs that may work on the store's buckets at the same time",
    "quiet_hours": "when no run works, UTC, as HH:MM-HH:MM; those that are under way go on afterwards",
}
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_RUNS_MAX = 1000
_RATE_MAX = 1_000_000


def parse_store_limits(table: Mapping[str, Any], where: str) -> StoreLimits:
    """The limits among the settings of the store that is described at `where`.

    Raises:
        UsageError: a value makes no sense.
    """
    rate, runs, hours = (table.get(name) for name in LIMIT_KEYS)
    if rate is not None and not _number(rate, (int, float), _RATE_MAX):
        raise _wrong("requests_per_second", rate, where, f"more than 0, at most {_RATE_MAX}")
    if runs is not None and not _number(runs, (int,), _RUNS_MAX):
        raise _wrong("runs_at_a_time", runs, where, f"1 to {_RUNS_MAX}")
    quiet = None
    if hours is not None:
        match = _HOURS.fullmatch(hours) if isinstance(hours, str) else None
        if match is None or hours[:5] == hours[6:]:
            raise _wrong("quiet_hours", hours, where, "HH:MM-HH:MM, such as 08:00-18:00")
        parts = [int(part) for part in match.groups()]
        quiet = QuietHours(time(parts[0], parts[1]), time(parts[2], parts[3]))
    return StoreLimits(None if rate is None else float(rate), runs, quiet)


def _number(value: object, kinds: tuple[type, ...], most: float) -> bool:
    return type(value) in kinds and isinstance(value, int | float) and 0 < value <= most


def _wrong(name: str, value: object, where: str, expected: str) -> UsageError:
    return UsageError(f"`{name}` of {where} is `{value}`; expected {expected}")
