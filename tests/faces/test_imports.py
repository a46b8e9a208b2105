"""A command waits for no library that only another one needs: starting is most of what a small one costs."""

from __future__ import annotations

import os
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


def loaded_by_program(*arguments: str | Path, module: str = "stocktake", code: int = 0) -> set[str]:
    """The modules that the program loads, and whatever workers it starts, as the interpreter tells them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
    )
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def of_others(loaded: set[str]) -> set[str]:
    """What of it belongs to libraries that Arrow loads where they are installed, as they are for other tests.

    The interpreter names a module that it was asked for, found or not.
    """
    return {name for name in loaded if name.startswith(("numpy.", "pandas."))}


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
    assert len(loaded_by_program("query", report, "SELECT count(*) FROM inventory_report")) < (
        QUESTION_MODULES_MAX
    )


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


@pytest.mark.parametrize("form", ["table", "csv", "jsonl", "parquet"])
def test_a_question_does_without_libraries_that_happen_to_be_installed(
    report: Path, form: str, tmp_path: Path
) -> None:
    out = tmp_path / "answer"
    words = ["--format", form, "--output", out]
    loaded = loaded_by_program("query", report, "FROM inventory_report", *words)
    assert out.stat().st_size
    assert "pyarrow.lib" in loaded
    assert of_others(loaded) == set()


@pytest.mark.parametrize(
    "words", [["audit", "--fail-on", "never"], ["usage"], ["verify"], ["show"]]
)
def test_no_command_over_reports_loads_them(report: Path, words: list[str]) -> None:
    loaded = loaded_by_program(words[0], report, *words[1:])
    assert "pyarrow.lib" in loaded
    assert of_others(loaded) == set()


def test_the_process_of_guarded_questions_does_not_load_them() -> None:
    # It is asked nothing, which it cannot take.
    loaded = loaded_by_program(module="stocktake.analysis.guarded_child", code=1)
    assert {"duckdb", "pyarrow.lib"} <= loaded
    assert of_others(loaded) == set()


def test_a_run_and_its_workers_do_not_load_them(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.bucket("b", [FixtureObject("k", body=b"body")])
    words = ["--endpoint-url", fault_server.endpoint_url, "--no-sign-request"]
    loaded = loaded_by_program("run", "s3://b", tmp_path / "reports", *words)
    assert {"stocktake.inventory.worker", "pyarrow.lib"} <= loaded
    assert of_others(loaded) == set()


def test_whoever_calls_stocktake_from_python_has_libraries_of_their_own(report: Path) -> None:
    script = f"import stocktake; print(stocktake.open_report({str(report)!r}).pandas().shape[0])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2\n"
