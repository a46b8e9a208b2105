"""What a question is asked of: reports, each alone or several as one table, under names of their own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa

from stocktake.analysis.relation import VIEW
from stocktake.analysis.report import Report, open_report
from stocktake.model.errors import NoReportError, UsageError
from stocktake.model.fields import FIELDS, TEXT, Field, Kind, Source
from stocktake.model.partitions import PARTITION, PartitionRange, partition_name
from stocktake.model.paths import MANIFEST, parse_manifest_key
from stocktake.model.remembering import ENRICHED_AT
from stocktake.store.files import ReportFiles

DT = Field(PARTITION, PARTITION, TEXT, Source.RUN, Kind.ALWAYS)
ENRICHED = Field("EnrichedAt", ENRICHED_AT, pa.date32(), Source.RUN, Kind.EXTENSION)
_SHOWN_MAX = 3
REPORTS_MAX = 4000  # of one table: ten years of days

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PLACES = {field.column: number for number, field in enumerate(FIELDS)}


@dataclass(frozen=True)
class Table:
    """Reports, at least one, oldest first, whose rows are asked as one table called `name`.

    `dated` adds the column `dt`, the start of the run that a row comes from, as Athena's partition does; `aged` the
    column `enriched_at`, the day of a row's answers about its object, null where the report does not say.
    """

    name: str
    reports: tuple[Report, ...]
    dated: bool = False
    aged: bool = False

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The columns: of one report in its file's order, of several all that any of them has, in the table of fields'
        order and then those it does not know. `dt` is the last.

        A column that is not of one type in all of them, as no CSV report tells an unknown column's, is text.

        Raises:
            ManifestError: a report's schema names no columns.
        """
        columns = merged_fields([report.fields for report in self.reports])
        return (*columns, *[ENRICHED] * self.aged, *[DT] * self.dated)

    @cached_property
    def lacking(self) -> dict[str, tuple[Report, ...]]:
        """The columns that some of the reports lack, where they are NULL, with these reports."""
        named = [{field.column for field in report.fields} for report in self.reports]
        found = {
            field.column: tuple(
                report
                for report, columns in zip(self.reports, named, strict=True)
                if field.column not in columns
            )
            for field in self.fields
            if field not in (DT, ENRICHED)
        }
        return {column: reports for column, reports in found.items() if reports}


def merged_fields(reports: Sequence[Sequence[Field]]) -> tuple[Field, ...]:
    """All columns of these reports' fields, each once."""
    if len(reports) == 1:
        return tuple(reports[0])
    found: dict[str, Field] = {}
    for field in (field for fields in reports for field in fields):
        known = found.setdefault(field.column, field)
        if known.type != field.type:
            found[field.column] = replace(known, type=TEXT)
    return tuple(sorted(found.values(), key=lambda each: _PLACES.get(each.column, len(_PLACES))))


def one_table(report: Report, name: str = VIEW) -> Table:
    """A report alone."""
    return Table(name, (report,))


def lacking_words(table: Table, asked: Collection[str] | None = None) -> Iterator[str]:
    """What to tell whoever asks `table` for the columns `asked` (None: for all) of those that some reports lack."""
    for column, reports in table.lacking.items():
        if asked is None or column in asked:
            shown = ", ".join(map(dt_of, reports[:_SHOWN_MAX]))
            yield (
                f"{len(reports)} of the {len(table.reports)} reports of `{table.name}` lack the column"
                f" `{column}`; it is NULL there: {shown}{', ...' if len(reports) > _SHOWN_MAX else ''}"
            )


def dt_of(report: Report) -> str:
    """The report's partition."""
    return partition_name(report.paths.moment)


def check_table_name(name: str) -> str:
    """`name`, which can be a table's without quotes.

    Raises:
        UsageError: it cannot.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` cannot be a table's name; expected letters, digits and `_`, no digit first"
        )
    return name


def open_dated_table(
    files: ReportFiles, key: str, partitions: PartitionRange, *, name: str = VIEW
) -> Table:
    """The published reports in the configuration folder at `key` whose runs started within `partitions`. A folder
    without a manifest.checksum is a run that is under way or was interrupted, and is left out.

    Raises:
        NoReportError: there are none.
        UsageError: `key` names one report, or there are more reports than can be opened at once.
        ManifestError: one of them is damaged.
    """
    folder = key.rstrip("/")
    where = files.uri(folder)
    if parse_manifest_key(f"{folder.removesuffix(f'/{MANIFEST}')}/{MANIFEST}") is not None:
        raise UsageError(
            f"{where} is one report; a range of dates takes the configuration's folder above it"
        )
    moments = _moments(files, folder)
    chosen = [path for dt, path in sorted(moments.items()) if dt in partitions]
    if len(chosen) > REPORTS_MAX:
        raise UsageError(
            f"{where} has {len(chosen)} reports of these dates; at most {REPORTS_MAX} can be asked"
            " at once"
        )
    reports: list[Report] = []
    for path in chosen:
        try:
            reports.append(open_report(files, path))
        except NoReportError:
            continue
    if not reports:
        known = f"; its reports are of {min(moments)} to {max(moments)}" if moments else ""
        raise NoReportError(
            f"there is no published report of these dates in {where}{known}",
            hint="give the configuration's folder ({prefix}/{bucket}/{id}), and dates in UTC",
        )
    return Table(name, tuple(reports), dated=True)


def _moments(files: ReportFiles, folder: str) -> dict[str, str]:
    """The manifests that the folder's report folders may have, by partition."""
    found: dict[str, str] = {}
    for entry in files.list(f"{folder}/" if folder else ""):
        name = entry.rstrip("/").rpartition("/")[2]
        paths = parse_manifest_key(f"root/{name}/{MANIFEST}")
        if entry.endswith("/") and paths is not None:
            found[partition_name(paths.moment)] = f"{entry}{MANIFEST}"
    return found
