"""A local folder as the destination of a report: the same tree as in a bucket.

A file is written beside its place under a temporary name, synced, and linked to its name: so it
appears whole, and never over a file that is there. The folder is synced too, so a file that a later
one builds on survives a power cut.
"""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from stocktake.model.configuration import bucket_arn
from stocktake.model.errors import DestinationError, ReportExistsError, SpoolError, StoppedError

TEMPORARY_PREFIX = ".stocktake-"
_COPY_BYTES = 2**20
_CREATE_TRIES_MAX = 5  # another process may remove an empty folder just after it was found

_ROOM = "make room there, or choose another folder"
_RIGHTS = "give the user who runs this the right to write there, or choose another folder"
_OTHER = "choose another folder"
_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space is left on that disk", _ROOM),
    errno.EDQUOT: ("the disk quota is used up", _ROOM),
    errno.EFBIG: ("the file is larger than that disk or this user's limit allows", _ROOM),
    errno.EROFS: ("that disk is read-only", _OTHER),
    errno.EACCES: ("permission denied", _RIGHTS),
    errno.EPERM: ("permission denied", _RIGHTS),
    errno.ENOTDIR: ("a file stands where a folder is needed", _OTHER),
    errno.EISDIR: ("a folder stands where a file is needed", _OTHER),
    errno.ELOOP: ("symbolic links lead round in a circle", _OTHER),
    errno.ENAMETOOLONG: ("a part of the name is longer than that disk allows", _OTHER),
    errno.EIO: ("that disk fails", _OTHER),
}
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)


class FolderDestination(AbstractContextManager["FolderDestination"]):
    """The folder `root`, made when it is missing. `bucket_name` is what the manifest calls it.

    All methods raise DestinationError for a key that is no path below `root`, and where the disk
    refuses.
    """

    def __init__(self, root: Path, bucket_name: str) -> None:
        self._root = root.absolute()
        self._bucket_name = bucket_name

    @property
    def bucket_arn(self) -> str:
        """The ARN that stands in for a bucket's."""
        return bucket_arn(self._bucket_name)

    def uri(self, key: str) -> str:
        """The file's `file:///` URI."""
        return self._path(key).as_uri()

    def check_writable(self, probe: str) -> None:
        """Make the folders above `probe`, write and sync a file in them, and remove all of it again.

        Raises:
            DestinationError: that cannot be done.
        """
        path = self._path(probe)
        folder, temporary = path.parent, _temporary(path)
        with _delivering(folder):
            made: list[Path] = []
            try:
                _make_folders(folder, made)
                try:
                    with temporary.open("xb") as sink:
                        _write(sink, lambda target: target.write(b"probe"))
                finally:
                    temporary.unlink(missing_ok=True)
            finally:
                _remove_empty(reversed(made))

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        path = self._path(key)
        with _delivering(path, "look at"):
            return path.is_file()

    def put(self, key: str, body: bytes) -> str | None:
        """Write a small file.

        Raises:
            ReportExistsError: there is one already; it stays as it is.
        """
        self._deliver(key, lambda sink: sink.write(body))
        return None

    def upload(self, key: str, path: Path, stopping: threading.Event | None = None) -> str | None:
        """Move the file at `path` here if it then is as one made here would be, else copy it.

        Raises:
            ReportExistsError: there is one already; it stays as it is.
            SpoolError: `path` cannot be read.
            StoppedError: `stopping` was set before it was here.
        """
        with _reading(path):
            source = path.open("rb")

        def fill(sink: BinaryIO) -> None:
            _check_stopping(stopping)
            if not _moved(source, path, sink):
                _copy(source, sink, path, stopping)

        with source:
            self._deliver(key, fill)
        return None

    def replace(self, key: str, path: Path) -> None:
        """Put a copy of the file at `path` in the place of the one there, at once: until it is whole, that one stays.

        Raises:
            SpoolError: `path` cannot be read.
        """
        with _reading(path):
            source = path.open("rb")
        with source:
            self._deliver(key, lambda sink: _copy(source, sink, path, None), appear=os.replace)

    def remove(self, key: str) -> None:
        """Remove one file, and the folders below the root that are empty without it."""
        path = self._path(key)
        with _delivering(path, "remove"), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        # Buckets have no folders that could stay behind.
        _remove_empty(
            folder
            for folder in path.parents
            if folder.is_relative_to(self._root) and folder != self._root
        )

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`, ascending; what is unfinished or has no key is left
        out.
        """
        start = prefix.rpartition("/")[0]
        if start and not _safe(start):
            return
        folder = self._path(start) if start else self._root
        keys: list[str] = []
        with _delivering(folder, "list"):
            for parent, _, names in os.walk(folder, onerror=_raise_unless_missing):
                path = Path(parent).relative_to(self._root)
                keys += [
                    (path / name).as_posix()
                    for name in names
                    if not name.startswith(TEMPORARY_PREFIX)
                ]
        yield from sorted(key for key in keys if key.startswith(prefix) and _safe(key))

    def close(self) -> None:
        """Nothing is kept open."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, key: str) -> Path:
        """The file's place.

        Raises:
            DestinationError: the key is no path below the root, or a symbolic link leads out of it.
        """
        if not _safe(key) or key.rpartition("/")[2].startswith(TEMPORARY_PREFIX):
            raise DestinationError(
                f"{key!r} cannot be a file in {self._root}; expected names with one `/` between them"
            )
        path = self._root / key
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root)):
            raise DestinationError(
                f"{path} leads out of {self._root} through a symbolic link",
                hint="remove that link, or choose another folder",
            )
        return path

    def _deliver(
        self,
        key: str,
        write: Callable[[BinaryIO], object],
        appear: Callable[[Path, Path], None] | None = None,
    ) -> None:
        path = self._path(key)
        temporary = _temporary(path)
        made: list[Path] = []
        with _delivering(path):
            try:
                with _create(temporary, made) as sink:
                    _write(sink, write)
                (appear or _appear)(temporary, path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                _remove_empty(reversed(made))
                raise
            _sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    """Where the file at `path` is written before it gets its name, which can be told from it."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{uuid.uuid4()}")


def _create(temporary: Path, made: list[Path]) -> BinaryIO:
    tries = 1
    while True:
        try:
            _make_folders(temporary.parent, made)
            return temporary.open("xb")
        except FileNotFoundError:
            tries += 1
            if tries > _CREATE_TRIES_MAX:
                raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make what is missing of `folder`, and add it to `made`, outermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError as error:
            if not path.is_dir():
                raise NotADirectoryError(
                    errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)
                ) from error
        else:
            made.append(path)
            _sync_folder(path.parent)


def _safe(key: str) -> bool:
    """Whether the key, split at `/`, is a path that stays below where it starts and survives as
    a name.
    """
    if "\0" in key or any(segment in ("", ".", "..") for segment in key.split("/")):
        return False
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write(sink: BinaryIO, write: Callable[[BinaryIO], object]) -> None:
    write(sink)
    sink.flush()
    os.fsync(sink.fileno())


def _check_stopping(stopping: threading.Event | None) -> None:
    if stopping is not None and stopping.is_set():
        raise StoppedError("stopped")


def _moved(source: BinaryIO, path: Path, sink: BinaryIO) -> bool:
    """Move the file at `path`, open as `source`, into the place of the empty one that is open as `sink`, which costs
    next to nothing; False where they differ in more than what is in them, such as the group or the access list that a
    folder gives to files made in it, where that cannot be told, or where they lie on different disks.
    """
    if not _look_alike(source, sink):
        return False
    os.fsync(source.fileno())
    try:
        path.replace(sink.name)
    except OSError:  # one disk may be two to a user, as where quotas are
        return False
    return True


def _look_alike(one: BinaryIO, other: BinaryIO) -> bool:
    """Whether two files lie on one disk and are known to be the same to others, beside their names and what is in
    them.
    """
    try:
        return _looks(one) == _looks(other) and _attributes(one) == _attributes(other)
    except OSError:  # not every disk tells attributes, such as those of FUSE
        return False


def _looks(file: BinaryIO) -> tuple[int, ...]:
    facts = os.fstat(file.fileno())
    return facts.st_dev, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_nlink


def _attributes(file: BinaryIO) -> dict[str, bytes]:
    """Access lists, security labels and the like: a folder gives them, so they have the same names everywhere."""
    if not hasattr(os, "listxattr"):
        return {}
    number = file.fileno()
    return {name: os.getxattr(number, name) for name in os.listxattr(number)}


def _copy(source: BinaryIO, sink: BinaryIO, path: Path, stopping: threading.Event | None) -> None:
    """Copy, telling apart which of the two disks fails."""
    while True:
        _check_stopping(stopping)
        with _reading(path):
            piece = source.read(_COPY_BYTES)
        if not piece:
            return
        sink.write(piece)


def _appear(temporary: Path, path: Path) -> None:
    """Give the finished file its name, unless there is one of that name, which no other process can
    get between.

    Raises:
        ReportExistsError: there is one.
    """
    try:
        try:
            path.hardlink_to(temporary)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # Claim the name, then put the file there. A crash between the two leaves an empty file,
            # never a wrong one.
            path.touch(exist_ok=False)
            temporary.replace(path)
        else:
            temporary.unlink()
    except FileExistsError as error:
        raise ReportExistsError(
            f"{path} is there already and is not overwritten",
            hint="choose another destination, or remove what is there",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network disks sync folders on their own
            raise
    finally:
        os.close(descriptor)


def _remove_empty(folders: Iterator[Path]) -> None:
    """Remove these folders, innermost first, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _raise_unless_missing(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error


@contextmanager
def _delivering(path: Path, verb: str = "write") -> Iterator[None]:
    """Turn what the disk refuses into our error."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), _OTHER))
        raise DestinationError(f"cannot {verb} {path}: {reason}", hint=hint) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(f"cannot read {path} to deliver it: {error.strerror or error}") from error
