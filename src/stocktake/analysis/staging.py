"""A copy of a report on this machine, whole and checked, so that what is asked of it needs no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stocktake.analysis.report import Report, open_report
from stocktake.model.errors import DataFileError, NoSuchKeyError, SpoolError
from stocktake.model.manifest import MANIFEST_BYTES_MAX, ManifestFile
from stocktake.model.paths import CHECKSUM, MANIFEST, SIDECAR
from stocktake.model.sidecar import SIDECAR_BYTES_MAX
from stocktake.store.files import FolderFiles

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
        for name, most in _NAMES.items():  # the checksum last: it is what makes it a report
            _copy_beside(report, name, most, own)
    except OSError as error:
        raise SpoolError(f"{folder} does not take the copy: {error.strerror or error}") from error
    return open_report(*FolderFiles.at(own / MANIFEST))


def _copy(report: Report, file: ManifestFile, folder: Path) -> None:
    name = file.key.rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        raise DataFileError(f"the data file {file.key!r} has no name that a file can have")
    digest = hashlib.md5(usedforsecurity=False)
    with report.open(file) as source, (folder / name).open("xb") as copy:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != file.md5:
        raise DataFileError(
            f"the data file {report.expected(file)} has the MD5 {digest.hexdigest()}, expected {file.md5}"
        )


def _copy_beside(report: Report, name: str, bytes_max: int, folder: Path) -> None:
    try:
        body = report.files.read(f"{report.folder}/{name}".removeprefix("/"), bytes_max)
    except NoSuchKeyError:
        return  # AWS's reports have no stocktake.json
    (folder / name).write_bytes(body)
