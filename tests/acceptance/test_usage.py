"""From a bucket to what lies where in it, through the program alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from stocktake import take_inventory
from stocktake.model.configuration import Format
from stocktake.model.paths import parse_manifest_key
from stocktake.service.commands.run import plan
from stocktake.service.options import make_options
from stocktake.service.usage import keep_usage_of_run
from tests.acceptance.command_line import Outcome, stocktake
from tests.analysis.reports import OUR_MOMENT, aws_report, objects, our_report
from tests.servers.server import Server

FORMATS = ("CSV", "ORC", "Parquet")
KEYS = {
    "logs/2026/a.gz": b"12345",
    "logs/2026/b.gz": b"1",
    "photos/c.jpg": b"123",
    "top": b"",
    "u/ü+ %.txt": b"1",
}


@pytest.fixture(scope="module")
def source(moto_server: Server) -> str:
    client = moto_server.client()
    client.create_bucket(Bucket="usage-source")
    for key, body in KEYS.items():
        client.put_object(Bucket="usage-source", Key=key, Body=body)
    return "s3://usage-source"


def told(outcome: Outcome) -> dict[str, Any]:
    """Figures by folder, of `--json`."""
    assert outcome.code == 0, outcome.err
    return {each["prefix"]: each for each in outcome.document["usage"] if each["kind"] == "folder"}


@pytest.mark.parametrize("report_format", FORMATS)
def test_a_run_makes_a_cube_beside_its_report_in_a_bucket(
    moto_server: Server, source: str, report_format: str
) -> None:
    client, environment = moto_server.client(), moto_server.environment()
    target = f"usage-{report_format.lower()}"
    client.create_bucket(Bucket=target)
    ran = stocktake(
        "run", source, f"s3://{target}", "--format", report_format, "--usage", "--encryption", "SSE-S3",
        "--json", environment=environment,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "usage.parquet" not in ran.err
    report = ran.document["manifest"].removesuffix("manifest.json")
    key = f"{report.removeprefix(f's3://{target}/')}usage.parquet"
    assert client.head_object(Bucket=target, Key=key)["ServerSideEncryption"] == "AES256"

    asked = ("usage", report, "--depth", "2", "--json")
    done = stocktake(*asked, environment=environment)
    found = told(done)
    assert done.document["counted"] == []
    assert {prefix: (each["objects"], each["bytes"]) for prefix, each in found.items()} == {
        "": (5, 10), "logs/": (2, 6), "logs/2026/": (2, 6), "photos/": (1, 3), "u/": (1, 1),
    }  # fmt: skip
    assert stocktake("verify", report, environment=environment).code == 0

    client.delete_object(Bucket=target, Key=key)
    again = stocktake(*asked, environment=environment)
    assert again.document["counted"] == [done.document["report"]]
    assert again.document["usage"] == done.document["usage"]
    saved = stocktake("usage", report, "--save", "--json", environment=environment)
    assert saved.document["counted"] == []
    assert client.head_object(Bucket=target, Key=key)["ContentLength"] > 1000


def test_a_cube_that_cannot_be_made_does_not_fail_the_report(
    moto_server: Server, source: str, tmp_path: Path
) -> None:
    environment: Mapping[str, str] = {
        **moto_server.environment(), "STOCKTAKE_SPILL_FOLDER": str(tmp_path / "not there"),
    }  # fmt: skip
    ran = stocktake("run", source, tmp_path / "r", "--usage", environment=environment)
    assert ran.code == 0, ran.err
    assert (
        "warning: the report is published, but its usage.parquet was not made: the spill folder"
        in ran.err
    )
    [manifest] = tmp_path.rglob("manifest.json")
    assert f"`stocktake usage {manifest} --save` tries again" in ran.err.replace("file://", "")
    assert not list(tmp_path.rglob("usage.parquet"))
    assert stocktake("verify", manifest).code == 0


def test_a_cube_that_is_stopped_does_not_fail_the_report(
    moto_server: Server, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    result = take_inventory(source, tmp_path)
    stop = Event()
    stop.set()
    monkeypatch.setattr("stocktake.analysis.interrupting._TICK_S", 0)  # it stops however fast it is
    run = plan(make_options(source, tmp_path))
    paths = parse_manifest_key(result.address.removeprefix(f"file://{tmp_path}/"))
    assert paths is not None
    placed: list[tuple[str, str]] = []

    def told(key: str, version: str) -> None:
        placed.append((key, version))

    said = keep_usage_of_run(run, paths, result.address, stop, told)
    assert "was not made: stopped before the answer was there" in said
    assert not list(tmp_path.rglob("usage.parquet"))
    assert keep_usage_of_run(run, paths, result.address, Event(), told) == ""
    assert placed == []  # a folder has no versions
    assert list(tmp_path.rglob("usage.parquet")) == [tmp_path / paths.usage]


def test_a_cube_is_made_in_a_folder_and_stays(
    moto_server: Server, source: str, tmp_path: Path
) -> None:
    ran = stocktake("run", source, tmp_path, "--usage", environment=moto_server.environment())
    assert ran.code == 0, ran.err
    [cube] = tmp_path.rglob("usage.parquet")
    assert cube.parent.name.endswith("Z")
    before = cube.read_bytes()
    assert stocktake("usage", cube.parent, "--save", "--csv").code == 0
    assert cube.read_bytes() == before
    cube.write_bytes(b"something else")
    stocktake("usage", cube.parent, "--save").failed_clearly(1, "usage.parquet")
    done = stocktake("usage", cube.parent)
    assert done.code == 0
    assert "is not used, and the report is read" in done.err


@pytest.mark.parametrize(
    "by", ["prefix", "class", "age", "size", "extension", "encryption", "version-state"]
)
def test_csv_has_a_line_for_each_folder_and_value(tmp_path: Path, by: str) -> None:
    texts = set()
    for report_format in Format:
        report = aws_report(tmp_path / report_format, report_format)
        done = stocktake("usage", report, "--by", by, "--csv", "--depth", "1")
        assert done.code == 0, done.err
        texts.add(done.out)
    [text] = texts
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (rows[0]["kind"], rows[0]["objects"], rows[0]["delete_markers"]) == ("folder", "4", "1")
    values = [row for row in rows if row["kind"] != "folder" and row["prefix"] == ""]
    assert (by == "prefix") or sum(int(row["objects"]) for row in values) == 4


def test_what_cannot_be_told_is_said_and_ends_with_3(tmp_path: Path) -> None:
    report = aws_report(tmp_path, Format.CSV)
    done = stocktake("usage", report, "--by", "owner")
    done.failed_clearly(3, "the usage by owner cannot be told", "lacks ObjectOwner", "hint: ")
    assert done.out == ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration's folder with four reports, a week apart."""
    for number in range(4):
        rows = [objects([f"a/{each}" for each in range(1 + number)])]
        our_report(
            tmp_path, list(Format)[number % 3], rows, moment=OUR_MOMENT + timedelta(days=7 * number),
            first_name=number,
        )  # fmt: skip
    return tmp_path / "inventory/source/stocktake"


def test_several_reports_show_growth_and_a_forecast_with_its_method(folder: Path) -> None:
    done = stocktake("usage", folder, "--dt", "2026-11..2026-12")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert "+6 bytes" in next(line for line in lines if line.endswith("s3://source"))
    assert any(line.startswith("2026-12-13-10-17") for line in lines)
    assert "objects grow by 0 a day" in lines
    assert any(
        line.startswith("method: a straight line through the reports by least") for line in lines
    )
    document = stocktake("usage", folder, "--dt", "2026-11..2026-12", "--json").document
    assert [each["objects"] for each in document["growth"]["points"]] == [1, 2, 3, 4]
    [forecast] = [each for each in document["growth"]["forecasts"] if each["what"] == "objects"]
    assert forecast["per_day"] == pytest.approx(1 / 7)
    assert forecast["expected"][0]["days"] == 30
    assert forecast["expected"][0]["value"] == pytest.approx(4 + 30 / 7)
    assert "growth" not in stocktake("usage", folder, "--json").document["usage"][0]


def test_what_becomes_less_is_said_to_fall(tmp_path: Path) -> None:
    for number in range(3):
        rows = [objects([f"a/{each}" for each in range(9 - 3 * number)])]
        moment = OUR_MOMENT + timedelta(days=number)
        our_report(tmp_path, Format.PARQUET, rows, moment=moment, first_name=number)
    folder, page = tmp_path / "inventory/source/stocktake", tmp_path / "usage.html"
    done = stocktake("usage", folder, "--dt", "2026", "--html", page)
    told = ("objects fall by 3 a day", "money falls by 0.00 USD a month a day")
    assert set(told) <= set(done.out.splitlines())
    assert all(each in page.read_text() for each in told)


def test_prices_are_a_table_of_ones_own(folder: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('name = "ours"\ncurrency = "EUR"\nstorage_per_gb_month = 1073741824.0\n')
    document = stocktake("usage", folder, "--prices", prices, "--json").document
    assert document["prices"] == {"name": "ours", "currency": "EUR"}
    assert document["usage"][0]["money"] == 6.0
    assert "EUR a month" in stocktake("usage", folder, "--prices", prices).out


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    keys = [f"{number:03}/x" for number in range(50)]
    report = our_report(tmp_path, Format.PARQUET, [objects(keys)]).manifest_path
    done = stocktake("usage", report, "--limit", "7")
    assert len([line for line in done.out.splitlines() if line.endswith("/")]) == 7
    assert "and 43 more folders, see --limit" in done.out
    assert len(stocktake("usage", report, "--json").document["usage"]) == 51


def test_a_page_is_written_beside_what_is_printed(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "usage.html"
    done = stocktake("usage", folder, "--dt", "2026", "--html", page, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["by"] == "prefix"
    text = page.read_text()
    assert "<script" not in text
    assert text.count("<svg") > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "colour"], "unknown dimension `colour`"),
        (["--depth", "9"], "--depth 9 is out of range"),
        (["--csv", "--json"], "exclude each other"),
        (["-i", "--json"], "exclude each other"),
        (["-i", "--html", "usage.html"], "--interactive writes nothing"),
        (["--save", "--dt", "2026"], "--save is for one report"),
        (["--dt", "soon"], "expected FROM..TO"),
        (["--prices", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, arguments: list[str], said: str) -> None:
    stocktake("usage", folder, *arguments).failed_clearly(2, said)
