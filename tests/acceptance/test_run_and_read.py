"""A bucket in, a report out, questions answered: through the program alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import stocktake as package
from tests.acceptance.command_line import Outcome, command, files_below, program, shell, stocktake
from tests.servers.server import Server

FORMATS = ("CSV", "ORC", "Parquet")
QUESTION = "SELECT key FROM inventory_report WHERE encryption_status = 'NOT-SSE' ORDER BY key"
PLAIN = ["a b/ü+%.txt", "open/1", "open/2"]
KEYS = sorted([*PLAIN, "kms", *(f"data/{number:03}" for number in range(40))])


@pytest.fixture(scope="module")
def bucket(moto_server: Server) -> str:
    client = moto_server.client()
    name = "acceptance-source"
    client.create_bucket(Bucket=name)
    for key in KEYS:
        encryption: dict[str, str] = {"ServerSideEncryption": "AES256"}
        if key in PLAIN:
            encryption = {}
        elif key == "kms":
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k-1"}
        client.put_object(Bucket=name, Key=key, Body=key.encode(), **encryption)
    return name


@pytest.fixture(scope="module")
def run(
    moto_server: Server, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Path, Outcome]]:
    """`run("CSV", ...)`: the folder and the outcome of one run, made once for the same arguments."""
    made: dict[tuple[str, ...], tuple[Path, Outcome]] = {}

    def once(*arguments: str) -> tuple[Path, Outcome]:
        if arguments not in made:
            folder = tmp_path_factory.mktemp("report")
            outcome = stocktake(
                "run", f"s3://{bucket}", folder, *arguments, environment=moto_server.environment()
            )
            made[arguments] = folder, outcome
        return made[arguments]

    return once


Run = Callable[..., tuple[Path, Outcome]]


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_delivers_the_tree_that_aws_delivers(run: Run, bucket: str, form: str) -> None:
    folder, outcome = run("--format", form, "--fields", "all", "--json")
    assert outcome.code == 0, outcome.err
    root = folder / bucket / "stocktake"
    (report,) = root.glob("*Z")
    assert sorted(path.name for path in report.iterdir()) == [
        "enrichment.parquet",
        "manifest.checksum",
        "manifest.json",
        "stocktake.json",
    ]
    manifest = (report / "manifest.json").read_bytes()
    checksum = hashlib.md5(manifest, usedforsecurity=False).hexdigest()
    assert (report / "manifest.checksum").read_text() == f"{checksum}\n"
    document = json.loads(manifest)
    assert document["sourceBucket"] == bucket
    assert document["destinationBucket"] == f"arn:aws:s3:::{folder.name}"
    (data,) = document["files"]
    body = (folder / data["key"]).read_bytes()
    assert hashlib.md5(body, usedforsecurity=False).hexdigest() == data["MD5checksum"]
    (symlink,) = root.glob("hive/dt=*/symlink.txt")
    assert symlink.read_text() == (folder / data["key"]).as_uri()


def test_the_result_is_one_json_object_and_words_go_to_stderr(run: Run, bucket: str) -> None:
    folder, outcome = run("--format", "CSV", "--fields", "all", "--json")
    result = outcome.document
    assert result["rows"] == len(KEYS)
    assert result["object_bytes"] == sum(len(key.encode()) for key in KEYS)
    assert result["requests"]["head"] == len(KEYS)
    assert result["requests"]["list"] >= 1
    assert result["never"] == ["IntelligentTieringReferenceDate"]
    assert result["manifest"].startswith(f"{(folder / bucket).as_uri()}/stocktake/")
    assert result["seconds"] > 0


def test_more_is_said_on_stderr_to_those_who_ask(run: Run, bucket: str) -> None:
    folder, outcome = run("--json", "-v")
    assert outcome.document["rows"] == len(KEYS)
    assert f"taking s3://{bucket}/ of " in outcome.err
    assert "published " in outcome.err
    assert "testing" not in outcome.err  # who asks
    assert "taking" not in run("--json")[1].err
    shown = stocktake("show", folder / bucket / "stocktake", "-v")
    assert "opened " in shown.err


def test_the_default_fields_cost_no_call_per_object(run: Run) -> None:
    _, outcome = run("--json")
    assert set(outcome.document["requests"]) <= {"list", "control"}


def test_people_get_a_summary_on_stdout(run: Run) -> None:
    _, outcome = run("--format", "csv", "--id", "for-people")
    assert outcome.code == 0, outcome.err
    assert f"rows      {len(KEYS)}, " in outcome.out
    assert "problems  none" in outcome.out
    assert "manifest.json" in outcome.out.splitlines()[0]


@pytest.mark.parametrize("form", FORMATS)
def test_the_compliance_question_is_answered_from_every_format(
    run: Run, bucket: str, form: str
) -> None:
    folder, _ = run("--format", form, "--fields", "all", "--json")
    outcome = stocktake("query", folder / bucket / "stocktake", QUESTION, "--format", "csv")
    assert outcome.code == 0, outcome.err
    assert list(csv.reader(io.StringIO(outcome.out))) == [["key"], *([key] for key in PLAIN)]


def test_the_seed_question_runs_as_written(run: Run, bucket: str) -> None:
    folder, _ = run("--format", "Parquet", "--fields", "all", "--json")
    seed = "SELECT * FROM inventory_report WHERE encryption_status = 'NOT-SSE'"
    outcome = stocktake("query", folder / bucket / "stocktake", seed, "--format", "jsonl")
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert sorted(row["key"] for row in rows) == PLAIN
    assert {row["bucket"] for row in rows} == {bucket}


def test_a_report_without_the_field_says_so_and_how_to_get_it(run: Run, bucket: str) -> None:
    folder, _ = run("--json")
    outcome = stocktake("query", folder / bucket / "stocktake", QUESTION)
    outcome.failed_clearly(2, "encryption_status", "hint: ", "EncryptionStatus")
    assert outcome.out == ""


def test_an_answer_can_go_into_a_parquet_file(run: Run, bucket: str, tmp_path: Path) -> None:
    folder, _ = run("--format", "CSV", "--fields", "all", "--json")
    answer = tmp_path / "answer.parquet"
    sql = "SELECT key, size FROM inventory_report ORDER BY key"
    outcome = stocktake(
        "query", folder / bucket / "stocktake", sql, "--format", "parquet", "--output", answer
    )
    assert (outcome.code, outcome.out) == (0, "")
    rows: list[dict[str, Any]] = pq.read_table(answer).to_pylist()
    assert rows == [{"key": key, "size": len(key.encode())} for key in sorted(KEYS)]


def test_a_table_is_readable_without_colour(run: Run, bucket: str) -> None:
    folder, _ = run("--json")
    outcome = stocktake(
        "query", folder / bucket / "stocktake", "SELECT count(*) AS objects FROM inventory_report"
    )
    assert outcome.code == 0, outcome.err
    assert "objects" in outcome.out
    assert str(len(KEYS)) in outcome.out
    assert "\x1b" not in outcome.out


def test_a_reader_that_leaves_early_is_met_with_silence(run: Run, bucket: str) -> None:
    folder, _ = run("--format", "Parquet", "--fields", "all", "--json")
    sql = "SELECT * FROM inventory_report, range(100000)"
    line = f"{shlex.join(command('query'))} {folder / bucket / 'stocktake'} '{sql}' --format jsonl | head -n 1"
    done = shell(line)
    assert done.code == 0
    assert done.err == ""
    assert done.out.count("\n") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_show_says_what_a_report_is(run: Run, bucket: str, form: str) -> None:
    folder, _ = run("--format", form, "--fields", "all", "--json")
    report = folder / bucket / "stocktake"
    document = stocktake("show", report, "--json").document
    assert (document["rows"], document["format"], document["files"]) == (len(KEYS), form, 1)
    text = stocktake("show", report).out
    for expected in (f"s3://{bucket}", "NOT-SSE 3", "SSE-KMS 1", "STANDARD 44", f"{form} file"):
        assert expected in text


@pytest.mark.parametrize("form", FORMATS)
def test_verify_finds_a_sound_report_sound_and_a_damaged_one_not(
    run: Run, bucket: str, form: str, tmp_path: Path
) -> None:
    folder, _ = run("--format", form, "--fields", "all", "--json")
    assert stocktake("verify", folder / bucket / "stocktake").code == 0
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    (data,) = copy.rglob(f"data/*.{ {'CSV': 'csv.gz'}.get(form, form.lower()) }")
    body = bytearray(data.read_bytes())
    body[len(body) // 2] ^= 1
    data.write_bytes(bytes(body))
    outcome = stocktake("verify", copy / bucket / "stocktake", "--json")
    assert outcome.code == 1
    assert outcome.document["sound"] is False
    assert outcome.document["findings"]
    assert stocktake("verify", copy / bucket / "stocktake").out.startswith("checked")


def test_the_statement_for_duckdb_runs(run: Run, bucket: str) -> None:
    folder, _ = run("--format", "Parquet", "--fields", "all", "--json")
    outcome = stocktake("ddl", folder / bucket / "stocktake", "--engine", "DuckDB")
    assert outcome.code == 0, outcome.err
    with duckdb.connect() as connection:
        connection.execute(outcome.out)
        counted = connection.sql("SELECT count(*) FROM inventory_report").fetchall()
    assert counted == [(len(KEYS),)]


def test_a_report_can_be_delivered_to_a_bucket_and_read_from_there(
    moto_server: Server, bucket: str
) -> None:
    moto_server.client().create_bucket(Bucket="acceptance-audit")
    environment = moto_server.environment()
    outcome = program(
        "run", f"s3://{bucket}/data/", "s3://acceptance-audit/inventory/", "--encryption", "SSE-S3",
        "--versions", "All", "--json", environment=environment,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.document["rows"] == 40
    address = f"s3://acceptance-audit/inventory/{bucket}/stocktake"
    assert outcome.document["manifest"].startswith(f"{address}/")
    for words in (["show"], ["verify"], ["ddl", "--engine", "athena"]):
        read = program(words[0], address, *words[1:], environment=environment)
        assert (read.code, read.err) == (0, "")
    sql = "SELECT count(*) AS n, bool_and(is_latest) AS latest FROM inventory_report"
    answer = program("query", address, sql, "--format", "jsonl", environment=environment)
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == {"n": 40, "latest": True}


def test_a_configuration_file_says_it_all(moto_server: Server, bucket: str, tmp_path: Path) -> None:
    moto_server.client().create_bucket(Bucket="acceptance-configured")
    configuration = tmp_path / "inventory.json"
    configuration.write_text(
        json.dumps(
            {
                "Id": "weekly",
                "IsEnabled": False,
                "IncludedObjectVersions": "Current",
                "Schedule": {"Frequency": "Weekly"},
                "Filter": {"Prefix": "open/"},
                "OptionalFields": ["Size", "EncryptionStatus"],
                "Destination": {
                    "S3BucketDestination": {
                        "Bucket": "arn:aws:s3:::acceptance-configured",
                        "Format": "ORC",
                        "Prefix": "inventory",
                    }
                },
            }
        )
    )
    outcome = stocktake(
        "run", f"s3://{bucket}", "--configuration", configuration, "--json",
        environment=moto_server.environment(),
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    result = outcome.document
    assert result["fields"] == ["Bucket", "Key", "Size", "EncryptionStatus"]
    assert (result["rows"], result["format"]) == (2, "ORC")
    assert f"s3://acceptance-configured/inventory/{bucket}/weekly/" in result["manifest"]
    assert "not enabled" in outcome.err


def test_the_python_api_does_the_same(
    moto_server: Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    seen: list[Any] = []
    result = package.take_inventory(
        f"s3://{bucket}",
        tmp_path / "reports",
        format="csv",
        fields=["Size", "EncryptionStatus"],
        on_progress=seen.append,
    )
    assert result.counters["rows"] == len(KEYS)
    assert result.manifest.source_bucket == bucket
    assert seen
    report = package.open_report(tmp_path / "reports" / bucket / "stocktake")
    assert report.manifest == result.manifest
    assert [key for batch in report.batches(["key"]) for key in batch["key"].to_pylist()] == KEYS
    with pytest.raises(package.UsageError):
        package.take_inventory(f"s3://{bucket}", tmp_path, format="xlsx")


def test_an_empty_bucket_gives_a_readable_report(moto_server: Server, tmp_path: Path) -> None:
    moto_server.client().create_bucket(Bucket="acceptance-empty")
    outcome = stocktake(
        "run", "s3://acceptance-empty", tmp_path, "--json", environment=moto_server.environment()
    )
    assert outcome.code == 0, outcome.err
    assert outcome.document["rows"] == 0
    report = tmp_path / "acceptance-empty" / "stocktake"
    assert stocktake("verify", report).code == 0
    answer = stocktake("query", report, "SELECT * FROM inventory_report", "--format", "jsonl")
    assert (answer.code, answer.out) == (0, "")
    assert files_below(tmp_path)
