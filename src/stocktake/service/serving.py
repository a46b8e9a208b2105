"""What a server needs to answer: the ledger, the stores, the keys and the clock, opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stocktake.model.access import AccessKey
from stocktake.model.errors import NobodyWorksError
from stocktake.model.scheduled import SILENT_FOR_MAX
from stocktake.service import house
from stocktake.service.access_keys import WatchedKeys
from stocktake.service.access_tokens import WatchedTokens, tokens_file
from stocktake.service.commands.configurations import Desk
from stocktake.service.known_buckets import KnownBuckets
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import Site
from stocktake.service.telemetry import Telemetry
from stocktake.state.reports import Reports
from stocktake.state.schedule import Schedule
from stocktake.state.workers import Workers


@dataclass(frozen=True, slots=True)
class Service:
    """All that answers rest on. `keys` are those of the moment; `now` is UTC. May be used from several threads."""

    sites: tuple[Site, ...]
    desk: Desk
    keys: Callable[[], Mapping[str, AccessKey]]
    now: Callable[[], datetime]
    schedule: Schedule
    reports: Reports
    workers: Workers
    bucket_names: Callable[[str], Sequence[str]]  # of a store, by what it is called
    tokens: WatchedTokens
    telemetry: Telemetry
    metrics_token: str | None = field(default=None, repr=False)  # who has it may read the metrics
    settings_file: Path | None = None
    monotonic: Callable[[], float] = house.monotonic

    def check(self) -> None:
        """Check that it can do its work, and that somebody takes the inventories that are due.

        Raises:
            AccessKeysError: the file of access keys cannot be used.
            LedgerError: the ledger cannot.
            NobodyWorksError: no worker has been heard of lately.
        """
        self.keys()
        self.tokens()
        if not self.workers.any_alive():
            raise NobodyWorksError(
                f"no worker was heard of for {SILENT_FOR_MAX.total_seconds():g} s",
                hint="see whether `stocktake worker` runs over the same ledger",
            )


@contextmanager
def opened_service(sites: tuple[Site, ...]) -> Iterator[Service]:
    """A service for these stores, over the user's own ledger and keys; connections close with the block.

    Raises:
        AccessKeysError: the file of access keys cannot be used.
        LedgerError: the ledger cannot.
    """
    settings = house.settings()
    keys = WatchedKeys(settings.keys_file)
    keys()
    tokens = WatchedTokens(tokens_file(settings.keys_file))
    tokens()
    stores = {site.name: site.store for site in sites}
    with (
        open_ledger(settings.state_folder) as ledger,
        KnownBuckets(stores, house.monotonic) as buckets,
    ):
        telemetry = Telemetry(ledger.observing, settings.metrics_configurations, house.monotonic)
        ledger.watch(telemetry.watched)
        desk = Desk(ledger.configurations, buckets.check, buckets.owner, ledger.checks)
        yield Service(
            sites,
            desk,
            keys,
            house.now,
            ledger.schedule,
            ledger.reports,
            ledger.workers,
            buckets.names,
            tokens,
            telemetry,
            settings.metrics_token,
            None if settings.file is None else settings.file.path,
        )
