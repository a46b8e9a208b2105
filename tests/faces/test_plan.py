"""`stocktake plan`, as people and as programs see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stocktake.cli.panels import PanelCommand
from stocktake.cli.plan import plan
from stocktake.cli.run import run as run_command
from tests.servers.fault import FaultServer, synthetic

app = typer.Typer()
app.command(cls=PanelCommand)(plan)


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("photos", generated=synthetic(500))
    return fault_server


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


def words(command: Any) -> set[str]:
    holder = typer.Typer()
    holder.command()(command)
    return {str(parameter.name) for parameter in typer.main.get_command(holder).params}


def test_what_can_be_run_can_be_planned_in_the_same_words() -> None:
    assert words(run_command) - words(plan) <= {"quiet", "resume"}
    assert words(plan) - words(run_command) == {"objects", "prices"}


def test_people_see_each_figure_how_sure_it_is_and_what_it_rests_on(
    store: FaultServer, tmp_path: Path
) -> None:
    done = run("s3://photos", tmp_path / "reports", "--fields", "EncryptionStatus")
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "500 " in lines["objects"]
    assert "the whole listing is one page" in lines["objects"]
    assert "500 requests" in lines["head"]
    assert "for EncryptionStatus, one for each object" in lines["head"]
    assert "1 request " in lines["list"]
    assert "roughly" in lines["time"]
    assert "in 1 file" in lines["report"]
    assert "0.00021 USD" in lines["money"]
    assert "us-east-1" in lines["prices"]
    assert lines["asked"].endswith("4 requests of the source to find this out")
    assert not (tmp_path / "reports").exists()


def test_a_free_store_costs_nothing(store: FaultServer, tmp_path: Path) -> None:
    done = run("s3://photos", tmp_path, "--prices", "free", "--destination-bucket", "reports")
    money = next(line for line in done.stdout.splitlines() if line.startswith("money"))
    assert money.split() == ["money", "0.00", "USD"]


def test_a_table_of_ones_own_is_in_its_own_currency(store: FaultServer, tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('currency = "EUR"\nlist_per_1000 = 2000\n')
    done = run("s3://photos", tmp_path / "reports", "--prices", table, "--objects", "1000000")
    assert "2,068.00 EUR" in done.stdout


def test_without_a_destination_the_sources_own_bucket_stands_in(store: FaultServer) -> None:
    done = run("s3://photos/data/", "--json")
    assert done.exit_code == 0, done.output
    assert "as if the report went to s3://photos" in done.stderr
    document = json.loads(done.stdout)
    assert document["source"] == "s3://photos/data/"
    assert document["objects"] == {
        "value": 500, "sureness": "known", "rests_on": "the whole listing is one page",
    }  # fmt: skip
    assert document["requests"]["control"]["value"] > 1


def test_what_makes_no_sense_is_a_usage_error(store: FaultServer, tmp_path: Path) -> None:
    for arguments in (["--prices", "nowhere.toml"], ["--format", "XLS"], ["--objects", "-1"]):
        done = run("s3://photos", tmp_path / "reports", *arguments)
        assert done.exit_code == 2, arguments
        assert done.stdout == ""
    assert run().exit_code == 2
