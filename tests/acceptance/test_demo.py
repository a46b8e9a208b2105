"""`stocktake demo`: all of it in one command, and nothing of the user's touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stocktake.demo import (
    MARKER,
    clean_environment,
    odd_keys,
    prepared_folder,
    quoted,
    stored_objects,
)
from stocktake.model.errors import DestinationError
from tests.acceptance.command_line import Outcome, files_below, program, stocktake

UNENCRYPTED = 6


@pytest.mark.slow
def test_the_demo_takes_three_reports_and_answers_the_question(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "reports"
    # An endpoint and a profile of the user's that would lead astray, were they heeded.
    environment = {
        "HOME": str(home), "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_PROFILE": "nobody",
    }  # fmt: skip
    outcome = program("demo", folder, environment=environment)
    assert outcome.code == 0, outcome.err
    assert files_below(home) == []
    names = files_below(folder)
    for name in ("csv", "orc", "parquet"):
        assert [path for path in names if path.startswith(f"archive/{name}/data/")]
        assert [path for path in names if path.startswith(f"archive/{name}/20")]
    for expected in (
        '"sourceBucket" : "archive"',
        "NOT-SSE",
        "problems  none",
        " is sound",
        "Done in",
    ):
        assert expected in outcome.out
    assert f"({UNENCRYPTED} rows)" in outcome.out
    counted = [
        counts_by_encryption(folder / "archive" / name) for name in ("csv", "orc", "parquet")
    ]
    assert counted[0] == counted[1] == counted[2]
    assert counted[0]["NOT-SSE"] == UNENCRYPTED
    assert {"SSE-S3", "SSE-KMS", "DSSE-KMS", None} <= counted[0].keys()
    assert 900 < sum(counted[0].values()) < 1100


def counts_by_encryption(report: Path) -> dict[str | None, int]:
    sql = "SELECT encryption_status AS e, count(*) AS n FROM inventory_report GROUP BY ALL"
    lines = stocktake("query", report, sql, "--format", "jsonl").out.splitlines()
    return {row["e"]: row["n"] for row in map(json.loads, lines)}


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    outcome = program("demo", tmp_path)
    outcome.failed_clearly(1, str(tmp_path), "hint: ")
    assert files_below(tmp_path) == ["precious"]


def test_a_folder_of_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    prepared_folder(folder)
    (folder / "old").write_text("old")
    prepared_folder(folder)
    assert files_below(folder) == [MARKER]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match="file"):
        prepared_folder(tmp_path / "file")


def test_without_the_embedded_store_the_way_to_it_is_shown(tmp_path: Path) -> None:
    script = (
        "import runpy, sys; sys.modules['moto'] = None; sys.argv = ['demo', sys.argv[1]]\n"
        "runpy.run_module('stocktake.demo', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "demo")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    Outcome(done.returncode, done.stdout, done.stderr).failed_clearly(
        1, "pip install 'stocktake[demo]'"
    )


def test_the_commands_see_nothing_of_the_user_s_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "https_proxy", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, "the user's")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = clean_environment("http://127.0.0.1:1", "/state")
    assert environment["STOCKTAKE_STATE_FOLDER"] == "/state"
    assert "the user's" not in environment.values()
    assert environment["LANG"] == "C.UTF-8"


def test_the_objects_are_varied() -> None:
    keys = [put.key for put in stored_objects()]
    assert len(set(keys)) < len(keys)  # versions
    assert set(odd_keys()) <= set(keys)
    headers = {name for put in stored_objects() for name in put.headers}
    assert {"x-amz-storage-class", "x-amz-tagging", "x-amz-object-lock-mode"} <= headers
    assert all(len(key.encode()) <= 1024 for key in keys)


@pytest.mark.parametrize(
    ("argument", "shown"),
    [("plain", "plain"), ("a 'b'", "\"a 'b'\""), ("a b", "'a b'"), ("$'x'", "'$'\"'\"'x'\"'\"''")],
)
def test_commands_are_shown_as_people_quote_them(argument: str, shown: str) -> None:
    assert quoted(argument) == shown
