"""A read-only file system of exactly the files it is given, for what wants to open files itself:
DuckDB and Arrow.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from fsspec import AbstractFileSystem

from stocktake.model.errors import InventoryError
from stocktake.store.ranges import RangedFile

_PREAD_BYTES_MAX = 2**30  # of one call; Linux reads no more than twice that at once


@dataclass(frozen=True, slots=True)
class Served:
    """One file: its bytes as promised, and how to open it when it is wanted."""

    size: int
    open: Callable[[], BinaryIO]


class ServedFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec brings no types
    """Files by name: `stocktake://name`.

    Nothing else can be opened, listed or written through it, whatever SQL asks for. What goes wrong
    inside (a file gone, a store that does not answer) is kept in `failure`, because those who read
    here pass on only a text.
    """

    protocol = "stocktake"
    cachable = False

    def __init__(self, files: Mapping[str, Served]) -> None:
        super().__init__()
        self._files = dict(files)
        self.failure: InventoryError | None = None

    @property
    def names(self) -> list[str]:
        """The names of the files, in the order they were given."""
        return list(self._files)

    @classmethod
    def url(cls, name: str) -> str:
        """How the file of that name is addressed."""
        return f"{cls.protocol}://{name}"

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Its name and size, as promised: asking costs nothing."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._served(name).size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:  # noqa: FBT001, FBT002
        """The file itself: nothing is a folder here."""
        info = self.info(path)
        return [info] if detail else [info["name"]]

    def glob(self, path: str, **_: object) -> list[str]:
        """The file of exactly that name: a star is a letter like any other."""
        name = self._strip_protocol(path)
        return [self.url(name)] if name in self._files else []

    def exists(self, path: str, **_: object) -> bool:
        """Whether it is one of the files."""
        return self._strip_protocol(path) in self._files

    def isfile(self, path: str) -> bool:
        """Whether it is one of the files."""
        return self.exists(path)

    def modified(self, path: str) -> datetime:
        """Always the same: data files never change, so what was cached of them stays true."""
        self._served(self._strip_protocol(path))
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: object) -> BinaryIO:
        if mode != "rb":
            raise PermissionError(f"`{path}` can only be read")
        served = self._served(self._strip_protocol(path))
        try:
            return cast("BinaryIO", _SharedFile(served.open(), self.remember))
        except InventoryError as error:
            self.remember(error)
            raise

    def _served(self, name: str) -> Served:
        if name not in self._files:
            raise FileNotFoundError(f"`{name}` is no file of this report")
        return self._files[name]

    def remember(self, error: InventoryError) -> None:
        """Keep the first thing that went wrong."""
        self.failure = self.failure or error


class _SharedFile(io.RawIOBase):
    """A file that several threads read at once, and whose errors are told to someone before they
    pass.

    DuckDB gives one file to many threads, and each of them calls `seek`, then `read`, with nothing
    to keep the others away in between. So a thread that has said where to read from reads there,
    whatever the others do meanwhile. A thread that has not said so reads on where the last read
    ended: then the file has one reader at a time, and what others once said is forgotten.
    """

    def __init__(self, inner: BinaryIO, remember: Callable[[InventoryError], None]) -> None:
        super().__init__()
        self._inner = inner
        self._remember = remember
        self._lock = threading.Lock()
        self._sought: dict[int, int] = {}  # thread -> where its next read starts
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        with self._lock:
            return self._sought.get(threading.get_ident(), self._position)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._lock:
            if whence == io.SEEK_CUR:
                offset += self._sought.get(threading.get_ident(), self._position)
            elif whence == io.SEEK_END:
                offset = self._inner.seek(offset, whence)
            self._sought[threading.get_ident()] = self._position = offset
            return offset

    def read(self, size: int | None = -1) -> bytes:
        with self._lock:
            start = self._sought.pop(threading.get_ident(), None)
            if start is None:
                start = self._position
                self._sought.clear()
        try:
            data = self._read_at(start, -1 if size is None else size)
        except InventoryError as error:
            self._remember(error)
            raise
        with self._lock:
            self._position = start + len(data)
        return data

    def _read_at(self, start: int, size: int) -> bytes:
        if isinstance(self._inner, RangedFile):  # it lets several threads fetch at once
            return self._inner.read_at(start, self._inner.size if size < 0 else size)
        if isinstance(self._inner, io.BufferedReader) and 0 <= size <= _PREAD_BYTES_MAX:
            return os.pread(self._inner.fileno(), size, start)  # and so does the kernel
        with self._lock:
            self._inner.seek(start)
            return self._inner.read(size)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
