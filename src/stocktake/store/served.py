"""Exactly the files that an engine may read, by name: what reads them opens them here, and what goes wrong is kept."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from stocktake.model.errors import InventoryError
from stocktake.store.ranges import RangedFile

PROTOCOL = "stocktake"
_PREAD_BYTES_MAX = 2**30  # of one call; Linux reads no more than twice that at once


@dataclass(frozen=True, slots=True)
class Served:
    """One file: its bytes as promised, and how to open it when it is wanted."""

    size: int
    open: Callable[[], BinaryIO]


class ServedFiles:
    """Files by name. What goes wrong inside (a file gone, a store that does not answer) is kept in `failure`, because
    those who read here pass on only a text.
    """

    def __init__(self, files: Mapping[str, Served]) -> None:
        self._files = dict(files)
        self.failure: InventoryError | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __bool__(self) -> bool:
        return bool(self._files)

    @staticmethod
    def url(name: str) -> str:
        """How the file of that name is addressed."""
        return f"{PROTOCOL}://{name}"

    def size(self, name: str) -> int:
        """The bytes of a file, as promised: asking costs nothing.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        return self._served(name).size

    def open(self, name: str) -> BinaryIO:
        """A file, to be read by several threads at once.

        Raises:
            FileNotFoundError: there is none of that name.
            InventoryError: it cannot be had.
        """
        served = self._served(name)
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

    def forget(self) -> None:
        """What went wrong before is not what goes wrong from here on."""
        self.failure = None


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
