"""Trying out what a run would do, before it is relied on: a few requests, in a bounded time, and nothing stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from uuid import uuid4

from stocktake.inventory.checking_destination import (
    bucket_findings,
    destination_checks,
    folder_findings,
    removed,
)
from stocktake.inventory.checking_source import source_checks, source_findings
from stocktake.model.addresses import LocalAddress, parse_s3_address
from stocktake.model.checks import Check, CheckResult, Finding, Outcome
from stocktake.model.errors import DestinationError, StoreError
from stocktake.model.paths import configuration_root
from stocktake.model.runs import Counters, InventoryRun, Limits
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from stocktake.store.requests import ClientLimits
from stocktake.store.transport import Transport
from stocktake.store.trial import BucketTrial

CHECK_S_MAX = 60.0
# Of one request, which is so over within half a minute, whatever happens to it.
_CONNECT_S_MAX, _ANSWER_S_MAX, _TRIES_MAX = 3.0, 10.0, 2
_CLIENT_LIMITS = ClientLimits(_TRIES_MAX, _CONNECT_S_MAX, _ANSWER_S_MAX)

_Over = Callable[[], bool]


def check_run(
    run: InventoryRun,
    *,
    monotonic: Callable[[], float],
    time_s_max: float = CHECK_S_MAX,
    stopped: _Over = lambda: False,
    tell: Callable[[str], None] = lambda _address: None,
) -> CheckResult:
    """Try what `run` would do. After `time_s_max`, or once `stopped` says so, nothing more is tried, and what is not
    known by then is unknown; what was written on trial is removed in any case, which takes a few requests more. `tell`
    is told the address of that before its first byte; what it raises ends the check.

    Raises:
        UsageError: a store cannot be as described.
    """
    counters: Counters = Counter()
    over_s = monotonic() + time_s_max

    def over() -> bool:
        return stopped() or monotonic() >= over_s

    of_source = _source(run, counters, over)
    of_destination, left = _destination(run, counters, over, tell)
    prefix = run.configuration.prefix
    return CheckResult(
        source=f"s3://{run.bucket}/{prefix}" if prefix else f"s3://{run.bucket}",
        destination=str(run.address),
        checks=(*of_source, *of_destination),
        requests=sum(count for name, count in counters.items() if name.startswith("requests.")),
        left=left,
    )


def clear_trial(run: InventoryRun, address: str) -> tuple[str, ...]:
    """Remove what an earlier check of this destination wrote to `address` and never removed; what is left, and why.

    Raises:
        UsageError, CredentialsError: the store cannot be asked.
    """
    where = parse_s3_address(address)
    connection = Connection.open(run.destination)
    with BucketTrial.open(connection, where.bucket, where.key, Counter(), _CLIENT_LIMITS) as trial:
        return trial.clear(written=True)


def _source(run: InventoryRun, counters: Counters, over: _Over) -> Sequence[Finding]:
    limits = Limits(
        concurrency=4,
        rate=run.limits.rate,
        tries_max=_TRIES_MAX,
        retry_delay_s_max=1.0,
        connect_timeout_s=_CONNECT_S_MAX,
        stall_timeout_s=_ANSWER_S_MAX,
    )

    def findings() -> Generator[Finding, None, None]:
        connection = Connection.open(run.source)
        with (
            Transport(connection, limits, counters) as transport,
            Client.open(connection, counters, limits=_CLIENT_LIMITS) as client,
        ):
            yield from source_findings(run, transport, client)

    return _all(source_checks(run), *_gathered(source_checks(run), findings(), over))


def _destination(
    run: InventoryRun, counters: Counters, over: _Over, tell: Callable[[str], None]
) -> tuple[Sequence[Finding], tuple[str, ...]]:
    """The findings, and what is left of what was written."""
    checks, address = destination_checks(run), run.address
    prefix = "" if isinstance(address, LocalAddress) else address.key
    folder = configuration_root(prefix, run.bucket, run.configuration.id)
    key = f"{folder}/check-{uuid4()}"  # not in data/, where readers may take it for rows
    if isinstance(address, LocalAddress):
        bucket = run.configuration.delivery.bucket_name
        return _all(checks, *_gathered(checks, folder_findings(address, bucket, key), over)), ()
    left: list[str] = []
    wrote = False

    def clear(trial: BucketTrial) -> None:
        nonlocal wrote
        wrote = trial.wrote
        left.extend(trial.clear())

    def findings() -> Generator[Finding, None, None]:
        connection = Connection.open(run.destination)
        with ExitStack() as doors:
            trial = doors.enter_context(
                BucketTrial.open(connection, address.bucket, key, counters, _CLIENT_LIMITS)
            )
            doors.callback(clear, trial)
            tell(trial.uri)
            yield from bucket_findings(run, trial, folder)

    found, why = _gathered(checks, findings(), over)
    if left or (wrote and Check.DELETE not in found):
        found[Check.DELETE] = removed(run, folder, tuple(left))
    return _all(checks, found, why), tuple(left)


def _gathered(
    checks: tuple[Check, ...], findings: Generator[Finding, None, None], over: _Over
) -> tuple[dict[Check, Finding], str]:
    """What was found, and why there is not more. An error that `findings` raises is the finding of what it was at."""
    found: dict[Check, Finding] = {}
    try:
        for finding in findings:
            found[finding.check] = finding
            if over():
                return found, "not tried: there was no time left"
    except (StoreError, DestinationError) as error:
        at = next((check for check in checks if check not in found), checks[-1])
        found[at] = Finding(
            check=at, outcome=Outcome.FAILED, evidence=error.message, remedy=error.hint
        )
    finally:
        findings.close()
    return found, "not tried, as something else is in the way"


def _all(checks: tuple[Check, ...], found: dict[Check, Finding], why: str) -> Sequence[Finding]:
    """A finding for each of `checks`, in their order."""
    return [
        found.get(check, Finding(check=check, outcome=Outcome.UNKNOWN, evidence=why))
        for check in checks
    ]
