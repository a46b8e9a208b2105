"""Runs that the service does on its own: when they are due, and where they stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

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
