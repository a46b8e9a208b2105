"""Orphans: what no manifest and no unfinished run names, and never anything that one of them does."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.model.addresses import LocalAddress
from stocktake.model.errors import NoReportError, UndecidedError, UsageError
from stocktake.model.ledger import Upload
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Store
from stocktake.service.abandoning import abandon_run
from stocktake.service.orphans import find_orphans
from stocktake.service.runs import open_ledger
from tests.servers.fault import FaultServer, access_denied
from tests.service.runs import kill, publish
from tests.service.taking import root_of, run_to, run_to_bucket

HERE = Store()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def run(reports: Path) -> InventoryRun:
    return run_to(LocalAddress(reports))


def test_what_reports_and_unfinished_runs_name_is_no_orphan(
    state: Path, run: InventoryRun, reports: Path
) -> None:
    publish(state, run)
    kill(state, run, "delivery told")
    found = find_orphans(state, str(reports / "b" / "report1"), HERE)
    assert (found.keys, found.uploads, found.objects) == ((), (), 5)


def test_what_nobody_names_is_an_orphan_wherever_it_lies_below_data(
    state: Path, run: InventoryRun, reports: Path
) -> None:
    publish(state, run)
    data = reports / root_of(run) / "data"
    (data / "deep").mkdir()
    for name in ("lost.csv.gz", "deep/er.orc", ".stocktake-begun.parquet.1"):
        (data / name).write_bytes(b"x")
    for address, words in (
        (data.parent, {}),
        (reports, {"source_bucket": "b", "configuration_id": "report1"}),
    ):
        found = find_orphans(state, str(address), HERE, **words)
        assert set(found.uris) == {str(data / "lost.csv.gz"), str(data / "deep/er.orc")}
        assert [upload.id for upload in found.uploads or ()] == [".stocktake-begun.parquet.1"]
        assert (found.bucket, found.address) == (None, str(data.parent))
        assert found.objects == 6


def test_what_an_abandoned_run_could_not_remove_is_an_orphan(
    state: Path, run: InventoryRun, reports: Path
) -> None:
    name = kill(state, run, "delivery told")
    with open_ledger(state) as ledger:
        [key] = ledger.names(name)
        ledger.abandon(name)
    assert find_orphans(state, str(reports / root_of(run)), HERE).uris == (str(reports / key),)
    publish(state, run)
    abandon_run(state, name)
    assert find_orphans(state, str(reports / root_of(run)), HERE).keys == ()


def test_a_report_that_was_copied_needs_its_files_where_they_are_now(
    state: Path, run: InventoryRun, reports: Path, tmp_path: Path
) -> None:
    publish(state, run)
    (reports / root_of(run)).rename(tmp_path / "copy")
    found = find_orphans(tmp_path / "another ledger", str(tmp_path / "copy"), HERE)
    assert (found.keys, found.objects) == ((), 4)


def test_orphans_in_a_bucket_and_uploads_that_nobody_finishes(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    s3 = fault_server.client()
    publish(state, run)
    kill(state, run, "upload begun", multipart=s3)
    data = f"{root_of(run)}/data"
    s3.put_object(Bucket="reports", Key=f"{data}/lost", Body=b"")
    begun = s3.create_multipart_upload(Bucket="reports", Key=f"{data}/begun")["UploadId"]
    found = find_orphans(state, f"s3://reports/{root_of(run)}/", run.source)
    assert found.uris == (f"s3://reports/{data}/lost",)
    assert found.uploads == (Upload(f"{data}/begun", begun),)
    assert found.to_json() == {
        "configuration": f"s3://reports/{root_of(run)}",
        "objects": 5,
        "orphans": [f"s3://reports/{data}/lost"],
        "uploads": [{"key": f"{data}/begun", "id": begun}],
    }
    fault_server.rule(access_denied(), operation="ListMultipartUploads")
    assert find_orphans(state, f"s3://reports/{root_of(run)}", run.source).uploads is None


def test_while_a_manifest_cannot_be_read_nothing_is_called_an_orphan(
    state: Path, run: InventoryRun, reports: Path
) -> None:
    publish(state, run)
    [manifest] = reports.rglob("manifest.json")
    manifest.write_text("[]")
    with pytest.raises(UndecidedError, match="cannot be read, so any file may be one"):
        find_orphans(state, str(reports / root_of(run)), HERE)


def test_an_address_without_reports_is_told(state: Path, tmp_path: Path) -> None:
    with pytest.raises(NoReportError, match="there are no data files") as caught:
        find_orphans(state, str(tmp_path), HERE)
    assert "DESTINATION/BUCKET/ID" in caught.value.hint
    for words in ({"source_bucket": "b"}, {"configuration_id": "i"}):
        with pytest.raises(UsageError, match="go together"):
            find_orphans(state, str(tmp_path), HERE, **words)
