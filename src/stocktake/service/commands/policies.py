"""The use cases that only print what others put: the destination's policies, and its lifecycle rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stocktake.model.addresses import S3Address, parse_s3_address
from stocktake.model.errors import UsageError
from stocktake.model.lifecycle import Lifecycle, lifecycle
from stocktake.model.policies import (
    Writer,
    bucket_policy,
    key_statement,
    read_principals,
    read_service,
)
from stocktake.service.configuration_files import read_configuration


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy for the destination bucket, and the statement for the policy of the key, if there is one."""

    bucket: str
    bucket_policy: dict[str, Any]
    key: str | None
    key_statement: dict[str, Any] | None

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "bucket": self.bucket,
            "bucket_policy": self.bucket_policy,
            "kms_key": self.key,
            "kms_statement": self.key_statement,
        }


def destination_policies(
    source: str,
    destination: str,
    *,
    principals: Sequence[str] = (),
    aws: bool = False,
    source_account: str | None = None,
    kms: str | None = None,
    owner_full_control: bool = False,
) -> Policies:
    """What lets reports about `source` be written to `destination`, by `principals`, or by AWS's own inventory.

    Raises:
        UsageError: an address that is no bucket's, a principal that is none, or both kinds of writers.
    """
    here, there = parse_s3_address(source), parse_s3_address(destination)
    if kms is not None and not kms.strip():
        raise UsageError("--kms names no key; expected its id or ARN")
    writer = _writer(principals, aws=aws, source_account=source_account)
    return Policies(
        there.bucket,
        bucket_policy(here, there, writer, owner_full_control=owner_full_control),
        kms,
        None if kms is None else key_statement(here, writer),
    )


def _writer(principals: Sequence[str], *, aws: bool, source_account: str | None) -> Writer:
    if not aws:
        if source_account is not None:
            raise UsageError("--source-account is only for --aws")
        return read_principals(principals)
    if principals:
        raise UsageError("--aws and --principal name two writers; expected one of them")
    return read_service(source_account)


def lifecycle_rules(
    source: str,
    destination: str | None,
    *,
    keep_days: int | None,
    keep_last: int | None = None,
    identity: str | None = None,
    configuration: Path | None = None,
) -> Lifecycle:
    """Rules that do what keeping reports for `keep_days` does, as far as rules can. Id and destination may be those of
    a configuration file.

    Raises:
        UsageError: no days are said, or what cannot be said by a rule; or addresses that are no bucket's.
        ConfigurationError: the file holds none.
    """
    if keep_last is not None:
        raise UsageError(
            "a lifecycle rule counts no reports, so --keep-last cannot be said by one",
            hint="give --keep-days; the number of reports is counted by stocktake alone",
        )
    if keep_days is None:
        raise UsageError("how long reports are kept is not said", hint="give --keep-days D")
    asked = read_configuration(configuration) if configuration is not None else None
    if destination is not None:
        there = parse_s3_address(destination)
    elif asked is not None:
        there = S3Address(asked.delivery.bucket_name, asked.delivery.prefix or "")
    else:
        raise UsageError(
            "where the reports lie is not said", hint="give DESTINATION or a --configuration"
        )
    return lifecycle(
        parse_s3_address(source),
        there,
        keep_days=keep_days,
        identity=identity if identity is not None else asked.id if asked is not None else None,
        frequency=asked.schedule.frequency if asked is not None else None,
    )
