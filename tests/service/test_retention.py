"""Whole reports go, the rest stays: whatever a manifest claims, whatever is locked, and wherever a crash comes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from stocktake.model.addresses import LocalAddress, S3Address
from stocktake.model.errors import UndecidedError
from stocktake.model.manifest import parse_manifest, render_checksum, render_manifest
from stocktake.model.paths import ReportPaths
from stocktake.model.retention import Condition, KeptReport, Retention
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Store
from stocktake.service.retention import (
    Expired,
    Shelf,
    expire,
    find_reports,
    finish_expiries,
    opened_shelf,
)
from stocktake.service.runs import open_ledger
from stocktake.store.removing import Piece, Removing
from tests.acceptance.command_line import command, stocktake
from tests.servers.fault import FaultServer, hold
from tests.servers.server import Server
from tests.service.runs import kill, publish
from tests.service.taking import NOW, Crash, root_of, run_to, run_to_bucket
from tests.service.worker_runs import until

LAST = Retention(keep_last=1)


@dataclass(frozen=True, slots=True)
class Reports:
    """Three daily reports of one configuration, the oldest first, and the ledger that knows of them."""

    run: InventoryRun
    state: Path

    @contextmanager
    def opened(self) -> Iterator[Shelf]:
        address = self.run.address
        place = S3Address(address.bucket) if isinstance(address, S3Address) else address
        with opened_shelf(place, self.run.destination, root_of(self.run)) as shelf:
            yield shelf

    def paths(self, number: int) -> ReportPaths:
        return ReportPaths(root_of(self.run), NOW + timedelta(days=number))

    def expire(self, retention: Retention = LAST, **options: Any) -> Sequence[Expired]:
        with self.opened() as shelf, open_ledger(self.state) as ledger:
            return expire(shelf, ledger, retention, NOW + timedelta(days=2), **options)

    def found(self) -> Sequence[KeptReport]:
        with self.opened() as shelf:
            return find_reports(shelf)

    def keys(self) -> set[str]:
        with self.opened() as shelf:
            return set(shelf.place.destination.list(""))

    def of(self, report: KeptReport) -> set[str]:
        assert report.manifest is not None
        return {file.key for file in report.manifest.files} | (
            set(report.paths.commit) & self.keys()
        )

    def write(self, key: str, body: bytes) -> None:
        with self.opened() as shelf:
            shelf.place.destination.remove(key)
            shelf.place.destination.put(key, body)

    def forge(self, number: int, keys: Sequence[str], **said: str) -> None:
        """Have the manifest of a report name the `keys`, too, and say what is `said`; its checksum holds."""
        paths = self.paths(number)
        with self.opened() as shelf:
            manifest = parse_manifest(shelf.place.files.read(paths.manifest, 2**20))
        named = tuple(replace(manifest.files[0], key=key) for key in keys)
        body = render_manifest(replace(manifest, files=manifest.files + named, **said))
        self.write(paths.manifest, body)
        self.write(paths.checksum, render_checksum(body))


def published(state: Path, run: InventoryRun, days: int = 3) -> Reports:
    for number in range(days):
        publish(state, replace(run, moment=NOW + timedelta(days=number)))
    return Reports(run, state)


@pytest.fixture
def local(tmp_path: Path) -> Reports:
    return published(tmp_path / "state", run_to(LocalAddress(tmp_path / "reports")))


@pytest.fixture(
    params=["moto", pytest.param("ceph", marks=pytest.mark.server)], ids=["moto", "ceph"]
)
def versioned(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    buckets: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Reports, Any]:
    """Two reports in a bucket with versions and locks."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    s3, bucket = server.client(), buckets("reports")
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    store = Store(server.endpoint_url)
    run = run_to(S3Address(bucket, "p"), source=store, destination=store)
    return published(tmp_path / "state", run, days=2), s3


def test_whole_reports_go_with_all_that_lies_beside_them_and_nothing_else(local: Reports) -> None:
    for name in (local.paths(0).usage, local.paths(0).ages):
        local.write(name, b"beside it")
    local.write(f"{root_of(local.run)}/data/{uuid4()}.orc", b"of nobody")
    local.write(f"{local.paths(0).folder}/notes.txt", b"a user's")
    before, reports = local.keys(), local.found()
    assert [each.condition for each in reports] == [Condition.GOOD] * 3
    old = local.of(reports[0]) | local.of(reports[1])
    told = local.expire(dry_run=True)
    assert (local.keys(), [each.why for each in told]) == (before, ["", ""])
    assert [each.objects for each in local.expire()] == [each.objects for each in told] == [10, 8]
    assert local.keys() == before - old
    assert local.expire() == ()
    with open_ledger(local.state) as ledger:
        assert ledger.expiries.open() == ()


@pytest.mark.parametrize("victim", ["elsewhere", "other configuration", "parent", "bucket"])
def test_a_forged_manifest_removes_nothing(local: Reports, victim: str) -> None:
    data = f"{uuid4()}.csv.gz"
    key = {
        "elsewhere": "b/precious.csv",
        "other configuration": f"b/other/data/{data}",
        "parent": f"{root_of(local.run)}/data/../../other/data/{data}",
        "bucket": f"{root_of(local.run)}/data/{data}",
    }[victim]
    local.write(f"b/other/data/{data}", b"of another configuration")
    local.write("b/precious.csv", b"of nobody's configuration")
    local.forge(0, [key], **({"source_bucket": "videos"} if victim == "bucket" else {}))
    before = local.keys()
    forged, second, _ = local.found()
    assert forged.condition is Condition.STRANGE
    second_keys = local.of(second)
    assert [each.report.paths for each in local.expire()] == [local.paths(1)]
    assert local.keys() == before - second_keys


def test_files_that_another_manifest_or_a_run_under_way_names_stay(local: Reports) -> None:
    newest = local.found()[2]
    assert newest.manifest is not None
    run = replace(local.run, moment=NOW + timedelta(days=3))
    name = kill(local.state, run, "delivery told")
    with open_ledger(local.state) as ledger:
        under_way = ledger.names(name)
    stolen = [*(file.key for file in newest.manifest.files), *under_way]
    local.forge(0, stolen)
    assert local.found()[0].condition is Condition.GOOD
    first, second = local.expire()
    assert [(each.why, each.shared) for each in (first, second)] == [("", 5), ("", 0)]
    assert local.keys() == {*local.of(newest), *under_way}
    assert local.found()[-1].condition is Condition.GOOD


def test_a_report_that_somebody_dates_later_does_not_end_the_last_of_our_own(
    local: Reports,
) -> None:
    newest = local.found()[2]
    with local.opened() as shelf:
        body = shelf.place.files.read(newest.paths.manifest, 2**20)
    for minutes in (1, 2):
        forged = ReportPaths(root_of(local.run), newest.paths.moment + timedelta(minutes=minutes))
        local.write(forged.manifest, body)
        local.write(forged.checksum, render_checksum(body))
    local.expire()
    assert [each.paths.folder for each in local.found()] == [
        newest.paths.folder,
        forged.folder,
    ]
    assert local.found()[0].condition is Condition.GOOD


def test_nothing_goes_while_a_manifest_cannot_be_read(local: Reports) -> None:
    local.write(local.paths(1).manifest, b"[]")
    before = local.keys()
    with pytest.raises(UndecidedError, match="cannot be read, so any file may be one"):
        local.expire()
    assert local.keys() == before


@dataclass(frozen=True, slots=True)
class Crashing:
    """Removes `left` pieces; then the process is no more."""

    inner: Removing
    left: list[None]

    def pieces(self, key: str) -> Sequence[Piece]:
        return self.inner.pieces(key)

    def lock(self, key: str, piece: Piece, now: datetime) -> str:
        return self.inner.lock(key, piece, now)

    def remove(self, key: str, version: str | None) -> None:
        if not self.left:
            raise Crash
        self.left.pop()
        self.inner.remove(key, version)


def test_wherever_a_crash_comes_nothing_half_looks_whole_and_the_next_go_ends_it(
    tmp_path: Path,
) -> None:
    for removed in (0, 1, 2, 5, 8):
        folder = tmp_path / f"{removed}"
        reports = published(folder / "state", run_to(LocalAddress(folder / "reports")), days=2)
        newest = reports.of(reports.found()[1])
        with reports.opened() as shelf, open_ledger(reports.state) as ledger:
            crashing = replace(
                shelf,
                place=replace(shelf.place, removing=Crashing(shelf.removing, [None] * removed)),
            )
            if removed < 8:
                with pytest.raises(Crash):
                    expire(crashing, ledger, LAST, NOW)
            else:
                expire(crashing, ledger, LAST, NOW)
        for report in reports.found()[:-1]:
            whole = report.condition is Condition.GOOD
            assert whole or report.condition is Condition.UNFINISHED
            assert whole == (removed == 0)
        with open_ledger(reports.state) as ledger:
            finish_expiries(ledger)
            assert ledger.expiries.open() == ()
        assert (reports.keys() == newest) == (removed > 0)
        reports.expire()
        assert reports.keys() == newest


def test_kill_9_in_the_middle_and_the_same_command_again(
    tmp_path: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    run = run_to_bucket(fault_server, monkeypatch)
    reports = published(tmp_path / "state", run, days=2)
    newest = reports.of(reports.found()[1])
    fault_server.rule(hold(threading.Event()), method="DELETE", after=1)
    line = ("reports", "expire", f"s3://reports/{root_of(run)}", "--keep-last", "1")
    with subprocess.Popen(command(*line)) as process:
        until(lambda: sum(entry.method == "DELETE" for entry in fault_server.log) > 1, 180)
        process.send_signal(signal.SIGKILL)
    fault_server.clear_rules()
    half = reports.found()[0]
    assert half.condition is Condition.UNFINISHED
    listed = stocktake("reports", "list", f"s3://reports/{root_of(run)}", "--json").document
    assert listed["leaving"][0]["report"] == half.paths.folder
    done = stocktake(*line)
    assert (done.code, done.out) == (0, "no report is to go\n")
    assert reports.keys() == newest


def test_of_versions_all_go_and_what_is_locked_stays_whole_and_is_told(
    versioned: tuple[Reports, Any],
) -> None:
    reports, s3 = versioned
    old = reports.found()[0]
    assert isinstance(reports.run.address, S3Address)
    assert old.manifest is not None
    bucket = reports.run.address.bucket
    s3.put_object(Bucket=bucket, Key=old.paths.usage, Body=b"once")
    s3.delete_object(Bucket=bucket, Key=old.paths.usage)

    def versions() -> set[tuple[str, str]]:
        page = s3.list_object_versions(Bucket=bucket)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return {(each["Key"], each["VersionId"]) for each in found}

    before = versions()
    hold = {"Bucket": bucket, "Key": old.manifest.files[-1].key}
    s3.put_object_legal_hold(**hold, LegalHold={"Status": "ON"})
    [told] = reports.expire()
    assert told.why.endswith(f"{hold['Key']} is under a legal hold")
    assert versions() == before
    s3.put_object_legal_hold(**hold, LegalHold={"Status": "OFF"})
    newest = reports.of(reports.found()[1])
    assert [each.why for each in reports.expire()] == [""]
    assert {key for key, _ in versions()} == newest
    assert versions() < before


def test_a_report_stays_that_a_user_keeps_until_it_is_kept_no_more(
    local: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(local.state))
    assert isinstance(local.run.address, LocalAddress)
    above = local.run.address.path
    report, folder = above / local.paths(0).folder, above / root_of(local.run)
    assert stocktake("reports", "keep", report).out == f"{report} stays\n"
    assert stocktake("reports", "keep", f"{report}/manifest.json").code == 0
    done = stocktake("reports", "expire", folder, "--keep-days", "1", "--json")
    assert [each["moment"] for each in done.document["reports"]] == ["2026-11-23T14:43Z"]
    listed = stocktake("reports", "list", above, "--bucket", "b", "--id", "report1").out
    assert "2026-11-22T14-43Z  good" in listed
    assert listed.splitlines()[1].endswith("kept")
    assert stocktake("reports", "unkeep", report, "--json").document["kept"] is False
    assert stocktake("reports", "expire", folder, "--keep-last", "1").out.startswith("removed ")
    assert [each.paths for each in local.found()] == [local.paths(2)]


def test_what_makes_no_sense_is_told(local: Reports, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / root_of(local.run)
    for words, code, said in (
        ([folder], 2, "nothing says which reports are old"),
        ([folder, "--keep-last", "0"], 2, "expected 1 to"),
        ([tmp_path / "reports" / "b" / "none", "--keep-last", "1"], 1, "there are no reports"),
        ([folder, "--bucket", "b", "--keep-last", "1"], 2, "--bucket and --id go together"),
        (["s3://audit", "--keep-last", "1"], 2, "is no configuration's folder"),
        (["/", "--keep-last", "1"], 2, "is no configuration's folder"),
    ):
        stocktake("reports", "expire", *words).failed_clearly(code, said)
    stocktake("reports", "keep", folder).failed_clearly(2, "is no report")
    stocktake("reports", "keep", folder / "2026-01-01T00-00Z").failed_clearly(1, "no report")
    assert json.loads(stocktake("reports", "list", folder, "--json").out)["leaving"] == []


def test_every_command_shown_in_the_document_of_retention_runs(
    tmp_path: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    fault_server.bucket("audit")
    store = Store(fault_server.endpoint_url)
    run = run_to(S3Address("audit", "inventory"), source=store, destination=store, bucket="photos")
    configuration = run.configuration.model_copy(update={"id": "daily"})
    reports = published(tmp_path / "state", replace(run, configuration=configuration))
    with open_ledger(tmp_path / "state") as ledger:
        ledger.configurations.put("default", "photos", configuration)
    page = (Path(__file__).parents[2] / "docs" / "retention.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for line in "".join(blocks).splitlines()]
    for line in lines:
        done = stocktake(*shlex.split(line)[1:])
        assert (done.code, done.err) == (0, ""), line
    assert len(lines) == 8
    assert [each.paths for each in reports.found()] == [reports.paths(0), reports.paths(2)]
