"""Planning a run: from a page of the bucket, from the last report, from what the user knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.addresses import LocalAddress
from stocktake.model.configuration import Format
from stocktake.model.errors import NoSuchBucketError, UsageError
from stocktake.model.estimate import Estimate
from stocktake.model.figures import Sureness
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import (
    Manifest,
    ManifestFile,
    file_schema,
    render_checksum,
    render_manifest,
)
from stocktake.model.paths import ReportPaths, configuration_root
from stocktake.model.prices import AWS, FREE
from stocktake.model.runs import Call, DataFile, InventoryRun
from stocktake.model.sidecar import Sidecar, parse_sidecar, render_sidecar, sidecar_file
from stocktake.service.commands.run import plan
from stocktake.service.estimating import estimate_run, expect_again, find_last_report
from stocktake.service.options import make_options
from stocktake.service.previous import Previous, find_previous
from stocktake.service.tables import load_prices
from tests.servers.fault import FaultServer, FixtureObject, access_denied, synthetic

PLAN_REQUESTS_MAX = 28
ROWS, SECONDS, REPORT_BYTES = 12_345, 40.0, 500_000
STARTED = datetime(2026, 11, 22, 14, 43, tzinfo=UTC)


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    """A store with a bucket `photos` of 3,000 objects."""
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("photos", generated=synthetic(3000, "data/{:09d}.jpg".format))
    return fault_server


def planned_run(folder: Path, source: str = "s3://photos", **options: Any) -> InventoryRun:
    return plan(make_options(source, folder / "reports", **options))


def deliver(run: InventoryRun, endpoint: str, **said: Any) -> Path:
    """Lay a report of `run` at its destination, as far as planning looks at it."""
    assert isinstance(run.address, LocalAddress)
    delivery = run.configuration.delivery
    root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
    paths = ReportPaths(root, STARTED)
    file = ManifestFile(f"{paths.root}/data/a.parquet", REPORT_BYTES, "0" * 32)
    data = DataFile(file, KeyRange(), ROWS, "a", "z")
    schema = file_schema(delivery.format, run.fields)
    manifest = render_manifest(
        Manifest(run.bucket, delivery.bucket, STARTED, delivery.format, schema, (file,))
    )
    sidecar: dict[str, Any] = {
        "generator": "stocktake",
        "endpoint": endpoint,
        "configuration": run.configuration,
        "extension_fields": run.extension_fields,
        "started": STARTED,
        "finished": STARTED + timedelta(seconds=SECONDS),
        "rows": ROWS,
        "object_bytes": 1,
        "requests": {"list": 20, "head": ROWS, "tagging": ROWS // 5},
        "retries": 0,
        "problems": {},
        "unknowable": {},
        "never": (),
        "warnings": (),
        "files": (sidecar_file(data),),
    }
    folder = run.address.path / paths.folder
    folder.mkdir(parents=True)
    (folder / "stocktake.json").write_bytes(render_sidecar(Sidecar(**{**sidecar, **said})))
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "manifest.checksum").write_bytes(render_checksum(manifest))
    return folder


# -- without a report ------------------------------------------------------------------------------


def test_a_bucket_of_which_nothing_is_known_is_asked_a_few_times_and_only_read(
    store: FaultServer, tmp_path: Path
) -> None:
    found = estimate_run(planned_run(tmp_path))
    assert found.asked == sum(store.counts.values()) <= PLAN_REQUESTS_MAX
    assert set(store.counts) == {"ListObjectsV2"}
    assert found.objects.value == pytest.approx(3000, rel=0.5)
    assert found.objects.sureness is Sureness.ROUGH
    assert set(found.requests) == {Call.LIST, Call.CONTROL}
    assert not (tmp_path / "reports").exists()
    assert found.notes == ()


def test_who_knows_the_number_of_objects_is_believed(store: FaultServer, tmp_path: Path) -> None:
    found = estimate_run(planned_run(tmp_path, fields="EncryptionStatus,ObjectTags"), objects=10**9)
    assert found.objects.value == 10**9
    assert found.requests[Call.LIST].value == 1_030_004
    assert found.requests[Call.HEAD].value == 10**9
    assert found.requests[Call.TAGGING].sureness is Sureness.AT_MOST
    assert found.total.value == pytest.approx(5.15 + 400 + 400, abs=0.01)
    assert "EncryptionStatus" in found.requests[Call.HEAD].rests_on
    assert set(store.counts) == {"ListObjectsV2", "HeadObject", "GetObjectTagging"}


def test_a_bucket_of_one_page_is_counted(store: FaultServer, tmp_path: Path) -> None:
    found = estimate_run(planned_run(tmp_path, "s3://photos/data/0000001"))
    assert (found.objects.value, found.objects.sureness) == (100, Sureness.KNOWN)
    assert (found.requests[Call.LIST].value, found.asked) == (1, 2)


def test_an_empty_bucket_costs_one_request(store: FaultServer, tmp_path: Path) -> None:
    found = estimate_run(planned_run(tmp_path, "s3://photos/none/", fields="all"))
    assert found.objects.value == found.report_bytes.value == found.requests[Call.HEAD].value == 0
    assert found.requests[Call.LIST].value == 1


@pytest.mark.parametrize("report_format", Format)
def test_the_size_of_the_report_is_near_that_of_one_that_is_written(
    store: FaultServer, tmp_path: Path, report_format: Format
) -> None:
    # 3,000 rows of one ETag, size and moment: a row is hardly more than its key.
    found = estimate_run(planned_run(tmp_path, format=report_format), objects=3000)
    assert 1_000 < found.report_bytes.value < 3000 * 40
    assert report_format in found.report_bytes.rests_on


def test_delete_markers_are_not_asked_about(store: FaultServer, tmp_path: Path) -> None:
    half = [
        FixtureObject(f"k{n:03}", version_id=f"{n}{kind}", delete_marker=kind == "d")
        for n in range(50)
        for kind in "do"
    ]
    store.bucket("versions", half)
    run = planned_run(tmp_path, "s3://versions", versions="All", fields="EncryptionStatus")
    found = estimate_run(run)
    assert (found.objects.value, found.requests[Call.HEAD].value) == (100, 50)


def test_objects_that_may_not_be_read_do_not_keep_from_planning(
    store: FaultServer, tmp_path: Path
) -> None:
    store.rule(access_denied(), operation=["HeadObject", "GetObjectAcl"])
    found = estimate_run(planned_run(tmp_path, fields="all"))
    assert found.requests[Call.ACL].value > 1000


def test_classes_whose_requests_are_dearer_are_noted(store: FaultServer, tmp_path: Path) -> None:
    store.bucket("cold", [FixtureObject("k", storage_class="GLACIER_IR")])
    headed = planned_run(tmp_path, "s3://cold", fields="EncryptionStatus")
    assert "GLACIER_IR" in " ".join(estimate_run(headed).notes)
    assert estimate_run(headed, prices=FREE).notes == ()
    assert estimate_run(planned_run(tmp_path, "s3://cold")).notes == ()


def test_a_bucket_that_is_not_there_is_an_error(store: FaultServer, tmp_path: Path) -> None:
    with pytest.raises(NoSuchBucketError):
        estimate_run(planned_run(tmp_path, "s3://nowhere"))


# -- with a report ---------------------------------------------------------------------------------


def check_as_last_time(found: Estimate) -> None:
    assert (found.objects.value, found.objects.sureness) == (ROWS, Sureness.LIKELY)
    assert found.seconds.value == pytest.approx(SECONDS)
    assert found.report_bytes.value == pytest.approx(REPORT_BYTES)
    assert found.requests[Call.LIST].value == 20


def test_the_last_report_of_the_same_configuration_tells_more(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path, fields="EncryptionStatus,ObjectTags")
    deliver(run, store.endpoint_url)
    found = estimate_run(run)
    check_as_last_time(found)
    assert found.requests[Call.HEAD].value == ROWS
    assert found.requests[Call.TAGGING].value == ROWS // 5
    assert found.requests[Call.TAGGING].sureness is Sureness.LIKELY
    assert store.counts["ListObjectsV2"] == 2


def test_what_the_last_report_says_is_expected_again_without_asking_the_store(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path)
    assert expect_again(run, find_previous(run)) is None
    deliver(run, store.endpoint_url)
    again = expect_again(run, find_previous(run))
    assert again is not None
    check_as_last_time(again)
    assert (store.counts, again.asked) == ({}, 0)
    assert again.total.value == 0  # it is not AWS that is asked
    other = planned_run(tmp_path, fields="Size")
    assert expect_again(other, find_previous(other)) is None


def remembered(**said: Any) -> dict[str, Any]:
    """What a report says that took over half of the answers and asked about the others."""
    half = ROWS // 2
    fates = {"reused": half, "fresh": 0, "revisited": ROWS - half, "postponed": 0}
    asked = {"report": "before", "number": 2, "hand": 0, "revisit": 0.5, "days_max": 30}
    return {
        "remembered": {**asked, **fates, **said},
        "requests": {"list": 20, "head": ROWS - half},
    }


@pytest.mark.parametrize(
    ("options", "heads"),
    [
        ({"revisit": "50%"}, ROWS - ROWS // 2),
        ({"revisit": "100%"}, ROWS),
        ({"revisit": "10%"}, 0.11 * ROWS),
        ({"revisit": "50%", "head_budget": 100}, 100),
        ({"no_remember": True}, ROWS),
    ],
)
def test_calls_are_expected_again_only_where_as_much_is_asked_again(
    store: FaultServer, tmp_path: Path, options: dict[str, Any], heads: float
) -> None:
    run = planned_run(tmp_path, fields="default,EncryptionStatus", **options)
    deliver(run, store.endpoint_url, **remembered())
    assert estimate_run(run).requests[Call.HEAD].value == pytest.approx(heads, abs=1)


def test_what_the_last_run_left_out_is_expected_to_be_asked(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path, fields="default,EncryptionStatus", revisit="0%")
    left = {"problems": {"postponed": 8_000}}
    deliver(run, store.endpoint_url, **left, **remembered(budget=ROWS - 8_000))
    heads = estimate_run(run).requests[Call.HEAD]
    assert heads.value == pytest.approx(8_000 + 0.01 * ROWS, abs=1)
    assert "the last run left without an answer" in heads.rests_on


@pytest.mark.parametrize(("days_later", "aged"), [(20, 0), (29, 300), (40, ROWS)])
def test_answers_that_are_too_old_are_expected_to_be_asked_for_again(
    store: FaultServer, tmp_path: Path, days_later: int, aged: int
) -> None:
    run = planned_run(tmp_path, fields="default,EncryptionStatus", revisit="0%")
    newest = STARTED.date()
    days = {newest - timedelta(days=1): 300, newest: ROWS - 300}
    deliver(run, store.endpoint_url, **remembered(days=days, fresh=ROWS // 2, revisited=0))
    run = replace(run, moment=STARTED + timedelta(days=days_later))
    heads = estimate_run(run).requests[Call.HEAD]
    assert heads.value == pytest.approx(min(ROWS, aged + 0.01 * ROWS), abs=1)
    assert ("too old" in heads.rests_on) == bool(aged)


def test_what_was_asked_once_for_their_age_is_not_expected_to_be_asked_each_time(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path, fields="default,EncryptionStatus", revisit="10%")
    all_of_them = {"reused": 0, "fresh": 100, "revisited": ROWS - 100, "revisit": 0.1}
    deliver(
        run, store.endpoint_url, **{**remembered(**all_of_them), "requests": {"head": 2 * ROWS}}
    )
    heads = estimate_run(run).requests[Call.HEAD]
    # Each was asked about twice, for a store that refuses some.
    assert heads.value == pytest.approx(2 * (100 + (ROWS - 100) * 0.1), abs=20)


def test_no_more_is_expected_than_there_is_time_for(store: FaultServer, tmp_path: Path) -> None:
    found = [
        estimate_run(
            planned_run(tmp_path, fields="EncryptionStatus", deadline=deadline), objects=10**9
        )
        for deadline in (None, "60s")
    ]
    assert found[0].seconds.value > 1000
    assert found[1].requests[Call.HEAD].value < 10**9 / 10
    assert "--deadline" in found[1].requests[Call.HEAD].rests_on


def test_money_is_expected_where_aws_takes_it(store: FaultServer, tmp_path: Path) -> None:
    run = planned_run(tmp_path)
    endpoint = "https://photos.s3.eu-central-1.amazonaws.com"
    folder = deliver(run, endpoint)
    sidecar = parse_sidecar((folder / "stocktake.json").read_bytes())
    again = expect_again(run, Previous(sidecar, str(folder)))
    assert again is not None
    assert again.total.value == pytest.approx(again.requests[Call.LIST].value * 0.005 / 1000)


def test_a_report_with_other_fields_still_tells_the_number_of_rows(
    store: FaultServer, tmp_path: Path
) -> None:
    deliver(planned_run(tmp_path), store.endpoint_url)
    found = estimate_run(planned_run(tmp_path, fields="Size"))
    assert found.objects.value == ROWS
    assert found.seconds.sureness is Sureness.ROUGH
    assert found.requests[Call.LIST].value == 17


def test_a_bucket_that_is_now_one_page_is_counted_whatever_the_last_report_says(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path, "s3://photos/data/0000001")
    deliver(run, store.endpoint_url)
    assert estimate_run(run).objects.value == 100


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"endpoint": "http://elsewhere:8000"}, "on http://elsewhere:8000"),
        ({"configuration": "All"}, "other keys or versions"),
    ],
)
def test_a_report_about_something_else_is_not_gone_by(
    store: FaultServer, tmp_path: Path, changed: dict[str, Any], note: str
) -> None:
    run = planned_run(tmp_path)
    if "configuration" in changed:
        changed = {"configuration": planned_run(tmp_path, versions="All").configuration}
    deliver(run, **{"endpoint": store.endpoint_url, **changed})
    found = estimate_run(run)
    assert found.objects.value == pytest.approx(3000, rel=0.5)
    assert note in " ".join(found.notes)


def test_a_report_that_is_damaged_or_is_none_of_ours_is_not_gone_by(
    store: FaultServer, tmp_path: Path
) -> None:
    run = planned_run(tmp_path)
    folder = deliver(run, store.endpoint_url)
    (folder / "stocktake.json").unlink()
    assert "does not say how its run went" in find_last_report(run).note
    (folder / "manifest.json").write_bytes(b"{}")
    found = find_last_report(run)
    assert found.last is None
    assert "does not match its checksum" in found.note


def test_a_destination_that_cannot_be_read_is_noted(store: FaultServer, tmp_path: Path) -> None:
    run = plan(make_options("s3://photos", "s3://nowhere"))
    found = find_last_report(run)
    assert found.last is None
    assert "NoSuchBucket" in found.note
    assert find_last_report(replace(run, address=LocalAddress(tmp_path))).note == ""


# -- prices ----------------------------------------------------------------------------------------


def test_prices_are_a_word_or_a_file(tmp_path: Path) -> None:
    assert load_prices(None) is load_prices("AWS") is AWS
    assert load_prices("free") is FREE
    table = tmp_path / "prices.toml"
    table.write_text("list_per_1000 = 0.5\n")
    assert load_prices(str(table)).list_per_1000 == 0.5


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"\xff", "no UTF-8"), (b"#" * 70_000, "larger than")],
)
def test_a_price_table_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    table = tmp_path / "prices.toml"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        load_prices(str(table))
