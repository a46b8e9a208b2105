"""A command waits for no library that only another one needs: starting is most of what a small one costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stocktake.model.configuration import Format
from tests.analysis.reports import objects, our_report
from tests.servers.fault import FaultServer, FixtureObject

REMOTE = {"botocore.session", "pycurl", "s3transfer"}
QUERIES = {"duckdb", "fsspec"}
# As many as it took in 2026, with room for a tenth more: each costs about a millisecond.
QUESTION_MODULES_MAX = 440
ALL = REMOTE | QUERIES | {"boto3", "lxml", "moto", "pyarrow", "pydantic", "rich"}


def imported(*arguments: str | Path) -> set[str]:
    """The modules that a command has imported when it ends well."""
    script = (
        "import sys; sys.argv[0] = 'stocktake'\n"
        "from stocktake.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('modules:', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return our_report(tmp_path, Format.PARQUET, [objects(["a", "b"])]).manifest_path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_but_typer_and_the_standard_library(arguments: list[str]) -> None:
    loaded = imported(*arguments)
    assert {"typer", "stocktake"} <= loaded
    assert loaded & ALL == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_no_command(arguments: list[str]) -> None:
    assert {name for name in imported(*arguments) if name.startswith("stocktake.cli.")} == {
        f"stocktake.cli.{name}" for name in ("app", "commands", "outcome", "panels", "sinks")
    }


def test_a_question_to_parquet_imports_no_other_command_format_or_library_for_files(
    report: Path,
) -> None:
    asked = imported("query", report, "SELECT count(*) FROM inventory_report")
    assert (
        asked & (REMOTE | {"fsspec", "rich", "sqlalchemy", "pyarrow.parquet", "pyarrow.orc"})
        == set()
    )
    own = {name for name in asked if name.startswith(("stocktake.cli.", "stocktake.formats."))}
    assert own == {
        *(f"stocktake.cli.{name}" for name in (
            "app", "commands", "options", "outcome", "panels", "query", "signals", "sinks",
        )),
        *(f"stocktake.formats.{name}" for name in ("answers", "columns", "frames", "gathering")),
    }  # fmt: skip
    # pyarrow imports numpy where it is installed, which it is for other tests.
    assert len([name for name in asked if not name.startswith("numpy")]) < QUESTION_MODULES_MAX


def test_a_report_in_a_folder_is_read_without_a_library_for_stores(report: Path) -> None:
    assert imported("verify", report) & (REMOTE | QUERIES | {"rich"}) == set()
    assert imported("ddl", report, "--engine", "athena") & (REMOTE | QUERIES | {"rich"}) == set()
    shown = imported("show", report)
    assert "duckdb" in shown
    assert shown & (REMOTE | {"rich"}) == set()


def test_an_audit_imports_what_draws_pages_only_to_draw_one(report: Path, tmp_path: Path) -> None:
    audited = imported("audit", report, "--fail-on", "never")
    assert audited & (REMOTE | {"rich", "jinja2"}) == set()
    page = tmp_path / "audit.html"
    assert "jinja2" in imported("audit", report, "--fail-on", "never", "--html", page)
    assert page.exists()


def test_a_run_imports_no_library_for_queries_terminals_or_uploads(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("b", [FixtureObject("k", body=b"body")])
    words = ["--endpoint-url", fault_server.endpoint_url, "--no-sign-request"]
    loaded = imported("run", "s3://b", tmp_path / "reports", *words)
    assert "botocore.session" in loaded
    assert loaded & (QUERIES | {"boto3", "moto", "rich", "s3transfer"}) == set()
