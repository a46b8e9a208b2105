"""Reports that are damaged, and files that cannot be written: one clear error of every command, and no half file."""

from __future__ import annotations

import gzip
import hashlib
import os
import resource
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from stocktake.model.configuration import Format
from tests.acceptance.command_line import command, files_below, program, shell, stocktake
from tests.acceptance.killing import wait_for
from tests.analysis.reports import objects, our_report, republish
from tests.servers.fault import FaultServer, stall

ROW = '"source","l1","1","2026-11-22T10:17:00.000Z","e","STANDARD"\n'


def commands(report: Path | str, other: Path | str, folder: Path) -> dict[str, list[str | Path]]:
    """Every command that reads a whole report."""
    return {
        "show": ["show", report],
        "query": ["query", report, "SELECT * FROM inventory_report"],
        "guarded": ["query", report, "SELECT * FROM inventory_report", "--read-only"],
        "audit": ["audit", report],
        "usage": ["usage", report],
        "export": ["export", report, "--where", "true", "--to", folder / "export.csv"],
        "diff": ["diff", other, report, "--output", folder / "diff.parquet"],
    }


@pytest.mark.parametrize(
    ("body", "said"), [(b"", "not an inventory manifest"), (b"{}", "lacks"), (b"\xff", "not an")]
)
def test_a_manifest_that_is_none_is_named(tmp_path: Path, body: bytes, said: str) -> None:
    (tmp_path / "manifest.json").write_bytes(body)
    (tmp_path / "manifest.checksum").write_text(hashlib.md5(body).hexdigest())
    for words in commands(tmp_path, tmp_path, tmp_path).values():
        stocktake(*words).failed_clearly(1, str(tmp_path / "manifest.json"), said)


BAD_CSV = {
    "too few values": (ROW + '"source","l2","1"\n', "utf-8"),
    "too many values": (ROW + ROW[:-1] + ',"x"\n', "utf-8"),
    "another encoding": (ROW.replace("l1", "é"), "latin-1"),
    "no number": (ROW.replace('"1"', '"one"'), "utf-8"),
    "no date": (ROW.replace("2026-11-22", "2026-99-22"), "utf-8"),
    "a key that is no UTF-8": (ROW.replace("l1", "%ff"), "utf-8"),
    "no end of a value": (ROW + '"source","l2', "utf-8"),
}


@pytest.mark.parametrize("what", BAD_CSV)
def test_csv_that_does_not_fit_its_manifest_is_one_error_without_advice_for_engineers(
    tmp_path: Path, what: str
) -> None:
    text, encoding = BAD_CSV[what]
    ours = our_report(tmp_path / "r", Format.CSV, [objects(["k"]), objects(["l"])])
    data, body = ours.data_path(tmp_path / "r", 1), gzip.compress(text.encode(encoding))
    data.write_bytes(body)
    file = replace(ours.manifest.files[1], size=len(body), md5=hashlib.md5(body).hexdigest())
    republish(tmp_path / "r", ours.paths, ours.manifest, files=(ours.manifest.files[0], file))
    (tmp_path / "r" / ours.paths.sidecar).unlink()
    out = tmp_path / "out"
    out.mkdir()
    asked = commands(ours.manifest_path, ours.manifest_path, out)
    del asked["show"]  # it reads no more columns than it tells of
    for words in asked.values():
        done = stocktake(*words)
        done.failed_clearly(1)
        assert "Possible" not in done.err
        assert done.err.strip().count("\n") <= 1, done.err
        assert what == "a key that is no UTF-8" or data.name in done.err, done.err
    assert files_below(out) == []
    assert stocktake("verify", ours.manifest_path).code == 1


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Enough rows that no pipe holds them."""
    keys = [f"k{number:05}" for number in range(5000)]
    return our_report(tmp_path / "r", Format.PARQUET, [objects(keys)]).manifest_path


@pytest.mark.parametrize("place", ["none/x", "file/x", "folder", "/dev/full", "n" * 300])
def test_an_output_that_cannot_be_written_is_named_and_nothing_is_left(
    report: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = files_below(tmp_path)
    for words in (
        ["query", report, "SELECT 1", "--output", place],
        ["audit", report, "--html", place],
        ["usage", report, "--html", place],
        ["diff", report, report, "--output", place],
    ):
        stocktake(*words).failed_clearly(1, f"{place} cannot be written")
    assert files_below(tmp_path) == before


def test_a_disk_that_fills_while_a_file_is_replaced_leaves_the_old_one(
    report: Path, tmp_path: Path
) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    for words in (
        ["query", report, "SELECT * FROM inventory_report", "--format", "csv", "--output"],
        ["export", report, "--where", "true", "--overwrite", "--to"],
    ):
        to = tmp_path / words[0]
        to.mkdir()
        (to / "x.csv").write_text("precious")
        program(*words, to / "x.csv", preexec_fn=small_files).failed_clearly(1)
        assert files_below(to) == ["x.csv"]
        assert (to / "x.csv").read_text() == "precious"


@pytest.mark.parametrize(
    "unbuffered", ["", "1"]
)  # Python's own stdout drops what does not go at once
def test_a_reader_that_goes_away_is_no_failure_to_speak_of(
    report: Path, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    for form in ("csv", "jsonl", "table"):
        line = " ".join(command("query", report, "'FROM inventory_report'", "--format", form))
        done = shell(f"set -o pipefail; {line} | head -n 1")
        assert (done.code, done.err, done.out.count("\n")) == (128 + signal.SIGPIPE, "", 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_comparison_and_leaves_no_file(
    number: signal.Signals, report: Path, fault_server: FaultServer, tmp_path: Path
) -> None:
    store = boto3.client("s3", **_connection(fault_server))
    store.create_bucket(Bucket="far")
    root = tmp_path / "r"
    for name in files_below(root):
        store.put_object(Bucket="far", Key=name, Body=(root / name).read_bytes())
    fault_server.rule(stall(), operation="GetObject", where=lambda asked: "/data/" in asked.path)
    out = tmp_path / "out"
    out.mkdir()
    address = f"s3://far/{report.relative_to(root).as_posix()}"
    with subprocess.Popen(
        command("diff", report, address, "--output", out / "changes.csv", "--format", "csv"),
        env={**os.environ, **fault_server.environment()}, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert wait_for(lambda: bool(list(out.iterdir())), 60)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said == "error: stopped before the answer was there\n"
    assert list(out.iterdir()) == []


def _connection(server: FaultServer) -> dict[str, str]:
    told = server.environment()
    return {
        "endpoint_url": told["AWS_ENDPOINT_URL"],
        "region_name": told["AWS_DEFAULT_REGION"],
        "aws_access_key_id": told["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": told["AWS_SECRET_ACCESS_KEY"],
    }
