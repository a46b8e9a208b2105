"""Reports as views of a DuckDB: how it comes to their data files, and that it comes to nothing else.

What lies on this machine it opens by itself, with readers of its own that run side by side; everything else is served
to it, by ranges. The views are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import pyarrow as pa

from stocktake.analysis.alike import AlikeFiles, engine_reads
from stocktake.analysis.damage import Damage
from stocktake.analysis.relation import Pulled, Source, identifier, literal
from stocktake.analysis.report import Report
from stocktake.analysis.tables import ENRICHED, Table
from stocktake.analysis.views import select_table
from stocktake.model.errors import InventoryError
from stocktake.model.fields import report_schema
from stocktake.model.manifest import ManifestFile
from stocktake.model.paths import DATA_SUFFIXES
from stocktake.store.served import Served, ServedFiles

# Letters of a path that DuckDB takes for others, or cannot be told.
_NO_PATH = re.compile(r"[*?\[\]{}\\\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Place:
    """A data file and how the engine addresses it: by its path or, where that is empty, by the name under which it is
    served.
    """

    report: Report
    file: ManifestFile
    path: str
    name: str
    files: AlikeFiles

    @property
    def address(self) -> str:
        return self.path or ServedFiles.url(self.name)

    def served(self) -> Served:
        return Served(self.file.size, self.files.opener(self.file))


def offer(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], *, direct: bool = True
) -> Damage:
    """Make each of `tables` a view. The first file of each report is opened for that; the reports stay open as long as
    the database does.

    Without `direct`, files of this machine are served, too: then nothing can write to them, whatever the SQL.

    Raises:
        DataFileError, StoreError: one of these files cannot be read.
    """
    reports = [(table, report) for table in tables for report in table.reports]
    places = [
        list(_places(number, report, direct=direct))
        # It does not read what stands beside data files of how old answers are.
        if not table.aged and engine_reads(report)
        else []
        for number, (table, report) in enumerate(reports)
    ]
    far = [place for each in places for place in each if not place.path]
    near = frozenset(place.path for each in places for place in each if place.path)
    served = ServedFiles({place.name: place.served() for place in far})
    expected = {place.address: place.report.expected(place.file) for place in far}
    damage = Damage(tables, served, expected, near)
    with damage.translated():
        if far:
            _serve(connection, served)
        sources: list[Source] = [
            [place.address for place in found] or _pulled(connection, number, table, report, served)
            for number, ((table, report), found) in enumerate(zip(reports, places, strict=True))
        ]
        for table in tables:
            selection = select_table(table, sources[: len(table.reports)])
            sources = sources[len(table.reports) :]
            connection.execute(f"CREATE VIEW {identifier(table.name)} AS {selection}")
    return damage


def lock(connection: duckdb.DuckDBPyConnection, paths: Collection[str]) -> None:
    """From here on the SQL is somebody else's, and finds nothing but what is served and the files at `paths`."""
    connection.execute(f"SET allowed_directories = [{literal(ServedFiles.url(''))}]")
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, sorted(paths)))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _places(number: int, report: Report, *, direct: bool) -> Iterator[_Place]:
    suffix, files = DATA_SUFFIXES[report.manifest.format], AlikeFiles(report)
    for place, file in enumerate(report.manifest.files):
        path = _path(report, file) if direct else ""
        yield _Place(report, file, path, f"{number:04d}-{place:06d}{suffix}", files)


def _path(report: Report, file: ManifestFile) -> str:
    """Where the engine itself finds a data file, whole by its size; empty where it does not."""
    try:
        path = report.path(file)
    except InventoryError:  # told when the file is wanted
        return ""
    return "" if path is None or _NO_PATH.search(str(path)) else str(path)


def _serve(connection: duckdb.DuckDBPyConnection, served: ServedFiles) -> None:
    # fsspec is a part of what a small question costs, and a report on this machine wants none.
    from stocktake.store.served_system import ServedFileSystem  # noqa: PLC0415

    connection.register_filesystem(ServedFileSystem(served))


def _pulled(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    table: Table,
    report: Report,
    served: ServedFiles,
) -> Source:
    """What holds the rows of data files that the engine does not read; nothing where there are no files."""
    if not report.manifest.files:
        return []
    # Arrow's datasets bring pandas with them, where it is installed: a third of what a small question costs.
    from stocktake.analysis.aged import AgedRows  # noqa: PLC0415
    from stocktake.formats.dataset import Piece, PulledDataset  # noqa: PLC0415

    name = f"pulled_rows_{number:04d}"
    schema = report_schema((*report.fields, *[ENRICHED] * table.aged))
    ranges = key_ranges(report)
    read = AgedRows(report).batches if table.aged else report.file_batches
    pieces = [
        Piece(partial(_batches, read, file, served), ranges.get(file.key))
        for file in report.manifest.files
    ]
    connection.register(name, PulledDataset(schema, pieces))
    return Pulled(name)


def key_ranges(report: Report) -> dict[str, tuple[str, str]]:
    """The first and the last key of each data file, by the file's own key, as far as stocktake.json says them of the
    very files that the manifest names.
    """
    if report.sidecar is None:
        return {}
    known = {(file.key, file.md5): file for file in report.sidecar.files}
    found = ((file, known.get((file.key, file.md5))) for file in report.manifest.files)
    return {
        file.key: (said.first_key, said.last_key)
        for file, said in found
        if said is not None and said.first_key is not None and said.last_key is not None
    }


def _batches(
    read: Callable[[ManifestFile, Sequence[str]], Iterator[pa.RecordBatch]],
    file: ManifestFile,
    served: ServedFiles,
    columns: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    return _remembered(read(file, columns), served)


def _remembered(batches: Iterator[pa.RecordBatch], served: ServedFiles) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except InventoryError as error:
        served.remember(error)
        raise
