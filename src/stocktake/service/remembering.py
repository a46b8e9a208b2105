"""The report that a run takes answers over from: chosen, found fit or not, and laid ready on this machine.

stocktake's own Parquet reports are read where they are; reports in a bucket are copied first. What lies in another
format is written as Parquet, and what is in no order, as AWS's reports are, is sorted on the way, out of core.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from stocktake.analysis.report import Report, open_report
from stocktake.analysis.staging import STAGED_BYTES_MAX, is_staged, stage_report
from stocktake.formats import open_writer, write_out
from stocktake.model.addresses import S3Address
from stocktake.model.configuration import Format
from stocktake.model.documents import decode, encode
from stocktake.model.errors import (
    DataFileError,
    LedgerError,
    NoReportError,
    ReportError,
    SpoolError,
    StoreError,
    UsageError,
)
from stocktake.model.fields import BY_COLUMN, Kind, report_schema
from stocktake.model.manifest import ManifestFile
from stocktake.model.paths import AGES, configuration_root, report_folder_name
from stocktake.model.remembering import (
    EPOCH,
    IDENTITY,
    NEVER_SILENT,
    Memory,
    MemoryFile,
    columns_needed,
    remembered_fields,
)
from stocktake.model.runs import NEWEST, InventoryRun, Problem, Remembering
from stocktake.model.sidecar import Sidecar, SidecarFile
from stocktake.service import house
from stocktake.service.commands.report import opened_report
from stocktake.store.connection import Connection
from stocktake.store.files import ReportFiles

# How many reports are looked at for one that is fit: after a change of fields, older ones may be.
REPORTS_MAX = 10
_FOLDER, _DOCUMENT = "memory", "memory.json"
_PIECE_BYTES = 4 * 2**20
# Rows of which a report without ages does not say that they were not answered.
_UNTOLD = (Problem.REFUSED, Problem.FAILED, Problem.VANISHED, Problem.UNKNOWABLE)


class _UnfitError(ReportError):
    """A report that this run cannot take anything over from."""


def choose_memory(run: InventoryRun) -> tuple[InventoryRun, str]:
    """`run`, with the report it takes answers over from settled: its address, or None; and, where there is a report
    that is not fit, why not.

    Raises:
        UsageError: the report that was asked for is not fit.
        InventoryError: it cannot be opened.
    """
    asked = run.remembering
    if asked.report is None or not remembered_fields(run.fields):
        return _settled(run, None), ""
    if asked.report != NEWEST:
        with opened_report(asked.report, run.destination) as report:
            try:
                return _settled(run, _checked(run, report)), ""
            except _UnfitError as error:
                raise UsageError(
                    f"--remember {asked.report}: {error.message}",
                    hint="name another report, or none with --no-remember",
                ) from error
    return _newest(run)


def _newest(run: InventoryRun) -> tuple[InventoryRun, str]:
    """The newest fit report where the run's own will lie."""
    address, delivery = run.address, run.configuration.delivery
    root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
    where = (
        f"s3://{address.bucket}/{root}" if isinstance(address, S3Address) else address.path / root
    )
    why = ""
    try:
        with house.opened_files(str(where), run.destination) as (files, key):
            for folder in _report_folders(files, key)[:REPORTS_MAX]:
                try:
                    return _settled(run, _checked(run, open_report(files, folder), own=True)), ""
                except NoReportError:
                    continue
                except ReportError as error:
                    why = why or error.message
    except StoreError as error:
        why = error.message
    return _settled(run, None), f"nothing is remembered: {why}" if why else ""


def _report_folders(files: ReportFiles, root: str) -> list[str]:
    """The report folders of a configuration, the newest first."""
    entries = [entry.rstrip("/") for entry in files.list(f"{root}/")]
    return sorted((e for e in entries if report_folder_name(e.rpartition("/")[2])), reverse=True)


def _settled(run: InventoryRun, report: Report | None) -> InventoryRun:
    asked = run.remembering
    if report is None:
        return replace(run, remembering=replace(asked, report=None))
    sidecar = report.sidecar
    before = sidecar.remembered if sidecar is not None else None
    remembering: Remembering = replace(
        asked,
        report=report.address,
        number=before.number if before is not None else 0,
        hand=before.hand if before is not None else 0,
        withheld=_withheld(run, sidecar),
    )
    return replace(run, remembering=remembering)


def _withheld(run: InventoryRun, sidecar: Sidecar | None) -> tuple[tuple[str, date, date], ...]:
    """The fields whose silence means nothing in some rows, with the first and the last day of such answers, as far as
    the report tells.
    """
    if sidecar is None:
        return ()
    said = sidecar.remembered.withheld if sidecar.remembered is not None else {}
    return tuple(
        (field.name, *said.get(field.name, (EPOCH, sidecar.started.date())))
        for field in remembered_fields(run.fields)
        if field.name in sidecar.unknowable
    )


def _checked(run: InventoryRun, report: Report, *, own: bool = False) -> Report:
    """`report`, once it is fit: about the same bucket, with all that is needed of it; `own`: surely of the same store.

    Raises:
        _UnfitError: it is not.
    """
    for why in (*_other_objects(run, report), *_untold(run, report, own=own), *_too_large(report)):
        raise _UnfitError(f"{report.address} {why}")
    return report


def _other_objects(run: InventoryRun, report: Report) -> Iterator[str]:
    """Why the report is not about what the run asks for."""
    if report.manifest.source_bucket != run.bucket:
        yield f"is about the bucket {report.manifest.source_bucket}, and not {run.bucket}"
    columns = {field.column for field in report.fields}
    versions = run.configuration.all_versions
    if ("version_id" in columns) is not versions:
        wanted, found = ("all", "current") if versions else ("current", "all")
        yield f"is about {found} versions, and not {wanted}"
    needed = columns_needed(run.fields, versions=versions)
    if lacking := [BY_COLUMN[name].name for name in needed if name not in columns]:
        known_by = ", ".join(BY_COLUMN[name].name for name in IDENTITY)
        yield f"lacks the fields {', '.join(lacking)} (objects are known again by {known_by})"


def _untold(run: InventoryRun, report: Report, *, own: bool) -> Iterator[str]:
    """What the report does not say of itself, or says otherwise."""
    sidecar = report.sidecar
    if report.sidecar_error:
        yield f"does not say of which store it is: {report.sidecar_error}"
    if sidecar is None:
        if own:
            yield "does not say of which store it is"
        elif report.beside.note and not _tells_its_gaps(run):
            yield f"may not say in which rows values are missing: {report.beside.note}"
        return
    endpoint = Connection.open(run.source, region=run.region).endpoint_url(run.bucket)
    if sidecar.endpoint != endpoint:
        yield f"is about a bucket of that name on {sidecar.endpoint}"
    untold = [kind for kind in _UNTOLD if sidecar.problems.get(kind)]
    if sidecar.ages is None and untold:
        yield f"does not say in which rows values are missing, as some are: {', '.join(untold)}"


def _tells_its_gaps(run: InventoryRun) -> bool:
    """Whether rows that were not answered show it by themselves, in what would be taken over of a report."""
    fields = remembered_fields(run.fields)
    aws = all(field.kind is not Kind.EXTENSION for field in fields)
    return aws and any(field.column in NEVER_SILENT for field in fields)


def _too_large(report: Report) -> Iterator[str]:
    """Why the report cannot be copied to this machine, which only some must be."""
    if is_staged(report):
        return
    size = sum(file.size for file in report.manifest.files)
    if size > STAGED_BYTES_MAX:
        yield f"has {size} bytes of data files; at most {STAGED_BYTES_MAX} are copied here"


def _is_ordered_parquet(report: Report) -> bool:
    """Whether its files can be read as they are."""
    return report.manifest.format is Format.PARQUET and report.sidecar is not None


# -- laying it ready ---------------------------------------------------------------------------------


def prepare_memory(run: InventoryRun, folder: Path) -> Memory | None:
    """The report that `choose_memory` chose, ready to be read; what must be copied or sorted goes into `folder`, a
    run's own. A run that goes on finds it there.

    Raises:
        InventoryError: it cannot be read, or there is no room.
    """
    address = run.remembering.report
    if address is None:
        return None
    document = folder / _DOCUMENT
    if document.exists():
        try:
            return decode(Memory, document.read_text())
        except LedgerError:
            document.unlink()
    try:
        own = folder / _FOLDER
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(mode=0o700, parents=True)
        with opened_report(address, run.destination) as report:
            memory = _laid_ready(run, report, own)
        partial = document.with_suffix(".part")
        partial.write_text(encode(memory))
        partial.rename(document)
    except OSError as error:
        raise SpoolError(
            f"{folder} does not take what is remembered: {error.strerror or error}",
            hint="free some space, or name another folder with --spool-folder",
        ) from error
    return memory


def forget_memory(folder: Path) -> None:
    """Give up what is in the run's folder: it goes on without a memory, on every later try, too."""
    (folder / _DOCUMENT).unlink(missing_ok=True)
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def _laid_ready(run: InventoryRun, report: Report, folder: Path) -> Memory:
    sidecar, own = report.sidecar, is_staged(report)
    report = report if own else stage_report(report, folder)
    if sidecar is not None and _is_ordered_parquet(report):
        files, columns = _as_they_are(report, sidecar), {f.column for f in report.fields}
    else:
        if own:
            _check_data(report)
        files, columns = _ordered(run, report, folder)
    ages = None if sidecar is None else _ages(report, sidecar, folder)
    day = (sidecar.started if sidecar is not None else report.manifest.created).date()
    return Memory(run.remembering.report or "", files, frozenset(columns), (day - EPOCH).days, ages)


def _check_data(report: Report) -> None:
    """Raises:
    DataFileError: a data file is not the one that the manifest names. Of what it holds, nothing else would tell: only
        stocktake's own Parquet has checksums of pages.
    """
    for file in report.manifest.files:
        digest = hashlib.md5(usedforsecurity=False)
        with report.open(file) as source:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
        if digest.hexdigest() != file.md5:
            raise DataFileError(
                f"the data file {report.expected(file)} has the MD5 {digest.hexdigest()}, expected {file.md5}"
            )


def _as_they_are(report: Report, sidecar: Sidecar) -> tuple[MemoryFile, ...]:
    """Parquet files of stocktake's own, on this machine."""
    claimed = {(file.key, file.md5): file for file in sidecar.files}
    files: list[MemoryFile] = []
    row = 0
    for file in report.manifest.files:
        said = claimed.get((file.key, file.md5))
        if said is None:
            raise DataFileError(f"stocktake.json says nothing of the data file {file.key}")
        if said.first_key is not None and said.last_key is not None:
            files.append(_memory_file(report, file, said, row))
        row += said.rows
    return tuple(files)


def _memory_file(report: Report, file: ManifestFile, said: SidecarFile, row: int) -> MemoryFile:
    assert said.first_key is not None
    assert said.last_key is not None
    path = Path(report.files.uri(report.locate(file)))
    return MemoryFile(path, said.first_key, said.last_key, said.rows, row)


def _ordered(
    run: InventoryRun, report: Report, folder: Path
) -> tuple[tuple[MemoryFile, ...], set[str]]:
    """The columns needed, in the order of keys, as one Parquet file."""
    # Few runs need DuckDB, which takes a while to load.
    from stocktake.analysis.differences_ordered import ordered_batches  # noqa: PLC0415

    needed = dict.fromkeys(columns_needed(run.fields, versions=run.configuration.all_versions))
    also = [field.column for field in report.fields if field.column == "storage_class"]
    names = [*needed, *also]
    path = folder / "ordered.parquet"
    fields = [BY_COLUMN[name] for name in names]
    schema = report_schema(fields)
    found = _Extent()
    with path.open("wb") as sink, open_writer(Format.PARQUET, sink, schema) as writer:
        for batch in found.noted(ordered_batches(report, names)):
            writer.write(write_out(batch, fields))
    if found.first is None or found.last is None:
        return (), set(names)
    return (MemoryFile(path, found.first, found.last, found.rows, 0),), set(names)


class _Extent:
    """From where to where rows in order reach."""

    def __init__(self) -> None:
        self.first: str | None = None
        self.last: str | None = None
        self.rows = 0

    def noted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = batch.column("key")
            self.first = keys[0].as_py() if self.first is None else self.first
            self.last = keys[-1].as_py()
            self.rows += batch.num_rows
            yield batch


def _ages(report: Report, sidecar: Sidecar, folder: Path) -> Path | None:
    """The file of ages that stocktake.json claims, on this machine, whole.

    Raises:
        DataFileError: it is missing or damaged; then nobody knows which rows have answers.
    """
    said = sidecar.ages
    if said is None:
        return None
    key = f"{report.folder}/{AGES}".removeprefix("/")
    here = is_staged(report)
    path = Path(report.files.uri(key)) if here else folder / AGES
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with report.files.open(key) as source, ExitStack() as doors:
            copy = None if here else doors.enter_context(path.open("wb"))
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                if copy is not None:
                    copy.write(piece)
    except (StoreError, ReportError) as error:
        raise DataFileError(
            f"the ages of {report.address} cannot be read: {error.message}"
        ) from error
    if digest.hexdigest() != said.md5 or said.rows != sidecar.rows:
        raise DataFileError(
            f"{report.files.uri(key)} has the MD5 {digest.hexdigest()}, expected {said.md5}"
        )
    return path
