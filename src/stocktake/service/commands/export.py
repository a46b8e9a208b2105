"""Handing objects of a report on: to a file here or in a bucket."""

from __future__ import annotations

from dataclasses import dataclass

from stocktake.analysis.export import (
    BATCH_MANIFEST,
    ExportFormat,
    Matched,
    count_matches,
    manifest_fields,
    write_matches,
)
from stocktake.analysis.session import QueryLimits
from stocktake.analysis.tables import one_table
from stocktake.model.errors import ReportExistsError, SpoolError
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.commands.report import opened_report
from stocktake.service.options import choose
from stocktake.store.destinations import FolderDestination
from stocktake.store.passing import passing_folder

__all__ = ["Exported", "export"]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was handed on. `written` is False for a trial, and for a manifest that nothing matched, which nobody could
    use; `fields` are a manifest's.
    """

    address: str
    format: str
    matched: Matched
    written: bool
    fields: tuple[str, ...] | None

    def to_json(self) -> dict[str, object]:
        """The whole of it, for `--json`."""
        manifest = {"Format": BATCH_MANIFEST, "Fields": list(self.fields)} if self.fields else None
        return {
            "location": self.address,
            "format": self.format,
            "rows": self.matched.rows,
            "bytes": self.matched.bytes,
            "delete_markers": self.matched.delete_markers,
            "written": self.written,
            "spec": manifest,  # as `aws s3control create-job --manifest` wants it
        }


def export(
    address: str,
    *,
    where: str,
    to: str,
    format: str,  # noqa: A002 - the option's name
    store: Store,
    to_store: Store,
    limits: QueryLimits,
    overwrite: bool,
    dry_run: bool,
) -> Exported:
    """Write the objects of the report at `address` that `where` holds for to the file at `to`, which appears when it is
    whole. With `dry_run`, count them only.

    Raises:
        UsageError: no such format or address, or SQL that is no condition.
        ReportExistsError: there is such a file already, and it may not be replaced.
        InventoryError: the report cannot be read, or the file not be written.
    """
    form = choose(ExportFormat, format, "export format")
    with opened_report(address, store) as report, house.opened_place(to, to_store) as (place, key):
        table = one_table(report)
        there = place.exists(key)
        if there and not overwrite:
            raise ReportExistsError(
                f"{place.uri(key)} is there already", hint="choose another name, or --overwrite"
            )
        matched = count_matches(table, where, limits=limits)
        fields = manifest_fields(table) if form is ExportFormat.MANIFEST else None
        written = not dry_run and not (fields and not matched.rows)
        if written:
            with passing_folder("export", limits.spill_folder) as folder:
                path = folder / "export"
                try:
                    with path.open("wb") as sink:
                        write_matches(table, where, form, sink, limits=limits)
                except OSError as error:
                    raise SpoolError(
                        f"{path} cannot be written: {error.strerror or error}"
                    ) from error
                if there and isinstance(place, FolderDestination):
                    place.replace(key, path)
                else:
                    place.upload(key, path)
        return Exported(place.uri(key), str(form), matched, written, fields)
