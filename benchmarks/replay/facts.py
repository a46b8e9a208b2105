"""What a store says of an object beside its key: columns that follow from a hash of its rank and its version's age."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Protocol

import numpy as np

from benchmarks.replay.columns import Cells, Numbers, Places, hex_cells, mix, rows_at, table

# Of the keys, in the order of their ranks, which are written anew between the first day and the second.
REWRITTEN_ONE_IN, REWRITTEN_PLACE = 100, 7
_LATER = 2**62  # no rank is so high

DAYS = 600
AGES_MAX = 8  # versions of one key; each is a day older than the one before it
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_NOT_MULTIPART = 15  # objects for each one that is
_SIZES = 4096
_NEXT = 0x9E3779B97F4A7C15  # an odd number without a pattern in its bits


@dataclass(frozen=True)
class Batch:
    """Versions of objects: the rank of each one's key, and its age, 0 for the newest. Without ages all are newest.
    `rewritten`: one in a hundred is another object by now.
    """

    ranks: Numbers
    ages: Numbers | None = None
    rewritten: bool = False

    @cached_property
    def key_hashes(self) -> Numbers:
        """One number for each key."""
        hashes = mix(self.ranks)
        if not self.rewritten:
            return hashes
        written = self.ranks % REWRITTEN_ONE_IN == REWRITTEN_PLACE
        return np.where(written, mix(self.ranks + _LATER), hashes)

    @cached_property
    def hashes(self) -> Numbers:
        """One number for each version."""
        if self.ages is None:
            return self.key_hashes
        return self.key_hashes + self.ages * _NEXT

    def take(self, places: Places) -> Batch:
        """The versions at these places of the batch."""
        ages = None if self.ages is None else self.ages[places]
        return Batch(self.ranks[places], ages, self.rewritten)


class FactColumn(Protocol):
    """A part of a record, or of a header."""

    @property
    def width(self) -> int: ...
    def cells(self, batch: Batch) -> Cells: ...


class Picked:
    """One of a few texts, by the hash of the version."""

    def __init__(self, texts: Sequence[str], shift: int) -> None:
        self._table, self._shift = table(text.encode() for text in texts), shift
        self.width = self._table.shape[1]

    def cells(self, batch: Batch) -> Cells:
        return rows_at(self._table, (batch.hashes >> self._shift) % len(self._table))


class Day:
    """The day of writing in some spelling (of strftime), or a day that is some days behind it."""

    def __init__(self, form: str, behind: int = 0) -> None:
        first = _FIRST_DAY + timedelta(behind - AGES_MAX)
        days = [first + timedelta(day) for day in range(DAYS + AGES_MAX)]
        self._table = table(day.strftime(form).encode() for day in days)
        self.width = self._table.shape[1]

    def cells(self, batch: Batch) -> Cells:
        days = batch.key_hashes % DAYS + AGES_MAX
        return rows_at(self._table, days if batch.ages is None else days - batch.ages)


class Clock:
    """The time of writing, HH:MM:SS."""

    width = 8
    _table = table(b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86400))

    def cells(self, batch: Batch) -> Cells:
        return rows_at(self._table, (batch.key_hashes >> 16) % len(self._table))


@dataclass(frozen=True, slots=True)
class Hash:
    """32 hexadecimal digits that differ from version to version; each `salt` gives others."""

    salt: int = 0
    width: int = 32

    def cells(self, batch: Batch) -> Cells:
        return hex_cells(batch.hashes ^ self.salt, (batch.hashes + self.salt) * _NEXT)


class Checksum:
    """A CRC-64 in Base64."""

    width = 12

    def cells(self, batch: Batch) -> Cells:
        numbers = mix(batch.hashes + 2).astype(">u8")
        texts = b"".join(b64encode(number.tobytes()) for number in numbers)
        return np.frombuffer(texts, np.uint8).reshape(len(numbers), self.width)


class Latest:
    """Whether the version is its key's newest."""

    width = 5
    _table = table((b"true", b"false"))

    def cells(self, batch: Batch) -> Cells:
        ages = np.zeros_like(batch.ranks) if batch.ages is None else batch.ages
        return rows_at(self._table, np.minimum(ages, 1))


def _sizes() -> list[str]:
    """Sizes as buckets have them: many small objects, few large ones."""
    random = Random(11)
    return [
        f"{min(99_999_999, max(0, int(random.lognormvariate(12.5, 1.2))))}" for _ in range(_SIZES)
    ]


def _parts() -> list[str]:
    """What the multipart uploads among ETags end with: their number of parts."""
    parts = ["-12", "-40", "-77", "-99"]
    return [*parts, *[""] * (_NOT_MULTIPART * len(parts))]


# What LIST and HEAD both say; nothing else makes them agree.
ETAG = Hash()
PARTS = Picked(_parts(), shift=24)
SIZE = Picked(_sizes(), shift=32)
ISO_DAY = Day("%Y-%m-%d")
HTTP_DAY = Day("%a, %d %b %Y")
CLOCK = Clock()
VERSION_ID = Hash(salt=0x5EED)
LATEST = Latest()
CHECKSUM = Checksum()
