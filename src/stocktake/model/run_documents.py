"""Scheduled runs, and who works on them, as JSON: what the API answers and `--json` prints are the same documents."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from stocktake.model.scheduled import KnownWorker, ScheduledRun, ScheduledState
from stocktake.model.stored import ConfigurationKey


class RunDocument(BaseModel):
    """A scheduled run. `put` is when its configuration was put first; `period` when its period starts, null for a run
    that somebody asked for; `due` when it may begin; `attempts` counts those that failed. `progress` is what was told
    of it last: stage, rows, object_bytes, done (0 to 1, where known), requests and problems by kind.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    state: ScheduledState
    store: str
    bucket: str
    id: str
    put: datetime
    period: datetime | None
    due: datetime
    created: datetime
    finished: datetime | None
    attempts: int
    claims: int
    lease_until: datetime | None
    worker: str | None
    progress: dict[str, Any]
    error: str | None
    hint: str | None

    @classmethod
    def of(cls, run: ScheduledRun) -> RunDocument:
        """The document of a run."""
        return cls(
            run=run.id,
            state=run.state,
            store=run.key.store,
            bucket=run.key.bucket,
            id=run.key.id,
            put=run.put,
            period=run.period,
            due=run.due,
            created=run.created,
            finished=run.finished,
            attempts=run.attempts,
            claims=run.claims,
            lease_until=run.lease_until,
            worker=run.owner,
            progress=dict(run.progress),
            error=run.error,
            hint=run.hint,
        )

    def to_run(self) -> ScheduledRun:
        """The run of this document."""
        return ScheduledRun(
            id=self.run,
            key=ConfigurationKey(self.store, self.bucket, self.id),
            put=self.put,
            period=self.period,
            state=self.state,
            due=self.due,
            created=self.created,
            finished=self.finished,
            attempts=self.attempts,
            claims=self.claims,
            lease_until=self.lease_until,
            owner=self.worker,
            progress=self.progress,
            error=self.error,
            hint=self.hint,
        )


class UpcomingDocument(BaseModel):
    """When the next run of an enabled configuration is due."""

    model_config = ConfigDict(frozen=True)

    store: str
    bucket: str
    id: str
    due: datetime


class WorkerDocument(BaseModel):
    """A worker: a process of a host, since `begun`. `alive`: it was heard of within the last minute."""

    model_config = ConfigDict(frozen=True)

    id: str
    host: str
    process: int
    version: str
    begun: datetime
    beaten: datetime
    alive: bool

    @classmethod
    def of(cls, worker: KnownWorker) -> WorkerDocument:
        """The document of a worker."""
        return cls(**asdict(worker))

    def to_worker(self) -> KnownWorker:
        """The worker of this document."""
        return KnownWorker(**self.model_dump())
