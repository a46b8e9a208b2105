"""Folders for what nobody needs afterwards. What a killed process leaves behind, the next one removes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from stocktake.model.errors import SpoolError

_PREFIX = "stocktake-passing-"
_TRIES = 100
_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def passing_folder(purpose: str, above: Path | None = None) -> Iterator[Path]:
    """A new, empty folder in `above` (None: where this machine has such folders), removed when the block ends.

    Whoever has it holds a lock on it, which ends with the process however that ends: so those that nobody holds any
    more are removed first. Only folders of this user, made by this function, are looked at.

    Raises:
        SpoolError: it cannot be made.
    """
    place = above or Path(tempfile.gettempdir())
    try:
        _remove_abandoned(place)
        folder, held = _made(purpose, place)
    except OSError as error:
        raise SpoolError(
            f"no folder for passing files can be made in {place}: {error.strerror or error}"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _made(purpose: str, place: Path) -> tuple[Path, int]:
    """A folder, and the descriptor that holds it."""
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-", dir=place))
        # From here on another may take it for one that was left behind. Where the file system knows no locks nobody
        # can, and nothing is ever removed but by whoever made it.
        with suppress(FileNotFoundError):
            held = os.open(folder, _AS_FOLDER)
            if _lock(held) is not _Lock.ANOTHERS and _is_there(folder, held):
                return folder, held
            os.close(held)
    raise OSError(f"{_TRIES} folders were removed as soon as they were made")


def _remove_abandoned(place: Path) -> None:
    for entry in os.scandir(place):
        if not entry.name.startswith(_PREFIX):
            continue
        with suppress(OSError):  # it is none of ours, or gone by now
            held = os.open(entry.path, _AS_FOLDER)
            try:
                if _is_own(held) and _lock(held) is _Lock.OURS and _is_there(entry.path, held):
                    shutil.rmtree(entry.path, ignore_errors=True)
            finally:
                os.close(held)


class _Lock(Enum):
    OURS, ANOTHERS, UNKNOWN = range(3)


def _lock(held: int) -> _Lock:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _Lock.ANOTHERS
    except OSError:
        return _Lock.UNKNOWN
    return _Lock.OURS


def _is_own(held: int) -> bool:
    return os.fstat(held).st_uid == os.geteuid()


def _is_there(folder: str | Path, held: int) -> bool:
    """Whether what is held still has that name."""
    try:
        return os.path.samestat(os.lstat(folder), os.fstat(held))
    except FileNotFoundError:
        return False
