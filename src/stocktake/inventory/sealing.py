"""Whether the rows in a spool outlast a crash: a segment is sealed when it is finished, and looked at before it is used
again.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from stocktake.model.errors import SpoolError
from stocktake.model.pieces import Segment

_PIECE_BYTES = 2**20


def seal(segment: Segment) -> Segment:
    """`segment`, once its file is on the disk for good, with the file's size and checksum.

    Raises:
        SpoolError: it cannot be kept.
    """
    if segment.path is None:
        return segment
    try:
        with segment.path.open("rb") as file:
            size, checksum = _sum(file)
            os.fsync(file.fileno())
        _sync_folder(segment.path.parent)
    except OSError as error:
        raise SpoolError(
            f"cannot keep rows in {segment.path}: {error.strerror or error}",
            hint="free some space, or name another folder with --spool-folder",
        ) from error
    return replace(segment, size=size, checksum=checksum)


def is_intact(segment: Segment) -> bool:
    """Whether the rows of a sealed segment are still there, every byte of them."""
    if segment.path is None:
        return segment.rows == 0
    try:
        with segment.path.open("rb") as file:
            return _sum(file) == (segment.size, segment.checksum)
    except OSError:
        return False


def _sum(file: BinaryIO) -> tuple[int, str]:
    """A file's bytes and their CRC-32: a disk that lost power tears files, it does not forge them."""
    size = checksum = 0
    while piece := file.read(_PIECE_BYTES):
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
    return size, f"{checksum:08x}"


def make_durable(path: Path) -> None:
    """Have a file that was written outlast a crash.

    Raises:
        OSError: it cannot.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk for good when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
