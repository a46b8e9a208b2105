"""The commit: symlink.txt, stocktake.json, enrichment.parquet, manifest.json and, last of all, manifest.checksum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from stocktake.inventory.ageing import GatheredAges
from stocktake.inventory.enrichment import fields_never_known
from stocktake.inventory.journal import Journal
from stocktake.model.capabilities import Walk
from stocktake.model.histogram import StoredHistogram
from stocktake.model.manifest import (
    Manifest,
    file_schema,
    render_checksum,
    render_manifest,
    render_symlink,
)
from stocktake.model.paths import ReportPaths
from stocktake.model.remembering import FATES, WITHHELD, turn_of
from stocktake.model.runs import (
    Counters,
    DataFile,
    InventoryRun,
    ListedRange,
    group,
    missing_values,
)
from stocktake.model.sidecar import (
    Sidecar,
    SidecarRemembered,
    render_sidecar,
    sidecar_file,
    sidecar_range,
)
from stocktake.store.destinations import Destination


def publish(
    run: InventoryRun,
    paths: ReportPaths,
    files: Sequence[DataFile],
    sidecar: Sidecar,
    *,
    ages: GatheredAges | None,
    destination: Destination,
    journal: Journal,
) -> Manifest:
    """Write what makes the data files a report. Each object is confirmed before the next is begun, so a reader that
    sees manifest.checksum sees everything. `ages` is the file of ages, where there is one. `journal` is asked
    before each of them, and raises where the run is no longer this process's to publish.

    Raises:
        ReportExistsError: another run published there in the meantime.
        DestinationError, StoreError: an object could not be delivered; then there is no manifest.checksum.
    """
    fields = run.fields
    report_format = run.configuration.delivery.format
    manifest = Manifest(
        source_bucket=run.bucket,
        destination_bucket=destination.bucket_arn,
        created=paths.moment,
        format=report_format,
        schema=file_schema(report_format, fields),
        files=tuple(file.file for file in files),
    )
    body = render_manifest(manifest)
    symlink = render_symlink([destination.uri(file.file.key) for file in files])
    parts: list[tuple[str, Callable[[str], str | None]]] = [
        (paths.symlink, lambda key: destination.put(key, symlink)),
        (paths.sidecar, lambda key: destination.put(key, render_sidecar(sidecar))),
        (paths.manifest, lambda key: destination.put(key, body)),
        (paths.checksum, lambda key: destination.put(key, render_checksum(body))),
    ]
    if ages is not None:
        parts.insert(2, (paths.ages, lambda key: destination.upload(key, ages.path)))
    for key, write in parts:
        journal.beat()
        journal.placed(key, write(key))
    return manifest


def describe_run(
    run: InventoryRun,
    files: Sequence[DataFile],
    ranges: Sequence[ListedRange],
    counters: Counters,
    *,
    histogram: StoredHistogram,
    generator: str,
    endpoint: str,
    warnings: tuple[str, ...],
    walk: Walk,
    started: datetime,
    finished: datetime,
    ages: GatheredAges | None,
) -> Sidecar:
    """stocktake.json for a run that is complete."""
    return Sidecar(
        generator=generator,
        endpoint=endpoint,
        configuration=run.configuration,
        extension_fields=run.extension_fields,
        started=started,
        finished=finished,
        rows=counters["rows"],
        object_bytes=counters["object_bytes"],
        requests=group(counters, "requests"),
        retries=counters["retries"],
        problems=group(counters, "problems"),
        unknowable=group(counters, "unknowable"),
        missing=missing_values(counters),
        never=fields_never_known(run.fields),
        warnings=warnings,
        walk=walk,
        files=tuple(sidecar_file(file) for file in files),
        ranges=tuple(sidecar_range(each) for each in ranges),
        histogram=histogram,
        ages=None if ages is None else ages.described,
        remembered=None if ages is None else _remembered(run, counters, ages.days),
    )


def _remembered(
    run: InventoryRun, counters: Counters, days: Mapping[date, int]
) -> SidecarRemembered:
    asked = run.remembering
    counts = group(counters, "remembered")
    return SidecarRemembered(
        report=asked.report,
        number=asked.number + 1,
        hand=turn_of(asked).next,
        revisit=asked.revisit,
        days_max=asked.days_max,
        budget=asked.budget,
        deadline_s=asked.deadline_s,
        oldest=min(days, default=None),
        days=dict(days),
        revised=group(counters, "revised"),
        withheld=_withheld(run, counters),
        **{name: counts.get(name, 0) for name in FATES},
    )


def _withheld(run: InventoryRun, counters: Counters) -> dict[str, tuple[date, date]]:
    """By field, the first and the last day of answers that say nothing and may be refusals, where the report has such:
    this run's, and those that were taken over.
    """
    taken, today = group(counters, WITHHELD), run.moment.date()
    before = {name: (first, last) for name, first, last in run.remembering.withheld}
    found = {}
    for name, rows in group(counters, "unknowable").items():
        days = [*before[name]] if name in taken else []
        days += [today] * (rows > taken.get(name, 0))
        found[name] = (min(days), max(days))
    return found
