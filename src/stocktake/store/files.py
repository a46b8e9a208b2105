"""Reading reports back: whole small files, ranges of large ones.

Keys are always those of the report, with `/` between their parts, whether they lie in a bucket or
in a folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from stocktake.model.errors import AccessDeniedError, NoSuchKeyError, ReportError
from stocktake.store.ranges import DEFAULT_READ_LIMITS, Blocks, RangedFile, ReadLimits


class ReportFiles(Protocol):
    """Where the files of a report lie."""

    @property
    def bucket(self) -> str | None:
        """The bucket's name, or None in a folder of this machine."""

    def read(self, key: str, bytes_max: int) -> bytes:
        """The whole file.

        Raises:
            NoSuchKeyError: there is none.
            ReportError: it is larger than `bytes_max`.
        """

    def size(self, key: str) -> int:
        """Its bytes.

        Raises:
            NoSuchKeyError: there is none.
        """

    def open(self, key: str, size: int | None = None) -> BinaryIO:
        """The file, seekable; closing it is the caller's. `size` are its bytes, where they are known.

        Raises:
            NoSuchKeyError: there is none; of one whose size is known, when it is read.
        """

    def path(self, key: str) -> Path | None:
        """Where the file is on this machine; None in a bucket.

        Raises:
            NoSuchKeyError: the key leads elsewhere.
        """

    def list(self, prefix: str, delimiter: str = "/") -> list[str]:
        """The keys that start with `prefix`, in order; with a further delimiter only up to it, once
        each.
        """

    def uri(self, key: str) -> str:
        """How people write where the file is: `s3://bucket/key`, or its path."""


class ObjectReads(Protocol):
    """The calls of a store's client that reading a report needs."""

    def read(self, bucket: str, key: str, bytes_max: int) -> bytes:
        """The whole object; NoSuchKeyError, or ReportError where it is longer."""

    def read_range(self, bucket: str, key: str, start: int, stop: int) -> bytes:
        """The bytes start <= i < stop, fewer where the object ends."""

    def size(self, bucket: str, key: str) -> int:
        """Its bytes; NoSuchKeyError."""

    def list_keys(self, bucket: str, prefix: str, delimiter: str = "") -> Iterable[str]:
        """Keys and common prefixes."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class BucketFiles:
    """Files in a bucket."""

    client: ObjectReads
    name: str
    limits: ReadLimits = DEFAULT_READ_LIMITS
    blocks: Blocks = field(default_factory=Blocks, repr=False, compare=False)

    @property
    def bucket(self) -> str | None:
        """The bucket's name."""
        return self.name

    def read(self, key: str, bytes_max: int) -> bytes:
        """The whole object."""
        return self.client.read(self.name, key, bytes_max)

    def size(self, key: str) -> int:
        """The object's bytes."""
        return self.client.size(self.name, key)

    def open(self, key: str, size: int | None = None) -> BinaryIO:
        """The object, read by ranges."""

        def fetch(start: int, stop: int) -> bytes:
            return self.client.read_range(self.name, key, start, stop)

        known = self.size(key) if size is None else size
        return cast("BinaryIO", RangedFile(fetch, known, self.uri(key), self.limits, self.blocks))

    def path(self, key: str) -> Path | None:  # noqa: ARG002 - its form
        """None: an object is no file."""
        return None

    def list(self, prefix: str, delimiter: str = "/") -> list[str]:
        """The keys and common prefixes under `prefix`."""
        return sorted(self.client.list_keys(self.name, prefix, delimiter))

    def uri(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.name}/{key}"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class FolderFiles:
    """Files under a folder of this machine.

    A key with a `..` in it is no file here, so that no manifest leads outside.
    """

    root: Path

    @classmethod
    def at(cls, path: Path) -> tuple[FolderFiles, str]:
        """The whole disk, and the key of `path` on it: data files may lie in any folder above a
        manifest.
        """
        absolute = path.absolute()
        return cls(Path(absolute.anchor)), "/".join(absolute.parts[1:])

    @property
    def bucket(self) -> str | None:
        """None: this is no bucket."""
        return None

    def read(self, key: str, bytes_max: int) -> bytes:
        """The whole file."""
        with self.open(key) as file:
            body = file.read(bytes_max + 1)
        if len(body) > bytes_max:
            raise ReportError(
                f"{self.uri(key)} is longer than {bytes_max} bytes, the most that is expected there"
            )
        return body

    def size(self, key: str) -> int:
        """The file's bytes."""
        with self.open(key) as file:
            return file.seek(0, io.SEEK_END)

    def open(self, key: str, size: int | None = None) -> BinaryIO:  # noqa: ARG002 - the disk knows it
        """The file."""
        try:
            return self.path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NoSuchKeyError(f"there is no file {self.uri(key)}") from error
        except PermissionError as error:
            raise AccessDeniedError(f"{self.uri(key)} cannot be read: {error.strerror}") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise ReportError(f"{self.uri(key)} cannot be read: {error}") from error

    def path(self, key: str) -> Path:
        """The file's path."""
        parts = [part for part in key.split("/") if part]
        if ".." in parts:
            raise NoSuchKeyError(f"`{key}` leads out of {self.root}")
        return self.root.joinpath(*parts)

    def list(self, prefix: str, delimiter: str = "/") -> list[str]:
        """The files and folders under `prefix`, folders with a `/` behind them; only `/` divides
        here.
        """
        if delimiter != "/":
            raise ValueError(f"a folder is listed by `/`, not by {delimiter!r}")
        folder, slash, start = prefix.rpartition("/")
        try:
            entries = sorted(self.path(folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise AccessDeniedError(
                f"{self.uri(folder)} cannot be listed: {error.strerror}"
            ) from error
        return [
            f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
            for entry in entries
            if entry.name.startswith(start)
        ]

    def uri(self, key: str) -> str:
        """The file's path."""
        return str(self.root.joinpath(*(part for part in key.split("/") if part)))
