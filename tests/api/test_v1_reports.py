"""Reports that were published, and workers, by our own API."""

from __future__ import annotations

from pathlib import Path

from stocktake.service import house
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.acceptance.command_line import stocktake
from tests.api.serving import ADMIN, READER, Api, running_api
from tests.api.test_metrics import SITE, told
from tests.api.test_v1 import ROOT, document, refused
from tests.model.test_runs import RUN
from tests.state.scheduling import claimed, put

SAID = {"file_bytes": 4711, "object_bytes": 99, "problems": {"refused": 2}}


def test_reports_tell_their_size_and_are_listed_to_the_end(tmp_path: Path) -> None:
    with running_api(tmp_path, (SITE,)) as api, Ledger.open(tmp_path, now=house.now) as ledger:
        key, runs = put(ledger), []
        for number in range(3):
            runs.append(ledger.schedule.run_now(key))
            held = claimed(ledger)
            ledger.enter(held.claim, RUN, this_process(), tmp_path)
            ledger.publish(held.claim, f"s3://d/{number}/manifest.json", [], number, said=SAID)
        place = f"{ROOT}/configurations/{key.store}/{key.bucket}/{key.id}/reports"
        first = document(api.ask("GET", f"{place}?limit=2", key=READER))
        rest = document(api.ask("GET", f"{place}?limit=2&token={first['next_token']}", key=READER))
    found = first["reports"] + rest["reports"]
    assert [each["run"] for each in found] == runs[::-1]
    assert (len(rest["reports"]), rest["next_token"]) == (1, None)
    assert (found[0]["rows"], found[0]["file_bytes"], found[0]["object_bytes"]) == (2, 4711, 99)
    assert found[0]["problems"] == {"refused": 2}
    assert found[0]["manifest"] == "s3://d/2/manifest.json"


def test_workers_are_told_to_admins_of_the_server_and_counted(api: Api) -> None:
    api.worker_beats()
    [worker] = document(api.ask("GET", f"{ROOT}/workers"))["workers"]
    assert (worker["host"], worker["process"], worker["version"]) == ("host", 4711, "9.9")
    assert worker["alive"]
    assert worker["begun"] <= worker["beaten"]
    refused(api.ask("GET", f"{ROOT}/workers", key=READER), 403, "AccessDenied")
    assert [each.value for each in told(api)["stocktake_workers"].samples] == [1]


def test_the_command_line_lists_workers_here_as_of_a_server(api: Api) -> None:
    api.worker_beats()
    server = {
        "STOCKTAKE_SERVER": api.endpoint_url,
        "AWS_ACCESS_KEY_ID": ADMIN.access_key,
        "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key,
    }
    [worker] = document(api.ask("GET", f"{ROOT}/workers"))["workers"]
    for environment in ({}, server):
        told_here = stocktake("runs", "workers", "--json", environment=environment)
        assert told_here.document == {"workers": [worker]}, told_here
        line = stocktake("runs", "workers", environment=environment).out.splitlines()[1]
        assert line.split()[:3] == ["host", "4711", "9.9"]
        assert line.endswith("  alive")
    with Ledger.open(api.state_folder, now=house.now) as ledger:
        ledger.workers.ended("w")
    assert stocktake("runs", "workers", environment=server).out == "no worker is there\n"
