"""Opening a report, for the faces' commands and for the Python API."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Unpack

from stocktake.analysis.report import Report
from stocktake.analysis.report import open_report as open_at
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.options import StoreKeywords, make_store

_log = logging.getLogger("stocktake")


def open_report(address: str | Path, **store: Unpack[StoreKeywords]) -> Report:
    """Open the report at `address`: a manifest.json, a report folder or a configuration folder.

    `store` describes where an `s3://` address lies, in the words of `stocktake show`. What is held
    open for the report is closed when nothing refers to it any more.

    Raises:
        AddressError: it is no address.
        NoReportError: there is no published report.
        ManifestError: its manifest is damaged.
        StoreError: the store was asked and did not answer.
    """
    with ExitStack() as doors:
        report = doors.enter_context(opened_report(str(address), make_store(**store)))
        weakref.finalize(report, doors.pop_all().close)
    return report


@contextmanager
def opened_report(address: str, store: Store) -> Iterator[Report]:
    """The report at `address`, open while the block runs.

    Raises:
        InventoryError: as `open_report`.
    """
    with house.opened_files(address, store) as (files, key):
        report = open_at(files, key)
        _log.info("opened %s", report.address)
        yield report
