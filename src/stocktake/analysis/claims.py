"""What stocktake.json claims, held against the manifest and against itself. No data file is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from stocktake.analysis.findings import Finding, Outcome
from stocktake.model.errors import IncompleteRunError
from stocktake.model.fields import report_fields
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import (
    Manifest,
    ManifestFile,
    destination_bucket_name,
    file_schema,
)
from stocktake.model.paths import SIDECAR, configuration_root
from stocktake.model.proof import check_files, check_ranges
from stocktake.model.sidecar import Sidecar


def check_agreement(manifest: Manifest, sidecar: Sidecar, where: str) -> Outcome:
    """Whether stocktake.json and the manifest speak of the same report and the same files."""
    claimed = [ManifestFile(file.key, file.size, file.md5) for file in sidecar.files]
    findings = [
        Finding("file list", where, _shown(mine), _shown(theirs))
        for mine, theirs in zip_longest(claimed, manifest.files)
        if mine != theirs
    ]
    findings = [*_identity_findings(manifest, sidecar, where), *findings[:10]]
    return Outcome((f"{SIDECAR} and the manifest list the same files",), (), tuple(findings))


def _identity_findings(manifest: Manifest, sidecar: Sidecar, where: str) -> Iterator[Finding]:
    """What the manifest says of itself and the configuration in stocktake.json says otherwise."""
    asked = sidecar.configuration
    names = [*(asked.optional_fields or ()), *sidecar.extension_fields]
    fields = report_fields(names, all_versions=asked.all_versions)
    prefix = asked.delivery.prefix or ""
    root = f"{configuration_root(prefix, manifest.source_bucket, asked.id)}/data/"
    astray = [file.key for file in manifest.files if not file.key.startswith(root)]
    facts = (
        ("fileFormat", asked.delivery.format, manifest.format),
        ("fileSchema", file_schema(asked.delivery.format, fields), manifest.schema),
        ("destinationBucket", asked.delivery.bucket_name, destination_bucket_name(manifest)),
        ("sourceBucket", root, astray[0] if astray else root),
    )
    for what, claimed, found in facts:
        if claimed != found:
            yield Finding(what, where, claimed, found)


def _shown(file: ManifestFile | None) -> str:
    return "no file" if file is None else f"{file.key}, {file.size} bytes, MD5 {file.md5}"


def check_proof(sidecar: Sidecar, where: str) -> Outcome:
    """Whether the files' key ranges tile all the keys that were asked for, and their rows add up; and those of the
    ranges that were listed.
    """
    fact = "the files' key ranges leave no gap and do not overlap, and their rows add up"
    if not sidecar.files:
        if sidecar.rows:
            finding = Finding("rows", where, "no files", f"{sidecar.rows} rows")
            return Outcome(findings=(finding,))
        return Outcome(("there are no rows and no files",))
    prefix = sidecar.configuration.prefix
    try:
        files = sidecar.data_files()
        whole = KeyRange(files[0].range.after, files[-1].range.upto)
        check_files(files, whole, sidecar.rows)
        if sidecar.ranges:
            check_ranges(sidecar.listed_ranges(), whole, sidecar.rows)
    except (IncompleteRunError, ValueError) as error:
        return Outcome(findings=(Finding("completeness", where, str(error), fact),))
    if not _covers(whole, prefix):
        expected = f"every key that starts with {prefix!r}" if prefix else "every key"
        return Outcome(findings=(Finding("completeness", where, f"only {whole}", expected),))
    listed = "so do the ranges as they were listed"
    return Outcome((fact, listed) if sidecar.ranges else (fact,))


def _covers(whole: KeyRange, prefix: str) -> bool:
    """Whether every key that starts with `prefix` lies in `whole`."""
    starts = whole.after < prefix if prefix else whole.after == ""
    ends = whole.upto is None or (
        bool(prefix) and whole.upto > prefix and not whole.upto.startswith(prefix)
    )
    return starts and ends
