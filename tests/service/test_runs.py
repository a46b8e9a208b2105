"""The use cases about runs: which there are, what each has, and clearing away what will not be finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stocktake.model.addresses import LocalAddress
from stocktake.model.errors import InventoryError, UndecidedError, UsageError
from stocktake.model.ledger import RunState
from stocktake.model.paths import ReportPaths
from stocktake.model.runs import InventoryRun
from stocktake.service import runs as use_cases
from stocktake.service.abandoning import abandon_run, find_left
from stocktake.service.runs import list_runs, open_ledger, show_run
from stocktake.service.working import resume_run
from stocktake.state.owners import this_process
from tests.servers.fault import FaultServer, access_denied, ignore_subresource, respond
from tests.servers.fault_xml import result
from tests.service.runs import kill, publish
from tests.service.taking import objects_left, root_of, run_to, run_to_bucket, uploads_left


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path) -> InventoryRun:
    return run_to(LocalAddress(tmp_path / "reports"))


# -- which there are -----------------------------------------------------------------------------


def test_unfinished_runs_are_always_listed_finished_ones_only_the_newest(
    state: Path, run: InventoryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "FINISHED_SHOWN", 2)
    killed = kill(state, run, "segment told")
    for number in range(3):
        publish(state, replace(run, bucket=f"b{number}"))
    records = list_runs(state)
    assert [record.source for record in records] == ["s3://b2/logs", "s3://b1/logs", "s3://b/logs"]
    assert records[-1].id == killed
    assert len(list_runs(state, everything=True)) == 4


def test_a_run_is_shown_with_what_it_has(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivery told")
    details = show_run(state, name)
    assert (details.record.state, details.record.rows) == (RunState.INTERRUPTED, 40)
    assert [delivery.file.file.key for delivery in details.kept.files] == list(details.names)
    assert len(details.kept.segments) == 6


def test_a_run_nobody_knows_is_a_usage_error(state: Path) -> None:
    for ask in (show_run, find_left, abandon_run):
        with pytest.raises(UsageError, match="there is no run `zzz`"):
            ask(state, "zzz")


# -- abandoning ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after", ["folder chosen", "segment told", "named", "delivered", "delivery told", "symlink.txt", "manifest.json"]
)  # fmt: skip
def test_of_an_abandoned_run_nothing_is_left_and_nothing_else_is_touched(
    state: Path, run: InventoryRun, after: str
) -> None:
    publish(state, run)
    others = objects_left(run)
    name = kill(state, run, after)
    ours = set(objects_left(run)) - set(others)
    found = find_left(state, name)
    assert set(found.keys) == ours
    assert set(objects_left(run)) == {*others, *ours}  # looking changes nothing
    assert show_run(state, name).record.state is RunState.INTERRUPTED
    assert abandon_run(state, name) == found
    assert objects_left(run) == others
    assert not show_run(state, name).record.spool.exists()
    assert show_run(state, name).record.state is RunState.ABANDONED
    assert find_left(state, name).nothing
    assert abandon_run(state, name).nothing


def test_what_makes_a_report_goes_before_what_it_vouches_for(
    state: Path, run: InventoryRun
) -> None:
    name = kill(state, run, "manifest.json")
    keys = [key.rpartition("/")[2] for key in find_left(state, name).keys]
    assert keys[:3] == ["manifest.json", "stocktake.json", "symlink.txt"]
    assert len(keys) == 3 + 4


def test_files_that_were_being_written_go_too_but_not_those_of_others(
    state: Path, run: InventoryRun
) -> None:
    result = publish(state, run)
    name = kill(state, run, "symlink.txt")
    [key, *_] = show_run(state, name).names
    with open_ledger(state) as ledger:
        moment = ledger.run(name).moment
    assert moment is not None
    assert isinstance(run.address, LocalAddress)
    folder = run.address.path
    paths, others = (ReportPaths(root_of(run), m) for m in (moment, result.manifest.created))

    def temporary(key: str) -> Path:
        path = folder / key
        return path.with_name(f".stocktake-{path.name}.1")

    ours = [temporary(each) for each in (key, paths.manifest, paths.symlink)]
    theirs = [temporary(each) for each in (f"{root_of(run)}/data/x", others.manifest)]
    for path in (*ours, *theirs):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert len(find_left(state, name).uploads) == 3
    abandon_run(state, name)
    assert [path.exists() for path in (*ours, *theirs)] == [False] * 3 + [True] * 2
    assert not (folder / paths.folder).exists()


def test_uploads_in_parts_are_aborted_those_that_were_told_and_those_that_were_not(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    s3 = fault_server.client()
    bucket = fault_server.bucket_named("reports")
    foreign = s3.create_multipart_upload(Bucket="reports", Key=f"{root_of(run)}/data/other")
    for after in ("writing tried", "upload begun", "part sent"):
        name = kill(state, run, after, multipart=s3)
        assert len(find_left(state, name).uploads) == 1
        abandon_run(state, name)
        assert list(bucket.uploads) == [foreign["UploadId"]]
        assert bucket.keys() == []


def test_where_a_store_does_not_list_uploads_those_that_were_told_are_aborted(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    s3 = fault_server.client()
    bucket = fault_server.bucket_named("reports")
    fault_server.rule(ignore_subresource(), operation="ListMultipartUploads")
    name = kill(state, run, "part sent", multipart=s3)
    left = abandon_run(state, name)
    assert left.untold
    assert len(left.uploads) == 1
    assert bucket.uploads == {}


def test_where_a_store_lists_the_uploads_of_one_key_only_those_that_were_told_are_aborted(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    s3 = fault_server.client()
    bucket = fault_server.bucket_named("reports")
    empty = result("ListMultipartUploadsResult", "<Bucket>reports</Bucket>")
    fault_server.rule(
        respond(200, body=empty),
        operation="ListMultipartUploads",
        where=lambda request: request.query["prefix"].endswith("/"),
    )
    for after in ("writing tried", "part sent"):
        name = kill(state, run, after, multipart=s3)
        assert len(find_left(state, name).uploads) == 1
        assert not abandon_run(state, name).untold
        assert bucket.uploads == {}


def test_a_run_that_is_worked_on_is_not_abandoned(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivered")
    before = objects_left(run)
    with open_ledger(state) as ledger:
        resume_run(ledger, name)
    for ask in (find_left, abandon_run):
        with pytest.raises(InventoryError, match=str(this_process())):
            ask(state, name)
    assert objects_left(run) == before


def test_a_run_that_published_its_report_is_not_abandoned_whatever_the_ledger_says(
    state: Path, run: InventoryRun
) -> None:
    name = kill(state, run, "manifest.checksum")
    before = objects_left(run)
    with pytest.raises(
        InventoryError, match=r"has published its report: .*manifest\.json"
    ) as caught:
        abandon_run(state, name)
    assert f"stocktake run --resume {name}" in caught.value.hint
    assert objects_left(run) == before
    publish(state, replace(run, bucket="b2"))
    [record, _] = list_runs(state)
    with pytest.raises(InventoryError, match="is published and cannot be abandoned"):
        abandon_run(state, record.id)


def test_what_a_manifest_names_stays_whoever_else_named_it(state: Path, run: InventoryRun) -> None:
    """As when somebody has mended a report by hand."""
    name = kill(state, run, "delivery told")
    [key] = show_run(state, name).names
    publish(state, run)
    [manifest] = (run.address.path / root_of(run)).glob("*/manifest.json")  # type: ignore[union-attr]
    document = json.loads(manifest.read_text())
    document["files"].append({"key": key, "size": 1, "MD5checksum": "0" * 32})
    manifest.write_text(json.dumps(document))
    assert abandon_run(state, name).keys == ()
    assert key in objects_left(run)


def test_while_a_manifest_cannot_be_read_nothing_is_removed(state: Path, run: InventoryRun) -> None:
    name = kill(state, run, "delivered")
    result = publish(state, run)
    paths = ReportPaths(root_of(run), result.manifest.created)
    (run.address.path / paths.manifest).write_text("{")  # type: ignore[union-attr]
    before = objects_left(run)
    for ask in (find_left, abandon_run):
        with pytest.raises(UndecidedError, match=r"manifest\.json cannot be read"):
            ask(state, name)
    assert objects_left(run) == before
    assert show_run(state, name).record.state is RunState.INTERRUPTED


def test_of_a_run_whose_bucket_is_gone_nothing_is_left_there(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    name = kill(state, run, "delivered")
    del fault_server.buckets["reports"]
    left = abandon_run(state, name)
    assert (left.keys, left.spool is None) == ((), False)
    assert show_run(state, name).record.names == 0


def test_a_removal_that_was_refused_can_be_repeated(
    state: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    bucket = fault_server.bucket_named("reports")
    name = kill(state, run, "symlink.txt")
    fault_server.rule(access_denied(), operation="DeleteObject", nth=3)
    with pytest.raises(InventoryError, match="cannot delete"):
        abandon_run(state, name)
    with open_ledger(state) as ledger, pytest.raises(InventoryError, match="is abandoned"):
        resume_run(ledger, name)
    assert len(bucket.keys()) == 3
    abandon_run(state, name)
    assert bucket.keys() == []
    assert uploads_left(run) == []
