"""Taking an inventory in the fewest steps: what a run tells the ledger and leaves in its destination, without a bucket
to list. Between any two steps it can be made to crash.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from stocktake.inventory.journal import Journal
from stocktake.inventory.sealing import seal
from stocktake.model.addresses import LocalAddress, S3Address
from stocktake.model.configuration import Format, bucket_arn
from stocktake.model.keys import KeyRange
from stocktake.model.ledger import Upload
from stocktake.model.manifest import (
    Manifest,
    ManifestFile,
    file_schema,
    render_checksum,
    render_manifest,
    render_symlink,
)
from stocktake.model.paths import ReportPaths, configuration_root
from stocktake.model.pieces import Segment
from stocktake.model.proof import check_files
from stocktake.model.runs import DataFile, InventoryResult, InventoryRun
from stocktake.model.sidecar import Sidecar, render_sidecar, sidecar_file
from stocktake.model.store import Store
from stocktake.service.clearing import Place, opened_place
from stocktake.service.journal import Work
from tests.model.test_runs import RUN
from tests.servers.fault import FaultServer

KEYS = tuple(f"{number:03d}" for number in range(40))
SEGMENT_KEYS = 5
FILE_SEGMENTS = 2
NOW = datetime(2026, 11, 22, 14, 43, tzinfo=UTC)


class Crash(BaseException):
    """The process is no more."""


class Steps:
    """Notes each step behind which a crash may come. It comes behind number `crash_at`, the first being 0, or behind
    the first one of a name.
    """

    def __init__(self, crash_at: int | str | None = None) -> None:
        self.taken: list[str] = []
        self._crash_at = crash_at

    def __call__(self, name: str) -> None:
        self.taken.append(name)
        if self._crash_at in (len(self.taken) - 1, name):
            raise Crash


def run_to(address: LocalAddress | S3Address, **changes: Any) -> InventoryRun:
    """A run that delivers to `address`."""
    prefix = address.key if isinstance(address, S3Address) else None
    delivery = RUN.configuration.delivery.model_copy(
        update={"prefix": prefix, "encryption": None, "format": Format.CSV}
    )
    wrapped = RUN.configuration.destination.model_copy(update={"s3_bucket_destination": delivery})
    configuration = RUN.configuration.model_copy(update={"destination": wrapped})
    return replace(RUN, address=address, configuration=configuration, moment=NOW, **changes)


def run_to_bucket(
    server: FaultServer, patch: pytest.MonkeyPatch, prefix: str = "p"
) -> InventoryRun:
    """A run that delivers to the bucket `reports`, which it makes, of `server`, whose credentials are in the
    environment from here on.
    """
    for name, value in server.environment().items():
        patch.setenv(name, value)
    server.bucket("reports")
    store = Store(server.endpoint_url)
    return run_to(S3Address("reports", prefix), source=store, destination=store)


def root_of(run: InventoryRun) -> str:
    """The configuration's folder."""
    prefix = run.configuration.delivery.prefix or ""
    return configuration_root(prefix, run.bucket, run.configuration.id)


def taker(
    steps: Steps | None = None, listed: list[str] | None = None, *, multipart: Any = None
) -> Callable[[Work, Journal], InventoryResult]:
    """What takes an inventory of KEYS. It adds every key that it lists to `listed`; `multipart` is a boto3 client to
    deliver data files with, in parts.
    """
    step = steps or Steps()

    def take(work: Work, journal: Journal) -> InventoryResult:
        with opened_place(work.run.address, work.run.destination) as place:
            paths = _chosen_paths(work, journal, place)
            step("folder chosen")
            _try_to_write(work.run, paths, step, multipart)
            segments = [*work.kept.segments, *_spooled(work, journal, step, listed)]
            segments.sort(key=lambda segment: segment.range.after)
            files = [delivery.file for delivery in work.kept.files]
            deliver = _Delivery(work, journal, place, paths, step, multipart)
            files += [deliver(group) for group in _groups(segments)]
            files.sort(key=lambda file: file.range.after)
            check_files(files, KeyRange(), len(KEYS))
            journal.beat()
            return _published(work.run, place, paths, files, step=step, journal=journal)

    return take


def _chosen_paths(work: Work, journal: Journal, place: Place) -> ReportPaths:
    root = root_of(work.run)
    if work.kept.moment is not None:
        return ReportPaths(root, work.kept.moment)
    for minutes in range(5):
        paths = ReportPaths(root, work.run.moment + timedelta(minutes=minutes))
        taken = any(True for _ in place.destination.list(f"{paths.folder}/"))
        if not taken and journal.folder(root, paths.moment):
            return paths
    raise AssertionError("no minute is free")


def _try_to_write(run: InventoryRun, paths: ReportPaths, step: Steps, multipart: Any) -> None:
    if multipart is None or not isinstance(run.address, S3Address):
        return
    name = {"Bucket": run.address.bucket, "Key": paths.probe}
    begun = multipart.create_multipart_upload(**name)["UploadId"]
    step("writing tried")
    multipart.abort_multipart_upload(**name, UploadId=begun)


def _spooled(
    work: Work, journal: Journal, step: Steps, listed: list[str] | None
) -> Iterator[Segment]:
    work.spool.mkdir(exist_ok=True)
    for gap in work.kept.uncovered(KeyRange()):
        keys = [key for key in KEYS if key in gap]
        if listed is not None:
            listed += keys
        chunks = [keys[at : at + SEGMENT_KEYS] for at in range(0, len(keys), SEGMENT_KEYS)] or [[]]
        bounds = [gap.after, *(chunk[-1] for chunk in chunks[:-1]), gap.upto]
        for chunk, (after, upto) in zip(chunks, pairwise(bounds), strict=True):
            segment = _segment(work.spool, KeyRange(after or "", upto), chunk)
            step("spooled")
            sealed = seal(segment)
            step("sealed")
            journal.spooled(sealed)
            step("segment told")
            yield sealed


def _segment(folder: Path, keys: KeyRange, chunk: Sequence[str]) -> Segment:
    if not chunk:
        return Segment(keys, 0, None, None, None)
    path = folder / f"{uuid4()}.arrow"
    path.write_text("\n".join(chunk))
    counters = Counter({"rows": len(chunk), "object_bytes": sum(map(int, chunk))})
    return Segment(keys, len(chunk), chunk[0], chunk[-1], path, counters=counters)


def _groups(segments: Sequence[Segment]) -> list[list[Segment]]:
    groups: list[list[Segment]] = []
    for segment in segments:
        last = groups[-1] if groups else []
        if last and len(last) < FILE_SEGMENTS and last[-1].range.upto == segment.range.after:
            last.append(segment)
        else:
            groups.append([segment])
    return groups


@dataclass(frozen=True, slots=True)
class _Delivery:
    work: Work
    journal: Journal
    place: Place
    paths: ReportPaths
    step: Steps
    multipart: Any

    def __call__(self, group: Sequence[Segment]) -> DataFile:
        body = "\n".join(each.path.read_text() for each in group if each.path).encode()
        key = self.paths.data(uuid4(), Format.CSV)
        self.journal.named(key)
        self.step("named")
        put = self.place.destination.put if self.multipart is None else self._upload
        version = put(key, body)
        self.step("delivered")
        held = [segment for segment in group if segment.rows]
        file = DataFile(
            ManifestFile(key, len(body), hashlib.md5(body).hexdigest()),
            KeyRange(group[0].range.after, group[-1].range.upto),
            sum(segment.rows for segment in group),
            held[0].first_key if held else None,
            held[-1].last_key if held else None,
            version=version,
        )
        self.journal.delivered(file, group, Counter({"requests.control": 1}))
        self.step("delivery told")
        for segment in group:
            if segment.path is not None:
                segment.path.unlink()
        return file

    def _upload(self, key: str, body: bytes) -> str | None:
        assert isinstance(self.work.run.address, S3Address)
        s3, name = self.multipart, {"Bucket": self.work.run.address.bucket, "Key": key}
        begun = s3.create_multipart_upload(**name)["UploadId"]
        self.step("upload begun")
        self.journal.uploading(key, begun)
        self.step("upload told")
        part = s3.upload_part(**name, UploadId=begun, PartNumber=1, Body=body)
        self.step("part sent")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        done = s3.complete_multipart_upload(**name, UploadId=begun, MultipartUpload=parts)
        version: str | None = done.get("VersionId")
        return version


def _published(
    run: InventoryRun,
    place: Place,
    paths: ReportPaths,
    files: Sequence[DataFile],
    *,
    step: Steps,
    journal: Journal,
) -> InventoryResult:
    manifest = Manifest(
        run.bucket,
        bucket_arn(run.address.bucket if isinstance(run.address, S3Address) else "dest"),
        paths.moment,
        Format.CSV,
        file_schema(Format.CSV, run.fields),
        tuple(file.file for file in files),
    )
    body = render_manifest(manifest)
    sidecar = Sidecar(
        generator="a test",
        endpoint="",
        configuration=run.configuration,
        extension_fields=(),
        started=NOW,
        finished=NOW + timedelta(seconds=9),
        rows=len(KEYS),
        object_bytes=sum(map(int, KEYS)),
        requests={"list": 3},
        retries=0,
        problems={},
        unknowable={},
        never=(),
        warnings=("beware",),
        files=tuple(sidecar_file(file) for file in files),
    )
    for key, content in (
        (paths.symlink, render_symlink([place.destination.uri(file.file.key) for file in files])),
        (paths.sidecar, render_sidecar(sidecar)),
        (paths.manifest, body),
        (paths.checksum, render_checksum(body)),
    ):
        version = place.destination.put(key, content)
        step(f"{key.rpartition('/')[2]} lies there")
        journal.placed(key, version)
        step(key.rpartition("/")[2])
    counters = Counter({"rows": len(KEYS)})
    address = place.destination.uri(paths.manifest)
    return InventoryResult(address, manifest, counters, 9.0, tuple(files), ("beware",))


def opened(run: InventoryRun) -> AbstractContextManager[Place]:
    """The run's destination, to look at."""
    return opened_place(run.address, run.destination)


def uploads_left(run: InventoryRun) -> Sequence[Upload] | None:
    """What is unfinished below the run's `data/`."""
    with opened(run) as place:
        return place.unfinished.find(f"{root_of(run)}/data/")


def objects_left(run: InventoryRun) -> list[str]:
    """All keys below the run's configuration folder."""
    with opened(run) as place:
        return list(place.destination.list(f"{root_of(run)}/"))


def rows_reported(run: InventoryRun, result: InventoryResult) -> list[str]:
    """The rows of a report, in its order, read through its manifest; and that nothing lies beside it."""
    with opened(run) as place:
        paths = ReportPaths(root_of(run), result.manifest.created)
        body = place.files.read(paths.manifest, 2**20)
        assert body == render_manifest(result.manifest)
        assert place.files.read(paths.checksum, 2**20) == render_checksum(body)
        keys = [file.key for file in result.manifest.files]
        beside = {paths.symlink, paths.sidecar, paths.manifest, paths.checksum}
        assert set(place.destination.list(f"{root_of(run)}/")) == {*keys, *beside}
        return [
            row for key in keys for row in place.files.read(key, 2**20).decode().split("\n") if row
        ]
