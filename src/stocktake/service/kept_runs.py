"""Scheduled runs where a user has them: in a ledger of their own, or on a server; the same words for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from stocktake.model.access import EVERYTHING
from stocktake.model.addresses import S3Address, parse_address
from stocktake.model.errors import ServerError, UsageError
from stocktake.model.run_documents import RunDocument, UpcomingDocument, WorkerDocument
from stocktake.model.scheduled import (
    UNFINISHED_STATES,
    KnownWorker,
    RunFilter,
    ScheduledRun,
    ScheduledState,
)
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.asking_server import asked_server, asking_server, understood
from stocktake.service.commands import scheduled as commands
from stocktake.service.commands.pages import ROWS_MAX, Page
from stocktake.service.commands.scheduled import Upcoming
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import STORE
from stocktake.state.ledger import Ledger
from stocktake.store.server_api import ServerApi

# How many runs that are over are listed unless all are asked for.
FINISHED_SHOWN = 20
PAGES_MAX = 10_000  # of one list

T = TypeVar("T")


class KeptRuns(Protocol):
    """The scheduled runs of all stores. Buckets are named by their addresses, `s3://NAME`.

    All methods raise InventoryError where what is asked is refused.
    """

    def page(
        self, states: Sequence[ScheduledState], token: str | None, rows_max: int
    ) -> Page[ScheduledRun]:
        """A page of the runs in one of these states, the newest first."""

    def upcoming(self, token: str | None) -> Page[Upcoming]:
        """A page of when each enabled configuration runs next."""

    def now(self, bucket: str, identity: str) -> ScheduledRun:
        """Have a configuration run as soon as a worker is free."""

    def cancel(self, run: str) -> ScheduledRun:
        """Cancel a run."""

    def retry(self, run: str) -> ScheduledRun:
        """Have a run that failed be tried again at once."""

    def workers(self) -> Sequence[KnownWorker]:
        """The workers that have not ended, those heard of last first."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The scheduled runs, the newest first, and when the next run of each enabled configuration is due."""

    runs: tuple[ScheduledRun, ...]
    next: Mapping[ConfigurationKey, datetime]


def overview(kept: KeptRuns, *, everything: bool = False) -> Overview:
    """All runs that are not over, and of the others the newest few, or `everything`."""
    over = [state for state in ScheduledState if state not in UNFINISHED_STATES]
    runs = _all(lambda token: kept.page(UNFINISHED_STATES, token, ROWS_MAX))
    runs += (
        _all(lambda token: kept.page(over, token, ROWS_MAX))
        if everything
        else kept.page(over, None, FINISHED_SHOWN).rows
    )
    runs.sort(key=lambda run: (-run.created.timestamp(), run.id))
    return Overview(tuple(runs), {each.key: each.due for each in _all(kept.upcoming)})


def _all(page: Callable[[str | None], Page[T]]) -> list[T]:
    found: list[T] = []
    token: str | None = None
    for _ in range(PAGES_MAX):
        asked = page(token)
        found += asked.rows
        if asked.next_token is None:
            return found
        token = asked.next_token
    raise ServerError(f"a list does not end: {PAGES_MAX} pages were read")


@contextmanager
def kept_runs(
    server: str | None,
    store_name: str | None,
    store: Store,
    *,
    token_file: Path | None = None,
    ledger_url: str | None = None,
) -> Iterator[KeptRuns]:
    """Those that the server at the URL `server` has, asked as `store` and `token_file` say; without one, those of the
    ledger at `ledger_url`, else of this machine's. `store_name` is the store of whatever is to run now.

    Raises:
        UsageError: the server cannot be as described, or two places are named.
        CredentialsError: there is nothing to ask the server with.
        LedgerError: the ledger cannot be used.
    """
    name = store_name or STORE
    asked = asked_server(server, store, ledger_url)
    if asked is None:
        with open_ledger(house.settings().state_folder, ledger_url) as ledger:
            yield _InLedger(name, ledger)
        return
    with asking_server(asked, store, token_file) as api:
        yield _OnServer(name, api)


def bucket_at(address: str) -> str:
    """The name of the bucket at `address`.

    Raises:
        UsageError: that is no bucket's address.
    """
    found = parse_address(address, folder=house.settings().working_folder)
    if not isinstance(found, S3Address) or found.key:
        raise UsageError(f"`{address}` is no bucket; expected s3://NAME")
    return found.bucket


class _InLedger:
    """On behalf of whoever may write the ledger, and so may do everything."""

    def __init__(self, store: str, ledger: Ledger) -> None:
        self._store = store
        self._schedule = ledger.schedule
        self._workers = ledger.workers

    def page(
        self, states: Sequence[ScheduledState], token: str | None, rows_max: int
    ) -> Page[ScheduledRun]:
        wanted = RunFilter(states=tuple(states))
        return commands.list_runs(
            self._schedule, EVERYTHING, wanted, token=token, rows_max=rows_max
        )

    def upcoming(self, token: str | None) -> Page[Upcoming]:
        return commands.list_upcoming(
            self._schedule, EVERYTHING, RunFilter(), token=token, rows_max=ROWS_MAX
        )

    def now(self, bucket: str, identity: str) -> ScheduledRun:
        key = ConfigurationKey(self._store, bucket_at(bucket), identity)
        return commands.run_now(self._schedule, EVERYTHING, key)

    def cancel(self, run: str) -> ScheduledRun:
        return commands.cancel_run(self._schedule, EVERYTHING, run)

    def retry(self, run: str) -> ScheduledRun:
        return commands.retry_run(self._schedule, EVERYTHING, run)

    def workers(self) -> Sequence[KnownWorker]:
        return self._workers.all()


class _OnServer:
    """On behalf of the user's key, or token."""

    def __init__(self, store: str, api: ServerApi) -> None:
        self._store = store
        self._api = api

    def page(
        self, states: Sequence[ScheduledState], token: str | None, rows_max: int
    ) -> Page[ScheduledRun]:
        query = [("limit", str(rows_max)), *(("state", str(state)) for state in states)]
        said = self._api.ask("GET", "runs", query=[*query, *_behind(token)])
        return _page(said, "runs", _run)

    def upcoming(self, token: str | None) -> Page[Upcoming]:
        query = [("limit", str(ROWS_MAX)), *_behind(token)]
        return _page(self._api.ask("GET", "upcoming", query=query), "upcoming", _upcoming)

    def now(self, bucket: str, identity: str) -> ScheduledRun:
        path = ("configurations", self._store, bucket_at(bucket), identity, "runs")
        return understood(self._api.ask("POST", *path), _run)

    def cancel(self, run: str) -> ScheduledRun:
        return understood(self._api.ask("POST", "runs", run, "cancel"), _run)

    def retry(self, run: str) -> ScheduledRun:
        return understood(self._api.ask("POST", "runs", run, "retry"), _run)

    def workers(self) -> Sequence[KnownWorker]:
        said = self._api.ask("GET", "workers")
        return understood(said, lambda said: tuple(map(_worker, said["workers"])))


def _behind(token: str | None) -> list[tuple[str, str]]:
    return [] if token is None else [("token", token)]


def _run(said: Any) -> ScheduledRun:
    return RunDocument.model_validate(said).to_run()


def _worker(said: Any) -> KnownWorker:
    return WorkerDocument.model_validate(said).to_worker()


def _upcoming(said: Any) -> Upcoming:
    found = UpcomingDocument.model_validate(said)
    return Upcoming(ConfigurationKey(found.store, found.bucket, found.id), found.due)


def _page(said: Any, name: str, read: Callable[[Any], T]) -> Page[T]:
    return understood(said, lambda page: Page(tuple(map(read, page[name])), page.get("next_token")))
