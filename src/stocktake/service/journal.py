"""A run's journal, kept in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stocktake.model.addresses import LocalAddress
from stocktake.model.ledger import Claim, Upload
from stocktake.model.notifications import publication
from stocktake.model.paths import ReportPaths
from stocktake.model.pieces import Kept, Segment, delivery_of
from stocktake.model.runs import Counters, DataFile, InventoryResult, InventoryRun
from stocktake.state.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Work:
    """A run that this process works on: what it asks for, what it has already, and the folder where its rows wait."""

    claim: Claim
    run: InventoryRun
    kept: Kept
    spool: Path
    resumed: bool = False


class LedgerJournal:
    """What `inventory/journal.py` asks for. `empty`: the run has nothing that it could go on from."""

    def __init__(self, ledger: Ledger, work: Work) -> None:
        self._ledger = ledger
        self._claim = work.claim
        self._run = work.run
        self.empty = not work.kept.files and not work.kept.segments

    def folder(self, root: str, moment: datetime) -> bool:
        """Choose a report folder; False where it is another run's."""
        place = f"{_where(self._run)}/{ReportPaths(root, moment).folder}"
        return self._ledger.choose_folder(self._claim, place, root, moment)

    def spooled(self, segment: Segment) -> None:
        """Note a finished segment."""
        self.empty = False
        self._ledger.spool(self._claim, segment)

    def named(self, key: str) -> None:
        """Note the key of a data file."""
        self.empty = False
        self._ledger.name(self._claim, key)

    def uploading(self, key: str, upload_id: str) -> None:
        """Note a multipart upload."""
        self._ledger.upload(self._claim, Upload(key, upload_id))

    def delivered(self, file: DataFile, group: Sequence[Segment], spent: Counters) -> None:
        """Note a delivered data file."""
        self._ledger.deliver(self._claim, delivery_of(file, group, spent), group)

    def placed(self, key: str, version: str | None) -> None:
        """Note which version an object is that the run wrote."""
        if version is not None:
            self._ledger.place(self._claim, key, version)

    def kept(self) -> Kept:
        """What the run has finished."""
        return self._ledger.kept(self._claim.run)

    def published(self, result: InventoryResult) -> None:
        """Note that the report is published; the run is over."""
        keys = [file.key for file in result.manifest.files]
        rows = result.counters["rows"]
        said = publication(self._run, result)
        self._ledger.publish(
            self._claim, result.address, keys, rows, compared=result.compared, said=said
        )

    def beat(self) -> None:
        """Note that the run is still being worked on."""
        self._ledger.beat(self._claim)


def _where(run: InventoryRun) -> str:
    """The destination as the ledger tells it from all others; the configuration's root begins there."""
    if isinstance(run.address, LocalAddress):
        return str(run.address)
    return f"{run.destination.endpoint_url or ''} s3://{run.address.bucket}"
