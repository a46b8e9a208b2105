"""Reading reports back: ranges of remote files, folders, and the file system that engines are
given.
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import (
    DataFileError,
    NoSuchKeyError,
    ReportError,
    ServerError,
)
from stocktake.store.client import Client
from stocktake.store.files import BucketFiles, FolderFiles
from stocktake.store.ranges import Blocks, RangedFile, ReadLimits
from stocktake.store.served import Served, ServedFiles
from stocktake.store.served_system import ServedFileSystem
from tests.servers.server import Server

BODY = bytes(range(256)) * 40
SMALL = ReadLimits(block_bytes=64, read_ahead_bytes_max=512, cache_bytes_max=1024)


class Remote:
    """A file somewhere else, and which of its ranges were fetched."""

    def __init__(self, body: bytes = BODY) -> None:
        self.body = body
        self.blocks = Blocks()
        self.fetched: list[tuple[int, int]] = []

    def fetch(self, start: int, stop: int) -> bytes:
        self.fetched.append((start, stop))
        return self.body[start:stop]

    def open(self, limits: ReadLimits = SMALL) -> RangedFile:
        return RangedFile(self.fetch, len(self.body), "s3://bucket/file", limits, self.blocks)


@given(
    body=st.binary(max_size=2000),
    block=st.integers(1, 300),
    cache=st.integers(0, 2000),
    steps=st.lists(st.tuples(st.integers(0, 2200), st.integers(-1, 900)), max_size=12),
)
def test_a_ranged_file_reads_as_the_whole_file_would(
    body: bytes, block: int, cache: int, steps: list[tuple[int, int]]
) -> None:
    limits = ReadLimits(block_bytes=block, read_ahead_bytes_max=4 * block, cache_bytes_max=cache)
    truth = io.BytesIO(body)
    with Remote(body).open(limits) as file:
        for offset, size in steps:
            assert file.seek(offset) == truth.seek(offset)
            assert file.read(size) == truth.read(size)
            assert file.read(7) == truth.read(7)
            assert file.tell() == truth.tell()


def test_a_random_read_fetches_only_the_blocks_it_touches_and_none_of_them_twice() -> None:
    remote = Remote()
    with remote.open() as file:
        assert file.read_at(130, 10) == BODY[130:140]
        assert file.read_at(140, 0) == b""
        assert file.read_at(100, 100) == BODY[100:200]
    assert remote.fetched == [(128, 192), (64, 128), (192, 256)]


def test_a_read_that_follows_on_fetches_ahead_and_further_every_time_up_to_the_bound() -> None:
    remote = Remote()
    with remote.open() as file:
        while file.read(64):
            pass
    sizes = [stop - start for start, stop in remote.fetched]
    assert sizes[:4] == [64, 128, 320, 576]
    assert max(sizes) == 64 + SMALL.read_ahead_bytes_max
    assert sum(sizes) == len(BODY)
    assert len(sizes) < 22


def test_no_more_is_kept_than_the_bound() -> None:
    remote = Remote()
    with remote.open() as file:
        for start in range(0, len(BODY), 128):
            file.read_at(start, 64)
        assert 0 < remote.blocks.bytes_kept <= SMALL.cache_bytes_max
        file.read_at(0, 1)
    assert remote.fetched[-1] == (0, 64)


def test_of_a_large_read_its_ends_are_kept() -> None:
    remote = Remote()
    with remote.open() as file:
        file.read_at(0, 64 * 12)
        assert remote.blocks.bytes_kept == 2 * 64
        file.read_at(10, 20)
        file.read_at(64 * 12 - 1, 65)
    assert remote.fetched == [(0, 768), (768, 832)]


def test_a_file_that_is_opened_again_knows_what_the_first_one_fetched() -> None:
    remote = Remote()
    for _ in range(3):
        with remote.open() as file:
            assert file.read_at(len(BODY) - 100, 100) == BODY[-100:]
    assert len(remote.fetched) == 1
    other = RangedFile(remote.fetch, len(BODY), "s3://bucket/other", SMALL, remote.blocks)
    other.read_at(len(BODY) - 100, 100)
    assert len(remote.fetched) == 2


def test_a_store_that_gives_too_few_bytes_is_an_error_that_names_the_file() -> None:
    file = RangedFile(lambda _start, _stop: b"short", 100, "s3://bucket/file", SMALL, Blocks())
    with pytest.raises(DataFileError, match=r"s3://bucket/file gave 5 bytes .* expected 64"):
        file.read(10)


def test_a_ranged_file_moves_like_any_file() -> None:
    with Remote().open() as file:
        assert file.seek(-6, io.SEEK_END) == len(BODY) - 6
        assert file.seek(2, io.SEEK_CUR) == len(BODY) - 4
        buffer = bytearray(10)
        assert file.readinto(buffer) == 4
        assert bytes(buffer[:4]) == BODY[-4:]
        with pytest.raises(ValueError, match="no byte -1"):
            file.seek(-1)
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


# -- what engines are given ----------------------------------------------------------------------


def served(opening: Callable[[], io.IOBase]) -> ServedFiles:
    return ServedFiles({"a*.parquet": Served(len(BODY), opening)})  # type: ignore[arg-type]


@pytest.mark.parametrize("remote", [True, False])
def test_threads_that_share_one_file_each_read_where_they_said(remote: bool) -> None:
    """DuckDB's threads seek and read on one handle with nothing in between to keep them apart."""
    opening = Remote().open if remote else lambda: io.BytesIO(BODY)
    file = served(opening).open("a*.parquet")
    ready = threading.Barrier(8)

    def read(number: int) -> bool:
        same = True
        for step in range(25):
            offset = (number * 977 + step * 131) % len(BODY)
            file.seek(offset)
            ready.wait()  # all have sought before any reads
            same &= file.read(50) == BODY[offset : offset + 50]
            ready.wait()
        return same

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_reader_that_never_says_where_reads_on_from_whichever_thread() -> None:
    file = served(lambda: io.BytesIO(BODY)).open("a*.parquet")
    file.seek(10)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(file.read, 5).result() == BODY[10:15]
    assert file.read(5) == BODY[15:20]
    assert file.tell() == 20
    assert file.seek(-3, io.SEEK_END) == len(BODY) - 3
    assert file.read() == BODY[-3:]


def test_only_the_files_that_are_served_exist_and_names_are_never_patterns() -> None:
    files = ServedFileSystem(served(Remote().open))
    assert files.glob("stocktake://a*.parquet") == ["stocktake://a*.parquet"]
    assert files.glob("stocktake://*") == []
    assert files.info("stocktake://a*.parquet")["size"] == len(BODY)
    assert files.exists("stocktake://a*.parquet")
    assert not files.exists("stocktake://ab.parquet")
    for name in ("ab.parquet", "/etc/passwd", "../a*.parquet"):
        with pytest.raises(FileNotFoundError):
            files.open(name)
    with pytest.raises(PermissionError):
        files.open("a*.parquet", "wb")


def test_what_went_wrong_inside_is_remembered() -> None:
    def fail(_start: int, _stop: int) -> bytes:
        raise ServerError("no answer")

    files = served(lambda: RangedFile(fail, 100, "f", SMALL, Blocks()))
    file = files.open("a*.parquet")
    assert files.failure is None
    with pytest.raises(ServerError):
        file.read(1)
    assert isinstance(files.failure, ServerError)


# -- where files lie -----------------------------------------------------------------------------


def test_a_folder_is_listed_and_read_by_keys(tmp_path: Path) -> None:
    (tmp_path / "p" / "2026").mkdir(parents=True)
    (tmp_path / "p" / "manifest.json").write_bytes(b"{}")
    files = FolderFiles(tmp_path)
    assert files.list("p/") == ["p/2026/", "p/manifest.json"]
    assert files.list("p/m") == ["p/manifest.json"]
    assert files.list("") == ["p/"]
    assert files.list("none/") == []
    assert files.list("p/manifest.json/") == []
    assert files.read("p/manifest.json", 2) == b"{}"
    assert files.size("p/manifest.json") == 2
    assert files.bucket is None
    assert files.uri("p/manifest.json") == str(tmp_path / "p" / "manifest.json")


def test_a_folder_says_what_is_not_there_or_too_large_and_never_leads_outside(
    tmp_path: Path,
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    files = FolderFiles(tmp_path / "inside")
    for key in ("nothing", "../secret", "a/../../secret", "", "secret/x"):
        with pytest.raises(NoSuchKeyError):
            files.open(key)
    with pytest.raises(ReportError, match="cannot be read"):
        files.open("a\0b")
    with pytest.raises(ReportError, match="longer than 5 bytes"):
        FolderFiles(tmp_path).read("secret", 5)


def test_a_path_with_or_without_a_trailing_slash_is_the_same_key(tmp_path: Path) -> None:
    files, key = FolderFiles.at(tmp_path / "x")
    assert FolderFiles.at(Path(f"{tmp_path}/x/")) == (files, key)
    assert files.uri(key) == str(tmp_path / "x")


def test_a_bucket_is_listed_and_read_by_ranges(
    moto_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("analysis")
    s3 = moto_server.client()
    s3.create_bucket(Bucket=bucket)
    for key, body in {"r/m.json": b"{}", "r/data/f": BODY, "r/2026/m": b""}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    counters: Counter[str] = Counter()
    with Client(s3, counters) as client:
        files = BucketFiles(client, bucket, ReadLimits(block_bytes=512))
        assert files.list("r/") == ["r/2026/", "r/data/", "r/m.json"]
        assert files.read("r/m.json", 2) == b"{}"
        assert files.uri("r/m.json") == f"s3://{bucket}/r/m.json"
        with files.open("r/data/f") as file:
            before = counters["requests.control"]
            file.seek(5000)
            assert file.read(1000) == BODY[5000:6000]
            assert counters["requests.control"] - before == 1
            file.seek(0)
            assert file.read() == BODY
        for missing in (files.size, files.open, lambda key: files.read(key, 9)):
            with pytest.raises(NoSuchKeyError):
                missing("r/none")
