"""The shapes of keys: a table of buckets, each of which makes the key of any rank and finds the rank of any text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import TypeAlias

from benchmarks.replay.columns import (
    Digest,
    Folders,
    Inside,
    KeyColumn,
    Spread,
    Uuid,
    Words,
)

Part: TypeAlias = bytes | KeyColumn

KEY_BYTES_MAX = 1024
_FIRST_DAY = date(2024, 1, 1)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of a bucket, as texts and columns side by side. Ranks count from 0 in the order of UTF-8 bytes."""

    count: int
    parts: tuple[Part, ...]

    def key(self, rank: int) -> bytes:
        """The key of a rank."""
        return b"".join(
            [part if isinstance(part, bytes) else part.text(rank) for part in self.parts]
        )

    def rank_from(self, text: bytes) -> int:
        """How many keys lie before `text`: the rank of the first that does not."""
        return bisect_left(range(self.count), text, key=self.key)

    def rank_behind(self, text: bytes) -> int:
        """How many keys lie before `text` or are it: the rank of the first one behind it."""
        return bisect_right(range(self.count), text, key=self.key)


@cache
def _counted(digits: int) -> tuple[str, ...]:
    return tuple(f"{number:0{digits}d}" for number in range(10**digits))


def counter(digits: int) -> list[Sequence[str]]:
    """Decimal numbers of a fixed width, as tables of five digits at most."""
    groups = [digits % 5] * bool(digits % 5) + [5] * (digits // 5)
    return [_counted(group) for group in groups]


def numbered(form: str, count: int) -> list[str]:
    """`form` with each number below `count`, zero-padded so that they ascend."""
    digits = len(str(count - 1))
    return [form.format(f"{number:0{digits}d}") for number in range(count)]


def words(
    count: int, seed: int, end: str = "/", letters: str = _LETTERS, lengths: Sequence[int] = (7,)
) -> list[str]:
    """That many random words in order; no letter may be how `end` begins."""
    random = Random(seed)
    found: set[str] = set()
    while len(found) < count:
        found.add("".join(random.choices(letters, k=random.choice(lengths))) + end)
    return sorted(found)


def tiled(count: int, *parts: str | Sequence[str] | KeyColumn) -> Shape:
    """The first `count` of all combinations of the tables' texts, which vary from the right to the left as digits do.

    Raises:
        ValueError: there are fewer combinations than that.
    """
    made: list[Part] = []
    unit = 1
    for part in reversed(parts):
        if isinstance(part, str):
            made.append(part.encode())
        elif isinstance(part, Sequence):
            made.append(Words(part, unit))
            unit *= len(part)
        else:
            made.append(part)
    if unit < count and not any(isinstance(part, Spread | Uuid) for part in made):
        raise ValueError(f"{unit} keys can be made, {count} are wanted")
    return Shape(count, tuple(reversed(made)))


def foldered(names: Sequence[str], sizes: Sequence[int], *inner: str | Sequence[str]) -> Shape:
    """Folders of such sizes, and in each of them the first combinations of the inner tables."""
    folders = Folders(names, sizes)
    inside = tiled(max(sizes), *inner).parts
    return Shape(
        sum(sizes),
        (folders, *(part if isinstance(part, bytes) else Inside(folders, part) for part in inside)),
    )


def _days(count: int) -> list[str]:
    return [(_FIRST_DAY + timedelta(day)).strftime("%Y/%m/%d/") for day in range(count)]


def _dates(count: int) -> Shape:
    hosts, hours = numbered("host-{}/", 10), numbered("{}/", 24)
    files = numbered("part-{}-", -(-count // (365 * 24 * len(hosts))))
    return tiled(count, "logs/", _days(365), hours, hosts, files, Digest(8), ".json.gz")


def _hive(count: int) -> Shape:
    months = [f"year={2024 + month // 12}/month={month % 12 + 1:02d}/" for month in range(36)]
    days = [f"day={day:02d}/" for day in range(1, 29)]
    regions = [f"region={name}/" for name in ("ap-south", "eu-central", "eu-west", "us-east")]
    files = numbered("part-{}-", -(-count // (len(months) * len(days) * len(regions))))
    return tiled(
        count, "warehouse/events/", months, days, regions, files, Digest(16), ".snappy.parquet"
    )


def _deep(count: int) -> Shape:
    folder = "/".join(f"level-{depth:02d}-of-a-deep-tree" for depth in range(13))
    return tiled(count, f"{folder:x<299.299}/", *counter(9), ".tiff")


def _long(count: int) -> Shape:
    return tiled(count, f"{'a-path-that-all-keys-share/' * 37:y<999.999}", *counter(10), ".bin")


def _one_big_folder(count: int) -> Shape:
    folders = 2000
    small = count // 2 // (folders - 1)
    sizes = [small] * folders
    sizes[folders * 5 // 8] = count - small * (folders - 1)
    return foldered(
        numbered("project-{}/", folders), sizes, "scan-", *counter(len(str(count)) + 1), ".dcm"
    )


def _zipf(count: int) -> Shape:
    folders = min(5000, count // 20)
    weights = [1 / place for place in range(1, folders + 1)]
    sizes = [max(1, int(count * weight / sum(weights))) for weight in weights]
    sizes[0] += count - sum(sizes)
    Random(3).shuffle(sizes)
    return foldered(words(folders, seed=4), sizes, "order-", *counter(len(str(count)) + 1), ".xml")


_STEMS = (
    "DSC_", "IMG-", "IMG_", "Img_", "MVI_", "Photo ", "Scan", "dsc_", "image", "img_", "photo-", "scan_",
)  # fmt: skip


def _mixed_case(count: int) -> Shape:
    letters = _LETTERS + _LETTERS.upper()
    owners = words(60, seed=5, letters=letters, lengths=(4, 5, 6, 7))
    albums = words(100, seed=6, letters=letters, lengths=(3, 6, 9))
    numbers = numbered("{}.", -(-count // (len(owners) * len(albums) * len(_STEMS) * 3)))
    return tiled(count, owners, albums, sorted(_STEMS), numbers, ["JPG", "jpeg", "jpg"])


def _cjk(count: int) -> Shape:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))
    places = words(300, seed=7, letters=letters, lengths=(2, 3, 4))
    titles = words(400, seed=8, end="-", letters=letters, lengths=(2, 3))
    numbers = numbered("{}", -(-count // (len(places) * len(titles))))
    return tiled(count, "資料/", places, titles, numbers, ".jpg")


def _control(count: int) -> Shape:
    letters = "".join(map(chr, [*range(1, 0x20), 0x7F])) + ' "&+<>%=aZ'
    folders = words(200, seed=9, letters=letters, lengths=(2, 3))
    names = words(500, seed=10, end=".", letters=letters, lengths=(2, 3, 4))
    numbers = numbered("{}", -(-count // (len(folders) * len(names))))
    return tiled(count, folders, names, numbers)


# Every shape by its name. Each is made for any number of keys from 10,000 to a thousand million.
SHAPES: dict[str, Callable[[int], Shape]] = {
    "hex": lambda count: tiled(count, Spread(16, count), Digest(16)),
    "uuid": lambda count: tiled(count, Uuid(count)),
    "dates": _dates,
    "counter": lambda count: tiled(count, "frame-", *counter(10), ".jpg"),
    "deep": _deep,
    "hive": _hive,
    "long": _long,
    "one-big-folder": _one_big_folder,
    "zipf": _zipf,
    "mixed-case": _mixed_case,
    "cjk": _cjk,
    "control": _control,
    "versions": lambda count: tiled(count, "documents/", Uuid(count), ".docx"),
}
