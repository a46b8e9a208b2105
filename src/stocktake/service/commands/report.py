"""Opening reports, for the faces' commands and for the Python API."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from stocktake.analysis.report import Report
from stocktake.analysis.report import open_report as open_at
from stocktake.analysis.tables import Table, check_table_name, one_table, open_dated_table
from stocktake.model.errors import UsageError
from stocktake.model.partitions import PartitionRange, parse_partition_range
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.store.files import ReportFiles

_log = logging.getLogger("stocktake")


@contextmanager
def opened_report(address: str, store: Store) -> Iterator[Report]:
    """The report at `address`, open while the block runs.

    Raises:
        AddressError: it is no address.
        NoReportError: there is no published report.
        ManifestError: its manifest is damaged.
        StoreError: the store was asked and did not answer.
    """
    with house.opened_files(address, store) as (files, key):
        report = open_at(files, key)
        _log.info("opened %s", report.address)
        yield report


def open_table(
    files: ReportFiles, key: str, partitions: PartitionRange | None, *, name: str
) -> Table:
    """The report at `key`, or all that `partitions` has of the configuration folder there, as a table called `name`.

    Raises:
        UsageError, InventoryError: as `opened_report`; no folder, no such name.
    """
    check_table_name(name)
    if partitions is not None:
        table = open_dated_table(files, key, partitions, name=name)
    else:
        table = one_table(open_at(files, key), name)
    for report in table.reports:
        _log.info("opened %s", report.address)
    return table


@contextmanager
def opened_tables(
    addresses: Mapping[str, str],
    *,
    store: Store,
    stores: Mapping[str, Store] | None = None,
    dt: str | None = None,
    aged: bool = False,
) -> Iterator[Sequence[Table]]:
    """The reports at `addresses`, by the names they shall have as tables, open while the block runs. Each lies on its
    own of `stores`, or on `store`; with `dt`, each is a configuration's folder. `aged` tables have the column
    `enriched_at`.

    Raises:
        UsageError, InventoryError: as `open_table`.
    """
    partitions = None if dt is None else parse_partition_range(dt)
    with ExitStack() as doors:
        tables: list[Table] = []
        for name, address in addresses.items():
            where = (stores or {}).get(name, store)
            files, key = doors.enter_context(house.opened_files(address, where))
            table = open_table(files, key, partitions, name=name)
            if aged and not any(report.sidecar and report.sidecar.ages for report in table.reports):
                raise UsageError(
                    f"{table.reports[-1].address} does not say how old its answers are",
                    hint="reports of runs that ask about each object do; leave --enriched-at out",
                )
            tables.append(replace(table, aged=aged))
        yield tables
