"""Objects given as Python values, and the buckets they lie in: in key order, newest version first
within a key."""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import NamedTuple

from tests.servers.fault_folder import Folder
from tests.servers.fault_values import Body, Pattern

OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
WRITTEN = datetime(2024, 5, 6, 22, 38, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FixtureObject:
    """One version of one object, or a delete marker, exactly as the test wants it answered.

    etag: without quotes; by default the MD5 of the body, or of the key where there is no body.
    version_id: None is the null version.  is_latest: None means true for the newest of its key
    only.
    checksum_algorithm: one name, or several joined by ",", as SHA256; its value goes out only on
    request.
    restore: the text of x-amz-restore, from which listings make RestoreStatus.
    head_headers: any header HEAD and GET shall answer; lock headers there also feed ?retention and
    ?legal-hold.
    acl: a whole AccessControlPolicy document, else one is made of the owner.
    head_status, head_code: what HEAD alone answers.  denied: every read of the object is 403, as
    with foreign ones.
    sse_c: encrypted with a key of the customer: 400 to whoever does not bring it.
    body: None gives `size` bytes of a pattern; else the size is that of the body.
    """

    key: str
    size: int = 0
    last_modified: datetime = WRITTEN
    etag: str = ""
    storage_class: str = "STANDARD"
    version_id: str | None = None
    is_latest: bool | None = None
    delete_marker: bool = False
    owner: str = OWNER
    checksum_algorithm: str = ""
    checksum_type: str = ""
    checksum_value: str = ""
    restore: str = ""
    content_type: str = "binary/octet-stream"
    head_headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: bytes = b""
    head_status: int = 0
    head_code: str = ""
    denied: bool = False
    sse_c: bool = False
    body: bytes | Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            object.__setattr__(self, "size", len(self.body))
        if not self.etag:
            source = self.body if isinstance(self.body, bytes) else self.key.encode()
            object.__setattr__(self, "etag", hashlib.md5(source, usedforsecurity=False).hexdigest())

    def content(self) -> Body:
        """The bytes GET answers."""
        if self.body is None:
            return Pattern(self.size)
        return self.body.read_bytes() if isinstance(self.body, Path) else self.body


class Entry(NamedTuple):
    """A key and all its versions, newest first. `size`, where given, stands in place of theirs:
    generated objects share one template, so that a page of them costs little."""

    key: str
    history: tuple[FixtureObject, ...]
    size: int | None = None


def _same_size(_index: int) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Synthetic:
    """`count` objects that exist only while someone looks: nothing of them is held in memory.

    `key_of(index)` must ascend in UTF-8 order. Each object is `template` with its key and
    `size_of(index)`; `make`, if given, makes it instead, one version or all of them newest first.
    """

    count: int
    key_of: Callable[[int], str]
    size_of: Callable[[int], int] = _same_size
    template: FixtureObject = field(
        default_factory=lambda: FixtureObject("template", etag="0" * 32)
    )
    make: Callable[[int, str], FixtureObject | Sequence[FixtureObject]] | None = None

    def seek(self, start: str) -> int:
        """The index of the first key that is not before `start`."""
        return bisect_left(range(self.count), start, key=self.key_of)

    def entries(self, start: str) -> Iterator[Entry]:
        """Every key that is not before `start`, ascending, with all its versions."""
        indexes = range(self.seek(start), self.count)
        if self.make is not None:
            return (Entry(self.key_of(index), self.at(index)) for index in indexes)
        alike = (self.template,)
        return (Entry(self.key_of(index), alike, self.size_of(index)) for index in indexes)

    def at(self, index: int) -> tuple[FixtureObject, ...]:
        """All versions of the key of that index, newest first."""
        key = self.key_of(index)
        if self.make is None:
            return (replace(self.template, key=key, size=self.size_of(index)),)
        made = self.make(index, key)
        return (made,) if isinstance(made, FixtureObject) else tuple(made)

    def find(self, key: str) -> tuple[FixtureObject, ...]:
        """All versions of `key`; none when there is no such key."""
        index = self.seek(key)
        return self.at(index) if index < self.count and self.key_of(index) == key else ()


def synthetic(
    count: int,
    key_of: Callable[[int], str] | Sequence[str] = "data/{:09d}".format,
    *,
    size_of: Callable[[int], int] = _same_size,
    template: FixtureObject | None = None,
    make: Callable[[int, str], FixtureObject | Sequence[FixtureObject]] | None = None,
) -> Synthetic:
    """Objects for a large bucket; `key_of` is an ascending function of the index, or a sorted list
    of keys."""
    function = key_of if callable(key_of) else key_of.__getitem__
    return Synthetic(
        count, function, size_of, template or FixtureObject("template", etag="0" * 32), make
    )


class Bucket:
    """A bucket: fixtures, what was put, and how it answers. Tests may change every attribute at any
    time.

    encryption: "applied", "ignored" (200, but not stored encrypted, as Ceph) or "refused" (501).
    trailers: "accepted" or "refused" (aws-chunked uploads with a trailer, as Ceph).
    withheld: of "retention", "legal-hold", "tagging": what the caller has no right to see.
    wrong_region: "" accepts any region in a signature; "malformed" answers 400
    AuthorizationHeaderMalformed, "redirect" 301 PermanentRedirect, both with x-amz-bucket-region.
    documents: body of ?versioning, ?object-lock, ?lifecycle and so on, by sub-resource.
    """

    def __init__(
        self,
        name: str,
        objects: Iterable[FixtureObject] = (),
        *,
        generated: Synthetic | None = None,
        versioning: str = "",
        region: str = "us-east-1",
        wrong_region: str = "",
        encryption: str = "applied",
        trailers: str = "accepted",
        withheld: Iterable[str] = (),
        documents: Mapping[str, bytes] | None = None,
        folder: Path | None = None,
        now: Callable[[], datetime],
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._lock = lock or RLock()
        self.name, self.region, self.wrong_region = name, region, wrong_region
        self.versioning, self.encryption, self.trailers = versioning, encryption, trailers
        self.withheld, self.documents = set(withheld), dict(documents or {})
        self.uploads: dict[str, Upload] = {}
        self._generated, self._now, self._folder = (
            generated,
            now,
            Folder(folder) if folder else None,
        )
        self._histories: dict[str, tuple[FixtureObject, ...]] = {}
        self._keys: list[str] = []
        self._versions_made = 0
        for given in objects:
            self._set(given.key, (*self._histories.get(given.key, ()), given))
        for stored in self._folder.load() if self._folder else ():
            self._set(stored["key"], (FixtureObject(**stored),))

    def seek(self, start: str) -> Iterator[str]:
        """Every key that is not before `start`, ascending, those with only delete markers
        included."""
        return (entry.key for entry in self.entries(start))

    def entries(self, start: str) -> Iterator[Entry]:
        """Every key that is not before `start`, ascending, with all its versions."""
        first = bisect_left(self._keys, start)
        own = (Entry(key, self._histories[key]) for key in islice(self._keys, first, None))
        if self._generated is None:
            return own
        made = self._generated.entries(start)
        if not self._histories:
            return made
        made = (entry for entry in made if entry.key not in self._histories)
        return heapq.merge(own, made, key=lambda entry: entry.key)

    def history(self, key: str) -> tuple[FixtureObject, ...]:
        """All versions of `key`, newest first; none when there is no such key."""
        own = self._histories.get(key)
        return own if own is not None else self._generated.find(key) if self._generated else ()

    def find(self, key: str, version_id: str | None = None) -> FixtureObject | None:
        """One version by its id ("null" is the null version), or the newest; None when there is
        none."""
        history = self.history(key)
        if version_id is None:
            return history[0] if history else None
        wanted = None if version_id == "null" else version_id
        return next((version for version in history if version.version_id == wanted), None)

    def keys(self) -> list[str]:
        """The keys whose newest version is an object."""
        with self._lock:
            return [entry.key for entry in self.entries("") if not entry.history[0].delete_marker]

    def read(self, key: str) -> bytes:
        """The bytes of the newest version. Raises KeyError when there is none."""
        found = self.find(key)
        if found is None or found.delete_marker:
            raise KeyError(key)
        return found.content()[:]

    def put(self, given: FixtureObject) -> FixtureObject:
        """Write an object as a client would: a new version where versioning is Enabled (its id is
        made up unless given), else in the place of the null version. Returns what was stored."""
        with self._lock:
            history = self.history(given.key)
            if self.versioning == "Enabled" and given.version_id is None:
                given = replace(given, version_id=self._new_version_id())
            kept = tuple(old for old in history if old.version_id != given.version_id)
            self._set(given.key, (given, *kept) if self.versioning else (given,))
            if self._folder:
                self._folder.store(given, given.content()[:])
            return given

    def overwrite(self, key: str, **changes: object) -> FixtureObject:
        """Write `key` anew with `changes` (fields of FixtureObject) at the present moment. A `size`
        without a `body` takes the old body away."""
        with self._lock:
            old = self.find(key) or FixtureObject(key)
            fresh: dict[str, object] = {
                "last_modified": self._now(),
                "version_id": None,
                "etag": "",
            }
            fresh |= {"is_latest": None, "delete_marker": False}
            if "size" in changes:
                fresh["body"] = None
            return self.put(replace(old, **{**fresh, **changes}))  # type: ignore[arg-type]

    def remove(self, key: str, version_id: str | None = None) -> FixtureObject | None:
        """Delete as S3 does: a delete marker where there is versioning and no version is named
        (returned), else the object or that version itself. What is not there is deleted without
        complaint."""
        with self._lock:
            if version_id is None and self.versioning:
                fresh = self._new_version_id() if self.versioning == "Enabled" else None
                marker = FixtureObject(
                    key, last_modified=self._now(), version_id=fresh, delete_marker=True
                )
                kept = tuple(
                    old for old in self.history(key) if old.version_id != fresh or fresh is not None
                )
                self._set(key, (marker, *kept))
                return marker
            gone = self.find(key, version_id)
            self._set(
                key, tuple(old for old in self.history(key) if old is not gone and old != gone)
            )
            if self._folder:
                self._folder.remove(key)
            return None

    def _new_version_id(self) -> str:
        self._versions_made += 1
        return hashlib.sha256(f"{self.name}/{self._versions_made}".encode()).hexdigest()[:32]

    def _set(self, key: str, history: tuple[FixtureObject, ...]) -> None:
        listed = bool(self._histories.get(key))
        if history and not listed:
            insort(self._keys, key)
        if listed and not history:
            del self._keys[bisect_left(self._keys, key)]
        # A generated object that was deleted leaves an empty history behind, which hides it.
        if history or self._generated:
            self._histories[key] = history
        else:
            self._histories.pop(key, None)


@dataclass(slots=True)
class Upload:
    """A multipart upload under way."""

    key: str
    headers: Mapping[str, str]
    started: datetime
    parts: dict[int, bytes] = field(default_factory=dict)
