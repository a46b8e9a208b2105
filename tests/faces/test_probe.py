"""`stocktake probe`, as people and as programs see it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stocktake.cli.panels import PanelCommand
from stocktake.cli.probe import probe
from stocktake.model.capabilities import ABILITIES
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    ignore_start_after,
    ignore_subresource,
    unordered,
    with_headers,
)

app = typer.Typer()
app.command(cls=PanelCommand)(probe)


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("photos", [FixtureObject(f"cat/{n}") for n in range(20)])
    fault_server.bucket("empty")
    return fault_server


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_people_see_every_question_and_what_was_seen(store: FaultServer) -> None:
    store.rule(with_headers({"Server": "exemplary\x1b[31m/1.0"}))
    done = run("s3://photos")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    for fact in ABILITIES.values():
        assert any(line.startswith(fact.question) for line in lines)
    assert f"s3://photos/ at {store.endpoint_url}, which calls itself exemplary" in lines[0]
    assert "\x1b" not in done.stdout
    assert "a LIST took" in lines[1]
    assert lines[-1].endswith("all that a run needs is there")


def test_a_store_without_start_after_is_exit_code_0_with_what_follows(store: FaultServer) -> None:
    store.rule(ignore_start_after(), operation="ListObjectsV2")
    done = run("s3://photos")
    assert done.exit_code == 0
    assert "start-after: a run finds it out and lists serially" in done.stdout
    assert done.stdout.endswith("all that a run needs is there; it would list serially\n")
    assert json.loads(run("s3://photos", "--json").stdout)["walk"] == "serial"


def test_a_broken_store_is_exit_code_1_with_what_follows(store: FaultServer) -> None:
    store.rule(unordered(), operation="ListObjectsV2")
    done = run("s3://photos")
    assert done.exit_code == 1
    assert "order: a run finds it out and fails" in done.stdout
    assert done.stdout.rstrip().endswith("a run on this store cannot be trusted")


def test_a_bucket_that_tells_too_little_is_exit_code_3(store: FaultServer) -> None:
    done = run("s3://empty")
    assert done.exit_code == 3
    assert "the bucket holds too little to tell" in done.stdout


def test_what_only_versions_need_counts_only_when_they_are_asked_for(store: FaultServer) -> None:
    store.rule(ignore_subresource(), operation="ListObjectVersions")
    assert run("s3://photos").exit_code == 0
    assert run("s3://photos", "--versions", "all").exit_code == 1
    assert run("s3://photos", "--versions", "some").exit_code == 2


def test_programs_get_one_object(store: FaultServer) -> None:
    done = run("s3://photos", "--json")
    document = json.loads(done.stdout)
    assert (document["source"], document["verdict"], document["walk"]) == (
        "s3://photos/", "fine", "parallel",
    )  # fmt: skip
    assert set(document["abilities"]) == {str(ability) for ability in ABILITIES}


def test_what_cannot_be_asked_is_an_error(store: FaultServer) -> None:
    done = run("s3://nowhere", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["kind"] == "NoSuchBucketError"
    assert run("photos").exit_code == 2
