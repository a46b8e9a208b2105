"""A copy of a report on this machine, whole and checked, so that what is asked of it needs no network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stocktake.analysis.report import Report, open_report
from stocktake.model.errors import AccessDeniedError, DataFileError, NoSuchKeyError, SpoolError
from stocktake.model.manifest import MANIFEST_BYTES_MAX, ManifestFile
from stocktake.model.paths import AGES, CHECKSUM, MANIFEST, SIDECAR, SIDECAR_BYTES_MAX
from stocktake.store.files import FolderFiles

if TYPE_CHECKING:
    from stocktake.model.sidecar import SidecarAges

STAGED_BYTES_MAX = 64 * 2**30
_PIECE_BYTES = 4 * 2**20
_NAMES = {SIDECAR: SIDECAR_BYTES_MAX, MANIFEST: MANIFEST_BYTES_MAX, CHECKSUM: 1024}


def is_staged(report: Report) -> bool:
    """Whether the report lies in a folder of this machine."""
    return isinstance(report.files, FolderFiles)


def stage_report(report: Report, folder: Path, *, bytes_max: int = STAGED_BYTES_MAX) -> Report:
    """Copy the report into `folder`, which is empty, and open the copy. Every data file is compared with the manifest's
    checksum on the way.

    Raises:
        SpoolError: it is larger than `bytes_max`, or the folder does not take it.
        DataFileError: a data file is missing or damaged. StoreError: it cannot be had.
    """
    total = sum(file.size for file in report.manifest.files)
    if total > bytes_max:
        raise SpoolError(
            f"{report.address} has {total} bytes of data files; at most {bytes_max} are copied here"
        )
    own = folder / report.paths.folder.rpartition("/")[2]
    try:
        own.mkdir()
        (folder / "data").mkdir()
        for file in report.manifest.files:
            _copy(report, file, folder / "data")
        if report.sidecar is not None and (ages := report.sidecar.ages) is not None:
            _copy_ages(report, ages, own)
        for name, most in _NAMES.items():  # the checksum last: it is what makes it a report
            _copy_beside(report, name, most, own)
    except OSError as error:
        raise SpoolError(f"{folder} does not take the copy: {error.strerror or error}") from error
    return open_report(*FolderFiles.at(own / MANIFEST))


def _copy(report: Report, file: ManifestFile, folder: Path) -> None:
    name = file.key.rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        raise DataFileError(f"the data file {file.key!r} has no name that a file can have")
    with report.open(file) as source:
        found = _copied(source, folder / name)
    if found != file.md5:
        raise DataFileError(
            f"the data file {report.expected(file)} has the MD5 {found}, expected {file.md5}"
        )


def _copy_ages(report: Report, ages: SidecarAges, folder: Path) -> None:
    try:
        source = report.files.open(f"{report.folder}/{AGES}".removeprefix("/"))
    except NoSuchKeyError:
        return  # who needs it finds that it is missing
    with source:
        found = _copied(source, folder / AGES)
    if found != ages.md5:
        raise DataFileError(f"{AGES} of {report.address} has the MD5 {found}, expected {ages.md5}")


def _copied(source: BinaryIO, path: Path) -> str:
    """Copy what is in `source` to `path`; its MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("xb") as copy:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()


def _copy_beside(report: Report, name: str, bytes_max: int, folder: Path) -> None:
    try:
        body = report.files.read(f"{report.folder}/{name}".removeprefix("/"), bytes_max)
    except NoSuchKeyError:
        return  # AWS's reports have no stocktake.json
    except AccessDeniedError:
        if name == SIDECAR and report.sidecar is None:
            return  # 403 is for what is absent, too
        raise
    (folder / name).write_bytes(body)
