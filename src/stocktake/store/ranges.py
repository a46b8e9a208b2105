"""A remote file that can be read like a local one: fetched by ranges, with a read-ahead and a
bounded cache.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stocktake.model.errors import DataFileError


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How remote files are read.

    Blocks are small because a query touches footers and single column chunks; the read-ahead
    doubles with every read that follows on the last one, until it is worth the way to the store.
    Memory is at most `cache_bytes_max` for all files that share blocks, and for each open file a
    read-ahead, plus the answer to one read.
    """

    block_bytes: int = 64 * 2**10
    read_ahead_bytes_max: int = 8 * 2**20
    cache_bytes_max: int = 32 * 2**20


DEFAULT_READ_LIMITS = ReadLimits()
_SMALL_BLOCKS = 8  # of one read, half a MiB: the footer of a full data file has a third of that


class Blocks:
    """What was fetched of remote files by name: what was used last, as many bytes as there is room for.

    Engines open a file more than once, to look at its footer, to plan, to read. What the first found need not be
    fetched again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self.bytes_kept = 0

    def find(self, name: str, numbers: Iterable[int]) -> dict[int, bytes]:
        """Those of these blocks of a file that are kept."""
        with self._lock:
            found = {
                number: self._kept[name, number]
                for number in numbers
                if (name, number) in self._kept
            }
            for number in found:
                self._kept.move_to_end((name, number))
            return found

    def keep(self, name: str, loaded: Mapping[int, bytes], bytes_max: int) -> None:
        """Keep blocks of a file; older ones give way, so that all are `bytes_max` at most."""
        with self._lock:
            for number, block in loaded.items():
                self.bytes_kept += len(block) - len(self._kept.pop((name, number), b""))
                self._kept[name, number] = block
            while self.bytes_kept > bytes_max:
                self.bytes_kept -= len(self._kept.popitem(last=False)[1])


class RangedFile(io.RawIOBase):
    """A remote file of a known size.

    `fetch(start, stop)` yields the bytes start <= i < stop; too few of them are a `DataFileError`. `blocks` are shared
    with other files, of other names.
    `read_at` may be called by several threads at once, which then fetch at once; the position
    belongs to one reader, as in any file.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], bytes],
        size: int,
        name: str,
        limits: ReadLimits,
        blocks: Blocks,
    ) -> None:
        super().__init__()
        self.size = size
        self.name = name
        self._fetch = fetch
        self._limits = limits
        self._blocks = blocks
        self._lock = threading.Lock()  # of what is next; never held while bytes are fetched
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
            found = self._ahead.take(first, end)
        found |= self._blocks.find(self.name, [n for n in range(first, end) if n not in found])
        for left, right in _runs([block for block in range(first, end) if block not in found]):
            found |= self._load(left, right, ahead if right == end else 0)
        whole = b"".join(found[block] for block in range(first, end))
        return whole[start - first * width : stop - first * width]

    def _load(self, first: int, end: int, ahead: int) -> dict[int, bytes]:
        """Fetch blocks, and so many more behind them, which are kept for the next read."""
        width = self._limits.block_bytes
        start, stop = first * width, min((end + ahead) * width, self.size)
        body = self._fetch(start, stop)
        if len(body) != stop - start:
            raise DataFileError(
                f"{self.name} gave {len(body)} bytes from byte {start} on, expected {stop - start}"
            )
        blocks = {
            first + number: body[at : at + width]
            for number, at in enumerate(range(0, len(body), width))
        }
        if ahead:
            with self._lock:
                self._ahead.put({block: blocks[block] for block in blocks if block >= end - 1})
        # Of a large read the next one wants no more than what stands at its ends.
        inner = range(first + 1, end - 1) if end - first > _SMALL_BLOCKS else range(0)
        asked = {block: blocks[block] for block in range(first, end) if block not in inner}
        self._blocks.keep(self.name, asked, self._limits.cache_bytes_max)
        return blocks


class _ReadAhead:
    """How much to fetch beyond what is asked for: nothing at random, more with each read that follows on; and what was
    fetched so.
    """

    def __init__(self) -> None:
        self._expected = -1
        self._size = 0
        self._kept: dict[int, bytes] = {}

    def grow(self, start: int, stop: int, limits: ReadLimits) -> int:
        """The bytes to fetch beyond `stop`, if anything has to be fetched."""
        follows = start == self._expected
        doubled = min(max(2 * self._size, limits.block_bytes), limits.read_ahead_bytes_max)
        self._size = doubled if follows else 0
        self._expected = stop
        return self._size

    def take(self, first: int, end: int) -> dict[int, bytes]:
        """What there is of these blocks. Whoever reads on wants none of those before the last of them again."""
        found = {block: self._kept[block] for block in range(first, end) if block in self._kept}
        self._kept = {block: body for block, body in self._kept.items() if block >= end - 1}
        return found

    def put(self, blocks: dict[int, bytes]) -> None:
        """Keep these, and no others."""
        self._kept = blocks


def _runs(blocks: list[int]) -> list[tuple[int, int]]:
    """The stretches of neighbours in ascending numbers: first, and one behind the last."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][1] == block:
            runs[-1] = (runs[-1][0], block + 1)
        else:
            runs.append((block, block + 1))
    return runs
