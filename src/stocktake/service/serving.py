"""What a server needs to answer: the ledger, the stores, the keys and the clock, opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stocktake.model.access import AccessKey
from stocktake.service import house
from stocktake.service.access_keys import WatchedKeys
from stocktake.service.access_tokens import WatchedTokens, tokens_file
from stocktake.service.commands.configurations import Desk
from stocktake.service.known_buckets import KnownBuckets
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import Site
from stocktake.service.telemetry import Telemetry
from stocktake.state.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Service:
    """All that answers rest on. `keys` are those of the moment; `now` is UTC. May be used from several threads."""

    sites: tuple[Site, ...]
    desk: Desk
    keys: Callable[[], Mapping[str, AccessKey]]
    now: Callable[[], datetime]
    schedule: Schedule
    tokens: WatchedTokens
    telemetry: Telemetry
    metrics_token: str | None = field(default=None, repr=False)  # who has it may read the metrics
    settings_file: Path | None = None
    monotonic: Callable[[], float] = house.monotonic

    def check(self) -> None:
        """Check that it can do its work.

        Raises:
            AccessKeysError: the file of access keys cannot be used.
            LedgerError: the ledger cannot.
        """
        self.keys()
        self.tokens()
        self.desk.kept.page(self.sites[0].name, "", rows_max=1)


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
            tokens,
            telemetry,
            settings.metrics_token,
            None if settings.file is None else settings.file.path,
        )
