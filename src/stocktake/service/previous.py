"""The newest report that lies where a run's own will: what it says, and where it lets the run begin."""

from __future__ import annotations

from dataclasses import dataclass

from stocktake.model.addresses import S3Address
from stocktake.model.errors import NoReportError, ReportError, StoreError
from stocktake.model.histogram import Histogram
from stocktake.model.paths import configuration_root
from stocktake.model.runs import InventoryRun
from stocktake.model.sidecar import Sidecar
from stocktake.service.commands.report import opened_report
from stocktake.store.connection import Connection

# A range that is not worth a lane of its own is not begun as one.
HINT_ROWS_MIN = 5000
HINTS_MAX = 255


@dataclass(frozen=True, slots=True)
class Previous:
    """What was found. Without a `sidecar`, the `note` may say why not."""

    sidecar: Sidecar | None = None
    address: str = ""
    note: str = ""


def find_previous(run: InventoryRun) -> Previous:
    """The newest report at the run's destination, where it is about the same bucket of the same store."""
    address, delivery = run.address, run.configuration.delivery
    root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
    where = (
        f"s3://{address.bucket}/{root}" if isinstance(address, S3Address) else address.path / root
    )
    try:
        with opened_report(str(where), run.destination) as report:
            sidecar, at = report.sidecar, report.address
    except NoReportError:
        return Previous()
    except (ReportError, StoreError) as error:
        return Previous(note=f"there is no last report to go by: {error.message}")
    if sidecar is None:
        return Previous(note=f"{at} does not say how its run went")
    endpoint = Connection.open(run.source, region=run.region).endpoint_url(run.bucket)
    if sidecar.endpoint != endpoint:
        return Previous(note=f"{at} is about a bucket of that name on {sidecar.endpoint}")
    return Previous(sidecar, at)


def hints_of(previous: Previous) -> tuple[str, ...]:
    """Keys between which there was about equally much when the last report was made; none where nothing tells."""
    if previous.sidecar is None:
        return ()
    histogram = Histogram.of(previous.sidecar.histogram)
    return histogram.boundaries(min(HINTS_MAX, histogram.rows // HINT_ROWS_MIN))
