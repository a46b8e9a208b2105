"""What requests and bytes cost: AWS's prices by default, a table of one's own, or nothing at all.

A table is TOML with the names of `Prices`; what it leaves out costs nothing:

    name = "our store"
    currency = "EUR"
    list_per_1000 = 0.004
    head_per_1000 = 0.0004
    storage_per_gb_month = 0.02

    [storage_class_per_gb_month]
    COLD = 0.005

    [retrieval_per_gb]
    COLD = 0.02

    [minimum_days]
    COLD = 90
"""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stocktake.model.errors import UsageError
from stocktake.model.runs import Call

GB = 2**30  # as AWS counts them
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**50)]


class Prices(BaseModel):
    """A price table. `as_of` is the day from which its prices hold, where somebody noted it.

    `transfer_per_gb` is for what listings and headers bring to this machine: AWS takes nothing for that within a
    region, and a good deal for what leaves it. `storage_per_gb_month` is for every storage class that
    `storage_class_per_gb_month` does not name. By storage class are also: `retrieval_per_gb`, what reading a GB back
    costs; `minimum_bytes`, what an object is charged for at least; `minimum_days`, for how long at least; and
    `monitoring_per_1000_month`, for objects that the store moves between tiers by itself. A class that one of them
    does not name costs nothing of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    currency: Annotated[str, Field(min_length=1)] = "USD"
    as_of: date | None = None
    list_per_1000: Price = 0.0
    head_per_1000: Price = 0.0
    get_per_1000: Price = 0.0
    acl_per_1000: Price = 0.0
    tagging_per_1000: Price = 0.0
    put_per_1000: Price = 0.0
    storage_per_gb_month: Price = 0.0
    storage_class_per_gb_month: dict[str, Price] = {}
    retrieval_per_gb: dict[str, Price] = {}
    minimum_bytes: dict[str, Count] = {}
    minimum_days: dict[str, Count] = {}
    monitoring_per_1000_month: dict[str, Price] = {}
    transfer_per_gb: Price = 0.0

    def of(self, call: Call, requests: float) -> float:
        """What so many requests of one kind cost."""
        return requests / 1000 * self._per_1000[call]

    def of_storage(self, storage_class: str) -> float:
        """What a GB in a storage class costs a month."""
        return self.storage_class_per_gb_month.get(storage_class, self.storage_per_gb_month)

    @property
    def storage_classes(self) -> tuple[str, ...]:
        """The storage classes that it names."""
        by_class = (
            self.storage_class_per_gb_month,
            self.retrieval_per_gb,
            self.minimum_bytes,
            self.minimum_days,
            self.monitoring_per_1000_month,
        )
        return tuple(dict.fromkeys(name for table in by_class for name in table))

    @property
    def _per_1000(self) -> dict[Call, float]:
        return {
            Call.LIST: self.list_per_1000,
            Call.HEAD: self.head_per_1000,
            Call.PROOF: self.get_per_1000,
            Call.ACL: self.acl_per_1000,
            Call.TAGGING: self.tagging_per_1000,
            Call.CONTROL: self.put_per_1000,  # most of them are uploads, and none is dearer
        }


# AWS's price list, offer AmazonS3 of us-east-1 as it took effect on 2026-07-01
# (https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonS3/current/us-east-1/index.json), in its own words:
#   "$0.005 per 1,000 PUT, COPY, POST, or LIST requests", "$0.004 per 10,000 GET and all other requests",
#   "$0.023 per GB - first 50 TB / month of storage used".
# Requests for objects of colder classes cost more: "$0.01 per 10,000 GET and all other requests to Standard-Infrequent
# Access", "$0.1 per 10,000 GET and all other requests to Glacier Instant Retrieval". Data that stays within the region
# costs nothing, and a GB has 2^30 bytes (https://aws.amazon.com/s3/faqs/). Looked up on 2026-11-26. Storage
# classes beside S3 Standard cost what https://aws.amazon.com/s3/pricing/ says for us-east-1, INTELLIGENT_TIERING as in
# its frequent access tier, the dearest: a report does not always tell the tier. Retrieval (of GLACIER and DEEP_ARCHIVE
# the standard one), least sizes and times, and monitoring, which INTELLIGENT_TIERING takes for objects of 128 KiB and
# more, are as that page and the S3 User Guide have had them for years; they were not compared with that list. What
# an archived object is charged for its name besides (8 KiB in STANDARD, 32 KiB in the archive) is not reckoned with.
# AWS changes prices, and the user's own contract may differ, which is what a price table of one's own is for.
_LEAST_BYTES = 128 * 2**10
AWS = Prices(
    name="AWS us-east-1, S3 Standard, within the region",
    currency="USD",
    as_of=date(2026, 7, 1),
    list_per_1000=0.005,
    head_per_1000=0.0004,
    get_per_1000=0.0004,
    acl_per_1000=0.0004,
    tagging_per_1000=0.0004,
    put_per_1000=0.005,
    storage_per_gb_month=0.023,
    storage_class_per_gb_month={
        "STANDARD": 0.023,
        "REDUCED_REDUNDANCY": 0.024,
        "STANDARD_IA": 0.0125,
        "ONEZONE_IA": 0.01,
        "INTELLIGENT_TIERING": 0.023,
        "GLACIER_IR": 0.004,
        "GLACIER": 0.0036,
        "DEEP_ARCHIVE": 0.00099,
        "EXPRESS_ONEZONE": 0.11,
    },
    retrieval_per_gb={
        "STANDARD_IA": 0.01,
        "ONEZONE_IA": 0.01,
        "GLACIER_IR": 0.03,
        "GLACIER": 0.01,
        "DEEP_ARCHIVE": 0.02,
        "EXPRESS_ONEZONE": 0.0006,
    },
    minimum_bytes=dict.fromkeys(("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"), _LEAST_BYTES),
    minimum_days={
        "STANDARD_IA": 30,
        "ONEZONE_IA": 30,
        "GLACIER_IR": 90,
        "GLACIER": 90,
        "DEEP_ARCHIVE": 180,
    },
    monitoring_per_1000_month={"INTELLIGENT_TIERING": 0.0025},
    transfer_per_gb=0.0,
)
FREE = Prices(name="free")
BY_WORD = {"aws": AWS, "free": FREE}


def parse_prices(text: str, where: str) -> Prices:
    """The price table in `text`, which came from `where`.

    Raises:
        UsageError: no TOML, a name that no table has, or a price that is none.
    """
    try:
        return Prices.model_validate({"name": where, **tomllib.loads(text)})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the price table {where} is no TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(
            f"the price table {where} is nested too deep; expected tables of keys"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the table"
        raise UsageError(
            f"the price table {where} cannot be used: {place}: {first['msg']}",
            hint=f"it may hold {', '.join(Prices.model_fields)}",
        ) from error
