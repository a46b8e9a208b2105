"""What is kept of an InventoryConfiguration that was put: the document, under which key, since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stocktake.model.checks import StoredCheck
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.report_options import ReportOptions

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html
CONFIGURATIONS_PER_BUCKET_MAX = 1000


@dataclass(frozen=True, slots=True, order=True)
class ConfigurationKey:
    """What tells one configuration from all others: an ARN says no store, and users have several.

    `store` is the name that settings give it, `bucket` the source bucket's name, `id` the configuration's Id.
    """

    store: str
    bucket: str
    id: str


@dataclass(frozen=True, slots=True)
class Suspension:
    """That a configuration runs no more until it is put again: since when, and why."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """One configuration as it was put last.

    `created` is when this key was put first, or again after it was suspended; `changed` when last. `version` is greater
    than that of every earlier put of any configuration in the same ledger, deleted ones too: two equal versions are one
    put. `owner` is whose the bucket is, as the store calls them; None where it never said. `options` are those beside
    it, and `check` is what trying it out has shown, where that is known, and was asked for.
    """

    key: ConfigurationKey
    configuration: InventoryConfiguration
    created: datetime
    changed: datetime
    version: int
    owner: str | None = None
    suspension: Suspension | None = None
    check: StoredCheck | None = None
    options: ReportOptions | None = None


@dataclass(frozen=True, slots=True)
class CheckClaim:
    """That somebody tries a configuration out since `begun`. `trial` is what an earlier one wrote, who never ended."""

    key: ConfigurationKey
    begun: datetime
    trial: str | None
