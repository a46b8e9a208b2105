"""Runs that the service does on its own: when they are due, where they stand, and what a store bears of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from stocktake.model.errors import UsageError
from stocktake.model.ledger import Claim
from stocktake.model.stored import ConfigurationKey


class ScheduledState(StrEnum):
    """Where a scheduled run stands. A running one whose lease is over is there for anybody to take over."""

    WAITING = "waiting"
    RUNNING = "running"
    PUBLISHED = "published"
    FAILED = "failed"  # as often as it may; the last good report stays
    CANCELLED = "cancelled"  # by a user, or because its configuration was deleted or disabled


UNFINISHED_STATES = (ScheduledState.WAITING, ScheduledState.RUNNING)

# A worker says that it is there every WORKER_BEAT; who has been silent for so long is taken for gone.
WORKER_BEAT = timedelta(seconds=10)
SILENT_FOR_MAX = timedelta(minutes=1)

# A run that fails waits for so long, each time longer, before it is tried again; then it has failed.
RETRY_DELAYS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
)
ATTEMPTS_MAX = len(RETRY_DELAYS) + 1
# So often a run may be claimed: one that takes every worker down with it does not do so for ever.
CLAIMS_MAX = 1000


def retry_delay(attempts: int) -> timedelta | None:
    """How long to wait after so many failed attempts; None where it was the last one."""
    return RETRY_DELAYS[attempts - 1] if attempts < ATTEMPTS_MAX else None


@dataclass(frozen=True, slots=True)
class ScheduledClaim:
    """The right to work on a scheduled run, until its lease ends or somebody cancels it. `epoch` grows with each claim
    in the ledger and is never given twice; `claim` is the same right for what the ledger has of the run itself.
    `begun`: it has been worked on, so there may be something to go on from.
    """

    key: ConfigurationKey
    claim: Claim
    epoch: int
    lease: timedelta
    begun: bool

    @property
    def run(self) -> str:
        """What the run is called."""
        return self.claim.run


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """A scheduled run as the ledger has it. `period` is the start of its period; None for one that a user asked for.
    `due` is when it may begin, at the earliest; `progress` what was told of it last: `stage`, `done`, and the counts by
    their dotted names. `attempts` counts those that failed.
    """

    id: str
    key: ConfigurationKey
    put: datetime  # the configuration, first
    period: datetime | None
    state: ScheduledState
    due: datetime
    created: datetime
    finished: datetime | None
    attempts: int
    claims: int
    lease_until: datetime | None
    owner: str | None
    progress: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """A report that a scheduled run published. `file_bytes` are those of its data files, `object_bytes` those of the
    objects that it lists; None where they are not known. `problems` counts, by kind, values that are unknown.
    """

    run: str
    period: datetime | None
    published: datetime
    manifest: str
    rows: int
    file_bytes: int | None
    object_bytes: int | None
    problems: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker, since `begun`: process `process` on `host`. `alive`: its last beat is not SILENT_FOR_MAX ago."""

    id: str
    host: str
    process: int
    version: str
    begun: datetime
    beaten: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which scheduled runs are wanted: those of a store, a bucket, a configuration, in one of these states. What is not
    said does not matter.
    """

    store: str | None = None
    bucket: str | None = None
    id: str | None = None
    states: tuple[ScheduledState, ...] = ()

    def columns(self) -> Mapping[str, str]:
        """What of a run's row must be what."""
        said = {"store": self.store, "bucket": self.bucket, "configuration_id": self.id}
        return {name: value for name, value in said.items() if value is not None}

    def covers(self, key: ConfigurationKey) -> bool:
        """Whether runs of that configuration are wanted."""
        said = ((self.store, key.store), (self.bucket, key.bucket), (self.id, key.id))
        return all(wanted in (None, found) for wanted, found in said)


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
