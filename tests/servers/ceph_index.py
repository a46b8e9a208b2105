"""Filling a bucket of Ceph without a PUT for each object: entries are written straight into the bucket's index.

A million of them take seconds instead of an hour, and LIST shows them as any others, with sizes and ETags of their own.
There are no objects behind them, so HEAD does not find them.

Each entry is that of one object which was really put, under another name. The layout is that of
`rgw_bucket_dir_entry` in Ceph's src/cls/rgw/cls_rgw_types.h: two bytes of versions, the length of the rest, the length
of the name, the name; and behind that, among others, the size twice and the ETag as text. An entry lies in the shard
that a hash of its name says: src/common/ceph_hash.cc, `RGWSI_BucketIndex_RADOS::bucket_shard_index` in src/rgw.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from struct import Struct

from tests.servers.server import Server

_POOL = "default.rgw.buckets.index"
_SHARDS_PRIME = 7877
_ENTRIES_AT_ONCE = 1000
_COMMAND_S_MAX = 120

# The object that is put for real: of a size and a name that occur nowhere else in its entry.
_MODEL_KEY = b"the-model-of-all-entries"
_MODEL_SIZE = 0x1E_EF_1D
_SIZE = Struct("<Q")
_LENGTH = Struct("<I")


class CephIndexError(RuntimeError):
    """The index cannot be written, or is not laid out as this module knows it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What LIST shall show."""

    key: bytes
    size: int
    e_tag: str  # 32 hexadecimal digits


def made_entry(key: bytes) -> Entry:
    """An entry whose size and ETag follow from its key."""
    digest = hashlib.md5(key, usedforsecurity=False).hexdigest()
    return Entry(key, int(digest[:6], 16), digest)


def fill_index(server: Server, bucket: str, entries: Iterable[Entry]) -> None:
    """Add entries to the index of an empty bucket.

    Raises:
        CephIndexError: the store refuses them, or its index is not laid out as this module knows it.
    """
    model = _Model.put(server, bucket)
    shards: list[list[Entry]] = [[] for _ in range(model.shards)]
    with _opened_pool(server.configuration) as pool:
        for entry in entries:
            number = shard_of(entry.key, model.shards)
            shards[number].append(entry)
            if len(shards[number]) == _ENTRIES_AT_ONCE:
                _write(pool, model, number, shards[number])
                shards[number].clear()
        for number, left in enumerate(shards):
            _write(pool, model, number, left)


def shard_of(key: bytes, shards: int) -> int:
    """The number of the shard that a key's entry lies in."""
    hashed = 0
    for byte in key:
        hashed = (hashed + (byte << 4) + (byte >> 4)) * 11 & 0xFFFFFFFF
    return (hashed ^ (hashed & 0xFF) << 24) % _SHARDS_PRIME % shards


@dataclass(frozen=True, slots=True)
class _Model:
    """An entry as the store has written it, in pieces: what comes before the name's and its own length, and what comes
    behind the name."""

    bucket_id: str
    shards: int
    versions: bytes
    rest: bytes
    e_tag: bytes

    @classmethod
    def put(cls, server: Server, bucket: str) -> _Model:
        """Put an object, read its entry, and delete the object."""
        client, key = server.client(), _MODEL_KEY.decode()
        put = client.put_object(Bucket=bucket, Key=key, Body=bytes(_MODEL_SIZE))
        told = ("bucket", "stats", "--bucket", bucket)
        stats = json.loads(_said(server, "radosgw-admin", "-n", "client.rgw.a", *told))
        bucket_id, shards = stats["id"], stats["num_shards"]
        shard = f".dir.{bucket_id}.{shard_of(_MODEL_KEY, shards)}"
        with tempfile.NamedTemporaryFile() as file:
            _said(server, "rados", "-p", _POOL, "getomapval", shard, key, file.name)
            entry = file.read()
        client.delete_object(Bucket=bucket, Key=key)
        versions, lengths, rest = entry[:2], entry[2:10], entry.partition(_MODEL_KEY)[2]
        model = cls(bucket_id, shards, versions, rest, put["ETag"].strip('"').encode())
        found = rest.count(_SIZE.pack(_MODEL_SIZE)), rest.count(model.e_tag)
        known = _lengths(_MODEL_KEY, rest)
        if lengths != known or found != (2, 1):
            raise CephIndexError(f"an entry of Ceph's index is not laid out as expected: {entry!r}")
        return model

    def like(self, entry: Entry) -> bytes:
        """The entry as the store would have written it."""
        rest = self.rest.replace(_SIZE.pack(_MODEL_SIZE), _SIZE.pack(entry.size))
        rest = rest.replace(self.e_tag, entry.e_tag.encode())
        return b"".join((self.versions, _lengths(entry.key, rest), entry.key, rest))


def _lengths(key: bytes, rest: bytes) -> bytes:
    return _LENGTH.pack(_LENGTH.size + len(key) + len(rest)) + _LENGTH.pack(len(key))


def _said(server: Server, program: str, *words: str) -> bytes:
    """What one of Ceph's tools prints."""
    done = subprocess.run(
        [program, "--conf", server.configuration, *words],
        capture_output=True,
        check=False,
        timeout=_COMMAND_S_MAX,
    )
    if done.returncode:
        raise CephIndexError(
            f"`{program} {' '.join(words)}` failed: {done.stderr.decode()[-2000:]}"
        )
    return done.stdout


@contextmanager
def _opened_pool(configuration: str) -> Iterator[_Pool]:
    """The pool of indexes, by librados, which Ceph's tools bring along."""
    rados = ctypes.CDLL("librados.so.2")
    rados.rados_create_write_op.restype = c_void_p
    cluster, pool = c_void_p(), c_void_p()
    _check("rados_create", rados.rados_create(byref(cluster), None))
    try:
        read = rados.rados_conf_read_file(cluster, configuration.encode())
        _check("rados_conf_read_file", read)
        _check("rados_connect", rados.rados_connect(cluster))
        _check("rados_ioctx_create", rados.rados_ioctx_create(cluster, _POOL.encode(), byref(pool)))
        yield _Pool(rados, pool)
        rados.rados_ioctx_destroy(pool)
    finally:
        rados.rados_shutdown(cluster)


@dataclass(frozen=True, slots=True)
class _Pool:
    rados: ctypes.CDLL
    context: c_void_p


def _write(pool: _Pool, model: _Model, shard: int, entries: Sequence[Entry]) -> None:
    """Add entries to a shard, all at once."""
    count, rados = len(entries), pool.rados
    keys = [entry.key for entry in entries]
    values = [model.like(entry) for entry in entries]
    texts, sizes = c_char_p * count, c_size_t * count
    operation = c_void_p(rados.rados_create_write_op())
    rados.rados_write_op_omap_set2(
        operation, texts(*keys), texts(*values),
        sizes(*map(len, keys)), sizes(*map(len, values)), c_size_t(count),
    )  # fmt: skip
    name = f".dir.{model.bucket_id}.{shard}".encode()
    done = rados.rados_write_op_operate(operation, pool.context, name, None, c_int(0))
    rados.rados_release_write_op(operation)
    _check("rados_write_op_operate", done)


def _check(what: str, code: int) -> None:
    if code < 0:
        raise CephIndexError(f"{what} failed: {os.strerror(-code)}")
