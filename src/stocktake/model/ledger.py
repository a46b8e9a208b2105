"""What the ledger knows of a run: its state, who works on it, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class RunState(StrEnum):
    """Where a run stands. `interrupted` is never stored: it is a running one whose process is no more."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"  # killed, or the power failed: what it has is kept
    STOPPED = "stopped"  # by a signal or by an error that may pass: what it has is kept
    FAILED = "failed"  # by an error that condemns what it has
    PUBLISHED = "published"
    ABANDONED = "abandoned"  # by the user: what it has is removed


# Which state may follow which. Whoever takes a run up or gives it up does so by one conditional UPDATE.
TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.RUNNING: frozenset({RunState.STOPPED, RunState.FAILED, RunState.PUBLISHED}),
    RunState.INTERRUPTED: frozenset({RunState.RUNNING, RunState.ABANDONED}),
    RunState.STOPPED: frozenset({RunState.RUNNING, RunState.ABANDONED}),
    RunState.FAILED: frozenset({RunState.ABANDONED}),
    RunState.PUBLISHED: frozenset(),
    RunState.ABANDONED: frozenset(),
}
RESUMABLE = frozenset(state for state, then in TRANSITIONS.items() if RunState.RUNNING in then)
UNFINISHED = RESUMABLE | {RunState.RUNNING}

# The folder in which the rows of a run wait is called this and the run's id; nothing else is ever removed as one.
SPOOL_PREFIX = "stocktake-spool-"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, such that no other is ever taken for it. `boot` and `namespace` say which kernel, since which start,
    and which of its views of process ids; `started` is the process's start in ticks since then. What a system does not
    tell is empty.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @property
    def place(self) -> tuple[str, str]:
        """Where `pid` means something."""
        return (self.boot or self.host, self.namespace)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write about one run; it ends when another process takes the run up."""

    run: str
    token: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run in the ledger.

    `state` may be `interrupted`, by what is known of `owner` at the moment of asking. `source` and `destination` are
    how people write them; `document` is the InventoryRun as JSON. `rows` lie in finished pieces or, once published, in
    the report. `names` counts the keys in the destination that the run named and that no report of it names.
    """

    id: str
    state: RunState
    source: str
    destination: str
    configuration_id: str
    document: str
    spool: Path
    started: datetime
    updated: datetime
    finished: datetime | None
    owner: Owner | None
    rows: int
    names: int
    root: str | None = None
    moment: datetime | None = None
    manifest: str | None = None
    error: str | None = None
    hint: str | None = None
