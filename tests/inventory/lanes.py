"""One lane in the test's own process: what a worker does with a range, against any server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stocktake.inventory.calls import call_plan
from stocktake.inventory.enrichment import Enricher
from stocktake.inventory.listing import ListedPage, OpenRange, list_range
from stocktake.inventory.ordering import VersionOrder
from stocktake.inventory.reading import PageReader
from stocktake.model.addresses import LocalAddress
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.fields import EXTENSION_FIELDS, choose_fields
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, InventoryRun, Limits
from stocktake.model.store import Store
from stocktake.store.connection import Connection
from stocktake.store.transport import Transport
from tests.inventory.driving import drive, gather
from tests.servers.server import Server

QUICK = Limits(
    concurrency=8, processes=1, retry_delay_s_min=0.001, retry_delay_s_max=0.01, stall_timeout_s=60
)


def make_run(
    endpoint_url: str, bucket: str, *, fields: str = "default", versions: str = "Current", prefix: str = "",
    limits: Limits = QUICK,
) -> InventoryRun:  # fmt: skip
    """A run of `bucket` that would deliver to a folder."""
    chosen = choose_fields(fields.split(",")) if fields else ()
    configuration = InventoryConfiguration.model_validate(
        {
            "Id": "test",
            "IsEnabled": True,
            "IncludedObjectVersions": versions,
            "Schedule": {"Frequency": "Daily"},
            "Filter": {"Prefix": prefix},
            "OptionalFields": [name for name in chosen if name not in EXTENSION_FIELDS],
            "Destination": {
                "S3BucketDestination": {"Bucket": "arn:aws:s3:::folder", "Format": "Parquet"}
            },
        }
    )
    store = Store(endpoint_url=endpoint_url)
    return InventoryRun(
        source=store,
        bucket=bucket,
        destination=store,
        address=LocalAddress(Path("/nowhere")),
        configuration=configuration,
        extension_fields=tuple(name for name in chosen if name in EXTENSION_FIELDS),
        moment=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        limits=limits,
    )


@dataclass(slots=True)
class Lane:
    """The doors of one lane, open."""

    run: InventoryRun
    transport: Transport
    counters: Counters = field(default_factory=Counter)

    def listed(self, keys: KeyRange | None = None) -> list[dict[str, Any]]:
        """What LIST says of the range, as rows in the report's order."""
        return [row for batch in self.batches(keys or KeyRange()) for row in batch.to_pylist()]

    def pages(self, keys: KeyRange | OpenRange) -> list[ListedPage]:
        """What LIST says of the range, as a lane gets it."""
        open_range = keys if isinstance(keys, OpenRange) else OpenRange(keys)
        plan = call_plan(self.run.fields)
        reader = PageReader(versions=self.run.configuration.all_versions)
        pages = list_range(self.run, plan, open_range, self.transport, reader)
        return drive(self.transport, gather(pages))

    def batches(self, keys: KeyRange) -> Iterator[pa.RecordBatch]:
        """What LIST says of the range, in the report's order."""
        batches = [page.rows for page in self.pages(keys) if page.rows.num_rows]
        if not self.run.configuration.all_versions:
            yield from batches
            return
        order = VersionOrder(self.counters)
        for batch in batches:
            yield from order.add(batch)
        yield from order.finish()

    def reported(self) -> list[dict[str, Any]]:
        """The report's rows."""
        return [row for batch in self.enriched() for row in batch.to_pylist()]

    def enriched(self) -> Iterator[pa.RecordBatch]:
        """The report's rows, a batch a page."""
        enricher = Enricher(self.run, call_plan(self.run.fields), self.transport)
        for batch in self.batches(KeyRange()):
            yield drive(self.transport, enricher.enrich(batch, self.counters))

    def problems(self) -> dict[str, int]:
        """What was counted under `problems.`, zeros left out."""
        return {
            name.removeprefix("problems."): count
            for name, count in self.counters.items()
            if name.startswith("problems.") and count
        }


@contextmanager
def open_lane(
    server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch, **wanted: Any
) -> Iterator[Lane]:
    """A lane over `bucket`, with the server's first user."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    run = make_run(server.endpoint_url, bucket, **wanted)
    counters: Counters = Counter()
    with Transport(Connection.open(run.source), run.limits, counters) as transport:
        yield Lane(run, transport, counters)
