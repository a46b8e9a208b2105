"""Scheduled runs by our own API, and by the command line over it: the same words here and there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.access import AccessKey, Grant, Role
from stocktake.service import house
from stocktake.service.access_keys import add_keys
from stocktake.service.scheduler import Scheduler
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import Outcome, stocktake
from tests.api.serving import ADMIN, READER, WRITER, Api
from tests.api.test_inventory import plain
from tests.api.test_v1 import ROOT, document, refused
from tests.servers.server import Server
from tests.state.scheduling import claimed

OTHERS = AccessKey("OTHERSKEY", Grant(Role.ADMIN, ("others-*",)), "o", "o-secret")


@pytest.fixture
def ledger(api: Api) -> Iterator[Ledger]:
    add_keys(api.keys_file, [OTHERS])
    with Ledger.open(api.state_folder, now=house.now) as opened:
        for run in opened.schedule.list():  # of earlier tests
            if run.finished is None:
                opened.schedule.cancel(run.id)
        for stored in opened.configurations.all():
            opened.configurations.delete(stored.key)
        yield opened


def put(api: Api, bucket: str, name: str = "daily", **more: Any) -> str:
    """Put a configuration; where it is."""
    place = f"{ROOT}/configurations/default/{bucket}/{name}"
    document(api.ask("PUT", place, json.dumps(plain(name, **more)).encode()))
    return place


def test_runs_are_asked_for_seen_and_cancelled(api: Api, bucket: str, ledger: Ledger) -> None:
    place = put(api, bucket)
    made = document(api.ask("POST", f"{place}/runs", key=WRITER), 201)
    run = made["run"]
    expected = {
        "state": "waiting",
        "store": "default",
        "bucket": bucket,
        "id": "daily",
        "period": None,
    }
    assert expected.items() <= made.items()
    assert document(api.ask("GET", f"{ROOT}/runs/{run}", key=READER)) == made
    found = document(api.ask("GET", f"{ROOT}/runs?bucket={bucket}", key=READER))
    assert found == {"runs": [made], "next_token": None}
    refused(api.ask("POST", f"{place}/runs"), 409, "InvalidRunState", f"the run {run}", "under way")
    refused(api.ask("POST", f"{ROOT}/runs/{run}/cancel", key=READER), 403, "AccessDenied", "reader")
    over = document(api.ask("POST", f"{ROOT}/runs/{run}/cancel", key=WRITER))
    assert (over["run"], over["state"]) == (run, "cancelled")
    refused(api.ask("POST", f"{ROOT}/runs/{run}/retry"), 409, "InvalidRunState", "cancelled")
    refused(api.ask("POST", f"{ROOT}/runs/zzz/retry"), 404, "NoSuchRun", "`zzz`")
    refused(api.ask("POST", f"{place}x/runs"), 404, "NoSuchConfiguration", "`dailyx`")
    put(api, bucket, IsEnabled=False)
    refused(api.ask("POST", f"{place}/runs"), 409, "InvalidRunState", "disabled")


def test_the_runs_of_the_schedule_are_ended_by_admins_alone(
    api: Api, bucket: str, ledger: Ledger
) -> None:
    put(api, bucket)
    Scheduler(ledger.schedule).tick()
    [run] = [each.id for each in ledger.schedule.list() if each.key.bucket == bucket]
    answer = api.ask("POST", f"{ROOT}/runs/{run}/cancel", key=WRITER)
    refused(answer, 403, "AccessDenied", "the schedule's", "an admin may")
    assert document(api.ask("POST", f"{ROOT}/runs/{run}/cancel"))["state"] == "cancelled"


def test_a_run_of_a_bucket_that_is_not_covered_is_not_there(
    api: Api, bucket: str, ledger: Ledger
) -> None:
    run = document(api.ask("POST", f"{put(api, bucket)}/runs"), 201)["run"]
    for method, what in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        refused(api.ask(method, f"{ROOT}/runs/{run}{what}", key=OTHERS), 404, "NoSuchRun")
    nothing: dict[str, object] = {"next_token": None}
    assert document(api.ask("GET", f"{ROOT}/runs", key=OTHERS)) == nothing | {"runs": []}
    assert document(api.ask("GET", f"{ROOT}/upcoming", key=OTHERS)) == nothing | {"upcoming": []}
    for what in ("runs", "upcoming"):
        answer = api.ask("GET", f"{ROOT}/{what}?bucket={bucket}", key=OTHERS)
        refused(answer, 403, "AccessDenied", bucket)


def test_pages_of_runs_are_bounded_and_follow_each_other(
    api: Api, bucket: str, ledger: Ledger
) -> None:
    place = put(api, bucket)
    made = []
    for _ in range(5):
        made.append(document(api.ask("POST", f"{place}/runs"), 201)["run"])
        document(api.ask("POST", f"{ROOT}/runs/{made[-1]}/cancel"))
    seen, token = [], ""
    for _ in range(3):
        target = f"{ROOT}/runs?bucket={bucket}&state=cancelled&state=failed&limit=2{token}"
        page = document(api.ask("GET", target, key=READER))
        seen += [run["run"] for run in page["runs"]]
        token = f"&token={page['next_token']}"
    assert seen == made[::-1]
    assert page["next_token"] is None
    assert document(api.ask("GET", f"{ROOT}/runs?bucket={bucket}&state=published"))["runs"] == []
    for wrong in ("limit=0", "limit=1001", "limit=x", "state=lost", "token=x", "token=W10=",
                  "token=WyJhIiwgImIiXQ==", f"token={'A' * 5000}"):  # fmt: skip
        refused(api.ask("GET", f"{ROOT}/runs?{wrong}"), 400, "InvalidArgument")
    names = ["b", "a", "c"]
    for name in names:
        put(api, bucket, name)
    first = document(api.ask("GET", f"{ROOT}/upcoming?bucket={bucket}&limit=3"))
    rest = document(api.ask("GET", f"{ROOT}/upcoming?bucket={bucket}&token={first['next_token']}"))
    upcoming = [each["id"] for each in first["upcoming"] + rest["upcoming"]]
    assert upcoming == ["a", "b", "c", "daily"]


@pytest.fixture
def typed(api: Api, moto_server: Server) -> Callable[..., Outcome]:
    """What a command says, asked of the server with the admin's keys."""
    environment = {
        **moto_server.environment(),
        "AWS_ACCESS_KEY_ID": ADMIN.access_key,
        "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
        "STOCKTAKE_STATE_FOLDER": "/nonexistent",
    }
    return lambda *words: stocktake(*words, "--server", api.endpoint_url, environment=environment)


def test_the_command_line_says_the_same_of_a_server_and_of_its_ledger(
    api: Api, bucket: str, ledger: Ledger, typed: Callable[..., Outcome]
) -> None:
    here = {"STOCKTAKE_STATE_FOLDER": str(api.state_folder)}
    for name in ("daily", "other"):
        put(api, bucket, name)
    run = typed("runs", "now", f"s3://{bucket}", "daily", "--json").document["run"]
    Scheduler(ledger.schedule).tick()
    claimed(ledger)
    for words in (
        ("runs", "scheduled"),
        ("runs", "scheduled", "--json"),
        ("runs", "scheduled", "--all", "--json"),
        ("runs", "now", f"s3://{bucket}", "none"),
        ("runs", "cancel", "zzz"),
        ("runs", "retry", "zzz"),
    ):
        there, local = typed(*words), stocktake(*words, environment=here)
        assert there.out == local.out
        assert (there.code == 0) == (local.code == 0), (there, local)
        assert run in there.out or there.code
    assert typed("runs", "cancel", run).out == f"the run {run} is cancelled\n"
    typed("runs", "retry", run).failed_clearly(1, run, "cancelled")
    typed("runs", "scheduled", "--ledger", "postgresql://h/d").failed_clearly(2, "--ledger")


def test_a_server_that_is_none_is_told(tmp_path: Path) -> None:
    told = stocktake(
        "runs", "scheduled", "--server", "ftp://x", environment={"HOME": str(tmp_path)}
    )
    told.failed_clearly(2, "ftp://x", "https://HOST")
