"""The use cases about scheduled runs: which there are and when the next are due; run now, cancel, retry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stocktake.model.addresses import S3Address, parse_address
from stocktake.model.configuration import parse_configuration_json
from stocktake.model.errors import UsageError
from stocktake.model.periods import next_start
from stocktake.model.report_options import parse_report_options
from stocktake.model.scheduled import UNFINISHED_STATES, ScheduledRun
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import STORE
from stocktake.state.ledger import Ledger
from stocktake.state.schedule import Standing

# How many runs that are over are listed unless all are asked for.
FINISHED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Overview:
    """The scheduled runs, the newest first, and when the next run of each enabled configuration is due."""

    runs: tuple[ScheduledRun, ...]
    next: Mapping[ConfigurationKey, datetime]


def list_scheduled(*, everything: bool = False, ledger_url: str | None = None) -> Overview:
    """All runs that are not over, and of the others the newest few, or `everything`."""
    with _opened(ledger_url) as ledger:
        runs = ledger.schedule.list()
        standing = ledger.schedule.standing()
        now = ledger.schedule.moment()
    over = [run.id for run in runs if run.state not in UNFINISHED_STATES]
    hidden = set() if everything else set(over[FINISHED_SHOWN:])
    return Overview(
        tuple(run for run in runs if run.id not in hidden),
        {each.key: _next(each, runs, now) for each in standing},
    )


def _next(standing: Standing, runs: Sequence[ScheduledRun], now: datetime) -> datetime:
    options = parse_report_options(json.loads(standing.options or "{}"), standing.key.id)
    own = [run for run in runs if (run.key, run.put) == (standing.key, standing.created)]
    waiting = [run.due for run in own if run.state in UNFINISHED_STATES]
    return min(
        [
            *waiting,
            next_start(
                now,
                parse_configuration_json(standing.document).schedule.frequency,
                created=standing.created,
                done={run.period for run in own if run.period is not None},
                hour=options.hour,
            ),
        ]
    )


def run_now(
    bucket: str, identity: str, *, store_name: str | None = None, ledger_url: str | None = None
) -> str:
    """Have the configuration `identity` of the bucket at the address `bucket` run as soon as a worker is free; what the
    run is called.

    Raises:
        UsageError: there is no such configuration, it is disabled, or a run of it is under way.
    """
    address = parse_address(bucket, folder=house.settings().working_folder)
    if not isinstance(address, S3Address) or address.key:
        raise UsageError(f"`{bucket}` is no bucket; expected s3://NAME")
    with _opened(ledger_url) as ledger:
        key = ConfigurationKey(store_name or STORE, address.bucket, identity)
        return ledger.schedule.run_now(key)


def cancel_run(run: str, *, ledger_url: str | None = None) -> ScheduledRun:
    """Cancel a scheduled run. A worker that is at it stops within seconds, and clears away what it left.

    Raises:
        UsageError: there is no such run.
        RunStateError: it is over.
    """
    with _opened(ledger_url) as ledger:
        ledger.schedule.cancel(run)
        return ledger.schedule.get(run)


def retry_run(run: str, *, ledger_url: str | None = None) -> ScheduledRun:
    """Have a run that failed be tried again at once, with all its attempts before it.

    Raises:
        UsageError: there is no such run.
        RunStateError: it has not failed.
    """
    with _opened(ledger_url) as ledger:
        ledger.schedule.retry(run)
        return ledger.schedule.get(run)


def _opened(ledger_url: str | None) -> Ledger:
    return open_ledger(house.settings().state_folder, ledger_url)
