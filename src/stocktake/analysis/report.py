"""Opening a report wherever it lies: in its bucket, in a folder, or copied anywhere; ours, AWS's,
or anybody's in AWS's layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from stocktake.formats import read_batches
from stocktake.model.errors import (
    AccessDeniedError,
    DataFileError,
    ManifestError,
    NoReportError,
    NoSuchKeyError,
    ReportError,
)
from stocktake.model.fields import Field
from stocktake.model.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    ManifestFile,
    destination_bucket_name,
    parse_file_schema,
    parse_manifest,
    render_checksum,
)
from stocktake.model.paths import (
    CHECKSUM,
    MANIFEST,
    SIDECAR,
    SIDECAR_BYTES_MAX,
    ReportPaths,
    parse_manifest_key,
    report_folder_name,
)
from stocktake.store.files import ReportFiles

if TYPE_CHECKING:
    from stocktake.model.sidecar import Sidecar

CHECKSUM_BYTES_MAX = 1024  # 33 in truth


@dataclass(frozen=True, slots=True)
class FoundSidecar:
    """stocktake.json as it lies beside the manifest. Without a `body`, `error` is why one that is there cannot be had,
    and `note` that the store does not tell whether there is one.
    """

    body: bytes | None
    error: str = ""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """A published report. `key` is its manifest.json's, `beside` what was found of stocktake.json.

    `bases` are the prefixes that the manifest's keys may stand behind, the likeliest first.
    """

    files: ReportFiles
    key: str
    manifest: Manifest
    beside: FoundSidecar
    bases: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where manifest.json lies, as people write it."""
        return self.files.uri(self.key)

    @property
    def folder(self) -> str:
        """The key of the report folder, without a trailing slash; empty for the root."""
        return self.key.rpartition("/")[0]

    @property
    def sidecar(self) -> Sidecar | None:
        """What stocktake.json says, where there is one that can be read."""
        return self._parsed_sidecar[0]

    @property
    def sidecar_error(self) -> str:
        """Why stocktake.json, which is there, cannot be read; empty where that is not so."""
        return self._parsed_sidecar[1]

    @cached_property
    def _parsed_sidecar(self) -> tuple[Sidecar | None, str]:
        if self.beside.body is None:
            return None, self.beside.error
        # Most questions do not ask it, and to be ready for it is a tenth of what a small one costs.
        from stocktake.model.sidecar import parse_sidecar  # noqa: PLC0415

        try:
            return parse_sidecar(self.beside.body), ""
        except ReportError as error:
            return None, error.message

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The report's columns, in file order.

        Raises:
            ManifestError: the manifest names one nobody knows.
        """
        return self.manifest.fields

    @property
    def paths(self) -> ReportPaths:
        """Where the report's other files lie, seen from where its manifest was found.

        A folder that was renamed no longer tells the moment; then the manifest does.
        """
        known = parse_manifest_key(self.key)
        if known is not None:
            return known
        return ReportPaths(self.folder.rpartition("/")[0], self.manifest.created)

    @property
    def at_destination(self) -> bool:
        """Whether the report still lies in the bucket it was delivered to."""
        return self.files.bucket == destination_bucket_name(self.manifest)

    def locate(self, file: ManifestFile) -> str:
        """The key under which a data file is found, whole by its size.

        Raises:
            DataFileError: it is nowhere, or longer or shorter than the manifest says.
        AccessDeniedError: it may be there, and cannot be had.
        """
        denied: AccessDeniedError | None = None
        for key in self._candidates(file):
            try:
                size = self.files.size(key)
            except NoSuchKeyError:
                continue
            except AccessDeniedError as error:  # absent, for those who may not list
                denied = denied or error
                continue
            if size != file.size:
                raise DataFileError(
                    f"the data file {self.files.uri(key)} holds {size} bytes, expected {file.size}"
                )
            return key
        if denied is not None:
            raise denied
        raise DataFileError(
            f"the data file {file.key} is missing: it was found neither"
            f" {self._manifests_place(file)} nor at {self.files.uri(self._candidates(file)[-1])}",
            hint="" if self.at_destination else "copy the report's `data/` beside its folder",
        )

    def open(self, file: ManifestFile) -> BinaryIO:
        """A data file, seekable.

        Raises:
            DataFileError: as `locate`.
        """
        return self.files.open(self.locate(file), file.size)

    def opener(self, file: ManifestFile) -> Callable[[], BinaryIO]:
        """What opens a data file, as often as one likes, on any thread, and looks for it once. Raises as `open`."""
        located, lock = cache(partial(self.locate, file)), Lock()

        def opened() -> BinaryIO:
            with lock:
                key = located()
            return self.files.open(key, file.size)

        return opened

    def path(self, file: ManifestFile) -> Path | None:
        """Where a data file lies on this machine; None where it lies in a bucket.

        Raises:
            DataFileError: as `locate`.
        """
        return None if self.files.bucket is not None else self.files.path(self.locate(file))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, in the manifest's order of files, typed as the table of fields has them.

        Raises:
            DataFileError: a data file is missing, short or damaged.
        """
        for file in self.manifest.files:
            yield from self.file_batches(file, columns)

    def file_batches(
        self, file: ManifestFile, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one data file; `encoded` is as `read_batches` has it.

        Raises:
            DataFileError: it is missing, short or damaged.
        """
        key = self.locate(file)
        with self.files.open(key, file.size) as source:
            name = self.files.uri(key)
            yield from read_batches(
                self.manifest.format, source, self.fields, columns, name=name, encoded=encoded
            )

    def _manifests_place(self, file: ManifestFile) -> str:
        """Where the manifest's key of a data file leads, in words."""
        if self.at_destination:
            return f"at {self.files.uri(file.key)}"
        return f"in any folder above {self.address}"

    def expected(self, file: ManifestFile) -> str:
        """Where a data file should be, as people write it; it need not be there."""
        return self.files.uri(self._candidates(file)[0])

    def _candidates(self, file: ManifestFile) -> tuple[str, ...]:
        name = file.key.rpartition("/")[2]
        beside = "/".join(part for part in (self.folder.rpartition("/")[0], "data", name) if part)
        return (*(f"{base}{file.key}" for base in self.bases), beside)


def open_report(files: ReportFiles, key: str) -> Report:
    """The report at `key`: a manifest.json, a report folder, or a configuration folder, of which
    the newest published report is taken.

    Data files are looked for at the manifest's keys, in the bucket it lies in or from any folder
    above the manifest, then beside it in `../data/`: so a copy opens wherever it was copied to.

    Raises:
        NoReportError: there is none, or none that is published.
        ManifestError: the manifest is damaged, or manifest.checksum disagrees with it.
    """
    manifest_key = _find_manifest(files, key.rstrip("/"))
    try:
        body = files.read(manifest_key, MANIFEST_BYTES_MAX)
    except NoSuchKeyError as error:
        raise NoReportError(f"there is no manifest at {files.uri(manifest_key)}") from error
    checksum = _read_checksum(files, manifest_key)
    if checksum is None:
        raise _unpublished(files, manifest_key)
    if (computed := render_checksum(body).split()) != checksum.split():
        raise ManifestError(
            f"{files.uri(manifest_key)} does not match its checksum: found MD5"
            f" {computed[0].decode()}, {CHECKSUM} says {checksum[:80].decode(errors='replace').strip()!r}",
            hint="the manifest was changed or copied incompletely; fetch it anew",
        )
    manifest = _parsed(body, files.uri(manifest_key))
    found = _read_sidecar(files, manifest_key)
    return Report(files, manifest_key, manifest, found, _bases(files, manifest_key, manifest))


def _parsed(body: bytes, where: str) -> Manifest:
    try:
        manifest = parse_manifest(body)
        parse_file_schema(manifest.format, manifest.schema)
    except ManifestError as error:
        raise ManifestError(f"{where} cannot be read: {error.message}") from error
    return manifest


def _find_manifest(files: ReportFiles, key: str) -> str:
    if key.rpartition("/")[2] == MANIFEST:
        return key
    folder = f"{key}/" if key else ""
    if _read_checksum(files, folder + MANIFEST) is not None:
        return folder + MANIFEST
    entries = files.list(folder)
    if folder + MANIFEST in entries:
        raise _unpublished(files, folder + MANIFEST)
    names = [entry.removeprefix(folder).rstrip("/") for entry in entries if entry.endswith("/")]
    reports = sorted((name for name in names if report_folder_name(name)), reverse=True)
    for name in reports:
        manifest_key = f"{folder}{name}/{MANIFEST}"
        if _read_checksum(files, manifest_key) is not None:
            return manifest_key
    where = files.uri(key)
    if reports:
        raise NoReportError(
            f"no report in {where} is published: none of its {len(reports)} report folders"
            f" has a {CHECKSUM}",
            hint="a run that was interrupted leaves such folders; run it again",
        )
    raise NoReportError(
        f"there is no inventory report at {where}",
        hint=f"give a {MANIFEST}, the folder it lies in, or the configuration's folder"
        " ({prefix}/{bucket}/{id}) above it",
    )


def _unpublished(files: ReportFiles, manifest_key: str) -> NoReportError:
    return NoReportError(
        f"the report at {files.uri(manifest_key)} is not published: there is no {CHECKSUM} beside it",
        hint="it may still be under way, or its run was interrupted",
    )


def _read_checksum(files: ReportFiles, manifest_key: str) -> bytes | None:
    try:
        return files.read(_beside(manifest_key, CHECKSUM), CHECKSUM_BYTES_MAX)
    except NoSuchKeyError:
        return None


def _read_sidecar(files: ReportFiles, manifest_key: str) -> FoundSidecar:
    """The sidecar, or why there is none; AWS's reports have none, and that is no error. To those who may not list a
    bucket, S3 answers 403 for what is not there.
    """
    try:
        return FoundSidecar(files.read(_beside(manifest_key, SIDECAR), SIDECAR_BYTES_MAX))
    except NoSuchKeyError:
        return FoundSidecar(None)
    except AccessDeniedError:
        note = (
            f"{files.uri(_beside(manifest_key, SIDECAR))} is not there or may not be read: access denied,"
            " as S3 answers for what is absent, too, unless one may list the bucket"
        )
        return FoundSidecar(None, note=note)
    except ReportError as error:
        return FoundSidecar(None, error=error.message)


def _beside(key: str, name: str) -> str:
    folder, slash, _ = key.rpartition("/")
    return f"{folder}{slash}{name}"


def _bases(files: ReportFiles, manifest_key: str, manifest: Manifest) -> tuple[str, ...]:
    """The prefixes to try before the manifest's keys: the nearest folder above the manifest first,
    but the bucket's root in the bucket it was delivered to. The one that has the first file goes
    ahead.
    """
    above = manifest_key.split("/")[:-1]
    bases = ["/".join(above[:depth]) + "/" if depth else "" for depth in range(len(above), -1, -1)]
    if files.bucket == destination_bucket_name(manifest):
        bases.reverse()
    for base in bases:
        if manifest.files and _exists(files, base + manifest.files[0].key):
            bases.remove(base)
            return (base, *bases)
    return tuple(bases)


def _exists(files: ReportFiles, key: str) -> bool:
    try:
        files.size(key)
    except (NoSuchKeyError, AccessDeniedError):
        return False
    return True
