"""Deterministic lists of keys, in key order, in the shapes that real buckets have.

A shape is a function of a size and a seed; `SHAPES` is the table of all of them. What every key begins with is held
once (`ShapedKeys.prefix`), so that two million keys of a thousand bytes fit into memory.
"""

from __future__ import annotations

import base64
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

START = datetime(2023, 11, 3, 7, tzinfo=UTC)
# fmt: off
SYLLABLES = [
    "ka", "lo", "mi", "ren", "tas", "vo", "el", "dur", "ni", "sha", "bre", "gon", "pi", "qua",
    "zu", "fen", "os", "wil", "har", "my",
]
WORDS = [
    "alpha", "archive", "audit", "backup", "beta", "blue", "cache", "client", "data", "delta",
    "draft", "east", "export", "final", "gamma", "green", "image", "import", "index", "input",
    "invoice", "log", "main", "media", "north", "old", "order", "output", "photo", "prod",
    "public", "raw", "report", "result", "sales", "south", "stage", "summary", "temp", "test",
    "tile", "user", "video", "west", "work",
]
# fmt: on
EXTENSIONS = ("jpg", "pdf", "docx", "xlsx", "txt", "png", "zip", "pptx", "JPG", "PDF")


@dataclass(frozen=True, slots=True)
class ShapedKeys:
    """Keys in key order: `prefix` + each of `rests`. The same key may stand there several times (its versions)."""

    rests: list[str]
    prefix: str = ""

    def __len__(self) -> int:
        return len(self.rests)

    def key(self, rank: int) -> str:
        """The key at `rank`, from 0."""
        return self.prefix + self.rests[rank]

    def rank_behind(self, key: str) -> int:
        """How many keys are <= `key`."""
        if key.startswith(self.prefix):
            return bisect_right(self.rests, key[len(self.prefix) :])
        return len(self.rests) if key > self.prefix else 0


def _name(draw: random.Random, syllables_max: int = 4) -> str:
    return "".join(draw.choice(SYLLABLES) for _ in range(draw.randint(2, syllables_max)))


def _sorted(keys: Iterator[str], count: int, prefix: str = "") -> ShapedKeys:
    """The first `count` different keys, in order."""
    found: set[str] = set()
    for key in keys:
        found.add(key)
        if len(found) == count:
            break
    return ShapedKeys(sorted(found), prefix)


def _uuid(draw: random.Random) -> str:
    text = f"{draw.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def hexadecimal(count: int, draw: random.Random) -> ShapedKeys:
    return _sorted((f"{draw.getrandbits(128):032x}" for _ in range(2 * count)), count)


def uuids(count: int, draw: random.Random) -> ShapedKeys:
    return _sorted((_uuid(draw) for _ in range(2 * count)), count)


def dates(count: int, draw: random.Random) -> ShapedKeys:
    """Logs of two services: more of them each day."""
    days = 500

    def keys() -> Iterator[str]:
        while True:
            day = int(days * draw.random() ** 0.7)
            when = START + timedelta(days=day, seconds=draw.randrange(86_400))
            service = draw.choice(("api", "web", "web"))
            yield (
                f"logs/{service}/{when:%Y/%m/%d}/host-{draw.randrange(40):02d}/"
                f"{when:%H%M%S}-{draw.getrandbits(24):06x}.log.gz"
            )

    return _sorted(keys(), count)


def timestamps(count: int, draw: random.Random) -> ShapedKeys:
    def keys() -> Iterator[str]:
        moment = 1_699_000_000_000
        while True:
            moment += draw.randrange(1, 30_000)
            yield f"events/{moment}-{draw.randrange(100):02d}.json"

    return _sorted(keys(), count)


def padded_counter(count: int, _: random.Random) -> ShapedKeys:
    return ShapedKeys([f"image_{number:09d}.jpg" for number in range(count)])


def unpadded_counter(count: int, _: random.Random) -> ShapedKeys:
    return ShapedKeys(sorted(f"image-{number}.jpg" for number in range(count)))


def deep_prefix(count: int, draw: random.Random) -> ShapedKeys:
    """Everything 300 characters down one chain of folders."""
    prefix = "/".join(_name(draw) for _ in range(100))[:299] + "/"

    def keys() -> Iterator[str]:
        while True:
            yield f"run-{draw.randrange(60):03d}/part-{draw.randrange(200_000):06d}.bin"

    return _sorted(keys(), count, prefix)


def long_prefix(count: int, draw: random.Random) -> ShapedKeys:
    """A common prefix of 999 bytes, and 25 more of a random number."""
    shaped = _sorted((f"{draw.getrandbits(100):025x}" for _ in range(2 * count)), count)
    return ShapedKeys(shaped.rests, ("common-" * 143)[:998] + "/")


def hive(count: int, draw: random.Random) -> ShapedKeys:
    """Partitions by hour, of two tables."""
    tables = ("clicks", "clicks", "clicks", "orders")

    def keys() -> Iterator[str]:
        hours = max(1, count // 160)
        while True:
            when = START + timedelta(hours=draw.randrange(hours))
            yield (
                f"warehouse/sales.db/{draw.choice(tables)}/year={when.year}/month={when.month:02d}/"
                f"day={when.day:02d}/hour={when.hour:02d}/part-{draw.randrange(200):05d}-"
                f"{draw.getrandbits(40):010x}.c000.snappy.parquet"
            )

    return _sorted(keys(), count)


def one_big_folder(count: int, draw: random.Random) -> ShapedKeys:
    """Half of all keys in one folder in the middle, the others in many small ones."""

    def keys() -> Iterator[str]:
        number = 0
        while True:
            yield f"data/main/{number:08d}.bin"
            yield f"data/{draw.choice('abcdefghknqrsuwz')}{draw.randrange(8000):05d}/file-{draw.randrange(30)}.txt"
            number += 1

    return _sorted(keys(), count)


def _zipf(count: int, folders: int, draw: random.Random) -> list[int]:
    """The folder of each key: the sizes follow Zipf's law, in no order."""
    weights = [1 / rank for rank in range(1, folders + 1)]
    draw.shuffle(weights)
    return draw.choices(range(folders), cum_weights=list(accumulate(weights)), k=count)


def zipf_folders(count: int, draw: random.Random) -> ShapedKeys:
    names = sorted({f"{_name(draw)}-{draw.randrange(100)}" for _ in range(50_000)})
    sizes = [0] * len(names)

    def keys() -> Iterator[str]:
        for folder in _zipf(count, len(names), draw):
            sizes[folder] += 1
            yield f"{names[folder]}/{sizes[folder]:07d}.dat"

    return _sorted(keys(), count)


def zipf_random_names(count: int, draw: random.Random) -> ShapedKeys:
    names = sorted({_name(draw, 6) for _ in range(20_000)})

    def keys() -> Iterator[str]:
        for folder in _zipf(2 * count, len(names), draw):
            yield f"users/{names[folder]}/{draw.getrandbits(48):012x}"

    return _sorted(keys(), count)


def mixed_case(count: int, draw: random.Random) -> ShapedKeys:
    """What people keep on a shared drive: names in mixed case with blanks, folders of every size."""

    def title() -> str:
        words = [draw.choice(WORDS) for _ in range(draw.randint(1, 3))]
        style = draw.choice((str.upper, str.capitalize, str.capitalize, str.lower))
        words = [style(word) for word in words]
        return draw.choice((" ", "_", "-", " - ", "")).join(words)

    folders = sorted(
        {
            "/".join(
                (_name(draw).capitalize(), *(title() for _ in range(draw.randint(1, 4)))),
            )
            for _ in range(30_000)
        }
    )

    def keys() -> Iterator[str]:
        for folder in _zipf(3 * count, len(folders), draw):
            yield (
                f"Users/{folders[folder]}/{title()} {draw.choice(('', 'v2', 'Kopie', '2019'))}"
                f"({draw.randrange(400)}).{draw.choice(EXTENSIONS)}"
            )

    return _sorted(keys(), count)


def _cjk(draw: random.Random) -> str:
    """A character, some of them far more usual than others."""
    return chr(0x4E00 + int(20_900 * draw.random() ** draw.choice((1, 1, 2))))


def cjk(count: int, draw: random.Random) -> ShapedKeys:
    def keys() -> Iterator[str]:
        while True:
            yield "".join(_cjk(draw) for _ in range(draw.randint(2, 5))) + ".jpg"

    return _sorted(keys(), count)


def cjk_folders(count: int, draw: random.Random) -> ShapedKeys:
    names = sorted({"".join(_cjk(draw) for _ in range(draw.randint(2, 4))) for _ in range(4000)})

    def keys() -> Iterator[str]:
        while True:
            name = names[int(len(names) * draw.random() ** 1.5)]
            yield f"照片/{name}/{_cjk(draw)}{_cjk(draw)}{draw.randrange(100):02d}.jpg"

    return _sorted(keys(), count)


def base64_names(count: int, draw: random.Random) -> ShapedKeys:
    keys = (
        base64.urlsafe_b64encode(draw.randbytes(16)).decode().rstrip("=") for _ in range(2 * count)
    )
    return _sorted(keys, count)


def control_characters(count: int, draw: random.Random) -> ShapedKeys:
    alphabet = [chr(code) for code in (*range(1, 32), *range(48, 64))]
    keys = ("".join(draw.choices(alphabet, k=8)) for _ in range(2 * count))
    return _sorted(keys, count)


def few_words(count: int, draw: random.Random) -> ShapedKeys:
    """Ten words, three deep, a counter below."""
    words = WORDS[::5]

    def keys() -> Iterator[str]:
        for number in range(2 * count):
            yield f"{draw.choice(words)}/{draw.choice(words)}/{draw.choice(words)}/{number // 700:06d}.txt"

    return _sorted(keys(), count)


def two_clusters(count: int, draw: random.Random) -> ShapedKeys:
    """A tenth of the keys near the start, all others near the end of the key space."""

    def keys() -> Iterator[str]:
        while True:
            cluster = draw.choice(("archive/2019", *["zebra/new"] * 9))
            yield f"{cluster}/{draw.getrandbits(64):016x}"

    return _sorted(keys(), count)


def versions(count: int, draw: random.Random) -> ShapedKeys:
    """Three versions of most keys, and of some 10,000."""
    rests: list[str] = []
    keys = _sorted((f"doc/{draw.getrandbits(48):012x}" for _ in range(count)), count // 3).rests
    many = set(draw.sample(range(len(keys)), min(len(keys), 3)))
    for number, key in enumerate(keys):
        rests += [key] * (10_000 if number in many else 3)
    return ShapedKeys(rests[:count])


Shape = Callable[[int, random.Random], ShapedKeys]
SHAPES: dict[str, Shape] = {
    "hex": hexadecimal,
    "uuid": uuids,
    "dates": dates,
    "counter": padded_counter,
    "unpadded": unpadded_counter,
    "deep_300": deep_prefix,
    "prefix_999": long_prefix,
    "hive": hive,
    "one_big": one_big_folder,
    "zipf": zipf_folders,
    "zipf_names": zipf_random_names,
    "mixed_case": mixed_case,
    "cjk": cjk,
    "cjk_folders": cjk_folders,
    "base64": base64_names,
    "control": control_characters,
    "timestamps": timestamps,
    "few_words": few_words,
    "clusters": two_clusters,
    "versions": versions,
}


def shaped_keys(shape: str, count: int, seed: int = 1) -> ShapedKeys:
    """`count` keys of `shape`, the same for the same seed.

    Raises:
        KeyError: there is no such shape.
    """
    return SHAPES[shape](count, random.Random(seed))
