"""A remote file that can be read like a local one: fetched by ranges, with a read-ahead and a
bounded cache.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stocktake.model.errors import DataFileError


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How a remote file is read.

    Blocks are small because a query touches footers and single column chunks; the read-ahead
    doubles with every read that follows on the last one, until it is worth the way to the store.
    Memory of one open file is at most `cache_bytes_max`, plus the answer to one read, plus one
    read-ahead.
    """

    block_bytes: int = 64 * 2**10
    read_ahead_bytes_max: int = 8 * 2**20
    cache_bytes_max: int = 16 * 2**20


DEFAULT_READ_LIMITS = ReadLimits()


class RangedFile(io.RawIOBase):
    """A remote file of a known size.

    `fetch(start, stop)` yields the bytes start <= i < stop; too few of them are a `DataFileError`.
    `read_at` may be called by several threads at once, which then fetch at once; the position
    belongs to one reader, as in any file.
    """

    def __init__(
        self, fetch: Callable[[int, int], bytes], size: int, name: str, limits: ReadLimits
    ) -> None:
        super().__init__()
        self.size = size
        self.name = name
        self._fetch = fetch
        self._limits = limits
        self._lock = threading.Lock()  # of the two below; never held while bytes are fetched
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = _ReadAhead()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"no byte {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, except at the end of the file."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, fewer only at the end; all the rest where `size` is negative."""
        data = self.read_at(self._position, self.size if size is None or size < 0 else size)
        self._position += len(data)
        return data

    def read_at(self, start: int, size: int) -> bytes:
        """At most `size` bytes from byte `start` on, fewer only at the end. The position stays.

        Raises:
            DataFileError: the store gave fewer bytes than the file has.
            StoreError: the store was asked and did not do it.
        """
        if self.closed:
            raise ValueError("the file is closed")
        stop = min(start + size, self.size)
        if stop <= start:
            return b""
        width = self._limits.block_bytes
        first, end = start // width, -(-stop // width)
        with self._lock:
            ahead = self._ahead.grow(start, stop, self._limits) // width
            found = {
                block: self._blocks[block] for block in range(first, end) if block in self._blocks
            }
        for left, right in _runs([block for block in range(first, end) if block not in found]):
            found |= self._load(left, right + ahead if right == end else right)
        whole = b"".join(found[block] for block in range(first, end))
        return whole[start - first * width : stop - first * width]

    def _load(self, first: int, end: int) -> dict[int, bytes]:
        width = self._limits.block_bytes
        start, stop = first * width, min(end * width, self.size)
        body = self._fetch(start, stop)
        if len(body) != stop - start:
            raise DataFileError(
                f"{self.name} gave {len(body)} bytes from byte {start} on, expected {stop - start}"
            )
        starts = range(0, len(body), width)
        loaded = {first + number: body[at : at + width] for number, at in enumerate(starts)}
        with self._lock:
            self._blocks.update(loaded)
            while len(self._blocks) * width > self._limits.cache_bytes_max:
                self._blocks.popitem(last=False)
        return loaded


@dataclass(slots=True)
class _ReadAhead:
    """How much to fetch beyond what is asked for: nothing at random, more with each read that
    follows on.
    """

    expected: int = -1
    size: int = 0

    def grow(self, start: int, stop: int, limits: ReadLimits) -> int:
        follows = start == self.expected
        doubled = min(max(2 * self.size, limits.block_bytes), limits.read_ahead_bytes_max)
        self.size = doubled if follows else 0
        self.expected = stop
        return self.size


def _runs(blocks: list[int]) -> list[tuple[int, int]]:
    """The stretches of neighbours in ascending numbers: first, and one behind the last."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][1] == block:
            runs[-1] = (runs[-1][0], block + 1)
        else:
            runs.append((block, block + 1))
    return runs
