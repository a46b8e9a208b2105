"""Is a report whole and true to itself? Everything it claims is checked, and what it does not claim
is said.

Every report claims the size and MD5 of its data files, their schema and its symlink.txt. Ours also
claims, in stocktake.json, how many rows and which keys each file holds, and that nothing was
missed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.aged import check_ages
from stocktake.analysis.claims import check_agreement, check_proof
from stocktake.analysis.findings import Finding, Outcome, Verification
from stocktake.analysis.report import Report
from stocktake.formats import describe
from stocktake.model.configuration import Format
from stocktake.model.errors import (
    DataFileError,
    NoSuchKeyError,
    ReportError,
)
from stocktake.model.manifest import (
    MANIFEST_BYTES_MAX,
    ManifestFile,
    destination_bucket_name,
)
from stocktake.model.paths import SIDECAR, SYMLINK, parse_manifest_key
from stocktake.model.sidecar import Sidecar, SidecarFile

_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class _Content:
    """What the rows of one data file are."""

    rows: int
    first_key: str | None
    last_key: str | None
    disorder: str | None  # the first key that should have stood before its predecessor


def verify_report(report: Report) -> Verification:
    """Check everything the report claims; its manifest.checksum was checked on opening.

    Every data file is read once for its bytes, and those of our own reports once more for their
    rows. Memory: one batch of rows.

    Raises:
        StoreError: the store cannot be asked. What is wrong with the report is a finding and never
        an error.
    """
    outcomes = [
        Outcome(checked=("manifest.json matches manifest.checksum",)),
        _check_moment(report),
        _check_files(report),
        _check_symlink(report),
        *_check_sidecar(report),
        check_ages(report),
    ]
    return Verification(
        report.address,
        tuple(fact for outcome in outcomes for fact in outcome.checked),
        tuple(fact for outcome in outcomes for fact in outcome.unclaimed),
        tuple(finding for outcome in outcomes for finding in outcome.findings),
    )


# -- the manifest ----------------------------------------------------------------------------------


def _check_moment(report: Report) -> Outcome:
    """Whether the manifest's creationTimestamp lies in the minute that the report's folder is named by."""
    named = parse_manifest_key(report.key)
    if named is None:
        return Outcome(
            unclaimed=("creationTimestamp: this copy's folder is not named by a minute",)
        )
    created = replace(named, moment=report.manifest.created)
    if created.folder != named.folder:
        found, expected = (paths.folder.rpartition("/")[2] for paths in (created, named))
        stamp = round(report.manifest.created.timestamp() * 1000)
        finding = Finding(
            "creationTimestamp",
            report.address,
            f"{stamp}, that is {found}",
            f"a moment in {expected}",
        )
        return Outcome(findings=(finding,))
    return Outcome(checked=("creationTimestamp lies in the minute that the folder is named by",))


# -- data files: bytes and schema ------------------------------------------------------------------


def _check_files(report: Report) -> Outcome:
    manifest = report.manifest
    findings = tuple(finding for file in manifest.files for finding in _file_findings(report, file))
    size = sum(file.size for file in manifest.files)
    checked = (
        f"size, MD5 and schema of {_counted(len(manifest.files), 'data file')}, {size} bytes",
    )
    return Outcome(checked, (), findings)


def _file_findings(report: Report, file: ManifestFile) -> Iterator[Finding]:
    where = report.expected(file)
    try:
        key = report.locate(file)
    except DataFileError as error:
        yield Finding("data file", where, error.message, f"{file.size} bytes")
        return
    where = report.files.uri(key)
    digest = hashlib.md5(usedforsecurity=False)
    with report.files.open(key) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != file.md5:
        yield Finding("MD5", where, digest.hexdigest(), file.md5)
        return  # what a damaged file holds says nothing more
    try:
        yield from _schema_findings(report, file, where)
    except DataFileError as error:
        yield Finding("data file", where, error.message, f"a whole {report.manifest.format} file")


def _schema_findings(report: Report, file: ManifestFile, where: str) -> Iterator[Finding]:
    manifest = report.manifest
    if manifest.format is Format.CSV:
        # A CSV file has no schema of its own: its rows must fit the manifest's. Ours are read below.
        if report.sidecar is None:
            for _ in report.file_batches(file):
                pass
        return
    with report.open(file) as source:
        _, schema = describe(manifest.format, source, name=where)
    # What stocktake writes is the same to the letter; other writers spell some of it differently.
    spelt = str if report.sidecar is not None else _names_and_types
    if spelt(schema) != spelt(manifest.schema):
        yield Finding("schema", where, schema, manifest.schema)


_SPELLINGS = {
    "(UTF8)": "(STRING)",
    "(TIMESTAMP_MILLIS)": "(TIMESTAMP(MILLIS,true))",
    "required": "optional",
}


def _names_and_types(schema: str) -> str:
    """A schema without what its writers spell differently: the name of the whole, old names of
    types, whether a column may be null, and blanks.
    """
    columns = schema[re.search("[{<]|$", schema).start() :]  # type: ignore[union-attr]  # $ is always found
    for other, ours in _SPELLINGS.items():
        columns = columns.replace(other, ours)
    return "".join(columns.split())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# -- symlink.txt -----------------------------------------------------------------------------------


def _check_symlink(report: Report) -> Outcome:
    key = report.paths.symlink
    where = report.files.uri(key)
    try:
        text = report.files.read(key, MANIFEST_BYTES_MAX).decode(errors="replace")
    except NoSuchKeyError:
        if report.at_destination or report.sidecar is not None:
            return Outcome(
                findings=(Finding(SYMLINK, where, "no such file", "one line a data file"),)
            )
        return Outcome(unclaimed=(f"{SYMLINK} is not in this copy",))
    except ReportError as error:
        return Outcome(findings=(Finding(SYMLINK, where, error.message, "one line a data file"),))
    lines = text.split("\n") if text else []
    findings = [
        Finding(f"{SYMLINK} line {number}", where, line or "nothing", _symlink_line(report, file))
        for number, (line, file) in enumerate(zip_longest(lines, report.manifest.files), 1)
        if file is None or line is None or not _names(line, file, report)
    ]
    return Outcome(
        (f"{SYMLINK} names the manifest's files, in its order",), (), tuple(findings[:10])
    )


def _names(line: str, file: ManifestFile, report: Report) -> bool:
    """Whether the line is the file's: in the bucket it was delivered to, or in some local folder."""
    if line.startswith("file://"):
        return unquote(line).endswith(f"/{file.key}")
    return line == f"s3://{destination_bucket_name(report.manifest)}/{file.key}"


def _symlink_line(report: Report, file: ManifestFile | None) -> str:
    return (
        "no line" if file is None else f"s3://{destination_bucket_name(report.manifest)}/{file.key}"
    )


# -- stocktake.json --------------------------------------------------------------------------------


def _check_sidecar(report: Report) -> Iterator[Outcome]:
    where = report.files.uri(f"{report.folder}/{SIDECAR}")
    if report.sidecar_error:
        yield Outcome(findings=(Finding(SIDECAR, where, report.sidecar_error, "a stocktake.json"),))
    if report.sidecar is None:
        yield Outcome(
            unclaimed=(
                "row counts, key order and completeness: a report without a stocktake.json claims none",
                *filter(None, [report.beside.note]),
            )
        )
        return
    yield check_agreement(report.manifest, report.sidecar, where)
    yield check_proof(report.sidecar, where)
    yield _check_rows(report, report.sidecar)


def _check_rows(report: Report, sidecar: Sidecar) -> Outcome:
    claims = {file.key: file for file in sidecar.files}
    strictly = not sidecar.configuration.all_versions
    findings: list[Finding] = []
    contents: list[tuple[str, _Content]] = []
    for file in report.manifest.files:
        where = report.expected(file)
        try:
            content = _content(report, file, strictly=strictly)
        except DataFileError as error:
            findings.append(Finding("rows", where, error.message, "readable rows"))
            continue
        contents.append((where, content))
        findings += _content_findings(where, content, claims.get(file.key))
        findings += _prefix_findings(where, content, sidecar.configuration.prefix)
    findings += _overlaps(contents)
    checked = (
        f"{_counted(sum(content.rows for _, content in contents), 'row')} counted, first and last keys,"
        " key order within and across files",
    )
    return Outcome(checked, (), tuple(findings))


def _content(report: Report, file: ManifestFile, *, strictly: bool) -> _Content:
    content = _Content(0, None, None, None)
    for batch in report.file_batches(file, ("key",)):
        if batch.num_rows:
            content = _extended(content, batch.column(0), strictly=strictly)
    return content


def _extended(content: _Content, keys: pa.Array, *, strictly: bool) -> _Content:
    """`content` with more rows behind it. Arrow compares text by its UTF-8 bytes, as stores order
    keys.
    """
    if content.last_key is not None:
        keys = pa.concat_arrays([pa.array([content.last_key], keys.type), keys])
    wrong = (pc.greater_equal if strictly else pc.greater)(keys[:-1], keys[1:])
    at = pc.index(wrong, value=True).as_py()
    disorder = content.disorder if content.disorder is not None or at < 0 else keys[at + 1].as_py()
    first = keys[0].as_py() if content.first_key is None else content.first_key
    added = len(keys) - (content.last_key is not None)
    return replace(
        content,
        rows=content.rows + added,
        first_key=first,
        last_key=keys[-1].as_py(),
        disorder=disorder,
    )


def _content_findings(
    where: str, content: _Content, claim: SidecarFile | None
) -> Iterator[Finding]:
    if content.disorder is not None:
        yield Finding(
            "key order", where, f"{content.disorder!r} behind a key not before it", "ascending keys"
        )
    if claim is None:
        return
    facts = (
        ("row count", content.rows, claim.rows),
        ("first key", content.first_key, claim.first_key),
        ("last key", content.last_key, claim.last_key),
    )
    for what, found, expected in facts:
        if found != expected:
            yield Finding(what, where, repr(found), repr(expected))


def _prefix_findings(where: str, content: _Content, prefix: str) -> Iterator[Finding]:
    """Keys outside the prefix that was asked for. In order, the first or the last is one of them."""
    for key in (content.first_key, content.last_key):
        if key is not None and not key.startswith(prefix):
            yield Finding("prefix", where, repr(key), f"a key that starts with {prefix!r}")
            return


def _overlaps(contents: list[tuple[str, _Content]]) -> Iterator[Finding]:
    """Files whose keys do not come wholly behind those of the file before."""
    filled = [(where, content) for where, content in contents if content.rows]
    for (_, left), (where, right) in pairwise(filled):
        if (
            left.last_key is not None
            and right.first_key is not None
            and right.first_key <= left.last_key
        ):
            yield Finding(
                "key order",
                where,
                f"first key {right.first_key!r}",
                f"a key after {left.last_key!r}",
            )
